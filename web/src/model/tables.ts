// What the top table knows, and which function the details are about.
//
//     state.chosen ──► target ──► Profiler.annotated, .cfg, .neighbors
//     (else the hottest one)
//
// What the details themselves know comes with the part of the page that shows them.

import { signal } from "@preact/signals";
import type { Details } from "./details";
import { Frames, KIND_MISSING, type FrameId } from "./frames";
import { TopModel } from "./top";

export const NO_ADDRESS = "0x0";

export interface Target {
    readonly frame: FrameId;
    /** Nobody chose it: it is the hottest one. */
    readonly isDefault: boolean;
}

/** How a question names a function. */
export type Asked = { address: string } | { name: string };

export class Tables {
    readonly top: TopModel;
    /** null: that part was not loaded yet. */
    details: Details | null = null;
    /** The address of a chosen function, where its name alone does not tell which one it is. */
    private readonly exact = signal<{ frame: FrameId; address: string } | null>(null);
    /** Functions whose address is of no use in this run: it led to another one. */
    private readonly misled = signal<ReadonlySet<FrameId>>(new Set());

    constructor(private readonly frames: Frames) {
        this.top = new TopModel(frames);
    }

    /** Null: there is no function to be looked at. */
    target(chosen: FrameId | null): Target | null {
        if (chosen !== null && chosen !== Frames.ROOT) {
            return { frame: chosen, isDefault: false };
        }
        const hottest = this.top.hottest.value;
        return hottest === null ? null : { frame: hottest.frame, isDefault: true };
    }

    /** Null: it is no function, only a place where callers are missing. */
    asked(frame: FrameId): Asked | null {
        if (this.frames.kind[frame] === KIND_MISSING || frame === Frames.ROOT) {
            return null;
        }
        const exact = this.exact.value;
        const address = exact?.frame === frame ? exact.address : this.frames.address[frame];
        const isUseless = address === NO_ADDRESS || this.misled.value.has(frame);
        if (!isUseless) {
            return { address };
        }
        const name = this.frames.name[frame];
        return name === "" ? null : { name };
    }

    /** For who chooses a function of which the address is known, too. */
    setExact(frame: FrameId, address: string): void {
        this.exact.value = address === NO_ADDRESS ? null : { frame, address };
    }

    /**
     * An answer about a function that was asked for by its address; null: there was none. Addresses that were learned in
     * another run may lead elsewhere: from then on, that function is asked for by its name.
     */
    checkAnswer(frame: FrameId, answer: { function_name: string; binary: string } | null): void {
        const asked = this.asked(frame);
        if (asked === null || "name" in asked) {
            return;
        }
        const { name, binary } = this.frames;
        if (answer === null || answer.function_name !== name[frame] || answer.binary !== binary[frame]) {
            this.misled.value = new Set(this.misled.value).add(frame);
        }
    }

    /** Another run: addresses may be good again. */
    forgetAddresses(): void {
        this.exact.value = null;
        this.misled.value = new Set();
    }
}
