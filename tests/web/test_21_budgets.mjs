// Group 21: what the page may cost, with half as much again for a machine that is busy; the median of three.

import assert from "node:assert/strict";
import { flame, group, PATIENCE } from "./harness.mjs";
import {
    A_TENTH, BUDGETS, FIFTY_THOUSAND, FOR_HOURS, firstFlame, hovering, live, median, observe, quantile, searching, sizes,
    soak, updates,
} from "./measure.mjs";
import { serveMock } from "./served_mock.mjs";
import { target } from "./server.mjs";

const test = group(import.meta.url);
const SLACK = 1.5;

async function thrice(measure) {
    const all = [];
    for (let i = 0; i < 3; i++) {
        all.push(await measure());
    }
    return median(all);
}

function assertWithin(measured, budget, what) {
    assert.ok(measured <= budget * SLACK, `${what}: ${measured.toFixed(1)}, budget ${budget}`);
}

test("sizes after gzip", {}, async () => {
    const { first, lazy } = sizes();
    assert.ok(first <= BUDGETS.firstKb, `first load: ${first.toFixed(1)} KB`); // nothing about it is chance
    assert.ok(lazy <= BUDGETS.lazyKb, `parts: ${lazy.toFixed(1)} KB`);
});

test("the first flame", { real: true, limitMs: 90_000 }, async ({ server, newPage }) => {
    await server.record([target("shares"), "1", "600000"], { samples: 500 });
    await server.stop();
    const measured = await thrice(async () => {
        const page = await newPage();
        await observe(page);
        await server.open(page);
        const ms = await firstFlame(page);
        await page.close();
        return ms;
    });
    assertWithin(measured / PATIENCE, BUDGETS.firstFlameMs, "ms to the first flame");
});

test("50,000 nodes, a tenth of them changed", { program: FIFTY_THOUSAND, closed: true, limitMs: 150_000 }, async ({ page, mock }) => {
    await observe(page);
    const served = await serveMock(mock);
    await page.goto(served.url);
    await flame(page, 50);
    mock.world.samplesPerSecond = A_TENTH;
    await updates(page, mock, 5);
    const all = [await updates(page, mock, 20), await updates(page, mock, 20), await updates(page, mock, 20)];
    served.close();
    assertWithin(median(all.map(median)), BUDGETS.updateMedianMs, "median ms of an update");
    assertWithin(median(all.map((one) => quantile(one, 0.95))), BUDGETS.updateP95Ms, "p95 ms of an update");
});

test("no long tasks", { program: { nodes: 5000 }, closed: true, limitMs: 120_000 }, async ({ page, mock }) => {
    await observe(page);
    const served = await serveMock(mock);
    await page.goto(served.url);
    await flame(page, 50);
    const measured = await thrice(async () => (await live(page, mock, 10)).longTasks.length);
    served.close();
    assert.equal(measured, BUDGETS.longTasks, `${measured} tasks of more than 50 ms in 10 s`);
});

test("50,000 nodes under the pointer, and sought", { program: FIFTY_THOUSAND, closed: true, limitMs: 120_000 }, async ({ page, mock }) => {
    await observe(page);
    const served = await serveMock(mock);
    await page.goto(served.url);
    await flame(page, 50);
    const hover = await hovering(page, 20);
    const search = await searching(page, "hash_tab");
    served.close();
    assert.equal(hover.paints, 0, "what lies below the mark of the pointer is not painted again");
    assertWithin(median(hover.ms), BUDGETS.hoverMs, "median ms to the mark of the pointer");
    assertWithin(median(search), BUDGETS.searchMs, "median ms from a letter to what it finds");
});

test("a page that stays open", { program: FOR_HOURS, closed: true, limitMs: 300_000 }, async ({ page, mock }) => {
    await observe(page);
    const served = await serveMock(mock);
    await page.goto(served.url);
    await firstFlame(page);
    const grows = await soak(page, mock, 3);
    served.close();
    assert.ok(grows <= BUDGETS.heapMbPerMinute, `the heap grows by ${grows.toFixed(2)} MB per minute`);
});
