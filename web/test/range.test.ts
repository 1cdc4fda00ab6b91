import assert from "node:assert/strict";
import { test } from "node:test";
import { effect } from "@preact/signals";
import type { Transport } from "../src/lib/transport";
import type { Thread } from "../src/lib/protocol";
import { App } from "../src/model/app";
import { ASK_EVERY_MS, Brush, type Clock } from "../src/model/brush";
import { REASONS, type Range } from "../src/model/scope";
import {
    momentText,
    moved,
    nextFollowed,
    roundCeiling,
    SHORTEST_NS,
    spanOf,
    ticks,
    tickText,
    wholeRun,
    within,
    withEnd,
    zoomed,
} from "../src/model/span";
import { HeldOrder } from "../src/model/threads";
import { timelineView } from "../src/model/timeline_view";
import { random } from "./random";

const S = 1e9;

class NoTransport implements Transport {
    readonly origin = "nowhere";
    readonly live = true;
    onState = () => {};
    onText = () => {};
    start(): void {}
    send(): void {}
    close(): void {}
}

class FakeClock implements Clock {
    now = 0;
    private next = 1;
    private readonly timers = new Map<number, { at: number; run: () => void }>();

    set(run: () => void, ms: number): number {
        this.timers.set(this.next, { at: this.now + ms, run });
        return this.next++;
    }

    clear(timer: number): void {
        this.timers.delete(timer);
    }

    pass(ms: number): void {
        const end = this.now + ms;
        for (;;) {
            const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
            if (due === undefined) {
                break;
            }
            this.timers.delete(due[0]);
            this.now = due[1].at;
            due[1].run();
        }
        this.now = end;
    }
}

function fixed(from: number, to: number): Range {
    return { kind: "fixed", startNs: from * S, endNs: to * S };
}

function brushOf(app: App): { brush: Brush; clock: FakeClock; ranges: Range[]; steps: Range[] } {
    const clock = new FakeClock();
    const ranges: Range[] = [];
    const steps: Range[] = [];
    app.onScopeStep = () => steps.push(app.state.scope.value.range);
    effect(() => {
        ranges.push(app.state.scope.value.range);
    });
    ranges.length = 0;
    return { brush: new Brush(app, clock), clock, ranges, steps };
}

test("a drag asks five times a second and is one step back to where it began", () => {
    const app = new App(new NoTransport());
    const { brush, clock, ranges, steps } = brushOf(app);
    for (let i = 1; i <= 100; i++) {
        brush.change(fixed(0, i));
        assert.deepEqual(brush.range, fixed(0, i));
        clock.pass(10);
    }
    assert.ok(ranges.length >= 4 && ranges.length <= 1 + 1000 / ASK_EVERY_MS, `${ranges.length} questions in a second`);
    assert.deepEqual(steps, []);
    brush.end();
    assert.deepEqual(steps, [{ kind: "all" }]);
    assert.deepEqual(app.state.scope.value.range, fixed(0, 100));
    assert.equal(brush.held.value, null);
    clock.pass(10_000);
    assert.deepEqual(app.state.scope.value.range, fixed(0, 100));
});

test("the questions never go back to where a drag began", () => {
    const app = new App(new NoTransport());
    app.setScope({ range: fixed(1, 2) });
    const { brush, ranges } = brushOf(app);
    brush.change(fixed(3, 4));
    brush.end();
    assert.ok(ranges.length > 0);
    ranges.forEach((range) => assert.deepEqual(range, fixed(3, 4)));
});

test("a drag that is broken off, or comes back, is no step", () => {
    const app = new App(new NoTransport());
    app.setScope({ range: fixed(1, 2) });
    const { brush, clock, steps } = brushOf(app);
    brush.change(fixed(3, 4));
    clock.pass(500);
    brush.cancel();
    assert.deepEqual(app.state.scope.value.range, fixed(1, 2));
    brush.change(fixed(3, 4));
    brush.change(fixed(1, 2));
    brush.end();
    assert.deepEqual(app.state.scope.value.range, fixed(1, 2));
    assert.deepEqual(steps, []);
});

test("presses of a key that follow each other are one step", () => {
    const app = new App(new NoTransport());
    const { brush, clock, steps } = brushOf(app);
    for (let i = 1; i <= 10; i++) {
        brush.press(fixed(0, i));
        clock.pass(100);
    }
    clock.pass(2000);
    assert.equal(steps.length, 1);
    brush.press(fixed(0, 20));
    clock.pass(2000);
    assert.equal(steps.length, 2);
    assert.deepEqual(app.state.scope.value.range, fixed(0, 20));
});

