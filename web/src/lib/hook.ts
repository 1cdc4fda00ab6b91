// What the page tells a test about what it draws on canvases, where there is no element to ask: `window.__stax`.
//
// Panels put functions there when they are made (`hook.boxes = () => …`); until then nothing is drawn, and the answers
// are empty.
// It only tells. Whoever can read it can read the page as well, so there is nothing to hide.

import type { Scope } from "../model/scope";

/** A box of the flamegraph that is on the screen. */
export interface Box {
    /** Number of its node in this epoch. */
    readonly node: number;
    readonly depth: number;
    /** "" of the root, and of a residue. */
    readonly name: string;
    readonly binary: string;
    /** Names from a child of the root down to it. */
    readonly path: readonly string[];
    /** In CSS pixels, from the left upper corner of the page's visible part. */
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    /** Nanoseconds by the mode that is on. */
    readonly weight: number;
    readonly self: number;
    readonly samples: number;
    /** What was left out of its parent; no function. */
    readonly residue: boolean;
    /** Search found it. */
    readonly matched: boolean;
}

export interface Stats {
    /** Messages that were shown, by method. */
    readonly messages: Readonly<Record<string, number>>;
    /** Nodes of the call tree, shown or not. */
    readonly nodes: number;
    /** How often the flamegraph was painted, and how often only what lies over it. */
    readonly paints: number;
    readonly overlayPaints: number;
    /** Boxes of the last painting. */
    readonly boxesPainted: number;
    /** Share of the whole that the search found, 0 to 1; null: nothing is sought. */
    readonly matched: number | null;
    /** Likewise, only the time of the functions themselves. */
    readonly matchedSelf: number | null;
}

/** How things are shown; scope says what. */
export interface Shown {
    /** Names from a child of the root on. */
    readonly zoom: readonly string[];
    readonly selection: readonly string[] | null;
    /** The function that the details are about. */
    readonly chosen: string | null;
    readonly frozen: boolean;
    readonly tab: string;
    readonly order: string;
    readonly direction: string;
    readonly inverted: boolean;
}

export interface Hook {
    /** Of this interface. */
    readonly version: 1;
    /** Boxes of the flamegraph that are on the screen and at least 1 px wide; the root is one of them. */
    boxes(): Box[];
    /** The box at a place, in CSS pixels of the page's visible part. */
    hitAt(x: number, y: number): Box | null;
    stats(): Stats;
    scope(): Scope | null;
    shown(): Shown | null;
}

const messages: Record<string, number> = {};

export const hook: { -readonly [K in keyof Hook]: Hook[K] } = {
    version: 1,
    boxes: () => [],
    hitAt: () => null,
    stats: () => ({
        messages: messageCounts(),
        nodes: 0,
        paints: 0,
        overlayPaints: 0,
        boxesPainted: 0,
        matched: null,
        matchedSelf: null,
    }),
    scope: () => null,
    shown: () => null,
};

declare global {
    interface Window {
        __stax?: Hook;
    }
}

/** For the app: one more message was shown. */
export function countMessage(method: string): void {
    messages[method] = (messages[method] ?? 0) + 1;
}

/** For who fills in `stats`. */
export function messageCounts(): Record<string, number> {
    return { ...messages };
}
