// The timeline as a picture.
//
//     | 0 s      | 1 s      | 2 s        ticks
//     |   ▂▅█▇▅▂ | ▁▃▆██▇▅▃ |            threads on a CPU, on average, and above them those that were ready
//     |══════════|══════════|═══╪
//     |▇▇▅▅▂▂▁▁▃▃|▇▇▆▆▁▁▂▂▅▅|            threads that waited, hanging from the line, by reason
//                               the end of the run so far
//
// Ten threads that wait would press one that runs into a hairline: the halves have scales of their own.
//
// Buckets of at least one pixel are drawn as boxes from pixel to pixel, smaller ones are averaged by column of pixels.
// Whatever is equally high is one box, so what is painted follows what is seen, not what is known.

import { HATCH_FROM_PX, reasonColour, reasonPattern, reasonTokens, type ReasonTokens } from "./reasons";
import { cssColour } from "../lib/theme";
import { KINDS, KIND_ON_CPU, KIND_RUNNABLE, KIND_WAITS, type Strip, type Timeline } from "../model/timeline";
import { tickText, ticks, type Span } from "../model/span";

/** CSS pixels, from above: ticks, then CPUs down to the line, then waits. */
export const TICKS_PX = 14;
export const CPU_PX = 34;
export const WAITS_PX = 24;
export const GRAPH_PX = TICKS_PX + CPU_PX + WAITS_PX;
export const STRIP_PX = 15;
const STRIP_GAP_PX = 3;
const TICKS_APART_PX = 90;
const DIMMED = 0.18;

export interface TimelineTokens {
    readonly reasons: ReasonTokens;
    readonly onCpu: string;
    readonly runnable: string;
    readonly text: string;
    readonly line: string;
    readonly edge: string;
    readonly panel: string;
    readonly page: string;
    readonly selected: string;
    readonly font: string;
}

export function timelineTokens(): TimelineTokens {
    const reasons = reasonTokens();
    const pick = (name: string, forced: string) => (reasons.forced ? forced : cssColour(name));
    return {
        reasons,
        onCpu: pick("--on-cpu", "Highlight"),
        runnable: pick("--runnable", "GrayText"),
        text: pick("--dim", "CanvasText"),
        line: pick("--line", "GrayText"),
        edge: pick("--accent", "Highlight"),
        panel: pick("--panel", "Canvas"),
        page: pick("--page", "Canvas"),
        selected: pick("--selected", "Canvas"),
        font: cssColour("--font") || "sans-serif",
    };
}

/** What lies side by side: `n` slices, each from x[i] to x[i + 1], in whole pixels. */
export interface Slices {
    n: number;
    x: Int32Array;
    /** Threads on average: `kinds` numbers per slice. */
    mean: Float64Array;
}

/** Below this many pixels per bucket, columns of pixels are averaged. */
const BOXES_FROM_PX = 1;

interface Grid {
    readonly n: number;
    readonly bucketNs: number;
    bucketStart(bucket: number): number;
    bucketEnd(bucket: number): number;
}

/** `read`: nanoseconds by bucket and kind. */
export function slicesOf(
    grid: Grid,
    kinds: number,
    read: (bucket: number, kind: number) => number,
    span: Span,
    width: number,
): Slices {
    if (grid.n === 0 || width <= 0 || span.to <= span.from) {
        return { n: 0, x: new Int32Array(1), mean: new Float64Array(0) };
    }
    const perNs = width / (span.to - span.from);
    const start = grid.bucketStart(0);
    const first = Math.min(Math.max(Math.floor((span.from - start) / grid.bucketNs), 0), grid.n);
    const last = Math.min(Math.max(Math.ceil((span.to - start) / grid.bucketNs), first), grid.n);
    return grid.bucketNs * perNs >= BOXES_FROM_PX
        ? boxes(grid, kinds, read, span, width, first, last)
        : columns(grid, kinds, read, span, width, first, last);
}

