// What the browser tests are written with: a page of its own for each test, on a mock or on a server, and a second
// chance for what failed by chance.
//
//     const test = group(import.meta.url);
//
//     test("the first flame", { program: { nodes: 600 } }, async ({ page, mock }) => {
//         await eventually(async () => (await boxes(page)).length > 10);
//     });
//     test("numbers as the command says them", { real: true }, async ({ page, server }) => { … });
//
// Nothing here sleeps in order to wait: conditions are waited for. A test fails, besides for its own reasons, when
// the page throws, or when it breaks its own security policy.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { after, test as nodeTest } from "node:test";
import { Mock } from "./mock.mjs";
import { Server, SANITIZED, whyNoServer } from "./server.mjs";
import { launch, open, ROOT } from "./serve.mjs";

export const PATIENCE = SANITIZED ? 3 : 1;
const ATTEMPTS = 3;
const TEST_LIMIT_MS = 60_000;
const STEP_LIMIT_MS = 10_000;
const KEPT = process.env.STAX_WEB_KEEP ?? join(ROOT, "build-results", "web");

// No chance: whatever is said by who found one of these, a second attempt would only hide it.
const NO_CHANCE = /Sanitizer|runtime error:|the server ended with|the page crashed|Content Security Policy/;

let browser = null;

async function theBrowser() {
    if (browser === null || !browser.isConnected()) {
        browser = await launch();
    }
    return browser;
}

after(() => browser?.close());

/** Tests of one file. The name of each is FILE/NAME. */
export function group(url) {
    const file = basename(new URL(url).pathname, ".mjs");
    return (name, options, run) => {
        const title = `${file}/${name}`.replaceAll(":", ".");
        const skip = options.skip ?? (options.real ? whyNoServer() : "");
        nodeTest(title, skip ? { skip } : {}, (t) => attempts(t, title, options, run));
    };
}

async function attempts(t, title, options, run) {
    for (let attempt = 1; ; attempt++) {
        try {
            await once(title, options, run, attempt);
            return;
        } catch (error) {
            const text = String(error?.stack ?? error);
            if (attempt === ATTEMPTS || NO_CHANCE.test(text) || process.env.STAX_WEB_ONCE) {
                throw error;
            }
            t.diagnostic(`tried again: ${title}: ${String(error.message).split("\n")[0].slice(0, 200)}`);
        }
    }
}

// One attempt. What failed leaves a picture; from the second attempt on also a trace, which costs too much for all.
async function once(title, options, run, attempt) {
    const context = await (await theBrowser()).newContext({
        viewport: { width: 1280, height: 800 },
        colorScheme: "light",
        permissions: ["clipboard-read", "clipboard-write"],
        ...options.context,
    });
    context.setDefaultTimeout(STEP_LIMIT_MS * PATIENCE);
    const trace = attempt > 1 && !options.noTrace;
    if (trace) {
        await context.tracing.start({ screenshots: true, snapshots: true });
    }
    const scene = { context, trouble: [] };
    try {
        await within((options.limitMs ?? TEST_LIMIT_MS) * PATIENCE, async () => {
            await set(scene, options);
            await run(scene);
            await scene.server?.close();
        });
        assert.deepEqual(scene.trouble, [], "the page threw, or broke its policy");
    } catch (error) {
        await keep(scene, title, attempt, trace);
        throw error;
    } finally {
        scene.mock?.end();
        scene.server?.kill();
        await context.close().catch(() => {});
    }
}

async function set(scene, options) {
    scene.newPage = async () => watch(scene, await scene.context.newPage());
    scene.page = await scene.newPage();
    if (options.real) {
        scene.server = await new Server(options.serverArgs ?? []).start();
    } else if (options.program) {
        scene.mock = new Mock(options.program);
        if (!options.closed) {
            await open(scene.page, scene.mock, options.hash ?? "");
        }
    }
}

async function watch(scene, page) {
    page.on("pageerror", (error) => scene.trouble.push(`page error: ${error.stack ?? error}`));
    page.on("crash", () => scene.trouble.push("the page crashed"));
    page.on("console", (message) => {
        if (/Content.Security.Policy/i.test(message.text())) {
            scene.trouble.push(message.text());
        }
    });
    return page;
}

async function within(ms, run) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`the test took longer than ${ms / 1000} s`)), ms);
    });
    try {
        await Promise.race([run(), late]);
    } finally {
        clearTimeout(timer);
    }
}

async function keep(scene, title, attempt, trace) {
    mkdirSync(KEPT, { recursive: true });
    const path = join(KEPT, `${title.replace(/[^\w-]+/g, "_").slice(0, 100)}-${attempt}`);
    await scene.page?.screenshot({ path: `${path}.png`, timeout: 5000 }).catch(() => {});
    if (trace) {
        await scene.context.tracing.stop({ path: `${path}.zip` }).catch(() => {});
    }
}

// ---- waiting ----

/**
 * Asks again and again until `look` returns something true, and returns that. What it throws counts as not yet; the
 * last of it is why when time is up.
 */
export async function eventually(look, what = look.toString(), ms = STEP_LIMIT_MS * PATIENCE) {
    const deadline = Date.now() + ms;
    let why = "";
    for (;;) {
        try {
            const found = await look();
            if (found) {
                return found;
            }
            why = "";
        } catch (error) {
            why = `: ${error.message}`;
        }
        assert.ok(Date.now() < deadline, `not in ${ms / 1000} s: ${what}${why}`);
        await new Promise((done) => setTimeout(done, 20));
    }
}

