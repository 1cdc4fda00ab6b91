// Group 16: a link says what is looked at, not who may look; the browser's history goes through the steps.

import assert from "node:assert/strict";
import { at, boxes, brush, clickBox, copied, eventually, flame, group, root, scope, shown, widest } from "./harness.mjs";
import { open, ORIGIN } from "./serve.mjs";
import { target } from "./server.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };
const real = { real: true, limitMs: 120_000 };

const TOKEN = "0123456789abcdef0123456789abcdef";

const copiedLink = (page, how, step) => copied(page, /^https?:/, step, `a link, ${how},`);

async function selectBox(page, accept) {
    const box = await widest(page, accept);
    await clickBox(page, box);
    await eventually(async () => (await shown(page)).selection?.join() === box.path.join(), "selected");
    await at.flame(page).focus();
    return box;
}

/** What a link is to bring back. */
async function lookOf(page) {
    const { zoom, chosen, tab, order, direction, inverted } = await shown(page);
    return { scope: await scope(page), zoom, chosen, tab, order, direction, inverted, search: await at.search(page).inputValue() };
}

async function rowsOfTop(page) {
    const texts = await at.top(page).getByRole("row").allInnerTexts();
    return texts.slice(1, 4).map((text) => text.replaceAll(/\s+/g, " "));
}

test("a copied link opens what was looked at, for who may come in", real, async ({ page, server, newPage }) => {
    await server.record([target("shares"), "3", "600000"], { samples: 1500 });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
    const { threads } = await server.json("threads", "-n", 0);
    const { tid } = threads.find((one) => one.name === "worker-1");
    await at.thread(page).click();
    await page.getByRole("option", { name: new RegExp(`\\b${tid}\\b`) }).click();
    await eventually(async () => (await scope(page)).tid === tid);
    await brush(page, 0.2, 0.6);
    await eventually(async () => (await scope(page)).range.kind === "fixed");
    await page.mouse.move(5, 5);
    await selectBox(page, (box) => box.name === "share_30");
    await page.keyboard.press("d");
    await eventually(async () => (await scope(page)).exclude.length === 1);
    const box = await selectBox(page, (one) => one.name === "share_50");
    await page.keyboard.press("Enter");
    await eventually(async () => (await shown(page)).zoom.join() === box.path.join());
    await at.search(page).fill("share_5");
    await at.tab(page, "Callers and callees").click();
    await at.flame(page).focus();
    await page.keyboard.press("o");
    const before = await lookOf(page);
    assert.deepEqual([before.tab, before.search, before.order], ["neighbors", "share_5", "heavy"]);
    const weight = (await root(page)).weight;

    const link = await copiedLink(page, "by Y", () => page.keyboard.press("Shift+Y"));
    const button = page.getByRole("button", { name: "Copy link" });
    assert.equal(await copiedLink(page, "by the button", () => button.click()), link);
    const { token } = Object.fromEntries(new URLSearchParams(new URL(await server.address()).hash.slice(1)));
    assert.ok(token.length >= 32);
    for (const text of [link, page.url()]) {
        assert.ok(!text.includes(token) && !text.includes("token"), text);
    }

    const other = await newPage();
    await server.open(other, new URL(link).hash.slice(1));
    await flame(other, 2);
    await eventually(async () => (await root(other))?.weight === weight, "the same weight");
    const run = (await server.rpc.call("RunControl.status")).current?.id ?? 1;
    assert.deepEqual(await lookOf(other), { ...before, scope: { ...before.scope, run } });
    const rows = await rowsOfTop(page);
    await eventually(async () => (assert.deepEqual(await rowsOfTop(other), rows), true), "the same table");
    assert.ok(!other.url().includes("token"), "the token leaves the address at once");

    // By itself, a link lets nobody in.
    const stranger = await newPage();
    await stranger.goto(link);
    await eventually(async () => /refused/.test(await at.connection(stranger).innerText()), "refused");
    assert.deepEqual(await boxes(stranger), []);
});

