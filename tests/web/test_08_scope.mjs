// Groups 8, 9 and 16: what is left out, what is focused, the way back; residues; links.

import assert from "node:assert/strict";
import { at, boxes, clickBox, eventually, flame, group, root, scope, shown, widest } from "./harness.mjs";
import { PROGRAMS } from "./mock.mjs";
import { open, ORIGIN } from "./serve.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

async function selected(page, depth) {
    const box = await widest(page, (one) => one.path.length === depth);
    await clickBox(page, box);
    await eventually(async () => (await shown(page)).selection?.join() === box.path.join(), "selected");
    await at.flame(page).focus();
    return box;
}

const symbolOf = (box) => ({ function_name: box.name, binary: box.binary });

test("drop, and Escape", usual, async ({ page, mock }) => {
    const whole = (await flame(page, 20)).find((box) => box.path.length === 0).weight;
    const box = await selected(page, 3);
    await page.keyboard.press("d");
    await eventually(async () => (await scope(page)).exclude.length === 1, "dropped");
    assert.deepEqual((await scope(page)).exclude, [symbolOf(box)]);
    const left = mock.ask("Live.tree", { view: { exclude_symbols: [symbolOf(box)] } }).total_on_cpu_ns;
    assert.ok(left < whole);
    await eventually(async () => (await root(page))?.weight === left, "without it");
    await eventually(async () => {
        await page.keyboard.press("Escape");
        return (await scope(page)).exclude.length === 0;
    }, "taken back");
    await eventually(async () => (await root(page))?.weight === whole, "the whole again");
});

test("focus on a function, and the browser's way back", usual, async ({ page, mock }) => {
    const whole = (await flame(page, 20)).find((box) => box.path.length === 0).weight;
    const box = await selected(page, 3);
    await page.keyboard.press("f");
    await eventually(async () => (await scope(page)).focus?.function_name === box.name, "focused");
    const symbol = symbolOf(box);
    const truth = mock.ask("Live.tree", { view: { focus_symbol: symbol }, focus: symbol });
    await eventually(async () => (await root(page))?.weight === truth.total_on_cpu_ns, "only its stacks");
    await page.goBack();
    await eventually(async () => (await scope(page)).focus === null, "back");
    await eventually(async () => (await root(page))?.weight === whole);
    await page.goForward();
    await eventually(async () => (await scope(page)).focus?.function_name === box.name, "and forward");
});

test("zooming is not filtering", usual, async ({ page, mock }) => {
    const whole = (await flame(page, 20)).find((box) => box.path.length === 0).weight;
    const box = await selected(page, 2);
    const before = await scope(page);
    await page.keyboard.press("Enter");
    await eventually(async () => (await shown(page)).zoom.join() === box.path.join(), "zoomed");
    assert.deepEqual(await scope(page), before);
    assert.equal(mock.ask("Live.tree").total_on_cpu_ns, whole);
    const zoomed = await eventually(async () => (await boxes(page)).find((one) => one.path.join() === box.path.join() && one.width > 500));
    assert.ok(zoomed.width > box.width, "it is drawn wider");
    await page.keyboard.press("0");
    await eventually(async () => (await shown(page)).zoom.length === 0, "all of it again");
});

test("chips name what the scope is, and take it back one by one", usual, async ({ page }) => {
    await flame(page, 20);
    await selected(page, 3);
    await page.keyboard.press("d");
    await eventually(async () => (await scope(page)).exclude.length === 1);
    await at.mode(page, "Waiting").click();
    const remove = at.chips(page).getByRole("button", { name: /^Remove/ });
    await eventually(async () => (await remove.count()) >= 1);
    for (let n = await remove.count(); n > 0; n--) {
        await remove.first().click();
        await eventually(async () => (await remove.count()) === n - 1, "one less");
    }
    assert.deepEqual((await scope(page)).exclude, []);
});

test("a link opens the same scope, and has no token", { ...usual, context: {} }, async ({ page, mock, newPage }) => {
    await flame(page, 20);
    const box = await selected(page, 3);
    await page.keyboard.press("d");
    await eventually(async () => (await scope(page)).exclude.length === 1);
    await page.keyboard.press("2");
    await eventually(async () => (await scope(page)).mode === "off_cpu");
    const link = await eventually(() => {
        const url = new URL(page.url());
        return url.hash.includes(encodeURIComponent(box.name)) || url.hash.includes(box.name) ? url : null;
    }, "the address says it");
    assert.doesNotMatch(link.href, /token/);
    const other = await newPage();
    await open(other, mock, link.hash.slice(1));
    await eventually(async () => (await boxes(other)).length > 10);
    assert.deepEqual(await scope(other), await scope(page));
});

test("the token leaves the address at once", { ...usual, closed: true }, async ({ page, mock }) => {
    await open(page, mock, "token=0123456789abcdef0123456789abcdef&m=off");
    await flame(page, 2);
    assert.doesNotMatch(page.url(), /token|0123456789abcdef/);
    assert.ok(page.url().startsWith(ORIGIN));
});

test("a residue says how many, and more detail when it is zoomed into",
    { program: PROGRAMS.wide }, async ({ page, mock }) => {
        await flame(page, 1);
        const residue = await eventually(async () => (await boxes(page)).find((box) => box.residue && box.width > 2), "a residue");
        const asked = mock.everySubscription().find(({ method }) => method === "Live.tree").params;
        assert.ok(asked.min_share > 0, "small ones are cut");
        await clickBox(page, residue, { clickCount: 2 });
        await eventually(() => {
            const now = mock.everySubscription().find(({ method }) => method === "Live.tree").params;
            return JSON.stringify(now) !== JSON.stringify(asked);
        }, "the server is asked for more");
    });

test("rows add up: children and residue are the parent's", { program: { nodes: 5000 } }, async ({ page }) => {
    const found = await flame(page, 50);
    const byPath = new Map(found.filter((box) => !box.residue).map((box) => [box.path.join("\n"), box]));
    for (const box of byPath.values()) {
        const children = found.filter((one) => (one.residue ? one.depth === box.depth + 1 && one.x >= box.x - 0.6 && one.x + one.width <= box.x + box.width + 0.6
            : one.path.length === box.path.length + 1 && box.path.every((name, i) => one.path[i] === name)));
        const sum = children.reduce((all, one) => all + one.width, 0);
        assert.ok(sum <= box.width + children.length + 1, `${box.name}: ${sum} of ${box.width}`);
    }
});
