// Group 1: the way from an address to numbers, and what happens when it breaks.

import assert from "node:assert/strict";
import { at, boxes, eventually, flame, group, stats, tick } from "./harness.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

test("the first flame", usual, async ({ page, mock }) => {
    const found = await flame(page, 20);
    const root = found.find((box) => box.path.length === 0);
    assert.equal(root.weight, mock.ask("Live.tree").total_on_cpu_ns);
    await eventually(async () => (await page.title()).includes("shop"), "the title names the run");
    await at.connection(page).waitFor();
});

test("a flame that grows", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await tick(page, mock, 4);
    const root = (await boxes(page)).find((box) => box.path.length === 0);
    assert.equal(root.weight, mock.ask("Live.tree").total_on_cpu_ns);
});

test("a lost connection comes back, and what is shown stays meanwhile", usual, async ({ page, mock }) => {
    const before = (await flame(page, 20)).length;
    mock.refuses = true;
    mock.drop();
    await eventually(async () => /lost|retry|again/i.test(await at.connection(page).innerText()), "it says so");
    assert.equal((await boxes(page)).length, before);
    mock.world.run(1e9);
    mock.refuses = false;
    await eventually(async () => {
        const root = (await boxes(page)).find((box) => box.path.length === 0);
        return root?.weight === mock.ask("Live.tree").total_on_cpu_ns;
    }, "the numbers of now");
    await eventually(async () => !/lost|retry|again/i.test(await at.connection(page).innerText()), "it says so");
});

test("a message that does not continue the one before is asked for anew", usual, async ({ page, mock }) => {
    await flame(page, 20);
    mock.spoil("Live.tree");
    await tick(page, mock);
    await eventually(async () => {
        await tick(page, mock);
        const root = (await boxes(page)).find((box) => box.path.length === 0);
        return root?.weight === mock.ask("Live.tree").total_on_cpu_ns;
    }, "whole again");
});

test("at most one message is under way", usual, async ({ page, mock }) => {
    await flame(page, 20);
    for (let i = 0; i < 50; i++) {
        mock.tick();
    }
    const outstanding = mock.everySubscription().map((one) => one.seq - one.acked);
    assert.ok(outstanding.every((n) => n <= 1), `${outstanding}`);
    await eventually(async () => {
        mock.tell();
        const root = (await boxes(page)).find((box) => box.path.length === 0);
        return root?.weight === mock.ask("Live.tree").total_on_cpu_ns;
    }, "the page is up to date");
    assert.ok((await stats(page)).messages["Live.tree"] < 50, "what was missed came as one");
});

test("a run that is over is shown", { program: { nodes: 600 }, closed: true }, async ({ page, mock }) => {
    const { open } = await import("./serve.mjs");
    mock.stop();
    await open(page, mock);
    await flame(page, 20);
    assert.deepEqual(mock.everySubscription(), [], "nothing more is to come");
});
