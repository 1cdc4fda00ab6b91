// Where the boxes of a flamegraph are, from the columns of a tree.
//
//     row 0   | main                                       |   ancestors of the zoom: as wide as the view
//     row 1   | run                                        |   the zoom
//     row 2   | decode      | hash |####|(12 small)|       |   children, a run of slivers, the residue, run itself
//                                    RUN   RESIDUE   self
//
// Cost follows pixels: what is narrower than MIN_PX is not descended into, and a row of such slivers becomes one RUN.
// Children, runs, the residue and the node's own time add up to the width of the node. Rows lie one after the other,
// and in each of them boxes stand by x, so that a hit is a binary search.
//
// Coordinates are device pixels, unrounded: who draws rounds both edges, and neighbours still touch.

import { grown } from "../lib/columns";
import type { Mode } from "../model/scope";
import type { NodeId, TreeColumns } from "../model/tree";

/** Device pixels. */
export const MIN_PX = 0.5;
const NOISE_PX = 0.01; // what rounding makes of sums

export const BOX = 0;
/** Children that the server left out: `node` is their parent, `count` how many. */
export const RESIDUE = 1;
/** Children too narrow to be seen: `node` is their parent, `count` how many, `from` where they begin in the order. */
export const RUN = 2;

const FIRST_ROOM = 4096;

export interface LayoutInput {
    readonly tree: TreeColumns;
    /** By node: see weights(). */
    readonly weight: Float64Array;
    readonly self: Float64Array;
    /** As TreeColumns.childList: children of each node in the order in which they are drawn. */
    readonly order: Uint32Array;
    readonly zoom: NodeId;
    /** Device pixels. */
    readonly width: number;
}

export class FlameLayout {
    n = 0;
    rows = 0;
    left = new Float32Array(FIRST_ROOM);
    right = new Float32Array(FIRST_ROOM);
    node = new Uint32Array(FIRST_ROOM);
    kind = new Uint8Array(FIRST_ROOM);
    count = new Uint32Array(FIRST_ROOM);
    from = new Uint32Array(FIRST_ROOM);
    /** Boxes of row r: rowStart[r] … rowStart[r + 1] - 1. */
    rowStart: number[] = [0];
    /** The row of the zoom; those before it are its ancestors. */
    zoomRow = 0;
    /** Device pixels of residues below the zoom: how much is hidden that the server could show. */
    residuePx = 0;

    run(input: LayoutInput): void {
        const { tree, zoom, width } = input;
        this.n = 0;
        this.rows = 0;
        this.rowStart.length = 0;
        this.residuePx = 0;
        this.zoomRow = 0;
        if (tree.n === 0 || width <= 0 || !(input.weight[zoom] > 0)) {
            this.rowStart.push(0);
            return;
        }
        this.placeAncestors(tree, zoom, width);
        while (this.rowStart[this.rows] < this.n) {
            this.rows++;
            this.rowStart.push(this.n);
            const end = this.n;
            for (let box = this.rowStart[this.rows - 1]; box < end; box++) {
                if (this.kind[box] === BOX) {
                    this.placeChildren(input, box);
                }
            }
        }
    }

    // The rows above the zoom, and the zoom itself as the row from where to go on.
    private placeAncestors(tree: TreeColumns, zoom: NodeId, width: number): void {
        const way: NodeId[] = [];
        for (let at = zoom; at !== 0; at = tree.parent[at]) {
            way.push(at);
        }
        way.push(0);
        this.zoomRow = way.length - 1;
        this.rows = way.length - 1;
        for (const node of way.reverse()) {
            this.rowStart.push(this.n);
            this.put(BOX, node, 0, width, 0, 0);
        }
    }

