import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveTop } from "../src/lib/protocol";
import { Frames } from "../src/model/frames";
import { scopeTotal, TopModel } from "../src/model/top";

type Line = [name: string, self: number, total: number, address?: string];

const BY_SELF = { by: "self", descending: true } as const;

const OFF = {
    idle_ns: 1,
    lock_ns: 2,
    semaphore_ns: 0,
    ipc_ns: 0,
    io_read_ns: 0,
    io_write_ns: 0,
    readiness_ns: 0,
    sleep_ns: 4,
    connect_ns: 0,
    other_ns: 0,
};

/** A server that numbers functions as it first sends them. */
class Server {
    private numbers = new Map<string, number>();

    answer(lines: Line[], full = false): LiveTop {
        if (full) {
            this.numbers.clear();
        }
        const first = this.numbers.size;
        const added: Line[] = [];
        const keys = lines.map((line) => `${line[0]} ${line[3] ?? "0x1"}`);
        keys.forEach((key, i) => {
            if (!this.numbers.has(key)) {
                this.numbers.set(key, this.numbers.size);
                added.push(lines[i]);
            }
        });
        const all = <T>(value: T) => lines.map(() => value);
        return {
            total_on_cpu_ns: 1000,
            total_off_cpu: OFF,
            n_functions: 99,
            full,
            functions: {
                first,
                name: added.map((line) => line[0]),
                binary: added.map(() => "app"),
                kind: added.map(() => 0),
                language: added.map(() => "c"),
                inlined: added.map(() => false),
                address: added.map((line) => line[3] ?? "0x1"),
            },
            rows: {
                function: keys.map((key) => this.numbers.get(key) as number),
                self_on_cpu_ns: lines.map((line) => line[1]),
                total_on_cpu_ns: lines.map((line) => line[2]),
                self_samples: all(1),
                total_samples: all(1),
                self_off_cpu_ns: all(0),
                total_off_cpu_ns: all(0),
                self_off_cpu_intervals: all(0),
                total_off_cpu_intervals: all(0),
                reason: all(10),
            },
        } as unknown as LiveTop;
    }
}

function names(top: TopModel, frames: Frames): string[] {
    return top.order.map((row) => frames.name[row.frame]);
}

test("rows are ordered, and stand still while they are held, with new numbers", () => {
    const [frames, server] = [new Frames(), new Server()];
    const top = new TopModel(frames);
    assert.ok(top.apply(server.answer([["a", 5, 9], ["b", 3, 3], ["c", 1, 1]], true)));
    top.arrange(BY_SELF, "on_cpu", false);
    assert.deepEqual(names(top, frames), ["a", "b", "c"]);
    assert.ok(top.apply(server.answer([["c", 9, 9], ["a", 6, 9], ["d", 5, 5]])));
    top.arrange(BY_SELF, "on_cpu", true);
    assert.deepEqual(names(top, frames), ["a", "b", "c"]);
    assert.deepEqual(top.order.map((row) => [row.known, row.selfOn]), [[true, 6], [false, 3], [true, 9]]);
    top.arrange(BY_SELF, "on_cpu", false);
    assert.deepEqual(names(top, frames), ["c", "a", "d"]);
});

test("sorting by each column, and equal rows by name", () => {
    const [frames, server] = [new Frames(), new Server()];
    const top = new TopModel(frames);
    top.apply(server.answer([["b", 5, 5], ["a", 5, 7], ["c", 1, 9]], true));
    top.arrange({ by: "total", descending: true }, "on_cpu", false);
    assert.deepEqual(names(top, frames), ["c", "a", "b"]);
    top.arrange({ by: "name", descending: false }, "on_cpu", false);
    assert.deepEqual(names(top, frames), ["a", "b", "c"]);
    top.arrange(BY_SELF, "on_cpu", false);
    assert.deepEqual(names(top, frames), ["a", "b", "c"]);
});

test("a pinned row stays on top, also when it is not among the hottest any more", () => {
    const [frames, server] = [new Frames(), new Server()];
    const top = new TopModel(frames);
    top.apply(server.answer([["a", 5, 5], ["b", 3, 3]], true));
    top.arrange(BY_SELF, "on_cpu", false);
    top.togglePin(top.order[1]);
    top.apply(server.answer([["a", 5, 5], ["c", 4, 4]], true));
    top.arrange(BY_SELF, "on_cpu", false);
    assert.deepEqual(names(top, frames), ["b", "a", "c"]);
    assert.equal(top.order[0].known, false);
    top.togglePin(top.order[0]);
    top.arrange(BY_SELF, "on_cpu", false);
    assert.deepEqual(names(top, frames), ["a", "c"]);
});

test("two functions of one name are two rows", () => {
    const [frames, server] = [new Frames(), new Server()];
    const top = new TopModel(frames);
    top.apply(server.answer([["main", 5, 5, "0x10"], ["main", 3, 3, "0x20"]], true));
    top.arrange(BY_SELF, "on_cpu", false);
    assert.deepEqual(top.order.map((row) => row.address), ["0x10", "0x20"]);
    assert.equal(top.order[0].frame, top.order[1].frame);
});

test("a message that does not continue what came before, and numbers that were never sent, change nothing", () => {
    const [frames, server] = [new Frames(), new Server()];
    const top = new TopModel(frames);
    top.apply(server.answer([["a", 5, 5]], true));
    const wrong = server.answer([["b", 1, 1]]);
    wrong.functions.first = 7;
    assert.equal(top.apply(wrong), false);
    const odd = new Server().answer([["a", 6, 6]], true);
    odd.rows.function[0] = 12;
    assert.ok(top.apply(odd));
    top.arrange(BY_SELF, "on_cpu", false);
    assert.deepEqual(names(top, frames), []);
});

test("100 % is what the mode and the reason count", () => {
    assert.equal(scopeTotal({ mode: "on_cpu", reason: null }, 1000, OFF), 1000);
    assert.equal(scopeTotal({ mode: "off_cpu", reason: null }, 1000, OFF), 7);
    assert.equal(scopeTotal({ mode: "off_cpu", reason: 1 }, 1000, OFF), 2);
    assert.equal(scopeTotal({ mode: "wall", reason: null }, 1000, OFF), 1007);
    assert.equal(scopeTotal({ mode: "wall", reason: null }, 1000, null), 1000);
});
