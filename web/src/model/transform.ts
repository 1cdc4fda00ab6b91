// The tree as a person wants to read it: without functions that only pass things on, and without the turns of a
// recursion. Nothing is counted differently by the server; only the picture is another one.
//
//     merge f:       main > f > g   is shown as   main > g,         f's own time as main's
//     collapse f:    f > a > f > g  is shown as   f > g,            the inner f as the outer one
//
// Which node becomes which is worked out when nodes were added; times are added up anew with each message. What a
// node had for itself, and what was cut below it, moves along; the sums of both trees are the same.

import type { FrameId } from "./frames";
import { REASONS } from "./scope";
import { TreeColumns, type NodeId } from "./tree";

const FRAMES_AT_MOST = 2 ** 22;

/** Where the node at `path` of the source is shown. */
export function transformPath(
    path: readonly FrameId[],
    merged: ReadonlySet<FrameId>,
    collapsed: ReadonlySet<FrameId>,
): FrameId[] {
    const shown: FrameId[] = [];
    for (const frame of path) {
        const outer = collapsed.has(frame) ? shown.indexOf(frame) : -1;
        if (outer >= 0) {
            shown.length = outer + 1;
        } else if (!merged.has(frame)) {
            shown.push(frame);
        }
    }
    return shown;
}

export class TransformedTree extends TreeColumns {
    private source: TreeColumns | null = null;
    private sourceShape = -1;
    private sourceGeneration = -1;
    private merged: ReadonlySet<FrameId> = new Set();
    private collapsed: ReadonlySet<FrameId> = new Set();
    private target = new Uint32Array(0); // by node of the source
    private origin: NodeId[] = []; // by node: the first one of the source that became it

    /** Of `source` as it is now. The sets are compared as objects: change them by making new ones. */
    update(source: TreeColumns, merged: ReadonlySet<FrameId>, collapsed: ReadonlySet<FrameId>): void {
        const isSame =
            this.source === source &&
            this.sourceShape === source.shape &&
            this.merged === merged &&
            this.collapsed === collapsed;
        if (!isSame) {
            // Nodes keep their numbers as long as only new ones follow.
            const isNew =
                this.source !== source ||
                this.sourceGeneration !== source.generation ||
                this.merged !== merged ||
                this.collapsed !== collapsed;
            this.source = source;
            this.sourceShape = source.shape;
            this.merged = merged;
            this.collapsed = collapsed;
            const generation = this.generation;
            this.assign(source);
            this.generation = isNew ? this.generation : generation;
            this.sourceGeneration = source.generation;
            this.orderChildren();
            this.shape++;
        }
        this.addUp(source);
        this.totalOnNs = source.totalOnNs;
        this.totalOff = source.totalOff;
        this.version.value = this.version.peek() + 1;
    }

    /** The node of the source that a node was made from. */
    originOf(node: NodeId): NodeId {
        return this.origin[node] ?? 0;
    }

    private assign(source: TreeColumns): void {
        this.empty();
        this.origin = [];
        this.reserve(source.n);
        this.target = new Uint32Array(source.n);
        const known = new Map<number, NodeId>();
        for (let node = 0; node < source.n; node++) {
            const above = this.target[source.parent[node]];
            const frame = source.frame[node];
            this.target[node] =
                node === 0 ? this.make(0, frame, 0) : (this.folded(above, frame) ?? this.child(known, above, frame, node));
        }
    }

    // The node that takes in one with this frame; undefined: it stays a node.
    private folded(above: NodeId, frame: FrameId): NodeId | undefined {
        if (this.merged.has(frame)) {
            return above;
        }
        if (!this.collapsed.has(frame)) {
            return undefined;
        }
        let outer: NodeId | undefined;
        for (let at = above; at !== 0; at = this.parent[at]) {
            if (this.frame[at] === frame) {
                outer = at;
            }
        }
        return outer;
    }

    private child(known: Map<number, NodeId>, above: NodeId, frame: FrameId, from: NodeId): NodeId {
        const key = above * FRAMES_AT_MOST + frame;
        let node = known.get(key);
        if (node === undefined) {
            node = this.make(above, frame, from);
            known.set(key, node);
        }
        return node;
    }

    private make(above: NodeId, frame: FrameId, from: NodeId): NodeId {
        this.origin.push(from);
        return this.addNode(above, frame);
    }

    private addUp(source: TreeColumns): void {
        const { target, n } = this;
        for (const [into, from] of this.ownColumns(source)) {
            into.fill(0, 0, n);
            for (let node = 0; node < source.n; node++) {
                into[target[node]] += from[node];
            }
        }
        for (const [into, from] of this.sumColumns(source)) {
            moveTotals(source, from, target, into, n);
            for (let node = n - 1; node > 0; node--) {
                into[this.parent[node]] += into[node];
            }
        }
        this.addUpWaits(source);
    }

    private ownColumns(source: TreeColumns): [Float64Array | Uint32Array, Float64Array | Uint32Array][] {
        return [
            [this.selfOn, source.selfOn],
            [this.selfOff, source.selfOff],
            [this.selfSamples, source.selfSamples],
            [this.cutChildren, source.cutChildren],
        ];
    }

    private sumColumns(source: TreeColumns): [Float64Array, Float64Array][] {
        return [
            [this.on, source.on],
            [this.off, source.off],
            [this.samples, source.samples],
            [this.intervals, source.intervals],
        ];
    }

    private addUpWaits(source: TreeColumns): void {
        this.waits.clear();
        const from = new Float64Array(source.n);
        const into = new Float64Array(this.n);
        for (let reason = 0; source.hasWaits && reason < REASONS.length; reason++) {
            for (let node = 0; node < source.n; node++) {
                from[node] = source.reasons(node)[reason];
            }
            moveTotals(source, from, this.target, into, this.n);
            for (let node = this.n - 1; node >= 0; node--) {
                if (node > 0) {
                    into[this.parent[node]] += into[node];
                }
                if (into[node] > 0) {
                    this.waitsOf(node)[reason] = into[node];
                }
            }
        }
    }
}

// What each node has beyond its children goes to what became of it.
function moveTotals(
    source: TreeColumns,
    from: Float64Array,
    target: Uint32Array,
    into: Float64Array,
    n: number,
): void {
    into.fill(0, 0, n);
    for (let node = 0; node < source.n; node++) {
        into[target[node]] += from[node];
        if (node > 0) {
            into[target[source.parent[node]]] -= from[node];
        }
    }
}
