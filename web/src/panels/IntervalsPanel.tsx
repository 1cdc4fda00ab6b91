// Single waits: when, how long, why, where, and who ended them.

import { useSignal } from "@preact/signals";
import { exact, milliseconds, seconds, visible } from "../lib/format";
import type { Interval, IntervalsParams } from "../lib/protocol";
import type { App } from "../model/app";
import { modeOf, REASONS } from "../model/scope";
import { useDetails } from "./details";
import { useApp, useFollow } from "./hooks";
import { FunctionName, Name, ReasonCode } from "./TableNames";
import { VirtualRows, type Row } from "./VirtualRows";

const INTERVAL_MS = 1000;
const ROW_HEIGHT = 22;
const PAGE = 100;
const MOST = 5000;
const ORDERS = ["longest", "newest", "oldest"] as const;
/** How much of a wait's own length is shown around it, when it becomes the range. */
const MARGIN = 0.25;

type Order = NonNullable<IntervalsParams["order"]>;

function keyOf(wait: Interval): string {
    return `${wait.tid} ${wait.start_ns}`;
}

function showInTime(app: App, wait: Interval): void {
    const margin = Math.max(1e5, wait.duration_ns * MARGIN);
    app.setScope({
        range: {
            kind: "fixed",
            startNs: Math.max(0, Math.round(wait.start_ns - margin)),
            endNs: Math.round(wait.start_ns + wait.duration_ns + margin),
        },
    });
}

export function IntervalsPanel() {
    const app = useApp();
    const { state } = app;
    const { intervals, wait: chosen } = useDetails();
    const order = useSignal<Order>("longest");
    const leastMs = useSignal(0);
    const limit = useSignal(PAGE);
    const current = useSignal(0);
    useFollow(
        "Profiler.intervals",
        () => {
            const { reason } = modeOf(state.scope.value);
            return {
                view: app.view.value,
                order: order.value,
                limit: limit.value,
                min_ns: Math.round(leastMs.value * 1e6),
                ...(reason === undefined ? {} : { reason }),
            };
        },
        INTERVAL_MS,
        (answer) => intervals.set(answer),
        (error) => intervals.fail(error.message),
    );
    void intervals.version.value;
    const answer = intervals.value;
    const entries = answer?.entries ?? [];
    const at = entries.findIndex((wait) => keyOf(wait) === chosen.value);
    const selected = at < 0 ? null : entries[at];
    const select = (index: number) => {
        current.value = index;
        chosen.value = keyOf(entries[index]);
    };
    return (
        <div class="intervals">
            <div class="notes">
                <Orders order={order.value} onOrder={(next) => (order.value = next)} />
                <label>
                    at least{" "}
                    <input
                        type="number"
                        min="0"
                        step="any"
                        value={leastMs.value}
                        onInput={(event) => {
                            const value = Number(event.currentTarget.value);
                            leastMs.value = Number.isFinite(value) ? Math.min(1e9, Math.max(0, value)) : 0;
                        }}
                    />{" "}
                    ms
                </label>
                <span class="spring" />
                {answer !== null && (
                    <span class="dim">
                        {exact(entries.length)} of {exact(answer.total_intervals)} waits,{" "}
                        {milliseconds(answer.total_duration_ns)} ms in all
                    </span>
                )}
                {answer !== null && entries.length < answer.total_intervals && limit.value < MOST && (
                    <button type="button" onClick={() => (limit.value = Math.min(MOST, limit.value * 3))}>
                        more
                    </button>
                )}
            </div>
            <div class="split">
                <VirtualRows
                    label="Waits"
                    class="wait-rows"
                    count={entries.length}
                    rowHeight={ROW_HEIGHT}
                    head={<Heads />}
                    row={(index) => rowOf(app, entries[index], chosen.value)}
                    current={at >= 0 ? at : current.value}
                    onCurrent={select}
                    text={(index) => entries[index].stack[0]?.function_name ?? ""}
                    empty={intervals.trouble || (answer === null ? "…" : "no waits in this view")}
                />
                <WaitDetails wait={selected} app={app} />
            </div>
        </div>
    );
}

