// Which run this is, how it goes, how far it can be trusted, and how the page is connected.

import { clock, count, exact, percent, plural, shorten, time } from "../lib/format";
import type { RunSummary } from "../lib/protocol";
import type { App } from "../model/app";
import { PANE_NAMES, PANES } from "../model/layout";
import type { Shell } from "../model/shell";
import type { Theme } from "../model/state";
import { useApp } from "./hooks";
import { Menu, type MenuItem } from "./Menu";
import { useShell } from "./shell";

function when(unixNs: number): string {
    return new Date(unixNs / 1e6).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
}

function runItems(app: App): (MenuItem | "line")[] {
    const list = app.runs.value?.runs ?? [];
    const chosen = app.state.scope.value.run;
    const disabled = app.fixed === "" ? undefined : app.fixed;
    const items = [...list].reverse().map((run) => ({
        label: `${run.id}  ${shorten(run.label, 60)}`,
        note: `${run.state === "recording" ? "● recording" : when(run.started_at_unix_ns)} · ${plural(run.samples, "sample")}`,
        checked: chosen === run.id,
        disabled,
        run: () => app.setRun(run.id),
    }));
    const follow = { label: "The current run", note: "and whatever is recorded next", checked: chosen === null, disabled };
    return [{ ...follow, run: () => app.setRun(null) }, "line", ...items];
}

