// Functions as the page knows them: each (name, binary) is one number, for as long as the page is open.
//
// The server numbers functions per subscription, starting over with each epoch. The page keeps things by these
// numbers of its own, so that a zoom, a selection or a colour survives whatever arrives.

import type { LiveFunctions } from "../lib/protocol";

export type FrameId = number;

export const KIND_NAMES = ["program", "library", "kernel", "JIT", "callers missing"] as const;
export const KIND_MISSING = 4;

export class Frames {
    readonly name: string[] = [""];
    readonly binary: string[] = [""];
    readonly kind: number[] = [0];
    readonly language: string[] = [""];
    readonly inlined: boolean[] = [false];
    readonly address: string[] = ["0x0"];
    private readonly key: string[] = [keyOf("", "")];
    private readonly byKey = new Map<string, FrameId>();
    private readonly expected = new Set<FrameId>();
    private sorted: readonly FrameId[] = [];
    private rankOf = new Uint32Array(0);

    /** Frame 0: everything, the root of a tree. */
    static readonly ROOT: FrameId = 0;

    get count(): number {
        return this.name.length;
    }

    find(name: string, binary: string): FrameId | undefined {
        return this.byKey.get(keyOf(name, binary));
    }

    add(name: string, binary: string, kind = 0, language = "", inlined = false, address = "0x0"): FrameId {
        const key = keyOf(name, binary);
        const known = this.byKey.get(key);
        if (known !== undefined) {
            if (this.expected.delete(known) || (this.address[known] === "0x0" && address !== "0x0")) {
                this.describe(known, kind, language, inlined, address);
            }
            return known;
        }
        const id = this.name.length;
        this.byKey.set(key, id);
        this.key.push(key);
        this.name.push(name);
        this.binary.push(binary);
        this.describe(id, kind, language, inlined, address);
        return id;
    }

    /** One that somebody named: a link. What it is will be known when an answer names it, too. */
    expect(name: string, binary: string): FrameId {
        const known = this.find(name, binary);
        const id = known ?? this.add(name, binary);
        if (known === undefined) {
            this.expected.add(id);
        }
        return id;
    }

    /** Where each stands when all are ordered by name, then binary. New ones are merged in: most are known already. */
    ranks(): Uint32Array {
        const known = this.sorted.length;
        if (known < this.count) {
            // Without a function that compares: when the page is opened, thousands of names come at once.
            const added = this.key.slice(known).sort();
            const { key } = this;
            this.sorted = merge(
                this.sorted,
                added.map((one) => this.byKey.get(one) ?? Frames.ROOT),
                (a, b) => key[a] <= key[b],
            );
            this.rankOf = new Uint32Array(this.count);
            this.sorted.forEach((frame, rank) => (this.rankOf[frame] = rank));
        }
        return this.rankOf;
    }

    private describe(id: FrameId, kind: number, language: string, inlined: boolean, address: string): void {
        this.kind[id] = kind;
        this.language[id] = language;
        this.inlined[id] = inlined;
        this.address[id] = address;
    }
}

// Sorts as (name, binary) does: a line feed comes before all that names are made of.
function keyOf(name: string, binary: string): string {
    return `${name}\n${binary}`;
}

function merge<T>(a: readonly T[], b: readonly T[], isInOrder: (a: T, b: T) => boolean): readonly T[] {
    if (a.length === 0) {
        return b;
    }
    const merged: T[] = [];
    let i = 0;
    for (const item of b) {
        while (i < a.length && isInOrder(a[i], item)) {
            merged.push(a[i++]);
        }
        merged.push(item);
    }
    while (i < a.length) {
        merged.push(a[i++]);
    }
    return merged;
}

/** The server's numbers of functions in one epoch of one subscription, as frames. */
export class Dictionary {
    private readonly frames: FrameId[] = [];

    constructor(private readonly all: Frames) {}

    clear(): void {
        this.frames.length = 0;
    }

    /** False: the table does not continue what was sent before. */
    add(table: LiveFunctions): boolean {
        if (table.first !== this.frames.length) {
            return false;
        }
        table.name.forEach((name, i) => {
            this.frames.push(
                this.all.add(
                    name,
                    table.binary[i],
                    table.kind[i],
                    table.language[i],
                    table.inlined[i],
                    table.address[i],
                ),
            );
        });
        return true;
    }

    frame(number: number): FrameId {
        return this.frames[number] ?? Frames.ROOT;
    }
}
