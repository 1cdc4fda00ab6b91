// A flamegraph as SVG: the same drawing as on the screen, written down. Names are text in it and nothing else.

import { MARK_WIDTH, MARKS, TILE } from "./reasons";
import type { FlameTokens } from "./flame_colours";
import type { Sink } from "./flame_paint";

export function escapeXml(text: string): string {
    // What XML cannot hold at all, however it is written, is left out.
    const clean = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, "");
    return clean.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export class SvgSink implements Sink {
    private readonly parts: string[] = [];
    private colour = "";
    private inkColour = "";
    private readonly hatches = new Set<number>();

    /** `titleOf`: what is said of a box when somebody points at it. */
    constructor(
        private readonly tokens: FlameTokens,
        private readonly titleOf: (box: number) => string,
    ) {}

    fill(colour: string): void {
        this.colour = colour;
    }

    rect(x: number, y: number, width: number, height: number, box: number): void {
        const title = `<title>${escapeXml(this.titleOf(box))}</title>`;
        this.parts.push(`<rect ${at(x, y, width, height)} fill="${escapeXml(this.colour)}">${title}</rect>`);
    }

    hatch(reason: number, x: number, y: number, width: number, height: number): void {
        if ((MARKS[reason] ?? "") !== "") {
            this.hatches.add(reason);
            this.parts.push(`<rect ${at(x, y, width, height)} fill="url(#mark${reason})" pointer-events="none"/>`);
        }
    }

    frame(x: number, y: number, width: number, height: number): void {
        this.parts.push(`<rect ${at(x, y, width, height)} fill="none" stroke="${escapeXml(this.tokens.line)}"/>`);
    }

    ink(colour: string): void {
        this.inkColour = colour;
    }

    text(text: string, x: number, y: number): void {
        const place = `x="${x}" y="${y}" pointer-events="none"`;
        this.parts.push(`<text ${place} fill="${escapeXml(this.inkColour)}">${escapeXml(text)}</text>`);
    }

    /** The whole file. `caption` stands above the picture, `captionHeight` high. */
    document(width: number, height: number, caption: readonly string[], captionHeight: number, fontPx: number): string {
        const { page, text, mono } = this.tokens;
        const lines = caption.map((line, i) => {
            return `<text x="8" y="${(i + 1) * 18}" fill="${escapeXml(text)}">${escapeXml(line)}</text>`;
        });
        const whole = height + captionHeight;
        return [
            `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${whole}" viewBox="0 0 ${width} ${whole}"`,
            ` font-family="${escapeXml(mono)}" font-size="${fontPx}" shape-rendering="crispEdges" style="white-space:pre">`,
            `<defs>${[...this.hatches].map((reason) => this.pattern(reason)).join("")}</defs>`,
            `<rect width="${width}" height="${whole}" fill="${escapeXml(page)}"/>`,
            ...lines,
            `<g transform="translate(0 ${captionHeight})">`,
            ...this.parts,
            "</g></svg>\n",
        ].join("\n");
    }

    private pattern(reason: number): string {
        const { ink } = this.tokens.reasons;
        return (
            `<pattern id="mark${reason}" width="${TILE}" height="${TILE}" patternUnits="userSpaceOnUse">` +
            `<path d="${MARKS[reason]}" fill="none" stroke="${escapeXml(ink)}" stroke-opacity="0.6"` +
            ` stroke-width="${MARK_WIDTH}" stroke-linecap="round" shape-rendering="auto"/></pattern>`
        );
    }
}

function at(x: number, y: number, width: number, height: number): string {
    return `x="${x}" y="${y}" width="${width}" height="${height}"`;
}
