// What the details of a function know: each tab's answers, and what was opened and chosen in them.

import { signal } from "@preact/signals";
import type { Intervals, Neighbors } from "../lib/protocol";
import { Graph } from "./cfg";
import { Code } from "./code";
import { Expansion } from "./expansion";
import type { Frames } from "./frames";
import { Latest } from "./latest";
import { SnapshotTree } from "./snapshot_tree";

export class Details {
    readonly code = new Code();
    readonly graph = new Graph();
    readonly neighbors = new Latest<Neighbors>();
    readonly callers: SnapshotTree;
    readonly callees: SnapshotTree;
    readonly callersExpansion = new Expansion();
    readonly calleesExpansion = new Expansion();
    readonly intervals = new Latest<Intervals>();
    /** Of the call tree. */
    readonly expansion = new Expansion();
    /** Which wait is looked at: thread and start; null: none. */
    readonly wait = signal<string | null>(null);
    /** Which instruction is to be shown next, by its address; null: none. */
    readonly wanted = signal<string | null>(null);

    constructor(frames: Frames) {
        this.callers = new SnapshotTree(frames);
        this.callees = new SnapshotTree(frames);
    }
}
