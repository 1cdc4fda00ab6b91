// Threads, one row each: only rows that can be seen are elements, so that there may be thousands.
//
// Rows hold still while the pointer or the focus is on them; the order is made up for when both have left.

import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { count, exact, percentOf, plural, time, visible } from "../lib/format";
import type { Thread } from "../lib/protocol";
import { REASONS } from "../model/scope";
import { HeldOrder, THREADS_AT_MOST, type ThreadColumn } from "../model/threads";
import { timelineView } from "../model/timeline_view";
import { byReason, sumOf } from "../model/waits";
import { TEXT_EVERY_MS, useAtMostEvery } from "./at_most";
import { useApp } from "./hooks";

const ROW_PX = 20;
const AHEAD = 4; // rows beyond what can be seen
const MOST_ROWS = 120; // elements at once, whatever the styles make of the height

const COLUMNS: readonly { column: ThreadColumn; label: string; title: string }[] = [
    { column: "name", label: "thread", title: "Name and id" },
    { column: "on", label: "on CPU", title: "Time on a CPU" },
    { column: "off", label: "waiting", title: "Time spent waiting, by reason" },
    { column: "samples", label: "smp", title: "Samples" },
    { column: "wakeups", label: "wake", title: "How often it was made ready" },
];

export function ThreadsGrid() {
    const app = useApp();
    const view = timelineView(app);
    const order = useRef(new HeldOrder());
    const column = useSignal<ThreadColumn>("on");
    const pointed = useSignal(false);
    const focused = useSignal(false);
    const active = useSignal(0);
    const scroll = useSignal({ top: 0, height: 0 });
    const scroller = useRef<HTMLDivElement>(null);
    void useAtMostEvery(TEXT_EVERY_MS, app.threads.version).value;
    const answer = app.threads.value;
    const held = pointed.value || focused.value;
    const threads = order.current.arrange(answer?.threads ?? [], column.value, held);
    const at = Math.min(active.value, threads.length - 1);

    useEffect(() => {
        const box = scroller.current as HTMLDivElement;
        const read = () => (scroll.value = { top: box.scrollTop, height: box.clientHeight });
        const observer = new ResizeObserver(read);
        observer.observe(box);
        box.addEventListener("scroll", read, { passive: true });
        return () => observer.disconnect();
    }, []);

    const go = (to: number) => {
        active.value = Math.min(Math.max(to, 0), threads.length - 1);
        const box = scroller.current as HTMLDivElement;
        const y = active.value * ROW_PX;
        box.scrollTop = Math.min(Math.max(box.scrollTop, y + ROW_PX - box.clientHeight), y);
    };
    const choose = (index: number) => {
        const thread = threads[index];
        if (thread !== undefined) {
            active.value = index;
            app.setScope({ tid: app.state.scope.value.tid === thread.tid ? null : thread.tid });
        }
    };
    const onKeyDown = (event: KeyboardEvent) => {
        const page = Math.max(1, Math.floor(scroll.value.height / ROW_PX) - 1);
        const to: Record<string, number> = {
            ArrowDown: at + 1,
            ArrowUp: at - 1,
            j: at + 1,
            k: at - 1,
            PageDown: at + page,
            PageUp: at - page,
            Home: 0,
            End: threads.length - 1,
        };
        if (event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        if (event.key in to) {
            go(to[event.key]);
        } else if (event.key === "Enter") {
            choose(at);
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    };
    const more = (answer?.n_threads ?? 0) - threads.length;
    return (
        <div
            class="threads"
            onPointerEnter={() => (pointed.value = true)}
            onPointerLeave={() => (pointed.value = false)}
        >
            <div
                ref={scroller}
                class="threads-scroll"
                role="grid"
                aria-label="Threads"
                aria-rowcount={(answer?.n_threads ?? 0) + 1}
                aria-colcount={COLUMNS.length}
                aria-activedescendant={threads.length > 0 ? `th-${at}` : undefined}
                tabIndex={0}
                onKeyDown={onKeyDown}
                onFocus={() => (focused.value = true)}
                onBlur={() => (focused.value = false)}
            >
                <Head column={column} held={held} />
                <Rows threads={threads} scroll={scroll.value} active={focused.value ? at : -1} choose={choose} />
            </div>
            {app.threads.trouble !== "" && <p class="side-note">{app.threads.trouble}</p>}
            {more > 0 && (
                <button type="button" class="threads-more" onClick={() => (view.threadLimit.value = THREADS_AT_MOST)}>
                    {plural(more, "more thread")}
                    {view.threadLimit.value < THREADS_AT_MOST ? ": show" : " with less time on a CPU"}
                </button>
            )}
        </div>
    );
}

function Head({ column, held }: { column: Signal<ThreadColumn>; held: boolean }) {
    return (
        <div class="threads-head" role="row" aria-rowindex={1}>
            {COLUMNS.map((one) => (
                <div
                    key={one.column}
                    role="columnheader"
                    aria-sort={column.value === one.column ? (one.column === "name" ? "ascending" : "descending") : "none"}
                >
                    <button type="button" tabIndex={-1} title={one.title} onClick={() => (column.value = one.column)}>
                        {one.label}
                        {column.value === one.column ? (one.column === "name" ? " ▴" : " ▾") : ""}
                    </button>
                </div>
            ))}
            <span class={held ? "held held-on" : "held"} title="Rows stay where they are while you are here">
                held
            </span>
        </div>
    );
}

interface RowsProps {
    threads: readonly Thread[];
    scroll: { top: number; height: number };
    active: number;
    choose(index: number): void;
}

function Rows({ threads, scroll, active, choose }: RowsProps) {
    const app = useApp();
    const first = Math.max(0, Math.floor(scroll.top / ROW_PX) - AHEAD);
    const seen = Math.min(Math.ceil(scroll.height / ROW_PX), MOST_ROWS);
    const last = Math.min(threads.length, first + seen + 2 * AHEAD);
    const shown = threads.slice(first, last);
    const mostOn = Math.max(1, ...shown.map((thread) => thread.on_cpu_ns));
    const mostOff = Math.max(1, ...shown.map((thread) => sumOf(byReason(thread.off_cpu))));
    const total = app.threads.value?.total_on_cpu_ns ?? 0;
    return (
        <div class="threads-rows" role="rowgroup" style={{ height: `${threads.length * ROW_PX}px` }}>
            {shown.map((thread, i) => (
                <div
                    key={first + i}
                    id={`th-${first + i}`}
                    role="row"
                    aria-rowindex={first + i + 2}
                    aria-selected={app.state.scope.value.tid === thread.tid}
                    class={first + i === active ? "threads-row threads-active" : "threads-row"}
                    style={{ top: `${(first + i) * ROW_PX}px` }}
                    onClick={() => choose(first + i)}
                >
                    <Cells thread={thread} mostOn={mostOn} mostOff={mostOff} total={total} />
                </div>
            ))}
        </div>
    );
}

interface CellsProps {
    thread: Thread;
    mostOn: number;
    mostOff: number;
    total: number;
}

function Cells({ thread, mostOn, mostOff, total }: CellsProps) {
    const waits = byReason(thread.off_cpu);
    const share = percentOf(thread.on_cpu_ns, total);
    return (
        <>
            <div role="gridcell" class="threads-who" title={`${visible(thread.name)}: thread ${thread.tid} of process ${thread.pid}`}>
                <bdi>{visible(thread.name)}</bdi> <span class="threads-tid">{thread.tid}</span>
            </div>
            <div role="gridcell" class="threads-bar number" title={`${time(thread.on_cpu_ns)} on a CPU, ${share}`}>
                <i class="tl-on" style={{ width: `${(thread.on_cpu_ns / mostOn) * 100}%` }} />
                <span>{time(thread.on_cpu_ns)}</span>
            </div>
            <div role="gridcell" class="threads-bar number" title={waitsText(waits)}>
                <i style={{ width: `${(sumOf(waits) / mostOff) * 100}%`, backgroundImage: stacked(waits) }} />
                <span>{time(sumOf(waits))}</span>
            </div>
            <div role="gridcell" class="number" title={exact(thread.samples)}>
                {count(thread.samples)}
            </div>
            <div role="gridcell" class="number" title={exact(thread.wakeups)}>
                {count(thread.wakeups)}
            </div>
        </>
    );
}

function waitsText(waits: readonly number[]): string {
    const total = sumOf(waits);
    if (total === 0) {
        return "It did not wait";
    }
    const parts = waits
        .map((ns, i) => ({ ns, i }))
        .filter(({ ns }) => ns > 0)
        .sort((a, b) => b.ns - a.ns)
        .map(({ ns, i }) => `${REASONS[i].code} ${REASONS[i].label} ${time(ns)}`);
    return `${time(total)} waiting: ${parts.join(", ")}`;
}

/** Reasons side by side, in their order, as a background. */
export function stacked(waits: readonly number[]): string {
    const total = sumOf(waits);
    if (total === 0) {
        return "none";
    }
    let at = 0;
    const stops: string[] = [];
    waits.forEach((ns, i) => {
        if (ns > 0) {
            const to = at + ns / total;
            stops.push(`var(--reason-${REASONS[i].name}) ${(at * 100).toFixed(2)}% ${(to * 100).toFixed(2)}%`);
            at = to;
        }
    });
    return `linear-gradient(to right, ${stops.join(", ")})`;
}
