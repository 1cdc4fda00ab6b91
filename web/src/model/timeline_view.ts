// What the timeline shows of a run, and what a person does to it. No drawing, no elements.

import { computed, signal } from "@preact/signals";
import {
    moved,
    nextFollowed,
    rangeOf,
    spanOf,
    wholeRun,
    withEnd,
    within,
    zoomed,
    type Span,
} from "./span";
import type { Action } from "./actions";
import type { App } from "./app";
import { Brush } from "./brush";
import { THREADS_AT_FIRST } from "./threads";

const STEP = 0.01; // of what is shown: an arrow key
const LEAP = 0.1; // Page Up and Page Down, and panning
const CLOSER = 0.7;
const AHEAD = 0.05; // what is kept free to the right of a followed end
const MOST_PAUSES = 500;

export type End = "from" | "to";

export class TimelineView {
    readonly brush: Brush;
    /** The part that was zoomed into; null: the whole run. */
    readonly window = signal<Span | null>(null);
    /** The reason that the pointer is on, in whatever panel. */
    readonly hovered = signal<number | null>(null);
    /** Where the pointer is; null: elsewhere. */
    readonly pointerNs = signal<number | null>(null);
    /** When the run took in no samples, as far as this page saw it. */
    readonly paused = signal<readonly Span[]>([]);
    /** Rises when the answers are about something else than before. */
    epoch = 0;
    /** How many threads are asked for, each on its own. */
    readonly strips = signal(0);
    /** How many threads the table of threads asks for. */
    readonly threadLimit = signal(THREADS_AT_FIRST);

    constructor(readonly app: App) {
        this.brush = new Brush(app);
    }

    readonly bounds = computed<Span>(() => ({ from: 0, to: Math.max(this.app.state.endNs.value, 1) }));

    readonly whole = computed<Span>(() => wholeRun(this.app.state.endNs.value, this.app.state.recording.value));

    /** What is on the screen. */
    readonly shown = computed<Span>(() => {
        const window = this.window.value;
        if (window === null) {
            return this.whole.value;
        }
        if (this.app.state.scope.value.range.kind === "last" && this.brush.held.value === null) {
            const length = window.to - window.from;
            const to = this.bounds.value.to + length * AHEAD;
            return { from: Math.max(0, to - length), to: Math.max(to, length) };
        }
        return within(window, this.whole.value);
    });

    /** What is chosen; null: everything. */
    readonly chosen = computed<Span | null>(() => {
        const range = this.brush.held.value ?? this.app.state.scope.value.range;
        return spanOf(range, this.app.state.endNs.value);
    });

    /** The only reason that is to stand out; null: all do. */
    readonly reason = computed(() => this.hovered.value ?? this.app.state.scope.value.reason);

    pan(screens: number): void {
        const { shown, whole } = this;
        const length = shown.value.to - shown.value.from;
        this.window.value = moved(shown.value, length * screens, whole.value);
    }

    /** `at`: what keeps its place; else the pointer, else the middle of what is chosen, else of what is shown. */
    zoom(factor: number, at?: number): void {
        const shown = this.shown.value;
        const chosen = this.chosen.value;
        const middle = chosen === null ? (shown.from + shown.to) / 2 : (chosen.from + chosen.to) / 2;
        const fixed = at ?? this.pointerNs.value ?? Math.min(Math.max(middle, shown.from), shown.to);
        const span = zoomed(shown, factor, fixed, this.whole.value);
        const whole = this.whole.value;
        this.window.value = span.to - span.from >= whole.to - whole.from ? null : span;
    }

    nudge(steps: number): void {
        const chosen = this.chosen.value;
        if (chosen !== null) {
            this.brush.press(rangeOf(moved(chosen, steps * this.step(STEP), this.bounds.value)));
        }
    }

    resize(end: End, ns: number): void {
        const span = this.chosen.value ?? this.bounds.value;
        this.brush.press(rangeOf(withEnd(span, end, ns, this.bounds.value)));
    }

