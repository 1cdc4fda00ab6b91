import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveTree } from "../src/lib/protocol";
import { Expansion } from "../src/model/expansion";
import { Frames } from "../src/model/frames";
import { CallTree } from "../src/model/tree";

/** A tree as text: "main 100/10" is 100 in all, 10 of its own; two spaces per level. */
function message(lines: string[], cut: Record<string, number> = {}): LiveTree {
    const rows = lines.map((line) => {
        const [, indent, name, total, self] = /^( *)(\S+) (\d+)\/(\d+)$/.exec(line) as RegExpExecArray;
        return { depth: indent.length / 2 + 1, name, total: Number(total), self: Number(self) };
    });
    const parents: number[] = [];
    const way = [0];
    rows.forEach((row, i) => {
        way[row.depth] = i + 1;
        parents.push(way[row.depth - 1]);
    });
    const all = rows.filter((row) => row.depth === 1).reduce((sum, row) => sum + row.total, 0);
    const column = (root: number, of: (row: (typeof rows)[0]) => number) => [root, ...rows.map(of)];
    const fill = <T>(value: T) => [value, ...rows.map(() => value)];
    return {
        full: true,
        total_on_cpu_ns: all,
        functions: {
            first: 0,
            name: ["", ...rows.map((row) => row.name)],
            binary: fill("app"),
            kind: fill(0),
            language: fill("c"),
            inlined: fill(false),
            address: fill("0x0"),
        },
        nodes: { first: 0, parent: [0, ...parents], function: [0, ...rows.map((_, i) => i + 1)] },
        values: {
            node: [0, ...rows.map((_, i) => i + 1)],
            on_cpu_ns: column(all, (row) => row.total),
            self_on_cpu_ns: column(0, (row) => row.self),
            samples: column(all, (row) => row.total),
            self_samples: column(0, (row) => row.self),
            off_cpu_ns: [],
            self_off_cpu_ns: [],
            intervals: [],
            cut_children: column(0, (row) => cut[row.name] ?? 0),
        },
        waits: { node: [], reason: [], ns: [] },
    } as unknown as LiveTree;
}

function shown(expansion: Expansion, tree: CallTree, frames: Frames): string[] {
    return expansion.rows(tree, "on_cpu").map((row) => {
        const name = row.residue ? "…" : frames.name[tree.frame[row.node]];
        return "  ".repeat(row.level - 1) + name + (row.expandable ? (row.open ? " -" : " +") : "");
    });
}

const FIRST = ["main 100/0", "  a 70/10", "    x 60/60", "  b 30/0", "    y 30/30"];

test("the heaviest path is open at first, heaviest first", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    const expansion = new Expansion();
    assert.deepEqual(expansion.rows(tree, "on_cpu"), []);
    tree.apply(message(FIRST));
    assert.deepEqual(shown(expansion, tree, frames), ["main -", "  a -", "    x", "  b +"]);
});

test("what is open stays open in another epoch, and rows keep their order; new ones come last", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    const expansion = new Expansion();
    tree.apply(message(FIRST));
    expansion.set(expansion.rows(tree, "on_cpu")[3], true);
    const next = ["main 400/0", "  b 200/0", "    y 200/200", "  c 120/120", "  a 80/20", "    x 60/60"];
    tree.apply(message(next));
    assert.deepEqual(shown(expansion, tree, frames), ["main -", "  a -", "    x", "  b -", "    y", "  c"]);
    expansion.reorder();
    assert.deepEqual(shown(expansion, tree, frames), ["main -", "  b -", "    y", "  c", "  a -", "    x"]);
});

test("what was left out is a row, and rows know their place", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    const expansion = new Expansion();
    tree.apply(message(["main 100/5", "  a 70/70", "  b 20/20"], { main: 3 }));
    assert.deepEqual(shown(expansion, tree, frames), ["main -", "  a", "  b", "  …"]);
    const rows = expansion.rows(tree, "on_cpu");
    const places = rows.map((row) => [row.place, row.siblings, row.parentRow]);
    assert.deepEqual(places, [[1, 1, -1], [1, 3, 0], [2, 3, 0], [3, 3, 0]]);
    assert.equal(tree.residue(rows[3].node, "on_cpu"), 5);
});

test("opening all that is heavy, and the way to one node", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    const expansion = new Expansion();
    tree.apply(message(["main 100/0", "  a 98/0", "    x 97/0", "      z 97/97", "  b 2/0", "    y 2/2"]));
    expansion.set(expansion.rows(tree, "on_cpu")[0], false);
    assert.deepEqual(shown(expansion, tree, frames), ["main +"]);
    expansion.openHeavy(tree, "on_cpu", expansion.rows(tree, "on_cpu")[0], 0.05);
    assert.deepEqual(shown(expansion, tree, frames), ["main -", "  a -", "    x -", "      z", "  b +"]);
    expansion.reveal(tree.path(6));
    assert.deepEqual(shown(expansion, tree, frames).slice(-2), ["  b -", "    y"]);
});

test("a stack of thousands of levels", () => {
    const frames = new Frames();
    const tree = new CallTree(frames);
    const expansion = new Expansion();
    tree.apply(message(Array.from({ length: 5000 }, (_, i) => `${"  ".repeat(i)}f${i} 10/${i === 4999 ? 10 : 0}`)));
    expansion.openHeavy(tree, "on_cpu", expansion.rows(tree, "on_cpu")[0], 0.01);
    assert.equal(expansion.rows(tree, "on_cpu").length, 5000);
});
