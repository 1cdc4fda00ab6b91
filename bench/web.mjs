// What the page costs: node bench/web.mjs BUILD RUN-FILE. Prints one JSON object; bench/browsing.py makes a table of it.
//
// With the real server and the run in the file: the first paint, the first flame, a range of time, what a page that
// looks on costs the server. With a mock, which has exactly as many nodes as it should: updates, long tasks, bytes.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { resolve } from "node:path";

process.env.STAX_BUILD = resolve(process.argv[2]);
const file = resolve(process.argv[3]);
const { launch } = await import("../tests/web/serve.mjs");
const { serveMock } = await import("../tests/web/served_mock.mjs");
const { Server } = await import("../tests/web/server.mjs");
const { Undisturbed } = await import("../tests/web/undisturbed.mjs");
const { Mock, PROGRAMS } = await import("../tests/web/mock.mjs");
const {
    A_TENTH, FIFTY_THOUSAND, FOR_HOURS, firstFlame, heapMb, hovering, live, median, observe, quantile, searching, sizes,
    snapshots, soak, updates,
} = await import("../tests/web/measure.mjs");

const ROUNDS = 7;
const OPENED_MS = 2000; // by then every page is complete
const LIVE_S = 60;
const SOAK_MINUTES = 10;
const ZOOMS = 10;
const ZOOM_MS = 150; // a little longer than boxes move

async function withPage(browser, act) {
    const context = await browser.newContext({ viewport: { width: 1600, height: 900 } });
    const page = await context.newPage();
    await observe(page);
    try {
        return await act(page);
    } finally {
        await context.close();
    }
}

// ---- with the server ----

/** Milliseconds from the address on; of an empty page, too, which is what the browser itself takes. */
async function opened(server) {
    const empty = createServer((_request, response) => response.end("<!doctype html><h1>empty</h1>"));
    await new Promise((listening) => empty.listen(0, "127.0.0.1", listening));
    const browser = await Undisturbed.start();
    const address = await server.address();
    const all = [];
    for (let i = 0; i <= ROUNDS; i++) {
        const entries = await browser.visit(address, OPENED_MS);
        const nothing = await browser.visit(`http://127.0.0.1:${empty.address().port}/`, OPENED_MS / 4);
        const flame = entries.find(({ name }) => name === "stax.update");
        all.push({ paint: paintOf(entries), flame: flame.startTime + flame.duration, empty: paintOf(nothing) });
    }
    await browser.close();
    empty.close();
    const of = (what) => median(all.slice(1).map((one) => one[what])); // the first one warms it up
    return { firstPaintMs: of("paint"), firstFlameMs: of("flame"), emptyMs: of("empty") };
}

function paintOf(entries) {
    return entries.find(({ name }) => name === "first-contentful-paint").startTime;
}

/** From letting go of the mouse to the flamegraph of the range. The page may have asked for it before that. */
async function ranges(browser, server) {
    return withPage(browser, async (page) => {
        await server.open(page);
        await firstFlame(page);
        const plot = page.getByRole("group", { name: /^Activity over time/ });
        await plot.waitFor();
        const box = await plot.boundingBox();
        const all = [];
        for (let i = 0; i < ROUNDS * 2; i++) {
            const [from, to] = [0.02 + 0.06 * i, 0.5 + 0.03 * i];
            const y = box.y + box.height / 2;
            if (i > 0) {
                await page.evaluate(() => (window.__updates.length = 0));
                await page.mouse.dblclick(box.x + box.width * 0.99, y); // all of the time
                await page.waitForFunction(() => window.__updates.length > 0);
            }
            await page.mouse.move(box.x + box.width * from, y);
            await page.mouse.down();
            await page.evaluate(() => {
                window.__updates.length = 0;
                addEventListener("pointerup", () => (window.__released = performance.now()), { once: true });
            });
            await page.mouse.move(box.x + box.width * to, y);
            await page.mouse.up();
            await page.waitForFunction(() => window.__updates.length > 0);
            all.push(await page.evaluate(() => Math.max(0, window.__updates.at(-1).doneAt - window.__released)));
        }
        return { brushMedianMs: median(all), brushMostMs: Math.max(...all) };
    });
}