/** Two frames later: what was asked to be drawn is drawn. */
export function frames(page) {
    return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))));
}

/** Time goes by on the mock; returns when the page has shown what came of it. */
export async function tick(page, mock, n = 1) {
    for (let i = 0; i < n; i++) {
        const trees = mock.everySubscription().filter((one) => one.method === "Live.tree" && one.ack);
        await eventually(() => trees.every((one) => one.isFree()), "the flamegraph has worked off what came before");
        mock.tick();
        await eventually(() => trees.every((one) => one.isFree()), "the flamegraph has worked off the tick");
        await frames(page);
    }
}

// ---- what the page draws ----

export function boxes(page) {
    return page.evaluate(() => window.__stax.boxes());
}

export function stats(page) {
    return page.evaluate(() => window.__stax.stats());
}

export function scope(page) {
    return page.evaluate(() => window.__stax.scope());
}

/** Boxes of the flamegraph, as soon as there are some. */
export async function flame(page, least = 2) {
    return eventually(async () => {
        const found = await boxes(page);
        return found.length >= least ? found : null;
    }, `a flamegraph of at least ${least} boxes`);
}

/** The widest box that is a function, and wide enough to point at. */
export async function widest(page, accept = () => true) {
    const found = (await flame(page)).filter((box) => box.path.length > 0 && !box.residue && accept(box));
    assert.ok(found.length > 0, "no box to point at");
    return found.reduce((a, b) => (b.width > a.width ? b : a));
}

export async function clickBox(page, box, options = {}) {
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2, options);
}

export function shown(page) {
    return page.evaluate(() => window.__stax.shown());
}

/** Names in the rows of the top table, from top to bottom. */
export function topNames(page) {
    return at.top(page).evaluate((grid) =>
        Array.from(grid.querySelectorAll('[role="row"]'))
            .filter((row) => row.querySelector('[role="gridcell"]'))
            .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
            .map((row) => row.querySelector("bdi").title),
    );
}

/** The texts of cells of the row of the top table that is about this function. */
export async function topRow(page, name) {
    const rows = at.top(page).getByRole("row").filter({ has: page.getByText(name, { exact: true }) });
    const cells = rows.first().getByRole("gridcell");
    return cells.allInnerTexts();
}

/**
 * What a step puts on the clipboard: the first text that `isIt` takes. All pages share one clipboard, and what stood
 * there before is no answer.
 */
export async function copied(page, isIt, step, what) {
    await page.evaluate(() => navigator.clipboard.writeText(""));
    await step();
    return eventually(async () => {
        const text = await page.evaluate(() => navigator.clipboard.readText());
        return isIt.test(text) ? text : null;
    }, `${what} on the clipboard`);
}

/** Drags over the timeline, from one share of its width to another. */
export async function brush(page, from, to) {
    const box = await at.plot(page).boundingBox();
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * from, y);
    await page.mouse.down();
    await page.mouse.move(box.x + (box.width * (from + to)) / 2, y);
    await page.mouse.move(box.x + box.width * to, y);
    await page.mouse.up();
}

/** The root box: its weight is what the flamegraph takes as the whole. */
export async function root(page) {
    return (await boxes(page)).find((box) => box.path.length === 0 && !box.residue);
}

export function samePath(a, b) {
    return a.length === b.length && a.every((name, i) => name === b[i]);
}

// ---- names that the page promises (see docs/ui.md) ----

export const at = {
    flame: (page) => page.getByRole("application", { name: "Flamegraph" }),
    timeline: (page) => page.getByRole("region", { name: "Timeline" }),
    plot: (page) => page.getByRole("group", { name: /^Activity over time/ }),
    rangeStart: (page) => page.getByRole("slider", { name: "Start of range" }),
    rangeEnd: (page) => page.getByRole("slider", { name: "End of range" }),
    top: (page) => page.getByRole("grid", { name: "Hottest functions" }),
    tab: (page, name) => page.getByRole("tab", { name, exact: true }),
    tree: (page) => page.getByRole("treegrid", { name: "Call tree" }),
    thread: (page) => page.getByRole("combobox", { name: "Thread" }),
    mode: (page, name) => page.getByRole("radiogroup", { name: "What weighs" }).getByRole("radio", { name, exact: true }),
    search: (page) => page.getByRole("searchbox", { name: "Search functions" }),
    chips: (page) => page.getByRole("list", { name: "Scope" }),
    freeze: (page) => page.getByRole("button", { name: "Freeze view" }),
    unfreeze: (page) => page.getByRole("button", { name: "Unfreeze view" }),
    pause: (page) => page.getByRole("button", { name: "Pause recording" }),
    resume: (page) => page.getByRole("button", { name: "Resume recording" }),
    connection: (page) => page.getByRole("status", { name: "Connection" }),
    palette: (page) => page.getByRole("dialog", { name: "Commands" }),
    help: (page) => page.getByRole("dialog", { name: "Keys" }),
    reasons: (page) => page.getByRole("list", { name: "Waiting by reason" }),
    wakers: (page) => page.getByRole("table", { name: "Wakers" }),
    export: (page) => page.getByRole("button", { name: "Export" }),
    copy: (page) => page.getByRole("button", { name: "Copy as Markdown" }),
};