test("in a tab that may look, a link needs nothing else", usual, async ({ page, mock }) => {
    await flame(page, 20);
    const box = await selectBox(page, (one) => one.path.length === 3);
    await page.keyboard.press("f");
    await eventually(async () => (await scope(page)).focus?.function_name === box.name);
    const link = await copiedLink(page, "by Y", () => page.keyboard.press("Shift+Y"));
    const before = await lookOf(page);
    const { focus } = before.scope;
    const { total_on_cpu_ns: weight } = mock.ask("Live.tree", { view: { focus_symbol: focus }, focus });
    await page.goto("about:blank");
    await page.unrouteAll();
    await open(page, mock, new URL(link).hash.slice(1));
    await flame(page, 1);
    await eventually(async () => (await root(page))?.weight === weight, "the same weight");
    assert.deepEqual(await lookOf(page), { ...before, scope: { ...before.scope, run: mock.runId } });
});

test("Back and Forward go through the steps, and change nothing else", usual, async ({ page }) => {
    const whole = (await flame(page, 20)).find((box) => box.path.length === 0).weight;
    const seen = [];
    const note = async () => seen.push({ scope: await scope(page), zoom: (await shown(page)).zoom, weight: (await root(page)).weight });
    await note();
    const first = await selectBox(page, (one) => one.path.length === 3);
    await page.keyboard.press("d");
    await eventually(async () => (await scope(page)).exclude.length === 1 && (await root(page))?.weight < whole, "one is dropped");
    await note();
    const second = await selectBox(page, (one) => one.path.length === 2 && one.name !== first.name);
    await page.keyboard.press("Enter");
    await eventually(async () => (await shown(page)).zoom.join() === second.path.join(), "zoomed");
    await note();
    await page.keyboard.press("f");
    await eventually(async () => (await scope(page)).focus?.function_name === second.name, "focused");
    await eventually(async () => (await root(page))?.name === "" && (await root(page)).weight < seen[1].weight, "only its stacks");
    await note();
    await at.tab(page, "Waits").click();
    const is = async (step) =>
        assert.deepEqual({ scope: await scope(page), zoom: (await shown(page)).zoom, weight: (await root(page))?.weight }, step);
    for (const step of [seen[2], seen[1], seen[0]]) {
        await page.goBack();
        await eventually(async () => (await is(step), true), `back to ${JSON.stringify(step)}`);
    }
    for (const step of [seen[1], seen[2], seen[3]]) {
        await page.goForward();
        await eventually(async () => (await is(step), true), `forward to ${JSON.stringify(step)}`);
    }
    assert.equal((await shown(page)).tab, "intervals", "the tab is no step");
});

test("nonsense in an address does no harm, and is named", { ...usual, closed: true }, async ({ page, mock }) => {
    const nonsense = {
        "tid=abc": { tid: null },
        "m=sideways": { mode: "on_cpu" },
        "t=5-1": { range: { kind: "all" } },
        "t=1e9-2e9": { range: { kind: "all" } },
        "last=-3": { range: { kind: "all" } },
        "x=%E0%A4%A": { exclude: [] },
        "focus=a!b!c": { focus: null },
        "run=-1": { run: null },
        "__proto__=1": {},
        "constructor": {},
    };
    for (const [hash, wanted] of Object.entries(nonsense)) {
        await open(page, mock, hash);
        await flame(page, 20);
        const now = await scope(page);
        assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((key) => [key, now[key]])), wanted, hash);
        const said = page.getByRole("status", { name: "Messages" });
        await eventually(async () => (await said.innerText()).includes(hash.split("=")[0]), `${hash} is named`);
        await page.goto("about:blank");
        await page.unrouteAll();
    }
    await open(page, mock, `m=off&zzz=1&x=${"a".repeat(300_000)}`);
    await flame(page, 2);
    assert.deepEqual((await scope(page)).exclude, [], "too long is nothing");
});

test("what is typed into the address while the page is open counts", usual, async ({ page }) => {
    await flame(page, 20);
    await page.evaluate(() => (location.hash = "#m=wall&q=re:^parse"));
    await eventually(async () => (await scope(page)).mode === "wall");
    assert.equal(await at.search(page).inputValue(), "^parse");
    await page.goBack();
    await eventually(async () => (await scope(page)).mode === "on_cpu", "and Back takes it back");
});

test("a token that comes late is taken, and leaves the address", usual, async ({ page }) => {
    await flame(page, 20);
    await page.evaluate((token) => (location.hash = `#token=${token}&m=off`), TOKEN);
    await eventually(async () => (await page.url()).startsWith(ORIGIN) && !page.url().includes("token"), "it is gone");
});
