// Made up trees for tests: the same numbers for the same seed.

import { Frames } from "../src/model/frames";
import { TreeColumns } from "../src/model/tree";

/** Numbers from 0 to 1 that look random. */
export function random(seed: number): () => number {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

export class MadeTree extends TreeColumns {
    /** A node with time of its own and, cut away below it, `cut` of `cutNodes`. */
    put(parent: number, name: string, self: number, cut = 0, cutNodes = cut > 0 ? 1 : 0): number {
        this.reserve(this.n + 1);
        const node = this.addNode(parent, this.n === 0 ? 0 : this.frames.add(name, "app"));
        this.selfOn[node] = self;
        this.selfSamples[node] = self;
        this.on[node] = self + cut;
        this.samples[node] = self + cut;
        this.cutChildren[node] = cutNodes;
        return node;
    }

    /** Off-CPU time of a node itself, for one reason. */
    wait(node: number, reason: number, ns: number): void {
        this.selfOff[node] += ns;
        for (let at = node; ; at = this.parent[at]) {
            this.off[at] += ns;
            this.intervals[at]++;
            this.waitsOf(at)[reason] += ns;
            if (at === 0) {
                return;
            }
        }
    }

    /** Adds everything up. To be called once, after the last put(). */
    done(): this {
        for (let node = this.n - 1; node > 0; node--) {
            this.on[this.parent[node]] += this.on[node];
            this.samples[this.parent[node]] += this.samples[node];
        }
        this.orderChildren();
        this.shape++;
        this.totalOnNs = this.on[0];
        return this;
    }

    /** Other times for the same nodes. */
    renew(self: (node: number) => number): void {
        for (let node = this.n - 1; node >= 0; node--) {
            this.on[node] = 0;
        }
        for (let node = this.n - 1; node >= 0; node--) {
            this.selfOn[node] = self(node);
            this.on[node] += this.selfOn[node];
            if (node > 0) {
                this.on[this.parent[node]] += this.on[node];
            }
        }
        this.totalOnNs = this.on[0];
    }

    /** The same nodes as a new epoch would number them. */
    renumber(): void {
        this.generation++;
        this.shape++;
    }
}

/** About `n` nodes with `names` names, of the shape that programs have: deep in places, wide in others. */
export function madeTree(seed: number, n: number, names = 200): MadeTree {
    const next = random(seed);
    const tree = new MadeTree(new Frames());
    tree.put(0, "", 0);
    const taken = new Set<string>();
    while (tree.n < n) {
        const parent = next() < 0.7 ? tree.n - 1 - Math.floor(next() * Math.min(tree.n, 12)) : Math.floor(next() * tree.n);
        const name = `f${Math.floor(next() * names)}`;
        const key = `${parent} ${name}`;
        if (taken.has(key) || tree.depth[parent] > 200) {
            continue;
        }
        taken.add(key);
        const heavy = next() ** 6 * 1000;
        tree.put(parent, name, heavy, next() < 0.1 ? next() * heavy : 0);
    }
    return tree.done();
}
