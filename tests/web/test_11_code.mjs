// Groups 11 and 12: instructions, control flow, callers and callees.

import assert from "node:assert/strict";
import { at, eventually, flame, frames, group, shown, tick } from "./harness.mjs";
import { PROGRAMS } from "./mock.mjs";
import { target } from "./server.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };
const panel = (page, name) => page.getByRole("tabpanel", { name, exact: true });

/** Chooses the hottest function: the first row of the table. */
async function chooseHottest(page, mock) {
    await flame(page, 20);
    const name = mock.ask("Live.top", { limit: 1 }).functions.name[0];
    await at.top(page).getByRole("row").filter({ hasText: name }).first().click();
    await eventually(async () => (await shown(page)).chosen === name, "chosen");
    return mock.world.functions.find((one) => one.name === name);
}

test("the hottest instruction is in sight, and its numbers are right", usual, async ({ page, mock }) => {
    const one = await chooseHottest(page, mock);
    const answer = mock.ask("Profiler.annotated", { address: one.address });
    const hottest = answer.lines.reduce((a, b) => (b.self_samples > a.self_samples ? b : a));
    const row = panel(page, "Code").getByRole("row").filter({ hasText: hottest.address });
    await eventually(async () => row.first().isVisible(), "it is in the list");
    const inView = await row.first().evaluate((element) => {
        const box = element.getBoundingClientRect();
        const found = document.elementFromPoint(box.x + 30, box.y + box.height / 2);
        return element.contains(found);
    });
    assert.ok(inView, "it is in sight");
    const share = Number(/([\d.]+)\s*%/.exec(await row.first().innerText())[1]);
    const truth = (100 * hottest.self_samples) / answer.function_samples;
    assert.ok(Math.abs(share - truth) <= 0.11, `${share}, not ${truth}`);
    await tick(page, mock, 3);
    assert.ok(await row.first().isVisible(), "still there");
});

test("20,000 instructions scroll", { program: PROGRAMS.long_code, limitMs: 90_000 }, async ({ page, mock }) => {
    await chooseHottest(page, mock);
    const grid = panel(page, "Code").getByRole("grid").first();
    await grid.getByRole("row").nth(5).waitFor();
    const rows = await grid.getByRole("row").count();
    assert.ok(rows < 400, `${rows} rows exist`);
    const box = await grid.boundingBox();
    await page.mouse.move(box.x + 80, box.y + 60);
    for (let i = 0; i < 20; i++) {
        await page.mouse.wheel(0, 4000);
        await frames(page);
    }
    await eventually(async () => (await grid.getByRole("row").count()) > 5, "rows where it was scrolled to");
    assert.ok((await grid.getByRole("row").count()) < 400);
});

test("callers and callees are the function's time", usual, async ({ page, mock }) => {
    const one = await chooseHottest(page, mock);
    await at.tab(page, "Callers and callees").click();
    const truth = mock.ask("Profiler.neighbors", { address: one.address });
    const total = (100 * truth.function_on_cpu_ns) / truth.total_on_cpu_ns;
    await eventually(async () => {
        const shares = Array.from((await panel(page, "Callers and callees").innerText()).matchAll(/([\d.]+)\s*%/g), (match) => Number(match[1]));
        return shares.some((share) => Math.abs(share - total) <= 0.051 || Math.abs(share - 100) < 0.01);
    }, `${total} % of all`);
    const caller = truth.strings[truth.callers_tree.nodes.function[1]];
    await eventually(async () => (await panel(page, "Callers and callees").innerText()).includes(caller), `its first caller ${caller}`);
});

test("control flow: every block, and it stays where it is", usual, async ({ page, mock }) => {
    const one = await chooseHottest(page, mock);
    await at.tab(page, "Control flow").click();
    const truth = mock.ask("Profiler.cfg", { address: one.address });
    const blocks = page.getByRole("group", { name: "Control flow" }).getByRole("button");
    await eventually(async () => (await blocks.count()) >= truth.n_blocks, `${truth.n_blocks} blocks`);
    const places = () => blocks.evaluateAll((all) => all.map((block) => [block.getAttribute("transform"), block.getBoundingClientRect().x].join(" ")));
    const before = await places();
    await tick(page, mock, 3);
    assert.deepEqual(await places(), before);
});

test("the tree as a tree", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.tab(page, "Tree").click();
    const rows = at.tree(page).getByRole("row");
    await eventually(async () => (await rows.count()) > 2);
    const leveled = at.tree(page).locator('[role="row"][aria-level]');
    assert.ok((await leveled.count()) > 0, "rows have levels");
    await leveled.first().focus();
    const before = await leveled.count();
    await page.keyboard.press("ArrowRight");
    await tick(page, mock, 1);
    assert.ok((await leveled.count()) >= before);
});

test("instructions of a real program", { real: true, limitMs: 120_000 }, async ({ page, server }) => {
    await server.record([target("annotated"), "600000"], { samples: 600 });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
    const name = (await server.json("top", "-n", 1)).entries[0].function_name;
    await at.top(page).getByRole("row").filter({ hasText: name }).first().click();
    const truth = await server.json("annotate", name);
    const hottest = truth.lines.reduce((a, b) => (b.self_samples > a.self_samples ? b : a));
    const row = panel(page, "Code").getByRole("row").filter({ hasText: hottest.address });
    await row.first().waitFor();
    const text = await row.first().innerText();
    const share = Number(/([\d.]+)\s*%/.exec(text)[1]);
    assert.ok(Math.abs(share - (100 * hottest.self_samples) / truth.function_samples) <= 0.11, text);
    assert.ok(text.replace(/\s+/g, " ").includes(hottest.text.split(" ")[0]), text);
});
