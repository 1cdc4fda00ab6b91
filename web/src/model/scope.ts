// What part of which run every panel is about. It is said to the server with every question, and it is what a
// link, and a command line, reproduce.

import type { Symbol, View } from "../lib/protocol";

export type Mode = "on_cpu" | "off_cpu" | "wall";

/** Nanoseconds from the start of the run; `last`: the newest so many seconds, wherever the end is. */
export type Range = { kind: "all" } | { kind: "fixed"; startNs: number; endNs: number } | { kind: "last"; seconds: number };

export interface Scope {
    /** null: the run that the server thinks of: selected, else active, else the newest. */
    readonly run: number | null;
    readonly tid: number | null;
    readonly mode: Mode;
    /** Only waits for this reason: an index into REASONS. */
    readonly reason: number | null;
    readonly range: Range;
    /** Samples with one of these are dropped. */
    readonly exclude: readonly Symbol[];
    /** Only samples with at least one of these; empty: all. */
    readonly only: readonly Symbol[];
    /** Only samples with this one, and the flamegraph begins with it. */
    readonly focus: Symbol | null;
}

export const WHOLE: Scope = {
    run: null,
    tid: null,
    mode: "on_cpu",
    reason: null,
    range: { kind: "all" },
    exclude: [],
    only: [],
    focus: null,
};

export interface Reason {
    /** As the protocol says it. */
    readonly name: string;
    /** As commands say it. */
    readonly word: string;
    readonly code: string;
    readonly label: string;
}

/** In the order of the protocol. */
export const REASONS: readonly Reason[] = [
    { name: "idle", word: "idle", code: "ID", label: "idle" },
    { name: "lock", word: "lock", code: "LK", label: "lock" },
    { name: "semaphore", word: "sem", code: "SM", label: "semaphore" },
    { name: "ipc", word: "ipc", code: "IP", label: "IPC" },
    { name: "io_read", word: "ioR", code: "RD", label: "reading" },
    { name: "io_write", word: "ioW", code: "WR", label: "writing" },
    { name: "readiness", word: "ready", code: "PO", label: "poll" },
    { name: "sleep", word: "sleep", code: "SL", label: "sleep" },
    { name: "connect", word: "conn", code: "CN", label: "connect" },
    { name: "other", word: "other", code: "OT", label: "other" },
];

/** `endNs`: where the run ends at the moment, for ranges that follow it. */
export function viewOf(scope: Scope, endNs: number): View {
    const view: View = {};
    if (scope.run !== null) {
        view.run = scope.run;
    }
    if (scope.tid !== null) {
        view.tid = scope.tid;
    }
    if (scope.range.kind === "fixed") {
        view.time_range = { start_ns: scope.range.startNs, end_ns: scope.range.endNs };
    } else if (scope.range.kind === "last") {
        view.time_range = { start_ns: Math.max(0, Math.round(endNs - scope.range.seconds * 1e9)), end_ns: endNs };
    }
    if (scope.exclude.length > 0) {
        view.exclude_symbols = [...scope.exclude];
    }
    if (scope.only.length > 0) {
        view.only_symbols = [...scope.only];
    }
    if (scope.focus !== null) {
        view.focus_symbol = scope.focus;
    }
    return view;
}

export interface ModeParams {
    mode: Mode;
    reason?: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
}

export function modeOf(scope: Scope): ModeParams {
    const params: ModeParams = { mode: scope.mode };
    if (scope.reason !== null) {
        params.reason = REASONS[scope.reason].name as NonNullable<ModeParams["reason"]>;
    }
    return params;
}

export function sameSymbol(a: Symbol, b: Symbol): boolean {
    return a.function_name === b.function_name && a.binary === b.binary;
}

/** Nothing of the run is left out, whichever time of it is looked at. */
export function isEverything(scope: Scope): boolean {
    const filters = scope.exclude.length + scope.only.length;
    return scope.tid === null && scope.reason === null && scope.range.kind === "all" && filters === 0 && scope.focus === null;
}
