// Group 20: programs and moments that a page must survive.

import assert from "node:assert/strict";
import { at, boxes, brush, clickBox, eventually, flame, group, root, scope, shown, tick, topNames, widest } from "./harness.mjs";
import { PROGRAMS } from "./mock.mjs";

const test = group(import.meta.url);

test("5,000 levels", { program: PROGRAMS.deep }, async ({ page, mock }) => {
    await flame(page, 10);
    await at.flame(page).focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("End");
    await tick(page, mock, 2);
    await at.tab(page, "Tree").click();
    await at.tree(page).getByRole("row").first().waitFor();
    await tick(page, mock, 2);
    assert.equal((await root(page)).weight, mock.ask("Live.tree").total_on_cpu_ns);
    const size = await at.flame(page).boundingBox();
    assert.ok(size.height < 800, `a canvas as high as the page at most, not ${size.height}`);
});

test("one node", { program: PROGRAMS.one_node }, async ({ page, mock }) => {
    const [box] = await flame(page, 1);
    assert.equal(box.weight, mock.ask("Live.tree").total_on_cpu_ns);
    await tick(page, mock, 2);
    await at.flame(page).focus();
    for (const key of ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Enter", "0"]) {
        await page.keyboard.press(key);
    }
    assert.equal((await boxes(page)).length, 1);
});

test("no samples, and why", { program: PROGRAMS.asleep }, async ({ page, mock }) => {
    await at.connection(page).waitFor();
    await tick(page, mock, 2);
    await eventually(async () => /0 samples|no samples|nothing/i.test(await page.locator("main").innerText()), "it says so");
    await at.mode(page, "Waiting").click();
    await eventually(async () => (await root(page))?.weight > 0, "waits are there");
});

test("nothing at all", { program: PROGRAMS.no_samples }, async ({ page, mock }) => {
    await at.connection(page).waitFor();
    await tick(page, mock, 4);
    await at.mode(page, "Wall").click();
    await tick(page, mock, 2);
    mock.world.samplesPerSecond = 4000;
    await tick(page, mock, 4);
    await eventually(async () => {
        mock.tell();
        return (await root(page))?.weight > 0;
    }, "the first samples are shown");
});

test("2,000 threads", { program: PROGRAMS.threads }, async ({ page, mock }) => {
    await flame(page, 10);
    await at.thread(page).click();
    await page.getByRole("option").nth(5).waitFor();
    const n = await page.getByRole("option").count();
    assert.ok(n <= 2001, `${n}`);
    const elements = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(elements < 12_000, `${elements} elements`);
    await page.keyboard.press("Escape");
    await tick(page, mock, 2);
});

test("a clock that jumps an hour ahead", { program: { nodes: 600 } }, async ({ page, mock }) => {
    await flame(page, 20);
    await brush(page, 0.25, 0.5);
    await eventually(async () => (await scope(page)).range.kind === "fixed");
    const { range } = await scope(page);
    mock.jump(3600e9);
    await tick(page, mock, 4);
    assert.deepEqual((await scope(page)).range, range);
    await eventually(async () => Number(await at.rangeEnd(page).getAttribute("aria-valuemax")) > 3600, "the timeline reaches there");
});

test("a run that ends while a range is being drawn", { program: { nodes: 600 } }, async ({ page, mock }) => {
    await flame(page, 20);
    const box = await at.plot(page).boundingBox();
    await page.mouse.move(box.x + box.width * 0.2, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
    mock.stop();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 20);
    await page.mouse.up();
    const { range } = await eventually(async () => ((await scope(page)).range.kind === "fixed" ? scope(page) : null));
    const view = { time_range: { start_ns: range.startNs, end_ns: range.endNs } };
    await eventually(async () => (await root(page))?.weight === mock.ask("Live.tree", { view }).total_on_cpu_ns);
});

test("200,000 nodes: what is shown, moves", { program: PROGRAMS.huge, limitMs: 120_000 }, async ({ page }) => {
    await flame(page, 50);
    const box = await widest(page, (one) => one.path.length === 2);
    await clickBox(page, box, { clickCount: 2 });
    await eventually(async () => (await shown(page)).zoom.join() === box.path.join());
    await at.flame(page).press("0");
    await eventually(async () => (await shown(page)).zoom.length === 0);
    await eventually(async () => (await topNames(page)).length > 10);
});
