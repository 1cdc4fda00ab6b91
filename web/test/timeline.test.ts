import assert from "node:assert/strict";
import { test } from "node:test";
import { peaks, slicesOf, timelineSlices } from "../src/draw/timeline";
import type { LiveTimeline, OffCpu } from "../src/lib/protocol";
import { REASONS } from "../src/model/scope";
import { KINDS, KIND_ON_CPU, KIND_WAITS, Timeline } from "../src/model/timeline";
import { random } from "./random";

const NO_OFF = Object.fromEntries(REASONS.map(({ name }) => [`${name}_ns`, 0])) as unknown as OffCpu;

/** What happened, by millisecond: the truth that buckets are made of. */
interface World {
    /** KINDS numbers per millisecond. */
    readonly cells: number[];
    readonly threads: { tid: number; pid: number; on: number[]; off: number[]; reason: number[] }[];
    endNs: number;
}

const MS = 1e6;

function sumsOf(world: World, from: number, to: number): number[] {
    const sums = new Array<number>(KINDS).fill(0);
    for (let i = from * KINDS; i < Math.min(to * KINDS, world.cells.length); i++) {
        sums[i % KINDS] += world.cells[i];
    }
    return sums;
}

/** A sender as the server is one: remembers what it has sent, and sends from the first bucket that differs. */
class Sender {
    private sent: string[] = [];
    private readonly sentOf = new Map<number, string[]>();
    private size = 0;

    constructor(
        private readonly world: World,
        private readonly most: number,
    ) {}

    message(shown: readonly number[]): LiveTimeline {
        const n = Math.ceil(this.world.endNs / MS);
        let size = 1;
        while (n / size > this.most) {
            size *= 2;
        }
        const full = size !== this.size;
        if (full) {
            this.sent = [];
            this.sentOf.clear();
        }
        this.size = size;
        const count = Math.ceil(n / size);
        const rows = Array.from({ length: count }, (_, i) => sumsOf(this.world, i * size, (i + 1) * size));
        const first = differs(this.sent, rows);
        this.sent = rows.map((row) => JSON.stringify(row));
        const waits = { bucket: [] as number[], reason: [] as number[], ns: [] as number[] };
        rows.slice(first).forEach((row, i) =>
            REASONS.forEach((_, reason) => {
                if (row[KIND_WAITS + reason] > 0) {
                    waits.bucket.push(first + i);
                    waits.reason.push(reason);
                    waits.ns.push(row[KIND_WAITS + reason]);
                }
            }),
        );
        return {
            total_on_cpu_ns: 1,
            total_off_cpu: NO_OFF,
            health: { end_ns: this.world.endNs, estimated: false },
            bucket_size_ns: size * MS,
            start_ns: 0,
            recording_duration_ns: this.world.endNs,
            full,
            n_buckets: count,
            first,
            on_cpu_ns: rows.slice(first).map((row) => row[0]),
            runnable_ns: rows.slice(first).map((row) => row[1]),
            waits,
            n_threads: this.world.threads.length,
            threads: this.threads(shown, size, count),
        } as LiveTimeline;
    }

    private threads(shown: readonly number[], size: number, count: number): LiveTimeline["threads"] {
        const known = new Map(this.sentOf);
        this.sentOf.clear();
        return shown.map((index) => {
            const thread = this.world.threads[index];
            const sum = (column: number[], i: number) => column.slice(i * size, (i + 1) * size).reduce((a, b) => a + b, 0);
            const rows = Array.from({ length: count }, (_, i) => [
                sum(thread.on, i),
                sum(thread.off, i),
                thread.reason[i * size],
            ]);
            const first = differs(known.get(index) ?? [], rows);
            this.sentOf.set(index, rows.map((row) => JSON.stringify(row)));
            const { tid, pid } = thread;
            return {
                tid,
                pid,
                name: `thread ${tid}`,
                first,
                on_cpu_ns: rows.slice(first).map((row) => row[0]),
                runnable_ns: rows.slice(first).map(() => 0),
                off_cpu_ns: rows.slice(first).map((row) => row[1]),
                reason: rows.slice(first).map((row) => row[2]),
            };
        });
    }
}

