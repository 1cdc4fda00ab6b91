// What the tables show, as Markdown for a colleague or an agent.
//
// Names come from the target: they stand in fenced blocks, with what is invisible spelled out, so that nothing in them
// is read as Markdown. What was left out is said.

import { exact, milliseconds, percentOf, shorten, visible } from "../lib/format";
import type { App } from "../model/app";
import { inlinedText, type Code } from "../model/code";
import { countOf, scopeTotal, selfOf, totalOf } from "../model/top";
import type { NodeId, TreeColumns } from "../model/tree";

const TOP_ROWS = 25;
const CODE_LINES = 30;
const TREE_LINES = 20;
const TREE_SHARE = 0.01;
const NAME_LENGTH = 120;

/** A fence that nothing in the text can close. */
function fenced(lines: readonly string[]): string {
    const longest = lines.reduce((most, line) => {
        const runs = line.match(/`+/g) ?? [];
        return Math.max(most, ...runs.map((run) => run.length));
    }, 2);
    const fence = "`".repeat(longest + 1);
    return [`${fence}text`, ...lines.map((line) => line.trimEnd()), fence].join("\n");
}

/** The hard space of numbers is for the page; in text a plain one is found by who searches. */
function plain(text: string): string {
    return text.replace(/\u00a0/g, " ");
}

function nameOf(name: string, binary: string): string {
    const file = binary === "" ? "" : `  [${shorten(binary.replace(/^\[|\]$/g, ""), NAME_LENGTH)}]`;
    return shorten(name, NAME_LENGTH) + file;
}

/** "" when there is nothing. */
export function topMarkdown(app: App): string {
    const { top } = app.tables;
    const { latest } = top;
    if (latest === null || top.order.length === 0) {
        return "";
    }
    const scope = app.state.scope.value;
    const total = scopeTotal(scope, latest.total_on_cpu_ns, latest.total_off_cpu);
    const rows = top.order.filter((row) => row.known).slice(0, TOP_ROWS);
    const count = scope.mode === "off_cpu" ? "waits" : "samples";
    const lines = [` self %    self ms  total %  ${count.padStart(9)}  function  [file]`];
    for (const row of rows) {
        const self = selfOf(row, scope.mode);
        lines.push(
            [
                percentOf(self, total).padStart(7),
                milliseconds(self).padStart(10),
                percentOf(totalOf(row, scope.mode), total).padStart(8),
                exact(countOf(row, scope.mode)).padStart(10),
                "",
                nameOf(app.frames.name[row.frame], app.frames.binary[row.frame]) + (row.inlined ? "  inlined" : ""),
            ].join(" "),
        );
    }
    const left = latest.n_functions - rows.length;
    const more = left > 0 ? `\n\n${exact(left)} more function${left === 1 ? " is" : "s are"} left out.` : "";
    return `### Hottest functions\n\n${fenced(lines.map(plain))}${more}\n`;
}

/** The hottest instructions of the function in the details, in the order of the code; "" when there is no code. */
export function codeMarkdown(app: App): string {
    const code = app.tables.details?.code;
    if (code === undefined || code.head === null || code.lines.length === 0) {
        return "";
    }
    const head = code.head;
    const hottest = code.heat.hottest(CODE_LINES).sort((a, b) => a - b);
    const lines = [" self %  below %  address             instruction"];
    let last = -1;
    for (const line of hottest) {
        if (last >= 0 && line !== last + 1) {
            lines.push(`… ${exact(line - last - 1)} instructions`);
        }
        addSource(code, line, last, lines);
        const { selfSamples, totalSamples } = code.heat;
        const below = totalSamples[line] - selfSamples[line];
        const target = code.lines[line].target_name;
        lines.push(
            [
                percentOf(selfSamples[line], code.samples).padStart(7),
                percentOf(below, code.samples).padStart(8),
                "",
                visible(code.lines[line].address).padEnd(18),
                "",
                shorten(code.lines[line].text, NAME_LENGTH) +
                    (target === undefined ? "" : `  → ${shorten(target, NAME_LENGTH)}`),
            ].join(" "),
        );
        last = line;
    }
    const notes = head.notes.map((note) => `note: ${visible(note.text)}`);
    const title = nameOf(head.function_name, head.binary);
    const sums = `${exact(head.self_samples)} samples in it, ${exact(head.function_samples)} with what it calls`;
    const rest = `the hottest ${exact(hottest.length)} of ${exact(head.n_lines)} instructions`;
    return `### Code\n\n${fenced([title, `${sums}; ${rest}`, ...notes, "", ...lines].map(plain))}\n`;
}

function addSource(code: Code, line: number, last: number, lines: string[]): void {
    const header = code.source(line);
    const before = last < 0 ? null : code.source(last);
    if (header !== null && (header.file !== before?.file || header.line !== before.line)) {
        const inlined = inlinedText(code.inlined(line));
        const text = shorten(header.text ?? "", NAME_LENGTH);
        const from = inlined === "" ? "" : `  (inlined: ${visible(inlined)})`;
        lines.push(`${visible(header.file)}:${header.line}  ${text}${from}`);
    }
}

/** Callers and callees of the function in the details; "" when they were not looked at. */
export function neighborsMarkdown(app: App): string {
    const details = app.tables.details;
    const answer = details?.neighbors.value ?? null;
    if (details === null || answer === null) {
        return "";
    }
    const { callers, callees } = details;
    const scope = app.state.scope.value;
    const total = scopeTotal(scope, answer.function_on_cpu_ns, answer.function_off_cpu);
    const all = scopeTotal(scope, answer.total_on_cpu_ns, answer.total_off_cpu);
    const title = `${nameOf(answer.function_name, answer.binary)}  ${percentOf(total, all)} of everything`;
    const lines = [title, "", "callers, of its total:"];
    lines.push(...treeLines(app, callers), "", "callees, of its total:", ...treeLines(app, callees));
    return `### Callers and callees\n\n${fenced(lines.map(plain))}\n`;
}

/** The heaviest nodes of a tree, each below the one that it belongs to. */
function treeLines(app: App, tree: TreeColumns): string[] {
    const mode = app.state.scope.value.mode;
    const lines: string[] = [];
    if (tree.n === 0) {
        return lines;
    }
    const total = tree.weight(0, mode);
    const rest: { node: NodeId; depth: number }[] = [];
    const push = (node: NodeId, depth: number) => {
        const from = tree.childStart[node];
        const children = Array.from(tree.childList.slice(from, tree.childStart[node + 1]));
        children.sort((a, b) => tree.weight(a, mode) - tree.weight(b, mode));
        children
            .filter((child) => tree.weight(child, mode) > 0 && tree.weight(child, mode) >= total * TREE_SHARE)
            .forEach((child) => rest.push({ node: child, depth }));
    };
    push(0, 0);
    while (rest.length > 0 && lines.length < TREE_LINES) {
        const { node, depth } = rest.pop() as { node: NodeId; depth: number };
        const frame = tree.frame[node];
        const share = percentOf(tree.weight(node, mode), total).padStart(7);
        const name = nameOf(app.frames.name[frame], app.frames.binary[frame]);
        lines.push(`${share}  ${"  ".repeat(Math.min(depth, 20))}${name}`);
        push(node, depth + 1);
    }
    if (rest.length > 0) {
        lines.push("… more is left out");
    } else if (lines.length === 0) {
        lines.push("none");
    }
    return lines;
}
