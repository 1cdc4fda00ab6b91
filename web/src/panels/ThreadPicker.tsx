// Chooses a thread: a list that opens below its button. The arrows move in it, letters jump to a name or an id, Enter
// takes one. While it is open, rows stay where they are; only numbers change.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { count, percentOf, plural, time, visible } from "../lib/format";
import type { Thread } from "../lib/protocol";
import { REASONS } from "../model/scope";
import { HeldOrder, THREADS_AT_FIRST, threadTitle } from "../model/threads";
import { byReason, mainReason, sumOf } from "../model/waits";
import { useApp } from "./hooks";

const TYPED_FOR_MS = 1000;
const PAGE = 10;

export function ThreadPicker() {
    const app = useApp();
    const open = useSignal(false);
    const active = useSignal(0); // 0: all threads
    const order = useRef(new HeldOrder());
    const typed = useRef({ text: "", at: 0 });
    const button = useRef<HTMLButtonElement>(null);
    const cameFrom = useRef<HTMLElement | null>(null); // had the focus when the key was pressed
    const { tid } = app.state.scope.value;
    void app.threads.version.value;
    const answer = app.threads.value;
    const threads = order.current.arrange(answer?.threads.slice(0, THREADS_AT_FIRST) ?? [], "on", open.value);

    const show = () => {
        active.value = tid === null ? 0 : threads.findIndex((thread) => thread.tid === tid) + 1;
        open.value = true;
    };
    useEffect(() => {
        app.actions.add([
            {
                id: "thread.choose",
                label: "Choose a thread",
                place: "global",
                keys: ["t"],
                run: () => {
                    cameFrom.current = document.activeElement as HTMLElement | null;
                    button.current?.focus();
                    button.current?.click();
                },
            },
        ]);
    }, []);
    const shut = () => {
        open.value = false;
        cameFrom.current?.focus();
        cameFrom.current = null;
    };
    const take = (index: number) => {
        shut();
        const chosen = index === 0 ? null : (threads[index - 1]?.tid ?? null);
        if (chosen !== tid) {
            app.setScope({ tid: chosen });
        }
    };
    const find = (letter: string) => {
        const now = performance.now();
        const isMore = now - typed.current.at < TYPED_FOR_MS;
        typed.current = { text: (isMore ? typed.current.text : "") + letter.toLowerCase(), at: now };
        const { text } = typed.current;
        const starts = (thread: Thread) => thread.name.toLowerCase().startsWith(text) || `${thread.tid}`.startsWith(text);
        const from = Math.max(0, active.value - (isMore ? 1 : 0));
        const found = [...threads.slice(from), ...threads.slice(0, from)].find(starts);
        if (found !== undefined) {
            active.value = threads.indexOf(found) + 1;
        }
    };
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        if (!open.value) {
            if (event.key === "ArrowDown" || event.key === "ArrowUp") {
                show();
                event.preventDefault();
            }
            return;
        }
        const moves: Record<string, number> = {
            ArrowDown: active.value + 1,
            ArrowUp: active.value - 1,
            PageDown: active.value + PAGE,
            PageUp: active.value - PAGE,
            Home: 0,
            End: threads.length,
        };
        if (event.key in moves) {
            active.value = Math.min(Math.max(moves[event.key], 0), threads.length);
        } else if (event.key === "Enter" || (event.key === " " && typed.current.text === "")) {
            take(active.value);
        } else if (event.key === "Escape") {
            shut();
        } else if (event.key === "Tab") {
            open.value = false;
            return;
        } else if (event.key.length === 1) {
            find(event.key);
        }
        event.preventDefault();
        event.stopPropagation();
    };
    const current = threads.find((thread) => thread.tid === tid);
    const label = tid === null ? `all threads (${count(answer?.n_threads ?? 0)})` : threadTitle(current ?? { name: "", tid });
    return (
        <div class="tp">
            <span class="tp-label" aria-hidden="true">
                Thread
            </span>
            <button
                ref={button}
                type="button"
                class="tp-button"
                role="combobox"
                aria-label="Thread"
                aria-haspopup="listbox"
                aria-expanded={open.value}
                aria-controls="tp-list"
                aria-activedescendant={open.value ? `tp-${active.value}` : undefined}
                title={`${label}. Key: t`}
                onClick={() => (open.value ? (open.value = false) : show())}
                onKeyDown={onKeyDown}
                onBlur={() => (open.value = false)}
            >
                <bdi class="tp-value">{label}</bdi>
                <span aria-hidden="true">▾</span>
            </button>
            <div id="tp-list" class="tp-list" role="listbox" aria-label="Threads" hidden={!open.value}>
                {open.value && (
                    <Options
                        threads={threads}
                        nThreads={answer?.n_threads ?? 0}
                        totalNs={answer?.total_on_cpu_ns ?? 0}
                        active={active.value}
                        tid={tid}
                        take={take}
                    />
                )}
            </div>
        </div>
    );
}

interface OptionsProps {
    threads: readonly Thread[];
    nThreads: number;
    totalNs: number;
    active: number;
    tid: number | null;
    take(index: number): void;
}

function Options({ threads, nThreads, totalNs, active, tid, take }: OptionsProps) {
    const list = useRef<HTMLDivElement>(null);
    useEffect(() => {
        const row = list.current?.querySelector<HTMLElement>(`#tp-${active}`);
        const box = list.current?.parentElement;
        if (row && box) {
            // Not scrollIntoView: that may scroll the page as well.
            const [top, bottom] = [row.offsetTop, row.offsetTop + row.offsetHeight];
            box.scrollTop = Math.min(Math.max(box.scrollTop, bottom - box.clientHeight), top);
        }
    }, [active]);
    // The button keeps the focus, so that its keys go on.
    const option = (index: number) => ({
        id: `tp-${index}`,
        role: "option" as const,
        class: index === active ? "tp-row tp-active" : "tp-row",
        onPointerDown: (event: PointerEvent) => event.preventDefault(),
        onClick: () => take(index),
    });
    const more = nThreads - threads.length;
    return (
        <div ref={list}>
            <div {...option(0)} aria-selected={tid === null}>
                <span class="tp-name">all threads</span>
                <span />
                <span class="tp-number">{time(totalNs)}</span>
            </div>
            {threads.map((thread, i) => (
                <div {...option(i + 1)} key={`${thread.pid} ${thread.tid}`} aria-selected={thread.tid === tid}>
                    <span class="tp-name">
                        <bdi>{visible(thread.name)}</bdi>
                    </span>
                    <span class="tp-number">{thread.tid}</span>
                    <span class="tp-number">{time(thread.on_cpu_ns)}</span>
                    <span class="tp-number">{percentOf(thread.on_cpu_ns, totalNs)}</span>
                    <Blocked thread={thread} />
                </div>
            ))}
            {more > 0 && <div class="tp-more">{plural(more, "more thread")}, with less time on a CPU</div>}
        </div>
    );
}

// What the thread mostly waited for.
function Blocked({ thread }: { thread: Thread }) {
    const waits = byReason(thread.off_cpu);
    const main = mainReason(waits);
    if (main < 0) {
        return <span />;
    }
    const { label, code } = REASONS[main];
    const share = percentOf(waits[main], sumOf(waits), 0);
    return (
        <span class="tp-blocked" title={`${share} of its waiting: ${label}`}>
            {code} {label}
        </span>
    );
}
