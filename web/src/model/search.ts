// What a search finds: functions by their name, as one mark per frame, and how much of the time that is.
//
// Time below a match counts once, however often the name occurs further down: `matched` is the share of stacks that
// have it anywhere. Frames never change, so each is looked at once per query.

import { batch, signal, type Signal } from "@preact/signals";
import type { Symbol } from "../lib/protocol";
import type { FrameId, Frames } from "./frames";
import type { Mode } from "./scope";
import type { Query } from "./state";
import type { NodeId, TreeColumns } from "./tree";

/** Of a name: an expression may take very long on a long text. */
const NAME_AT_MOST = 1024;
/** Symbols that one filter may name. */
export const SYMBOLS_AT_MOST = 256;

export type Test = (name: string) => boolean;

/** null: nothing is sought. */
export function compile(query: Query): Test | null | { error: string } {
    if (query.text === "") {
        return null;
    }
    if (!query.regex) {
        const text = query.matchCase ? query.text : query.text.toLowerCase();
        return query.matchCase ? (name) => name.includes(text) : (name) => name.toLowerCase().includes(text);
    }
    try {
        const expression = new RegExp(query.text, query.matchCase ? "u" : "iu");
        return (name) => expression.test(name);
    } catch (error) {
        return { error: error instanceof Error ? error.message : String(error) };
    }
}

export class Search {
    /** Shares of the whole, 0 to 1; null: nothing is sought, or the expression is none. */
    readonly matchedPct: Signal<number | null> = signal(null);
    readonly selfPct: Signal<number | null> = signal(null);
    /** Nodes of the tree that match. */
    readonly count = signal(0);
    /** Which of them is selected, from 0; -1: none. */
    readonly index = signal(-1);
    /** Why the expression is none; "" when it is. */
    readonly error = signal("");
    /** By frame: 1 when it matches; null: nothing is sought. Replaced when the query changes, filled up as frames come. */
    matches: Uint8Array | null = null;
    /** Rises when `matches` changes. */
    readonly version = signal(0);
    private query: Query | null = null;
    private test: Test | null = null;
    private tested = 0; // frames so far
    private found: FrameId[] = []; // in the tree

    constructor(private readonly frames: Frames) {}

    /** For what is shown now. `whole`: what is 100 %. */
    update(query: Query, tree: TreeColumns, mode: Mode, whole: number): void {
        batch(() => {
            if (query !== this.query) {
                this.start(query);
            }
            if (this.test !== null) {
                this.testFrames(this.test);
                this.measure(tree, mode, whole);
            }
        });
    }

    /** Functions that match, for a filter; or why they cannot be one. */
    matchingSymbols(): { symbols: Symbol[] } | { error: string } {
        if (this.test === null) {
            return { error: this.error.value === "" ? "nothing is searched for" : this.error.value };
        }
        if (this.found.length === 0) {
            return { error: "no function that is shown matches" };
        }
        if (this.found.length > SYMBOLS_AT_MOST) {
            const many = this.found.length;
            return { error: `${many} functions match; a filter takes at most ${SYMBOLS_AT_MOST}: search for more of the name` };
        }
        return {
            symbols: this.found.map((frame) => ({
                function_name: this.frames.name[frame],
                binary: this.frames.binary[frame],
            })),
        };
    }

    /** Nodes that match, in the order of reading: from the root down, siblings as in `order`. */
    nodes(tree: TreeColumns, mode: Mode, order: Uint32Array): NodeId[] {
        const found: NodeId[] = [];
        const pending: NodeId[] = [0];
        while (this.matches !== null && tree.n > 0 && pending.length > 0) {
            const node = pending.pop() as NodeId;
            if (node !== 0 && this.matches[tree.frame[node]] === 1) {
                found.push(node);
            }
            for (let i = tree.childStart[node + 1] - 1; i >= tree.childStart[node]; i--) {
                if (tree.weight(order[i], mode) > 0) {
                    pending.push(order[i]);
                }
            }
        }
        return found;
    }

    private start(query: Query): void {
        const test = compile(query);
        this.query = query;
        this.error.value = test !== null && typeof test === "object" ? test.error : "";
        this.test = typeof test === "function" ? test : null;
        this.matches = this.test === null ? null : new Uint8Array(Math.max(256, this.frames.count));
        this.tested = 1; // the root has no name
        this.found = [];
        this.matchedPct.value = null;
        this.selfPct.value = null;
        this.count.value = 0;
        this.index.value = -1;
        this.version.value++;
    }

    private testFrames(test: Test): void {
        const { name, count } = this.frames;
        let matches = this.matches as Uint8Array;
        if (matches.length < count) {
            const grown = new Uint8Array(count * 2);
            grown.set(matches);
            this.matches = matches = grown;
        }
        if (this.tested < count) {
            for (let frame = this.tested; frame < count; frame++) {
                matches[frame] = test(name[frame].slice(0, NAME_AT_MOST)) ? 1 : 0;
            }
            this.tested = count;
            this.version.value++;
        }
    }

    private measure(tree: TreeColumns, mode: Mode, whole: number): void {
        const matches = this.matches as Uint8Array;
        const below = new Uint8Array(tree.n); // of a match
        const isFound = new Uint8Array(this.frames.count);
        let [matched, self, count] = [0, 0, 0];
        for (let node = 1; node < tree.n; node++) {
            below[node] = below[tree.parent[node]];
            const weight = matches[tree.frame[node]] === 1 ? tree.weight(node, mode) : 0;
            if (weight > 0) {
                count++;
                self += tree.ownWeight(node, mode);
                matched += below[node] === 0 ? weight : 0;
                below[node] = 1;
                isFound[tree.frame[node]] = 1;
            }
        }
        this.found = [];
        isFound.forEach((found, frame) => found === 1 && this.found.push(frame));
        this.count.value = count;
        this.matchedPct.value = whole > 0 ? matched / whole : 0;
        this.selfPct.value = whole > 0 ? self / whole : 0;
    }
}

