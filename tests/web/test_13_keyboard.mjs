// Groups 13 and 15: everything without a mouse; roles and names for those who do not see.

import assert from "node:assert/strict";
import { at, eventually, flame, group, scope, shown, tick } from "./harness.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

const focused = (page) => page.evaluate(() => {
    const element = document.activeElement;
    return element === document.body ? null : `${element.getAttribute("role") ?? element.tagName} ${element.getAttribute("aria-label") ?? ""}`;
});

/** Tab by Tab to an element that fits. */
async function tabTo(page, isIt, what) {
    for (let i = 0; i < 80; i++) {
        await page.keyboard.press("Tab");
        if (await page.evaluate(isIt)) {
            return;
        }
    }
    assert.fail(`no Tab leads to ${what}`);
}

test("from loading to the hottest instruction", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await tabTo(page, () => document.activeElement.closest('[role="grid"]')?.getAttribute("aria-label") === "Hottest functions" &&
        document.activeElement.getAttribute("role") === "row", "a row of the table");
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    const name = mock.ask("Live.top", { limit: 1 }).functions.name[0];
    await eventually(async () => (await shown(page)).chosen === name, "the hottest function is chosen");
    await tick(page, mock, 2);
    assert.notEqual(await focused(page), null, "the focus is not lost");
    await tabTo(page, () => {
        const tabs = document.activeElement.closest('[role="tablist"]');
        return tabs?.getAttribute("aria-label") === "Details";
    }, "the tabs of the details");
    await page.keyboard.press("Home");
    await eventually(async () => (await shown(page)).tab === "code", "code");
    const one = mock.world.functions.find((each) => each.name === name);
    const { lines } = mock.ask("Profiler.annotated", { address: one.address });
    const hottest = lines.reduce((a, b) => (b.self_samples > a.self_samples ? b : a));
    await tabTo(page, () => document.activeElement.getAttribute("role") === "row" &&
        document.activeElement.closest('[role="tabpanel"]') !== null, "the instructions");
    const text = await page.evaluate(() => document.activeElement.innerText);
    assert.ok(text.includes(hottest.address), `the hottest one, ${hottest.address}, is where the focus is: ${text}`);
});

test("the flamegraph: arrows, zoom, back", usual, async ({ page }) => {
    await flame(page, 20);
    await at.flame(page).focus();
    await page.keyboard.press("ArrowDown");
    const first = await eventually(async () => (await shown(page)).selection, "something is selected");
    await page.keyboard.press("ArrowDown");
    const second = await eventually(async () => {
        const { selection } = await shown(page);
        return selection?.length === first.length + 1 ? selection : null;
    }, "its heaviest child");
    await page.keyboard.press("ArrowUp");
    await eventually(async () => (await shown(page)).selection?.join() === first.join(), "its parent");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await eventually(async () => (await shown(page)).zoom.join() === second.join(), "zoomed");
    await page.keyboard.press("Escape");
    await eventually(async () => (await shown(page)).zoom.length === 0, "taken back");
});

test("panels one after the other", usual, async ({ page }) => {
    await flame(page, 20);
    const seen = new Set();
    for (let i = 0; i < 12; i++) {
        await page.keyboard.press("F6");
        const panel = await page.evaluate(() => document.activeElement.closest("[data-panel]")?.getAttribute("data-panel") ?? "");
        assert.notEqual(panel, "", "the focus is in a panel");
        seen.add(panel);
    }
    assert.ok(seen.size >= 5, `${[...seen]}`);
});

test("the help lists every key, the palette finds what can be done", usual, async ({ page }) => {
    await flame(page, 20);
    await page.keyboard.press("?");
    await at.help(page).waitFor();
    const text = await at.help(page).innerText();
    for (const key of ["Space", "Ctrl", "F6", "Esc", "Enter", "?", "/"]) {
        assert.ok(text.includes(key), `${key} is in the help`);
    }
    await page.keyboard.press("Escape");
    await eventually(async () => !(await at.help(page).isVisible()), "closed");
    await page.keyboard.press("Control+k");
    await at.palette(page).waitFor();
    await page.keyboard.type("freeze");
    await page.keyboard.press("Enter");
    await eventually(async () => (await shown(page)).frozen, "frozen by its name");
    assert.equal(await at.palette(page).isVisible(), false);
});

test("letters in a text are letters", usual, async ({ page }) => {
    await flame(page, 20);
    await at.search(page).focus();
    await page.keyboard.type("f d 1 2 ? [ ] y n");
    const now = await scope(page);
    assert.deepEqual([now.mode, now.focus, now.exclude.length], ["on_cpu", null, 0]);
    assert.equal(await at.help(page).isVisible(), false);
});

test("roles and names", usual, async ({ page }) => {
    await flame(page, 20);
    const nameless = await page.evaluate(() => {
        const sought = 'button, a[href], input, select, [role="button"], [role="slider"], [role="tab"], [role="combobox"], [role="separator"], [role="grid"], [role="treegrid"], [role="application"]';
        const named = (element) => (element.getAttribute("aria-label") ?? "") !== "" || element.innerText?.trim() !== "" ||
            (element.getAttribute("title") ?? "") !== "" || element.getAttribute("aria-labelledby") !== null || element.labels?.length > 0;
        const seen = (element) => element.checkVisibility();
        return Array.from(document.querySelectorAll(sought)).filter((element) => seen(element) && !named(element)).map((element) => element.outerHTML.slice(0, 120));
    });
    assert.deepEqual(nameless, [], "elements that can be used have names");
    for (const slider of [at.rangeStart(page), at.rangeEnd(page)]) {
        for (const name of ["aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"]) {
            assert.ok(await slider.getAttribute(name), name);
        }
    }
    const snapshot = await page.locator("body").ariaSnapshot();
    for (const part of ['application "Flamegraph"', 'grid "Hottest functions"', 'region "Timeline"', 'status "Connection"', 'radiogroup "What weighs"', 'combobox "Thread"', 'searchbox "Search functions"', 'list "Scope"']) {
        assert.ok(snapshot.includes(part), part);
    }
    const ids = await page.evaluate(() => {
        const all = Array.from(document.querySelectorAll("[id]"), (element) => element.id);
        return all.filter((id, i) => all.indexOf(id) !== i);
    });
    assert.deepEqual(ids, [], "ids are used once");
    const dangling = await page.evaluate(() => Array.from(document.querySelectorAll("[aria-labelledby], [aria-activedescendant], [aria-controls]")).flatMap((element) =>
        ["aria-labelledby", "aria-activedescendant", "aria-controls"].map((name) => element.getAttribute(name)).filter((id) => id && !document.getElementById(id))));
    assert.deepEqual(dangling, [], "what is referred to is there");
});

test("nothing is said too often", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await page.evaluate(() => {
        window.__said = 0;
        for (const region of document.querySelectorAll('[aria-live="polite"], [aria-live="assertive"], [role="status"], [role="alert"]')) {
            new MutationObserver(() => window.__said++).observe(region, { childList: true, characterData: true, subtree: true });
        }
    });
    await tick(page, mock, 12);
    assert.ok((await page.evaluate(() => window.__said)) <= 1, "live regions change at most once in three seconds");
});
