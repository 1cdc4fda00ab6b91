// Group 10: why threads wait, and who ends it.

import assert from "node:assert/strict";
import { at, eventually, flame, group, root, scope } from "./harness.mjs";
import { REASONS } from "./mock.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600, waitsPerSecond: 400 } };

test("a reason by itself", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.mode(page, "Waiting").click();
    await at.reasons(page).getByRole("button", { name: /lock/ }).click();
    await eventually(async () => (await scope(page)).reason === REASONS.indexOf("lock"), "only locks");
    const answer = mock.ask("Live.tree", { mode: "off_cpu", reason: "lock" });
    await eventually(async () => (await root(page))?.weight === answer.values.off_cpu_ns[0], "the flamegraph's total");
    await at.reasons(page).getByRole("button", { name: /lock/ }).click();
    await eventually(async () => (await scope(page)).reason === null, "all of them again");
});

test("each has its code, and a share that is right", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.mode(page, "Waiting").click();
    const off = Object.values(mock.ask("Live.tree").total_off_cpu);
    const all = off.reduce((a, b) => a + b, 0);
    const codes = ["ID", "LK", "SM", "IP", "RD", "WR", "PO", "SL", "CN", "OT"];
    for (const [i, code] of codes.entries()) {
        const text = await at.reasons(page).getByRole("button", { name: new RegExp(`^${code}\\b`) }).innerText();
        const share = Number(/([\d.]+)\s*%/.exec(text)[1]);
        assert.ok(Math.abs(share - (100 * off[i]) / all) <= 0.051, `${code}: ${share}, not ${(100 * off[i]) / all}`);
    }
});

test("wakers of a thread, and on to one of them", usual, async ({ page, mock }) => {
    await flame(page, 20);
    const { tid } = mock.world.threadList[1];
    await at.thread(page).click();
    await page.getByRole("option", { name: new RegExp(`\\b${tid}\\b`) }).click();
    const truth = mock.ask("Profiler.wakers", { tid });
    const first = truth.entries.find((entry) => entry.waker_tid !== tid);
    const row = at.wakers(page).getByRole("row").filter({ hasText: String(first.waker_tid) }).first();
    await row.waitFor();
    const button = row.getByRole("button").or(row.getByRole("link")).first();
    await button.click();
    await eventually(async () => (await scope(page)).tid === first.waker_tid, "the waker's own view");
});

test("single waits", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.tab(page, "Waits").click();
    const panel = page.getByRole("tabpanel", { name: "Waits" });
    const longest = mock.ask("Profiler.intervals", { limit: 1, order: "longest" });
    await eventually(async () => (await panel.innerText()).replaceAll(",", "").includes(String(longest.total_intervals)), "how many there are");
    await panel.getByRole("row").nth(1).waitFor();
    const newest = panel.getByRole("radio", { name: /newest/i });
    await newest.click();
    await eventually(() => mock.everySubscription().some(({ method, params }) => method === "Profiler.intervals" && params.order === "newest"), "the newest");
});
