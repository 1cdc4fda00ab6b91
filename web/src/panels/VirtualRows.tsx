// A table of which only the rows on the screen exist. All tables of the page are one of these.
//
//     ┌ head ──────────────┐   role=row, stands still
//     ├────────────────────┤
//     │ row 118            │ ─┐
//     │ row 119  (current) │  │ rows of a fixed height, placed by their number; the current one exists
//     │ …                  │ ─┘ even when it is out of sight, so that the focus is never lost
//     └────────────────────┘
//
// Keys: arrows or j/k, PageUp/PageDown, Home/End, Enter opens; ' finds by typing.

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const SPARE_ROWS = 4; // above and below, for what scrolls in before the next frame
const FIND_MS = 2500; // a search that nobody goes on with is over

export interface Row {
    /** Names it among all rows, whatever its place. */
    readonly key: string | number;
    readonly cells: ComponentChildren;
    readonly class?: string | undefined;
    /** Of the row's element: aria-level and the like. */
    readonly attributes?: JSX.HTMLAttributes<HTMLDivElement>;
}

/** What others may do with a table. */
export interface RowsHandle {
    /** Brings a row into sight; `centre`: into the middle. */
    show(index: number, centre?: boolean): void;
    /** As soon as what was changed is shown. */
    focus(): void;
    /** Rows that are on the screen: the first, and the one behind the last. */
    visible(): [number, number];
}

export interface VirtualRowsProps {
    readonly label: string;
    readonly role?: "grid" | "treegrid";
    readonly class?: string;
    readonly count: number;
    readonly rowHeight: number;
    readonly head?: ComponentChildren;
    readonly row: (index: number) => Row;
    /** Where the focus is, or will be. */
    readonly current: number;
    readonly onCurrent: (index: number) => void;
    /** Enter, or a click. */
    readonly onOpen?: (index: number) => void;
    /** Keys of this table alone; true: it was one. */
    readonly onKey?: (event: KeyboardEvent, index: number) => boolean;
    /** What is compared with what is typed. */
    readonly text?: (index: number) => string;
    /** Drawn over the rows, in their coordinates. */
    readonly overlay?: (first: number, last: number) => ComponentChildren;
    readonly onVisible?: (first: number, last: number) => void;
    readonly handle?: { current: RowsHandle | null };
    /** Instead of rows, when there are none. */
    readonly empty?: ComponentChildren;
}

/** Where a key leads; null: it is none of these. */
function destination(event: KeyboardEvent, current: number, count: number, page: number): number | null {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) {
        return null;
    }
    const to = {
        ArrowDown: current + 1,
        KeyJ: current + 1,
        ArrowUp: current - 1,
        KeyK: current - 1,
        PageDown: current + page,
        PageUp: current - page,
        Home: 0,
        End: count - 1,
    }[event.code];
    return to === undefined ? null : Math.max(0, Math.min(count - 1, to));
}

/** The next row from `from` on that begins with the text, or else has it anywhere; -1: none. */
export function findRow(text: string, from: number, count: number, textOf: (index: number) => string): number {
    const wanted = text.toLowerCase();
    let anywhere = -1;
    for (let i = 0; i < count; i++) {
        const index = (from + i) % count;
        const at = textOf(index).toLowerCase().indexOf(wanted);
        if (at === 0) {
            return index;
        }
        if (at > 0 && anywhere < 0) {
            anywhere = index;
        }
    }
    return anywhere;
}

