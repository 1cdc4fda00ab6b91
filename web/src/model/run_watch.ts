// Which run is looked at, and how it is going: asked once a second while somebody looks.
//
//     RunControl.status  ──► app.status, and the active run
//     RunControl.list_runs ─► app.runs: when connected, when the active run became another one, when asked for
//                                 │
//                    scope.run ?? current ──► state.run
//
// A question without a run is about the server's current one. When that becomes another (a recording began), open
// subscriptions are still about the one before: `followedRun` makes them ask anew.

import { computed, effect, signal, untracked } from "@preact/signals";
import type { RpcError } from "../lib/client";
import type { RunSummary, Status } from "../lib/protocol";
import type { App } from "./app";

const EVERY_MS = 1000;
const LIST_EVERY = 10; // of those
const STALE_MS = 3000;

export class RunWatch {
    /** The server has said nothing for a while, though it was asked. */
    readonly stale = signal(false);
    /** Samples per second of the run that is looked at, over the last seconds. */
    readonly rate = signal<number | null>(null);
    /** Of the whole run that is looked at; null: not known yet. */
    readonly totalNs = signal<{ readonly onNs: number; readonly offNs: number } | null>(null);
    /** Seconds, for what counts them on the screen; stands still while nobody looks. */
    readonly now = signal(0);
    private asking = false;
    private answeredAt = 0;
    private round = 0;
    private totalOf = 0;
    private wasOver = false;
    private current: number | null = null;
    private readonly counted: { run: number; at: number; samples: number }[] = [];

    constructor(private readonly app: App) {
        const connected = computed(() => ["open", "file"].includes(app.state.connection.value));
        effect(() => {
            if (connected.value) {
                this.answeredAt = performance.now();
                this.round = 0;
                untracked(() => void this.ask());
            }
        });
        effect(() => {
            app.state.scope.value.run; // another one: it may be in the list already
            untracked(() => this.choose());
        });
        setInterval(() => this.tick(), EVERY_MS);
    }

    /** Every run, anew: for the menu that shows them. */
    async refresh(): Promise<void> {
        this.app.runs.value = await this.app.client.call("RunControl.list_runs", {});
        this.choose();
    }

    private tick(): void {
        if (document.hidden) {
            this.answeredAt = performance.now();
            return;
        }
        this.now.value = performance.now();
        const isOpen = this.app.state.connection.value === "open";
        this.stale.value = isOpen && performance.now() - this.answeredAt > STALE_MS;
        void this.ask();
    }

    private async ask(): Promise<void> {
        if (this.asking || !this.app.client.canAsk()) {
            return;
        }
        this.asking = true;
        try {
            const status = await this.app.client.call("RunControl.status", {});
            this.answeredAt = performance.now();
            const isOther = status.active[0]?.id !== this.app.status.value?.active[0]?.id;
            this.take(status);
            await this.askTotal();
            if (isOther || this.app.runs.value === null || this.round++ % LIST_EVERY === 0) {
                await this.refresh();
            }
        } catch (error) {
            this.app.noteError(error as RpcError);
        }
        this.asking = false;
    }

    private take(status: Status): void {
        this.app.status.value = status;
        this.choose();
        const run = this.app.state.run.value;
        this.rate.value = run === null || run.state !== "recording" ? null : this.measure(run);
    }

    // Of a run that is over: once.
    private async askTotal(): Promise<void> {
        const run = this.app.state.run.value;
        if (run === null || (this.totalOf === run.id && this.wasOver)) {
            return;
        }
        const answer = await this.app.client.call("Profiler.total_on_cpu_ns", { view: { run: run.id } });
        const offNs = Object.values(answer.total_off_cpu).reduce((sum, ns) => sum + ns, 0);
        this.totalNs.value = { onNs: answer.total_on_cpu_ns, offNs };
        this.totalOf = run.id;
        this.wasOver = run.state !== "recording";
    }

    private choose(): void {
        const { state, runs, status } = this.app;
        const list = runs.value;
        const id = state.scope.value.run ?? (list === null || list.current === 0 ? status.value?.active[0]?.id : list.current);
        const active = status.value?.active.find((run) => run.id === id);
        const run = active ?? list?.runs.find((one) => one.id === id) ?? null;
        state.run.value = run;
        if (list !== null) {
            this.follow(list.current);
        }
    }

    private follow(current: number): void {
        if (this.current !== null && this.current !== current) {
            this.app.state.followedRun.value = current === 0 ? null : current;
        }
        this.current = current;
    }

    private measure(run: RunSummary): number | null {
        if (this.counted[0]?.run !== run.id) {
            this.counted.length = 0;
        }
        this.counted.push({ run: run.id, at: performance.now(), samples: run.samples });
        if (this.counted.length > 4) {
            this.counted.shift();
        }
        const first = this.counted[0];
        const last = this.counted[this.counted.length - 1];
        return last.at > first.at ? ((last.samples - first.samples) * 1000) / (last.at - first.at) : null;
    }
}
