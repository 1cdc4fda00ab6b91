import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveTree } from "../src/lib/protocol";
import { Frames } from "../src/model/frames";
import { CallTree, TreeColumns } from "../src/model/tree";
import { random } from "./random";

class Grown extends TreeColumns {
    constructor() {
        super(new Frames());
    }

    add(parent: number, name: string): void {
        this.reserve(this.n + 1);
        this.addNode(parent, this.n === 0 ? Frames.ROOT : this.frames.add(name, "app"));
    }

    order(first: number): void {
        this.orderChildren(first);
    }
}

function message(change: Partial<LiveTree>): LiveTree {
    return {
        full: false,
        total_on_cpu_ns: 100,
        functions: { first: 0, name: [], binary: [], kind: [], language: [], inlined: [], address: [] },
        nodes: { first: 0, parent: [], function: [] },
        values: {
            node: [],
            on_cpu_ns: [],
            self_on_cpu_ns: [],
            samples: [],
            self_samples: [],
            off_cpu_ns: [],
            self_off_cpu_ns: [],
            intervals: [],
            cut_children: [],
        },
        waits: { node: [], reason: [], ns: [] },
        ...change,
    } as LiveTree;
}

function functions(first: number, ...names: string[]): LiveTree["functions"] {
    const fill = <T>(value: T) => names.map(() => value);
    return {
        first,
        name: names,
        binary: fill("app"),
        kind: fill(0),
        language: fill("c"),
        inlined: fill(false),
        address: fill("0x0"),
    };
}

function values(rows: [number, number, number, number?][]): LiveTree["values"] {
    return {
        node: rows.map((row) => row[0]),
        on_cpu_ns: rows.map((row) => row[1]),
        self_on_cpu_ns: rows.map((row) => row[2]),
        samples: rows.map((row) => row[1] / 10),
        self_samples: rows.map((row) => row[2] / 10),
        off_cpu_ns: [],
        self_off_cpu_ns: [],
        intervals: [],
        cut_children: rows.map((row) => row[3] ?? 0),
    };
}

const first = message({
    full: true,
    functions: functions(0, "", "main", "b", "a"),
    nodes: { first: 0, parent: [0, 0, 1, 1], function: [0, 1, 2, 3] },
    values: values([
        [0, 100, 0],
        [1, 100, 10, 2],
        [2, 60, 60],
        [3, 20, 20],
    ]),
});

function namesOfChildren(tree: CallTree, frames: Frames, node: number): string[] {
    return Array.from(tree.childList.slice(tree.childStart[node], tree.childStart[node + 1]), (child) => {
        return frames.name[tree.frame[child]];
    });
}

test("children stand by name, and the root is nobody's child", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    assert.ok(tree.apply(first));
    assert.deepEqual(namesOfChildren(tree, frames, 0), ["main"]);
    assert.deepEqual(namesOfChildren(tree, frames, 1), ["a", "b"]);
    assert.equal(tree.residue(1, "on_cpu"), 10);
    assert.equal(tree.residue(2, "on_cpu"), 0);
});

test("what is added keeps the order, and what has changed replaces", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    tree.apply(first);
    const more = message({
        functions: functions(4, "aa"),
        nodes: { first: 4, parent: [1], function: [4] },
        values: values([
            [3, 0, 0],
            [4, 5, 5],
        ]),
    });
    assert.ok(tree.apply(more));
    assert.deepEqual(namesOfChildren(tree, frames, 1), ["a", "aa", "b"]);
    assert.equal(tree.on[3], 0);
    assert.equal(tree.isShown(3), false);
    assert.equal(tree.on[2], 60);
});

test("a message that does not continue what came before is refused whole", () => {
    const tree = new CallTree(new Frames());
    tree.apply(first);
    assert.equal(tree.apply(message({ nodes: { first: 7, parent: [1], function: [1] } })), false);
    assert.equal(tree.n, 4);
    assert.equal(tree.on[1], 100);
});

test("a path leads to its node in another epoch, or to the last one that exists", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    tree.apply(first);
    const path = tree.path(2);
    const other = message({
        full: true,
        functions: functions(0, "", "b", "main"),
        nodes: { first: 0, parent: [0, 0, 1], function: [0, 2, 1] },
        values: values([
            [0, 7, 0],
            [1, 7, 0],
            [2, 7, 7],
        ]),
    });
    tree.apply(other);
    assert.deepEqual(tree.find(path), { node: 2, found: 2 });
    assert.deepEqual(tree.find([...path, 99]), { node: 2, found: 2 });
    assert.deepEqual(tree.find([99]), { node: 0, found: 0 });
});

test("what is put in between stands where an order of all would have put it", () => {
    for (let seed = 0; seed < 300; seed++) {
        const next = random(seed);
        const grown = new Grown();
        let n = 0;
        for (let step = 0; step < 12; step++) {
            const added = step === 0 ? 1 + Math.floor(next() * 60) : Math.floor(next() ** 3 * 12);
            for (let i = 0; i < added; i++, n++) {
                // Names that nobody has had before, in front of others and behind them.
                grown.add(Math.floor(next() * n), `${Math.floor(next() * 50)} ${next() < 0.5 ? step : 0}`);
            }
            grown.order(n - added);
            const start = Array.from(grown.childStart);
            const list = Array.from(grown.childList);
            grown.order(0);
            assert.deepEqual(start, Array.from(grown.childStart), `starts, seed ${seed}, step ${step}`);
            assert.deepEqual(list, Array.from(grown.childList), `children, seed ${seed}, step ${step}`);
        }
    }
});
