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
    searchMs: 30,
    hoverMs: 16,
    heapMbPerMinute: 0.5,
};

/** What runs for hours: nearly everything it does has been seen before. */
export const FOR_HOURS = { nodes: 3000, samplesPerSecond: 200, waitsPerSecond: 20 };
const PER_MINUTE = 240; // updates
const ROW_PX = 18; // of the flamegraph

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
                const { duration: ms } = entry;
                window.__firstFlame ||= entry.startTime + ms;
                window.__updates.push({ ms, nodes: entry.detail, doneAt: entry.startTime + ms });
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

/** Milliseconds from the event `type` that `act` leads to until the frame that has painted it; `count`: of stats(). */
async function untilPainted(page, type, count, act) {
    await page.evaluate(([name, counter]) => {
        const before = window.__stax.stats()[counter];
        window.__painted = new Promise((done) => {
            addEventListener(name, () => {
                const began = performance.now();
                const frameIsOver = new MessageChannel();
                frameIsOver.port1.onmessage = () => {
                    window.__stax.stats()[counter] > before ? done(performance.now() - began) : next();
                };
                const next = () => requestAnimationFrame(() => frameIsOver.port2.postMessage(null));
                next();
            }, { once: true, capture: true });
        });
    }, [type, count]);
    await act();
    return page.evaluate(() => window.__painted);
}

/** Of each letter of `text`, typed into the search. */
export async function searching(page, text) {
    await page.getByRole("searchbox", { name: "Search" }).focus();
    const all = [];
    for (const letter of text) {
        all.push(await untilPainted(page, "input", "paints", () => page.keyboard.type(letter)));
    }
    return all;
}

/** Of moves from box to box of the flamegraph; and how often all of it was painted meanwhile. */
export async function hovering(page, moves) {
    const { x, y, width } = await page.getByRole("application", { name: "Flamegraph" }).boundingBox();
    await page.mouse.move(x + width / 2, y + ROW_PX / 2);
    const paints = () => page.evaluate(() => window.__stax.stats().paints);
    const before = await paints();
    const all = [];
    for (let i = 0; i < moves; i++) {
        const place = [x + (width * (i + 1)) / (moves + 1), y + ROW_PX * (1.5 + (i % 2))];
        all.push(await untilPainted(page, "pointermove", "overlayPaints", () => page.mouse.move(...place)));
    }
    return { ms: all, paints: (await paints()) - before };
}

/** MB per minute that the heap grows by, with 4 updates per second, which come one after the other here. */
export async function soak(page, mock, minutes) {
    await updates(page, mock, 2 * PER_MINUTE); // until all that it ever shows has been shown
    const all = [await heapMb(page)];
    for (let i = 0; i < minutes; i++) {
        await updates(page, mock, PER_MINUTE);
        all.push(await heapMb(page));
    }
    return slope(all);
}

/** What is left when everything that nobody has was thrown away; what is on its way for a moment is not meant. */
export function heapMb(page) {
    return page.evaluate(async () => {
        let least = Infinity;
        for (let i = 0; i < 5; i++) {
            await new Promise((frame) => requestAnimationFrame(() => setTimeout(frame)));
            window.gc();
            least = Math.min(least, performance.memory.usedJSHeapSize);
        }
        return least / 2 ** 20;
    });
}

// Of the line that fits best.
function slope(values) {
    const middle = (values.length - 1) / 2;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const down = values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
    return values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0) / down;
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