function differs(sent: readonly string[], rows: readonly number[][]): number {
    let first = 0;
    while (first < Math.min(sent.length, rows.length) && sent[first] === JSON.stringify(rows[first])) {
        first++;
    }
    return first;
}

function grow(world: World, next: () => number, ms: number): void {
    for (let i = 0; i < ms; i++) {
        for (let kind = 0; kind < KINDS; kind++) {
            world.cells.push(next() < 0.4 ? Math.floor(next() * 4 * MS) : 0);
        }
        for (const thread of world.threads) {
            thread.on.push(Math.floor(next() * MS));
            thread.off.push(Math.floor(next() * MS));
            thread.reason.push(Math.floor(next() * (REASONS.length + 1)));
        }
    }
    world.endNs += ms * MS;
    if (next() < 0.3 && world.cells.length > 0) {
        world.cells[Math.floor(next() * world.cells.length)] = Math.floor(next() * MS); // the past has changed, too
    }
}

function numbersOf(timeline: Timeline): unknown {
    const { n, bucketNs, startNs, endNs, nThreads } = timeline;
    return {
        n,
        bucketNs,
        startNs,
        endNs,
        nThreads,
        cells: Array.from(timeline.cells.subarray(0, n * KINDS)),
        strips: timeline.strips.map((strip) => ({
            tid: strip.tid,
            pid: strip.pid,
            on: Array.from(strip.onNs.subarray(0, n)),
            off: Array.from(strip.offNs.subarray(0, n)),
            reason: Array.from(strip.reason.subarray(0, n)),
        })),
    };
}

test("a stream of differences leads to what one whole answer says", () => {
    for (let seed = 1; seed <= 300; seed++) {
        const next = random(seed);
        const threads = Array.from({ length: 1 + Math.floor(next() * 4) }, (_, i) => ({
            tid: i < 3 ? 100 + i : 100, // an id that was used again
            pid: 7,
            on: [],
            off: [],
            reason: [],
        }));
        const world: World = { cells: [], threads, endNs: 0 };
        const most = 8 + Math.floor(next() * 40);
        const sender = new Sender(world, most);
        const streamed = new Timeline();
        for (let tick = 0; tick < 12; tick++) {
            grow(world, next, Math.floor(next() * 20));
            const shown = threads.map((_, i) => i).filter((i) => i !== 3 && next() < 0.7);
            assert.ok(streamed.apply(sender.message(shown)), `seed ${seed}, tick ${tick}`);
            const whole = new Timeline();
            assert.ok(whole.apply(new Sender(world, most).message(shown)));
            assert.deepEqual(numbersOf(streamed), numbersOf(whole), `seed ${seed}, tick ${tick}`);
        }
    }
});

test("two threads with the same ids do not share their columns", () => {
    const thread = (on: number) => ({ on: [on], off: [0], reason: [10], tid: 5, pid: 5 });
    const world: World = { cells: new Array<number>(KINDS).fill(0), threads: [thread(1), thread(2)], endNs: MS };
    const timeline = new Timeline();
    timeline.apply(new Sender(world, 8).message([0, 1]));
    const again = { ...new Sender(world, 8).message([0, 1]), full: false, first: 0 };
    assert.ok(timeline.apply(again));
    assert.deepEqual(
        timeline.strips.map((strip) => strip.onNs[0]),
        [1, 2],
    );
});

test("what does not continue, or makes no sense, changes nothing", () => {
    const next = random(5);
    const threads = [{ tid: 1, pid: 1, on: [], off: [], reason: [] }];
    const world: World = { cells: [], threads, endNs: 0 };
    grow(world, next, 10);
    const sender = new Sender(world, 64);
    const timeline = new Timeline();
    timeline.apply(sender.message([0]));
    const before = JSON.stringify(numbersOf(timeline));
    grow(world, next, 3);
    const good = sender.message([0]);
    const bad: Partial<LiveTimeline>[] = [
        { first: 11 },
        { first: -1 },
        { first: 0.5 },
        { n_buckets: 14 },
        { n_buckets: 1e9 },
        { bucket_size_ns: 2 * MS },
        { start_ns: 5 },
        { on_cpu_ns: [] },
        { runnable_ns: [1] },
        { waits: { bucket: [99], reason: [0], ns: [1] } },
        { waits: { bucket: [12], reason: [10], ns: [1] } },
        { waits: { bucket: [12], reason: [], ns: [1] } },
        { threads: [{ ...good.threads[0], first: 13 }] },
        { threads: [{ ...good.threads[0], tid: 2 }] },
        { threads: [{ ...good.threads[0], reason: [] }] },
    ];
    for (const change of bad) {
        assert.equal(timeline.apply({ ...good, ...change }), false, JSON.stringify(change));
        assert.equal(JSON.stringify(numbersOf(timeline)), before);
    }
    assert.ok(timeline.apply(good));
    assert.equal(timeline.n, 13);
});

