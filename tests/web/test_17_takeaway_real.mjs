// Group 17: what was taken away says the same as what it was taken from. The Markdown's command prints the Markdown's
// numbers; the HTML file shows what the page showed, and asks nobody for it. (Pictures: test_17_takeaway.)

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { at, boxes, brush, copied, eventually, flame, frames, group, root, scope, shown, topRow } from "./harness.mjs";
import { target } from "./server.mjs";

const test = group(import.meta.url);
const real = { real: true, limitMs: 150_000 };
const number = (text) => Number(text.replaceAll(/[,\s%]/g, ""));
const panel = (page, name) => page.getByRole("tabpanel", { name, exact: true });

async function markdown(page) {
    await at.flame(page).focus();
    return copied(page, /^## stax/, () => page.keyboard.press("y"), "Markdown");
}

/** Rows of its table of functions: self %, self ms, total %, samples, name. */
function tableOf(text) {
    const fence = /### Hottest functions\n\n```text\n([\s\S]*?)\n```/.exec(text)[1];
    return fence.split("\n").slice(1).map((line) => {
        const [, self, ms, total, samples, name] = /^\s*([\d.]+) %\s+([\d.,]+)\s+([\d.]+) %\s+([\d,]+)\s+(\S+)/.exec(line);
        return { self: number(self), ms: number(ms), total: number(total), samples: number(samples), name };
    });
}

test("the command in the Markdown prints the numbers in the Markdown", real, async ({ page, server }) => {
    await server.record([target("shares"), "2", "600000"], { samples: 1200 });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
    await brush(page, 0.1, 0.8);
    await eventually(async () => (await scope(page)).range.kind === "fixed");
    const { range } = await scope(page);
    const view = { time_range: { start_ns: range.startNs, end_ns: range.endNs } };
    const whole = (await server.rpc.call("Profiler.top", { view, limit: 1 })).total_on_cpu_ns;
    await eventually(async () => (await root(page))?.weight === whole, "the range is shown");
    await eventually(async () => {
        const answer = await server.rpc.call("Profiler.top", { view, limit: 1 });
        const [first] = answer.entries;
        return number((await topRow(page, first.function_name))[3]) === first.self_samples;
    }, "in the table, too");
    const text = await markdown(page);
    const line = /^stax top .*$/m.exec(text)[0];
    assert.match(line, /--run \d+ --from [\d.]+ --to [\d.]+$/, "plain words");
    const truth = await server.json(...line.split(" ").slice(1), "-n", 25);
    assert.equal(truth.total_on_cpu_ns, whole);
    const rows = tableOf(text);
    assert.ok(rows.length >= 3);
    for (const row of rows.filter(({ samples }) => samples > 0)) {
        const entry = truth.entries.find((one) => one.function_name === row.name && one.self_samples === row.samples);
        assert.ok(entry, `${row.name} with ${row.samples} samples`);
        assert.ok(Math.abs(row.ms - entry.self_on_cpu_ns / 1e6) <= 0.051, `${row.name}: ${row.ms} ms`);
        assert.ok(Math.abs(row.self - (100 * entry.self_on_cpu_ns) / whole) <= 0.051, `${row.name}: ${row.self} %`);
        assert.ok(Math.abs(row.total - (100 * entry.total_on_cpu_ns) / whole) <= 0.051, `${row.name}: ${row.total} % in all`);
    }
    const flameLine = /^stax flame .*$/m.exec(text)[0];
    assert.equal((await server.json(...flameLine.split(" ").slice(1))).total_on_cpu_ns, whole);
});

// ---- live == loaded ----

/** Without what a window's size or a scroll bar decides. */
async function flameNumbers(page) {
    return (await boxes(page)).map(({ path, name, binary, weight, self, samples, residue, depth }) =>
        JSON.stringify({ path, name, binary, weight, self, samples, residue, depth })).sort();
}

async function topTexts(page) {
    const rows = at.top(page).locator('[role="row"]').filter({ has: page.getByRole("gridcell") });
    return rows.evaluateAll((all) => all.map((row) => [Number(row.getAttribute("aria-rowindex")),
        ...Array.from(row.querySelectorAll('[role="gridcell"]'), (cell) => cell.innerText.trim())]).sort((a, b) => a[0] - b[0]));
}

async function timelineNumbers(page) {
    await frames(page);
    const ends = await Promise.all([at.rangeStart(page), at.rangeEnd(page)].map((handle) =>
        Promise.all(["aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"].map((name) => handle.getAttribute(name)))));
    const strips = await at.timeline(page).innerText();
    return { ends, strips };
}

async function threadTexts(page) {
    await page.getByRole("tab", { name: "Threads" }).click();
    const grid = page.getByRole("grid", { name: "Threads" });
    await grid.getByRole("gridcell").first().waitFor();
    return grid.innerText();
}

/** Tabs, and what is in each as soon as its answer is there. */
const TABS = {
    Code: /0x[0-9a-f]+/,
    "Callers and callees": /% total/,
    Waits: /of [\d,]+ waits/,
    "Control flow": /\d+ blocks .*B0/,
    Tree: /rounds/,
};

/** What a tab shows of the chosen function, as soon as it stays the same. */
async function tabText(page, name) {
    await at.tab(page, name).click();
    let before = "";
    return eventually(async () => {
        await frames(page);
        const now = (await panel(page, name).innerText()).replaceAll(/\s+/g, " ").trim();
        const stays = now.length > 40 && now === before && TABS[name].test(now);
        before = now;
        return stays ? now : null;
    }, `something in ${name}`);
}

async function everything(page) {
    const out = { flame: await flameNumbers(page), top: await topTexts(page), timeline: await timelineNumbers(page) };
    out.threads = await threadTexts(page);
    for (const name of Object.keys(TABS)) {
        out[name] = await tabText(page, name);
    }
    return out;
}

async function exported(page, server) {
    await at.export(page).click();
    const item = page.getByRole("menuitem", { name: /html/i });
    const [download] = await Promise.all([page.waitForEvent("download", { timeout: 60_000 }), item.click()]);
    const path = join(server.dir, "exported.html");
    await download.saveAs(path);
    return path;
}

test("a file shows what the page showed, and asks nobody", real, async ({ page, server, newPage }) => {
    await server.record([target("shares"), "2", "600000"], { samples: 1200 });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
    const row = at.top(page).getByRole("row").filter({ has: page.getByText("share_50", { exact: true }) });
    await row.first().click();
    await eventually(async () => (await shown(page)).chosen === "share_50");
    await at.tab(page, "Code").click();
    const path = await exported(page, server);
    const live = await everything(page);

    const file = await newPage();
    const asked = [];
    file.on("request", (request) => asked.push(request.url()));
    file.on("websocket", (socket) => asked.push(socket.url()));
    const address = pathToFileURL(path).href;
    await file.goto(address);
    await flame(file, 3);
    assert.match(await at.connection(file).innerText(), /file/);
    await eventually(async () => (await shown(file)).chosen === "share_50", "the same function");
    await eventually(async () => (assert.deepEqual(await topTexts(file), live.top), true), "the same table");
    const loaded = await everything(file);
    for (const what of Object.keys(live)) {
        assert.deepEqual(loaded[what], live[what], what);
    }
    for (const mode of ["Waiting", "Wall", "On CPU"]) {
        await Promise.all([page, file].map((one) => at.mode(one, mode).click()));
        await eventually(async () => (await root(page))?.weight === (await root(file))?.weight, `${mode}: the same weight`);
    }
    const elsewhere = asked.filter((url) => url.split("#")[0] !== address && !/^(data|blob):/.test(url));
    assert.deepEqual(elsewhere, [], "nothing is loaded");
    const { token } = Object.fromEntries(new URLSearchParams(new URL(await server.address()).hash.slice(1)));
    assert.ok(!readFileSync(path, "utf8").includes(token), "no token in it");
});

test("in a file, what cannot change says why", real, async ({ page, server, newPage }) => {
    await server.record([target("shares"), "2", "600000"], { samples: 600 });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
    const path = await exported(page, server);
    const file = await newPage();
    await file.goto(pathToFileURL(path).href);
    await flame(file, 3);
    const before = await scope(file);
    const said = file.getByRole("status", { name: "Messages" });
    const asFor = async (step) => {
        await step();
        await eventually(async () => /stax-server/.test(await said.innerText()), "why it stays");
        assert.deepEqual(await scope(file), before);
    };
    await asFor(() => brush(file, 0.2, 0.6));
    await at.flame(file).focus();
    await file.keyboard.press("ArrowDown");
    await file.keyboard.press("ArrowDown");
    await asFor(() => file.keyboard.press("d"));
    await asFor(() => file.keyboard.press("f"));
    assert.match((await file.getByRole("button", { name: "Whole run" }).getAttribute("title")) ?? "", /stax-server/);
    assert.equal(await at.pause(file).count(), 0, "nothing is recorded");
    // What is no scope works as ever.
    assert.ok((await shown(file)).selection.length > 0, "what was selected is selected");
    await file.keyboard.press("Enter");
    await eventually(async () => (await shown(file)).zoom.length > 0, "zoomed");
    await at.search(file).fill("share_30");
    await eventually(async () => (await file.evaluate(() => window.__stax.stats().matched)) > 0, "found");
});