function cpuSeconds(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** CPU time of the server in ten seconds with the page less that without, of a run that is recorded. */
async function looking(browser, server, command) {
    await server.record(command, { samples: 1000 });
    const during = async (act) => {
        const began = cpuSeconds(server.process.pid);
        await act();
        return cpuSeconds(server.process.pid) - began;
    };
    const pause = (page) => page.evaluate(() => new Promise((done) => setTimeout(done, 10_000)));
    const without = await withPage(browser, (page) => during(() => pause(page)));
    const withIt = await withPage(browser, async (page) => {
        await server.open(page);
        await firstFlame(page);
        return during(() => pause(page));
    });
    return { serverPct: Math.max(0, (withIt - without) * 10) };
}

// ---- with the mock ----

/** A page of `mock` with its first flamegraph. */
async function withMock(browser, mock, act) {
    return withPage(browser, async (page) => {
        const served = await serveMock(mock);
        try {
            await page.goto(served.url);
            await firstFlame(page);
            return await act(page);
        } finally {
            served.close();
        }
    });
}

/** Milliseconds between the frames that follow a key. */
async function framesAfter(page, key) {
    await page.evaluate((ms) => {
        window.__deltas = new Promise((done) => {
            const deltas = [];
            addEventListener("keydown", () => {
                const began = performance.now();
                let last = 0;
                const frame = (now) => {
                    last !== 0 && deltas.push(now - last);
                    last = now;
                    performance.now() - began < ms ? requestAnimationFrame(frame) : done(deltas);
                };
                requestAnimationFrame(frame);
            }, { once: true, capture: true });
        });
    }, ZOOM_MS);
    await page.keyboard.press(key);
    return page.evaluate(() => window.__deltas);
}

/** Milliseconds between frames while a zoom is on its way, there and back. */
async function zooming(browser) {
    return withMock(browser, new Mock(PROGRAMS.huge), async (page) => {
        await page.getByRole("application", { name: "Flamegraph" }).focus();
        const all = [];
        for (let i = 0; i < ZOOMS; i++) {
            await page.keyboard.press("ArrowDown");
            await page.keyboard.press("ArrowDown");
            all.push(...(await framesAfter(page, "Enter")));
            all.push(...(await framesAfter(page, "Digit0")));
        }
        return { zoomMedianMs: median(all), zoomP95Ms: quantile(all, 0.95) };
    });
}

async function fiftyThousand(browser) {
    const mock = new Mock(FIFTY_THOUSAND);
    return withMock(browser, mock, async (page) => {
        const [cold] = await page.evaluate(() => window.__updates.map(({ ms }) => ms));
        mock.world.samplesPerSecond = A_TENTH;
        await updates(page, mock, 10);
        const all = await updates(page, mock, 100);
        const at = await live(page, mock, LIVE_S);
        const full = await snapshots(page, 20);
        const heap = await heapMb(page);
        const hover = await hovering(page, 40);
        const search = await searching(page, "compress_table_12");
        return {
            coldMs: cold,
            fullMedianMs: median(full),
            fullP95Ms: quantile(full, 0.95),
            updateMedianMs: median(all),
            updateP95Ms: quantile(all, 0.95),
            heapMb: heap,
            longTasks: at.longTasks.length,
            longestTaskMs: Math.max(0, ...at.longTasks),
            busyPct: at.busyPct,
            wireKb: at.wireKb,
            hoverMedianMs: median(hover.ms),
            hoverP95Ms: quantile(hover.ms, 0.95),
            searchMedianMs: median(search),
            searchMostMs: Math.max(...search),
        };
    });
}

/** Ten minutes of a run, as quickly as the page takes them. */
async function soaking(browser) {
    const mock = new Mock(FOR_HOURS);
    return withMock(browser, mock, async (page) => ({ heapMbPerMinute: await soak(page, mock, SOAK_MINUTES) }));
}

const browser = await launch();
const server = new Server();
try {
    await server.start();
    const size = sizes();
    await server.stax("open", file);
    const result = { firstKb: size.first, lazyKb: size.lazy, ...(await opened(server)), ...(await ranges(browser, server)) };
    Object.assign(result, await looking(browser, server, [resolve(process.argv[2], "bench_spin"), "1000000"]));
    await server.close();
    Object.assign(result, await zooming(browser), await fiftyThousand(browser), await soaking(browser));
    console.log(JSON.stringify(result));
} finally {
    server.kill();
    await browser.close();
}
process.exit(0);
