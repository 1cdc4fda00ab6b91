// JSON-RPC over a transport, and the subscriptions that the panels live on.
//
//     panel ──follow(method, params)──► Following ──► Profiler.subscribe {ack: true}
//       ▲                                   │ set(params) ──► Profiler.resubscribe: a new epoch
//       └───────────── result ◄─────────────┘ after each ──► Profiler.ack
//
// A following outlives what carries it: it is subscribed again when the connection comes back, when the page is
// seen again, when a run that was over is asked another question. At most one message per following is under way,
// because the next one is sent only after an ack. Holding a view still is not sending it.
//
// A server answers all that a page asks at about the same moment. These messages are worked off together, so that the
// page is laid out and painted once for all of them.

import type { ErrorKind, Methods, SubscriptionMessage } from "./protocol";
import type { Transport, TransportState } from "./transport";

export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M]["params"];
export type Result<M extends Method> = Methods[M]["result"];

export type Subscribable =
    | "Live.tree"
    | "Live.top"
    | "Live.timeline"
    | "Profiler.threads"
    | "Profiler.intervals"
    | "Profiler.wakers"
    | "Profiler.annotated"
    | "Profiler.cfg"
    | "Profiler.neighbors";

export class RpcError extends Error {
    constructor(
        readonly kind: ErrorKind | "disconnected",
        message: string,
    ) {
        super(message);
    }
}

export interface FollowingHandlers<M extends Subscribable> {
    /** `fresh`: the first message of an epoch; what was shown before is replaced. */
    onResult(result: Result<M>, fresh: boolean, ended: boolean): void;
    onError(error: RpcError): void;
}

interface Gathered {
    readonly message: SubscriptionMessage;
    readonly parseMs: number;
}

interface Call {
    resolve(result: unknown): void;
    reject(error: RpcError): void;
}

/** One question that is asked for as long as somebody looks. */
export class Following<M extends Subscribable = Subscribable> {
    private id: number | null = null; // of the subscription; null: there is none at the moment
    private epoch = 1;
    private shown = 0; // epoch of the last message that was handed on
    private asking = false; // subscribe or resubscribe is under way
    private stale = false; // `params` changed since it was asked
    private ended = false;
    private held: SubscriptionMessage | null = null;
    private closed = false;
    /** Messages so far: a sign of life. */
    messages = 0;

    constructor(
        private readonly client: Client,
        readonly method: M,
        private params: Params<M>,
        private intervalMs: number,
        private readonly handlers: FollowingHandlers<M>,
    ) {}

    /** Another question of the same kind. What is shown stays until it is answered. */
    set(params: Params<M>): void {
        if (JSON.stringify(params) === JSON.stringify(this.params)) {
            return;
        }
        this.params = params;
        this.stale = true;
        this.held = null;
        void this.ask();
    }

    get question(): { method: M; params: object } {
        return { method: this.method, params: this.params as object };
    }

    close(): void {
        this.closed = true;
        this.drop();
        this.client.forget(this);
    }

    /** For the client: the connection is there, or the page is seen again. */
    wake(): void {
        if (this.id === null && !this.ended) {
            this.stale = true;
            void this.ask();
        }
    }

    /** For the client: whatever was subscribed has gone with the connection. */
    lose(): void {
        this.client.unlist(this.id);
        this.id = null;
        this.asking = false;
        this.held = null;
    }

    /** Ends the subscription, but not the wish. */
    drop(): void {
        if (this.id !== null) {
            this.client.notify("Profiler.unsubscribe", { subscription: this.id });
        }
        this.lose();
    }

    /** For the client: the view is held no more. */
    release(): void {
        const message = this.held;
        this.held = null;
        if (message !== null) {
            this.take(message);
        }
    }

    private async ask(): Promise<void> {
        if (this.closed || this.asking || !this.stale || !this.client.canAsk()) {
            return;
        }
        this.asking = true;
        this.stale = false;
        this.ended = false;
        try {
            if (this.id !== null) {
                this.epoch = Infinity; // nothing that is under way counts any more
                const answer = await this.client.call("Profiler.resubscribe", {
                    subscription: this.id,
                    params: this.params as object,
                    interval_ms: this.intervalMs,
                });
                this.epoch = answer.epoch;
            } else {
                await this.subscribe();
            }
        } catch (error) {
            const isGone = error instanceof RpcError && error.kind === "not_found" && this.id !== null;
            if (isGone) {
                this.lose(); // its run was over in the meantime
                this.stale = true;
            } else {
                this.handlers.onError(error as RpcError);
            }
        }
        this.asking = false;
        if (this.stale) {
            void this.ask();
        }
    }

    private async subscribe(): Promise<void> {
        const generation = this.client.generation;
        const answer = await this.client.call("Profiler.subscribe", {
            method: this.method,
            params: this.params as object,
            interval_ms: this.intervalMs,
            ack: true,
        });
        if (this.closed || generation !== this.client.generation || !this.client.canAsk()) {
            this.client.notify("Profiler.unsubscribe", { subscription: answer.subscription });
            return;
        }
        this.id = answer.subscription;
        this.epoch = 1;
        this.shown = 0;
        this.client.list(this.id, this);
    }

    /** Whether it is the first answer to what is asked now. */
    isFresh(message: SubscriptionMessage): boolean {
        return this.shown !== message.epoch;
    }

