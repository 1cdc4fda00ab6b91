import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cfg, CfgBlock, CfgEdge } from "../src/lib/protocol";
import { Graph, layoutKey, Layouts, roundedPath, shapeOf } from "../src/model/cfg";

function blocks(...samples: number[]): CfgBlock[] {
    return samples.map((n, id) => ({
        id,
        address: `0x${id}`,
        end_address: `0x${id + 1}`,
        n_instructions: 1,
        first_line: id,
        end: "goes_on",
        self_samples: n,
        self_on_cpu_ns: n,
        total_samples: n,
        total_on_cpu_ns: n,
        total_off_cpu_ns: 0,
    }));
}

function edge(from: number, to: number, kind: CfgEdge["kind"] = "next"): CfgEdge {
    return { from, to, kind };
}

test("ways back and the heads of their loops, also in loops within loops", () => {
    const edges = [edge(0, 1), edge(1, 2), edge(2, 2, "taken"), edge(2, 1, "jump"), edge(2, 3)];
    const shape = shapeOf(blocks(1, 1, 1, 1), edges, 9);
    assert.deepEqual(shape.kind, ["next", "next", "back", "back", "next"]);
    assert.deepEqual(shape.isLoopHead, [false, true, true, false]);
});

test("two ways that meet again are no loop", () => {
    const shape = shapeOf(blocks(1, 1, 1, 1), [edge(0, 1), edge(0, 2, "taken"), edge(1, 3, "jump"), edge(2, 3)], 9);
    assert.ok(!shape.kind.includes("back"));
});

test("a long chain does not exhaust the stack", () => {
    const n = 20_000;
    const chain = Array.from({ length: n - 1 }, (_, i) => edge(i, i + 1));
    const shape = shapeOf(blocks(...new Array<number>(n).fill(1)), [...chain, edge(n - 1, 0, "jump")], 400);
    assert.equal(shape.blocks.length, 400);
    assert.equal(shape.isLoopHead[0], true);
    assert.equal(shape.leftOut, n - 400);
});

test("of too many blocks the entry and the hottest ones are kept, with the edges between them", () => {
    const shape = shapeOf(blocks(0, 5, 1, 9), [edge(0, 1), edge(1, 2), edge(1, 3, "taken"), edge(2, 3)], 3);
    assert.deepEqual(shape.blocks, [0, 1, 3]);
    assert.deepEqual([shape.from, shape.to], [[0, 1], [1, 2]]);
    assert.equal(shape.leftOut, 1);
});

test("edges that lead nowhere are none", () => {
    const shape = shapeOf(blocks(1, 1), [edge(0, 7), edge(-1, 0), edge(0, 1)], 9);
    assert.deepEqual(shape.to, [1]);
});

test("heat that changes leaves the shape alone", () => {
    const graph = new Graph();
    const head = { listing: 5, versions: [], notes: [] } as unknown as Cfg;
    assert.ok(graph.apply({ ...head, blocks: blocks(1, 2), edges: [edge(0, 1)] }));
    const shape = graph.shape;
    const changed = {
        row: [1],
        self_samples: [8],
        self_on_cpu_ns: [80],
        total_samples: [9],
        total_on_cpu_ns: [90],
        total_off_cpu_ns: [1],
    };
    assert.ok(graph.apply({ ...head, changed }));
    assert.ok(graph.apply({ ...head, blocks: blocks(3, 9), edges: [edge(0, 1)] }));
    assert.equal(graph.shape, shape);
    assert.equal(graph.listing.value, 1);
    assert.deepEqual([...graph.heat.selfSamples], [3, 9]);
    assert.equal(new Graph().apply({ ...head, changed }), false);
});

test("layouts that were not used for long are forgotten", () => {
    const layouts = new Layouts(2);
    const layout = { width: 1, height: 1, x: [], y: [], points: [] };
    ["a", "b", "c"].forEach((key) => layouts.set(key, layout));
    assert.deepEqual(["a", "b", "c"].map((key) => layouts.get(key) !== undefined), [false, true, true]);
    const input = { width: [1], height: [2], from: [], to: [] };
    assert.notEqual(layoutKey(input), layoutKey({ ...input, height: [3] }));
});

test("a way through points begins and ends where it should", () => {
    assert.equal(roundedPath([0, 0, 10, 0], 5), "M0.0,0.0L10.0,0.0");
    assert.equal(roundedPath([0, 0, 10, 0, 10, 10], 2), "M0.0,0.0L8.0,0.0Q10.0,0.0 10.0,2.0L10.0,10.0");
    assert.equal(roundedPath([5, 5], 2), "");
    assert.ok(!roundedPath([0, 0, 0, 0, 4, 4], 2).includes("NaN"));
});
