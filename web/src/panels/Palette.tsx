// Everything that can be done or gone to, by a few letters of its name.

import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { plural, shorten, visible } from "../lib/format";
import { fit } from "../lib/fuzzy";
import type { App } from "../model/app";
import { Frames } from "../model/frames";
import type { Shell } from "../model/shell";
import { Dialog } from "./Dialog";
import { Keys } from "./Help";
import { useShell } from "./shell";

interface Item {
    readonly kind: "command" | "thread" | "function" | "run";
    readonly text: string;
    readonly note: string;
    readonly keys: readonly string[];
    run(): void;
}

const MOST = 60;
const FRAMES_AT_MOST = 200_000; // that one keystroke looks at

function commands(app: App): Item[] {
    return app.actions.all
        .filter((action) => action.id !== "shell.palette" && (action.enabled?.() ?? true))
        .map((action) => ({
            kind: "command",
            text: action.label,
            note: "",
            keys: action.keys.slice(0, 1),
            run: () => app.actions.run(action.id),
        }));
}

function threads(app: App): Item[] {
    return (app.threads.value?.threads ?? []).map((thread) => ({
        kind: "thread",
        text: visible(thread.name),
        note: `${thread.tid}`,
        keys: [],
        run: () => app.setScope({ tid: thread.tid }),
    }));
}

function runs(app: App): Item[] {
    return (app.runs.value?.runs ?? []).map((run) => ({
        kind: "run",
        text: `run ${run.id}: ${shorten(run.label, 80)}`,
        note: plural(run.samples, "sample"),
        keys: [],
        run: () => app.setRun(run.id),
    }));
}

function functions({ app, layout }: Shell, wanted: string): Scored[] {
    const { name, binary } = app.frames;
    const found: Scored[] = [];
    for (let frame = Frames.ROOT + 1; frame < Math.min(name.length, FRAMES_AT_MOST); frame++) {
        const score = fit(wanted, name[frame]);
        if (score >= 0) {
            const run = () => {
                app.choose(frame);
                layout.show("detail");
            };
            const text = shorten(name[frame], 120);
            found.push({ score, item: { kind: "function", text, note: visible(binary[frame]), keys: [], run } });
        }
    }
    return found;
}

interface Scored {
    readonly item: Item;
    readonly score: number;
}

function find(shell: Shell, text: string): Item[] {
    const wanted = text.toLowerCase().replace(/\s+/g, "");
    const named = [...commands(shell.app), ...threads(shell.app), ...runs(shell.app)];
    if (wanted === "") {
        return named.slice(0, MOST);
    }
    const bare = (item: Item) => fit(wanted, `${item.text}${item.kind === "thread" ? item.note : ""}`.replace(/\s+/g, ""));
    const scored = named.map((item) => ({ item, score: bare(item) })).filter(({ score }) => score >= 0);
    return [...scored, ...functions(shell, wanted)]
        .sort((a, b) => b.score - a.score)
        .slice(0, MOST)
        .map(({ item }) => item);
}

export function Palette() {
    return (
        <Dialog name="palette" label="Commands">
            <Body />
        </Dialog>
    );
}

function Body() {
    const shell = useShell();
    const { text, at } = useMemo(() => ({ text: signal(""), at: signal(0) }), []);
    const items = useMemo(() => find(shell, text.value), [text.value]);
    const chosen = Math.min(at.value, items.length - 1);
    const move = (to: number) => {
        at.value = Math.max(0, Math.min(items.length - 1, to));
        document.getElementById(`command-${at.value}`)?.scrollIntoView({ block: "nearest" });
    };
    const run = (item: Item | undefined) => {
        shell.dialog.value = "none";
        // When the dialog is gone and the focus is back: it may lead elsewhere.
        setTimeout(() => item?.run());
    };
    const handleKey = (event: KeyboardEvent) => {
        const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
        if (by !== undefined) {
            move(chosen + by);
        } else if (event.key === "Enter") {
            run(items[chosen]);
        } else {
            return;
        }
        event.preventDefault();
    };
    return (
        <div class="palette" onKeyDown={handleKey}>
            <input
                type="text"
                role="combobox"
                aria-label="Command, thread, function or run"
                aria-expanded="true"
                aria-controls="commands"
                aria-activedescendant={items.length > 0 ? `command-${chosen}` : undefined}
                placeholder="Command, thread, function or run"
                autocomplete="off"
                spellcheck={false}
                autofocus
                onInput={(event) => {
                    text.value = event.currentTarget.value.slice(0, 200);
                    at.value = 0;
                }}
            />
            <ul id="commands" role="listbox" aria-label="Commands">
                {items.map((item, i) => (
                    <li
                        key={i}
                        id={`command-${i}`}
                        role="option"
                        aria-selected={i === chosen}
                        onPointerMove={() => (at.value = i)}
                        onClick={() => run(item)}
                    >
                        <span class="kind">{item.kind}</span>
                        <span class="text">{item.text}</span>
                        <span class="note">{item.note}</span>
                        {item.keys.map((key) => (
                            <Keys key={key} text={key} />
                        ))}
                    </li>
                ))}
            </ul>
            {items.length === 0 && <p class="dim">Nothing of that name.</p>}
        </div>
    );
}
