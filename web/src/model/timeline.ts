// Activity over time as it arrives: buckets of equal length that only grow at their end.
//
//     Live.timeline   full            0 1 2 3 4 5 6 7         everything
//                     first = 7               ▲ 7 8           the last one had not been over: it is sent again
//                     full            0 1 2 3 4               too many: each pair of neighbours has become one
//
// Kept as columns of numbers. It is never about a time range (the brush lies on top of it), so of all answers this is
// the one that knows where the run ends.

import { signal } from "@preact/signals";
import type { LiveTimeline, LiveTimelineThread, OffCpu } from "../lib/protocol";
import { REASONS } from "./scope";

/** What is stacked: on a CPU, ready to run, and waits by reason in the order of REASONS. */
export const KINDS = 2 + REASONS.length;
export const KIND_ON_CPU = 0;
export const KIND_RUNNABLE = 1;
export const KIND_WAITS = 2;

const MOST_BUCKETS = 1 << 16; // a server of ours sends at most 2,048
const MOST_THREADS = 1 << 13;

/** One thread over time. */
export interface Strip {
    readonly tid: number;
    readonly pid: number;
    readonly name: string;
    n: number;
    onNs: Float64Array;
    runnableNs: Float64Array;
    offNs: Float64Array;
    /** The reason for most of offNs; REASONS.length: it did not wait. */
    reason: Uint8Array;
}

export class Timeline {
    n = 0;
    bucketNs = 0;
    /** Where the first bucket begins; where the run ends at the moment. From the start of the run. */
    startNs = 0;
    endNs = 0;
    /** KINDS numbers per bucket: nanoseconds of all threads together. */
    cells = new Float64Array(0);
    /** By on-CPU time, most first. */
    strips: readonly Strip[] = [];
    nThreads = 0;
    totalOnNs = 0;
    totalOff: OffCpu | null = null;
    /** On-CPU times are samples x period. */
    estimated = false;
    /** Counts messages; read it to be drawn again. */
    readonly version = signal(0);

    /** False: the message does not continue what came before, or makes no sense; nothing was changed. */
    apply(message: LiveTimeline): boolean {
        const before = message.full ? 0 : this.n;
        const strips = new Map(message.full ? [] : this.strips.map((strip) => [keyOf(strip), strip]));
        if (!this.continues(message, before) || !areStripsWhole(message, strips)) {
            return false;
        }
        this.reserve(message.n_buckets, before);
        this.setBuckets(message);
        this.strips = message.threads.map((thread) => grown(strips.get(keyOf(thread)), thread, message.n_buckets));
        this.n = message.n_buckets;
        this.bucketNs = message.bucket_size_ns;
        this.startNs = message.start_ns;
        this.endNs = Math.max(message.start_ns, message.health.end_ns);
        this.nThreads = message.n_threads;
        this.totalOnNs = message.total_on_cpu_ns;
        this.totalOff = message.total_off_cpu;
        this.estimated = message.health.estimated;
        this.version.value = this.version.peek() + 1;
        return true;
    }

    clear(): void {
        this.n = 0;
        this.startNs = 0;
        this.endNs = 0;
        this.strips = [];
        this.nThreads = 0;
        this.totalOnNs = 0;
        this.totalOff = null;
        this.version.value = this.version.peek() + 1;
    }

    bucketStart(bucket: number): number {
        return this.startNs + bucket * this.bucketNs;
    }

    /** The last bucket is over when the run is, at the latest. */
    bucketEnd(bucket: number): number {
        const end = this.bucketStart(bucket + 1);
        return bucket === this.n - 1 ? Math.max(Math.min(end, this.endNs), this.bucketStart(bucket) + 1) : end;
    }

    /** The bucket at a time; -1: there is none. */
    bucketAt(ns: number): number {
        const bucket = this.bucketNs > 0 ? Math.floor((ns - this.startNs) / this.bucketNs) : -1;
        return bucket >= 0 && bucket < this.n && ns < this.bucketEnd(bucket) ? bucket : -1;
    }