    /** For the client: a message of this subscription. */
    take(message: SubscriptionMessage): void {
        if (message.ended) {
            this.client.unlist(this.id);
            this.id = null;
            this.ended = !this.stale && message.epoch >= this.epoch;
            if (!this.ended) {
                this.stale = true; // it ended while another question was on its way
            }
        }
        if (message.epoch < this.epoch) {
            return; // answers what nobody asks any more
        }
        const fresh = this.isFresh(message);
        if (this.client.held && !fresh) {
            this.held = message;
            return;
        }
        this.shown = message.epoch;
        this.messages++;
        if (message.error) {
            this.handlers.onError(new RpcError(message.error.kind as ErrorKind, message.error.message));
        } else {
            this.handlers.onResult(message.result as Result<M>, fresh, message.ended);
        }
        if (this.id !== null) {
            this.client.notify("Profiler.ack", { subscription: this.id, seq: message.seq });
        } else if (this.stale) {
            void this.ask();
        }
    }
}

export class Client {
    /** Counts connections. */
    generation = 0;
    /** Followings keep what they get, and show it when they are released. */
    held = false;
    onState: (state: TransportState) => void = () => {};
    /** How long it took to read the text of the message that is being worked off. */
    parseMs = 0;
    /** A message waits that long for others, unless it is the first answer to a question. */
    gatherMs = 0;
    /** Works off several at once. */
    together: (act: () => void) => void = (act) => act();
    private gathered: Gathered[] = [];
    private gathering: ReturnType<typeof setTimeout> | undefined;
    private nextId = 1;
    private open = false;
    private asleep = false;
    private readonly calls = new Map<number, Call>();
    private readonly followings = new Set<Following<Subscribable>>();
    private readonly bySubscription = new Map<number, Following<Subscribable>>();

    constructor(readonly transport: Transport) {
        transport.onState = (state) => this.handleState(state);
        transport.onText = (text) => this.handleText(text);
    }

    start(): void {
        this.transport.start();
    }

    canAsk(): boolean {
        return this.open && !this.asleep;
    }

    call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
        if (!this.open) {
            return Promise.reject(new RpcError("disconnected", "not connected to stax-server"));
        }
        const id = this.nextId++;
        this.transport.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
        return new Promise((resolve, reject) => {
            this.calls.set(id, { resolve: resolve as (result: unknown) => void, reject });
        });
    }

    /** What is asked for at the moment. */
    questions(): { method: Subscribable; params: object }[] {
        return [...this.followings].map((following) => following.question);
    }

    /** A call whose answer nobody waits for. */
    notify<M extends Method>(method: M, params: Params<M>): void {
        if (this.open) {
            this.transport.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
        }
    }

    follow<M extends Subscribable>(
        method: M,
        params: Params<M>,
        intervalMs: number,
        handlers: FollowingHandlers<M>,
    ): Following<M> {
        const following = new Following(this, method, params, intervalMs, handlers);
        this.followings.add(following as unknown as Following<Subscribable>);
        following.wake();
        return following;
    }

    /** Nobody looks: nothing is asked and nothing arrives until wake(). */
    sleep(): void {
        if (!this.asleep) {
            this.asleep = true;
            this.followings.forEach((following) => following.drop());
        }
    }

    wake(): void {
        if (this.asleep) {
            this.asleep = false;
            this.followings.forEach((following) => following.wake());
        }
    }

    /** Holds what is shown as it is; answers to new questions are shown all the same. */
    hold(held: boolean): void {
        this.held = held;
        if (!held) {
            this.followings.forEach((following) => following.release());
        }
    }

    list(id: number, following: unknown): void {
        this.bySubscription.set(id, following as Following<Subscribable>);
    }

    unlist(id: number | null): void {
        if (id !== null) {
            this.bySubscription.delete(id);
        }
    }

    forget(following: unknown): void {
        this.followings.delete(following as Following<Subscribable>);
    }

    private handleState(state: TransportState): void {
        const wasOpen = this.open;
        this.open = state === "open";
        if (wasOpen && !this.open) {
            this.calls.forEach((call) => call.reject(new RpcError("disconnected", "the connection was lost")));
            this.calls.clear();
            this.followings.forEach((following) => following.lose());
        }
        if (this.open) {
            this.generation++;
        }
        this.onState(state);
        if (this.open) {
            this.followings.forEach((following) => following.wake());
        }
    }

    private gather(message: SubscriptionMessage, parseMs: number): void {
        this.gathered.push({ message, parseMs });
        if (this.gatherMs === 0 || this.bySubscription.get(message.subscription)?.isFresh(message) === true) {
            this.workOff();
        } else {
            this.gathering ??= setTimeout(() => this.workOff(), this.gatherMs);
        }
    }

    private workOff(): void {
        const { gathered } = this;
        this.gathered = [];
        clearTimeout(this.gathering);
        this.gathering = undefined;
        this.together(() => {
            for (const { message, parseMs } of gathered) {
                this.parseMs = parseMs;
                // One that nobody knows was unsubscribed while this was under way. The answer to a subscribe always
                // comes before its first message, and is worked off before the next text is.
                this.bySubscription.get(message.subscription)?.take(message);
            }
        });
    }

    private handleText(text: string): void {
        const start = performance.now();
        const message = readMessage(text);
        if (message.method === "subscription" && message.params) {
            this.gather(message.params, performance.now() - start);
            return;
        }
        const call = message.id === undefined ? undefined : this.calls.get(message.id);
        if (call === undefined) {
            return;
        }
        this.calls.delete(message.id as number);
        if (message.error) {
            call.reject(new RpcError(message.error.data?.kind ?? "internal", message.error.message));
        } else {
            call.resolve(message.result);
        }
    }
}

interface Message {
    id?: number;
    method?: string;
    params?: SubscriptionMessage;
    result?: unknown;
    error?: { message: string; data?: { kind?: ErrorKind } };
}

/** What is no message of ours is an empty one. */
function readMessage(text: string): Message {
    try {
        return (JSON.parse(text) as Message | null) ?? {};
    } catch {
        return {};
    }
}
