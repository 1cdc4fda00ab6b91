// The call tree of the flamegraph as a tree of rows: for the keyboard, for reading, for screen readers.

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { exact, milliseconds, percent, percentOf } from "../lib/format";
import type { App } from "../model/app";
import type { TreeRow } from "../model/expansion";
import type { Mode } from "../model/scope";
import { useApp } from "./hooks";
import { Bar, FunctionName, ReasonCode } from "./TableNames";
import { VirtualRows, type Row, type RowsHandle } from "./VirtualRows";

const ROW_HEIGHT = 22;
const INTERVAL_MS = 500; // text changes at most that often
const HEAVY = 0.01; // of everything
const INDENT = 14; // px
const DEEPEST_INDENT = 30; // levels; deeper ones say their level in front of the name

/** Rises when the tree has changed, at most twice a second. */
function useTick(app: App): number {
    const tick = useSignal(0);
    const last = useRef(0);
    const timer = useRef(0);
    useSignalEffect(() => {
        void app.tree.version.value;
        const wait = Math.max(0, last.current + INTERVAL_MS - performance.now());
        if (timer.current === 0) {
            timer.current = window.setTimeout(() => {
                timer.current = 0;
                last.current = performance.now();
                tick.value++;
            }, wait);
        }
    });
    useEffect(() => () => clearTimeout(timer.current), []);
    return tick.value;
}

/** Where the current row is now: it is kept by the way to it, which outlives the numbers of nodes. */
function rowIndex(app: App, rows: readonly TreeRow[], path: readonly number[], residue: boolean): number {
    const { node, found } = app.tree.find(path);
    let best = 0;
    rows.forEach((row, i) => {
        if (row.node === node && row.residue === residue && found === path.length) {
            best = i;
        }
    });
    return best;
}

export function TreePanel() {
    const app = useApp();
    const { state, tables, tree } = app;
    const expansion = tables.expansion;
    const handle = useRef<RowsHandle | null>(null);
    const path = useSignal<readonly number[]>([]);
    const residue = useSignal(false);
    const changes = useSignal(0); // made by a person
    useTick(app);
    void changes.value;
    const mode = state.scope.value.mode;
    const order = useRef("");
    const counted = JSON.stringify([state.scope.value, state.inverted.value]);
    if (order.current !== counted) {
        order.current = counted;
        expansion.reorder();
    }
    const rows = expansion.rows(tree, mode);
    const total = tree.weight(0, mode);
    const current = rowIndex(app, rows, path.value, residue.value);

    const setCurrent = (index: number) => {
        const row = rows[index];
        path.value = tree.path(row.node);
        residue.value = row.residue;
        if (!row.residue) {
            state.selection.value = path.value;
        }
    };
    const toggle = (index: number, open: boolean) => {
        expansion.set(rows[index], open);
        changes.value++;
    };
    const move = (index: number) => {
        if (index >= 0 && index < rows.length) {
            setCurrent(index);
            handle.current?.show(index);
            queueMicrotask(() => handle.current?.focus());
        }
    };
    const onKey = (event: KeyboardEvent, index: number) => {
        const row = rows[index];
        if (row === undefined || event.ctrlKey || event.metaKey || event.altKey) {
            return false;
        }
        if (event.key === "ArrowRight" && event.shiftKey) {
            expansion.openHeavy(tree, mode, row, HEAVY);
            changes.value++;
        } else if (event.key === "ArrowRight" && row.expandable && !row.open) {
            toggle(index, true);
        } else if (event.key === "ArrowRight") {
            move(row.open ? index + 1 : index);
        } else if (event.key === "ArrowLeft" && row.open) {
            toggle(index, false);
        } else if (event.key === "ArrowLeft") {
            move(row.parentRow);
        } else {
            return false;
        }
        return true;
    };
    useEffect(() => {
        if (state.selection.value !== null) {
            expansion.reveal(state.selection.value);
            path.value = state.selection.value;
            changes.value++;
            requestAnimationFrame(() => handle.current?.show(rowIndexNow(), true));
        }
    }, []);
    const rowIndexNow = () => rowIndex(app, expansion.rows(tree, mode), path.value, false);
    return (
        <div class={`tree mode-${mode}`}>
            <VirtualRows
                label={state.inverted.value ? "Callers of the innermost functions" : "Call tree"}
                role="treegrid"
                count={rows.length}
                rowHeight={ROW_HEIGHT}
                head={<Heads mode={mode} inverted={state.inverted.value} />}
                row={(index) => rowOf(app, rows[index], mode, total, () => toggle(index, !rows[index].open))}
                current={current}
                onCurrent={setCurrent}
                onOpen={(index) => !rows[index].residue && app.choose(tree.frame[rows[index].node])}
                onKey={onKey}
                text={(index) => (rows[index].residue ? "" : app.frames.name[tree.frame[rows[index].node]])}
                handle={handle}
                empty={tree.latest === null ? "…" : "no samples in this view"}
            />
        </div>
    );
}

