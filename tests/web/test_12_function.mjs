// Group 12: what is known of one function besides its code: who calls it, what it waits for, how it flows.

import assert from "node:assert/strict";
import { at, eventually, flame, frames, group, shown, tick, topRow } from "./harness.mjs";
import { target } from "./server.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };
const blocks150 = { program: { nodes: 600, instructions: 150 * 7 } };
const CFG_MS = 500;
const SLACK = 1.5; // machines that test are not those that people have

const panel = (page, name) => page.getByRole("tabpanel", { name, exact: true });
const number = (text) => Number(text.replaceAll(/[,\s]/g, ""));

async function choose(page, name) {
    await eventually(async () => (await topRow(page, name)).length > 4, `a row of ${name}`);
    await at.top(page).getByRole("row").filter({ has: page.getByText(name, { exact: true }) }).first().click();
    await eventually(async () => (await shown(page)).chosen === name, "it is chosen");
}

async function chooseHottest(page, mock) {
    await flame(page, 20);
    const name = mock.ask("Live.top", { limit: 1 }).functions.name[0];
    await choose(page, name);
    return mock.world.functions.find((one) => one.name === name);
}

// ---- callers and callees ----

/** What stands between the two trees: the function's own line. */
async function between(page) {
    const text = await panel(page, "Callers and callees").locator(".between").innerText();
    const found = /([\d.]+)\s*% total,\s*([\d.,]+)\s*ms\s+([\d.]+)\s*% self,\s*([\d.,]+)\s*ms\s+([\d,]+) samples/.exec(text);
    assert.ok(found, `the function's totals: ${text}`);
    const [totalPct, totalMs, selfPct, selfMs, samples] = found.slice(1).map(number);
    return { totalPct, totalMs, selfPct, selfMs, samples };
}

/** Rows of one of the two tables: [total %, total ms, self %, samples, name] of each. */
async function treeRows(page, name) {
    const rows = page.getByRole("treegrid", { name, exact: true }).locator('[role="row"][aria-level]');
    await rows.first().waitFor();
    return rows.evaluateAll((all) =>
        all.map((row) => ({
            level: Number(row.getAttribute("aria-level")),
            cells: Array.from(row.querySelectorAll('[role="gridcell"]'), (cell) => cell.innerText.trim()),
            name: row.querySelector("bdi")?.title ?? "",
        })),
    );
}

async function assertNeighbors(page, name, truth) {
    const [selfPct, selfMs, totalPct, samples] = await topRow(page, name);
    assert.equal(number(samples), truth.own_samples, "samples of its own");
    await eventually(async () => {
        const now = await between(page);
        assert.equal(now.samples, truth.function_samples, "samples");
        assert.equal(now.selfMs, number(selfMs), "self ms");
        assert.equal(now.selfPct, number(selfPct.replace("%", "")), "self %");
        assert.equal(now.totalPct, number(totalPct.replace("%", "")), "total %");
        assert.ok(Math.abs(now.totalMs - truth.function_on_cpu_ns / 1e6) <= 0.051, "total ms");
        return true;
    }, "the line between callers and callees says what the top table says");
    await panel(page, "Callers and callees").getByRole("button", { name: "as tables" }).click();
    assert.ok((await treeRows(page, "Callees")).every(({ cells }) => number(cells[1]) <= truth.function_on_cpu_ns / 1e6 + 0.051));
}

test("callers and callees weigh what the top table says", usual, async ({ page, mock }) => {
    const one = await chooseHottest(page, mock);
    await at.tab(page, "Callers and callees").click();
    const truth = mock.ask("Profiler.neighbors", { address: one.address });
    await assertNeighbors(page, one.name, truth);
    // Whoever is called has a caller: the direct ones share the function's time among them.
    const { nodes } = truth.callers_tree;
    const direct = nodes.parent.flatMap((parent, i) => (i > 0 && parent === 0 ? [nodes.samples[i]] : []));
    assert.equal(direct.reduce((a, b) => a + b, 0) + nodes.cut_samples[0], truth.function_samples);
    const callers = (await treeRows(page, "Callers")).filter(({ level, name }) => level === 1 && name !== "");
    assert.ok(callers.length > 0);
    for (const { name, cells } of callers) {
        const i = nodes.parent.findIndex((parent, k) => k > 0 && parent === 0 && truth.strings[nodes.function[k]] === name);
        assert.equal(number(cells[3]), nodes.samples[i], name);
    }
});