function boxes(
    grid: Grid,
    kinds: number,
    read: (bucket: number, kind: number) => number,
    span: Span,
    width: number,
    first: number,
    last: number,
): Slices {
    const perNs = width / (span.to - span.from);
    const clip = (ns: number) => Math.min(Math.max(Math.round((ns - span.from) * perNs), 0), width);
    const x = new Int32Array(last - first + 1);
    const mean = new Float64Array((last - first) * kinds);
    for (let i = 0; i < last - first; i++) {
        const bucket = first + i;
        const ns = grid.bucketEnd(bucket) - grid.bucketStart(bucket);
        x[i] = clip(grid.bucketStart(bucket));
        x[i + 1] = clip(grid.bucketEnd(bucket));
        for (let kind = 0; kind < kinds; kind++) {
            mean[i * kinds + kind] = read(bucket, kind) / ns;
        }
    }
    return { n: last - first, x, mean };
}

function columns(
    grid: Grid,
    kinds: number,
    read: (bucket: number, kind: number) => number,
    span: Span,
    width: number,
    first: number,
    last: number,
): Slices {
    const perNs = width / (span.to - span.from);
    const px = (ns: number) => Math.min(Math.max((ns - span.from) * perNs, 0), width);
    const covered = new Float64Array(width);
    const mean = new Float64Array(width * kinds);
    for (let bucket = first; bucket < last; bucket++) {
        const [start, end] = [grid.bucketStart(bucket), grid.bucketEnd(bucket)];
        const [a, b] = [px(start), px(end)];
        for (let column = Math.floor(a); column < b; column++) {
            const part = Math.min(b, column + 1) - Math.max(a, column);
            covered[column] += part;
            for (let kind = 0; kind < kinds; kind++) {
                mean[column * kinds + kind] += (read(bucket, kind) / (end - start)) * part;
            }
        }
    }
    const from = Math.floor(px(grid.bucketStart(first)));
    const to = last > first ? Math.ceil(px(grid.bucketEnd(last - 1))) : from;
    for (let column = from; column < to; column++) {
        for (let kind = 0; covered[column] > 0 && kind < kinds; kind++) {
            mean[column * kinds + kind] /= covered[column];
        }
    }
    return {
        n: to - from,
        x: Int32Array.from({ length: to - from + 1 }, (_, i) => from + i),
        mean: mean.subarray(from * kinds, to * kinds),
    };
}

export function timelineSlices(timeline: Timeline, span: Span, width: number): Slices {
    const { cells } = timeline;
    return slicesOf(timeline, KINDS, (bucket, kind) => cells[bucket * KINDS + kind], span, width);
}

/** The most threads at once, above and below the line. The end of the run is left out: it is too short to tell. */
export function peaks(slices: Slices): { cpus: number; waits: number } {
    let cpus = 0;
    let waits = 0;
    for (let i = 0; i < Math.max(slices.n - 1, Math.min(slices.n, 1)); i++) {
        const at = i * KINDS;
        cpus = Math.max(cpus, slices.mean[at + KIND_ON_CPU] + slices.mean[at + KIND_RUNNABLE]);
        let waiting = 0;
        for (let kind = KIND_WAITS; kind < KINDS; kind++) {
            waiting += slices.mean[at + kind];
        }
        waits = Math.max(waits, waiting);
    }
    return { cpus, waits };
}

/** Everything below is in device pixels. */
export interface Surface {
    readonly ctx: CanvasRenderingContext2D;
    readonly width: number;
    readonly height: number;
    /** Device pixels per CSS pixel. */
    readonly scale: number;
    readonly tokens: TimelineTokens;
}

export interface Picture {
    readonly timeline: Timeline;
    readonly span: Span;
    /** How many threads the upper and the lower half have room for. */
    readonly cpus: number;
    readonly waits: number;
    /** Only this reason is to stand out; null: all do. */
    readonly reason: number | null;
    readonly recording: boolean;
    /** When the run took in no samples, as far as this page saw it. */
    readonly paused: readonly Span[];
}

