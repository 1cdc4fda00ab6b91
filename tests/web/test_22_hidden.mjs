// A page that nobody sees: after five seconds nothing is asked and nothing arrives; when it is seen again, it is
// as if it had always been.

import assert from "node:assert/strict";
import { eventually, flame, group, root, scope } from "./harness.mjs";

const test = group(import.meta.url);

function hide(page, hidden) {
    return page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
        Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (value ? "hidden" : "visible") });
        document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
}

test("nothing is asked, and nothing arrives", { program: { nodes: 600 } }, async ({ page, mock }) => {
    await flame(page, 20);
    await hide(page, true);
    const began = Date.now();
    await eventually(() => mock.everySubscription().length === 0, "all is unsubscribed");
    assert.ok(Date.now() - began < 5000, "within five seconds");
    const before = mock.sent.length;
    const asked = mock.received.length;
    for (let i = 0; i < 8; i++) {
        mock.tick();
    }
    await page.evaluate(() => new Promise((done) => setTimeout(done, 1200)));
    assert.equal(mock.sent.length, before, "no message");
    assert.equal(mock.received.length, asked, "no question");
    await hide(page, false);
    await eventually(async () => (await root(page))?.weight === mock.ask("Live.tree").total_on_cpu_ns, "the numbers of now");
});

test("a look away is no reason", { program: { nodes: 600 } }, async ({ page, mock }) => {
    await flame(page, 20);
    const subscribed = () => mock.received.filter(({ method }) => method === "Profiler.subscribe").length;
    await eventually(() => mock.everySubscription().some(({ method }) => method === "Profiler.annotated"), "all panels ask");
    const before = subscribed();
    await hide(page, true);
    await hide(page, false);
    mock.tick();
    await eventually(async () => (await root(page))?.weight === mock.ask("Live.tree").total_on_cpu_ns);
    assert.equal(subscribed(), before);
    assert.equal((await scope(page)).tid, null);
});
