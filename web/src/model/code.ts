// The instructions of one function, as they stand in the last answer and the changes since.
//
//     Profiler.annotated ── lines ────► lines, numbers        the first answer, or another listing
//                        └─ changed ──► numbers only          every other one
//
// What is shown is a list of rows made of them: lines of the source (or the marks of inlined functions) stand above
// the instructions that they head. A row is two numbers, not an object: there are up to 40,000.

import { signal } from "@preact/signals";
import type { Annotated, AnnotatedLine, CodeChanges, InlinedAt, SourceHeader } from "../lib/protocol";

export const ROW_INSTRUCTION = 0;
export const ROW_SOURCE = 1;
export const ROW_VERSION = 2; // of a JIT: what follows was made at another time

/** The numbers of rows of code (instructions, or basic blocks), by columns. */
export class Heat {
    selfSamples = new Float64Array(0);
    selfNs = new Float64Array(0);
    totalSamples = new Float64Array(0);
    totalNs = new Float64Array(0);
    waitNs = new Float64Array(0);

    reset(rows: readonly Pick<AnnotatedLine, keyof typeof COLUMNS>[]): void {
        const column = (name: keyof typeof COLUMNS) => Float64Array.from(rows, (row) => row[name] ?? 0);
        this.selfSamples = column("self_samples");
        this.selfNs = column("self_on_cpu_ns");
        this.totalSamples = column("total_samples");
        this.totalNs = column("total_on_cpu_ns");
        this.waitNs = column("total_off_cpu_ns");
    }

    /** `first`: number of the first row that is here. Rows that are not here are none of ours. */
    change(changed: CodeChanges, first: number): void {
        changed.row.forEach((number, i) => {
            const row = number - first;
            if (row >= 0 && row < this.selfSamples.length) {
                this.selfSamples[row] = changed.self_samples[i];
                this.selfNs[row] = changed.self_on_cpu_ns[i];
                this.totalSamples[row] = changed.total_samples[i];
                this.totalNs[row] = changed.total_on_cpu_ns[i];
                this.waitNs[row] = changed.total_off_cpu_ns[i];
            }
        });
    }

    /** Rows with samples, those with the most of their own first. */
    hottest(most: number): number[] {
        const rows: number[] = [];
        this.selfSamples.forEach((samples, row) => {
            if (samples > 0) {
                rows.push(row);
            }
        });
        if (rows.length === 0) {
            this.totalSamples.forEach((samples, row) => {
                if (samples > 0) {
                    rows.push(row);
                }
            });
        }
        const weight = (row: number) => this.selfSamples[row] || this.totalSamples[row] / 1e9;
        return rows.sort((a, b) => weight(b) - weight(a) || a - b).slice(0, most);
    }
}

const COLUMNS = {
    self_samples: 0,
    self_on_cpu_ns: 0,
    total_samples: 0,
    total_on_cpu_ns: 0,
    total_off_cpu_ns: 0,
} as const;

/** A jump within the function, from one line to another. */
export interface Jump {
    readonly from: number;
    readonly to: number;
    /** Column of the gutter, from the instruction outwards; -1: there was no room, it is shown by its ends. */
    readonly lane: number;
}

/** How many jumps may pass one line side by side; what does not fit is a stump at its two ends. */
export const JUMP_LANES = 6;

export class Code {
    /** Counts answers; read it to be shown again. */
    readonly version = signal(0);
    /** Rises with each listing: what is shown has become something else. */
    readonly listing = signal(0);
    readonly trouble = signal("");
    head: Annotated | null = null;
    lines: readonly AnnotatedLine[] = [];
    readonly heat = new Heat();
    jumps: readonly Jump[] = [];
    rowKind = new Uint8Array(0);
    rowLine = new Uint32Array(0);
    /** By line: the line whose source_header, and the one whose `inlined`, counts for it; -1: none. */
    sourceOf = new Int32Array(0);
    inlinedOf = new Int32Array(0);
    private showsSource = true;
    private rowOfLine = new Uint32Array(0);

    /** False: it changes what is not here. */
    apply(answer: Annotated): boolean {
        if (answer.lines !== undefined) {
            this.replace(answer, answer.lines);
        } else if (this.head !== null && answer.changed !== undefined && answer.listing === this.head.listing) {
            this.heat.change(answer.changed, this.head.first_line);
            this.head = answer;
        } else {
            return false;
        }
        this.trouble.value = "";
        this.version.value++;
        return true;
    }

    fail(trouble: string): void {
        this.replace(null, []);
        this.trouble.value = trouble;
        this.version.value++;
    }

    setSource(shown: boolean): void {
        this.showsSource = shown;
        this.layOut();
        this.version.value++;
    }

    get hasSource(): boolean {
        return this.lines.some((line) => line.source_header !== undefined && line.source_header.line > 0);
    }

    get rows(): number {
        return this.rowKind.length;
    }

    /** The row of an instruction. */
    rowOf(line: number): number {
        return this.rowOfLine[line] ?? 0;
    }

    /** The line of the source that an instruction is of; null: not known. */
    source(line: number): SourceHeader | null {
        const header = this.sourceOf[line] < 0 ? undefined : this.lines[this.sourceOf[line]].source_header;
        return header === undefined || header.line === 0 ? null : header;
    }

    /** Functions that an instruction is inlined from, the outermost first. */
    inlined(line: number): readonly InlinedAt[] {
        return this.inlinedOf[line] < 0 ? [] : (this.lines[this.inlinedOf[line]].inlined ?? []);
    }

    /** Samples that are 100 % of each line: all with the function on their stack. */
    get samples(): number {
        return this.head?.function_samples ?? 0;
    }

