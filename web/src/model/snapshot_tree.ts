// A tree that is answered as a whole each time (Profiler.neighbors), in the columns that everything draws.

import type { FlameNodes, FlameWaits, OffCpu } from "../lib/protocol";
import type { FrameId } from "./frames";
import { REASONS } from "./scope";
import { TreeColumns, type NodeId } from "./tree";

export interface Snapshot {
    readonly nodes: FlameNodes;
    readonly waits: FlameWaits;
}

const KIND_LIBRARY = 1;
const KIND_KERNEL = 2;

export class SnapshotTree extends TreeColumns {
    /** Of node 0, which is a function here. */
    rootFrame: FrameId = 0;

    /** `totalOnNs`, `totalOff`: what is 100 %. */
    fill(snapshot: Snapshot, strings: readonly string[], totalOnNs: number, totalOff: OffCpu | null): void {
        const { nodes, waits } = snapshot;
        const n = nodes.parent.length;
        this.empty();
        this.reserve(n);
        const kinds = this.kindsOfBinaries();
        for (let i = 0; i < n; i++) {
            this.addRow(nodes, strings, i, kinds);
        }
        for (let i = 0; i < waits.node.length; i++) {
            if (waits.node[i] < n && waits.reason[i] < REASONS.length) {
                this.waitsOf(waits.node[i])[waits.reason[i]] = waits.ns[i];
            }
        }
        this.splitOwnTime(nodes);
        this.orderChildren();
        this.shape++;
        this.totalOnNs = totalOnNs;
        this.totalOff = totalOff;
        this.version.value++;
    }

    private addRow(nodes: FlameNodes, strings: readonly string[], i: number, kinds: Map<string, number>): void {
        const name = strings[nodes.function[i]] ?? "";
        const binary = strings[nodes.binary[i]] ?? "";
        const kind = kinds.get(binary) ?? (binary.startsWith("[") ? KIND_KERNEL : KIND_LIBRARY);
        const frame = this.frames.add(name, binary, kind, "", nodes.inlined[i], nodes.address[i]);
        const node: NodeId = this.addNode(nodes.parent[i], frame);
        if (node === 0) {
            this.rootFrame = frame;
        }
        this.on[node] = nodes.on_cpu_ns[i];
        this.samples[node] = nodes.samples[i];
        this.selfSamples[node] = nodes.self_samples[i];
        this.off[node] = nodes.off_cpu_ns[i];
        this.selfOff[node] = nodes.self_off_cpu_ns[i];
        this.intervals[node] = nodes.off_cpu_intervals[i];
        this.cutChildren[node] = nodes.cut_children[i];
    }

    // Of its on-CPU time a node's children leave what is its own and what was cut: shared out by samples.
    private splitOwnTime(nodes: FlameNodes): void {
        const left = this.on.slice(0, this.n);
        for (let node = 1; node < this.n; node++) {
            left[this.parent[node]] -= this.on[node];
        }
        for (let node = 0; node < this.n; node++) {
            const samples = nodes.self_samples[node] + nodes.cut_samples[node];
            const share = nodes.cut_samples[node] === 0 ? 1 : nodes.self_samples[node] / samples;
            this.selfOn[node] = Math.max(0, left[node] * share);
        }
    }

    private kindsOfBinaries(): Map<string, number> {
        const kinds = new Map<string, number>();
        this.frames.binary.forEach((binary, frame) => kinds.set(binary, this.frames.kind[frame]));
        return kinds;
    }
}
