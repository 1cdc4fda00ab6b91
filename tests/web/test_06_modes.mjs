// Group 6: one thread, waiting, wall clock; and nothing changes its size.

import assert from "node:assert/strict";
import { at, eventually, flame, group, root, topNames } from "./harness.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

function total(answer, mode) {
    const off = Object.values(answer.total_off_cpu).reduce((a, b) => a + b, 0);
    return mode === "off_cpu" ? off : mode === "wall" ? answer.total_on_cpu_ns + off : answer.total_on_cpu_ns;
}

test("modes weigh what they say", usual, async ({ page, mock }) => {
    await flame(page, 20);
    const height = async (one) => (await one.boundingBox()).height;
    const rowHeight = () => height(at.top(page).getByRole("row").nth(2));
    const sizes = async () => [await height(at.flame(page)), await height(at.top(page)), await height(at.timeline(page)), await rowHeight()];
    const before = await sizes();
    for (const [label, mode] of [["Waiting", "off_cpu"], ["Wall", "wall"], ["On CPU", "on_cpu"]]) {
        await at.mode(page, label).click();
        const truth = mock.ask("Live.tree", { mode });
        await eventually(async () => (await root(page))?.weight === total(truth, mode), `the flamegraph's total of ${label}`);
        const [first] = mock.ask("Live.top", { mode, limit: 1 }).functions.name;
        await eventually(async () => (await topNames(page))[0] === first, `the hottest by ${label}`);
        assert.deepEqual(await sizes(), before, `${label} changes no size`);
    }
});

test("keys of modes", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await page.keyboard.press("2");
    await eventually(async () => (await root(page))?.weight === total(mock.ask("Live.tree"), "off_cpu"));
    await page.keyboard.press("3");
    await eventually(async () => (await root(page))?.weight === total(mock.ask("Live.tree"), "wall"));
    await page.keyboard.press("1");
    await eventually(async () => (await root(page))?.weight === total(mock.ask("Live.tree"), "on_cpu"));
});

test("one thread", usual, async ({ page, mock }) => {
    await flame(page, 20);
    for (const one of [mock.world.threadList[2], mock.world.threadList[0]]) {
        await at.thread(page).click();
        await page.getByRole("option", { name: new RegExp(`\\b${one.tid}\\b`) }).click();
        const view = { tid: one.tid };
        await eventually(async () => (await root(page))?.weight === mock.ask("Live.tree", { view }).total_on_cpu_ns, one.name);
    }
    await page.getByRole("list", { name: "Scope" }).getByRole("button", { name: /^Remove/ }).first().click();
    await eventually(async () => (await root(page))?.weight === mock.ask("Live.tree").total_on_cpu_ns, "all threads again");
});