function RunPicker() {
    const app = useApp();
    const shell = useShell();
    const run = app.state.run.value;
    const name = run === null ? "no run" : `${shorten(run.label, 48)}`;
    return (
        <Menu
            label="Run"
            class="run-picker"
            title={run === null ? "" : `run ${run.id}, process ${run.target_pid}`}
            items={() => runItems(app)}
            onOpen={() => void shell.attempt("Runs cannot be listed", () => shell.watch.refresh())}
        >
            <span class="run-name">{name}</span>
            {run !== null && <span class="dim">#{run.id}</span>}
            <span aria-hidden="true">▾</span>
        </Menu>
    );
}

function Progress({ run }: { readonly run: RunSummary }) {
    const { watch } = useShell();
    const word = run.state === "stopped" ? "stopped" : run.paused ? "paused" : "recording";
    const rate = watch.rate.value;
    return (
        <>
            <span class={`progress ${word}`}>
                <span aria-hidden="true">{word === "recording" ? "●" : word === "paused" ? "‖" : "■"}</span> {word}{" "}
                <span class="clock">{clock(run.duration_ns)}</span>
            </span>
            <span class="fact" title={`${exact(run.samples)} samples`}>
                {plural(run.samples, "sample")}
                {rate !== null && <span class="dim wide"> ({count(rate)}/s)</span>}
            </span>
        </>
    );
}

function Trust({ run }: { readonly run: RunSummary }) {
    const { health } = useApp().state;
    const lost = run.lost_samples;
    const seen = health.value;
    return (
        <>
            <span class={lost > 0 ? "fact bad" : "fact"} title="samples that the kernel took and could not deliver">
                {count(lost)} lost
            </span>
            {run.paused_samples > 0 && (
                <span class="fact warn" title="samples that came while recording was paused">
                    {count(run.paused_samples)} dropped
                </span>
            )}
            {seen !== null && seen.samples > 0 && (
                <>
                    <span class="fact wide" title="samples of this scope whose stack lacks callers">
                        {percent(seen.truncated_samples / seen.samples)} truncated
                    </span>
                    <span class="fact wide" title="samples of this scope whose innermost function has no name">
                        {percent(seen.unresolved_samples / seen.samples)} unresolved
                    </span>
                </>
            )}
        </>
    );
}

function connectionText(app: App, stale: boolean): { text: string; kind: "good" | "warn" | "bad" } {
    switch (app.state.connection.value) {
        case "connecting":
            return { text: "connecting …", kind: "warn" };
        case "open":
            return stale ? { text: "stale", kind: "warn" } : { text: "live", kind: "good" };
        case "lost":
            return { text: "lost: retrying", kind: "bad" };
        case "refused":
            return { text: "refused: open the address that `stax ui` prints", kind: "bad" };
        case "file":
            return { text: "file", kind: "good" };
    }
}

function Connection() {
    const app = useApp();
    const { watch } = useShell();
    const { text, kind } = connectionText(app, watch.stale.value);
    const title = kind === "good" && app.fixed !== "" ? app.fixed : app.client.transport.origin;
    return (
        <span class={`connection ${kind}`} role="status" aria-label="Connection" title={title}>
            {text}
        </span>
    );
}

function FreezeButton() {
    const { state } = useApp();
    const { watch } = useShell();
    const frozen = state.frozen.value;
    watch.now.value; // counts on
    const behind = frozen ? Math.max(0, Math.floor((performance.now() - state.frozenAt.value) / 1000)) : 0;
    return (
        <>
            {frozen && (
                <span class="frozen-badge">
                    frozen{state.recording.value && state.connection.value === "open" ? `, ${behind} s behind` : ""}
                </span>
            )}
            <button
                class={frozen ? "pressed" : ""}
                aria-label={frozen ? "Unfreeze view" : "Freeze view"}
                title="Holds what is shown; nothing is lost (Space)"
                onClick={() => (state.frozen.value = !frozen)}
            >
                {frozen ? "Unfreeze" : "Freeze"}
            </button>
        </>
    );
}

function RecordingButtons() {
    const { state } = useApp();
    const shell = useShell();
    const paused = state.run.value?.paused === true;
    if (!shell.isRecorded()) {
        return null;
    }
    return (
        <>
            <button
                class={paused ? "ingest pressed" : "ingest"}
                aria-label={paused ? "Resume recording" : "Pause recording"}
                title="While recording is paused, samples are lost (Shift+P)"
                onClick={() => shell.setPaused(!paused)}
            >
                {paused ? "Resume" : "Pause"}
            </button>
            <button
                class="ingest"
                aria-label="Stop recording"
                title="Ends the run"
                onClick={() => (shell.dialog.value = "stop")}
            >
                Stop
            </button>
        </>
    );
}

const THEMES: readonly (readonly [Theme, string])[] = [
    ["auto", "As the system"],
    ["light", "Light"],
    ["dark", "Dark"],
];

function menuItems(app: App, shell: Shell): (MenuItem | "line")[] {
    const { layout } = shell;
    const { theme } = app.state;
    return [
        ...PANES.map((pane) => ({
            label: PANE_NAMES[pane],
            checked: !layout.hidden.value.includes(pane),
            run: () => layout.toggle(pane),
        })),
        { label: "Usual sizes", run: () => layout.resetAll() },
        "line",
        ...THEMES.map(([value, label]) => ({
            label,
            checked: theme.value === value,
            run: () => void (theme.value = value),
        })),
        "line",
        { label: "Commands …", note: "Ctrl+K", run: () => void (shell.dialog.value = "palette") },
        { label: "Keys …", note: "?", run: () => void (shell.dialog.value = "help") },
    ];
}

export function TopBar() {
    const app = useApp();
    const shell = useShell();
    const run = app.state.run.value;
    const total = shell.watch.totalNs.value;
    return (
        <header class="topbar" data-panel="topbar" tabIndex={-1}>
            <h1>stax</h1>
            <RunPicker />
            <div class="facts">
                {run !== null && <Progress run={run} />}
                {run !== null && <Trust run={run} />}
                {run !== null && total !== null && (
                    <span class="fact" title="on-CPU time of the whole run">
                        {time(total.onNs)} on-CPU
                    </span>
                )}
            </div>
            <Connection />
            <div class="buttons">
                <FreezeButton />
                <RecordingButtons />
                <Menu label="Menu" title="Panels, theme, commands" items={() => menuItems(app, shell)}>
                    <span aria-hidden="true">☰</span>
                </Menu>
                <button aria-label="Help" title="Keys (?)" onClick={() => (shell.dialog.value = "help")}>
                    ?
                </button>
            </div>
        </header>
    );
}
