// Group 15: what a screen reader is told: roles, names, values, in Chromium's own accessibility tree.

import assert from "node:assert/strict";
import { at, boxes, brush, clickBox, eventually, flame, frames, group, root, scope, shown, tick, widest } from "./harness.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };
const TABS = ["Code", "Callers and callees", "Waits", "Control flow", "Tree"];
const number = (text) => Number(text.replaceAll(/[,\s%]/g, ""));

/** Everything that Chromium tells assistive technology: role, name, properties, of each node that is not ignored. */
async function accessible(page) {
    const session = await page.context().newCDPSession(page);
    const { nodes } = await session.send("Accessibility.getFullAXTree");
    await session.detach();
    return nodes.filter((node) => !node.ignored).map((node) => ({
        role: node.role?.value ?? "",
        name: node.name?.value ?? "",
        value: node.value?.value,
        ...Object.fromEntries((node.properties ?? []).map(({ name, value }) => [`_${name}`, value.value])),
    }));
}

const USED = new Set([
    "button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "slider", "spinbutton", "tab", "menuitem",
    "menuitemcheckbox", "menuitemradio", "option", "grid", "treegrid", "table", "application", "dialog", "tabpanel",
    "tablist", "radiogroup", "listbox", "menu", "tree", "switch",
]);

async function assertNamed(page, where) {
    const nameless = (await accessible(page)).filter(({ role, name }) => USED.has(role) && name.trim() === "");
    assert.deepEqual(nameless, [], where);
    const positive = await page.evaluate(() =>
        Array.from(document.querySelectorAll("[tabindex]")).filter((element) => element.tabIndex > 0).map((element) => element.outerHTML.slice(0, 100)));
    assert.deepEqual(positive, [], `${where}: Tab goes in the order of the page`);
    const hidden = await page.evaluate(() =>
        Array.from(document.querySelectorAll('[aria-hidden="true"]')).filter((element) => element.matches("button, [tabindex='0'], input") ||
            element.querySelector("button, a[href], input, [tabindex='0']") !== null).map((element) => element.outerHTML.slice(0, 100)));
    assert.deepEqual(hidden, [], `${where}: nothing that can be used is hidden`);
}

test("whatever can be used has a name, wherever one is", { ...usual, limitMs: 90_000 }, async ({ page }) => {
    await flame(page, 20);
    await assertNamed(page, "at first");
    for (const name of TABS) {
        await at.tab(page, name).click();
        await page.getByRole("tabpanel", { name, exact: true }).waitFor();
        await frames(page);
        await assertNamed(page, name);
    }
    await page.getByRole("tab", { name: "Threads" }).click();
    await page.getByRole("grid", { name: "Threads" }).waitFor();
    await brush(page, 0.2, 0.6);
    await eventually(async () => (await scope(page)).range.kind === "fixed");
    await assertNamed(page, "threads, and a range");
    await at.thread(page).click();
    await page.getByRole("option").first().waitFor();
    await assertNamed(page, "the thread picker");
    await page.keyboard.press("Escape");
    for (const [key, dialog] of [["Control+k", at.palette(page)], ["?", at.help(page)]]) {
        await at.flame(page).focus();
        await page.keyboard.press(key);
        await dialog.waitFor();
        await assertNamed(page, key);
        await page.keyboard.press("Escape");
        await dialog.waitFor({ state: "hidden" });
    }
    await at.export(page).click();
    await page.getByRole("menuitem").first().waitFor();
    await assertNamed(page, "the menu");
});

test("the range's handles say when", usual, async ({ page }) => {
    await flame(page, 20);
    await brush(page, 0.25, 0.5);
    const { range } = await eventually(async () => ((await scope(page)).range.kind === "fixed" ? scope(page) : null));
    const sliders = (await accessible(page)).filter(({ role }) => role === "slider");
    for (const [name, ns] of [["Start of range", range.startNs], ["End of range", range.endNs]]) {
        const slider = sliders.find((one) => one.name === name);
        assert.ok(slider, name);
        assert.ok(Math.abs(Number(await page.getByRole("slider", { name }).getAttribute("aria-valuenow")) - ns / 1e9) < 1e-6);
        const said = await page.getByRole("slider", { name }).getAttribute("aria-valuetext");
        assert.ok(Math.abs(Number.parseFloat(said) - ns / 1e9) < 0.051, `${said}, not ${ns / 1e9} s`);
        assert.match(said, /\d\s*(s|seconds?)\b/);
    }
});

test("tables say how long they are, and where each row stands", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.top(page).getByRole("gridcell").first().waitFor();
    const limit = mock.everySubscription().find(({ method }) => method === "Live.top").params.limit;
    const n = Math.min(limit, mock.ask("Live.top", { limit }).n_functions);
    await eventually(async () => Number(await at.top(page).getAttribute("aria-rowcount")) === n + 1, `${n} functions and a head`);
    const indices = await at.top(page).locator("[aria-rowindex]").evaluateAll((rows) => rows.map((row) => [Number(row.getAttribute("aria-rowindex")), row.getBoundingClientRect().top]));
    const byPlace = indices.toSorted?.((a, b) => a[1] - b[1]) ?? [...indices].sort((a, b) => a[1] - b[1]);
    assert.deepEqual(byPlace.map(([index]) => index), indices.map(([index]) => index).sort((a, b) => a - b), "in their order");
    const sorted = at.top(page).locator('[role="columnheader"][aria-sort="descending"]');
    assert.equal(await sorted.count(), 1, "one column is what they are sorted by");
    await at.tab(page, "Code").click();
    const code = page.getByRole("tabpanel", { name: "Code" }).getByRole("grid").first();
    await code.waitFor();
    assert.ok(Number(await code.getAttribute("aria-rowcount")) > 20);
});