    /** A key on one end of the range. False: it means nothing there. */
    endKey(end: End, key: string): boolean {
        const at = (this.chosen.value ?? this.bounds.value)[end];
        const to: Record<string, number> = {
            ArrowLeft: at - this.step(STEP),
            ArrowDown: at - this.step(STEP),
            ArrowRight: at + this.step(STEP),
            ArrowUp: at + this.step(STEP),
            PageDown: at - this.step(LEAP),
            PageUp: at + this.step(LEAP),
            Home: this.bounds.value.from,
            End: this.bounds.value.to,
        };
        if (!(key in to)) {
            return false;
        }
        this.resize(end, to[key]);
        return true;
    }

    clear(): void {
        if (this.brush.held.value !== null) {
            this.brush.cancel();
        }
        if (this.app.state.scope.value.range.kind !== "all") {
            this.app.setScope({ range: { kind: "all" } });
        }
    }

    follow(): void {
        this.brush.end();
        this.app.setScope({ range: nextFollowed(this.app.state.scope.value.range) });
    }

    /** Samples are, or are not, taken in now: `endNs` is as far as that is known. */
    notePaused(paused: boolean, endNs: number): void {
        const known = this.paused.peek();
        const last = known[known.length - 1];
        const isOpen = last !== undefined && last.to === Infinity;
        if (paused && !isOpen && known.length < MOST_PAUSES) {
            this.paused.value = [...known, { from: endNs, to: Infinity }];
        } else if (!paused && isOpen) {
            this.paused.value = [...known.slice(0, -1), { from: last.from, to: endNs }];
        }
    }

    forgetRun(): void {
        this.brush.cancel();
        this.window.value = null;
        this.paused.value = [];
        this.threadLimit.value = THREADS_AT_FIRST;
        this.app.timeline.clear();
        this.app.strips.clear();
    }

    actions(): Action[] {
        const place = "timeline";
        const isChosen = () => this.chosen.value !== null;
        const action = (id: string, label: string, keys: string[], run: () => void, enabled?: () => boolean): Action =>
            enabled === undefined ? { id, label, place, keys, run } : { id, label, place, keys, run, enabled };
        const chosenAction = (id: string, label: string, key: string, run: () => void) =>
            action(id, label, [key], run, isChosen);
        return [
            action("timeline.left", "Move the timeline to earlier times", ["a"], () => this.pan(-LEAP)),
            action("timeline.right", "Move the timeline to later times", ["d"], () => this.pan(LEAP)),
            action("timeline.closer", "Show less time, larger", ["w"], () => this.zoom(CLOSER)),
            action("timeline.farther", "Show more time", ["s"], () => this.zoom(1 / CLOSER)),
            action("timeline.whole", "Show the whole run", ["0"], () => (this.window.value = null)),
            action("timeline.follow", "Follow the end: last 2, 10, 60 s, everything", ["l"], () => this.follow()),
            chosenAction("timeline.shorter", "Make the range shorter", "Shift+,", () => this.grow(-1)),
            chosenAction("timeline.longer", "Make the range longer", "Shift+.", () => this.grow(1)),
            chosenAction("timeline.earlier", "Move the range to earlier times", ",", () => this.nudge(-1)),
            chosenAction("timeline.later", "Move the range to later times", ".", () => this.nudge(1)),
            chosenAction("timeline.clear", "Choose all of the time", "Escape", () => this.clear()),
        ];
    }

    private grow(steps: number): void {
        const chosen = this.chosen.value;
        if (chosen !== null) {
            this.resize("to", chosen.to + steps * this.step(STEP));
        }
    }

    private step(share: number): number {
        return (this.shown.value.to - this.shown.value.from) * share;
    }
}

const views = new WeakMap<App, TimelineView>();

/** The one of an app: the legend points at reasons in it. */
export function timelineView(app: App): TimelineView {
    let view = views.get(app);
    if (view === undefined) {
        view = new TimelineView(app);
        views.set(app, view);
    }
    return view;
}
