// Time on the screen: which part of a run a timeline shows, where a moment stands in it, and how a range of time is
// moved about. Nothing but numbers; times are nanoseconds from the start of the run.

import type { Range } from "./scope";

export interface Span {
    readonly from: number;
    readonly to: number;
}

/** The shortest part that can be shown, or chosen. */
export const SHORTEST_NS = 1000;

const SECOND = 1e9;
const STEPS = [1, 1.5, 2, 3, 4, 6, 8];

/**
 * All of a run. One that goes on gets some room ahead, in steps: what was drawn stays where it is until the next
 * step, instead of creeping to the left twice a second.
 */
export function wholeRun(endNs: number, recording: boolean): Span {
    if (!recording) {
        return { from: 0, to: Math.max(endNs, SHORTEST_NS) };
    }
    for (let unit = 10 * SECOND; ; unit *= 10) {
        for (const step of STEPS) {
            if (endNs <= unit * step) {
                return { from: 0, to: unit * step };
            }
        }
    }
}

/** Keeps its length if it can, and lies within `bounds`. */
export function within(span: Span, bounds: Span): Span {
    const length = Math.min(Math.max(span.to - span.from, SHORTEST_NS), Math.max(bounds.to - bounds.from, SHORTEST_NS));
    const from = Math.round(Math.max(Math.min(span.from, bounds.to - length), bounds.from));
    return { from, to: Math.round(from + length) };
}

export function moved(span: Span, byNs: number, bounds: Span): Span {
    return within({ from: span.from + byNs, to: span.to + byNs }, bounds);
}

/** `factor` below 1: closer. The moment `at` keeps its place. */
export function zoomed(span: Span, factor: number, at: number, bounds: Span): Span {
    const length = Math.max((span.to - span.from) * factor, SHORTEST_NS);
    const share = (at - span.from) / (span.to - span.from);
    return within({ from: at - share * length, to: at + (1 - share) * length }, bounds);
}

/** One end of a range elsewhere. Ends do not pass each other. */
export function withEnd(span: Span, end: "from" | "to", ns: number, bounds: Span): Span {
    const at = Math.round(Math.min(Math.max(ns, bounds.from), bounds.to));
    return end === "from"
        ? { from: Math.min(at, span.to - SHORTEST_NS), to: span.to }
        : { from: span.from, to: Math.max(at, span.from + SHORTEST_NS) };
}

/** What a range of the scope covers at the moment; null: everything. */
export function spanOf(range: Range, endNs: number): Span | null {
    if (range.kind === "fixed") {
        return { from: range.startNs, to: range.endNs };
    }
    if (range.kind === "last") {
        return { from: Math.max(0, endNs - range.seconds * SECOND), to: endNs };
    }
    return null;
}

export function rangeOf(span: Span): Range {
    return { kind: "fixed", startNs: span.from, endNs: span.to };
}

/** Seconds that a followed range is long, one after the other; then: everything again. */
export const FOLLOWED = [2, 10, 60];

export function nextFollowed(range: Range): Range {
    const at = range.kind === "last" ? FOLLOWED.indexOf(range.seconds) : -1;
    const seconds = FOLLOWED[at + 1];
    return seconds === undefined ? { kind: "all" } : { kind: "last", seconds };
}

/** Moments worth a number: at most one per `apartPx` of `widthPx`, a round time apart. */
export function ticks(span: Span, widthPx: number, apartPx: number): { at: number[]; stepNs: number } {
    const length = span.to - span.from;
    const least = (length * apartPx) / Math.max(widthPx, 1);
    const stepNs = roundStep(least);
    const at: number[] = [];
    for (let i = Math.ceil(span.from / stepNs); i * stepNs <= span.to && at.length < 1000; i++) {
        at.push(i * stepNs);
    }
    return { at, stepNs };
}

function roundStep(leastNs: number): number {
    const minutes = [60, 120, 300, 600, 900, 1800, 3600].map((seconds) => seconds * SECOND);
    if (leastNs > 30 * SECOND) {
        return minutes.find((step) => step >= leastNs) ?? Math.ceil(leastNs / minutes[6]) * minutes[6];
    }
    if (leastNs > 10 * SECOND) {
        return leastNs > 20 * SECOND ? 30 * SECOND : 20 * SECOND;
    }
    const unit = 10 ** Math.floor(Math.log10(Math.max(leastNs, 1)));
    return [1, 2, 5, 10].map((step) => step * unit).find((step) => step >= leastNs) ?? 10 * unit;
}

/** A moment as a tick says it: as many places as tell it from the next one. */
export function tickText(ns: number, stepNs: number): string {
    const seconds = ns / SECOND;
    if (stepNs >= 60 * SECOND) {
        const minutes = Math.round(seconds / 60);
        return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
    }
    const places = Math.min(9, Math.max(0, Math.ceil(-Math.log10(stepNs / SECOND) - 1e-9)));
    return `${seconds.toFixed(places)} s`;
}

/** A moment as it is read out, with as many places as the length of what is shown asks for: "1.20 s". */
export function momentText(ns: number, shownNs: number): string {
    const places = Math.min(9, Math.max(2, 3 - Math.floor(Math.log10(Math.max(shownNs, 1) / SECOND))));
    return `${(ns / SECOND).toFixed(shownNs > 5 * SECOND ? 2 : places)} s`;
}

/** The least round number of threads that a graph has to have room for; it does not change with every message. */
export function roundCeiling(most: number): number {
    if (!(most > 1)) {
        return 1;
    }
    const unit = 10 ** Math.floor(Math.log10(most));
    return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * unit).find((step) => step >= most * 0.999) ?? 10 * unit;
}
