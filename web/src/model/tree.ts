// The call tree as it arrives: columns of numbers, one row per node, that only grow within an epoch.
//
//     Live.tree ──apply()──► parent, frame ──order by name──► children of each node
//                            on, off, samples …               (what was added is put in between)
//
// A node is its place in the columns. That number means nothing in the next epoch: whatever has to last (a zoom, a
// selection) is kept as a path of frames and looked up again. No objects per node: there may be 50,000 of them four
// times a second.
//
// What draws and searches trees needs only the columns, wherever those come from: TreeColumns.

import { signal } from "@preact/signals";
import { grown } from "../lib/columns";
import type { LiveTree, OffCpu } from "../lib/protocol";
import { Dictionary, Frames, type FrameId } from "./frames";
import { REASONS, type Mode } from "./scope";

export type NodeId = number;

const FIRST_ROOM = 4096;
const MUCH = 8; // when more than this part of all nodes is new, they are ordered anew

/** A tree by columns. Node 0 is the root; a parent comes before its children. */
export class TreeColumns {
    n = 0;
    parent = new Uint32Array(FIRST_ROOM);
    frame = new Uint32Array(FIRST_ROOM);
    depth = new Uint16Array(FIRST_ROOM);
    on = new Float64Array(FIRST_ROOM); // ns, with everything below; likewise off, samples, intervals
    selfOn = new Float64Array(FIRST_ROOM);
    off = new Float64Array(FIRST_ROOM);
    selfOff = new Float64Array(FIRST_ROOM);
    samples = new Float64Array(FIRST_ROOM);
    selfSamples = new Float64Array(FIRST_ROOM);
    intervals = new Float64Array(FIRST_ROOM);
    cutChildren = new Uint32Array(FIRST_ROOM);
    /** Children of node i, by name: childList[childStart[i]] … childList[childStart[i + 1] - 1]. */
    childStart = new Uint32Array(1);
    childList = new Uint32Array(0);
    maxDepth = 0;
    /** Callers stand below what they call; a node's own time is then that of stacks that begin with it. */
    inverted = false;
    /** Counts messages; read it to be drawn again. */
    readonly version = signal(0);
    /** Rises when numbers of nodes begin anew. */
    generation = 0;
    /** Rises when nodes were added or numbered anew, and with it the order of children. */
    shape = 0;
    /** Nanoseconds that are 100 %, by kind. */
    totalOnNs = 0;
    totalOff: OffCpu | null = null;
    protected readonly waits = new Map<NodeId, number[]>(); // by node: ns by reason

    constructor(readonly frames: Frames) {}

    /** What a node weighs: nanoseconds. */
    weight(node: NodeId, mode: Mode): number {
        return mode === "on_cpu" ? this.on[node] : mode === "off_cpu" ? this.off[node] : this.on[node] + this.off[node];
    }

    selfWeight(node: NodeId, mode: Mode): number {
        return mode === "on_cpu"
            ? this.selfOn[node]
            : mode === "off_cpu"
              ? this.selfOff[node]
              : this.selfOn[node] + this.selfOff[node];
    }

    /**
     * Time that a function spends itself, as far as this node says it: of all nodes together it is the function's own
     * time, whichever way the tree grows.
     */
    ownWeight(node: NodeId, mode: Mode): number {
        if (this.inverted) {
            return this.depth[node] === 1 ? this.weight(node, mode) : 0;
        }
        return this.selfWeight(node, mode);
    }

    /** What was left out below a node: its weight less its own and that of its children. */
    residue(node: NodeId, mode: Mode): number {
        if (this.cutChildren[node] === 0) {
            return 0;
        }
        let left = this.weight(node, mode) - this.selfWeight(node, mode);
        for (let i = this.childStart[node]; i < this.childStart[node + 1]; i++) {
            left -= this.weight(this.childList[i], mode);
        }
        return Math.max(0, left);
    }

    /** Waits of a node and everything below it by reason; all zero when it has none. */
    reasons(node: NodeId): readonly number[] {
        return this.waits.get(node) ?? NO_WAITS;
    }

    get hasWaits(): boolean {
        return this.waits.size > 0;
    }

    /** What is 100 %: of the mode, and of one reason to wait if only that is asked for. */
    whole(mode: Mode, reason: number | null): number {
        const off = this.totalOff === null ? 0 : waitsIn(this.totalOff, reason);
        const total = mode === "on_cpu" ? this.totalOnNs : mode === "off_cpu" ? off : this.totalOnNs + off;
        return this.n > 0 ? Math.max(total, this.weight(0, mode)) : total;
    }

