import assert from "node:assert/strict";
import { test } from "node:test";
import { clip, Labels, shortName } from "../src/draw/labels";
import { contrast, fromHsl, hex, mix, parseHex, shift } from "../src/draw/colour";
import { Frames } from "../src/model/frames";
import { Search, SYMBOLS_AT_MOST } from "../src/model/search";
import type { Query } from "../src/model/state";
import { TransformedTree, transformPath } from "../src/model/transform";
import type { TreeColumns } from "../src/model/tree";
import { MadeTree, madeTree, random } from "./trees";

function query(text: string, change: Partial<Query> = {}): Query {
    return { text, regex: false, matchCase: false, ...change };
}

// main 5 ─ f 10 ─ a 3 ─ f 20 ─ g 7
//        └ g 5
function recursive(): { tree: MadeTree; nodes: Record<string, number> } {
    const tree = new MadeTree(new Frames());
    const root = tree.put(0, "", 0);
    const main = tree.put(root, "main", 5);
    const f = tree.put(main, "f", 10);
    const a = tree.put(f, "a", 3);
    const inner = tree.put(a, "f", 20);
    const g = tree.put(inner, "g", 7);
    const other = tree.put(main, "g", 5);
    return { tree: tree.done(), nodes: { root, main, f, a, inner, g, other } };
}

test("a search counts time below a match once, and its own time", () => {
    const { tree } = recursive();
    const search = new Search(tree.frames);
    search.update(query("F"), tree, "on_cpu", 50);
    assert.equal(search.matchedPct.value, 40 / 50);
    assert.equal(search.selfPct.value, 30 / 50);
    assert.equal(search.count.value, 2);
    search.update(query("F", { matchCase: true }), tree, "on_cpu", 50);
    assert.equal(search.matchedPct.value, 0);
    search.update(query("^(a|g)$", { regex: true }), tree, "on_cpu", 50);
    assert.equal(search.matchedPct.value, 35 / 50);
    assert.deepEqual(search.matchingSymbols(), {
        symbols: [
            { function_name: "a", binary: "app" },
            { function_name: "g", binary: "app" },
        ],
    });
    assert.deepEqual(
        search.nodes(tree, "on_cpu", tree.childList).map((node) => tree.frames.name[tree.frame[node]]),
        ["a", "g", "g"],
    );
});

test("a bad expression says why, and finds nothing", () => {
    const { tree } = recursive();
    const search = new Search(tree.frames);
    search.update(query("(", { regex: true }), tree, "on_cpu", 50);
    assert.notEqual(search.error.value, "");
    assert.equal(search.matchedPct.value, null);
    assert.equal(search.matches, null);
    assert.ok("error" in search.matchingSymbols());
    search.update(query(""), tree, "on_cpu", 50);
    assert.equal(search.error.value, "");
});

test("functions that come later are found, too; too many are no filter", () => {
    const tree = new MadeTree(new Frames());
    const root = tree.put(0, "", 0);
    const search = new Search(tree.frames);
    const same = query("fn");
    search.update(same, tree, "on_cpu", 1);
    for (let i = 0; i <= SYMBOLS_AT_MOST; i++) {
        tree.put(root, `fn${i}`, 1);
    }
    tree.done();
    search.update(same, tree, "on_cpu", tree.on[0]);
    assert.equal(search.count.value, SYMBOLS_AT_MOST + 1);
    assert.equal(search.matchedPct.value, 1);
    const answer = search.matchingSymbols();
    assert.ok("error" in answer && answer.error.includes("257"));
});

test("matched time is what a walk over all stacks says, in 200 trees", () => {
    for (let seed = 1; seed <= 200; seed++) {
        const tree = madeTree(seed, 200, 12);
        const search = new Search(tree.frames);
        search.update(query("f1"), tree, "on_cpu", 1);
        let expected = 0; // by the innermost function of each stack
        const left = tree.on.slice(0, tree.n);
        for (let node = 1; node < tree.n; node++) {
            left[tree.parent[node]] -= tree.on[node];
        }
        for (let node = 0; node < tree.n; node++) {
            const names = tree.path(node).map((frame) => tree.frames.name[frame]);
            expected += names.some((name) => name.includes("f1")) ? left[node] : 0;
        }
        assert.ok(Math.abs((search.matchedPct.value as number) - expected) < 1e-6 * tree.on[0] + 1e-6);
    }
});

