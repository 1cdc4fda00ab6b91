// What waits look like, wherever they are drawn: a colour, a mark on top of it, and a code of two letters.
//
// Ten colours are about as many as can be told apart, and not by everybody: a box that is wide enough gets the mark of
// its reason, and whatever has room for it the code. The marks are paths in a tile of 8 x 8, so that a canvas, an
// exported picture and the legend share them.

import { REASONS } from "../model/scope";

/** Boxes that are narrower show their colour only. CSS pixels. */
export const HATCH_FROM_PX = 12;
/** Instead of a reason: there was no wait. */
export const NO_REASON = REASONS.length;

export const TILE = 8;
export const MARK_WIDTH = 1.2;

/** By reason; "": flat. Strokes with round caps in a tile of TILE x TILE. */
export const MARKS: readonly string[] = [
    "", // idle
    "M-1-1L9 9M-1 7L1 9M7-1L9 1", // lock: falling lines
    "M-1 9L9-1M-1 1L1-1M7 9L9 7", // semaphore: rising lines
    "M2 2h.01M6 6h.01", // IPC: dots
    "M2 0V8M6 0V8", // reading: standing lines
    "M0 2H8M0 6H8", // writing: lying lines
    "M4 1.5V6.5M1.5 4H6.5", // poll: crosses
    "", // sleep
    "M2 2L6 6M6 2L2 6", // connect: crosses that fell over
    "M2 1.5h.01M2 5.5h.01", // other: colons
];

/** The colours of a theme, as strings that a canvas takes. */
export interface ReasonTokens {
    readonly colours: readonly string[];
    /** What marks are drawn with: the colour of the page, half transparent, which every reason stands out from. */
    readonly ink: string;
    /** The system says which colours there are: reasons differ by their marks and codes only. */
    readonly forced: boolean;
}

/** As the stylesheet has them at the moment: to be read again when the theme changes. */
export function reasonTokens(element: Element = document.documentElement): ReasonTokens {
    const style = getComputedStyle(element);
    const forced = matchMedia("(forced-colors: active)").matches;
    return {
        colours: REASONS.map(({ name }) => {
            if (forced) {
                return name === "sleep" ? "GrayText" : "Canvas";
            }
            return style.getPropertyValue(`--reason-${name}`).trim();
        }),
        ink: forced ? "CanvasText" : style.getPropertyValue("--page").trim(),
        forced,
    };
}

/** `reason`: an index into REASONS; of anything else, the one of "other". */
export function reasonColour(reason: number, tokens: ReasonTokens): string {
    return tokens.colours[reason] ?? tokens.colours[REASONS.length - 1];
}

export function reasonCode(reason: number): string {
    return REASONS[reason]?.code ?? "";
}

const CACHED_AT_MOST = 64; // ten reasons, some themes and scales; a pattern is 8 x 8 pixels
const patterns = new Map<string, CanvasPattern | null>();

/**
 * What is filled over a box of the reason's colour; null: nothing, its mark is to have none. `scale`: device pixels
 * per CSS pixel, for a context that draws in device pixels; 1 for one that is scaled.
 */
export function reasonPattern(
    ctx: CanvasRenderingContext2D,
    reason: number,
    tokens: ReasonTokens,
    scale: number,
): CanvasPattern | null {
    const mark = MARKS[reason] ?? "";
    if (mark === "") {
        return null;
    }
    const key = `${reason} ${scale} ${tokens.ink}`;
    let pattern = patterns.get(key);
    if (pattern === undefined) {
        if (patterns.size >= CACHED_AT_MOST) {
            patterns.clear();
        }
        pattern = ctx.createPattern(tile(mark, tokens, scale), "repeat");
        patterns.set(key, pattern);
    }
    return pattern;
}

function tile(mark: string, tokens: ReasonTokens, scale: number): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(TILE * scale));
    canvas.height = canvas.width;
    const ctx = canvas.getContext("2d");
    if (ctx !== null) {
        const exact = canvas.width / TILE; // the tile ends where a pixel ends, or its copies would show seams
        ctx.scale(exact, exact);
        ctx.strokeStyle = tokens.ink;
        ctx.globalAlpha = tokens.forced ? 1 : 0.6;
        ctx.lineWidth = MARK_WIDTH;
        ctx.lineCap = "round";
        ctx.stroke(new Path2D(mark));
    }
    return canvas;
}

/** Fills a box with its colour, and with its mark where there is room. In the context's own pixels. */
export function fillReason(
    ctx: CanvasRenderingContext2D,
    reason: number,
    tokens: ReasonTokens,
    scale: number,
    x: number,
    y: number,
    width: number,
    height: number,
): void {
    ctx.fillStyle = reasonColour(reason, tokens);
    ctx.fillRect(x, y, width, height);
    if (width >= HATCH_FROM_PX * scale || tokens.forced) {
        const pattern = reasonPattern(ctx, reason, tokens, scale);
        if (pattern !== null) {
            ctx.fillStyle = pattern;
            ctx.fillRect(x, y, width, height);
        }
    }
}