test("the last bucket is as long as the run was when it was sent", () => {
    const world: World = { cells: new Array<number>(2 * KINDS).fill(0), threads: [], endNs: 1.5 * MS };
    world.cells[KINDS + KIND_ON_CPU] = 0.5 * MS;
    const timeline = new Timeline();
    timeline.apply(new Sender(world, 8).message([]));
    assert.equal(timeline.mean(1, KIND_ON_CPU), 1);
    assert.equal(timeline.bucketAt(1.4 * MS), 1);
    assert.equal(timeline.bucketAt(1.6 * MS), -1);
    assert.equal(timeline.bucketAt(-1), -1);
});

/** Nanoseconds of a kind that slices stand for, when all of them lie within the span. */
function areaOf(slices: ReturnType<typeof timelineSlices>, kind: number, nsPerPx: number, width: (i: number) => number) {
    let sum = 0;
    for (let i = 0; i < slices.n; i++) {
        sum += slices.mean[i * KINDS + kind] * width(i) * nsPerPx;
    }
    return sum;
}

test("columns of pixels hold all of the time, and none twice", () => {
    for (let seed = 1; seed <= 100; seed++) {
        const next = random(seed);
        const world: World = { cells: [], threads: [], endNs: 0 };
        grow(world, next, 200 + Math.floor(next() * 400));
        const timeline = new Timeline();
        timeline.apply(new Sender(world, 1000).message([]));
        const width = 50 + Math.floor(next() * 100);
        const span = { from: 0, to: world.endNs };
        const slices = timelineSlices(timeline, span, width);
        assert.equal(slices.n, width);
        for (const kind of [KIND_ON_CPU, KIND_WAITS + 3, KINDS - 1]) {
            const truth = sumsOf(world, 0, Infinity)[kind];
            const area = areaOf(slices, kind, world.endNs / width, (i) => slices.x[i + 1] - slices.x[i]);
            assert.ok(Math.abs(area - truth) <= truth * 1e-9 + 1, `seed ${seed}: ${area} is not ${truth}`);
        }
    }
});

test("boxes stand side by side in whole pixels, and end where the run does", () => {
    const world: World = { cells: [], threads: [], endNs: 0 };
    grow(world, random(3), 30);
    const timeline = new Timeline();
    timeline.apply(new Sender(world, 1000).message([]));
    const slices = timelineSlices(timeline, { from: 4.3 * MS, to: 60 * MS }, 1000);
    assert.equal(slices.x[0], 0);
    assert.equal(slices.x[slices.n], Math.round(((30 - 4.3) / (60 - 4.3)) * 1000));
    for (let i = 0; i < slices.n; i++) {
        assert.ok(slices.x[i] <= slices.x[i + 1]);
    }
    assert.deepEqual(timelineSlices(timeline, { from: 70 * MS, to: 80 * MS }, 100).n, 0);
    assert.deepEqual(timelineSlices(new Timeline(), { from: 0, to: 1 }, 100).n, 0);
});

test("the end of a run, which is short, does not say how high it is", () => {
    const grid = { n: 2, bucketNs: 10, bucketStart: (i: number) => i * 10, bucketEnd: (i: number) => (i === 0 ? 10 : 11) };
    const on = [20, 50];
    const read = (bucket: number, kind: number) => (kind === KIND_ON_CPU ? on[bucket] : 0);
    const slices = slicesOf(grid, KINDS, read, { from: 0, to: 11 }, 1100);
    assert.equal(peaks(slices).cpus, 2);
});
