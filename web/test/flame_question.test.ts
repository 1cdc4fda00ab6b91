import assert from "node:assert/strict";
import { test } from "node:test";
import { effect, type ReadonlySignal } from "@preact/signals";
import type { LiveTree } from "../src/lib/protocol";
import type { Transport } from "../src/lib/transport";
import { App } from "../src/model/app";

const nowhere: Transport = {
    origin: "",
    live: false,
    onState: () => {},
    onText: () => {},
    start: () => {},
    send: () => {},
    close: () => {},
};

function until<T>(signal: ReadonlySignal<T>, isMet: (value: T) => boolean): Promise<T> {
    return new Promise((resolve) => {
        let stop: () => void = () => {};
        let isDone = false;
        stop = effect(() => {
            if (!isDone && isMet(signal.value)) {
                isDone = true;
                resolve(signal.value);
                queueMicrotask(() => stop());
            }
        });
    });
}

// main ─ a ─ b, and cut ones below a
function tree(change: Partial<LiveTree> = {}): LiveTree {
    const names = ["", "main", "a", "b"];
    return {
        full: true,
        total_on_cpu_ns: 100,
        total_off_cpu: null,
        health: { samples: 100 },
        functions: {
            first: 0,
            name: names,
            binary: names.map(() => "app"),
            kind: names.map(() => 0),
            language: names.map(() => "c"),
            inlined: names.map(() => false),
            address: names.map(() => "0x0"),
        },
        nodes: { first: 0, parent: [0, 0, 1, 2], function: [0, 1, 2, 3] },
        values: {
            node: [0, 1, 2, 3],
            on_cpu_ns: [100, 100, 100, 60],
            self_on_cpu_ns: [0, 0, 10, 60],
            samples: [100, 100, 100, 60],
            self_samples: [0, 0, 10, 60],
            off_cpu_ns: [],
            self_off_cpu_ns: [],
            intervals: [],
            cut_children: [0, 0, 5, 0],
        },
        waits: { node: [], reason: [], ns: [] },
        ...change,
    } as unknown as LiveTree;
}

function shownApp(): { app: App; path: (...names: string[]) => number[] } {
    const app = new App(nowhere);
    app.flame.take(tree());
    return { app, path: (...names) => names.map((name) => app.frames.find(name, "app") as number) };
}

test("the scope is in the question, the zoom is not", () => {
    const { app, path } = shownApp();
    const before = app.flame.question.value;
    app.state.zoom.value = path("main", "a");
    assert.equal(app.flame.question.value, before);
    app.setScope({ mode: "off_cpu", reason: 1, focus: { function_name: "a", binary: "app" } });
    app.state.inverted.value = true;
    const question = app.flame.question.value;
    assert.deepEqual(
        [question?.mode, question?.reason, question?.focus, question?.callers, question?.zoom],
        ["off_cpu", "lock", { function_name: "a", binary: "app" }, true, undefined],
    );
});

test("a zoom that shows less than there is becomes a part of the question when it stays", async () => {
    const { app, path } = shownApp();
    app.flame.wantDetail(path("main"));
    app.flame.wantDetail(path("main", "a"));
    assert.equal(app.flame.question.value?.zoom, undefined);
    const question = await until(app.flame.question, (value) => value?.zoom !== undefined);
    assert.deepEqual(question?.zoom, [
        { function_name: "main", binary: "app" },
        { function_name: "a", binary: "app" },
    ]);
});

test("each request for more shows smaller nodes, until there is no more", () => {
    const { app, path } = shownApp();
    let least = Infinity;
    let asked = 0;
    while (app.flame.showMore(path("main", "a"))) {
        const question = app.flame.question.value;
        assert.ok((question?.min_share as number) < least);
        assert.equal(question?.zoom?.length, 2);
        assert.ok((question?.max_nodes as number) <= 50_000);
        least = question?.min_share as number;
        assert.ok(++asked < 20);
    }
    assert.ok(asked > 3);
});

test("the server is asked about the tree as it is, whatever is merged in the picture", () => {
    const { app, path } = shownApp();
    app.state.selection.value = path("main", "a", "b");
    app.state.zoom.value = path("main", "a");
    app.flame.mergeFunction(path("a")[0]);
    assert.deepEqual(app.state.selection.value, path("main", "b"));
    assert.deepEqual(app.state.zoom.value, path("main"));
    app.flame.shown();
    app.flame.showMore(path("main", "b"));
    assert.equal(app.flame.question.value?.zoom?.length, 3);
    app.flame.undoTransform(path("a")[0]);
    assert.deepEqual(app.state.selection.value, path("main", "a", "b"));
});

test("after a message that does not follow, everything is asked anew", async () => {
    const { app } = shownApp();
    app.flame.take(tree({ full: false }));
    assert.equal(app.flame.question.value, null);
    await until(app.flame.question, (value) => value !== null);
});
