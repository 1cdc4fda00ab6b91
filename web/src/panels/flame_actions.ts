// What can be done with a flamegraph, by key, menu and palette. Those about a function are about the selected one of
// the flamegraph that had the focus last.

import type { Action } from "../model/actions";
import type { App } from "../model/app";
import { KIND_MISSING, type FrameId } from "../model/frames";
import { sameSymbol } from "../model/scope";
import type { Colour } from "../model/state";
import { activeFlame, type FlameControl } from "./flame_control";

const COLOURS: readonly Colour[] = ["module", "self", "reason", "language"];
const SCROLL_ROWS = 4;
/** What a filter may name, by the protocol. */
const EXCLUDED_AT_MOST = 256;

type Run = () => void;

export function flameActions(app: App, main: FlameControl): Action[] {
    const control = () => activeFlame.peek() ?? main;
    return [...moves(control), ...looks(app, main), ...functions(app, main, control), ...matches(app, main)];
}

function action(id: string, label: string, keys: string[], run: Run, enabled?: () => boolean): Action {
    const base = { id: `flame.${id}`, label, place: "flame" as const, keys, run };
    return enabled === undefined ? base : { ...base, enabled };
}

function moves(control: () => FlameControl): Action[] {
    const isFlame = () => control().renderer?.direction === "flame";
    const vertical = (isUp: boolean) => () => control().step(isUp === isFlame() ? "child" : "parent");
    const scroll = (isUp: boolean) => () => control().renderer?.scrollRows(isUp === isFlame() ? SCROLL_ROWS : -SCROLL_ROWS);
    const isZoomed = () => control().state.zoom.peek().length > 0;
    return [
        action("up", "Up: to the caller, or in a flame to the heaviest callee", ["ArrowUp"], vertical(true)),
        action("down", "Down: to the heaviest callee, or in a flame to the caller", ["ArrowDown"], vertical(false)),
        action("left", "To the function before it", ["ArrowLeft"], () => control().step("previous")),
        action("right", "To the function after it", ["ArrowRight"], () => control().step("next")),
        action("scrollUp", "Scroll up", ["w"], scroll(true)),
        action("scrollDown", "Scroll down", ["s"], scroll(false)),
        action("zoom", "Zoom to it", ["Enter", "Shift+F"], () => control().zoomToSelection()),
        action("resetZoom", "Reset the zoom", ["0"], () => control().zoomTo([]), isZoomed),
    ];
}

function looks(app: App, main: FlameControl): Action[] {
    const { state } = app;
    const invert = () => {
        state.zoom.value = [];
        state.selection.value = null;
        state.inverted.value = !state.inverted.value;
    };
    const turn = () => (state.direction.value = state.direction.value === "icicle" ? "flame" : "icicle");
    const order = () => (state.order.value = state.order.value === "name" ? "heavy" : "name");
    const colour = () => {
        state.colour.value = COLOURS[(COLOURS.indexOf(state.colour.value) + 1) % COLOURS.length];
    };
    return [
        action("invert", "Invert: callers below what they call", ["i"], invert),
        action("direction", "Root on top, or at the bottom", ["v"], turn),
        action("order", "Order by name, or the heaviest first", ["o"], order),
        action("colour", "Colour by module, own time, wait, language", ["c"], colour),
        { ...action("focusPanel", "Go to the flamegraph", [], () => main.renderer?.focus()), place: "global" },
    ];
}

function functions(app: App, main: FlameControl, control: () => FlameControl): Action[] {
    const frame = () => control().frame();
    const isFunction = () => isReal(app, frame());
    const on = (run: (frame: FrameId) => void) => () => {
        const selected = frame();
        if (isReal(app, selected)) {
            run(selected as FrameId);
        }
    };
    const { scope } = app.state;
    const focus = (selected: FrameId) => {
        if (app.fixed === "") {
            clearPlace(app);
        } // else it stays as it is, and so does the place
        app.setScope({ focus: app.symbol(selected) });
    };
    const drop = (selected: FrameId) => {
        const symbol = app.symbol(selected);
        const { exclude } = scope.peek();
        if (exclude.length >= EXCLUDED_AT_MOST) {
            app.state.trouble.value = `a filter drops at most ${EXCLUDED_AT_MOST} functions`;
        } else if (!exclude.some((other) => sameSymbol(other, symbol))) {
            app.setScope({ exclude: [...exclude, symbol] });
        }
    };
    const show = (tab: "code" | "neighbors") => (selected: FrameId) => {
        app.choose(selected);
        app.state.tab.value = tab;
    };
    const isMain = () => control() === main && isFunction();
    const name = (selected: FrameId) => app.frames.name[selected];
    return [
        action("focus", "Focus on it: only samples with it", ["f"], on(focus), isFunction),
        action("drop", "Drop samples with it", ["d"], on(drop), isFunction),
        action("merge", "Merge it into its callers", ["m"], on((one) => app.flame.mergeFunction(one)), isMain),
        action("collapse", "Collapse its recursion", ["r"], on((one) => app.flame.collapseFunction(one)), isMain),
        action("copyName", "Copy its name", ["Ctrl+C"], on((one) => void copy(app, name(one))), isFunction),
        action("copyStack", "Copy the stack", ["Ctrl+Shift+C"], () => void copy(app, control().stack()), isFunction),
        action("showCode", "Show its code", [], on(show("code")), isFunction),
        action("showCallers", "Show its callers and callees", [], on(show("neighbors")), isFunction),
    ];
}

// A place that stands for missing callers is no function.
function isReal(app: App, frame: FrameId | null): boolean {
    return frame !== null && frame !== 0 && app.frames.kind[frame] !== KIND_MISSING;
}

// Paths begin at the root: another root makes other paths.
function clearPlace(app: App): void {
    app.state.zoom.value = [];
    app.state.selection.value = null;
}

async function copy(app: App, text: string): Promise<void> {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        app.state.trouble.value = "the browser does not let this page copy";
    }
}

function matches(app: App, main: FlameControl): Action[] {
    const { search } = app;
    const go = (by: number) => () => {
        const { renderer } = main;
        if (renderer === null) {
            return;
        }
        renderer.settle();
        const found = search.nodes(main.tree, app.state.scope.peek().mode, renderer.drawnOrder);
        if (found.length === 0) {
            return;
        }
        const at = found.indexOf(renderer.selected ?? -1);
        const next = at < 0 ? (by > 0 ? 0 : found.length - 1) : (at + by + found.length) % found.length;
        main.goTo(found[next]);
        search.index.value = next;
    };
    const isSought = () => search.matches !== null && search.count.peek() > 0;
    return [
        { ...action("nextMatch", "Next match of the search", ["n"], go(1), isSought), place: "global", repeats: true },
        { ...action("previousMatch", "Match before it", ["Shift+N"], go(-1), isSought), place: "global", repeats: true },
    ];
}