test("what else changed during a drag stays changed", () => {
    const app = new App(new NoTransport());
    const { brush } = brushOf(app);
    brush.change(fixed(0, 1));
    app.state.scope.value = { ...app.state.scope.value, tid: 7 };
    brush.end();
    assert.equal(app.state.scope.value.tid, 7);
    assert.deepEqual(app.state.scope.value.range, fixed(0, 1));
});

test("a picture of a run keeps its range, and says why", () => {
    const app = new App(new NoTransport());
    app.fixed = "This page is a picture.";
    const { brush } = brushOf(app);
    brush.change(fixed(0, 1));
    brush.end();
    assert.deepEqual(app.state.scope.value.range, { kind: "all" });
    assert.equal(brush.held.value, null);
    assert.equal(app.messages.list.value[0].text, app.fixed);
});

test("a run that goes on is shown in steps, one that is over as it is", () => {
    assert.deepEqual(wholeRun(3.2 * S, false), { from: 0, to: 3.2 * S });
    assert.deepEqual(wholeRun(3.2 * S, true), { from: 0, to: 10 * S });
    let before = 0;
    let steps = 0;
    for (let end = 0; end < 3600 * S; end += S / 2) {
        const { to } = wholeRun(end, true);
        assert.ok(to >= end && to >= before && (end < 10 * S || to <= end * 1.5 + 1), `${end}`);
        steps += to > before ? 1 : 0;
        before = to;
    }
    assert.ok(steps <= 20, `${steps} steps in an hour`);
});

test("whatever is done to a range, it stays within the run and never ends before it begins", () => {
    const next = random(1);
    for (let i = 0; i < 2000; i++) {
        const bounds = { from: 0, to: Math.ceil(next() * 100 * S) };
        const start = Math.floor(next() * bounds.to);
        let span = within({ from: start, to: start + Math.floor(next() * bounds.to) }, bounds);
        for (let k = 0; k < 4; k++) {
            const how = Math.floor(next() * 4);
            const at = (next() * 3 - 1) * bounds.to;
            span =
                how === 0
                    ? moved(span, at, bounds)
                    : how === 1
                      ? zoomed(span, next() * 3, span.from + next() * (span.to - span.from), bounds)
                      : within(withEnd(span, how === 2 ? "from" : "to", at, bounds), bounds);
            const text = JSON.stringify({ bounds, span, how, at });
            assert.ok(Number.isInteger(span.from) && Number.isInteger(span.to), text);
            assert.ok(span.from >= 0 && span.to <= Math.max(bounds.to, SHORTEST_NS) && span.to > span.from, text);
        }
    }
});

test("moving keeps the length, zooming keeps the moment", () => {
    const bounds = { from: 0, to: 100 };
    const far = { from: 0, to: 1e6 };
    assert.deepEqual(moved({ from: 2e5, to: 3e5 }, 1e4, far), { from: 2.1e5, to: 3.1e5 });
    assert.deepEqual(moved({ from: 8e5, to: 9e5 }, 1e6, far), { from: 9e5, to: 1e6 });
    assert.deepEqual(zoomed({ from: 0, to: 4e5 }, 0.5, 1e5, far), { from: 5e4, to: 2.5e5 });
    assert.equal(spanOf({ kind: "all" }, 5), null);
    assert.deepEqual(spanOf({ kind: "last", seconds: 2 }, 5 * S), { from: 3 * S, to: 5 * S });
    assert.deepEqual(spanOf({ kind: "last", seconds: 10 }, 5 * S), { from: 0, to: 5 * S });
    assert.ok(within({ from: 50, to: 60 }, bounds).from === 0);
});

test("following goes from 2 s to 10, 60 and back to everything", () => {
    const seen: Range[] = [];
    let range: Range = { kind: "all" };
    for (let i = 0; i < 4; i++) {
        range = nextFollowed(range);
        seen.push(range);
    }
    const last = (seconds: number): Range => ({ kind: "last", seconds });
    assert.deepEqual(seen, [last(2), last(10), last(60), { kind: "all" }]);
    assert.deepEqual(nextFollowed(fixed(1, 2)), last(2));
});

