// Where the panels stand.
//
//     TopBar
//     FilterBar    SearchBox
//     TimelinePanel
//     ─────────────────────── (each line can be moved)
//     ScopeTrail
//     FlamePanel  │ SidePanel
//     ────────────┴──────────
//     TopTable │ DetailTabs
//
// A pane that is hidden is not there at all: what it shows is not asked for. In a narrow window the four lower ones
// stand behind tabs.

import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { MEASURES, PANE_NAMES, PANES, type Pane } from "../model/layout";
import { keepFocus } from "../model/shell";
import { FlamePanel } from "./FlamePanel";
import { ScopeTrail } from "./ScopeTrail";
import { SearchBox } from "./SearchBox";
import { useShell } from "./shell";
import { Splitter } from "./Splitter";
import { Toasts } from "./Toasts";
import { TopBar } from "./TopBar";
import { usePart } from "./usePart";

// The flamegraph comes first: the others have a part of the page each, and their places wait for them.
const PANELS: Record<Pane, () => ComponentType | undefined> = {
    timeline: () => usePart("time")?.timeline,
    flame: () => FlamePanel,
    side: () => usePart("time")?.side,
    top: () => usePart("tables")?.top,
    detail: () => usePart("tables")?.detail,
};

function PaneBox({ pane }: { readonly pane: Pane }) {
    const Panel = PANELS[pane]();
    return (
        <div class={`pane pane-${pane}`} data-panel={pane} tabIndex={-1}>
            {Panel && <Panel />}
        </div>
    );
}

function Row({ class: name, children }: { readonly class: string; readonly children: (false | object)[] }) {
    return children.some((child) => child !== false) ? <div class={`pane-row ${name}`}>{children}</div> : null;
}

function Wide() {
    const { layout } = useShell();
    const shown = (pane: Pane) => layout.isShown(pane);
    const has = { upper: shown("flame") || shown("side"), lower: shown("top") || shown("detail") };
    return (
        <main class={`panes ${has.lower ? "" : "only-upper"}`}>
            <Row class="upper">
                {shown("flame") && <PaneBox pane="flame" />}
                {shown("flame") && shown("side") && (
                    <Splitter name="side" label="Width of waits and wakers" orientation="vertical" backwards pane="side" />
                )}
                {shown("side") && <PaneBox pane="side" />}
            </Row>
            {has.upper && has.lower && (
                <Splitter name="upper" label="Height of the flamegraph" orientation="horizontal" pane="flame" />
            )}
            <Row class="lower">
                {shown("top") && <PaneBox pane="top" />}
                {shown("top") && shown("detail") && (
                    <Splitter name="top" label="Width of functions" orientation="vertical" pane="top" />
                )}
                {shown("detail") && <PaneBox pane="detail" />}
            </Row>
        </main>
    );
}

function Narrow() {
    const { layout } = useShell();
    const panes: readonly Pane[] = PANES.filter((pane) => pane !== "timeline");
    const choose = (event: KeyboardEvent) => {
        const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        if (by !== 0) {
            const next = (panes.indexOf(layout.tab.value) + by + panes.length) % panes.length;
            layout.tab.value = panes[next];
            (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("[role=tab]")[next].focus();
            event.preventDefault();
        }
    };
    return (
        <main class="narrow">
            <div class="pane-tabs" role="tablist" aria-label="Panels" onKeyDown={choose}>
                {panes.map((pane) => (
                    <button
                        key={pane}
                        role="tab"
                        aria-selected={layout.tab.value === pane}
                        tabIndex={layout.tab.value === pane ? 0 : -1}
                        onClick={() => (layout.tab.value = pane)}
                    >
                        {PANE_NAMES[pane]}
                    </button>
                ))}
            </div>
            <PaneBox key={layout.tab.value} pane={layout.tab.value} />
        </main>
    );
}

function Filters() {
    const FilterBar = usePart("time")?.filters;
    return FilterBar ? <FilterBar /> : <div class="filters-place" />;
}

// Loaded before one is wanted: whoever opens one goes on typing.
function Dialogs() {
    const part = usePart("dialogs");
    const isOpen = useShell().dialog.value !== "none";
    return (
        part &&
        isOpen && (
            <>
                <part.Palette />
                <part.Help />
                <part.ConfirmStop />
            </>
        )
    );
}

export function AppView() {
    const { layout } = useShell();
    const page = useRef<HTMLDivElement>(null);
    const sizes = layout.sizes.value;
    useEffect(() => keepFocus(page.current as HTMLElement), []);
    const style = Object.fromEntries(
        (Object.keys(MEASURES) as (keyof typeof MEASURES)[]).map((name) => {
            return [`--size-${name}`, `${sizes[name]}${MEASURES[name].unit}`];
        }),
    );
    return (
        <div class="page" ref={page} style={style}>
            <TopBar />
            <div class="filters" data-panel="filters" tabIndex={-1}>
                <Filters />
                <SearchBox />
            </div>
            {layout.isShown("timeline") && <PaneBox pane="timeline" />}
            {layout.isShown("timeline") && (
                <Splitter name="timeline" label="Height of the timeline" orientation="horizontal" pane="timeline" />
            )}
            <ScopeTrail />
            {layout.narrow.value ? <Narrow /> : <Wide />}
            <Dialogs />
            <Toasts />
        </div>
    );
}
