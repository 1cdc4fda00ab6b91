// Group 2: nothing jumps while data streams in.

import assert from "node:assert/strict";
import { at, boxes, clickBox, eventually, flame, group, samePath, shown, tick, widest } from "./harness.mjs";

const test = group(import.meta.url);

/** Names of the children of each path, from left to right. */
function orders(found) {
    const byParent = new Map();
    for (const box of found.filter((one) => one.path.length > 0 && !one.residue)) {
        const parent = box.path.slice(0, -1).join("\n");
        byParent.set(parent, [...(byParent.get(parent) ?? []), box]);
    }
    for (const [parent, children] of byParent) {
        byParent.set(parent, children.sort((a, b) => a.x - b.x).map((box) => box.name));
    }
    return byParent;
}

function assertNoSwaps(before, after) {
    for (const [parent, names] of after) {
        const old = before.get(parent) ?? [];
        const common = names.filter((name) => old.includes(name));
        assert.deepEqual(common, old.filter((name) => names.includes(name)), `below ${parent.replaceAll("\n", " > ")}`);
    }
}

test("200 updates with a zoom set", { program: { nodes: 2000 }, limitMs: 180_000 }, async ({ page, mock }) => {
    const box = await widest(page, (one) => one.path.length === 2);
    await clickBox(page, box, { clickCount: 2 });
    await eventually(async () => samePath((await shown(page)).zoom, box.path), "zoomed");
    const inner = await widest(page, (one) => one.path.length > 2);
    await clickBox(page, inner);
    await eventually(async () => samePath((await shown(page)).selection ?? [], inner.path), "selected");
    let before = orders(await boxes(page));
    for (let i = 0; i < 200; i += 4) {
        await tick(page, mock, 4);
        const after = orders(await boxes(page));
        assertNoSwaps(before, after);
        before = after;
    }
    const at_ = await shown(page);
    assert.deepEqual(at_.zoom, box.path);
    assert.deepEqual(at_.selection, inner.path);
});

test("no swaps without a zoom, whatever becomes hot", { program: { nodes: 600 } }, async ({ page, mock }) => {
    await flame(page, 20);
    let before = orders(await boxes(page));
    for (let i = 0; i < 24; i++) {
        mock.world.favour(i % 3 === 2 ? null : i % mock.world.functions.length);
        await tick(page, mock);
        const after = orders(await boxes(page));
        assertNoSwaps(before, after);
        before = after;
    }
});

test("panes keep their size", { program: { nodes: 600 } }, async ({ page, mock }) => {
    await flame(page, 20);
    await at.top(page).waitFor();
    const sizes = async () => {
        const all = [at.flame(page), at.top(page), at.timeline(page)].map((one) => one.boundingBox());
        return (await Promise.all(all)).map(({ x, y, width, height }) => [x, y, width, height].map(Math.round));
    };
    await tick(page, mock, 2);
    const before = await sizes();
    await page.evaluate(() => {
        window.__shifted = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) {
                window.__shifted += entry.hadRecentInput ? 0 : entry.value;
            }
        }).observe({ type: "layout-shift", buffered: false });
    });
    await tick(page, mock, 12);
    assert.deepEqual(await sizes(), before);
    assert.ok((await page.evaluate(() => window.__shifted)) < 0.01, "the layout does not shift");
});

test("a zoom into what is gone in another scope shows the nearest that is there", { program: { nodes: 600 } },
    async ({ page, mock }) => {
        const box = await widest(page, (one) => one.path.length === 3);
        await clickBox(page, box, { clickCount: 2 });
        await eventually(async () => samePath((await shown(page)).zoom, box.path), "zoomed");
        await page.evaluate(() => document.activeElement?.blur?.());
        const deepest = box.path.at(-1);
        const binary = box.binary;
        // The zoomed function is dropped: its parent is the nearest that is left.
        await clickBox(page, await widest(page, (one) => samePath(one.path, box.path)));
        await at.flame(page).press("d");
        await eventually(
            async () => mock.received.some(({ params }) =>
                JSON.stringify(params).includes(JSON.stringify({ function_name: deepest, binary }))),
            "the function is dropped from the view",
        );
        await eventually(async () => {
            const found = await boxes(page);
            return found.length > 1 && !found.some((one) => one.name === deepest);
        }, "it is gone from the picture, and something is shown");
    });