test("callers and callees of a real program", { real: true, limitMs: 120_000 }, async ({ page, server }) => {
    await server.record([target("shares"), "1", "600000"], { samples: 1000 });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
    await choose(page, "share_50");
    await at.tab(page, "Callers and callees").click();
    const truth = await server.json("neighbors", "share_50");
    assert.ok(truth.function_samples > 300);
    await assertNeighbors(page, "share_50", truth);
    const [caller] = await treeRows(page, "Callers");
    assert.equal(caller.name, "rounds");
    assert.equal(number(caller.cells[3]), truth.function_samples);
});

// ---- waits ----

const waitRows = (page) => page.getByRole("grid", { name: "Waits" });

test("waits page by page", { program: { nodes: 600, waitsPerSecond: 400 } }, async ({ page, mock }) => {
    await flame(page, 20);
    await at.tab(page, "Waits").click();
    const all = mock.ask("Profiler.intervals", { limit: 5000, order: "longest" });
    assert.ok(all.entries.length > 1000, "more than fit");
    const text = () => panel(page, "Waits").innerText();
    const said = async () => {
        const found = /([\d,]+) of ([\d,]+) waits/.exec(await text());
        return found ? [number(found[1]), number(found[2])] : [0, 0];
    };
    await eventually(async () => (await said())[0] === 100, "the first page");
    assert.equal((await said())[1], all.total_intervals);
    const more = panel(page, "Waits").getByRole("button", { name: "more", exact: true });
    let shownRows = 100;
    while (await more.isVisible()) {
        await more.click();
        await eventually(async () => (await said())[0] > shownRows, "more of them");
        [shownRows] = await said();
    }
    assert.equal(shownRows, Math.min(5000, all.total_intervals), "until all are there");
    // The grid says how many there are, and holds what the server says, down to the last of them.
    assert.equal(Number(await waitRows(page).getAttribute("aria-rowcount")), shownRows + 1);
    const row = waitRows(page).locator('[role="row"][aria-rowindex]').last();
    await waitRows(page).locator('[role="row"][tabindex="0"]').focus();
    await page.keyboard.press("End");
    await eventually(async () => Number(await row.getAttribute("aria-rowindex")) === shownRows + 1, "the last row");
    const last = all.entries[shownRows - 1];
    const cells = await row.getByRole("gridcell").allInnerTexts();
    assert.ok(Math.abs(number(cells[1]) - last.duration_ns / 1e6) <= 0.051, `${cells}`);
    assert.ok(cells[3].includes(String(last.tid)), `${cells}`);
});

test("a wait's stack, and its time as the range", { program: { nodes: 600, waitsPerSecond: 400 } }, async ({ page, mock }) => {
    await flame(page, 20);
    await at.tab(page, "Waits").click();
    const [longest] = mock.ask("Profiler.intervals", { limit: 1, order: "longest" }).entries;
    await waitRows(page).locator('[role="row"][aria-rowindex="2"]').getByRole("gridcell").nth(1).click();
    const details = page.getByRole("region", { name: "Stack of the wait" });
    await details.waitFor();
    const names = await details.getByRole("listitem").allInnerTexts();
    assert.equal(names.length, longest.stack.length);
    longest.stack.forEach((frame, i) => assert.ok(names[i].includes(frame.function_name), `${names[i]}: ${frame.function_name}`));
    await details.getByRole("button", { name: "this range of time" }).click();
    const range = await eventually(() => page.evaluate(() => {
        const { range: now } = window.__stax.scope();
        return now.kind === "fixed" ? now : null;
    }), "a range");
    assert.ok(range.startNs <= longest.start_ns && range.endNs >= longest.start_ns + longest.duration_ns);
    assert.ok(range.endNs - range.startNs < 3 * longest.duration_ns + 1e6);
});

// ---- control flow ----

const blocks = (page) => page.getByRole("group", { name: "Control flow" }).getByRole("button");

