// What is around the panels: layout, history, the watch over the run, which dialog is open, and what can be done
// anywhere on the page.

import { effect, signal } from "@preact/signals";
import type { App } from "./app";
import { exportActions } from "../export/actions";
import { shorten } from "../lib/format";
import { nextTheme } from "../lib/theme";
import { browserHistory, History } from "./history";
import { Layout, PANE_NAMES, PANES, type Pane } from "./layout";
import { RunWatch } from "./run_watch";
import type { Action } from "./actions";
import type { Scope } from "./scope";

export type Dialog = "none" | "palette" | "help" | "stop";

export class Shell {
    readonly layout = new Layout();
    readonly history: History;
    readonly watch: RunWatch;
    readonly dialog = signal<Dialog>("none");
    /** Puts the cursor into the search box. */
    focusSearch: () => void = () => {};

    constructor(readonly app: App) {
        this.history = new History(app, browserHistory());
        this.watch = new RunWatch(app);
        app.actions.add([...this.dialogs(), ...this.moves(), ...this.recording(), ...this.panes(), ...exportActions(this)]);
    }

    /** Before anything is shown, and before anything is asked. */
    start(): void {
        this.layout.start();
        this.history.start();
        effect(() => {
            const run = this.app.state.run.value;
            document.title = run === null ? "stax" : `${shorten(run.label, 60)} · run ${run.id} · stax`;
        });
    }

    /** The run that is looked at is the one that is being recorded. */
    isRecorded(): boolean {
        const run = this.app.state.run.value;
        return run !== null && this.app.status.value?.active[0]?.id === run.id && run.state === "recording";
    }

    /** Asks the server for something; says so when it does not work. */
    async attempt(what: string, ask: () => Promise<unknown>): Promise<void> {
        try {
            await ask();
        } catch (error) {
            this.app.messages.complain(`${what}: ${error instanceof Error ? error.message : String(error)}`);
        }
    }

    setPaused(paused: boolean): void {
        void this.attempt(paused ? "Pausing failed" : "Resuming failed", async () => {
            await this.app.client.call("Profiler.set_paused", { paused });
            await this.watch.refresh();
            this.app.messages.say(
                paused
                    ? "Recording is paused: samples that come now are lost. Freezing the view loses nothing."
                    : "Recording goes on.",
            );
        });
    }

    stopRecording(): void {
        void this.attempt("Stopping failed", async () => {
            await this.app.client.call("RunControl.stop_active", {});
            await this.watch.refresh();
        });
    }

    /** Takes back the newest thing that narrows what is seen: what Esc does. */
    pop(): void {
        const { app } = this;
        const { state } = app;
        const scope = state.scope.value;
        if (state.query.value.text !== "") {
            state.query.value = { ...state.query.value, text: "" };
        } else if (this.isDrilled() && ["zoom", "drill"].includes(this.history.lastStep() ?? "")) {
            this.history.back();
        } else if (state.zoom.value.length > 0) {
            state.zoom.value = [];
        } else if (lastDrill(scope) !== null) {
            app.setScope(lastDrill(scope) as Partial<Scope>);
        } else if (scope.range.kind !== "all") {
            app.setScope({ range: { kind: "all" } });
        } else {
            state.selection.value = null;
        }
    }

    private isDrilled(): boolean {
        return this.app.state.zoom.value.length > 0 || lastDrill(this.app.state.scope.value) !== null;
    }

    private dialogs(): Action[] {
        const open = (dialog: Dialog) => () => (this.dialog.value = dialog);
        return [
            action("palette", "Commands", ["Ctrl+K", "Ctrl+Shift+P"], open("palette")),
            action("help", "Show the keys", ["?"], open("help")),
            action("search", "Search functions", ["/", "Ctrl+F"], () => this.focusSearch()),
        ];
    }

    private moves(): Action[] {
        const { state } = this.app;
        return [
            action("freeze", "Freeze or unfreeze the view", ["Space"], () => (state.frozen.value = !state.frozen.value)),
            action("pop", "Take back the last search, zoom, filter, range or selection", ["Esc"], () => this.pop()),
            { ...action("back", "Back to the step before", ["["], () => this.history.back()), repeats: true },
            { ...action("forward", "Forward again", ["]"], () => this.history.forward()), repeats: true },
            action("scope.clear", "Whole run: take every filter away", [], () => this.app.clearScope()),
            action("panel.next", "Next panel", ["F6"], () => cyclePanels(1)),
            action("panel.previous", "Previous panel", ["Shift+F6"], () => cyclePanels(-1)),
            action("theme", "Light, dark, or as the system", [], () => (state.theme.value = nextTheme(state.theme.value))),
        ];
    }

    private recording(): Action[] {
        const isPaused = () => this.app.state.run.value?.paused === true;
        const pause = action("pause", "Pause or resume recording", ["Shift+P"], () => this.setPaused(!isPaused()));
        const stop = action("stop", "Stop recording", [], () => (this.dialog.value = "stop"));
        return [pause, stop].map((one) => ({ ...one, enabled: () => this.isRecorded() }));
    }

    private panes(): Action[] {
        const toggle = (pane: Pane) =>
            action(`pane.${pane}`, `Show or hide: ${PANE_NAMES[pane]}`, [], () => this.layout.toggle(pane));
        return [...PANES.map(toggle), action("pane.reset", "Usual sizes of all panels", [], () => this.layout.resetAll())];
    }
}

export function action(id: string, label: string, keys: string[], run: () => void): Action {
    return { id: `shell.${id}`, label, place: "global", keys, run };
}

/** The scope without the filter that was most likely set last; null: there is none. */
function lastDrill(scope: Scope): Partial<Scope> | null {
    if (scope.focus !== null) {
        return { focus: null };
    }
    if (scope.only.length > 0) {
        return { only: [] };
    }
    return scope.exclude.length > 0 ? { exclude: scope.exclude.slice(0, -1) } : null;
}

const FOCUSABLE = "button:not([disabled]),input:not([disabled]),select:not([disabled]),a[href],[tabindex='0']";

/** Into a panel: to where its keys are, else to the first thing in it. */
export function focusPanel(panel: HTMLElement): void {
    const inner = panel.querySelector<HTMLElement>("[data-place][tabindex='0'],[data-place] [tabindex='0']");
    (inner ?? panel.querySelector<HTMLElement>(FOCUSABLE) ?? panel).focus();
}

function cyclePanels(by: number): void {
    const panels = [...document.querySelectorAll<HTMLElement>("[data-panel]")];
    const at = panels.findIndex((panel) => panel.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : panels.length - 1) : (at + by + panels.length) % panels.length;
    if (panels.length > 0) {
        focusPanel(panels[next]);
    }
}

/** When what had the focus goes away, the panel that had it last gets it: the keyboard is never nowhere. */
export function keepFocus(root: HTMLElement): void {
    let panel: HTMLElement | null = null;
    let element: Element | null = null;
    root.addEventListener("focusin", (event) => {
        element = event.target as Element;
        panel = element.closest<HTMLElement>("[data-panel]") ?? panel;
    });
    new MutationObserver(() => {
        if (element !== null && !element.isConnected && document.activeElement === document.body) {
            element = null;
            const home = panel?.isConnected === true ? panel : root.querySelector<HTMLElement>("[data-panel='flame']");
            home?.focus();
        }
    }).observe(root, { childList: true, subtree: true });
}
