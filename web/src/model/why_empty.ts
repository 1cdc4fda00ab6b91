// "0 samples yet", with the reason: the most telling one that is known.

import { REASONS } from "./scope";
import type { App } from "./app";

/** Reads signals: for a computed, or a component. To be asked only when there is nothing to show. */
export function whyEmpty(app: App): string {
    const { connection, run: seen, scope: chosen, trouble } = app.state;
    switch (connection.value) {
        case "connecting":
            return "Connecting to stax-server …";
        case "refused":
            return "The server wants to know who asks. Open the address that `stax ui` prints.";
        case "lost":
            return "Not connected to stax-server. Trying again …";
        case "open":
        case "file":
            break;
    }
    const run = seen.value;
    const scope = chosen.value;
    if (run === null) {
        return scope.run !== null && app.runs.value !== null
            ? `There is no run ${scope.run}. Choose another one above.`
            : "Nothing was recorded yet. Start with: stax record -- ./program";
    }
    const isWhole = scope.exclude.length + scope.only.length === 0 && scope.focus === null && scope.tid === null;
    if (!isWhole || scope.range.kind !== "all" || scope.reason !== null) {
        const what = scope.mode === "on_cpu" ? "samples" : "waits";
        const why = scope.reason === null ? "" : ` for ${REASONS[scope.reason].label}`;
        return `No ${what}${why} in this scope. Take something away from it: Esc, or "Whole run".`;
    }
    if (run.paused) {
        return "0 samples yet: recording is paused. Resume with Shift+P.";
    }
    if (trouble.value !== "") {
        return trouble.value;
    }
    return run.state === "recording" ? whyQuiet(app) : "No samples were taken in this run: the program used no CPU.";
}

function whyQuiet(app: App): string {
    const mode = app.state.scope.value.mode;
    const offCpu = app.status.value?.capabilities.off_cpu;
    if (mode !== "on_cpu" && offCpu?.available === false) {
        return `Waits cannot be seen here: ${offCpu.reason}`;
    }
    return mode === "on_cpu"
        ? "0 samples yet: the program is asleep, it uses no CPU. What it waits for: Off-CPU (key 2)."
        : "No waits yet: the program has not left a CPU since recording began.";
}
