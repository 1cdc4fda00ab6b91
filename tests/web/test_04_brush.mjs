// Groups 4 and 5: a range of time, and all panels about it.

import assert from "node:assert/strict";
import { at, brush, eventually, flame, group, root, scope, tick, topNames } from "./harness.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

/** What every subscription that obeys the range asks for at the moment, by method; the timeline shows all of the time. */
function ranges(mock) {
    const asked = mock.everySubscription().filter(({ method }) => method !== "Live.timeline");
    return asked.map(({ method, params }) => [method, params.view?.time_range ?? null]);
}

async function fixed(page) {
    return eventually(async () => {
        const { range } = await scope(page);
        return range.kind === "fixed" ? range : null;
    }, "a range is chosen");
}

async function assertAgree(page, mock, range) {
    const view = range === null ? {} : { time_range: { start_ns: range.startNs, end_ns: range.endNs } };
    const truth = mock.ask("Live.tree", { view });
    await eventually(() => {
        const all = ranges(mock);
        const wanted = view.time_range ?? null;
        return all.length >= 3 && all.every(([, asked]) => JSON.stringify(asked) === JSON.stringify(wanted));
    }, "every question is about the same range");
    await eventually(async () => (await root(page))?.weight === truth.total_on_cpu_ns, "the flamegraph's total");
    const first = mock.ask("Live.top", { view, limit: 1 });
    await eventually(async () => (await topNames(page))[0] === first.functions.name[0], "the top table's first row");
    const threads = mock.ask("Profiler.threads", { view });
    assert.equal(threads.total_on_cpu_ns, truth.total_on_cpu_ns);
}

test("drag, move, clear", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await brush(page, 0.25, 0.5);
    const range = await fixed(page);
    const width = range.endNs - range.startNs;
    assert.ok(Math.abs(range.startNs - 2.5e9) < 0.3e9 && Math.abs(width - 2.5e9) < 0.3e9, JSON.stringify(range));
    await page.mouse.move(5, 5);
    await assertAgree(page, mock, range);
    await brush(page, 0.4, 0.6); // takes hold of it in its middle
    const moved = await eventually(async () => {
        const now = await fixed(page);
        return now.startNs !== range.startNs ? now : null;
    }, "moved");
    assert.ok(Math.abs(moved.endNs - moved.startNs - width) < 5e6, "as long as before");
    await page.mouse.move(5, 5);
    await assertAgree(page, mock, moved);
    const box = await at.plot(page).boundingBox();
    await page.mouse.dblclick(box.x + box.width * 0.9, box.y + 20);
    await eventually(async () => (await scope(page)).range.kind === "all", "cleared");
    await page.mouse.move(5, 5);
    await assertAgree(page, mock, null);
});

test("handles, with the keyboard", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.rangeStart(page).focus();
    const before = Number(await at.rangeStart(page).getAttribute("aria-valuenow"));
    for (let i = 0; i < 5; i++) {
        await page.keyboard.press("PageUp");
    }
    const range = await fixed(page);
    assert.ok(range.startNs / 1e9 > before, "it moved on");
    await eventually(async () => {
        const now = Number(await at.rangeStart(page).getAttribute("aria-valuenow"));
        return Math.abs(now - (await fixed(page)).startNs / 1e9) < 1e-6;
    }, "the slider says where");
    await at.rangeEnd(page).focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    await assertAgree(page, mock, await fixed(page));
    await page.keyboard.press("Home");
    const end = await fixed(page);
    assert.ok(end.endNs > end.startNs, "a range is never turned round");
});

test("a fixed range does not move", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await brush(page, 0.2, 0.4);
    const range = await fixed(page);
    await tick(page, mock, 8);
    assert.deepEqual(await fixed(page), range);
    await page.mouse.move(5, 5);
    await assertAgree(page, mock, range);
});

test("the last seconds follow the end", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.plot(page).focus();
    await page.keyboard.press("l");
    await eventually(async () => (await scope(page)).range.kind === "last", "follows the end");
    const { seconds } = (await scope(page)).range;
    const askedEnd = () => Math.max(...ranges(mock).map(([, asked]) => asked?.end_ns ?? 0));
    await eventually(() => askedEnd() > 0);
    const before = askedEnd();
    await tick(page, mock, 16);
    await eventually(() => askedEnd() >= before + 3e9, "four seconds later it asks for later ones");
    for (const [method, asked] of ranges(mock)) {
        assert.ok(asked.end_ns - asked.start_ns <= seconds * 1e9 + 1, `${method}: ${JSON.stringify(asked)}`);
    }
});

test("Escape takes the range back", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await brush(page, 0.25, 0.5);
    await fixed(page);
    await page.keyboard.press("Escape");
    await eventually(async () => (await scope(page)).range.kind === "all", "cleared");
    await page.mouse.move(5, 5);
    await assertAgree(page, mock, null);
});
