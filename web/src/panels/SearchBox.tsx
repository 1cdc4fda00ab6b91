// Search highlights and counts; only "keep" and "drop" change what is counted.

import { useEffect, useRef } from "preact/hooks";
import { count, percent } from "../lib/format";
import type { Symbol } from "../lib/protocol";
import type { App } from "../model/app";
import { MAX_SYMBOLS } from "../model/link";
import { focusPanel } from "../model/shell";
import type { Query } from "../model/state";
import { useApp } from "./hooks";
import { useShell } from "./shell";

const LONGEST = 1024;

function isSame(a: Symbol, b: Symbol): boolean {
    return a.function_name === b.function_name && a.binary === b.binary;
}

/** What was found becomes a filter, and the search is over. */
function commit(app: App, how: "only" | "exclude"): void {
    const found = app.search.matchingSymbols();
    if ("error" in found) {
        app.messages.complain(`This cannot become a filter: ${found.error}.`);
        return;
    }
    const scope = app.state.scope.value;
    const excluded = [...scope.exclude, ...found.symbols.filter((one) => !scope.exclude.some((two) => isSame(one, two)))];
    if (how === "exclude" && excluded.length > MAX_SYMBOLS) {
        app.messages.complain(`A scope can drop at most ${MAX_SYMBOLS} functions.`);
        return;
    }
    const before = scope.only.length;
    app.setScope(how === "only" ? { only: found.symbols } : { exclude: excluded });
    if (app.fixed === "") {
        app.state.query.value = { ...app.state.query.value, text: "" };
    }
    if (how === "only" && before > 0) {
        app.messages.say("This replaces the functions that were kept before. Back: [");
    }
}

function Found() {
    const { search, state } = useApp();
    if (state.query.value.text === "") {
        return <span class="found" role="status" aria-label="Found" />; // there before it says something, or nobody hears it
    }
    if (search.error.value !== "") {
        return (
            <span class="found error" role="alert" title={search.error.value}>
                {search.error.value}
            </span>
        );
    }
    const share = search.matchedPct.value;
    const total = search.count.value;
    if (share === null) {
        return <span class="found dim">…</span>;
    }
    const at = search.index.value < 0 ? count(total) : `${count(search.index.value + 1)}/${count(total)}`;
    return (
        <span class="found" role="status" aria-label="Found">
            matched <b>{percent(share)}</b> <span class="dim">(self {percent(search.selfPct.value ?? 0)})</span> {at}
        </span>
    );
}

interface ToggleProps {
    readonly label: string;
    readonly text: string;
    readonly pressed: boolean;
    set(pressed: boolean): void;
}

function Toggle({ label, text, pressed, set }: ToggleProps) {
    return (
        <button class="toggle" aria-label={label} title={label} aria-pressed={pressed} onClick={() => set(!pressed)}>
            {text}
        </button>
    );
}

function Steps() {
    const app = useApp();
    const isFound = app.state.query.value.text !== "" && app.search.count.value > 0;
    const step = (id: string) => isFound && app.actions.run(`flame.${id}`);
    return (
        <>
            <button
                aria-label="Previous match"
                title="Previous match (Shift+N)"
                aria-disabled={!isFound}
                onClick={() => step("previousMatch")}
            >
                ↑
            </button>
            <button aria-label="Next match" title="Next match (N)" aria-disabled={!isFound} onClick={() => step("nextMatch")}>
                ↓
            </button>
            <button
                aria-label="Keep matching"
                title="Only samples with one of these: a filter"
                aria-disabled={!isFound}
                onClick={() => isFound && commit(app, "only")}
            >
                Keep
            </button>
            <button
                aria-label="Drop matching"
                title="No samples with one of these: a filter"
                aria-disabled={!isFound}
                onClick={() => isFound && commit(app, "exclude")}
            >
                Drop
            </button>
        </>
    );
}

export function SearchBox() {
    const app = useApp();
    const shell = useShell();
    const input = useRef<HTMLInputElement>(null);
    const { query } = app.state;
    const set = (change: Partial<Query>) => (query.value = { ...query.value, ...change });
    useEffect(() => {
        shell.focusSearch = () => {
            input.current?.focus();
            input.current?.select();
        };
    }, []);
    const handleKey = (event: KeyboardEvent) => {
        if (event.key === "Enter") {
            app.actions.run(event.shiftKey ? "flame.previousMatch" : "flame.nextMatch");
        } else if (event.key === "Escape" && query.value.text === "") {
            const flame = document.querySelector<HTMLElement>("[data-panel='flame']");
            if (flame !== null) {
                focusPanel(flame);
            }
        } else {
            return;
        }
        event.preventDefault();
    };
    return (
        <div class="search" role="search">
            <Found />
            <input
                ref={input}
                type="search"
                aria-label="Search functions"
                aria-invalid={app.search.error.value !== ""}
                placeholder="Search functions ( / )"
                spellcheck={false}
                autocomplete="off"
                maxLength={LONGEST}
                value={query.value.text}
                onInput={(event) => set({ text: event.currentTarget.value.slice(0, LONGEST) })}
                onKeyDown={handleKey}
            />
            <Toggle
                label="Regular expression"
                text=".*"
                pressed={query.value.regex}
                set={(regex) => set({ regex })}
            />
            <Toggle
                label="Match case"
                text="Aa"
                pressed={query.value.matchCase}
                set={(matchCase) => set({ matchCase })}
            />
            <Steps />
        </div>
    );
}
