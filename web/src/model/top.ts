// The hottest functions: what arrived, and in which order it is shown.
//
//     Live.top ──apply()──► rows by function ──arrange()──► order: pinned ones, then as sorted
//                                               held: as it was, with new numbers
//
// The order is the page's own, since it may have to stand still while the numbers go on. A row is one function for as
// long as the page is open: (name, binary, address), so that two static functions of one name are two rows.

import { signal } from "@preact/signals";
import type { LiveTop, OffCpu } from "../lib/protocol";
import { Frames, type FrameId } from "./frames";
import { REASONS, type Mode, type Scope } from "./scope";
import type { TopSort } from "./state";

/** Names a row for as long as the page is open. */
export type RowId = number;

/** What one function has; all zero when it is not among the hottest at the moment. */
export interface TopRow {
    readonly id: RowId;
    readonly frame: FrameId;
    /** "0x0" of an inlined one. */
    readonly address: string;
    readonly inlined: boolean;
    /** False: it was not in the last answer, and its numbers are not known. */
    known: boolean;
    selfOn: number; // ns
    totalOn: number;
    selfSamples: number;
    totalSamples: number;
    selfOff: number;
    totalOff: number;
    selfWaits: number; // how many
    totalWaits: number;
    /** Index into REASONS; beyond its end: none. */
    reason: number;
}

/** Nanoseconds of everything in a view that has no other name: of one reason, when only that one counts. */
export function scopeTotal(scope: Pick<Scope, "mode" | "reason">, onNs: number, off: OffCpu | null): number {
    const waits = off === null ? 0 : waitsOf(off, scope.reason);
    return scope.mode === "on_cpu" ? onNs : scope.mode === "off_cpu" ? waits : onNs + waits;
}

/** Waits for one reason, or (null) for any. */
export function waitsOf(off: OffCpu, reason: number | null): number {
    if (reason !== null) {
        return off[`${REASONS[reason].name}_ns` as keyof OffCpu] ?? 0;
    }
    return REASONS.reduce((sum, each) => sum + (off[`${each.name}_ns` as keyof OffCpu] ?? 0), 0);
}

export function selfOf(row: TopRow, mode: Mode): number {
    return mode === "on_cpu" ? row.selfOn : mode === "off_cpu" ? row.selfOff : row.selfOn + row.selfOff;
}

export function totalOf(row: TopRow, mode: Mode): number {
    return mode === "on_cpu" ? row.totalOn : mode === "off_cpu" ? row.totalOff : row.totalOn + row.totalOff;
}

/** What the column of counts shows, as `stax top` does: samples of the function itself, or how often it waits. */
export function countOf(row: TopRow, mode: Mode): number {
    return mode === "off_cpu" ? row.selfWaits : row.selfSamples;
}

export class TopModel {
    /** Counts answers and new orders; read it to be shown again. */
    readonly version = signal(0);
    readonly trouble = signal("");
    /** The hottest function of the last answer; null: there is none. */
    readonly hottest = signal<TopRow | null>(null);
    /** As shown. */
    order: TopRow[] = [];
    latest: LiveTop | null = null;
    private readonly rows: TopRow[] = [];
    private readonly ids = new Map<string, RowId>();
    private numbers: RowId[] = []; // rows by the server's numbers, of this epoch
    private current: TopRow[] = []; // of the last answer, as the server orders them
    private readonly pins: RowId[] = [];

    constructor(private readonly frames: Frames) {}

    /** False: the message does not continue what came before, and nothing was changed. */
    apply(message: LiveTop): boolean {
        if (message.full) {
            this.numbers = [];
        }
        if (message.functions.first !== this.numbers.length) {
            return false;
        }
        this.addFunctions(message);
        this.current.forEach((row) => (row.known = false));
        this.current = [];
        message.rows.function.forEach((number, i) => this.setRow(message, number, i));
        this.latest = message;
        this.trouble.value = "";
        this.hottest.value = this.current[0] ?? null;
        return true;
    }

