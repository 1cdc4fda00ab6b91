// "0 samples yet", with the reason: the most telling one that is known. It starts with what was counted, then a sentence.

import type { App } from "./app";
import { REASONS, type Scope } from "./scope";

/** "" when there is something to be seen. Reads signals: for a computed, or a component. */
export function whyEmpty(app: App): string {
    const { state, tree } = app;
    tree.version.value;
    const { mode } = state.scope.value;
    if (tree.n > 0 && tree.weight(0, mode) > 0) {
        return "";
    }
    const what = { on_cpu: "0 samples", off_cpu: "0 waits", wall: "Nothing" }[mode];
    return `${what}${state.recording.value ? " yet" : ""}: ${whyNotConnected(app) ?? whyNoRun(app) ?? whyQuiet(app)}`;
}

function whyNotConnected(app: App): string | null {
    switch (app.state.connection.value) {
        case "connecting":
            return "connecting to stax-server.";
        case "refused":
            return "stax-server does not know this page. Open the address that `stax ui` prints.";
        case "lost":
            return "the connection to stax-server was lost. It is being tried again.";
        case "open":
        case "file":
            return null;
    }
}

function whyNoRun({ state, runs, tree }: App): string | null {
    const run = state.run.value;
    if (run === null && runs.value !== null) {
        const asked = state.scope.value.run;
        return asked === null
            ? "nothing was recorded. Start with: stax record -- ./program"
            : `there is no run ${asked}. Choose another one above.`;
    }
    if (state.trouble.value !== "") {
        return state.trouble.value;
    }
    if (run?.paused === true) {
        return "recording is paused. Resume it with Shift+P.";
    }
    return tree.latest === null ? "waiting for the first answer." : null;
}

function filtersOf(scope: Scope): string[] {
    const isFiltered = scope.focus !== null || scope.only.length + scope.exclude.length > 0;
    return [
        scope.tid === null ? "" : "the thread",
        scope.range.kind === "all" ? "" : "the time range",
        isFiltered ? "the functions" : "",
    ].filter((name) => name !== "");
}

function whyQuiet({ state, status, tree }: App): string {
    const scope = state.scope.value;
    const filters = filtersOf(scope);
    const offCpu = status.value?.capabilities.off_cpu;
    if (scope.mode !== "on_cpu" && offCpu?.available === false) {
        return `waits cannot be seen here. ${offCpu.reason}`;
    }
    if (scope.reason !== null) {
        return `no wait for this reason (${REASONS[scope.reason].label}) in this scope.`;
    }
    if (filters.length > 0) {
        return `nothing is left of ${filters.join(" and ")} that the scope asks for. Take a chip away to see more.`;
    }
    if (scope.mode === "on_cpu") {
        return "no thread of the program has used a CPU. What it waits for: Waiting (key 2).";
    }
    const hasRun = (tree.latest?.health.samples ?? 0) > 0;
    return hasRun ? "no thread has waited." : "the program has neither run nor waited so far.";
}