test("a search at 50,000 nodes stays within its budget", () => {
    const tree = madeTree(3, 50_000, 4000);
    const search = new Search(tree.frames);
    const times: number[] = [];
    for (let i = 0; i < 21; i++) {
        const start = performance.now();
        search.update(query(`f${i}`), tree, "on_cpu", tree.on[0]);
        times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    assert.ok(times[10] <= 30, `median ${times[10].toFixed(1)} ms`);
});

function named(tree: TreeColumns, ...names: string[]): number {
    const path = names.map((name) => tree.frames.find(name, "app") as number);
    const { node, found } = tree.find(path);
    assert.equal(found, names.length, `no ${names.join(" > ")}`);
    return node;
}

test("a merged function's time goes to its caller, and what it calls stands in its place", () => {
    const { tree } = recursive();
    const shown = new TransformedTree(tree.frames);
    shown.update(tree, new Set([tree.frames.find("f", "app") as number]), new Set());
    const main = named(shown, "main");
    assert.equal(shown.on[main], 50);
    assert.equal(shown.selfOn[main], 15);
    assert.equal(shown.selfOn[named(shown, "main", "a")], 23);
    assert.equal(shown.on[named(shown, "main", "a")], 30);
    assert.equal(shown.on[named(shown, "main", "g")], 5);
});

test("recursion is one call: the inner one's time is the outer one's", () => {
    const { tree } = recursive();
    const shown = new TransformedTree(tree.frames);
    shown.update(tree, new Set(), new Set([tree.frames.find("f", "app") as number]));
    const f = named(shown, "main", "f");
    assert.equal(shown.on[f], 40);
    assert.equal(shown.selfOn[f], 30);
    assert.equal(shown.on[named(shown, "main", "f", "a")], 3);
    assert.equal(shown.on[named(shown, "main", "f", "g")], 7);
    assert.equal(shown.find([...shown.path(f), tree.frames.find("f", "app") as number]).found, 2);
    assert.equal(tree.frames.name[tree.frame[shown.originOf(f)]], "f");
});

test("transformed trees have the sums of what they are made from, in 300 trees", () => {
    for (let seed = 1; seed <= 300; seed++) {
        const next = random(seed);
        const tree = madeTree(seed, 150, 10);
        for (let i = 0; i < 20; i++) {
            tree.wait(Math.floor(next() * tree.n), Math.floor(next() * 10), 1 + Math.floor(next() * 9));
        }
        const some = () => new Set([1, 2, 3, 4, 5, 6].filter(() => next() < 0.4));
        const shown = new TransformedTree(tree.frames);
        const [merged, collapsed] = [some(), some()];
        shown.update(tree, merged, collapsed);
        assert.ok(Math.abs(shown.on[0] - tree.on[0]) < 1e-6);
        assert.equal(shown.off[0], tree.off[0]);
        assert.deepEqual([...shown.reasons(0)], [...tree.reasons(0)]);
        const sum = (column: Float64Array, n: number) => column.slice(0, n).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum(shown.selfOn, shown.n) - sum(tree.selfOn, tree.n)) < 1e-6);
        for (let node = 1; node < shown.n; node++) {
            assert.ok(shown.parent[node] < node);
            assert.ok(!merged.has(shown.frame[node]));
            const origin = tree.path(shown.originOf(node));
            assert.deepEqual(transformPath(origin, merged, collapsed), shown.path(node));
            assert.ok(shown.on[node] >= shown.selfOn[node] - 1e-6);
            const path = shown.path(node);
            assert.ok(!collapsed.has(path[path.length - 1]) || path.indexOf(path[path.length - 1]) === path.length - 1);
        }
    }
});

test("nodes of a transformed tree keep their numbers while it grows", () => {
    const { tree, nodes } = recursive();
    const shown = new TransformedTree(tree.frames);
    const merged = new Set([tree.frames.find("a", "app") as number]);
    const collapsed = new Set<number>();
    shown.update(tree, merged, collapsed);
    const before = [shown.generation, named(shown, "main", "g")];
    tree.put(nodes.other, "h", 0);
    tree.shape++;
    shown.update(tree, merged, collapsed);
    assert.deepEqual([shown.generation, named(shown, "main", "g")], before);
    assert.equal(shown.n, tree.n - 1);
});

test("names are shortened from the inside, and what is not nested is left alone", () => {
    assert.equal(shortName("ns::Map<int, std::less<int>>::find(int const&) const"), "ns::Map::find const");
    assert.equal(shortName("core::ops::function::FnOnce::call_once"), "core::ops::function::FnOnce::call_once");
    assert.equal(shortName("bool operator<(A const&, B const&)"), "bool operator<(A const&, B const&)");
    assert.equal(shortName("<T as Trait>::run"), "<T as Trait>::run");
    assert.equal(shortName("a)b("), "a)b(");
    assert.equal(shortName("f(std::function<int(int)>)"), "f");
    assert.equal(clip("abcdef", 4), "abc…");
    assert.equal(clip("abcdef", 1), "");
});

test("what is drawn of a name is text, whatever the name is", () => {
    const frames = new Frames();
    const labels = new Labels(frames);
    const rtl = frames.add("\u202eevil\u0000", "app");
    assert.equal(labels.name(rtl), "\\u202eevil\\x00");
    const long = frames.add("x".repeat(10_000), "app");
    assert.equal(labels.fit(long, 20).length, 20);
    const wide = frames.add("名前名前名前", "app");
    assert.ok(labels.fit(wide, 6).length <= 3);
});

test("colours: what is parsed is printed, and shades stay near", () => {
    assert.equal(hex(parseHex("#a9c7e8") ?? [0, 0, 0]), "#a9c7e8");
    assert.equal(parseHex("Canvas"), null);
    assert.deepEqual(mix([0, 0, 0], [100, 50, 200], 0.5), [50, 25, 100]);
    assert.equal(hex(shift([240, 178, 122], 0, 0)), "#f0b27a");
    assert.equal(hex(fromHsl(120, 1, 0.5)), "#00ff00");
    assert.ok(Math.abs(contrast([255, 255, 255], [0, 0, 0]) - 21) < 0.01);
});