/** Where each block is, in the picture and on the screen. */
function places(page) {
    return blocks(page).evaluateAll((all) =>
        all.map((block) => {
            const { x, y, width, height } = block.getBoundingClientRect();
            return [block.getAttribute("transform"), x, y, width, height].join(" ");
        }),
    );
}

/** ms from the click on the tab until all blocks stand where they stay. */
async function timeOfLayout(page, n) {
    return page.evaluate(
        (count) =>
            new Promise((done) => {
                const start = performance.now();
                const look = () => {
                    const found = document.querySelectorAll(".cfg-picture .block").length;
                    if (found >= count) {
                        done(performance.now() - start);
                    } else {
                        requestAnimationFrame(look);
                    }
                };
                document.getElementById("details-tab-cfg").click();
                look();
            }),
        n,
    );
}

test("150 blocks in half a second", { ...blocks150, limitMs: 90_000 }, async ({ page, mock }) => {
    const one = await chooseHottest(page, mock);
    assert.equal(mock.ask("Profiler.cfg", { address: one.address }).n_blocks, 150);
    await eventually(() => new URL(page.url()).hash.includes(`sym=${one.name}`), "the address says it");
    const took = [];
    for (let i = 0; i < 3; i++) {
        await page.reload();
        await page.waitForFunction(() => window.__stax !== undefined);
        await flame(page, 20);
        await eventually(async () => (await shown(page)).chosen === one.name, "it is chosen again");
        await page.locator('[role="tabpanel"] [role="grid"]').first().waitFor(); // the tab's part of the page is here
        await frames(page);
        took.push(await timeOfLayout(page, 150));
        await at.tab(page, "Code").click();
        await eventually(() => !new URL(page.url()).hash.includes("tab="), "the address says so");
    }
    const median = took.sort((a, b) => a - b)[1];
    console.error(`150 blocks: ${took.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    assert.ok(median <= CFG_MS * SLACK, `${took.map((ms) => ms.toFixed(0))} ms`);
});

test("blocks stay where they are while numbers change", blocks150, async ({ page, mock }) => {
    const one = await chooseHottest(page, mock);
    await at.tab(page, "Control flow").click();
    await eventually(async () => (await blocks(page).count()) === 150, "all blocks");
    const label = () => blocks(page).evaluateAll((all) => all.map((block) => block.querySelector("title").textContent).join("\n"));
    const before = await eventually(async () => {
        const first = await places(page);
        await frames(page);
        return (await places(page)).join() === first.join() ? first : null;
    }, "they stand still");
    const numbers = await label();
    await tick(page, mock, 20);
    await eventually(async () => (await label()) !== numbers, "numbers have changed");
    assert.deepEqual(await places(page), before);
    const truth = mock.ask("Profiler.cfg", { address: one.address });
    const shares = await blocks(page).evaluateAll((all) => all.map((block) => block.getAttribute("aria-label")));
    const hottest = truth.blocks.reduce((a, b) => (b.self_samples > a.self_samples ? b : a));
    const said = Number(/([\d.]+)\s*%/.exec(shares[hottest.id])[1]);
    assert.ok(Math.abs(said - (100 * hottest.self_samples) / truth.function_samples) <= 0.051, `${shares[hottest.id]}`);
});

test("control flow of a real program", { real: true, limitMs: 120_000 }, async ({ page, server }) => {
    await server.record([target("annotated"), "600000"], { samples: 600 });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
    const name = (await server.json("top", "-n", 1)).entries[0].function_name;
    await choose(page, name);
    await at.tab(page, "Control flow").click();
    const truth = await server.json("cfg", name);
    await eventually(async () => (await blocks(page).count()) === truth.n_blocks, `${truth.n_blocks} blocks`);
    const labels = await blocks(page).evaluateAll((all) => all.map((block) => block.getAttribute("aria-label")));
    for (const block of truth.blocks) {
        const said = Number(/([\d.]+)\s*%/.exec(labels.find((label) => label.startsWith(`B${block.id},`)))[1]);
        assert.ok(Math.abs(said - (100 * block.self_samples) / truth.function_samples) <= 0.051, `B${block.id}`);
    }
});
