import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../src/lib/transport";
import { App } from "../src/model/app";
import { History, type HistoryPort } from "../src/model/history";

// A browser's history: entries, and a place among them.
class FakePort implements HistoryPort {
    entries: { state: unknown; hash: string }[];
    at = 0;
    replaced = 0;
    private handler: () => void = () => {};

    constructor(hash = "") {
        this.entries = [{ state: null, hash }];
    }

    hash = () => this.entries[this.at].hash;
    state = () => this.entries[this.at].state;

    push(state: unknown, hash: string): void {
        this.entries.splice(++this.at, Infinity, { state, hash });
    }

    replace(state: unknown, hash: string): void {
        this.entries[this.at] = { state, hash };
        this.replaced++;
    }

    go(delta: number): void {
        this.at += delta;
        setImmediate(() => this.handler());
    }

    edit(hash: string): void {
        this.push(null, hash);
        this.handler();
    }

    onGo(handler: () => void): void {
        this.handler = handler;
    }
}

const nowhere: Transport = {
    origin: "nowhere",
    live: true,
    onState: () => {},
    onText: () => {},
    start: () => {},
    send: () => {},
    close: () => {},
};

function make(hash = "") {
    const app = new App(nowhere);
    const port = new FakePort(hash);
    const history = new History(app, port);
    history.start();
    return { app, port, history, hashes: () => port.entries.map((entry) => entry.hash) };
}

const settle = () => new Promise((done) => setImmediate(() => setImmediate(done)));

test("a step is an entry, and Back takes it back", async () => {
    const { app, history, hashes } = make();
    app.setScope({ tid: 7 });
    await settle();
    app.setScope({ exclude: [{ function_name: "malloc" }] });
    await settle();
    assert.deepEqual(hashes(), ["", "tid=7", "tid=7&x=malloc"]);
    assert.equal(history.lastStep(), "drill");
    history.back();
    await settle();
    assert.deepEqual(app.state.scope.value.exclude, []);
    assert.equal(app.state.scope.value.tid, 7);
    assert.equal(history.lastStep(), "other");
    history.forward();
    await settle();
    assert.equal(app.state.scope.value.exclude.length, 1);
    history.forward(); // there is nothing there
    await settle();
    assert.equal(app.state.scope.value.exclude.length, 1);
});

test("zooming is a step; what only looks different is none, and is told in one go", async (context) => {
    context.mock.timers.enable(["setTimeout"]);
    const { app, port, history, hashes } = make();
    context.mock.timers.tick(1000);
    const before = port.replaced;
    const frame = app.frames.add("main", "app");
    app.state.zoom.value = [frame];
    assert.deepEqual(hashes(), ["", "z=main!app"]);
    assert.equal(history.lastStep(), "zoom");
    for (const text of ["d", "de", "dec"]) {
        app.state.query.value = { ...app.state.query.value, text };
    }
    app.state.tab.value = "tree";
    assert.equal(port.replaced, before);
    context.mock.timers.tick(250);
    assert.equal(port.replaced, before + 1);
    assert.deepEqual(hashes(), ["", "z=main!app&q=dec&tab=tree"]);
});

test("a range that is dragged changes the entry that is there", async (context) => {
    context.mock.timers.enable(["setTimeout"]);
    const { app, hashes } = make();
    app.setScope({ range: { kind: "fixed", startNs: 0, endNs: 1e9 } });
    await Promise.resolve();
    app.state.scope.value = { ...app.state.scope.value, range: { kind: "fixed", startNs: 0, endNs: 2e9 } };
    context.mock.timers.tick(250);
    assert.deepEqual(hashes(), ["", "t=0-2"]);
});

test("what changes along with a step is the same step", async () => {
    const { app, hashes } = make("z=main!app");
    app.setScope({ focus: { function_name: "decode" } });
    app.state.zoom.value = [];
    await settle();
    assert.deepEqual(hashes(), ["z=main!app", "focus=decode"]);
});

test("a step back leaves the looks as they are", async () => {
    const { app, history } = make();
    app.setScope({ tid: 7 });
    await settle();
    app.state.tab.value = "tree";
    history.back();
    await settle();
    assert.equal(app.state.scope.value.tid, null);
    assert.equal(app.state.tab.value, "tree");
});

test("an address is read whole: functions that nobody has named yet, too", () => {
    const { app } = make("#run=7&z=main!app/decode!lib.so&tab=cfg&sym=decode!lib.so&q=re:x");
    const { state, frames } = app;
    assert.equal(state.scope.value.run, 7);
    assert.deepEqual(state.zoom.value.map((frame) => frames.name[frame]), ["main", "decode"]);
    assert.equal(state.chosen.value, frames.find("decode", "lib.so"));
    assert.equal(state.tab.value, "cfg");
    assert.equal(frames.add("decode", "lib.so", 2, "rust", true), state.chosen.value);
    assert.equal(frames.kind[state.chosen.value as number], 2); // what it is, is known now
    assert.equal(frames.inlined[state.chosen.value as number], true);
});

test("an address that somebody edits, and one that makes no sense", () => {
    const { app, port } = make();
    port.edit("tid=9&tab=tree&nonsense=1");
    assert.equal(app.state.scope.value.tid, 9);
    assert.equal(app.state.tab.value, "tree");
    assert.match(app.messages.list.value[0].text, /nonsense/);
});

test("a picture of a run keeps its scope, whatever the address says", () => {
    const { app, port } = make();
    app.fixed = "a picture";
    port.edit("tid=9&m=off&tab=tree");
    assert.equal(app.state.scope.value.tid, null);
    assert.equal(app.state.scope.value.mode, "off_cpu");
    app.setScope({ tid: 9 });
    assert.equal(app.state.scope.value.tid, null);
    assert.equal(app.messages.list.value[0].text, "a picture");
});