test("the tree says what the flamegraph draws", usual, async ({ page, mock }) => {
    await flame(page, 20);
    mock.stop();
    const whole = await eventually(async () => {
        const box = await root(page);
        return box?.weight === mock.ask("Live.tree").total_on_cpu_ns ? box : null;
    });
    await at.tab(page, "Tree").click();
    const rows = at.tree(page).locator('[role="row"][aria-level]');
    await rows.first().waitFor();
    await at.tree(page).locator('[role="row"][tabindex="0"]').focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Shift+ArrowRight");
    await eventually(async () => (await rows.count()) > 5, "rows are open");
    const found = await rows.evaluateAll((all) =>
        all.map((row) => ({
            at: row.getBoundingClientRect().top,
            level: Number(row.getAttribute("aria-level")),
            place: Number(row.getAttribute("aria-posinset")),
            siblings: Number(row.getAttribute("aria-setsize")),
            name: row.querySelector("bdi")?.title ?? "",
            cells: Array.from(row.querySelectorAll('[role="gridcell"]'), (cell) => cell.innerText.trim()),
        })).sort((a, b) => a.at - b.at));
    const drawn = new Map((await boxes(page)).filter((box) => !box.residue).map((box) => [box.path.join("\n"), box]));
    const path = [];
    let compared = 0;
    let depth = found[0].level;
    assert.equal(depth, 1);
    for (const row of found) {
        assert.ok(row.level <= depth + 1, "one level deeper at a time");
        assert.ok(row.place >= 1 && row.place <= row.siblings, `${row.name}: ${row.place} of ${row.siblings}`);
        depth = row.level;
        path.length = row.level - 1;
        path.push(row.name);
        const box = drawn.get(path.join("\n"));
        if (row.name === "" || box === undefined) {
            continue; // a residue, or too narrow to be drawn
        }
        const [share, ms, self, samples] = row.cells.map((text) => number(text));
        assert.ok(Math.abs(share - (100 * box.weight) / whole.weight) <= 0.051, `${path.join(" > ")}: ${share} %`);
        assert.ok(Math.abs(ms - box.weight / 1e6) <= 0.051, `${path.join(" > ")}: ${ms} ms`);
        assert.ok(Math.abs(self - (100 * box.self) / whole.weight) <= 0.051, `${path.join(" > ")}: self ${self} %`);
        assert.equal(samples, box.samples, path.join(" > "));
        compared++;
    }
    assert.ok(compared >= 5, `${compared} rows were compared`);
    const told = (await accessible(page)).filter(({ role, name }) => role === "treegrid" && name === "Call tree");
    assert.equal(told.length, 1);
});

test("the flamegraph says which function is selected, and how much it is", usual, async ({ page }) => {
    await flame(page, 20);
    const box = await widest(page, (one) => one.path.length === 3);
    await clickBox(page, box);
    await eventually(async () => (await shown(page)).selection?.join() === box.path.join());
    await at.flame(page).focus();
    const id = await at.flame(page).getAttribute("aria-activedescendant");
    const whole = (await root(page)).weight;
    await eventually(async () => {
        const text = await page.locator(`[id="${id}"]`).innerText();
        const share = Number(/([\d.]+) percent/.exec(text)[1]);
        assert.ok(text.startsWith(`${box.name},`), text);
        assert.ok(Math.abs(share - (100 * box.weight) / whole) <= 0.051, `${text}: ${(100 * box.weight) / whole}`);
        return true;
    }, "its name and share");
    const items = (await accessible(page)).filter(({ role }) => role === "treeitem");
    const selected = items.filter((item) => item._selected === true);
    assert.equal(selected.length, 1);
    assert.equal(selected[0]._level, box.path.length + 1);
    assert.ok(items.some((item) => item._level === box.path.length + 2), "what it calls");
});

test("news are said, numbers are not", usual, async ({ page, mock }) => {
    await flame(page, 20);
    const regions = await page.evaluate(() => Array.from(document.querySelectorAll('[role="status"], [role="alert"], [aria-live]'),
        (element) => element.getAttribute("aria-label") ?? ""));
    for (const name of ["Connection", "Messages", "Found"]) {
        assert.ok(regions.includes(name), `${name} is said: ${regions}`);
    }
    await page.evaluate(() => {
        window.__said = [];
        for (const region of document.querySelectorAll('[role="status"], [role="alert"], [aria-live]')) {
            const note = () => window.__said.push(`${region.getAttribute("aria-label")}: ${region.textContent}`);
            new MutationObserver(note).observe(region, { childList: true, characterData: true, subtree: true });
        }
    });
    await tick(page, mock, 8);
    assert.deepEqual(await page.evaluate(() => window.__said), [], "ticks are no news");
    mock.refuses = true;
    mock.drop();
    await eventually(() => page.evaluate(() => window.__said.some((text) => /^Connection: lost/.test(text))), "a lost connection is");
});
