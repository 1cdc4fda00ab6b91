// A tree as rows of a table: the treegrid that the call tree and the two trees of a function's neighbours are.
//
// Keys are those of a treegrid: Right opens or goes in, Left closes or goes out, Shift+Right opens all that is heavy.

import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { exact, milliseconds, percent, percentOf } from "../lib/format";
import type { App } from "../model/app";
import type { Expansion, TreeRow } from "../model/expansion";
import type { FrameId } from "../model/frames";
import type { Mode } from "../model/scope";
import type { TreeColumns } from "../model/tree";
import { useApp } from "./hooks";
import { Bar, FunctionName, ReasonCode } from "./TableNames";
import { VirtualRows, type Row, type RowsHandle } from "./VirtualRows";

const ROW_HEIGHT = 22;
const INTERVAL_MS = 500; // text changes at most that often
const HEAVY = 0.01; // of everything
const INDENT = 14; // px
const DEEPEST_INDENT = 30; // levels; deeper ones say their level in front of the name

/** Rises when a signal has changed, at most twice a second. */
function useTick(version: ReadonlySignal<number>): void {
    const tick = useSignal(0);
    const last = useRef(0);
    const timer = useRef(0);
    useSignalEffect(() => {
        void version.value;
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
    void tick.value;
}

/** Where the row of a path is now: it is kept by the way to it, which outlives the numbers of nodes. */
function rowIndex(tree: TreeColumns, rows: readonly TreeRow[], path: readonly FrameId[], residue: boolean): number {
    const { node, found } = tree.find(path);
    const at = rows.findIndex((row) => row.node === node && row.residue === residue && found === path.length);
    return Math.max(0, at);
}

export interface TreeRowsProps {
    readonly label: string;
    readonly tree: TreeColumns;
    readonly expansion: Expansion;
    /** "callees" or "callers": what stands below a row. */
    readonly below: "callees" | "callers";
    /** The way to the row that is to be seen first. */
    readonly start?: readonly FrameId[] | null;
    readonly onSelect?: (path: readonly FrameId[]) => void;
    readonly empty: string;
}

export function TreeRows(props: TreeRowsProps) {
    const app = useApp();
    const { tree, expansion, below } = props;
    const handle = useRef<RowsHandle | null>(null);
    const path = useSignal<readonly FrameId[]>([]);
    const residue = useSignal(false);
    const changes = useSignal(0); // made by a person
    useTick(tree.version);
    void changes.value;
    const mode = app.state.scope.value.mode;
    const rows = expansion.rows(tree, mode);
    const total = tree.n > 0 ? tree.weight(0, mode) : 0;
    const current = rowIndex(tree, rows, path.value, residue.value);

    const setCurrent = (index: number) => {
        const row = rows[index];
        path.value = tree.path(row.node);
        residue.value = row.residue;
        if (!row.residue) {
            props.onSelect?.(path.value);
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
            handle.current?.focus();
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
        if (props.start) {
            expansion.reveal(props.start);
            path.value = props.start;
            changes.value++;
            const at = rowIndex(tree, expansion.rows(tree, mode), props.start, false);
            requestAnimationFrame(() => handle.current?.show(at, true));
        }
    }, []);
    const cells = (index: number) =>
        rowOf({ app, tree, row: rows[index], mode, total, below, onToggle: () => toggle(index, !rows[index].open) });
    return (
        <div class={`tree mode-${mode}`}>
            <VirtualRows
                label={props.label}
                role="treegrid"
                count={rows.length}
                rowHeight={ROW_HEIGHT}
                head={<Heads mode={mode} below={below} />}
                row={cells}
                current={current}
                onCurrent={setCurrent}
                onOpen={(index) => !rows[index].residue && app.choose(tree.frame[rows[index].node])}
                onKey={onKey}
                text={(index) => (rows[index].residue ? "" : app.frames.name[tree.frame[rows[index].node]])}
                handle={handle}
                empty={props.empty}
            />
        </div>
    );
}

function Heads({ mode, below }: { mode: Mode; below: string }) {
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
                function, and its {below} below
            </div>
        </>
    );
}

interface CellsOf {
    readonly app: App;
    readonly tree: TreeColumns;
    readonly row: TreeRow;
    readonly mode: Mode;
    readonly total: number;
    readonly below: string;
    readonly onToggle: () => void;
}

function rowOf(of: CellsOf): Row {
    const { app, tree, row, mode, total } = of;
    const weight = row.residue ? tree.residue(row.node, mode) : tree.weight(row.node, mode);
    const frame = tree.frame[row.node];
    const isChosen = !row.residue && frame === app.state.chosen.value;
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
                {mode !== "on_cpu" && <Waits tree={tree} row={row} />}
                <div role="gridcell" class="cell name">
                    <Label {...of} share={total > 0 ? weight / total : 0} />
                </div>
            </>
        ),
    };
}

function Waits({ tree, row }: { tree: TreeColumns; row: TreeRow }) {
    const reasons = tree.reasons(row.node);
    const most = Math.max(...reasons);
    return (
        <div role="gridcell" class="cell">
            {!row.residue && (
                <>
                    {milliseconds(tree.off[row.node])} <ReasonCode reason={most > 0 ? reasons.indexOf(most) : -1} />
                </>
            )}
        </div>
    );
}

function Label({ app, tree, row, below, share, onToggle }: CellsOf & { share: number }) {
    const { frames } = app;
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
                `+ ${exact(tree.cutChildren[row.node])} ${below}, ${percent(share)}`
            ) : (
                <FunctionName name={frames.name[frame]} binary={frames.binary[frame]} inlined={frames.inlined[frame]} />
            )}
        </span>
    );
}