export function drawTimeline(surface: Surface, picture: Picture, slices: Slices): void {
    const { ctx, width, height, scale, tokens } = surface;
    ctx.globalAlpha = 1;
    ctx.fillStyle = tokens.page;
    ctx.fillRect(0, 0, width, height);
    drawTicks(surface, picture.span);
    drawPaused(surface, picture);
    const line = Math.round((TICKS_PX + CPU_PX) * scale);
    const up = (line - Math.round(TICKS_PX * scale) - 1) / picture.cpus;
    const down = (height - line - 1) / picture.waits;
    const dim = picture.reason !== null;
    clipTo(ctx, 0, Math.round(TICKS_PX * scale), width, height);
    ctx.globalAlpha = dim ? DIMMED : 1;
    const base = new Float64Array(slices.n);
    drawLayer(surface, slices, KIND_ON_CPU, base, line, -up, tokens.onCpu, null);
    drawLayer(surface, slices, KIND_RUNNABLE, base, line, -up, tokens.runnable, null);
    base.fill(0);
    for (let reason = 0; reason + KIND_WAITS < KINDS; reason++) {
        ctx.globalAlpha = dim && reason !== picture.reason ? DIMMED : 1;
        const colour = reasonColour(reason, tokens.reasons);
        const mark = reasonPattern(ctx, reason, tokens.reasons, scale);
        drawLayer(surface, slices, reason + KIND_WAITS, base, line + 1, down, colour, mark);
    }
    ctx.restore();
    ctx.fillStyle = tokens.text;
    ctx.fillRect(0, line, width, 1);
    drawEdge(surface, picture);
}

// Numbers that are estimated, or a moment old, may be larger than there is room for. Ends with ctx.restore().
function clipTo(ctx: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
    ctx.save();
    ctx.beginPath();
    ctx.rect(x, y, width, height);
    ctx.clip();
}

// One kind of time, on top of what `base` says lies below it; a box per stretch of equal height.
function drawLayer(
    surface: Surface,
    slices: Slices,
    kind: number,
    base: Float64Array,
    line: number,
    perThread: number,
    colour: string,
    mark: CanvasPattern | null,
): void {
    const { ctx, scale } = surface;
    const kinds = slices.n > 0 ? slices.mean.length / slices.n : 1;
    const wide: number[] = []; // boxes with room for a mark: x, y, width, height
    let [from, y, height] = [0, 0, 0]; // of the box that is being gathered
    ctx.fillStyle = colour;
    const put = (to: number) => {
        if (height > 0 && to > from) {
            ctx.fillRect(from, y, to - from, height);
            if (mark !== null && to - from >= HATCH_FROM_PX * scale) {
                wide.push(from, y, to - from, height);
            }
        }
        from = to;
    };
    for (let i = 0; i < slices.n; i++) {
        const a = Math.round(base[i] * perThread);
        base[i] += slices.mean[i * kinds + kind];
        const b = Math.round(base[i] * perThread);
        const [top, size] = [line + Math.min(a, b), Math.abs(b - a)];
        if (top !== y || size !== height) {
            put(slices.x[i]);
            [y, height] = [top, size];
        }
    }
    put(slices.x[slices.n]);
    if (mark !== null && wide.length > 0) {
        ctx.fillStyle = mark;
        for (let i = 0; i < wide.length; i += 4) {
            ctx.fillRect(wide[i], wide[i + 1], wide[i + 2], wide[i + 3]);
        }
    }
}

function drawTicks(surface: Surface, span: Span): void {
    const { ctx, width, height, scale, tokens } = surface;
    const { at, stepNs } = ticks(span, width / scale, TICKS_APART_PX);
    const perNs = width / (span.to - span.from);
    ctx.fillStyle = tokens.line;
    for (const ns of at) {
        ctx.fillRect(Math.round((ns - span.from) * perNs), 0, Math.max(1, Math.floor(scale)), height);
    }
    ctx.fillStyle = tokens.text;
    ctx.font = `${Math.round(10 * scale)}px ${tokens.font}`;
    ctx.textBaseline = "middle";
    for (const ns of at) {
        const x = Math.round((ns - span.from) * perNs + 4 * scale);
        if (x < width - 30 * scale) {
            ctx.fillText(tickText(ns, stepNs), x, Math.round((TICKS_PX / 2) * scale));
        }
    }
}

