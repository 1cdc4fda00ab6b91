// What the browser shows is what the command says: the same scope of the same run, when nothing changes any more.
// The scope is made by hand in the page, and taken as a command line from its button "Copy as command".

import assert from "node:assert/strict";
import { at, boxes, brush, clickBox, copied, eventually, flame, group, root, scope, shown, topNames, topRow, widest } from "./harness.mjs";
import { target } from "./server.mjs";

const test = group(import.meta.url);
const real = { real: true, limitMs: 120_000 };

/** The scope as the page says it in words of a command; of these, `stax COMMAND` is cut off. */
async function words(page) {
    const button = page.getByRole("button", { name: "Copy as command" });
    const line = await copied(page, /^stax /, () => button.click(), "a command");
    return split(line).slice(2);
}

/** Words as sh splits them; the page quotes with '…' only, where no name holds a control. */
function split(line) {
    const found = line.match(/(?:'[^']*'|\\'|[^\s'])+/g);
    return found.map((word) => word.replaceAll("'\\''", "\u0000").replaceAll("'", "").replaceAll("\u0000", "'"));
}

function weight(answer, mode) {
    const off = Object.values(answer.total_off_cpu).reduce((a, b) => a + b, 0);
    return { on_cpu: answer.total_on_cpu_ns, off_cpu: off, wall: answer.total_on_cpu_ns + off }[mode];
}

const number = (text) => Number(text.replaceAll(",", ""));

/** Root, first rows of the table, and threads: each as the command has it. */
async function assertSame(page, server) {
    const options = await words(page);
    const { mode } = await scope(page);
    const top = await server.json("top", "-n", 200, ...options);
    const whole = weight(top, mode);
    // Time of threads that no sample was taken of belongs to no function, so to no box.
    const placed = whole - (mode === "off_cpu" ? 0 : top.health.unsampled_ns);
    let seen = null;
    await eventually(async () => {
        seen = await root(page);
        assert.ok(Math.abs(seen.weight - placed) <= 1, `it weighs ${seen.weight}`);
        assert.equal(seen.samples, top.health.samples, "samples");
        return true;
    }, `the flamegraph weighs ${placed} by ${mode}`);
    for (const entry of top.entries.slice(0, 5).filter((one) => one.self_samples > 0 && mode === "on_cpu")) {
        const name = entry.function_name;
        await eventually(async () => {
            const [share, ms, , samples] = await topRow(page, name);
            assert.equal(number(samples), entry.self_samples, "samples");
            assert.ok(Math.abs(number(ms) - entry.self_on_cpu_ns / 1e6) <= 0.051, `${ms} ms`);
            assert.ok(Math.abs(Number.parseFloat(share) - (100 * entry.self_on_cpu_ns) / whole) <= 0.051, share);
            return true;
        }, `the row of ${name} as the command has it`);
    }
    const tree = await server.json("flame", ...options);
    assert.ok(Math.abs(weight(tree, mode) - whole) <= 1, "top and flame agree");
    return top;
}

async function recorded({ page, server }, command, samples) {
    await server.record(command, { samples });
    await server.stop();
    await server.open(page);
    await flame(page, 3);
}

test("the whole run, and each mode", real, async (scene) => {
    const { page, server } = scene;
    await recorded(scene, [target("shares"), "3", "600000"], 1500);
    const top = await assertSame(page, server);
    assert.ok(top.entries.some((entry) => entry.function_name === "share_50"));
    for (const label of ["Waiting", "Wall", "On CPU"]) {
        await at.mode(page, label).click();
        await assertSame(page, server);
    }
});

test("one thread, a range, a function left out, one focused", real, async (scene) => {
    const { page, server } = scene;
    await recorded(scene, [target("shares"), "3", "600000"], 1500);
    const threads = await server.json("threads", "-n", 0);
    const worker = threads.threads.find((one) => one.name === "worker-1");
    await at.thread(page).click();
    await page.getByRole("option", { name: new RegExp(`\\b${worker.tid}\\b`) }).click();
    const one = await assertSame(page, server);
    assert.equal(one.health.samples, worker.samples);

    await brush(page, 0.2, 0.6);
    await eventually(async () => (await scope(page)).range.kind === "fixed");
    await page.mouse.move(5, 5);
    const part = await assertSame(page, server);
    assert.ok(part.health.samples > 0 && part.health.samples < one.health.samples);

    await clickBox(page, await widest(page, (box) => box.name === "share_30"));
    await eventually(async () => (await shown(page)).selection?.at(-1) === "share_30");
    await at.flame(page).press("d");
    await eventually(async () => (await scope(page)).exclude.length === 1);
    const without = await assertSame(page, server);
    assert.ok(!without.entries.some((entry) => entry.function_name === "share_30"));

    await clickBox(page, await widest(page, (box) => box.name === "share_50"));
    await eventually(async () => (await shown(page)).selection?.at(-1) === "share_50");
    await at.flame(page).press("f");
    await eventually(async () => (await scope(page)).focus?.function_name === "share_50");
    const focused = await assertSame(page, server);
    assert.ok(focused.health.samples < without.health.samples);
});

test("every box is a node of the tree", real, async (scene) => {
    const { page, server } = scene;
    await recorded(scene, [target("forever")], 500);
    const answer = await server.rpc.call("Profiler.flamegraph", {});
    // Several of one path: names are alike in a program and in what loads it (_start).
    const paths = new Map([["", [answer.nodes.on_cpu_ns[0]]]]);
    const names = [[]];
    for (let i = 1; i < answer.nodes.parent.length; i++) {
        names[i] = [...names[answer.nodes.parent[i]], answer.strings[answer.nodes.function[i]]];
        const key = names[i].join("\n");
        paths.set(key, [...(paths.get(key) ?? []), answer.nodes.on_cpu_ns[i]]);
    }
    const found = (await boxes(page)).filter((box) => !box.residue);
    assert.ok(found.length > 5);
    for (const box of found) {
        const truths = paths.get(box.path.join("\n")) ?? [];
        const isOne = truths.some((truth) => Math.abs(truth - box.weight) <= truth / 1000 + 1);
        assert.ok(isOne, `${box.path.join(" > ")}: ${box.weight}, not ${truths}`);
    }
});

test("while it is recorded: shares are what the program does", real, async ({ page, server }) => {
    await server.record([target("shares"), "1", "600000"], { samples: 300 });
    await server.open(page);
    await eventually(async () => ((await root(page))?.samples ?? 0) >= 2000, "2,000 samples are shown", 60_000);
    const all = await boxes(page);
    const whole = all.find((box) => box.path.length === 0).weight;
    for (const [name, share] of [["share_50", 0.5], ["share_30", 0.3], ["share_20", 0.2]]) {
        const sum = all.filter((box) => box.name === name).reduce((ns, box) => ns + box.weight, 0);
        assert.ok(Math.abs(sum / whole - share) < 0.05, `${name}: ${sum / whole}`);
    }
    assert.equal((await topNames(page))[0], "share_50");
});

test("pausing and stopping are felt by the server", real, async ({ page, server }) => {
    await server.record([target("shares"), "1", "600000"], { samples: 100 });
    await server.open(page);
    await flame(page, 3);
    await at.pause(page).click();
    await eventually(async () => (await server.rpc.call("Profiler.is_paused")).paused, "paused");
    await at.resume(page).click();
    await eventually(async () => !(await server.rpc.call("Profiler.is_paused")).paused, "goes on");
    await page.getByRole("button", { name: "Stop recording" }).click();
    const sure = page.getByRole("dialog").getByRole("button", { name: /stop/i });
    await sure.last().click();
    await eventually(async () => (await server.rpc.call("RunControl.status")).active.length === 0, "it is over");
    await assertSame(page, server);
});