    private placeChildren(input: LayoutInput, box: number): void {
        const { tree, weight } = input;
        const node = this.node[box];
        if (tree.childStart[node] === tree.childStart[node + 1] && tree.cutChildren[node] === 0) {
            return;
        }
        const left = this.left[box];
        const width = this.right[box] - left;
        let scale = width / weight[node];
        const { n } = this;
        let x = this.placeBoxes(input, node, left, scale);
        if (x - left > width + NOISE_PX) {
            // Small changes may come late: children can weigh more than their parent for a moment.
            this.n = n;
            scale *= width / (x - left);
            x = this.placeBoxes(input, node, left, scale);
        }
        const residue = left + (weight[node] - input.self[node]) * scale - x;
        if (tree.cutChildren[node] > 0 && residue >= MIN_PX) {
            this.put(RESIDUE, node, x, x + residue, tree.cutChildren[node], 0);
            this.residuePx += residue;
        }
    }

    private placeBoxes(input: LayoutInput, parent: NodeId, left: number, scale: number): number {
        const { tree, weight, order } = input;
        const end = tree.childStart[parent + 1];
        let x = left;
        let runLeft = x;
        let runCount = 0;
        let runFrom = 0;
        for (let i = tree.childStart[parent]; i < end; i++) {
            const width = weight[order[i]] * scale;
            if (!(width > 0)) {
                continue;
            }
            if (width < MIN_PX) {
                if (runCount++ === 0) {
                    runLeft = x;
                    runFrom = i;
                }
            } else {
                this.endRun(parent, runLeft, x, runCount, runFrom);
                runCount = 0;
                this.put(BOX, order[i], x, x + width, 0, 0);
            }
            x += width;
        }
        this.endRun(parent, runLeft, x, runCount, runFrom);
        return x;
    }

    private endRun(parent: NodeId, left: number, right: number, count: number, from: number): void {
        if (count > 0 && right - left >= MIN_PX) {
            this.put(RUN, parent, left, right, count, from);
        }
    }

    private put(kind: number, node: NodeId, left: number, right: number, count: number, from: number): void {
        if (this.n === this.left.length) {
            this.grow();
        }
        const box = this.n++;
        this.kind[box] = kind;
        this.node[box] = node;
        this.left[box] = left;
        this.right[box] = right;
        this.count[box] = count;
        this.from[box] = from;
    }

    private grow(): void {
        const room = this.left.length * 2;
        this.left = grown(this.left, room);
        this.right = grown(this.right, room);
        this.node = grown(this.node, room);
        this.kind = grown(this.kind, room);
        this.count = grown(this.count, room);
        this.from = grown(this.from, room);
    }

    /** The box of a row at x, in device pixels; -1: none, it is the time of the node above itself. */
    hit(row: number, x: number): number {
        if (row < 0 || row >= this.rows) {
            return -1;
        }
        let low = this.rowStart[row];
        let high = this.rowStart[row + 1];
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.right[middle] > x) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low < this.rowStart[row + 1] && this.left[low] <= x ? low : -1;
    }

    /** The box of a node; -1: it has none, because it is too narrow or outside of the zoom. */
    boxOf(tree: TreeColumns, node: NodeId): number {
        const row = tree.depth[node];
        if (node < tree.n && row < this.rows) {
            for (let box = this.rowStart[row]; box < this.rowStart[row + 1]; box++) {
                if (this.node[box] === node && this.kind[box] === BOX) {
                    return box;
                }
            }
        }
        return -1;
    }
}

/** What nodes weigh in a mode: columns of the tree itself, or, for the wall clock, sums of two of them. */
export class Weights {
    total: Float64Array = new Float64Array(0);
    self: Float64Array = new Float64Array(0);
    private sumTotal = new Float64Array(0);
    private sumSelf = new Float64Array(0);

    update(tree: TreeColumns, mode: Mode): void {
        if (mode !== "wall") {
            this.total = mode === "on_cpu" ? tree.on : tree.off;
            this.self = mode === "on_cpu" ? tree.selfOn : tree.selfOff;
            return;
        }
        if (this.sumTotal.length < tree.n) {
            this.sumTotal = new Float64Array(tree.parent.length);
            this.sumSelf = new Float64Array(tree.parent.length);
        }
        for (let node = 0; node < tree.n; node++) {
            this.sumTotal[node] = tree.on[node] + tree.off[node];
            this.sumSelf[node] = tree.selfOn[node] + tree.selfOff[node];
        }
        this.total = this.sumTotal;
        this.self = this.sumSelf;
    }
}
