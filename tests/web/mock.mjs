// A stax-server that is none: it speaks the protocol of web/src/lib/protocol.ts about a World, inside of the test.
//
//     const mock = new Mock({ nodes: 50000 });           a program of so many nodes, with 10 s of samples
//     await page.routeWebSocket(/\/rpc$/, (ws) => mock.connect(ws));
//     mock.tick();                                       250 ms go by, and who is subscribed hears of it
//
// Nothing happens by itself unless start() was called: a test says when time goes by. Subscriptions follow the rules of
// the real one: epochs, at most one message that was not acknowledged, what was missed merged into the next one, the
// last message of a run that is over says so.

import { Failure, QUESTIONS } from "./answers.mjs";
import { World } from "./world.mjs";

export { PROGRAMS, HOSTILE_NAMES, REASONS, World } from "./world.mjs";

const TICK_NS = 250e6;

class Subscription {
    constructor(connection, id, params) {
        this.connection = connection;
        this.id = id;
        this.method = params.method;
        this.ack = params.ack ?? false;
        this.intervalNs = (params.interval_ms ?? 250) * 1e6;
        this.saidNs = -Infinity;
        this.epoch = 1;
        this.seq = 0;
        this.acked = 0;
        this.news = true;
        this.ask(params.params ?? {});
    }

    ask(params) {
        this.params = params;
        this.question = this.connection.mock.question(this.method, params);
    }

    isFree() {
        return !this.ack || this.acked === this.seq;
    }

    /** Says what is new, when there is something and the last message has been worked off. */
    send() {
        if (!this.news || !this.isFree()) {
            return;
        }
        this.news = false;
        this.say();
    }

    isDue() {
        return this.connection.mock.world.nowNs - this.saidNs >= this.intervalNs;
    }

    say() {
        this.saidNs = this.connection.mock.world.nowNs;
        const ended = this.connection.mock.world.stopped;
        const message = { subscription: this.id, seq: ++this.seq, epoch: this.epoch, ended };
        try {
            message.result = this.connection.mock.answer(this.method, this.question);
        } catch (error) {
            if (!(error instanceof Failure)) {
                throw error;
            }
            message.error = { kind: error.kind, message: error.message };
        }
        if (ended) {
            this.connection.subscriptions.delete(this.id);
        }
        this.connection.send({ jsonrpc: "2.0", method: "subscription", params: message }, this.method);
    }
}

class Connection {
    constructor(mock, socket) {
        this.mock = mock;
        this.socket = socket;
        this.subscriptions = new Map();
        this.nextSubscription = 1;
        socket.onMessage((text) => this.receive(String(text)));
        socket.onClose(() => mock.connections.delete(this));
    }

    send(message, about) {
        const text = JSON.stringify(message);
        this.mock.sent.push({ about, bytes: text.length, message: this.mock.keeps ? message : null });
        this.mock.outgoing === null ? this.socket.send(text) : this.mock.outgoing.push(() => this.socket.send(text));
    }

    receive(text) {
        const { id, method, params = {} } = JSON.parse(text);
        this.mock.received.push({ method, params });
        this.mock.wakeWaiters();
        let after = () => {};
        try {
            const result = this.handle(method, params, (then) => (after = then));
            if (id !== undefined) {
                this.send({ jsonrpc: "2.0", id, result }, method);
            }
        } catch (error) {
            if (!(error instanceof Failure)) {
                throw error;
            }
            if (id !== undefined) {
                const { kind, message } = error;
                this.send({ jsonrpc: "2.0", id, error: { code: -32000, message, data: { kind } } }, method);
            }
        }
        after();
    }

    handle(method, params, then) {
        const { mock } = this;
        const own = {
            "Profiler.subscribe": () => {
                if (!QUESTIONS[params.method]) {
                    throw new Failure("invalid_params", `${params.method} cannot be subscribed`);
                }
                const subscription = new Subscription(this, this.nextSubscription++, params);
                this.subscriptions.set(subscription.id, subscription);
                then(() => subscription.send());
                return { subscription: subscription.id };
            },
            "Profiler.resubscribe": () => {
                const subscription = this.subscription(params);
                subscription.epoch++;
                subscription.ask(params.params ?? subscription.params);
                subscription.acked = subscription.seq;
                subscription.news = true;
                then(() => subscription.send());
                return { epoch: subscription.epoch };
            },
            "Profiler.unsubscribe": () => {
                this.subscriptions.delete(this.subscription(params).id);
                return {};
            },
            "Profiler.ack": () => {
                const subscription = this.subscription(params);
                subscription.acked = Math.min(Math.max(subscription.acked, params.seq), subscription.seq);
                then(() => mock.isLive && subscription.send());
                return {};
            },
        };
        if (own[method]) {
            return own[method]();
        }
        return mock.handle(method, params);
    }

    subscription({ subscription: id }) {
        const found = this.subscriptions.get(id);
        if (!found) {
            throw new Failure("not_found", `there is no subscription ${id}`);
        }
        return found;
    }
}

export class Mock {
    constructor(options = {}) {
        this.world = new World(options);
        this.runId = 7;
        this.selected = null;
        this.saved = [];
        this.connections = new Set();
        /** What was sent: {about: method, bytes, message}; messages only when `keeps` is true. */
        this.sent = [];
        this.keeps = false;
        /** What was received: {method, params}. */
        this.received = [];
        this.isLive = false;
        /** True: connections are closed as soon as they are made. */
        this.refuses = false;
        this.timer = null;
        this.outgoing = null; // what tell() has made so far
        this.waiters = [];
        this.spoilt = null;
    }

    /** For page.routeWebSocket. */
    connect(socket) {
        if (this.refuses) {
            socket.close({ code: 1013 });
            return;
        }
        this.connections.add(new Connection(this, socket));
    }