test("ticks are round, apart, and told from each other", () => {
    const next = random(9);
    for (let i = 0; i < 500; i++) {
        const from = Math.floor(next() * 1000 * S);
        const span = { from, to: from + Math.max(SHORTEST_NS, Math.floor(10 ** (3 + next() * 10))) };
        const { at, stepNs } = ticks(span, 1000, 90);
        assert.ok((stepNs / (span.to - span.from)) * 1000 >= 89.9, `${stepNs} of ${span.to - span.from}`);
        const texts = at.map((ns) => tickText(ns, stepNs));
        assert.equal(new Set(texts).size, texts.length, texts.join(", "));
        at.forEach((ns) => assert.ok(ns >= span.from && ns <= span.to + 1));
    }
    assert.deepEqual(ticks({ from: 0, to: 10 * S }, 1000, 90).at, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((s) => s * S));
    assert.equal(tickText(1.5 * S, 0.5 * S), "1.5 s");
    assert.equal(tickText(7200 * S, 600 * S), "2:00 h");
    assert.equal(momentText(1.2 * S, 20 * S), "1.20 s");
    assert.equal(momentText(1.2345 * S, 0.01 * S), "1.20 s".replace("1.20", "1.23450"));
});

test("a scale is a round number that is not too small", () => {
    for (const [most, round] of [
        [0, 1],
        [0.4, 1],
        [1.0005, 1],
        [1.2, 1.5],
        [9, 10],
        [13, 15],
        [801, 1000],
    ]) {
        assert.equal(roundCeiling(most), round, `${most}`);
    }
});

test("ends of the range take keys, and stay in the run", () => {
    const app = new App(new NoTransport());
    app.state.edgeNs.value = 10 * S;
    const clock = new FakeClock();
    const view = timelineView(app);
    Object.assign(view, { brush: new Brush(app, clock) });
    assert.equal(view.endKey("from", "x"), false);
    assert.ok(view.endKey("from", "PageUp"));
    assert.deepEqual(view.chosen.value, { from: S, to: 10 * S });
    view.endKey("to", "ArrowLeft");
    assert.deepEqual(view.chosen.value, { from: S, to: 9.9 * S });
    view.endKey("from", "Home");
    view.endKey("to", "End");
    view.endKey("to", "ArrowRight");
    assert.deepEqual(view.chosen.value, { from: 0, to: 10 * S });
    view.endKey("from", "End");
    assert.deepEqual(view.chosen.value, { from: 10 * S - SHORTEST_NS, to: 10 * S });
    clock.pass(2000);
    view.follow();
    app.state.edgeNs.value = 20 * S;
    assert.deepEqual(view.chosen.value, { from: 18 * S, to: 20 * S });
    view.clear();
    assert.equal(view.chosen.value, null);
});

test("a window that was zoomed into goes along with a followed end", () => {
    const app = new App(new NoTransport());
    app.state.edgeNs.value = 100 * S;
    const view = timelineView(app);
    view.zoom(0.1, 50 * S);
    assert.deepEqual(view.shown.value, { from: 45 * S, to: 55 * S });
    app.setScope({ range: { kind: "last", seconds: 2 } });
    assert.ok(view.shown.value.to > 100 * S && view.shown.value.from > 90 * S);
    view.zoom(1000);
    assert.deepEqual(view.shown.value, view.whole.value);
});

test("what is paused is a stretch that ends when it goes on", () => {
    const app = new App(new NoTransport());
    const view = timelineView(app);
    view.notePaused(false, 1);
    view.notePaused(true, 2);
    view.notePaused(true, 3);
    assert.deepEqual(view.paused.value, [{ from: 2, to: Infinity }]);
    view.notePaused(false, 4);
    assert.deepEqual(view.paused.value, [{ from: 2, to: 4 }]);
});

const NO_OFF = Object.fromEntries(REASONS.map(({ name }) => [`${name}_ns`, 0])) as unknown as Thread["off_cpu"];

function thread(tid: number, on: number, name = `t${tid}`): Thread {
    return {
        tid,
        pid: 1,
        name,
        on_cpu_ns: on,
        off_cpu: NO_OFF,
        runnable_ns: 0,
        samples: on,
        wakeups: 0,
        started_ns: 0,
    };
}

test("rows hold still while they are held, and new ones come last", () => {
    const order = new HeldOrder();
    const tids = (threads: Thread[]) => threads.map((one) => one.tid);
    assert.deepEqual(tids(order.arrange([thread(1, 10), thread(2, 20), thread(3, 5)], "on", false)), [2, 1, 3]);
    const later = [thread(1, 99), thread(3, 50), thread(4, 70), thread(5, 80), thread(2, 20)];
    assert.deepEqual(tids(order.arrange(later, "on", true)), [2, 1, 3, 5, 4]);
    assert.deepEqual(tids(order.arrange(later.slice(0, 3), "on", true)), [1, 3, 4]);
    assert.deepEqual(tids(order.arrange(later, "on", false)), [1, 5, 4, 3, 2]);
    assert.deepEqual(tids(order.arrange([thread(9, 1, "a"), thread(8, 1, "b"), thread(7, 1, "a")], "name", false)), [7, 9, 8]);
});
