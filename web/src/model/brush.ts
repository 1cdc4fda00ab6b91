// Choosing a range of time by hand: it follows the hand at once, the questions of all panels a few times a second,
// and the history gets one step however long it took.

import { batch, signal } from "@preact/signals";
import type { App } from "./app";
import type { Range } from "./scope";

export const ASK_EVERY_MS = 200;
/** Presses of a key that come faster than this are one step. */
export const SETTLED_AFTER_MS = 700;

/** Timers, so that a test need not wait. */
export interface Clock {
    set(run: () => void, ms: number): number;
    clear(timer: number): void;
}

const REAL_CLOCK: Clock = {
    set: (run, ms) => window.setTimeout(run, ms),
    clear: (timer) => window.clearTimeout(timer),
};

export class Brush {
    /** What the hand holds; null: nothing, the scope says it. */
    readonly held = signal<Range | null>(null);
    private before: Range | null = null; // of the scope, when the hand took it
    private asking = 0;
    private settling = 0;

    constructor(
        private readonly app: App,
        private readonly clock: Clock = REAL_CLOCK,
    ) {}

    get range(): Range {
        return this.held.value ?? this.app.state.scope.value.range;
    }

    /** The hand moves on. */
    change(range: Range): void {
        if (this.app.fixed !== "") {
            this.app.setScope({ range }); // says why not
            return;
        }
        this.before ??= this.app.state.scope.value.range;
        batch(() => {
            this.app.state.dragging.value = true;
            this.held.value = range;
            if (this.asking === 0) {
                this.tell(range);
                this.asking = this.clock.set(() => this.catchUp(), ASK_EVERY_MS);
            }
        });
    }

    /** One press of a key: a change, which is over when no further one comes. */
    press(range: Range): void {
        this.change(range);
        this.clock.clear(this.settling);
        this.settling = this.clock.set(() => this.end(), SETTLED_AFTER_MS);
    }

    /** The hand lets go: one step, which can be taken back. */
    end(): void {
        const { before } = this;
        const range = this.held.value;
        batch(() => {
            this.stop();
            if (before !== null && range !== null) {
                this.tell(before);
                if (!sameRange(before, range)) {
                    this.app.setScope({ range });
                }
            }
        });
    }

    /** As if nothing had been. */
    cancel(): void {
        const { before } = this;
        batch(() => {
            this.stop();
            if (before !== null) {
                this.tell(before);
            }
        });
    }

    private catchUp(): void {
        this.asking = 0;
        const range = this.held.value;
        if (range !== null && !sameRange(range, this.app.state.scope.value.range)) {
            this.tell(range);
            this.asking = this.clock.set(() => this.catchUp(), ASK_EVERY_MS);
        }
    }

    private stop(): void {
        this.clock.clear(this.asking);
        this.clock.clear(this.settling);
        this.asking = 0;
        this.before = null;
        this.held.value = null;
        this.app.state.dragging.value = false;
    }

    private tell(range: Range): void {
        const { scope } = this.app.state;
        scope.value = { ...scope.value, range };
    }
}

export function sameRange(a: Range, b: Range): boolean {
    return JSON.stringify(a) === JSON.stringify(b);
}