    /** Frames from a child of the root down to the node; of the root: none. */
    path(node: NodeId): FrameId[] {
        const path: FrameId[] = [];
        for (let at = node; at !== 0; at = this.parent[at]) {
            path.push(this.frame[at]);
        }
        return path.reverse();
    }

    /** The node that a path leads to, or the last one on the way that exists. */
    find(path: readonly FrameId[]): { node: NodeId; found: number } {
        let node = 0;
        let found = 0;
        while (this.n > 0 && found < path.length) {
            const child = this.childOf(node, path[found]);
            if (child === 0) {
                break;
            }
            node = child;
            found++;
        }
        return { node, found };
    }

    /** Whether anything of the mode is left of it: nodes that fell out of the cut stay as numbers only. */
    isShown(node: NodeId): boolean {
        return this.on[node] + this.off[node] + this.samples[node] > 0;
    }

    private childOf(node: NodeId, frame: FrameId): NodeId {
        for (let i = this.childStart[node]; i < this.childStart[node + 1]; i++) {
            const child = this.childList[i];
            if (this.frame[child] === frame && this.isShown(child)) {
                return child;
            }
        }
        return 0;
    }

    protected reserve(n: number): void {
        if (n <= this.parent.length) {
            return;
        }
        const room = Math.max(n, this.parent.length * 2);
        this.parent = grown(this.parent, room);
        this.frame = grown(this.frame, room);
        this.depth = grown(this.depth, room);
        this.on = grown(this.on, room);
        this.selfOn = grown(this.selfOn, room);
        this.off = grown(this.off, room);
        this.selfOff = grown(this.selfOff, room);
        this.samples = grown(this.samples, room);
        this.selfSamples = grown(this.selfSamples, room);
        this.intervals = grown(this.intervals, room);
        this.cutChildren = grown(this.cutChildren, room);
    }

    /** One more node, all of its numbers 0. */
    protected addNode(parent: NodeId, frame: FrameId): NodeId {
        const node = this.n++;
        const above = Math.min(parent, node === 0 ? 0 : node - 1);
        const depth = node === 0 ? 0 : this.depth[above] + 1;
        this.parent[node] = above;
        this.frame[node] = frame;
        this.depth[node] = depth;
        this.maxDepth = Math.max(this.maxDepth, depth);
        this.on[node] = 0;
        this.selfOn[node] = 0;
        this.off[node] = 0;
        this.selfOff[node] = 0;
        this.samples[node] = 0;
        this.selfSamples[node] = 0;
        this.intervals[node] = 0;
        this.cutChildren[node] = 0;
        return node;
    }

    /** The waits of a node by reason, to be filled in. */
    protected waitsOf(node: NodeId): number[] {
        let byReason = this.waits.get(node);
        if (byReason === undefined) {
            byReason = new Array<number>(REASONS.length).fill(0);
            this.waits.set(node, byReason);
        }
        return byReason;
    }

    protected empty(): void {
        this.n = 0;
        this.maxDepth = 0;
        this.waits.clear();
        this.generation++;
    }

    /** Children by name: of all nodes, or, when few were added, of those from `first` on into what was there before. */
    protected orderChildren(first = 0): void {
        const isMuch = (this.n - first) * MUCH > this.n;
        const rank = this.frames.ranks();
        if (isMuch) {
            this.orderAll(rank);
        } else {
            this.orderAdded(rank, first);
        }
    }

    // Two counting sorts: nodes by the rank of their name, then, in that order, by parent.
    private orderAll(rank: Uint32Array): void {
        const { n, frame } = this;
        const rankOf = new Uint32Array(n);
        for (let node = 0; node < n; node++) {
            rankOf[node] = rank[frame[node]];
        }
        const byRank = countingSort(rankOf, new Uint32Array(rank.length + 1), null);
        const start = new Uint32Array(n + 1);
        this.childList = countingSort(this.parent.subarray(0, n), start, byRank);
        // The root is its own parent, and the first of nobody's children: whatever its name, it is taken out.
        const at = this.childList.indexOf(0, start[0]);
        if (n > 0 && at >= 0) {
            this.childList.copyWithin(start[0] + 1, start[0], at);
            this.childList[start[0]] = 0;
            start[0]++;
        }
        this.childStart = start;
    }

