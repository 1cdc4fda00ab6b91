// Activity over time, with the brush that chooses a range.
//
//     gutter │ canvas: what ran, what waited       and over it, as elements: two handles, what lies outside of the
//            │                                     range, the moment under the pointer
//     names  │ canvas: a strip per thread          only those that can be seen; the rest is scrolled to
//
// Everything has its height before the first answer is there, and keeps it.

import { untracked, useComputed, useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import {
    drawStrip,
    drawTimeline,
    peaks,
    STRIP_PX,
    timelineSlices,
    timelineTokens,
    type Surface,
    type TimelineTokens,
} from "../draw/timeline";
import { Painter } from "../draw/painter";
import { plural, span as spanText, visible } from "../lib/format";
import type { TimelineParams } from "../lib/protocol";
import { look } from "../lib/theme";
import { REASONS } from "../model/scope";
import { momentText, rangeOf, roundCeiling, within, type Span } from "../model/span";
import { KIND_ON_CPU, KIND_RUNNABLE, KIND_WAITS, type Timeline } from "../model/timeline";
import { whyNoWaits } from "../model/waits";
import { timelineView, type End, type TimelineView } from "../model/timeline_view";
import { useApp, useFollow } from "./hooks";

const INTERVAL_MS = 500;
const BUCKETS = 2000;
const STRIP_BUCKETS = 500;
const STRIPS_LEAST = 8;
const STRIPS_MOST = 128;
const DRAG_FROM_PX = 3;
const WHEEL_ZOOM = 0.002;

export function TimelinePanel() {
    const app = useApp();
    const view = timelineView(app);
    const run = useComputed(() => app.state.run.value?.id ?? 0);
    useAnswers(view);
    useEffect(() => app.actions.add(view.actions()), []);
    // The first one is no other one: its answers may be there before it is known which run it is.
    const before = useRef(run.peek());
    useSignalEffect(() => {
        if (before.current !== 0 && run.value !== before.current) {
            untracked(() => view.forgetRun());
        }
        before.current = run.value || before.current;
    });
    useSignalEffect(() => {
        const summary = app.state.run.value;
        view.notePaused(summary?.paused ?? false, app.state.endNs.peek());
    });
    return (
        <section class="timeline" data-place="timeline" aria-label="Timeline">
            <Graph view={view} />
            <Strips view={view} />
        </section>
    );
}

// A question that differs by one bucket is another one, and its answer is whole: that is how what did not fit
// together is asked anew.
function useAnswers(view: TimelineView): void {
    const { app } = view;
    const graphGaps = useSignal(0);
    const stripGaps = useSignal(0);
    useFollow("Live.timeline", () => asked(view, true, BUCKETS - (graphGaps.value % 2), 0), INTERVAL_MS, (answer, fresh) => {
        view.epoch += fresh ? 1 : 0;
        if (app.timeline.apply(answer)) {
            app.state.edgeNs.value = app.timeline.endNs;
        } else {
            graphGaps.value++;
        }
    });
    useFollow(
        "Live.timeline",
        () => asked(view, false, STRIP_BUCKETS - (stripGaps.value % 2), view.strips.value),
        INTERVAL_MS,
        (answer) => {
            if (!app.strips.apply(answer)) {
                stripGaps.value++;
            }
        },
    );
}

// Never about a range of time: the brush lies on top of all of it.
function asked(view: TimelineView, ofThread: boolean, buckets: number, threads: number): TimelineParams {
    const { time_range: _, tid, ...rest } = view.app.view.value;
    return { view: ofThread && tid !== undefined ? { ...rest, tid } : rest, buckets, threads };
}

function useTokens(): ReadonlySignal<TimelineTokens> {
    return useComputed(() => {
        void look.value;
        return timelineTokens();
    });
}

// Painted again when anything that `watch` reads has changed.
function usePainter(paint: (surface: Surface) => void, tokens: ReadonlySignal<TimelineTokens>, watch: () => void) {
    const canvas = useRef<HTMLCanvasElement>(null);
    const painter = useRef<Painter | null>(null);
    useEffect(() => {
        const made = new Painter(canvas.current as HTMLCanvasElement, (ctx, width, height, scale) =>
            paint({ ctx, width, height, scale, tokens: tokens.peek() }),
        );
        painter.current = made;
        return () => made.close();
    }, []);
    useSignalEffect(() => {
        void tokens.value;
        watch();
        painter.current?.mark();
    });
    return { canvas, mark: () => painter.current?.mark() };
}

// ---- All threads, or the chosen one --------------------------------------------------------------

interface Scales {
    readonly cpus: number;
    readonly waits: number;
}

function Graph({ view }: { view: TimelineView }) {
    const { app } = view;
    const { timeline } = app;
    const tokens = useTokens();
    const scales = useSignal<Scales>({ cpus: 1, waits: 1 });
    const key = useRef("");
    const paint = (surface: Surface) => {
        const span = view.shown.peek();
        const slices = timelineSlices(timeline, span, surface.width);
        const now = `${view.epoch} ${span.from} ${span.to}`;
        scales.value = grownScales(scales.peek(), peaks(slices), now !== key.current);
        key.current = now;
        drawTimeline(
            surface,
            {
                timeline,
                span,
                ...scales.peek(),
                reason: view.reason.peek(),
                recording: app.state.recording.peek(),
                paused: view.paused.peek(),
            },
            slices,
        );
    };
    const { canvas } = usePainter(paint, tokens, () => {
        void timeline.version.value;
        void view.shown.value;
        void view.reason.value;
        void view.paused.value;
        void app.state.recording.value;
    });
    return (
        <div class="tl-graph">
            <ScaleGutter view={view} scales={scales} />
            <Plot view={view}>
                <canvas ref={canvas} class="tl-canvas" aria-hidden="true" />
            </Plot>
        </div>
    );
}

// They only grow while the same part is shown: a graph that is drawn smaller because of one bucket is one jump, not two.
function grownScales(old: Scales, now: Scales, anew: boolean): Scales {
    const cpus = Math.max(anew ? 0 : old.cpus, roundCeiling(now.cpus));
    const waits = Math.max(anew ? 0 : old.waits, roundCeiling(now.waits));
    return cpus === old.cpus && waits === old.waits ? old : { cpus, waits };
}

function ScaleGutter({ view, scales }: { view: TimelineView; scales: ReadonlySignal<Scales> }) {
    const { cpus, waits } = scales.value;
    const { app } = view;
    void app.timeline.version.value;
    void app.strips.version.value;
    const how = app.timeline.estimated ? "estimated from samples" : "exact, from switches of threads";
    const tid = app.state.scope.value.tid;
    return (
        <div class="tl-gutter tl-scales">
            <span class="tl-about">{tid === null ? plural(app.strips.nThreads, "thread") : `thread ${tid}`}</span>
            <span class="tl-scale" title={`Threads on a CPU at once, ${how}. Full height: ${cpus}.`}>
                <i class="tl-dot tl-on" /> on CPU{app.timeline.estimated ? " ≈" : ""} <b>{cpus}</b>
            </span>
            <span class="tl-scale" title="Threads that were ready to run and had no CPU, on top of those that had one.">
                <i class="tl-dot tl-ready" /> ready
            </span>
            <span class="tl-scale tl-low" title={`Threads that waited at once, by reason. Full height: ${waits}.`}>
                waiting <b>{waits}</b>
            </span>
        </div>
    );
}

type Grip = { kind: "new"; at: number } | { kind: "move"; at: number; span: Span } | { kind: End; span: Span };

function Plot({ view, children }: { view: TimelineView; children: preact.ComponentChildren }) {
    const plot = useRef<HTMLDivElement>(null);
    const hands = useMemo(() => new Hands(view, () => plot.current as HTMLDivElement), []);
    useEffect(() => {
        const element = plot.current as HTMLDivElement;
        const onWheel = (event: WheelEvent) => hands.wheel(event);
        element.addEventListener("wheel", onWheel, { passive: false });
        return () => element.removeEventListener("wheel", onWheel);
    }, []);
    return (
        <div
            ref={plot}
            class="tl-plot"
            tabIndex={0}
            role="group"
            aria-label="Activity over time. Drag to choose a range; the handles take arrow keys."
            onPointerDown={hands.down}
            onPointerMove={hands.move}
            onPointerUp={hands.up}
            onPointerCancel={hands.cancel}
            onPointerLeave={hands.leave}
            onDblClick={() => view.clear()}
            onKeyDown={hands.key}
        >
            {children}
            <BrushOverlay view={view} />
            <Moment view={view} />
            <Absence view={view} />
        </div>
    );
}

/** What pointers do to the range. */
class Hands {
    private grip: Grip | null = null;
    private downX = 0;
    private moving = false;

    constructor(
        private readonly view: TimelineView,
        private readonly element: () => HTMLElement,
    ) {}

    private nsAt(clientX: number): number {
        const box = this.element().getBoundingClientRect();
        const { from, to } = this.view.shown.value;
        return from + ((clientX - box.left) / Math.max(1, box.width)) * (to - from);
    }

    readonly down = (event: PointerEvent) => {
        if (event.button !== 0) {
            return;
        }
        const at = this.nsAt(event.clientX);
        const span = this.view.chosen.value;
        const end = (event.target as HTMLElement).dataset["end"] as End | undefined;
        if (end !== undefined) {
            this.grip = { kind: end, span: span ?? this.view.bounds.value };
        } else if (span !== null && at >= span.from && at <= span.to && !event.shiftKey) {
            this.grip = { kind: "move", at, span };
        } else {
            this.grip = { kind: "new", at };
        }
        this.downX = event.clientX;
        this.moving = false;
        this.element().setPointerCapture(event.pointerId);
    };

    readonly move = (event: PointerEvent) => {
        const at = this.nsAt(event.clientX);
        this.view.pointerNs.value = at;
        if (this.grip === null || (!this.moving && Math.abs(event.clientX - this.downX) < DRAG_FROM_PX)) {
            return;
        }
        this.moving = true;
        this.view.brush.change(rangeOf(this.spanAt(this.grip, at)));
    };

    readonly up = () => {
        if (this.moving) {
            this.view.brush.end();
        }
        this.grip = null;
        this.moving = false;
    };

    readonly cancel = () => {
        if (this.moving) {
            this.view.brush.cancel();
        }
        this.grip = null;
        this.moving = false;
    };

    readonly leave = () => {
        if (this.grip === null) {
            this.view.pointerNs.value = null;
        }
    };

    readonly key = (event: KeyboardEvent) => {
        if (event.key === "Escape" && this.moving) {
            this.cancel();
            event.preventDefault();
            event.stopPropagation();
        }
    };

    wheel(event: WheelEvent): void {
        const across = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
        if (event.ctrlKey) {
            event.preventDefault();
            this.view.zoom(Math.exp(event.deltaY * WHEEL_ZOOM), this.nsAt(event.clientX));
        } else if (Math.abs(across) > 0) {
            event.preventDefault();
            this.view.pan(across / Math.max(1, this.element().clientWidth));
        }
    }

    private spanAt(grip: Grip, at: number): Span {
        const bounds = this.view.bounds.value;
        const clamped = Math.round(Math.min(Math.max(at, bounds.from), bounds.to));
        if (grip.kind === "move") {
            const by = at - grip.at;
            return within({ from: grip.span.from + by, to: grip.span.to + by }, bounds);
        }
        const fixed = grip.kind === "new" ? grip.at : grip.kind === "from" ? grip.span.to : grip.span.from;
        const other = Math.round(Math.min(Math.max(fixed, bounds.from), bounds.to));
        return within({ from: Math.min(clamped, other), to: Math.max(clamped, other) }, bounds);
    }
}

// The range, as elements: they move without the graph being painted.
function BrushOverlay({ view }: { view: TimelineView }) {
    const chosen = view.chosen.value;
    const shown = view.shown.value;
    const span = chosen ?? view.bounds.value;
    const percent = (ns: number) => {
        const share = (ns - shown.from) / (shown.to - shown.from);
        return Math.min(Math.max(share * 100, 0), 100);
    };
    const [left, right] = [percent(span.from), percent(span.to)];
    return (
        <div class={chosen === null ? "tl-brush tl-all" : "tl-brush"}>
            <div class="tl-shade" style={{ left: 0, width: `${left}%` }} />
            <div class="tl-shade" style={{ left: `${right}%`, right: 0 }} />
            <div class="tl-body" style={{ left: `${left}%`, width: `${Math.max(0, right - left)}%` }}>
                {chosen !== null && <span class="tl-range">{spanText(span.from, span.to)}</span>}
            </div>
            <Handle view={view} end="from" at={span.from} left={left} label="Start of range" />
            <Handle view={view} end="to" at={span.to} left={right} label="End of range" />
        </div>
    );
}

interface HandleProps {
    view: TimelineView;
    end: End;
    at: number;
    left: number;
    label: string;
}

function Handle({ view, end, at, left, label }: HandleProps) {
    const bounds = view.bounds.value;
    const onKeyDown = (event: KeyboardEvent) => {
        const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
        if (isPlain && view.endKey(end, event.key)) {
            event.preventDefault();
            event.stopPropagation();
        }
    };
    return (
        <div
            class={`tl-handle tl-${end}`}
            data-end={end}
            role="slider"
            tabIndex={0}
            aria-label={label}
            aria-orientation="horizontal"
            aria-valuemin={bounds.from / 1e9}
            aria-valuemax={bounds.to / 1e9}
            aria-valuenow={at / 1e9}
            aria-valuetext={momentText(at, bounds.to - bounds.from)}
            style={{ left: `${left}%` }}
            onKeyDown={onKeyDown}
        />
    );
}

// What happened at the moment under the pointer.
function Moment({ view }: { view: TimelineView }) {
    const at = view.pointerNs.value;
    const shown = view.shown.value;
    void view.app.timeline.version.value;
    if (at === null || at < shown.from || at > shown.to) {
        return null;
    }
    const share = (at - shown.from) / (shown.to - shown.from);
    const text = momentSummary(view.app.timeline, at, shown);
    const side = share > 0.5 ? { right: `${(1 - share) * 100}%` } : { left: `${share * 100}%` };
    return (
        <>
            <div class="tl-hair" style={{ left: `${share * 100}%` }} />
            <div class="tl-tip" style={side}>
                {text}
            </div>
        </>
    );
}

function momentSummary(timeline: Timeline, at: number, shown: Span): string {
    const moment = momentText(at, shown.to - shown.from);
    const bucket = timeline.bucketAt(at);
    if (bucket < 0) {
        return `${moment} · nothing recorded`;
    }
    const parts = [`${timeline.mean(bucket, KIND_ON_CPU).toFixed(2)} on CPU`];
    const ready = timeline.mean(bucket, KIND_RUNNABLE);
    if (ready >= 0.005) {
        parts.push(`${ready.toFixed(2)} ready`);
    }
    const waits = REASONS.map((reason, i) => ({ code: reason.code, mean: timeline.mean(bucket, KIND_WAITS + i) }));
    const waiting = waits.reduce((sum, wait) => sum + wait.mean, 0);
    if (waiting >= 0.005) {
        const most = waits.filter((wait) => wait.mean >= 0.005).sort((a, b) => b.mean - a.mean);
        const by = most.slice(0, 4).map((wait) => `${wait.code} ${wait.mean.toFixed(2)}`);
        parts.push(`${waiting.toFixed(2)} waiting: ${by.join(" ")}${most.length > 4 ? " …" : ""}`);
    }
    return `${moment} · ${parts.join(" · ")}`;
}

// Why there is nothing where something could be.
function Absence({ view }: { view: TimelineView }) {
    const { timeline, state } = view.app;
    void timeline.version.value;
    const why = whyNoWaits(view.app);
    if (timeline.n === 0) {
        const run = state.run.value;
        const isOnItsWay = run !== null && run.samples + run.off_cpu_intervals > 0;
        return <div class="tl-absence">{run === null ? "no run yet" : isOnItsWay ? "…" : "nothing recorded yet"}</div>;
    }
    return why === "" ? null : (
        <div class="tl-absence tl-unseen" title={why}>
            waits are not seen here: {why}
        </div>
    );
}

// ---- Threads, each on its own --------------------------------------------------------------------

/** How many threads are asked for: those that can be seen, in few steps, as each step is another question. */
export function stripsAsked(bottomPx: number): number {
    let n = STRIPS_LEAST;
    while (n * STRIP_PX < bottomPx) {
        n *= 2;
    }
    return Math.min(n, STRIPS_MOST);
}

function Strips({ view }: { view: TimelineView }) {
    const { app } = view;
    const { strips } = app;
    const scroller = useRef<HTMLDivElement>(null);
    const top = useSignal(0);
    const height = useSignal(0);
    const tokens = useTokens();
    const { canvas } = usePainter((surface) => paintStrips(surface, view, top.peek()), tokens, () => {
        void strips.version.value;
        void view.shown.value;
        void view.reason.value;
        void app.state.scope.value.tid;
        void top.value;
    });
    useEffect(() => {
        const observer = new ResizeObserver(([entry]) => (height.value = entry.contentRect.height));
        observer.observe(scroller.current as HTMLDivElement);
        return () => observer.disconnect();
    }, []);
    useSignalEffect(() => {
        view.strips.value = Math.max(view.strips.peek(), stripsAsked(top.value + height.value));
    });
    void strips.version.value;
    const rows = Math.min(strips.nThreads, STRIPS_MOST);
    const more = strips.nThreads - rows;
    return (
        <div class="tl-strips">
            <div
                ref={scroller}
                class="tl-scroll"
                onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
                role="group"
                aria-label="Timelines of threads"
            >
                <div class="tl-rows" style={{ height: `${(rows + (more > 0 ? 1 : 0)) * STRIP_PX}px` }}>
                    <canvas ref={canvas} class="tl-strip-canvas" aria-hidden="true" />
                    <StripNames view={view} top={top} height={height} scroller={() => scroller.current} />
                    {more > 0 && (
                        <div class="tl-more" style={{ top: `${rows * STRIP_PX}px` }}>
                            {plural(more, "more thread")}, with less time on a CPU
                        </div>
                    )}
                </div>
            </div>
        </div>
    );
}

interface StripNamesProps {
    view: TimelineView;
    top: ReadonlySignal<number>;
    height: ReadonlySignal<number>;
    scroller: () => HTMLElement | null;
}

// One of them is in the order of the Tab key; the arrows go from one to the next.
function StripNames({ view, top, height, scroller }: StripNamesProps) {
    const { app } = view;
    const current = useSignal(0);
    const all = app.strips.strips;
    const visibleRows = Math.ceil(height.value / STRIP_PX) + 1;
    const first = Math.min(Math.floor(top.value / STRIP_PX), Math.max(0, all.length - 1));
    const reachable = Math.min(Math.max(current.value, first), first + visibleRows - 1, all.length - 1);
    const go = (to: number) => {
        current.value = Math.min(Math.max(to, 0), all.length - 1);
        const box = scroller();
        if (box !== null) {
            const y = current.value * STRIP_PX;
            box.scrollTop = Math.min(Math.max(box.scrollTop, y + STRIP_PX - box.clientHeight), y);
            requestAnimationFrame(() => box.querySelector<HTMLElement>(`[data-row="${current.value}"]`)?.focus());
        }
    };
    const onKeyDown = (event: KeyboardEvent) => {
        const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
        if (by !== 0) {
            event.preventDefault();
            event.stopPropagation();
            go(reachable + by);
        }
    };
    return (
        <div onKeyDown={onKeyDown}>
            {all.slice(first, first + visibleRows).map((strip, i) => (
                <button
                    type="button"
                    key={first + i}
                    data-row={first + i}
                    class="tl-name"
                    style={{ top: `${(first + i) * STRIP_PX}px` }}
                    tabIndex={first + i === reachable ? 0 : -1}
                    aria-pressed={app.state.scope.value.tid === strip.tid}
                    title={`${visible(strip.name)} (thread ${strip.tid} of process ${strip.pid})`}
                    onClick={() => app.setScope({ tid: app.state.scope.value.tid === strip.tid ? null : strip.tid })}
                >
                    <bdi>{visible(strip.name)}</bdi> {strip.tid}
                </button>
            ))}
        </div>
    );
}

function paintStrips(surface: Surface, view: TimelineView, scrollTop: number): void {
    const { ctx, width, height, scale, tokens } = surface;
    const { strips, state } = view.app;
    const { tid } = state.scope.peek();
    const span = view.shown.peek();
    const rowPx = STRIP_PX * scale;
    ctx.fillStyle = tokens.page;
    ctx.fillRect(0, 0, width, height);
    for (let i = Math.floor(scrollTop / STRIP_PX); i < strips.strips.length; i++) {
        const top = Math.round(i * rowPx - scrollTop * scale);
        if (top >= height) {
            break;
        }
        const strip = strips.strips[i];
        if (strip.tid === tid) {
            ctx.fillStyle = tokens.selected;
            ctx.fillRect(0, top, width, Math.round(rowPx));
        }
        drawStrip(surface, strips, strip, span, top, view.reason.peek());
    }
}