function drawPaused(surface: Surface, picture: Picture): void {
    const { ctx, width, height, scale, tokens } = surface;
    const { span } = picture;
    const perNs = width / (span.to - span.from);
    const top = Math.round(TICKS_PX * scale);
    for (const { from, to } of picture.paused) {
        const x = Math.max(0, Math.round((from - span.from) * perNs));
        const end = Math.min(width, Math.round((to - span.from) * perNs));
        if (end > x) {
            ctx.fillStyle = tokens.selected;
            ctx.fillRect(x, top, end - x, height - top);
            ctx.fillStyle = tokens.text;
            if (end - x > 44 * scale) {
                ctx.fillText("paused", x + 4 * scale, top + 8 * scale);
            }
        }
    }
}

// Where the run ends at the moment; what lies to its right has not happened yet.
function drawEdge(surface: Surface, picture: Picture): void {
    const { ctx, width, height, scale, tokens } = surface;
    const { span, timeline } = picture;
    const x = Math.round(((timeline.endNs - span.from) / (span.to - span.from)) * width);
    if (x >= width) {
        return;
    }
    ctx.fillStyle = tokens.panel;
    ctx.fillRect(Math.max(0, x), Math.round(TICKS_PX * scale), width - Math.max(0, x), height);
    if (picture.recording && x >= 0) {
        ctx.fillStyle = tokens.edge;
        ctx.fillRect(x, 0, Math.max(1, Math.round(scale)), height);
    }
}

const STRIP_KINDS = 3; // on a CPU, ready, waiting

/** One thread in a row of STRIP_PX at `top`: how each slice of its time is divided. */
export function drawStrip(
    surface: Surface,
    timeline: Timeline,
    strip: Strip,
    span: Span,
    top: number,
    reason: number | null,
): void {
    const { ctx, scale, tokens } = surface;
    const columnsOf = [strip.onNs, strip.runnableNs, strip.offNs];
    const slices = slicesOf(timeline, STRIP_KINDS, (bucket, kind) => columnsOf[kind][bucket], span, surface.width);
    const bottom = Math.round(top + STRIP_PX * scale - Math.ceil(scale));
    const perThread = -Math.round((STRIP_PX - STRIP_GAP_PX) * scale);
    const base = new Float64Array(slices.n);
    clipTo(ctx, 0, bottom + perThread, surface.width, -perThread);
    ctx.globalAlpha = reason === null ? 1 : DIMMED;
    drawLayer(surface, slices, 0, base, bottom, perThread, tokens.onCpu, null);
    drawLayer(surface, slices, 1, base, bottom, perThread, tokens.runnable, null);
    for (const part of byReason(timeline, strip, slices, span, surface.width)) {
        const colour = reasonColour(part.reason, tokens.reasons);
        const mark = reasonPattern(ctx, part.reason, tokens.reasons, scale);
        ctx.globalAlpha = reason === null || part.reason === reason ? 1 : DIMMED;
        drawLayer(surface, part.slices, 2, base.subarray(part.from, part.to), bottom, perThread, colour, mark);
    }
    ctx.restore();
}

interface Part {
    readonly reason: number;
    readonly from: number;
    readonly to: number;
    readonly slices: Slices;
}

// Stretches of slices with the same main reason.
function byReason(timeline: Timeline, strip: Strip, slices: Slices, span: Span, width: number): Part[] {
    const parts: Part[] = [];
    const nsPerPx = (span.to - span.from) / width;
    const reasonAt = (i: number) => {
        const middle = span.from + ((slices.x[i] + slices.x[i + 1]) / 2) * nsPerPx;
        const bucket = Math.floor((middle - timeline.startNs) / timeline.bucketNs);
        return strip.reason[Math.min(Math.max(bucket, 0), strip.n - 1)];
    };
    for (let from = 0; from < slices.n; ) {
        const reason = reasonAt(from);
        let to = from + 1;
        while (to < slices.n && reasonAt(to) === reason) {
            to++;
        }
        const mean = slices.mean.subarray(from * STRIP_KINDS, to * STRIP_KINDS);
        parts.push({ reason, from, to, slices: { n: to - from, x: slices.x.subarray(from, to + 1), mean } });
        from = to;
    }
    return parts;
}