function Heads({ mode, inverted }: { mode: Mode; inverted: boolean }) {
    return (
        <>
            <div role="columnheader" class="cell">
                total %
            </div>
            <div role="columnheader" class="cell">
                total ms
            </div>
            <div role="columnheader" class="cell">
                self %
            </div>
            <div role="columnheader" class="cell">
                {mode === "off_cpu" ? "waits" : "samples"}
            </div>
            {mode !== "on_cpu" && (
                <div role="columnheader" class="cell">
                    waiting ms
                </div>
            )}
            <div role="columnheader" class="cell left">
                {inverted ? "function, and its callers below" : "function"}
            </div>
        </>
    );
}

function rowOf(app: App, row: TreeRow, mode: Mode, total: number, onToggle: () => void): Row {
    const { tree, state } = app;
    const weight = row.residue ? tree.residue(row.node, mode) : tree.weight(row.node, mode);
    const frame = tree.frame[row.node];
    const isChosen = !row.residue && frame === state.chosen.value;
    const key = `${row.residue ? "r" : ""}${row.node}`;
    const expanded = row.expandable ? { "aria-expanded": row.open } : {};
    return {
        key,
        class: isChosen ? "chosen" : row.residue ? "gone" : "",
        attributes: {
            "aria-level": row.level,
            "aria-posinset": row.place,
            "aria-setsize": row.siblings,
            "aria-selected": isChosen,
            ...expanded,
        },
        cells: (
            <>
                <div role="gridcell" class="cell">
                    <Bar width={total > 0 ? weight / total : 0} text={percentOf(weight, total)} />
                </div>
                <div role="gridcell" class="cell">
                    {milliseconds(weight)}
                </div>
                <div role="gridcell" class="cell">
                    {row.residue ? "" : percentOf(tree.selfWeight(row.node, mode), total)}
                </div>
                <div role="gridcell" class="cell">
                    {row.residue ? "" : exact((mode === "off_cpu" ? tree.intervals : tree.samples)[row.node])}
                </div>
                {mode !== "on_cpu" && <Waits app={app} row={row} />}
                <div role="gridcell" class="cell name">
                    <Label app={app} row={row} share={total > 0 ? weight / total : 0} onToggle={onToggle} />
                </div>
            </>
        ),
    };
}

function Waits({ app, row }: { app: App; row: TreeRow }) {
    const reasons = app.tree.reasons(row.node);
    const most = Math.max(...reasons);
    return (
        <div role="gridcell" class="cell">
            {!row.residue && (
                <>
                    {milliseconds(app.tree.off[row.node])} <ReasonCode reason={most > 0 ? reasons.indexOf(most) : -1} />
                </>
            )}
        </div>
    );
}

interface LabelProps {
    readonly app: App;
    readonly row: TreeRow;
    readonly share: number;
    readonly onToggle: () => void;
}

function Label({ app, row, share, onToggle }: LabelProps) {
    const { tree, frames } = app;
    const frame = tree.frame[row.node];
    const depth = row.level - 1;
    return (
        <span style={{ paddingLeft: `${Math.min(depth, DEEPEST_INDENT) * INDENT}px` }}>
            {depth > DEEPEST_INDENT && <span class="dim">{exact(row.level)} </span>}
            {row.expandable ? (
                <button
                    type="button"
                    class="twist"
                    tabIndex={-1}
                    aria-label={row.open ? "close" : "open"}
                    onClick={onToggle}
                >
                    {row.open ? "▾" : "▸"}
                </button>
            ) : (
                <span class="twist" />
            )}
            {row.residue ? (
                `+ ${exact(tree.cutChildren[row.node])} ${app.state.inverted.value ? "callers" : "callees"}, ${percent(share)}`
            ) : (
                <FunctionName name={frames.name[frame]} binary={frames.binary[frame]} inlined={frames.inlined[frame]} />
            )}
        </span>
    );
}
