// A canvas to paint a flamegraph on. Device pixels.

import type { FlameTokens } from "./flame_colours";
import type { Sink } from "./flame_paint";
import { reasonPattern } from "./reasons";

export class CanvasSink implements Sink {
    private readonly ctx: CanvasRenderingContext2D | null;
    private tokens: FlameTokens | null = null;
    private scale = 1;

    constructor(private readonly canvas: HTMLCanvasElement) {
        this.ctx = canvas.getContext("2d", { alpha: false });
    }

    /** Colours and letters from now on (a canvas forgets them when its size changes). Returns how wide a letter is. */
    style(tokens: FlameTokens, fontPx: number, scale: number): number {
        this.tokens = tokens;
        this.scale = scale;
        if (this.ctx === null) {
            return fontPx * 0.6;
        }
        this.ctx.font = `${fontPx}px ${tokens.mono}`;
        this.ctx.textBaseline = "alphabetic";
        this.ctx.lineWidth = 1;
        this.ctx.strokeStyle = tokens.line;
        return this.ctx.measureText("m".repeat(100)).width / 100;
    }

    /** Everything from now on stands that much lower. */
    moveDown(y: number): void {
        this.ctx?.translate(0, y);
    }

    clear(): void {
        this.fill(this.tokens?.page ?? "Canvas");
        this.ctx?.fillRect(0, 0, this.canvas.width, this.canvas.height);
    }

    fill(colour: string): void {
        if (this.ctx !== null) {
            this.ctx.fillStyle = colour;
        }
    }

    rect(x: number, y: number, width: number, height: number): void {
        this.ctx?.fillRect(x, y, width, height);
    }

    hatch(reason: number, x: number, y: number, width: number, height: number): void {
        if (this.ctx === null || this.tokens === null) {
            return;
        }
        const pattern = reasonPattern(this.ctx, reason, this.tokens.reasons, this.scale);
        if (pattern !== null) {
            this.ctx.fillStyle = pattern;
            this.ctx.fillRect(x, y, width, height);
        }
    }

    frame(x: number, y: number, width: number, height: number): void {
        this.ctx?.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), height - 1);
    }

    ink(colour: string): void {
        this.fill(colour);
    }

    text(text: string, x: number, y: number): void {
        this.ctx?.fillText(text, x, y);
    }
}
