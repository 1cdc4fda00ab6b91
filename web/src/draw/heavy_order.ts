// Siblings with the heaviest first, without making them jump.
//
// They are sorted when they are first seen. After that two neighbours change places only when one is clearly heavier
// (FACTOR) and worth looking at (SHARE of the whole), and never while somebody points at them. What is new goes in
// once, by its weight. The order outlives an epoch: nodes are recognized by their way from the root.

import type { NodeId, TreeColumns } from "../model/tree";

const FACTOR = 1.5;
const SHARE = 0.01;
const FRAMES_AT_MOST = 2 ** 22; // packs (node, frame) into one number that a double holds exactly

export class HeavyOrder {
    /** As TreeColumns.childList. */
    list = new Uint32Array(0);
    private generation = -1;
    private shape = -1;
    private n = 0;
    private parent = new Uint32Array(0);
    private frame = new Uint32Array(0);
    private place = new Int32Array(0); // of a node in `list`

    /** `held`: whatever is known stays where it is. */
    update(tree: TreeColumns, weight: Float64Array, total: number, held: boolean): Uint32Array {
        if (tree.generation !== this.generation || tree.shape !== this.shape) {
            const places = this.knownPlaces(tree);
            this.arrange(tree, weight, places);
            this.remember(tree);
        }
        if (!held) {
            this.swap(tree, weight, total * SHARE);
        }
        return this.list;
    }

    // By node: where it stood; -1: it is new.
    private knownPlaces(tree: TreeColumns): Int32Array {
        const places = new Int32Array(tree.n).fill(-1);
        if (tree.generation === this.generation) {
            places.set(this.place.subarray(0, Math.min(this.n, tree.n)));
            return places;
        }
        const known = new Map<number, NodeId>();
        for (let node = 1; node < this.n; node++) {
            known.set(this.parent[node] * FRAMES_AT_MOST + this.frame[node], node);
        }
        const was = new Int32Array(tree.n).fill(-1);
        was[0] = 0;
        for (let node = 1; node < tree.n; node++) {
            const above = was[tree.parent[node]];
            const before = above < 0 ? undefined : known.get(above * FRAMES_AT_MOST + tree.frame[node]);
            if (before !== undefined) {
                was[node] = before;
                places[node] = this.place[before];
            }
        }
        return places;
    }

    private arrange(tree: TreeColumns, weight: Float64Array, places: Int32Array): void {
        const list = tree.childList.slice();
        for (let node = 0; node < tree.n; node++) {
            const start = tree.childStart[node];
            const end = tree.childStart[node + 1];
            if (end - start < 2) {
                continue;
            }
            const children = Array.from(list.subarray(start, end));
            const old = children.filter((child) => places[child] >= 0).sort((a, b) => places[a] - places[b]);
            const added = children.filter((child) => places[child] < 0).sort((a, b) => weight[b] - weight[a]);
            list.set(mergeByWeight(old, added, weight), start);
        }
        this.list = list;
    }

    private remember(tree: TreeColumns): void {
        this.generation = tree.generation;
        this.shape = tree.shape;
        this.n = tree.n;
        this.parent = tree.parent.slice(0, tree.n);
        this.frame = tree.frame.slice(0, tree.n);
        this.place = new Int32Array(tree.n);
        this.list.forEach((node, place) => (this.place[node] = place));
    }

    private swap(tree: TreeColumns, weight: Float64Array, least: number): void {
        const list = this.list;
        for (let node = 0; node < tree.n; node++) {
            const end = tree.childStart[node + 1];
            const start = tree.childStart[node];
            for (let i = start + 1; i < end; i++) {
                const child = list[i];
                const own = weight[child];
                let at = i;
                while (at > start && own > least && own > FACTOR * weight[list[at - 1]]) {
                    list[at] = list[at - 1];
                    this.place[list[at]] = at;
                    at--;
                }
                list[at] = child;
                this.place[child] = at;
            }
        }
    }
}

// `old` keeps its order; each of `added`, the heaviest first, stands before the first that is lighter.
function mergeByWeight(old: readonly NodeId[], added: readonly NodeId[], weight: Float64Array): NodeId[] {
    const merged: NodeId[] = [];
    let next = 0;
    for (const node of old) {
        while (next < added.length && weight[added[next]] > weight[node]) {
            merged.push(added[next++]);
        }
        merged.push(node);
    }
    return merged.concat(added.slice(next));
}