function Orders({ order, onOrder }: { order: Order; onOrder: (order: Order) => void }) {
    return (
        <span class="choice" role="radiogroup" aria-label="Which waits">
            {ORDERS.map((each) => (
                <button
                    key={each}
                    type="button"
                    role="radio"
                    aria-checked={each === order}
                    onClick={() => onOrder(each)}
                >
                    {each}
                </button>
            ))}
        </span>
    );
}

function Heads() {
    const titles = ["at, s", "ms", "why", "thread", "waits in", "woken by"];
    return (
        <>
            {titles.map((title, i) => (
                <div key={title} role="columnheader" class={`cell ${i < 2 ? "" : "left"}`}>
                    {title}
                </div>
            ))}
        </>
    );
}

function wakerOf(wait: Interval): string {
    if (wait.waker_tid === undefined) {
        return wait.open ? "not yet" : "";
    }
    const who = wait.waker_tid === 0 ? "an interrupt" : `${wait.waker_name ?? ""} ${wait.waker_tid}`;
    return wait.waker_function_name === undefined ? who : `${who}, ${wait.waker_function_name}`;
}

function rowOf(app: App, wait: Interval, selected: string | null): Row {
    const key = keyOf(wait);
    return {
        key,
        class: key === selected ? "chosen" : "",
        attributes: { "aria-selected": key === selected },
        cells: (
            <>
                <div role="gridcell" class="cell">
                    <button
                        type="button"
                        class="link"
                        tabIndex={-1}
                        title="make this the range of time"
                        onClick={() => showInTime(app, wait)}
                    >
                        {seconds(wait.start_ns, 3)}
                    </button>
                </div>
                <div role="gridcell" class="cell">
                    {milliseconds(wait.duration_ns)}
                    {wait.open ? "…" : ""}
                </div>
                <div role="gridcell" class="cell left">
                    <ReasonCode reason={REASONS.findIndex((reason) => reason.name === wait.reason)} />
                </div>
                <div role="gridcell" class="cell left">
                    <Name text={wait.thread_name} /> <span class="dim">{wait.tid}</span>
                </div>
                <div role="gridcell" class="cell left">
                    <Name text={wait.stack[0]?.function_name ?? ""} />
                </div>
                <div role="gridcell" class="cell left">
                    <Name text={wakerOf(wait)} />
                </div>
            </>
        ),
    };
}

function WaitDetails({ wait, app }: { wait: Interval | null; app: App }) {
    if (wait === null) {
        return <div class="wait-details dim">Choose a wait to see its stack.</div>;
    }
    const reason = REASONS.find((each) => each.name === wait.reason);
    return (
        <div class="wait-details" tabIndex={0} role="region" aria-label="Stack of the wait">
            <p>
                {milliseconds(wait.duration_ns)} ms, {reason?.label ?? ""}
                {wait.runnable_ns > 0 && `, then ${milliseconds(wait.runnable_ns)} ms for a CPU`}
                {wait.approximate && ", stack of an earlier moment"}
            </p>
            <p>
                <button type="button" onClick={() => showInTime(app, wait)}>
                    this range of time
                </button>
            </p>
            {wakerOf(wait) !== "" && <p>woken by {visible(wakerOf(wait))}</p>}
            <ol>
                {wait.stack.map((frame, i) => (
                    <li key={i}>
                        <button
                            type="button"
                            class="link"
                            onClick={() => app.choose(app.frames.add(frame.function_name, frame.binary))}
                        >
                            <FunctionName name={frame.function_name} binary={frame.binary} inlined={frame.inlined} />
                        </button>
                    </li>
                ))}
            </ol>
            {wait.frames_cut > 0 && <p class="dim">and {exact(wait.frames_cut)} outer frames</p>}
        </div>
    );
}