    /** Puts rows in order; `held`: those that are shown stay where they are. */
    arrange(sort: TopSort, mode: Mode, held: boolean): void {
        if (!held || this.order.length === 0) {
            const pinned = this.pins.map((id) => this.rows[id]);
            const rest = this.current.filter((row) => !this.pins.includes(row.id));
            this.order = [...pinned, ...this.sorted(rest, sort, mode)];
        }
        this.version.value++;
    }

    isPinned(row: TopRow): boolean {
        return this.pins.includes(row.id);
    }

    /** Pins it, or lets it go. Call arrange() to see it. */
    togglePin(row: TopRow): void {
        const at = this.pins.indexOf(row.id);
        if (at >= 0) {
            this.pins.splice(at, 1);
        } else {
            this.pins.push(row.id);
        }
    }

    fail(trouble: string): void {
        this.trouble.value = trouble;
        this.version.value++;
    }

    /** The row of a function: the hottest one, if several share its name. */
    find(frame: FrameId): TopRow | undefined {
        return this.current.find((row) => row.frame === frame);
    }

    private addFunctions(message: LiveTop): void {
        const table = message.functions;
        table.name.forEach((name, i) => {
            const [binary, address] = [table.binary[i], table.address[i]];
            const frame = this.frames.add(
                name,
                binary,
                table.kind[i],
                table.language[i],
                table.inlined[i],
                address,
            );
            const key = `${frame} ${address}`;
            let id = this.ids.get(key);
            if (id === undefined) {
                id = this.rows.length;
                this.ids.set(key, id);
                this.rows.push(newRow(id, frame, address, table.inlined[i]));
            }
            this.numbers.push(id);
        });
    }

    private setRow(message: LiveTop, number: number, i: number): void {
        const row = this.rows[this.numbers[number]];
        if (row === undefined || row.known) {
            return; // a number that was never sent, or the same function twice
        }
        const columns = message.rows;
        row.known = true;
        row.selfOn = columns.self_on_cpu_ns[i] ?? 0;
        row.totalOn = columns.total_on_cpu_ns[i] ?? 0;
        row.selfSamples = columns.self_samples[i] ?? 0;
        row.totalSamples = columns.total_samples[i] ?? 0;
        row.selfOff = columns.self_off_cpu_ns[i] ?? 0;
        row.totalOff = columns.total_off_cpu_ns[i] ?? 0;
        row.selfWaits = columns.self_off_cpu_intervals[i] ?? 0;
        row.totalWaits = columns.total_off_cpu_intervals[i] ?? 0;
        row.reason = columns.reason[i] ?? REASONS.length;
        this.current.push(row);
    }

    private sorted(rows: TopRow[], sort: TopSort, mode: Mode): TopRow[] {
        const { name, binary } = this.frames;
        const text = (column: string[]) => (a: TopRow, b: TopRow) =>
            column[a.frame] < column[b.frame] ? -1 : column[a.frame] > column[b.frame] ? 1 : 0;
        const number = (value: (row: TopRow, mode: Mode) => number) => (a: TopRow, b: TopRow) =>
            value(a, mode) - value(b, mode);
        const compare = {
            self: number(selfOf),
            total: number(totalOf),
            samples: number(countOf),
            name: text(name),
            binary: text(binary),
        }[sort.by];
        const sign = sort.descending ? -1 : 1;
        // Equal ones by name, so that they do not change places from one answer to the next.
        return rows.sort((a, b) => sign * compare(a, b) || text(name)(a, b) || a.id - b.id);
    }
}

function newRow(id: RowId, frame: FrameId, address: string, inlined: boolean): TopRow {
    return {
        id,
        frame,
        address,
        inlined,
        known: false,
        selfOn: 0,
        totalOn: 0,
        selfSamples: 0,
        totalSamples: 0,
        selfOff: 0,
        totalOff: 0,
        selfWaits: 0,
        totalWaits: 0,
        reason: REASONS.length,
    };
}
