// What the page costs: measured by the tests of budgets (test_21) and by bench/web.mjs.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DIST } from "./serve.mjs";

/** What the page may cost: docs/benchmarks.md says what it does cost. */
export const BUDGETS = {
    firstKb: 60,
    lazyKb: 120,
    firstFlameMs: 400,
    updateMedianMs: 4,
    updateP95Ms: 12,
    longTasks: 0,
    busyPct: 5,
    wireKb: 100,
    brushMs: 400,
};

/** A tree of 50,000 nodes of which a tenth changes four times a second. */
export const FIFTY_THOUSAND = { nodes: 52000, uncut: true, samplesPerSecond: 50000, waitsPerSecond: 0 };
export const A_TENTH = 3200; // samples per second that do it

export function quantile(numbers, share) {
    const sorted = Array.from(numbers).sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

export const median = (numbers) => quantile(numbers, 0.5);

/** KB after gzip: of the page, and of all parts that are loaded when they are needed. */
export function sizes() {
    const kb = (path) => gzipSync(readFileSync(join(DIST, path)), { level: 9 }).length / 1024;
    const parts = readdirSync(join(DIST, "part")).filter((name) => name.endsWith(".js"));
    return { first: kb("index.html"), lazy: parts.reduce((all, name) => all + kb(join("part", name)), 0) };
}

/** To be called before the page is opened: notes long tasks, and when the flamegraph was first there. */
export function observe(page) {
    return page.addInitScript(() => {
        window.__long = [];
        window.__updates = [];
        window.__firstFlame = 0;
        new PerformanceObserver((list) => window.__long.push(...list.getEntries().map((entry) => entry.duration)))
            .observe({ type: "longtask", buffered: true });
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries().filter(({ name }) => name === "stax.update")) {
                window.__firstFlame ||= entry.startTime + entry.duration;
                window.__updates.push({ ms: entry.duration, nodes: entry.detail });
            }
        }).observe({ type: "measure", buffered: true });
    });
}

/** Milliseconds after the navigation began. */
export function firstFlame(page) {
    return page.waitForFunction(() => window.__firstFlame).then((handle) => handle.jsonValue());
}

/** So many updates, one after the other; the first message is none of them. */
export async function updates(page, mock, n) {
    await page.evaluate(() => (window.__updates.length = 0));
    const isTaken = () => mock.everySubscription().every((one) => one.method !== "Live.tree" || one.isFree());
    for (let i = 0; i < n; i++) {
        while (!isTaken()) {
            await new Promise((done) => setTimeout(done, 1)); // its ack may be slower than what the page notes
        }
        mock.tick();
        await page.waitForFunction((count) => window.__updates.length > count, i);
    }
    return page.evaluate(() => window.__updates.map(({ ms }) => ms));
}

/** So many first answers to other questions, all nodes in each of them. */
export async function snapshots(page, n) {
    await page.evaluate(() => (window.__updates.length = 0));
    for (let i = 0; i < n; i++) {
        await page.keyboard.press(i % 2 === 0 ? "Digit3" : "Digit1");
        await page.waitForFunction((count) => window.__updates.length > count, i);
    }
    return page.evaluate(() => window.__updates.map(({ ms }) => ms));
}

/** Long tasks, share of the main thread that was busy, bytes per tick: while `mock` runs by itself for `seconds`. */
export async function live(page, mock, seconds) {
    const client = await page.context().newCDPSession(page);
    await client.send("Performance.enable", { timeDomain: "threadTicks" }); // CPU time: others may use the machine, too
    const busy = async () => (await client.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
    await page.evaluate(() => (window.__long.length = 0));
    const began = await busy();
    const sent = mock.sent.length;
    const start = Date.now();
    mock.start(250);
    await page.evaluate((ms) => new Promise((done) => setTimeout(done, ms)), seconds * 1000);
    mock.end();
    const took = (Date.now() - start) / 1000;
    const trees = mock.sent.slice(sent).filter(({ about }) => about === "Live.tree").map(({ bytes }) => bytes);
    return {
        longTasks: await page.evaluate(() => window.__long),
        busyPct: (100 * ((await busy()) - began)) / took,
        wireKb: median(trees) / 1024,
        allKb: mock.sent.slice(sent).reduce((all, { bytes }) => all + bytes, 0) / 1024 / (took * 4),
    };
}
