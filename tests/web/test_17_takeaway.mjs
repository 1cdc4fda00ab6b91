// Group 17: what people take away: Markdown, pictures, a file; and that hostile names do no harm in any of them. (That
// they say the same as the page: test_17_takeaway_real.)

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { at, copied, eventually, flame, group, root, scope } from "./harness.mjs";
import { HOSTILE_NAMES, PROGRAMS } from "./mock.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

async function exported(page, name) {
    await at.export(page).click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name }).click()]);
    return download;
}

test("Markdown has the numbers, and what reproduces them", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await page.keyboard.press("2");
    await eventually(async () => (await scope(page)).mode === "off_cpu");
    await page.keyboard.press("1");
    await eventually(async () => (await root(page))?.weight === mock.ask("Live.tree").total_on_cpu_ns);
    const text = await copied(page, /stax top/, () => at.copy(page).click(), "Markdown");
    const [hottest] = mock.ask("Live.top", { limit: 1 }).functions.name;
    assert.ok(text.includes(hottest), "the hottest function");
    assert.ok(text.includes("shop"), "the program");
    assert.ok(text.length <= 8192, `${text.length} characters`);
    assert.doesNotMatch(text, /token/);
});

test("hostile names in Markdown stay inside of their fences", { program: PROGRAMS.hostile }, async ({ page }) => {
    await flame(page, 10);
    const text = await copied(page, /stax top/, () => at.copy(page).click(), "Markdown");
    let inside = null;
    for (const line of text.split("\n")) {
        const fence = /^(`{3,}|~{3,})/.exec(line)?.[1];
        if (fence && (inside === null || line.trim() === inside)) {
            inside = inside === null ? fence : null;
        } else if (inside === null) {
            const bare = line.replace(/(`+)[^`].*?\1/g, "");
            for (const name of HOSTILE_NAMES.filter((one) => /[<[]/.test(one) && one.length < 200)) {
                assert.ok(!bare.includes(name), `${name} stands bare: ${line.slice(0, 200)}`);
            }
        }
    }
    assert.equal(inside, null, "every fence is closed");
    assert.doesNotMatch(text, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u202a-\u202e]/, "no controls");
});

test("a picture of the flamegraph", usual, async ({ page }) => {
    await flame(page, 20);
    const png = readFileSync(await (await exported(page, /png/i)).path());
    assert.equal(png.subarray(1, 4).toString(), "PNG");
    assert.ok(png.length > 5000 && png.readUInt32BE(16) > 500, "it is not empty");
    const svg = readFileSync(await (await exported(page, /svg/i)).path(), "utf8");
    const parsed = await page.evaluate((text) => {
        const document_ = new DOMParser().parseFromString(text, "image/svg+xml");
        return { error: document_.querySelector("parsererror")?.textContent ?? "", rects: document_.querySelectorAll("rect").length,
            scripts: document_.querySelectorAll("script, foreignObject, image").length };
    }, svg);
    assert.equal(parsed.error, "");
    assert.ok(parsed.rects > 20, `${parsed.rects} boxes`);
    assert.equal(parsed.scripts, 0);
});

test("hostile names in an SVG", { program: PROGRAMS.hostile }, async ({ page }) => {
    await flame(page, 10);
    const svg = readFileSync(await (await exported(page, /svg/i)).path(), "utf8");
    const parsed = await page.evaluate((text) => {
        const document_ = new DOMParser().parseFromString(text, "image/svg+xml");
        return { error: document_.querySelector("parsererror")?.textContent ?? "", names: [...new Set(Array.from(document_.querySelectorAll("*"), (element) => element.localName))] };
    }, svg);
    assert.equal(parsed.error, "");
    for (const name of parsed.names) {
        assert.ok(["svg", "g", "rect", "text", "title", "style", "defs", "pattern", "path", "line", "clipPath", "desc", "tspan", "circle"].includes(name), name);
    }
});

test("a file with hostile names", { program: PROGRAMS.hostile, limitMs: 90_000 }, async ({ page, newPage }) => {
    await flame(page, 10);
    const download = await exported(page, /html/i);
    const other = await newPage();
    const path = await download.path();
    await other.route("**/*", (route) => (route.request().url().startsWith("http://file.test/")
        ? route.fulfill({ contentType: "text/html; charset=utf-8", body: readFileSync(path) }) : route.abort()));
    await other.goto("http://file.test/");
    await flame(other, 10);
    assert.equal(await other.evaluate(() => window.__pwned), undefined);
});