    // ---- what a test does ----

    /** Time goes by, and subscribers hear of it; whatever has not been acknowledged is not followed by more. */
    tick(ns = TICK_NS) {
        this.world.run(ns);
        this.tell();
    }

    // One after the other, as from a server that has made them at one moment.
    tell(isMeant = () => true) {
        const outgoing = [];
        this.outgoing = outgoing;
        try {
            for (const subscription of this.everySubscription().filter(isMeant)) {
                subscription.news = true;
                subscription.send();
            }
        } finally {
            this.outgoing = null;
            outgoing.forEach((send) => send());
        }
    }

    /** Time goes by itself, in steps of `ms`; every subscriber hears of it as often as it wants. */
    start(ms = 250) {
        this.isLive = true;
        this.timer = setInterval(() => {
            this.world.run(ms * 1e6);
            this.tell((subscription) => subscription.isDue());
        }, ms);
    }

    /** Ends what start() began. */
    end() {
        clearInterval(this.timer);
        this.isLive = false;
    }

    /** The run is over. */
    stop() {
        this.world.stopped = true;
        this.tell();
    }

    /** The clock of the machine that is recorded jumps ahead. */
    jump(ns) {
        this.world.nowNs += ns;
        this.tell();
    }

    /** All connections break. */
    drop() {
        for (const connection of this.connections) {
            connection.socket.close({ code: 1001 });
        }
        this.connections.clear();
    }

    /** The next message about the method loses what came with it: its numbers do not continue the ones before. */
    spoil(method) {
        this.spoilt = method;
    }

    everySubscription() {
        return Array.from(this.connections).flatMap((connection) => Array.from(connection.subscriptions.values()));
    }

    /** Resolves when what came in so far fits: the newest message {method, params} that it is true of. */
    whenReceived(isIt, from = 0) {
        return new Promise((resolve) => {
            const look = () => {
                const found = this.received.slice(from).findLast(isIt);
                if (found) {
                    resolve(found);
                }
                return found !== undefined;
            };
            if (!look()) {
                this.waiters.push(look);
            }
        });
    }

    wakeWaiters() {
        this.waiters = this.waiters.filter((look) => !look());
    }

    /** The answer that a caller would get now: what the page should show. */
    ask(method, params = {}) {
        return this.question(method, params).answer();
    }

    // ---- answers ----

    question(method, params) {
        const run = params.view?.run;
        if (run !== undefined && run !== this.runId) {
            throw new Failure("unknown_run", `there is no run ${run}`);
        }
        return QUESTIONS[method](this.world, params);
    }

    answer(method, question) {
        const result = question.answer();
        if (this.spoilt === method) {
            this.spoilt = null;
            if (result.nodes) {
                result.nodes.first += 3;
            } else if (result.functions) {
                result.functions.first += 3;
            } else if (result.first !== undefined) {
                result.first += 3;
            }
        }
        return result;
    }

    handle(method, params) {
        const { world } = this;
        if (QUESTIONS[method]) {
            return this.ask(method, params);
        }
        const answers = {
            "RunControl.status": () => this.status(),
            "RunControl.list_runs": () => ({ runs: [this.summary()], current: this.runId }),
            "RunControl.select_run": () => {
                this.selected = params.run ?? null;
                return { summary: this.summary() };
            },
            "RunControl.stop_active": () => {
                if (world.stopped) {
                    throw new Failure("no_active_run", "nothing is being recorded");
                }
                this.stop();
                return { summary: this.summary() };
            },
            "RunControl.save_current": () => {
                this.saved.push(params.path);
                return { run: this.runId, path: params.path, bytes: 123456 };
            },
            "RunControl.export": () => {
                this.saved.push(params.path);
                return { path: params.path, bytes: 123456, samples: world.totalsOf({}).health.samples, intervals: 0 };
            },
            "Profiler.set_paused": () => {
                world.paused = params.paused;
                return this.paused();
            },
            "Profiler.is_paused": () => this.paused(),
        };
        if (!answers[method]) {
            throw new Failure("unknown_method", `there is no method ${method}`);
        }
        return answers[method]();
    }

    paused() {
        return { paused: this.world.paused, paused_samples: this.world.pausedSamples };
    }

    summary() {
        const { world } = this;
        const { health } = world.totalsOf({});
        const stopped = world.stopped ? { stop_reason: "user_stop", stopped_at_unix_ns: 1.7e18 + world.nowNs } : {};
        return {
            id: this.runId, state: world.stopped ? "stopped" : "recording", label: world.label, target_pid: world.pid,
            started_at_unix_ns: 1.7e18, duration_ns: world.nowNs, samples: health.samples,
            off_cpu_intervals: this.ask("Profiler.intervals", { limit: 0 }).total_intervals,
            frequency_hz: 1000, threads: world.threads, lost_samples: world.lost, lost_records: world.lost,
            unrecorded_children_cpu_ns: 0, estimated: false, paused: world.paused, paused_samples: world.pausedSamples,
            recovered: false, host: "testhost", file: "", in_history: false, notes: [], ...stopped,
        };
    }

    status() {
        const can = { available: true, reason: "" };
        const names = [
            "kernel_stacks", "kernel_symbols", "off_cpu", "off_cpu_stacks", "wait_details", "wakeups", "pmu",
            "stack_copies", "build_ids", "lost_samples",
        ];
        return {
            version: "0.0-mock", server_pid: 4000, server_started_at_unix_ns: 1.7e18,
            active: this.world.stopped ? [] : [this.summary()],
            backend: "perf_event",
            capabilities: Object.fromEntries(names.map((name) => [name, can])),
            web_url: "http://stax.localhost/",
            web_note: "",
        };
    }
}
