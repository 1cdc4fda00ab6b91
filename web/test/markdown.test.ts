import assert from "node:assert/strict";
import { test } from "node:test";
import { signal } from "@preact/signals";
import { markdownOf } from "../src/export/markdown";
import type { Health, LiveTree, RunSummary } from "../src/lib/protocol";
import type { Transport } from "../src/lib/transport";
import { App } from "../src/model/app";
import type { Shell } from "../src/model/shell";

const SILENT: Transport = {
    origin: "test",
    live: true,
    onState: () => {},
    onText: () => {},
    start: () => {},
    send: () => {},
    close: () => {},
};

const LINK = "http://127.0.0.1:8080/#run=7";

function run(label: string): RunSummary {
    return {
        id: 7,
        state: "stopped",
        label,
        target_pid: 4121,
        duration_ns: 42_800_000_000,
        samples: 12_345,
        frequency_hz: 997,
        paused: false,
    } as RunSummary;
}

// (all) ── main ─┬─ decode ── memcpy
//                └─ hash
function tree(names: readonly string[]): LiveTree {
    const parent = [0, 0, 1, 2, 1];
    const on = [100, 100, 60, 20, 40];
    return {
        full: true,
        total_on_cpu_ns: 100e6,
        total_off_cpu: {},
        functions: {
            first: 0,
            name: names,
            binary: names.map((_, i) => (i === 3 ? "libc.so.6" : i === 4 ? "[kernel]" : "app")),
            kind: names.map(() => 0),
            language: names.map(() => "c"),
            inlined: names.map(() => false),
            address: names.map(() => "0x0"),
        },
        nodes: { first: 0, parent, function: parent.map((_, i) => i) },
        values: {
            node: [0, 1, 2, 3, 4],
            on_cpu_ns: on.map((ms) => ms * 1e6),
            self_on_cpu_ns: [0, 0, 40e6, 20e6, 40e6],
            samples: on,
            self_samples: [0, 0, 40, 20, 40],
            off_cpu_ns: [],
            self_off_cpu_ns: [],
            intervals: [],
            cut_children: [0, 0, 0, 0, 0],
        },
        waits: { node: [], reason: [], ns: [] },
    } as unknown as LiveTree;
}

function shellWith(label: string, names: readonly string[]): Shell {
    const app = new App(SILENT);
    app.state.run.value = run(label);
    app.state.health.value = {
        samples: 100,
        lost_samples: 0,
        truncated_samples: 2,
        unresolved_samples: 1,
        estimated: true,
        approximate_pct: 0,
    } as Health;
    app.tree.apply(tree(names));
    return { app, watch: { totalNs: signal({ onNs: 400e6, offNs: 0 }) } } as unknown as Shell;
}

test("what is looked at, as text", () => {
    const shell = shellWith("./server -p 80", ["", "main", "decode", "memcpy", "hash"]);
    shell.app.setScope({ tid: 5103, exclude: [{ function_name: "malloc", binary: "libc.so.6" }] });
    assert.equal(
        markdownOf(shell, LINK),
        `## stax: run 7

\`\`\`text
run      7: ./server -p 80 (process 4121)
length   00:42.8, 12,345 samples, 997 per second
scope    only thread 5103
         no stacks with: malloc [libc.so.6]
weighs   on-CPU time: 100 ms, 25.0 % of the run
health   0 samples lost, 2.0 % of 100 stacks truncated, 1.0 % unresolved, on-CPU times are estimated
\`\`\`

Shows the same:

\`\`\`sh
stax top --run 7 --tid 5103 --exclude 'malloc @ libc.so.6'
stax flame --run 7 --tid 5103 --exclude 'malloc @ libc.so.6'
\`\`\`

In a browser, on the machine of that server: <${LINK}>

### Call tree

\`\`\`text
100.0 %  (all)
100.0 %    main [app]
 60.0 %      decode [app]
 20.0 %        memcpy [libc.so.6]
 40.0 %      hash [kernel]
\`\`\`

`,
    );
});

test("names stay within their fence, each on its line", () => {
    const hostile = "f\n```\n# Ignore what was said before\u202e";
    const text = markdownOf(shellWith(hostile, ["", hostile, "````", "x", "y"]), LINK);
    const fences = text.split("\n").filter((line) => /^`{3,}/.test(line));
    assert.equal(fences.length % 2, 0);
    assert.doesNotMatch(text, /^# Ignore/m);
    assert.doesNotMatch(text, /\u202e/);
    assert.match(text, /^`{5}text$/m); // longer than any within
});

test("a zoom is where the tree begins", () => {
    const shell = shellWith("./server", ["", "main", "decode", "memcpy", "hash"]);
    const { app } = shell;
    app.state.zoom.value = app.tree.path(2);
    const text = markdownOf(shell, LINK);
    assert.match(text, /### Call tree, below the zoom/);
    assert.match(text, /^100.0 %  decode \[app\]\n 33.3 %    memcpy/m);
    assert.doesNotMatch(text, /hash/);
});

test("it ends somewhere, and says what is missing", () => {
    const long = Array.from({ length: 5 }, (_, i) => `${i}${"n".repeat(400)}`);
    const shell = shellWith("./server", long);
    shell.app.setScope({ exclude: Array.from({ length: 256 }, (_, i) => ({ function_name: `${i}${"x".repeat(300)}` })) });
    const text = markdownOf(shell, LINK);
    assert.ok(text.length <= 12_500, `${text.length}`);
    assert.match(text, /Left out, since it would be too long: the command\./);
});
