// Group 9: what the server left out of a flamegraph is a box of its own, which says so, and is opened by a click.

import assert from "node:assert/strict";
import { at, boxes, clickBox, eventually, flame, group, root, samePath, shown, stats, tick } from "./harness.mjs";
import { PROGRAMS } from "./mock.mjs";

const test = group(import.meta.url);
const fan = { program: PROGRAMS.fan };
const MIN_SHARE = 1 / 4000; // what the page asks for at first

const asked = (mock) => mock.everySubscription().find(({ method }) => method === "Live.tree").params;

/** The widest residue, or that of a path; null: there is none. */
async function residueOf(page, path = null) {
    const found = (await boxes(page)).filter((box) => box.residue && (path === null || samePath(box.path, path)));
    return found.sort((a, b) => b.width - a.width)[0] ?? null;
}

async function firstResidue(page) {
    await flame(page, 10);
    return eventually(async () => {
        const box = await residueOf(page);
        return box !== null && box.width > 20 ? box : null;
    }, "a residue that can be pointed at");
}

/** Names of a node's children, from left to right. */
function childrenOf(all, path) {
    return all
        .filter((box) => !box.residue && box.path.length === path.length + 1 && samePath(box.path.slice(0, -1), path))
        .sort((a, b) => a.x - b.x)
        .map((box) => box.name);
}

const boxOf = (all, path) => all.find((box) => !box.residue && samePath(box.path, path));

/** How many callees the server leaves out of a node, when it is asked what the page asks. */
function cutOf(mock, path) {
    const { nodes, functions, values } = mock.ask("Live.tree", asked(mock));
    let node = 0;
    for (const name of path) {
        node = nodes.parent.findIndex((parent, i) => i > 0 && parent === node && functions.name[nodes.function[i]] === name);
        assert.ok(node > 0, `${name} is in the answer`);
    }
    return values.cut_children[values.node.indexOf(node)];
}

const hoverLine = (page) => page.locator(".flame-hover").first();

async function assertSaysHowMany(page, mock, box) {
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    const name = box.path.length === 0 ? "all" : box.path.at(-1);
    const n = cutOf(mock, box.path);
    await eventually(async () => {
        const text = (await hoverLine(page).innerText()).replaceAll(",", "");
        return text.includes(`${n} small callee`) && text.includes(name) && text.includes("more detail");
    }, `it says that it is ${n} callees of ${name}`);
}

test("it says how many, of which function, and how much", fan, async ({ page, mock }) => {
    const box = await firstResidue(page);
    await assertSaysHowMany(page, mock, box);
    const parent = boxOf(await boxes(page), box.path);
    assert.ok(box.weight > 0 && box.weight < parent.weight);
    const share = (100 * box.weight) / (await root(page)).weight;
    const said = Number(/([\d.]+)\s*%/.exec(await hoverLine(page).innerText())[1]);
    assert.ok(Math.abs(said - share) <= 0.051, `${said}, not ${share}`);
});

test("a row is as wide as what it belongs to: children, residue, the node's own time", fan, async ({ page }) => {
    const { path } = await firstResidue(page);
    const all = await boxes(page);
    const parent = boxOf(all, path);
    const box = await residueOf(page, path);
    const scale = parent.width / parent.weight;
    assert.ok(Math.abs(box.width - box.weight * scale) <= 0.5, "its width is its weight");
    const own = parent.self * scale;
    assert.ok(Math.abs(parent.x + parent.width - own - (box.x + box.width)) <= 1, "it ends where the node's own time begins");
});

test("a click asks for more: more functions, in the same order as before", fan, async ({ page, mock }) => {
    const { path } = await firstResidue(page);
    assert.equal(asked(mock).min_share, MIN_SHARE);
    const zoom = asked(mock).zoom?.length ?? 0;
    let before = { params: asked(mock), nodes: (await stats(page)).nodes, names: childrenOf(await boxes(page), path) };
    const left = cutOf(mock, path);
    await clickBox(page, await residueOf(page, path));
    await eventually(() => JSON.stringify(asked(mock)) !== JSON.stringify(before.params), "the server is asked again");
    const now = asked(mock);
    assert.ok(now.min_share < MIN_SHARE || (now.zoom?.length ?? 0) > zoom, "closer, or only here");
    assert.deepEqual(now.zoom?.map((one) => one.function_name) ?? [], path, "about this function");
    await eventually(async () => (await stats(page)).nodes > before.nodes, "more nodes");
    assert.ok(cutOf(mock, path) < left);
    const names = childrenOf(await boxes(page), path);
    assert.deepEqual(names.filter((name) => before.names.includes(name)), before.names, "who was there stays in order");
    assert.deepEqual((await shown(page)).zoom, path, "there is room for them");
    assert.equal((await shown(page)).selection, null, "nothing is selected");
});

test("again and again, until nothing is left", { ...fan, limitMs: 120_000 }, async ({ page, mock }) => {
    const { path } = await firstResidue(page);
    let least = Infinity;
    for (let clicks = 0; clicks < 8; clicks++) {
        const box = await residueOf(page, path);
        if (box === null) {
            assert.equal(cutOf(mock, path), 0, "none is left out");
            assert.ok(least < MIN_SHARE, "a smaller share was asked for");
            return;
        }
        const before = JSON.stringify(asked(mock));
        const { nodes } = await stats(page);
        await clickBox(page, box);
        await eventually(() => JSON.stringify(asked(mock)) !== before, "the server is asked again");
        least = Math.min(least, asked(mock).min_share);
        await eventually(async () => (await stats(page)).nodes > nodes || (await residueOf(page, path)) === null, "more nodes");
    }
    assert.fail("it never ends");
});

test("what was opened stays open, in its order, while the program runs", fan, async ({ page, mock }) => {
    const { path } = await firstResidue(page);
    const { nodes } = await stats(page);
    await clickBox(page, await residueOf(page, path));
    await eventually(async () => (await stats(page)).nodes > nodes, "more nodes");
    await page.mouse.move(5, 5);
    const before = childrenOf(await boxes(page), path);
    const params = JSON.stringify(asked(mock));
    for (let i = 0; i < 8; i++) {
        await tick(page, mock);
        const names = childrenOf(await boxes(page), path);
        const both = new Set(before.filter((name) => names.includes(name)));
        assert.deepEqual(names.filter((name) => both.has(name)), before.filter((name) => both.has(name)), "no two change places");
    }
    assert.equal(JSON.stringify(asked(mock)), params);
});

test("in the tree it is a row, with the same number", fan, async ({ page, mock }) => {
    const { path } = await firstResidue(page);
    await at.tab(page, "Tree").click();
    const row = at.tree(page).getByRole("row").filter({ hasText: /^.*\+ [\d,]+ callees?,/s }).first();
    await at.tree(page).getByRole("row").nth(1).focus();
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("End");
    await row.waitFor();
    const level = Number(await row.getAttribute("aria-level"));
    assert.ok(level >= 2);
    assert.equal(await row.getAttribute("aria-expanded"), null, "there is nothing to open");
    const text = (await row.innerText()).replaceAll(",", "");
    const cuts = mock.ask("Live.tree", asked(mock)).values.cut_children;
    assert.ok(cuts.includes(Number(/\+ (\d+) callee/.exec(text)[1])), `${text} (${path})`);
});
