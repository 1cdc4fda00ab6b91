// The hottest functions.
//
// Rows hold still while the pointer is over them, or the keyboard is in them: what is about to be clicked must not
// move. Their numbers go on.

import { untracked, useComputed, useSignal, useSignalEffect, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { exact, milliseconds, percentOf } from "../lib/format";
import type { App } from "../model/app";
import { modeOf, type Mode } from "../model/scope";
import type { TopSort } from "../model/state";
import { countOf, scopeTotal, selfOf, totalOf, type TopRow } from "../model/top";
import { useApp, useFollow } from "./hooks";
import { Bar, FunctionName, ReasonCode } from "./TableNames";
import { VirtualRows, type Row, type RowsHandle } from "./VirtualRows";

const LIMITS = [200, 1000, 10_000] as const;
const INTERVAL_MS = 500;
const ROW_HEIGHT = 22;

interface Column {
    readonly id: string;
    readonly title: string;
    readonly hint: string;
    /** Undefined: nothing can be ordered by it. */
    readonly sort?: TopSort["by"];
}

function columns(mode: Mode): Column[] {
    const what = { on_cpu: "CPU time", off_cpu: "waiting", wall: "CPU time and waiting" }[mode];
    const shown: Column[] = [
        { id: "self", title: "self %", hint: `share of all ${what}, in the function itself`, sort: "self" },
        { id: "ms", title: "self ms", hint: `${what} in the function itself`, sort: "self" },
        { id: "total", title: "total %", hint: `share of all ${what}, with what it calls`, sort: "total" },
        mode === "off_cpu"
            ? { id: "count", title: "waits", hint: "waits in the function itself", sort: "samples" }
            : { id: "count", title: "samples", hint: "samples in the function itself", sort: "samples" },
    ];
    if (mode !== "on_cpu") {
        shown.push({ id: "waits", title: "waiting ms", hint: "waiting of it and what it calls; mostly why" });
    }
    shown.push({ id: "name", title: "function", hint: "and the file that it is in", sort: "name" });
    return shown;
}

/** Selects a function in the flamegraph, where it weighs most; nothing if it is not there. */
export function selectHeaviest(app: App, frame: number): void {
    const { tree } = app;
    const mode = app.state.scope.value.mode;
    let best = 0;
    for (let node = 1; node < tree.n; node++) {
        const isHeavier = best === 0 || tree.weight(node, mode) > tree.weight(best, mode);
        if (tree.frame[node] === frame && tree.isShown(node) && isHeavier) {
            best = node;
        }
    }
    if (best > 0) {
        app.state.selection.value = tree.path(best);
    }
}

function chooseRow(app: App, row: TopRow): void {
    app.tables.setExact(row.frame, row.address);
    app.choose(row.frame);
    selectHeaviest(app, row.frame);
}

/** Follows Live.top. Returns what puts rows in order: at once when a person wants it, else unless they are held. */
function useTop(app: App, limit: Signal<number>, held: Signal<boolean>): (byPerson: boolean) => void {
    const { state } = app;
    const { top } = app.tables;
    const asked = useComputed(() => ({
        ...modeOf(state.scope.value),
        view: app.view.value,
        limit: LIMITS[limit.value],
        sort: state.topSort.value.by === "total" ? ("total" as const) : ("self" as const),
    }));
    // What a person changed: then rows may move, whatever holds them.
    const wish = useComputed(() => ({ scope: state.scope.value, limit: limit.value }));
    const arranged = useRef(wish.value);
    const arrange = (byPerson: boolean) => {
        top.arrange(state.topSort.value, state.scope.value.mode, held.value && !byPerson);
    };
    useFollow(
        "Live.top",
        () => asked.value,
        INTERVAL_MS,
        (answer, fresh) => {
            if (!top.apply(answer)) {
                top.fail("stax-server sent rows that do not continue what it sent before");
                return;
            }
            app.noteHealth(answer.health);
            arrange(fresh && arranged.current !== wish.value);
            arranged.current = wish.value;
        },
        (error) => top.fail(error.message),
    );
    useSignalEffect(() => {
        void state.topSort.value;
        untracked(() => arrange(true)); // what that reads is no reason to move rows
    });
    useSignalEffect(() => {
        if (!held.value) {
            untracked(() => arrange(false));
        }
    });
    return arrange;
}

export function TopTable() {
    const app = useApp();
    const { state, tables } = app;
    const top = tables.top;
    const root = useRef<HTMLElement>(null);
    const handle = useRef<RowsHandle | null>(null);
    const limit = useSignal(0);
    const held = useSignal(false);
    const current = useSignal(0);
    const busiest = useRef(1);
    const arrange = useTop(app, limit, held);

    const pin = (row: TopRow | undefined) => {
        if (row !== undefined) {
            top.togglePin(row);
            arrange(true);
            current.value = Math.max(0, top.order.indexOf(row));
        }
    };
    useEffect(() => {
        app.actions.add([
            {
                id: "table.pin",
                label: "Pin the function, or let it go",
                place: "table",
                keys: ["x"],
                run: () => pin(top.order[current.value]),
            },
            {
                id: "table.more",
                label: "Show more functions",
                place: "table",
                keys: [],
                enabled: () => limit.value < LIMITS.length - 1,
                run: () => limit.value++,
            },
            { id: "table.focus", label: "Go to the top table", place: "global", keys: [], run: focusTable },
        ]);
    }, []);
    const focusTable = () => handle.current?.focus();

    void top.version.value;
    const mode = state.scope.value.mode;
    const latest = top.latest;
    const total = latest === null ? 0 : scopeTotal(state.scope.value, latest.total_on_cpu_ns, latest.total_off_cpu);
    const [first, last] = handle.current?.visible() ?? [0, 40];
    busiest.current = Math.max(1, ...top.order.slice(first, last).map((row) => (row.known ? selfOf(row, mode) : 0)));

    const cells = (index: number): Row => {
        const row = top.order[index];
        return {
            key: row.id,
            class: [
                row.frame === state.chosen.value ? "chosen" : "",
                top.isPinned(row) ? "pinned" : "",
                row.known ? "" : "gone",
            ].join(" "),
            attributes: { "aria-selected": row.frame === state.chosen.value },
            cells: <Cells app={app} row={row} mode={mode} total={total} busiest={busiest.current} onPin={pin} />,
        };
    };
    const watch = () => {
        const element = root.current;
        const focused = element?.querySelector(".rows-body :focus-visible") != null;
        held.value = focused || element?.querySelector(".rows-scroll:hover") != null;
    };
    return (
        <section
            ref={root}
            class={`top-table mode-${mode}`}
            data-place="table"
            aria-label="Hottest functions"
            onPointerOver={watch}
            onPointerLeave={watch}
            onFocusIn={watch}
            onFocusOut={() => queueMicrotask(watch)}
            onKeyUp={watch}
        >
            <div class="panel-head">
                <h2>Hottest functions</h2>
                <span class={`table-badge ${held.value ? "" : "off"}`} title="rows stay where they are; numbers go on">
                    held
                </span>
                <span class="spring" />
                <Count app={app} />
                {limit.value < LIMITS.length - 1 && (latest?.n_functions ?? 0) > LIMITS[limit.value] && (
                    <button type="button" onClick={() => limit.value++}>
                        show {exact(Math.min(LIMITS[limit.value + 1], latest?.n_functions ?? 0))}
                    </button>
                )}
            </div>
            <VirtualRows
                label="Hottest functions"
                count={top.order.length}
                rowHeight={ROW_HEIGHT}
                head={columns(mode).map((column) => (
                    <Head key={column.id} column={column} sort={state.topSort.value} onSort={setSort(app)} />
                ))}
                row={cells}
                current={current.value}
                onCurrent={(index) => (current.value = index)}
                onOpen={(index) => chooseRow(app, top.order[index])}
                onKey={(event, index) => {
                    const isPin = event.code === "KeyX" && !event.ctrlKey && !event.metaKey && !event.altKey;
                    if (isPin) {
                        pin(top.order[index]);
                    }
                    return isPin;
                }}
                text={(index) => app.frames.name[top.order[index].frame]}
                handle={handle}
                empty={top.trouble.value || (latest === null ? "…" : "no samples in this view")}
            />
        </section>
    );
}

function Count({ app }: { app: App }) {
    const { latest, order } = app.tables.top;
    if (latest === null) {
        return null;
    }
    const shown = Math.min(order.length, latest.rows.function.length);
    return (
        <span class="dim">
            {shown < latest.n_functions
                ? `${exact(shown)} of ${exact(latest.n_functions)} functions`
                : `${exact(shown)} function${shown === 1 ? "" : "s"}`}
        </span>
    );
}

function setSort(app: App): (by: TopSort["by"]) => void {
    return (by) => {
        const before = app.state.topSort.value;
        const isText = by === "name" || by === "binary";
        app.state.topSort.value = { by, descending: before.by === by ? !before.descending : !isText };
    };
}

interface HeadProps {
    readonly column: Column;
    readonly sort: TopSort;
    readonly onSort: (by: TopSort["by"]) => void;
}

function Head({ column, sort, onSort }: HeadProps) {
    const { sort: by } = column;
    // Two columns are ordered by self time; the first of them says so.
    const isSorted = by !== undefined && sort.by === by && column.id !== "ms";
    const direction = sort.descending ? "descending" : "ascending";
    return (
        <div
            role="columnheader"
            class={`cell ${column.id}`}
            aria-sort={isSorted ? direction : "none"}
            title={column.hint}
        >
            {by === undefined ? (
                column.title
            ) : (
                <button type="button" onClick={() => onSort(by)}>
                    {column.title}
                    <span class="arrow">{isSorted ? (sort.descending ? "▾" : "▴") : ""}</span>
                </button>
            )}
        </div>
    );
}

interface CellsProps {
    readonly app: App;
    readonly row: TopRow;
    readonly mode: Mode;
    readonly total: number;
    readonly busiest: number;
    readonly onPin: (row: TopRow) => void;
}

function Cells({ app, row, mode, total, busiest, onPin }: CellsProps) {
    const { name, binary } = app.frames;
    const isPinned = app.tables.top.isPinned(row);
    const number = (text: string) => (row.known ? text : "·");
    const self = selfOf(row, mode);
    return (
        <>
            <div role="gridcell" class="cell self">
                <Bar width={row.known ? self / busiest : 0} text={number(percentOf(self, total))} />
            </div>
            <div role="gridcell" class="cell ms">
                {number(milliseconds(self))}
            </div>
            <div role="gridcell" class="cell total">
                {number(percentOf(totalOf(row, mode), total))}
            </div>
            <div role="gridcell" class="cell count">
                {number(exact(countOf(row, mode)))}
            </div>
            {mode !== "on_cpu" && (
                <div role="gridcell" class="cell waits">
                    {number(milliseconds(row.totalOff))} <ReasonCode reason={row.known ? row.reason : -1} />
                </div>
            )}
            <div role="gridcell" class="cell name">
                <FunctionName name={name[row.frame]} binary={binary[row.frame]} inlined={row.inlined} />
                <button
                    type="button"
                    class="pin"
                    tabIndex={-1}
                    aria-pressed={isPinned}
                    aria-label="pin"
                    title="keep it on top (x)"
                    onClick={() => onPin(row)}
                >
                    {isPinned ? "●" : "○"}
                </button>
            </div>
        </>
    );
}
