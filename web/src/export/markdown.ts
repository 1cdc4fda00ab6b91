// What is looked at, as Markdown for a colleague or an agent: what it is about, how far it can be trusted, the command
// that shows the same, and the numbers that matter. Whatever comes from the target stands in fences, one line each.

import { clock, count, exact, percent, percentOf, shorten, span, time, visible } from "../lib/format";
import type { Symbol } from "../lib/protocol";
import type { App } from "../model/app";
import { commandOf } from "../model/command";
import { REASONS } from "../model/scope";
import type { Shell } from "../model/shell";
import { scopeTotal, waitsOf } from "../model/top";
import type { NodeId, TreeColumns } from "../model/tree";
import { codeMarkdown, neighborsMarkdown, topMarkdown } from "./tables_markdown";

/** Agents and colleagues stop reading somewhere. What is left out is said. */
const MOST_CHARACTERS = 12_000;
const TREE_LINES = 30;
const TREE_SHARE = 0.01;
const NAME_LENGTH = 100;
const SYMBOLS = 8;

const MODE_WORDS = { on_cpu: "on-CPU time", off_cpu: "time spent waiting (off-CPU)", wall: "on-CPU and waiting time" };

function fence(lines: readonly string[], language = "text"): string {
    const ticks = lines.flatMap((line) => line.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
    const edge = "`".repeat(ticks + 1);
    return [edge + language, ...lines, edge].join("\n");
}

function symbolText(symbol: Symbol): string {
    const binary = symbol.binary === undefined ? "" : ` [${shorten(symbol.binary.replace(/^\[|\]$/g, ""), 40)}]`;
    return shorten(symbol.function_name, NAME_LENGTH) + binary;
}

function symbolList(symbols: readonly Symbol[]): string {
    const more = symbols.length > SYMBOLS ? `, and ${symbols.length - SYMBOLS} more` : "";
    return symbols.slice(0, SYMBOLS).map(symbolText).join(", ") + more;
}

/** What is counted, in words. */
export function scopeInWords(app: App): string[] {
    const scope = app.state.scope.value;
    const words: string[] = [];
    if (scope.tid !== null) {
        const thread = app.threads.value?.threads.find((one) => one.tid === scope.tid);
        words.push(`only thread ${thread === undefined ? "" : `${shorten(thread.name, 40)} `}${scope.tid}`);
    }
    if (scope.range.kind === "fixed") {
        words.push(`only ${span(scope.range.startNs, scope.range.endNs)} of the run`);
    } else if (scope.range.kind === "last") {
        words.push(`only the last ${scope.range.seconds} s`);
    }
    if (scope.only.length > 0) {
        words.push(`only stacks with: ${symbolList(scope.only)}`);
    }
    if (scope.exclude.length > 0) {
        words.push(`no stacks with: ${symbolList(scope.exclude)}`);
    }
    if (scope.focus !== null) {
        words.push(`only below: ${symbolText(scope.focus)}`);
    }
    if (scope.reason !== null) {
        words.push(`only waits for: ${REASONS[scope.reason].label}`);
    }
    return words.length === 0 ? ["the whole run"] : words;
}

function facts({ app, watch }: Shell): string[] {
    const { state, tree } = app;
    const run = state.run.value;
    const scope = state.scope.value;
    const lines: string[] = [];
    if (run !== null) {
        const word = run.state === "stopped" ? "" : run.paused ? ", paused" : ", still recording";
        lines.push(`run      ${run.id}: ${shorten(run.label, 200)} (process ${run.target_pid})`);
        lines.push(`length   ${clock(run.duration_ns)}${word}, ${exact(run.samples)} samples, ${run.frequency_hz} per second`);
    }
    scopeInWords(app).forEach((words, i) => lines.push(`${i === 0 ? "scope" : "     "}    ${words}`));
    const total = scopeTotal(scope, tree.totalOnNs, tree.totalOff);
    const whole = watch.totalNs.value;
    const all = whole === null ? 0 : { on_cpu: whole.onNs, off_cpu: whole.offNs, wall: whole.onNs + whole.offNs }[scope.mode];
    const share = all > 0 ? `, ${percent(Math.min(1, total / all))} of the run` : "";
    lines.push(`weighs   ${MODE_WORDS[scope.mode]}: ${time(total)}${share}`);
    lines.push(`health   ${health(app)}`);
    return lines;
}

function health(app: App): string {
    const seen = app.state.health.value;
    if (seen === null) {
        return "not known";
    }
    const parts = [
        `${count(seen.lost_samples)} samples lost`,
        `${percentOf(seen.truncated_samples, seen.samples)} of ${count(seen.samples)} stacks truncated`,
        `${percentOf(seen.unresolved_samples, seen.samples)} unresolved`,
    ];
    if (seen.estimated) {
        parts.push("on-CPU times are estimated");
    }
    if (app.state.scope.value.mode !== "on_cpu" && seen.approximate_pct > 0) {
        parts.push(`${seen.approximate_pct.toFixed(1)} % of the waits have an approximate stack`);
    }
    return parts.join(", ");
}

function commands({ app }: Shell): string[] {
    const scope = app.state.scope.value;
    const run = scope.run ?? app.state.run.value?.id ?? null;
    return (["top", "flame"] as const).map((command) => commandOf(command, scope, run, app.state.endNs.value));
}

/** The heaviest nodes, so many as fit, in the order of the tree: the heaviest way down is among them. */
export function treeLines(app: App, tree: TreeColumns, from: NodeId): string[] {
    const { mode } = app.state.scope.value;
    const total = tree.weight(from, mode);
    if (tree.n === 0 || total <= 0) {
        return [];
    }
    const childrenOf = (node: NodeId) =>
        Array.from(tree.childList.subarray(tree.childStart[node], tree.childStart[node + 1]))
            .filter((child) => tree.weight(child, mode) >= total * TREE_SHARE)
            .sort((a, b) => tree.weight(b, mode) - tree.weight(a, mode));
    const chosen = new Set<NodeId>([from]);
    let border = childrenOf(from);
    while (border.length > 0 && chosen.size < TREE_LINES) {
        border.sort((a, b) => tree.weight(b, mode) - tree.weight(a, mode));
        const next = border.shift() as NodeId;
        chosen.add(next);
        border = border.concat(childrenOf(next));
    }
    const lines: string[] = [];
    const put = (node: NodeId, depth: number) => {
        const frame = tree.frame[node];
        const name = node === 0 ? "(all)" : symbolText(app.symbol(frame));
        lines.push(`${percentOf(tree.weight(node, mode), total).padStart(7)}  ${"  ".repeat(Math.min(depth, 30))}${name}`);
        childrenOf(node).filter((child) => chosen.has(child)).forEach((child) => put(child, depth + 1));
    };
    put(from, 0);
    return border.length > 0 ? [...lines, `… ${border.length} more of at least 1 % are left out`] : lines;
}

function treeSection(app: App): string {
    const tree = app.flame.shown();
    const { node, found } = tree.find(app.state.zoom.value);
    const lines = treeLines(app, tree, node);
    if (lines.length === 0) {
        return "";
    }
    const where = found === 0 ? "" : ", below the zoom: 100 % is its total";
    const title = app.state.inverted.value ? "Callers below what they call" : "Call tree";
    return `### ${title}${where}\n\n${fence(lines)}\n`;
}

function waits(app: App): string {
    const scope = app.state.scope.value;
    const off = app.tree.totalOff;
    const total = off === null ? 0 : waitsOf(off, null);
    if (scope.mode === "on_cpu" || off === null || total === 0) {
        return "";
    }
    const rows = REASONS.map((reason, i) => ({ label: reason.label, ns: waitsOf(off, i) })).filter(({ ns }) => ns > 0);
    const lines = rows
        .sort((a, b) => b.ns - a.ns)
        .map(({ label, ns }) => `${percentOf(ns, total).padStart(7)}  ${time(ns).padStart(8)}  ${label}`);
    const wakers = app.wakers.value;
    const woken = (wakers?.entries ?? []).slice(0, 5).map((one) => {
        return `${exact(one.count).padStart(9)}  ${shorten(one.waker_name, 40)} ${one.waker_tid}`;
    });
    const list = wakers === null || woken.length === 0 ? "" : `\nWho wakes thread ${wakers.wakee_tid}, how often:\n\n${fence(woken)}\n`;
    return `### Waits by reason\n\n${fence(lines)}\n${list}`;
}

function details(app: App): string {
    switch (app.state.tab.value) {
        case "code":
            return codeMarkdown(app);
        case "neighbors":
            return neighborsMarkdown(app);
        default:
            return "";
    }
}

export function markdownOf(shell: Shell, link: string): string {
    const { app } = shell;
    const run = app.state.run.value;
    const parts = [
        `## stax: ${run === null ? "no run" : `run ${run.id}`}\n`,
        `${fence(facts(shell))}\n`,
        `Shows the same:\n\n${fence(commands(shell), "sh")}\n${app.fixed === "" ? `\nIn a browser, on the machine of that server: <${link}>\n` : ""}`,
        treeSection(app),
        topMarkdown(app),
        waits(app),
        details(app),
    ];
    let text = "";
    const left: string[] = [];
    for (const part of parts.filter((one) => one !== "")) {
        if (text.length + part.length > MOST_CHARACTERS) {
            left.push(visible(/^### (.*)$/m.exec(part)?.[1] ?? "the command"));
        } else {
            text += `${part}\n`;
        }
    }
    const note = left.length > 0 ? `Left out, since it would be too long: ${left.join(", ")}.\n` : "";
    return (text + note).replace(/\u00a0/g, " ");
}