    /** The line at an address; -1: not here. */
    lineAt(address: string | undefined): number {
        return address === undefined ? -1 : this.lines.findIndex((line) => line.address === address);
    }

    private replace(answer: Annotated | null, lines: readonly AnnotatedLine[]): void {
        const other = answer === null || this.head === null || this.head.listing !== answer.listing;
        this.head = answer;
        this.lines = lines;
        this.heat.reset(lines);
        this.jumps = other ? jumpsOf(lines) : this.jumps;
        this.sourceOf = lastWith(lines, (line) => line.source_header !== undefined);
        this.inlinedOf = lastWith(lines, (line) => line.inlined !== undefined);
        this.layOut();
        if (other) {
            this.listing.value++;
        }
    }

    private layOut(): void {
        const starts = new Set(this.head?.versions.map((version) => version.first_line - (this.head?.first_line ?? 0)));
        const kinds: number[] = [];
        const numbers: number[] = [];
        this.rowOfLine = new Uint32Array(this.lines.length);
        const add = (kind: number, line: number) => {
            kinds.push(kind);
            numbers.push(line);
        };
        this.lines.forEach((line, i) => {
            if (starts.has(i)) {
                add(ROW_VERSION, i);
            }
            if (this.showsSource && (line.source_header !== undefined || line.inlined !== undefined)) {
                add(ROW_SOURCE, i);
            }
            this.rowOfLine[i] = kinds.length;
            add(ROW_INSTRUCTION, i);
        });
        this.rowKind = Uint8Array.from(kinds);
        this.rowLine = Uint32Array.from(numbers);
    }
}

function lastWith(lines: readonly AnnotatedLine[], has: (line: AnnotatedLine) => boolean): Int32Array<ArrayBuffer> {
    let last = -1;
    return Int32Array.from(lines, (line, i) => (last = has(line) ? i : last));
}

const LONGEST_JUMP = 2000; // lines; longer ones are stumps

export function isCall(text: string): boolean {
    return /^((bnd|notrack) )?(call[qlw]?|blr?(aa|ab)?z?)\b/.test(text);
}

/** Short jumps stand next to the code; a longer one goes around those that it spans. */
export function jumpsOf(lines: readonly Pick<AnnotatedLine, "address" | "target_address" | "text">[]): Jump[] {
    const at = new Map<string, number>();
    lines.forEach((line, i) => {
        if (line.address !== "0x0" && !at.has(line.address)) {
            at.set(line.address, i);
        }
    });
    const found: { from: number; to: number }[] = [];
    lines.forEach((line, from) => {
        const to = line.target_address === undefined ? undefined : at.get(line.target_address);
        if (to !== undefined && to !== from && !isCall(line.text)) {
            found.push({ from, to });
        }
    });
    const size = (jump: { from: number; to: number }) => Math.abs(jump.from - jump.to);
    found.sort((a, b) => size(a) - size(b) || a.from - b.from);
    const taken = Array.from({ length: JUMP_LANES }, () => new Uint8Array(lines.length));
    return found.map(({ from, to }) => {
        const [low, high] = [Math.min(from, to), Math.max(from, to) + 1];
        const fits = (column: Uint8Array) => !column.subarray(low, high).includes(1);
        const lane = high - low > LONGEST_JUMP ? -1 : taken.findIndex(fits);
        if (lane >= 0) {
            taken[lane].fill(1, low, high);
        }
        return { from, to, lane };
    });
}

/** "mix at div.c:11 › step at div.c:7": what was inlined where, the outermost first; "" for none. */
export function inlinedText(chain: readonly InlinedAt[]): string {
    return chain
        .map((each) => {
            const file = each.call_file?.split("/").pop();
            return each.function_name + (file === undefined ? "" : ` at ${file}:${each.call_line ?? 0}`);
        })
        .join(" › ");
}

export type TokenKind = "" | "mnemonic" | "register" | "number" | "symbol" | "keyword";

// A word, a number, a symbol in angle brackets, or whatever is between.
const PIECES = /<[^>]*>|[%@]?[A-Za-z_.][\w.]*|[#$]?-?0x[0-9a-fA-F]+|[#$]?-?\d+|[^\w%#$<@-]+|./g;
const SIZES = /^(byte|word|dword|qword|tbyte|oword|[xyz]mmword|ptr|rel|short|near|far|lsl|lsr|asr|ror|[us]xt[bhwx])$/i;
const PREFIXES = /^(lock|rep|repe|repz|repne|repnz|bnd|notrack|data16|cs|ds|es|fs|gs|ss|xacquire|xrelease)$/i;

/** An instruction in pieces to be coloured: of x86 in either syntax, or of AArch64. Together they are the text. */
export function tokens(text: string): [TokenKind, string][] {
    const pieces: [TokenKind, string][] = [];
    let seenMnemonic = false;
    for (const [piece] of text.matchAll(PIECES)) {
        const isWord = /^[%@]?[A-Za-z_.]/.test(piece);
        let kind: TokenKind = "";
        if (piece.startsWith("<") && piece.length > 1) {
            kind = "symbol";
        } else if (isWord && !seenMnemonic) {
            kind = "mnemonic";
            seenMnemonic = !PREFIXES.test(piece);
        } else if (isWord) {
            kind = SIZES.test(piece) ? "keyword" : "register";
        } else if (/\d/.test(piece)) {
            kind = "number";
        }
        const last = pieces[pieces.length - 1];
        if (last !== undefined && last[0] === kind && kind === "") {
            last[1] += piece;
        } else {
            pieces.push([kind, piece]);
        }
    }
    return pieces;
}
