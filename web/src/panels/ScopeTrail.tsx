// What is counted, from the whole run inwards, each part of it a chip that can be taken away. Zooming is no part of it:
// it changes what is drawn, and is said below the flamegraph.

import { EXPORT_IDS } from "../export/actions";
import { percent, shorten, span, time, visible } from "../lib/format";
import type { OffCpu, Symbol } from "../lib/protocol";
import type { App } from "../model/app";
import { isEverything, REASONS, type Scope } from "../model/scope";
import { useApp } from "./hooks";
import { Menu, type MenuItem } from "./Menu";
import { useShell } from "./shell";

interface Chip {
    readonly text: string;
    readonly title: string;
    readonly without: Partial<Scope>;
}

function functionChip(prefix: string, symbol: Symbol, without: Partial<Scope>): Chip {
    const where = symbol.binary === undefined ? "" : ` [${symbol.binary}]`;
    return {
        text: `${prefix} ${shorten(symbol.function_name, 36)}`,
        title: visible(symbol.function_name.slice(0, 1000) + where),
        without,
    };
}

function threadChip(app: App, tid: number): Chip {
    app.threads.version.value; // its name may become known
    const thread = app.threads.value?.threads.find((one) => one.tid === tid);
    const name = thread === undefined ? "" : `${shorten(thread.name, 24)} `;
    return { text: `thread ${name}${tid}`, title: "only this thread", without: { tid: null } };
}

function rangeChip({ range }: Scope): Chip | null {
    if (range.kind === "all") {
        return null;
    }
    const text = range.kind === "fixed" ? span(range.startNs, range.endNs) : `last ${range.seconds} s`;
    return { text, title: "only this time", without: { range: { kind: "all" } } };
}

function onlyChip({ only }: Scope): Chip | null {
    if (only.length === 0) {
        return null;
    }
    const first = functionChip("only", only[0], { only: [] });
    const title = only.map((symbol) => visible(symbol.function_name.slice(0, 200))).join("\n");
    return only.length === 1 ? first : { ...first, text: `${first.text} +${only.length - 1}`, title: title.slice(0, 4000) };
}

function chipsOf(app: App): Chip[] {
    const scope = app.state.scope.value;
    const chips: (Chip | null)[] = [
        scope.tid === null ? null : threadChip(app, scope.tid),
        rangeChip(scope),
        onlyChip(scope),
        ...excludeChips(scope),
        scope.focus === null ? null : functionChip("focus", scope.focus, { focus: null }),
    ];
    if (scope.reason !== null) {
        const reason = REASONS[scope.reason];
        chips.push({ text: `waiting: ${reason.label}`, title: "only waits for this", without: { reason: null } });
    }
    return chips.filter((chip) => chip !== null) as Chip[];
}

const EXCLUDED_ALONE = 6; // chips of their own

function excludeChips({ exclude }: Scope): Chip[] {
    const one = (symbol: Symbol, i: number) => functionChip("−", symbol, { exclude: exclude.filter((_, k) => k !== i) });
    if (exclude.length <= EXCLUDED_ALONE) {
        return exclude.map(one);
    }
    const names = exclude.map((symbol) => visible(symbol.function_name.slice(0, 200))).join("\n");
    return [{ text: `− ${exclude.length} functions`, title: names.slice(0, 4000), without: { exclude: [] } }];
}

export function sumOff(off: OffCpu | null): number {
    return off === null ? 0 : Object.values(off).reduce((sum: number, ns: number) => sum + ns, 0);
}

function Total() {
    const { state, tree } = useApp();
    const { watch } = useShell();
    tree.version.value;
    if (tree.latest === null) {
        return null;
    }
    const scope = state.scope.value;
    const { mode, reason } = scope;
    const parts = mode === "on_cpu" ? [1, 0] : mode === "off_cpu" ? [0, 1] : [1, 1];
    const offNs = reason === null || tree.n === 0 ? sumOff(tree.totalOff) : tree.reasons(0)[reason];
    const ns = parts[0] * tree.totalOnNs + parts[1] * offNs;
    const run = watch.totalNs.value;
    // What the run has in all is known as of a second ago: without a filter it is what is shown.
    const wholeNs = isEverything(scope) ? ns : run === null ? 0 : parts[0] * run.onNs + parts[1] * run.offNs;
    const word = mode === "on_cpu" ? "on-CPU" : mode === "off_cpu" ? "off-CPU" : "wall";
    return (
        <span class="total" title={`${word} time of this scope, and its share of the run`}>
            {time(ns)} <span class="dim">{word}</span>{" "}
            {wholeNs > 0 && <b>{percent(Math.min(1, ns / wholeNs))}</b>}
        </span>
    );
}

function exportItems(app: App): MenuItem[] {
    const item = (id: string) => {
        const found = app.actions.all.find((action) => action.id === id);
        return found === undefined ? [] : [{ label: found.label, ...note(found.keys[0]), run: () => app.actions.run(id) }];
    };
    return EXPORT_IDS.flatMap(item);
}

function note(key: string | undefined): { note?: string } {
    return key === undefined ? {} : { note: key };
}

export function ScopeTrail() {
    const app = useApp();
    const chips = chipsOf(app);
    const fixed = app.fixed === "" ? undefined : app.fixed;
    return (
        <div class="trail" data-panel="trail" tabIndex={-1}>
            <ul class="scope" aria-label="Scope">
                <li>
                    <button
                        class="chip all"
                        aria-label="Whole run"
                        aria-disabled={chips.length === 0 || fixed !== undefined}
                        title={fixed ?? "Takes every filter away"}
                        onClick={() => chips.length > 0 && app.clearScope()}
                    >
                        all
                    </button>
                </li>
                {chips.map((chip) => (
                    <li key={chip.text}>
                        <span class="chip" title={chip.title}>
                            <span class="chip-text">{chip.text}</span>
                            <button
                                class="plain"
                                aria-label={`Remove: ${chip.text}`}
                                aria-disabled={fixed !== undefined}
                                title={fixed}
                                onClick={() => app.setScope(chip.without)}
                            >
                                ×
                            </button>
                        </span>
                    </li>
                ))}
            </ul>
            <Total />
            <div class="buttons">
                <button title="The command that shows the same" onClick={() => app.actions.run("export.command")}>
                    Copy as command
                </button>
                <button title="Y" onClick={() => app.actions.run("export.link")}>
                    Copy link
                </button>
                <button title="y" onClick={() => app.actions.run("export.markdown")}>
                    Copy as Markdown
                </button>
                <Menu label="Export" items={() => exportItems(app)}>
                    Export <span aria-hidden="true">▾</span>
                </Menu>
            </div>
        </div>
    );
}
