// Group 18: names are text, whatever they look like. That no script runs and the policy holds, every test checks; here
// there is something to find.

import assert from "node:assert/strict";
import { at, boxes, clickBox, eventually, flame, group, shown, tick, topNames, widest } from "./harness.mjs";
import { HOSTILE_NAMES } from "./mock.mjs";
import { PROGRAMS } from "./mock.mjs";

const test = group(import.meta.url);
const hostile = { program: PROGRAMS.hostile };
const MARKUP = HOSTILE_NAMES.filter((name) => /<img|<script|<\/script/.test(name));

async function assertHarmless(page) {
    assert.equal(await page.evaluate(() => window.__pwned), undefined, "no script of a name has run");
    const made = await page.evaluate(() => document.querySelectorAll("#app img, #app script, #app iframe, #app base").length);
    assert.equal(made, 0, "no name became an element");
}

test("in every panel", hostile, async ({ page, mock }) => {
    await flame(page, 10);
    await eventually(async () => (await topNames(page)).length >= 10);
    for (const label of ["Code", "Callers and callees", "Waits", "Control flow", "Tree"]) {
        await at.tab(page, label).click();
        for (const name of MARKUP) {
            const number = mock.world.functions.find((one) => one.name === name).number;
            mock.world.favour(number);
            await tick(page, mock, 2);
            await page.mouse.move(5, 5);
            await eventually(async () => (await topNames(page)).includes(name) || (await topNames(page)).length > 0);
        }
        const row = at.top(page).getByRole("row").nth(1);
        await row.click();
        await tick(page, mock, 2);
        await assertHarmless(page);
    }
    await at.mode(page, "Wall").click();
    await at.thread(page).click();
    await page.getByRole("option").first().waitFor();
    await page.keyboard.press("Escape");
    await tick(page, mock, 2);
    await assertHarmless(page);
});

test("on the flamegraph: tooltip, menu, search, chips, title", hostile, async ({ page, mock }) => {
    await flame(page, 10);
    const number = mock.world.functions.find((one) => one.name === MARKUP[0]).number;
    mock.world.favour(number);
    await tick(page, mock, 20);
    const box = await widest(page, (one) => one.name === MARKUP[0]);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await tick(page, mock);
    await clickBox(page, box);
    await clickBox(page, box, { button: "right" });
    await tick(page, mock);
    await assertHarmless(page);
    await page.keyboard.press("Escape");
    await at.search(page).fill(MARKUP[1].slice(0, 8));
    await tick(page, mock);
    await at.search(page).fill("");
    await at.flame(page).focus();
    await page.keyboard.press("d");
    await eventually(async () => (await at.chips(page).getByRole("button", { name: /^Remove/ }).count()) > 0);
    await tick(page, mock, 2);
    await assertHarmless(page);
    assert.ok((await page.title()).length < 300, "the title has an end");
});

test("what a name hides is shown", hostile, async ({ page }) => {
    await flame(page, 10);
    await at.tab(page, "Tree").click();
    const text = await eventually(async () => {
        const said = await page.locator("body").innerText();
        return said.includes("gnp.exe") ? said : null;
    }, "the name that turns its neighbours round");
    assert.doesNotMatch(text, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u202a-\u202e]/, "controls are spelled out");
});

test("a long name takes no more room than others", hostile, async ({ page }) => {
    await flame(page, 10);
    await eventually(async () => (await topNames(page)).length >= 10);
    const heights = await at.top(page).getByRole("row").evaluateAll((rows) => rows.slice(1).map((row) => Math.round(row.getBoundingClientRect().height)));
    assert.equal(new Set(heights).size, 1, `${heights}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
    assert.ok((await boxes(page)).every((box) => Number.isFinite(box.x + box.width)));
    assert.equal((await shown(page)).frozen, false);
});

test("links from anybody", { program: {}, closed: true }, async ({ page, mock }) => {
    const { open } = await import("./serve.mjs");
    const links = [
        "x=%3Cimg%20src%3Dx%20onerror%3D%22window.__pwned%3D1%22%3E!app",
        "t=99999999999999999999-1&tid=-7&m=nonsense&z=%E0%A4%A",
        `q=re:(a%2B)%2B%24&z=${"a/".repeat(5000)}`,
        "run=__proto__&focus=constructor&tab=constructor&ord=__proto__",
    ];
    for (const link of links) {
        await page.unrouteAll();
        await open(page, mock, link);
        await at.connection(page).waitFor();
        await tick(page, mock, 1);
        await assertHarmless(page);
        await page.goto("about:blank");
    }
});
