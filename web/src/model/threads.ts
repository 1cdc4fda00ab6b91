// Threads as tables show them.

import { shorten } from "../lib/format";
import type { Thread } from "../lib/protocol";
import { byReason, sumOf } from "./waits";

export const THREADS_AT_FIRST = 200;
export const THREADS_AT_MOST = 2000;

export type ThreadColumn = "on" | "off" | "samples" | "wakeups" | "name";

const NAME_CHARACTERS = 48;

/** "worker-1 4122". */
export function threadTitle(thread: { name: string; tid: number }): string {
    return `${shorten(thread.name, NAME_CHARACTERS)} ${thread.tid}`;
}

function weight(thread: Thread, column: ThreadColumn): number {
    switch (column) {
        case "on":
            return thread.on_cpu_ns;
        case "off":
            return sumOf(byReason(thread.off_cpu));
        case "samples":
            return thread.samples;
        case "wakeups":
            return thread.wakeups;
        case "name":
            return 0;
    }
}

/** The most first, names from A to Z; equal ones by their ids, so that they never change places. */
export function sortThreads(threads: readonly Thread[], column: ThreadColumn): Thread[] {
    const order = (a: Thread, b: Thread) =>
        column === "name" ? (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) : weight(b, column) - weight(a, column);
    return [...threads].sort((a, b) => order(a, b) || a.tid - b.tid || a.pid - b.pid);
}

/** Rows that stay where they are for as long as somebody is about to take one of them. */
export class HeldOrder {
    private places = new Map<string, number>();

    /** While held: as last time, and what is new at the end. */
    arrange(threads: readonly Thread[], column: ThreadColumn, held: boolean): Thread[] {
        const sorted = sortThreads(threads, column);
        if (held) {
            const place = (thread: Thread) => this.places.get(keyOf(thread)) ?? Infinity;
            const late = (a: Thread, b: Thread) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0);
            sorted.sort(late); // stable: new ones keep their order among themselves
        }
        this.places = new Map(sorted.map((thread, i) => [keyOf(thread), i]));
        return sorted;
    }
}

function keyOf(thread: Thread): string {
    return `${thread.pid} ${thread.tid}`;
}
