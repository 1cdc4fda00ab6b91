// The page without its looks: a client, what is known, and what can be done. Panels get one of these and nothing else.

import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { Client, type Following, type Params, type Result, type RpcError, type Subscribable } from "../lib/client";
import { countMessage } from "../lib/hook";
import type { Health, RunList, Status, Symbol, Threads, View, Wakers } from "../lib/protocol";
import type { Transport } from "../lib/transport";
import { Actions } from "./actions";
import { FlameModel } from "./flame";
import { Frames, type FrameId } from "./frames";
import { Latest } from "./latest";
import { Messages } from "./messages";
import { viewOf, WHOLE, type Scope } from "./scope";
import { State } from "./state";
import { Tables } from "./tables";
import { Timeline } from "./timeline";
import { CallTree } from "./tree";

const GATHER_MS = 25; // what a server needs for all answers to one page // what a server needs for all answers to one page // what a server needs for all answers to one page

export class App {
    readonly client: Client;
    readonly state = new State();
    readonly frames = new Frames();
    readonly actions = new Actions();
    readonly tree = new CallTree(this.frames);
    readonly flame = new FlameModel(this);
    readonly search = this.flame.search;
    /** Of the thread that was chosen, or of all together. */
    readonly timeline = new Timeline();
    /** Of the busiest threads, each on its own. */
    readonly strips = new Timeline();
    readonly threads = new Latest<Threads>();
    readonly wakers = new Latest<Wakers>();
    readonly messages = new Messages();
    /** What the person waits for is on the screen, or takes its time: the rest of the page may be built now. */
    readonly begun = signal(false);
    /** Of the server, as of a second ago; null: it has not said yet. */
    readonly status = signal<Status | null>(null);
    /** Every run, as of when it was last asked. */
    readonly runs = signal<RunList | null>(null);
    /** Why the scope cannot be changed: this page is a picture, see lib/transport_file.ts. "" when it can. */
    fixed = "";
    readonly tables = new Tables(this.frames);
    /** The scope as questions say it. A range that follows the end moves once a second. */
    readonly view: ReadonlySignal<View>;
    /** Called before a scope is replaced by what a person did: for the history. */
    onScopeStep: () => void = () => {};

    constructor(transport: Transport) {
        this.client = new Client(transport);
        this.client.gatherMs = GATHER_MS;
        this.client.together = batch;
        const second = computed(() => Math.ceil(this.state.endNs.value / 1e9) * 1e9);
        this.view = computed(() => {
            const scope = this.state.scope.value;
            const view = viewOf(scope, scope.range.kind === "last" ? second.value : 0);
            const follows = scope.run === null && this.state.followedRun.value !== null;
            return follows ? { ...view, run: this.state.followedRun.value as number } : view;
        });
        effect(() => {
            const frozen = this.state.frozen.value;
            this.state.frozenAt.value = frozen ? performance.now() : 0;
            this.client.hold(frozen);
        });
    }

    /** A step that a person took, which can be taken back. */
    setScope(change: Partial<Scope>): void {
        const isCounted = Object.keys(change).some((key) => key !== "mode" && key !== "reason");
        if (this.fixed !== "" && isCounted) {
            this.messages.say(this.fixed);
            return;
        }
        this.onScopeStep();
        this.state.scope.value = { ...this.state.scope.value, ...change };
    }

    clearScope(): void {
        this.setScope({ ...WHOLE, run: this.state.scope.value.run, mode: this.state.scope.value.mode });
    }

    /** Another run: what was chosen in the one before means nothing in it. */
    setRun(run: number | null): void {
        if (this.fixed !== "") {
            this.messages.say(this.fixed);
            return;
        }
        batch(() => {
            this.onScopeStep();
            this.state.scope.value = { ...WHOLE, run, mode: this.state.scope.value.mode };
            this.state.zoom.value = [];
            this.state.selection.value = null;
            this.state.health.value = null;
            this.state.edgeNs.value = 0;
        });
    }

    symbol(frame: FrameId): Symbol {
        return { function_name: this.frames.name[frame], binary: this.frames.binary[frame] };
    }

    /** The details are about this one from now on. */
    choose(frame: FrameId | null): void {
        this.state.chosen.value = frame;
    }

    noteHealth(health: Health): void {
        this.state.health.value = health;
        this.state.trouble.value = "";
    }

    noteError(error: RpcError): void {
        if (error.kind !== "disconnected") {
            this.state.trouble.value = error.message;
        }
    }

    /**
     * Asks for as long as `params` has a value, and again when it changes. Returns what ends it. The handlers run
     * inside a batch.
     */
    follow<M extends Subscribable>(
        method: M,
        params: ReadonlySignal<Params<M> | null>,
        intervalMs: number,
        onResult: (result: Result<M>, fresh: boolean, ended: boolean) => void,
        onError: (error: RpcError) => void = (error) => this.noteError(error),
    ): () => void {
        let following: Following<M> | null = null;
        const stop = effect(() => {
            const value = params.value;
            if (value === null) {
                following?.close();
                following = null;
            } else if (following !== null) {
                following.set(value);
            } else {
                following = this.client.follow(method, value, intervalMs, {
                    onResult: (result, fresh, ended) => {
                        countMessage(method);
                        batch(() => onResult(result, fresh, ended));
                    },
                    onError: (error) => batch(() => onError(error)),
                });
            }
        });
        return () => {
            stop();
            following?.close();
        };
    }
}
