// The basic blocks of one function, and where they stand.
//
//     Profiler.cfg ── blocks, edges ──► shape: which are shown, loop heads, ways back ──► layout, once
//                  └─ changed ────────► heat only
//
// The layout belongs to the shape: numbers that change move nothing.

import { signal } from "@preact/signals";
import type { Cfg, CfgBlock, CfgEdge } from "../lib/protocol";
import type { LayoutInput, LayoutOutput } from "../lib/parts";
import { Heat } from "./code";

/** More blocks than that are no picture any more: the hottest ones are shown. */
export const MAX_BLOCKS = 400;

export type EdgeKind = CfgEdge["kind"] | "back";

/** What is drawn of a graph. Blocks are numbered anew: by their place in `blocks`. */
export interface Shape {
    /** Numbers of the protocol, rising. */
    readonly blocks: readonly number[];
    readonly from: readonly number[];
    readonly to: readonly number[];
    readonly kind: readonly EdgeKind[];
    readonly isLoopHead: readonly boolean[];
    readonly leftOut: number;
}

export class Graph {
    /** Counts answers; read it to be shown again. */
    readonly version = signal(0);
    /** Rises when there are other blocks. */
    readonly listing = signal(0);
    readonly trouble = signal("");
    head: Cfg | null = null;
    blocks: readonly CfgBlock[] = [];
    readonly heat = new Heat();
    shape: Shape = shapeOf([], [], MAX_BLOCKS);

    /** False: it changes what is not here. */
    apply(answer: Cfg): boolean {
        if (answer.blocks !== undefined) {
            this.replace(answer, answer.blocks, answer.edges ?? []);
        } else if (this.head !== null && answer.changed !== undefined && answer.listing === this.head.listing) {
            this.heat.change(answer.changed, 0);
            this.head = answer;
        } else {
            return false;
        }
        this.trouble.value = "";
        this.version.value++;
        return true;
    }

    fail(trouble: string): void {
        this.replace(null, [], []);
        this.trouble.value = trouble;
        this.version.value++;
    }

    private replace(answer: Cfg | null, blocks: readonly CfgBlock[], edges: readonly CfgEdge[]): void {
        const same = answer !== null && this.head?.listing === answer.listing && blocks.length === this.blocks.length;
        this.head = answer;
        this.blocks = blocks;
        this.heat.reset(blocks);
        if (!same) {
            this.shape = shapeOf(blocks, edges, MAX_BLOCKS);
            this.listing.value++;
        }
    }
}

/** Keeps the hottest so many blocks and the entry, and finds the loops among all of them. */
export function shapeOf(
    blocks: readonly Pick<CfgBlock, "total_samples" | "self_samples">[],
    edges: readonly CfgEdge[],
    most: number,
): Shape {
    const sound = edges.filter((edge) => edge.from in blocks && edge.to in blocks);
    const isBack = waysBack(blocks.length, sound);
    const heat = (id: number) => (id === 0 ? Infinity : blocks[id].total_samples + blocks[id].self_samples);
    const byHeat = Array.from(blocks, (_, id) => id).sort((a, b) => heat(b) - heat(a) || a - b);
    const shown = byHeat.slice(0, most).sort((a, b) => a - b);
    const place = new Map(shown.map((id, i) => [id, i]));
    const heads = new Set<number>();
    const [from, to, kind]: [number[], number[], EdgeKind[]] = [[], [], []];
    sound.forEach((edge, i) => {
        if (isBack[i]) {
            heads.add(edge.to);
        }
        const [start, end] = [place.get(edge.from), place.get(edge.to)];
        if (start !== undefined && end !== undefined) {
            from.push(start);
            to.push(end);
            kind.push(isBack[i] ? "back" : edge.kind);
        }
    });
    return {
        blocks: shown,
        from,
        to,
        kind,
        isLoopHead: shown.map((id) => heads.has(id)),
        leftOut: blocks.length - shown.length,
    };
}

/** Edges to a block that is still open in a walk into the depth, from the entry and then from what it did not reach. */
function waysBack(n: number, edges: readonly CfgEdge[]): boolean[] {
    const out: number[][] = Array.from({ length: n }, () => []);
    edges.forEach((edge, i) => out[edge.from].push(i));
    const isBack = edges.map(() => false);
    const state = new Uint8Array(n); // 0 not seen, 1 open, 2 done
    const next = new Uint32Array(n);
    for (let root = 0; root < n; root++) {
        const open = state[root] === 0 ? [root] : [];
        while (open.length > 0) {
            const block = open[open.length - 1];
            state[block] = 1;
            if (next[block] === out[block].length) {
                state[block] = 2;
                open.pop();
                continue;
            }
            const edge = out[block][next[block]++];
            const to = edges[edge].to;
            isBack[edge] = state[to] === 1;
            if (state[to] === 0) {
                open.push(to);
            }
        }
    }
    return isBack;
}

/** Layouts of the functions that were looked at last. */
export class Layouts {
    private readonly known = new Map<string, LayoutOutput>();

    constructor(private readonly most = 16) {}

    get(key: string): LayoutOutput | undefined {
        return this.known.get(key);
    }

    set(key: string, layout: LayoutOutput): void {
        this.known.delete(key);
        this.known.set(key, layout);
        if (this.known.size > this.most) {
            this.known.delete(this.known.keys().next().value as string);
        }
    }
}

/** Two graphs with the same key have the same layout. */
export function layoutKey(input: LayoutInput): string {
    return JSON.stringify(input);
}

/** A way through points, with its corners rounded. */
export function roundedPath(points: readonly number[], radius: number): string {
    const n = points.length / 2;
    if (n < 2) {
        return "";
    }
    const parts = [`M${at(points, 0)}`];
    for (let i = 1; i < n - 1; i++) {
        const before = towards(points, i, i - 1, radius);
        const after = towards(points, i, i + 1, radius);
        parts.push(`L${before}Q${at(points, i)} ${after}`);
    }
    parts.push(`L${at(points, n - 1)}`);
    return parts.join("");
}

function at(points: readonly number[], i: number): string {
    return `${points[2 * i].toFixed(1)},${points[2 * i + 1].toFixed(1)}`;
}

/** From point i, `far` towards point j, but at most half of the way. */
function towards(points: readonly number[], i: number, j: number, far: number): string {
    const [dx, dy] = [points[2 * j] - points[2 * i], points[2 * j + 1] - points[2 * i + 1]];
    const share = Math.min(0.5, far / Math.max(1e-9, Math.hypot(dx, dy)));
    return `${(points[2 * i] + dx * share).toFixed(1)},${(points[2 * i + 1] + dy * share).toFixed(1)}`;
}