export function VirtualRows(props: VirtualRowsProps) {
    const { count, rowHeight } = props;
    const scroller = useRef<HTMLDivElement>(null);
    const [first, setFirst] = useState(0);
    const [room, setRoom] = useState(20); // rows that fit
    const [finding, setFinding] = useState<string | null>(null);
    const current = Math.max(0, Math.min(props.current, count - 1));
    const start = Math.max(0, Math.min(first, count - room) - SPARE_ROWS);
    const end = Math.min(count, Math.max(0, Math.min(first, count - 1)) + room + SPARE_ROWS);

    const show = (index: number, centre = false) => {
        const element = scroller.current;
        if (element === null) {
            return;
        }
        const head = element.firstElementChild?.getAttribute("role") === "row" ? headHeight(element) : 0;
        const height = element.clientHeight - head;
        const top = index * rowHeight;
        if (centre && (top < element.scrollTop || top + rowHeight > element.scrollTop + height)) {
            element.scrollTop = top - (height - rowHeight) / 2;
        } else if (top < element.scrollTop) {
            element.scrollTop = top;
        } else if (top + rowHeight > element.scrollTop + height) {
            element.scrollTop = top + rowHeight - height;
        }
        setFirst(Math.floor(element.scrollTop / rowHeight));
    };
    const focusRow = () => {
        scroller.current?.querySelector<HTMLElement>('[data-current="true"]')?.focus({ preventScroll: true });
    };
    const go = (index: number) => {
        props.onCurrent(index);
        show(index);
    };

    useMeasured(scroller, rowHeight, setRoom);
    useKeptFocus(scroller, focusRow);
    const lastVisible = useRef("");
    useLayoutEffect(() => {
        const visible = `${first} ${room}`;
        if (visible !== lastVisible.current) {
            lastVisible.current = visible;
            props.onVisible?.(first, Math.min(count, first + room));
        }
    });
    if (props.handle) {
        props.handle.current = {
            show,
            focus: () => queueMicrotask(focusRow),
            visible: () => [first, Math.min(count, first + room)],
        };
    }

    const onKeyDown = (event: KeyboardEvent) => {
        if (event.target instanceof HTMLInputElement || count === 0) {
            return;
        }
        const to = destination(event, current, count, Math.max(1, room - 1));
        const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
        if (props.onKey?.(event, current)) {
            // it was one of its own
        } else if (to !== null) {
            go(to);
            queueMicrotask(focusRow);
        } else if (event.code === "Enter" && isPlain && props.onOpen) {
            props.onOpen(current);
        } else if (event.key === "'" && isPlain && props.text) {
            setFinding("");
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    };

    const indices: number[] = [];
    if (count > 0 && current < start) {
        indices.push(current);
    }
    for (let i = start; i < end; i++) {
        indices.push(i);
    }
    if (count > 0 && current >= end) {
        indices.push(current);
    }
    return (
        <div class={`rows ${props.class ?? ""}`}>
            <div
                ref={scroller}
                class="rows-scroll"
                role={props.role ?? "grid"}
                aria-label={props.label}
                aria-rowcount={count + (props.head ? 1 : 0)}
                tabIndex={count === 0 ? 0 : -1}
                onKeyDown={onKeyDown}
                onScroll={(event) => setFirst(Math.floor(event.currentTarget.scrollTop / rowHeight))}
            >
                {props.head && (
                    <div class="rows-head" role="row" aria-rowindex={1}>
                        {props.head}
                    </div>
                )}
                <div class="rows-body" role="rowgroup" style={{ height: `${count * rowHeight}px` }}>
                    {indices.map((index) => {
                        const row = props.row(index);
                        const isCurrent = index === current;
                        return (
                            <div
                                key={row.key}
                                role="row"
                                aria-rowindex={index + (props.head ? 2 : 1)}
                                class={`rows-row ${row.class ?? ""}`}
                                data-current={isCurrent}
                                tabIndex={isCurrent ? 0 : -1}
                                style={{ height: `${rowHeight}px`, top: `${index * rowHeight}px` }}
                                onClick={(event) => {
                                    props.onCurrent(index);
                                    if (!(event.target as Element).closest("button, a")) {
                                        props.onOpen?.(index);
                                    }
                                }}
                                {...row.attributes}
                            >
                                {row.cells}
                            </div>
                        );
                    })}
                    {props.overlay?.(start, end)}
                </div>
                {count === 0 && <div class="rows-empty">{props.empty}</div>}
            </div>
            {finding !== null && (
                <FindBox
                    onText={(text) => {
                        const found = findRow(text, current, count, props.text ?? String);
                        if (found >= 0) {
                            go(found);
                        }
                        return found >= 0;
                    }}
                    onEnd={() => {
                        setFinding(null);
                        focusRow();
                    }}
                />
            )}
        </div>
    );
}

function headHeight(scroller: HTMLElement): number {
    return (scroller.firstElementChild as HTMLElement).offsetHeight;
}

/** How many rows fit, as long as the component is there. */
function useMeasured(scroller: { current: HTMLElement | null }, rowHeight: number, setRoom: (rows: number) => void) {
    useLayoutEffect(() => {
        const element = scroller.current as HTMLElement;
        const measure = () => setRoom(Math.max(1, Math.ceil(element.clientHeight / rowHeight)));
        const observer = new ResizeObserver(measure);
        observer.observe(element);
        measure();
        return () => observer.disconnect();
    }, [rowHeight]);
}

/** When the row with the focus is made anew, or takes another place, the focus comes along. */
function useKeptFocus(scroller: { current: HTMLElement | null }, focusRow: () => void) {
    const active = scroller.current?.contains(document.activeElement) ? document.activeElement : null;
    const hadRow = active?.getAttribute("role") === "row";
    useLayoutEffect(() => {
        if (hadRow && (document.activeElement === null || document.activeElement === document.body)) {
            focusRow();
        }
    });
}

/** Text that is typed to find a row. An input of its own: no key that is typed here means anything else. */
function FindBox({ onText, onEnd }: { onText: (text: string) => boolean; onEnd: () => void }) {
    const input = useRef<HTMLInputElement>(null);
    const timer = useRef(0);
    const [found, setFound] = useState(true);
    const wait = () => {
        clearTimeout(timer.current);
        timer.current = window.setTimeout(onEnd, FIND_MS);
    };
    useLayoutEffect(() => {
        input.current?.focus();
        wait();
        return () => clearTimeout(timer.current);
    }, []);
    return (
        <label class={`rows-find ${found ? "" : "none"}`}>
            find{" "}
            <input
                ref={input}
                size={16}
                spellcheck={false}
                onInput={(event) => {
                    setFound(onText(event.currentTarget.value));
                    wait();
                }}
                onKeyDown={(event) => {
                    if (event.key === "Escape" || event.key === "Enter") {
                        event.preventDefault();
                        event.stopPropagation();
                        onEnd();
                    }
                }}
                onBlur={() => clearTimeout(timer.current)}
            />
        </label>
    );
}
