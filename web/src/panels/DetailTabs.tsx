// One function, closely: code, callers and callees, waits, control flow; and the tree as a tree.
//
// Only the tab that is seen exists, so only that one asks anything. What they show is a part of its own, which is
// loaded when the page stands: the tabs, and which function they are about, are here.

import { signal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { percentOf } from "../lib/format";
import type { App } from "../model/app";
import type { Tab } from "../model/state";
import type { Target } from "../model/tables";
import { scopeTotal, totalOf } from "../model/top";
import { loadPart, partAtHand, type DetailsPart } from "../lib/parts";
import { openTab } from "./details";
import { useApp } from "./hooks";
import { ROWS_ACTIONS } from "./rows_actions";
import { FunctionName } from "./TableNames";

interface TabInfo {
    readonly id: Tab;
    readonly title: string;
    /** It is about one function. */
    readonly ofFunction: boolean;
}

const TABS: readonly TabInfo[] = [
    { id: "code", title: "Code", ofFunction: true },
    { id: "neighbors", title: "Callers and callees", ofFunction: true },
    { id: "intervals", title: "Waits", ofFunction: false },
    { id: "cfg", title: "Control flow", ofFunction: true },
    { id: "tree", title: "Tree", ofFunction: false },
];

export function DetailTabs() {
    const app = useApp();
    const { state, tables } = app;
    const list = useRef<HTMLDivElement>(null);
    const info = TABS.find((tab) => tab.id === state.tab.value) ?? TABS[0];
    const Panel = usePanels()?.[info.id];
    useEffect(() => {
        app.actions.add(ROWS_ACTIONS);
        app.actions.add(
            TABS.map((tab) => ({
                id: `details.${tab.id}`,
                label: tab.id === "tree" ? "Call tree as a table" : `Details: ${tab.title}`,
                place: "global" as const,
                keys: tab.id === "tree" ? ["Shift+T"] : [],
                run: () => openTab(app, tab.id),
            })),
        );
    }, []);
    const place = info.id === "code" || info.id === "cfg" ? "code" : "table";
    const run = useRef<number | null>(null);
    useSignalEffect(() => {
        const id = state.run.value?.id ?? null;
        if (run.current !== null && id !== run.current) {
            tables.forgetAddresses();
        }
        run.current = id;
    });
    const onKeyDown = (event: KeyboardEvent) => {
        const at = TABS.indexOf(info);
        const to = {
            ArrowRight: (at + 1) % TABS.length,
            ArrowLeft: (at + TABS.length - 1) % TABS.length,
            Home: 0,
            End: TABS.length - 1,
        }[event.key];
        if (to !== undefined) {
            event.preventDefault();
            event.stopPropagation();
            state.tab.value = TABS[to].id;
            (list.current?.children[to] as HTMLElement).focus();
        }
    };
    return (
        <section class="details" data-place={place} aria-label="Details">
            <div class="panel-head">
                <div ref={list} class="tabs" role="tablist" aria-label="Details" onKeyDown={onKeyDown}>
                    {TABS.map((tab) => (
                        <button
                            key={tab.id}
                            id={`details-tab-${tab.id}`}
                            type="button"
                            role="tab"
                            aria-selected={tab === info}
                            aria-controls="details-panel"
                            tabIndex={tab === info ? 0 : -1}
                            onClick={() => (state.tab.value = tab.id)}
                        >
                            {tab.title}
                        </button>
                    ))}
                </div>
                <span class="spring" />
                {info.ofFunction && <TargetLine app={app} target={tables.target(state.chosen.value)} />}
            </div>
            <div
                id="details-panel"
                class="details-panel"
                role="tabpanel"
                aria-labelledby={`details-tab-${info.id}`}
                tabIndex={-1}
            >
                {Panel === undefined ? <PanelMissing /> : <Panel key={info.id} />}
            </div>
        </section>
    );
}

const trouble = signal("");

/** What the tabs show; undefined until that part of the page is here. */
function usePanels(): DetailsPart["panels"] | undefined {
    const app = useApp();
    const arrived = useSignal(false);
    const load = () =>
        loadPart("details").then(
            () => {
                trouble.value = "";
                arrived.value = true;
            },
            (error: unknown) => (trouble.value = error instanceof Error ? error.message : String(error)),
        );
    const isConnected = app.state.connection.value === "open" || app.state.connection.value === "file";
    useEffect(() => void load(), [isConnected]);
    void arrived.value;
    const part = partAtHand("details");
    if (part !== undefined) {
        app.tables.details ??= part.makeDetails(app.frames);
    }
    return part?.panels;
}

function PanelMissing() {
    return <div class="rows-empty">{trouble.value || "…"}</div>;
}

function TargetLine({ app, target }: { app: App; target: Target | null }) {
    if (target === null) {
        return null;
    }
    const { frames, state, tables } = app;
    void tables.top.version.value;
    const row = tables.top.find(target.frame);
    const latest = tables.top.latest;
    const scope = state.scope.value;
    return (
        <span class="target">
            {target.isDefault && (
                <span class="dim" title="no function was chosen">
                    the hottest:{" "}
                </span>
            )}
            <FunctionName
                name={frames.name[target.frame]}
                binary={frames.binary[target.frame]}
                inlined={frames.inlined[target.frame]}
            />
            {row !== undefined && latest !== null && (
                <span class="dim">
                    {" "}
                    {percentOf(
                        totalOf(row, scope.mode),
                        scopeTotal(scope, latest.total_on_cpu_ns, latest.total_off_cpu),
                    )}
                </span>
            )}
            {!target.isDefault && (
                <button type="button" title="the hottest function instead" onClick={() => app.choose(null)}>
                    ×
                </button>
            )}
        </span>
    );
}
