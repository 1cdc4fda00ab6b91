// What threads of the scope waited for: the key to the colours, and a switch for each reason.

import { useEffect } from "preact/hooks";
import { MARKS, MARK_WIDTH, TILE } from "../draw/reasons";
import { percentOf, time } from "../lib/format";
import { REASONS } from "../model/scope";
import { timelineView } from "../model/timeline_view";
import { byReason, sumOf, whyNoWaits } from "../model/waits";
import { TEXT_EVERY_MS, useAtMostEvery } from "./at_most";
import { useApp } from "./hooks";


export function OffCpuLegend() {
    const app = useApp();
    const view = timelineView(app);
    void useAtMostEvery(TEXT_EVERY_MS, app.threads.version).value;
    void useAtMostEvery(TEXT_EVERY_MS, app.tree.version).value;
    const { scope } = app.state;
    const { reason: isolated, tid } = scope.value;
    const thread = tid === null ? undefined : app.threads.value?.threads.find((one) => one.tid === tid);
    const known = app.tree.totalOff ?? (tid === null ? app.threads.value?.total_off_cpu : thread?.off_cpu);
    const waits = known ? byReason(known) : REASONS.map(() => 0);
    const total = sumOf(waits);
    const most = Math.max(...waits, 1);
    const why = whyNoWaits(app);

    const toggle = (reason: number) => {
        app.setScope(isolated === reason ? { reason: null } : { reason, mode: "off_cpu" });
    };
    const point = (reason: number | null) => {
        view.hovered.value = reason;
    };
    useEffect(() => () => point(null), []);
    return (
        <div class="off-legend">
            <div class="side-head">
                <h2>Waiting by reason</h2>
                <span class="side-total" title="Waits of the scope, all reasons together">
                    {time(total)}
                </span>
                <Ready tid={tid} />
            </div>
            <ul aria-label="Waiting by reason" onPointerLeave={() => point(null)}>
                {REASONS.map(({ name, code, label }, i) => (
                    <li key={name}>
                        <button
                            type="button"
                            class={waits[i] === 0 ? "off-row off-none" : "off-row"}
                            aria-pressed={isolated === i}
                            disabled={why !== ""}
                            title={
                                why !== ""
                                    ? `Waits are not seen here: ${why}`
                                    : isolated === i
                                      ? "Show all reasons again"
                                      : `Show only waits for this reason (${label})`
                            }
                            onClick={() => toggle(i)}
                            onPointerEnter={() => point(i)}
                            onFocus={() => point(i)}
                            onBlur={() => point(null)}
                        >
                            <Swatch reason={i} />
                            <span class="off-code">{code}</span>
                            <span class="off-label">{label}</span>
                            <span class="off-time">{time(waits[i])}</span>
                            <span class="off-share">{waits[i] > 0 ? percentOf(waits[i], total) : ""}</span>
                            <span class="off-bar">
                                <i class={`reason-${name}`} style={{ width: `${(waits[i] / most) * 100}%` }} />
                            </span>
                        </button>
                    </li>
                ))}
            </ul>
            {why !== "" && <p class="side-note">Waits are not seen here: {why}</p>}
        </div>
    );
}

// Ready is not waiting: nothing but a CPU was missing.
function Ready({ tid }: { tid: number | null }) {
    const app = useApp();
    const answer = app.threads.value;
    const all = answer?.threads ?? [];
    const counted = tid === null ? all : all.filter((thread) => thread.tid === tid);
    const ns = sumOf(counted.map((thread) => thread.runnable_ns));
    const isAll = tid !== null ? counted.length > 0 : all.length === (answer?.n_threads ?? 0);
    return (
        <span class="side-total off-ready" title="Ready to run, without a CPU: not part of waiting">
            <i class="tl-dot tl-ready" /> ready {isAll || ns === 0 ? "" : "≥ "}
            {counted.length > 0 ? time(ns) : "–"}
        </span>
    );
}

/** A box with the colour and the mark of a reason, as canvases draw it. */
export function Swatch({ reason }: { reason: number }) {
    const { name } = REASONS[reason];
    const id = `mark-${name}`;
    return (
        <svg class="reason-swatch" width="18" height="12" aria-hidden="true">
            <defs>
                <pattern id={id} width={TILE} height={TILE} patternUnits="userSpaceOnUse">
                    <path
                        class="reason-mark"
                        d={MARKS[reason] || "M0 0"}
                        stroke-width={MARK_WIDTH}
                        stroke-linecap="round"
                        fill="none"
                    />
                </pattern>
            </defs>
            <rect class={`reason-${name}`} width="18" height="12" />
            <rect width="18" height="12" fill={`url(#${id})`} />
        </svg>
    );
}
