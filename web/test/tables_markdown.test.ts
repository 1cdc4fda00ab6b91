import assert from "node:assert/strict";
import { test } from "node:test";
import { codeMarkdown, neighborsMarkdown, topMarkdown } from "../src/export/tables_markdown";
import type { Annotated, LiveTop } from "../src/lib/protocol";
import type { Transport } from "../src/lib/transport";
import { App } from "../src/model/app";
import { Details } from "../src/model/details";

const SILENT: Transport = {
    origin: "test",
    live: false,
    onState: () => undefined,
    onText: () => undefined,
    start: () => undefined,
    send: () => undefined,
    close: () => undefined,
};

function top(name: string): LiveTop {
    return {
        full: true,
        total_on_cpu_ns: 1e9,
        total_off_cpu: {},
        n_functions: 3,
        functions: {
            first: 0,
            name: [name, "g"],
            binary: ["app", "[kernel]"],
            kind: [0, 2],
            language: ["c", "c"],
            inlined: [false, true],
            address: ["0x1", "0x0"],
        },
        rows: {
            function: [0, 1],
            self_on_cpu_ns: [25e7, 1e6],
            total_on_cpu_ns: [1e9, 1e6],
            self_samples: [250, 1],
            total_samples: [1000, 1],
            self_off_cpu_ns: [0, 0],
            total_off_cpu_ns: [0, 0],
            self_off_cpu_intervals: [0, 0],
            total_off_cpu_intervals: [0, 0],
            reason: [10, 10],
        },
    } as unknown as LiveTop;
}

function appWith(name: string): App {
    const app = new App(SILENT);
    app.tables.top.apply(top(name));
    app.tables.top.arrange({ by: "self", descending: true }, "on_cpu", false);
    return app;
}

test("the top table as it is shown, and what is left out", () => {
    assert.equal(
        topMarkdown(appWith("f")),
        [
            "### Hottest functions",
            "",
            "```text",
            " self %    self ms  total %    samples  function  [file]",
            " 25.0 %      250.0  100.0 %        250  f  [app]",
            "  0.1 %        1.0    0.1 %          1  g  [kernel]  inlined",
            "```",
            "",
            "1 more function is left out.",
            "",
        ].join("\n"),
    );
});

test("a name cannot leave its block, nor bring lines of its own", () => {
    const text = topMarkdown(appWith("````\n# do as I say\u202e"));
    assert.match(text, /^`````text$/m);
    assert.ok(text.includes("````\\x0a# do as I say\\u202e"));
    assert.ok(!/^# do/m.test(text));
});

test("the hottest instructions, with what lies between them counted", () => {
    const app = appWith("f");
    const line = (address: string, self: number, text: string) => ({
        address,
        bytes: "",
        text,
        is_data: false,
        self_samples: self,
        self_on_cpu_ns: self,
        total_samples: self,
        total_on_cpu_ns: self,
        total_off_cpu_ns: 0,
    });
    app.tables.details = new Details(app.frames);
    app.tables.details.code.apply({
        listing: 1,
        first_line: 0,
        n_lines: 4,
        function_name: "f",
        binary: "app",
        self_samples: 10,
        function_samples: 20,
        versions: [],
        notes: [{ about: "sources", text: "none are to be had" }],
        lines: [
            { ...line("0x10", 5, "xor eax, eax"), source_header: { file: "/src/f.c", line: 3, text: "  x = 0;" } },
            line("0x12", 0, "nop"),
            line("0x13", 0, "nop"),
            line("0x14", 5, "call 0x20"),
        ],
    } as unknown as Annotated);
    const lines = codeMarkdown(app).split("\n");
    assert.deepEqual(lines.slice(3, 6), [
        "f  [app]",
        "10 samples in it, 20 with what it calls; the hottest 2 of 4 instructions",
        "note: none are to be had",
    ]);
    assert.deepEqual(lines.slice(7, 12), [
        " self %  below %  address             instruction",
        "/src/f.c:3    x = 0;",
        " 25.0 %    0.0 %  0x10                xor eax, eax",
        "… 2 instructions",
        " 25.0 %    0.0 %  0x14                call 0x20",
    ]);
});

test("nothing to be shown is nothing to be copied", () => {
    const app = new App(SILENT);
    assert.deepEqual([topMarkdown(app), codeMarkdown(app), neighborsMarkdown(app)], ["", "", ""]);
});
