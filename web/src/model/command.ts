// The scope as a command line that shows the same numbers in a terminal. Written for a POSIX shell, and for whoever
// pastes it without reading: what a name of a function says is never run.

import type { Symbol } from "../lib/protocol";
import { exactSeconds } from "./link";
import { REASONS, type Scope } from "./scope";

const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/;

// A terminal acts on control characters even between quotes: they are spelled out, as $'…' does.
function quoteControls(text: string): string {
    const inside = text.replace(/\u0000/g, "").replace(/[\\'\u0001-\u001f\u007f-\u009f]/g, (c) => {
        const bytes = new TextEncoder().encode(c);
        return c === "\\" || c === "'" ? `\\${c}` : [...bytes].map((b) => `\\${b.toString(8).padStart(3, "0")}`).join("");
    });
    return `$'${inside}'`;
}

/** One word for sh. */
export function quote(text: string): string {
    if (/^[\w@%+=:,./-]+$/.test(text)) {
        return text;
    }
    return CONTROLS.test(text) ? quoteControls(text) : `'${text.replace(/'/g, "'\\''")}'`;
}

/** A function as options name it: NAME, or NAME @ BINARY. Any other ` @ ` gets one more `@`, as in src/cli/scope.h. */
export function functionWord(symbol: Symbol): string {
    const { function_name: name, binary } = symbol;
    const split = binary === undefined ? -1 : name.length + 1;
    const whole = binary === undefined ? name : `${name} @ ${binary}`;
    return whole.replace(/(?<= )@+(?= )/g, (ats, at: number) => (at === split ? ats : `${ats}@`));
}

/**
 * Words of the options that say `scope`. `run`: which one it is, whoever asks; `endNs`: where it ends at the moment,
 * for ranges that follow the end.
 */
export function scopeWords(scope: Scope, run: number | null, endNs: number): string[] {
    const words: string[] = [];
    const put = (option: string, value: string) => words.push(option, value);
    if (run !== null) {
        put("--run", String(run));
    }
    if (scope.tid !== null) {
        put("--tid", String(scope.tid));
    }
    if (scope.range.kind === "fixed") {
        put("--from", exactSeconds(scope.range.startNs));
        put("--to", exactSeconds(scope.range.endNs));
    } else if (scope.range.kind === "last") {
        put("--from", exactSeconds(Math.max(0, endNs - scope.range.seconds * 1e9)));
    }
    scope.exclude.forEach((symbol) => put("--exclude", functionWord(symbol)));
    scope.only.forEach((symbol) => put("--only", functionWord(symbol)));
    if (scope.focus !== null) {
        put("--focus", functionWord(scope.focus));
    }
    return words;
}

function modeWords(scope: Scope): string[] {
    const words = scope.mode === "off_cpu" ? ["--off-cpu"] : scope.mode === "wall" ? ["--wall"] : [];
    return scope.reason === null ? words : [...words, "--reason", REASONS[scope.reason].word];
}

/** `command`: "top", "flame". */
export function commandOf(command: "top" | "flame", scope: Scope, run: number | null, endNs: number): string {
    return ["stax", command, ...modeWords(scope), ...scopeWords(scope, run, endNs)].map(quote).join(" ");
}