    /**
     * How many threads did something, on average over a bucket: 1.5 on a CPU means that one and a half of them ran.
     */
    mean(bucket: number, kind: number): number {
        return this.cells[bucket * KINDS + kind] / (this.bucketEnd(bucket) - this.bucketStart(bucket));
    }

    private continues(message: LiveTimeline, before: number): boolean {
        const { first, n_buckets: n, on_cpu_ns: on, runnable_ns: runnable, waits } = message;
        const isSameGrid =
            message.full || (message.bucket_size_ns === this.bucketNs && message.start_ns === this.startNs);
        const isWhole = on.length === n - first && runnable.length === on.length;
        const { bucket, reason, ns } = waits;
        return (
            isSameGrid &&
            isWhole &&
            Number.isInteger(first) &&
            n <= MOST_BUCKETS &&
            (n === 0 || message.bucket_size_ns > 0) &&
            first >= 0 &&
            first <= before &&
            (!message.full || first === 0) &&
            bucket.length === reason.length &&
            bucket.length === ns.length &&
            bucket.every((b, i) => b >= first && b < n && reason[i] >= 0 && reason[i] < REASONS.length)
        );
    }

    private reserve(n: number, keep: number): void {
        if (n * KINDS > this.cells.length) {
            const cells = new Float64Array(Math.max(n, (this.cells.length / KINDS) * 2) * KINDS);
            cells.set(this.cells.subarray(0, keep * KINDS));
            this.cells = cells;
        }
    }

    private setBuckets(message: LiveTimeline): void {
        const { cells } = this;
        const { first, on_cpu_ns: on, runnable_ns: runnable, waits } = message;
        for (let i = 0; i < on.length; i++) {
            const at = (first + i) * KINDS;
            cells.fill(0, at, at + KINDS);
            cells[at + KIND_ON_CPU] = on[i];
            cells[at + KIND_RUNNABLE] = runnable[i];
        }
        for (let i = 0; i < waits.bucket.length; i++) {
            cells[waits.bucket[i] * KINDS + KIND_WAITS + waits.reason[i]] = waits.ns[i];
        }
    }
}

function keyOf(thread: { tid: number; pid: number }): string {
    return `${thread.pid} ${thread.tid}`;
}

function areStripsWhole(message: LiveTimeline, known: ReadonlyMap<string, Strip>): boolean {
    return (
        message.threads.length <= MOST_THREADS &&
        message.threads.every((thread) => {
            const length = message.n_buckets - thread.first;
            return (
                thread.first >= 0 &&
                thread.first <= (known.get(keyOf(thread))?.n ?? 0) &&
                thread.on_cpu_ns.length === length &&
                thread.runnable_ns.length === length &&
                thread.off_cpu_ns.length === length &&
                thread.reason.length === length
            );
        })
    );
}

// Room for later ones is kept at the end, as the same few threads grow twice a second. What is sent from its beginning
// gets columns of its own: an id may be used again, and then there are two of the same name.
function grown(known: Strip | undefined, thread: LiveTimelineThread, n: number): Strip {
    const { tid, pid, name, first } = thread;
    const old = first > 0 ? known : undefined;
    const room = old !== undefined && old.onNs.length >= n ? old.onNs.length : Math.max(64, 2 * n);
    const column = (from: Float64Array | undefined, values: readonly number[]) => {
        const to = from !== undefined && from.length === room ? from : new Float64Array(room);
        if (from !== undefined && to !== from) {
            to.set(from.subarray(0, first));
        }
        to.set(values, first);
        return to;
    };
    const reason = old !== undefined && old.reason.length === room ? old.reason : new Uint8Array(room);
    if (old !== undefined && reason !== old.reason) {
        reason.set(old.reason.subarray(0, first));
    }
    reason.set(
        thread.reason.map((r) => Math.min(Math.max(r, 0), REASONS.length)),
        first,
    );
    return {
        tid,
        pid,
        name,
        n,
        onNs: column(old?.onNs, thread.on_cpu_ns),
        runnableNs: column(old?.runnableNs, thread.runnable_ns),
        offNs: column(old?.offNs, thread.off_cpu_ns),
        reason,
    };
}
