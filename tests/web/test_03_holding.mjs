// Group 3: what is under the pointer holds still; freezing shows nothing new and loses nothing.

import assert from "node:assert/strict";
import { at, boxes, eventually, flame, group, root, shown, tick, topNames } from "./harness.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

test("rows hold still under the pointer, and move when it has gone", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await eventually(async () => (await topNames(page)).length > 5);
    await at.top(page).getByRole("row").nth(3).hover();
    const before = (await topNames(page)).slice(0, 6);
    const cold = mock.world.functions.find((one) => one.name === before[5]).number;
    mock.world.favour(cold);
    await tick(page, mock, 12);
    const hottest = mock.ask("Live.top", { limit: 1 }).functions.name[0];
    assert.equal(hottest, before[5], "another one is the hottest now");
    assert.deepEqual((await topNames(page)).slice(0, 6), before);
    await page.mouse.move(5, 5);
    await eventually(async () => (await topNames(page))[0] === hottest, "rows are in order again");
});

test("freezing", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await tick(page, mock);
    const before = await root(page);
    await at.freeze(page).click();
    await eventually(async () => (await shown(page)).frozen);
    for (let i = 0; i < 40; i++) {
        mock.tick();
    }
    await at.unfreeze(page).waitFor();
    assert.deepEqual(await root(page), before, "nothing new is shown");
    await at.unfreeze(page).click();
    await eventually(async () => {
        mock.tell();
        return (await root(page)).weight === mock.ask("Live.tree").total_on_cpu_ns;
    }, "as a fresh answer");
    const fresh = mock.ask("Live.tree", { max_nodes: 50000 });
    assert.equal((await root(page)).samples, fresh.values.samples[0]);
});

test("Space freezes, from anywhere but a text", usual, async ({ page }) => {
    await flame(page, 20);
    await page.locator("body").press("Space");
    await eventually(async () => (await shown(page)).frozen, "frozen");
    await page.locator("body").press("Space");
    await eventually(async () => !(await shown(page)).frozen, "unfrozen");
    await at.search(page).focus();
    await page.keyboard.type("a b");
    assert.equal((await shown(page)).frozen, false);
    assert.equal(await at.search(page).inputValue(), "a b");
});

test("a frozen view answers another question", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.freeze(page).click();
    const tid = mock.world.threadList[1].tid;
    await at.thread(page).click();
    await page.getByRole("option", { name: new RegExp(`\\b${tid}\\b`) }).click();
    await eventually(async () => (await root(page))?.weight === mock.ask("Live.tree", { view: { tid } }).total_on_cpu_ns);
});

test("pausing the recording is another thing", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.pause(page).click();
    await at.resume(page).waitFor();
    assert.equal(mock.world.paused, true);
    assert.equal((await shown(page)).frozen, false);
    const before = (await boxes(page)).length;
    await tick(page, mock, 2);
    assert.ok((await boxes(page)).length >= before);
    await at.resume(page).click();
    await at.pause(page).waitFor();
    assert.equal(mock.world.paused, false);
});