    // Whatever stands between two places where something comes in is moved as a whole. Names that are new change the
    // ranks of others, but not which of two comes first.
    private orderAdded(rank: Uint32Array, first: NodeId): void {
        const { n, parent, frame, childStart, childList } = this;
        const added = Array.from({ length: n - first }, (_, i) => first + i);
        added.sort((a, b) => parent[a] - parent[b] || rank[frame[a]] - rank[frame[b]] || a - b);
        const start = new Uint32Array(n + 1);
        const list = new Uint32Array(n);
        let from = 0; // in the old list: what is not in the new one yet
        let before = 0; // whose children begin where they are known to begin
        for (let i = 0; i < added.length; i++) {
            const node = added[i];
            const above = parent[node];
            const end = above < first ? childStart[above + 1] : childList.length;
            let at = Math.max(from, above < first ? childStart[above] : end);
            while (at < end && rank[frame[childList[at]]] <= rank[frame[node]]) {
                at++;
            }
            list.set(childList.subarray(from, at), from + i);
            list[at + i] = node;
            from = at;
            for (; before <= above; before++) {
                start[before] = (before < first ? childStart[before] : childList.length) + i;
            }
        }
        list.set(childList.subarray(from), from + added.length);
        for (; before <= n; before++) {
            start[before] = (before < first ? childStart[before] : childList.length) + added.length;
        }
        this.childList = list;
        this.childStart = start;
    }
}

/** The tree that Live.tree sends: what was, and what has changed. */
export class CallTree extends TreeColumns {
    latest: LiveTree | null = null;
    private readonly dictionary: Dictionary;

    constructor(frames: Frames) {
        super(frames);
        this.dictionary = new Dictionary(frames);
    }

    /** False: the message does not continue what came before; nothing was changed, and all must be asked anew. */
    apply(message: LiveTree): boolean {
        if (message.full) {
            this.dictionary.clear();
            this.empty();
        }
        if (message.nodes.first !== this.n || !this.dictionary.add(message.functions)) {
            return false;
        }
        const first = this.n;
        this.reserve(first + message.nodes.parent.length);
        this.addNodes(message);
        this.setValues(message);
        if (this.n > first || message.full) {
            this.orderChildren(first);
            this.shape++;
        }
        this.totalOnNs = message.total_on_cpu_ns;
        this.totalOff = message.total_off_cpu;
        this.latest = message;
        this.version.value++;
        return true;
    }

    clear(): void {
        this.empty();
        this.latest = null;
        this.totalOnNs = 0;
        this.totalOff = null;
        this.dictionary.clear();
        this.orderChildren();
        this.shape++;
        this.version.value++;
    }

    private addNodes(message: LiveTree): void {
        const { parent, function: functions } = message.nodes;
        for (let i = 0; i < parent.length; i++) {
            this.addNode(parent[i], this.n === 0 ? Frames.ROOT : this.dictionary.frame(functions[i]));
        }
    }

    private setValues(message: LiveTree): void {
        const values = message.values;
        const hasWaits = values.off_cpu_ns.length === values.node.length;
        for (let i = 0; i < values.node.length; i++) {
            const node = values.node[i];
            if (node >= this.n) {
                continue;
            }
            this.on[node] = values.on_cpu_ns[i];
            this.selfOn[node] = values.self_on_cpu_ns[i];
            this.samples[node] = values.samples[i];
            this.selfSamples[node] = values.self_samples[i];
            this.off[node] = hasWaits ? values.off_cpu_ns[i] : 0;
            this.selfOff[node] = hasWaits ? values.self_off_cpu_ns[i] : 0;
            this.intervals[node] = hasWaits ? values.intervals[i] : 0;
            this.cutChildren[node] = values.cut_children[i];
            this.waits.delete(node);
        }
        const waits = message.waits;
        for (let i = 0; i < waits.node.length; i++) {
            if (waits.reason[i] < REASONS.length) {
                this.waitsOf(waits.node[i])[waits.reason[i]] = waits.ns[i];
            }
        }
    }
}

function waitsIn(off: OffCpu, reason: number | null): number {
    const of = (name: string) => off[`${name}_ns` as keyof OffCpu] ?? 0;
    return reason === null ? REASONS.reduce((sum, { name }) => sum + of(name), 0) : of(REASONS[reason].name);
}

const NO_WAITS: readonly number[] = new Array<number>(REASONS.length).fill(0);

/**
 * Places in `keys` in the order of the keys, equal ones as in `order` (null: as they stand). `start`, which has room
 * for all keys and one more, and nothing in it, gets where each key begins.
 */
function countingSort(keys: Uint32Array, start: Uint32Array, order: Uint32Array | null): Uint32Array<ArrayBuffer> {
    for (let i = 0; i < keys.length; i++) {
        start[keys[i] + 1]++;
    }
    for (let k = 1; k < start.length; k++) {
        start[k] += start[k - 1];
    }
    const next = start.slice();
    const sorted = new Uint32Array(keys.length);
    for (let i = 0; i < keys.length; i++) {
        const item = order === null ? i : order[i];
        sorted[next[keys[item]]++] = item;
    }
    return sorted;
}
