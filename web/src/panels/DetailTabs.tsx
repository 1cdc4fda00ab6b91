// One function, closely: code, callers and callees, waits, control flow; and the tree as a tree.
//
// Only the tab that is seen exists, so only that one asks anything.

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { percentOf } from "../lib/format";
import type { App } from "../model/app";
import type { Tab } from "../model/state";
import type { Asked, Target } from "../model/tables";
import { scopeTotal, totalOf } from "../model/top";
import { CfgPanel } from "./CfgPanel";
import { CodePanel } from "./CodePanel";
import { useApp } from "./hooks";
import { IntervalsPanel } from "./IntervalsPanel";
import { NeighborsPanel } from "./NeighborsPanel";
import { FunctionName } from "./TableNames";
import { TreePanel } from "./TreePanel";

interface TabInfo {
    readonly id: Tab;
    readonly title: string;
    readonly panel: () => preact.JSX.Element;
    /** It is about one function. */
    readonly ofFunction: boolean;
}

const TABS: readonly TabInfo[] = [
    { id: "code", title: "Code", panel: CodePanel, ofFunction: true },
    { id: "neighbors", title: "Callers and callees", panel: NeighborsPanel, ofFunction: true },
    { id: "intervals", title: "Waits", panel: IntervalsPanel, ofFunction: false },
    { id: "cfg", title: "Control flow", panel: CfgPanel, ofFunction: true },
    { id: "tree", title: "Tree", panel: TreePanel, ofFunction: false },
];

/** What a question about the function in the details begins with; null: there is none to ask about. */
export function askedOf(app: App): Asked | null {
    const target = app.tables.target(app.state.chosen.value);
    return target === null ? null : app.tables.asked(target.frame);
}

/** Shows a tab, with the focus in what it shows. */
export function openTab(app: App, tab: Tab): void {
    app.state.tab.value = tab;
    requestAnimationFrame(() => {
        const panel = document.getElementById("details-panel");
        const inside = panel?.querySelector<HTMLElement>('[data-current="true"], [tabindex="0"]');
        (inside ?? panel)?.focus();
    });
}

export function DetailTabs() {
    const app = useApp();
    const { state, tables } = app;
    const list = useRef<HTMLDivElement>(null);
    const info = TABS.find((tab) => tab.id === state.tab.value) ?? TABS[0];
    const Panel = info.panel;
    useEffect(() => {
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
        <section class="details" data-place={info.id === "code" || info.id === "cfg" ? "code" : "table"} aria-label="Details">
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
                <Panel key={info.id} />
            </div>
        </section>
    );
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
