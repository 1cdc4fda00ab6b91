// Plays a picture of a run: what it holds is answered as a server would, once; anything else is not there, and says so.

import type { Method } from "./client";
import { questionKey, type Picture } from "./picture";
import type { Transport, TransportState } from "./transport";

interface Question {
    readonly id?: number;
    readonly method: Method;
    readonly params: { method?: Method; params?: object } & object;
}

class NotThere extends Error {}

export class FileTransport implements Transport {
    readonly live = false;
    readonly origin = "this file";
    onState: (state: TransportState) => void = () => {};
    onText: (text: string) => void = () => {};
    private subscriptions = 0;
    private closed = false;
    private readonly pending: object[] = [];

    constructor(private readonly picture: Picture) {}

    start(): void {
        setTimeout(() => this.onState("open"));
    }

    close(): void {
        this.closed = true;
    }

    send(text: string): void {
        const { id, method, params } = JSON.parse(text) as Question;
        if (id === undefined) {
            return; // an ack, an unsubscribe: there is nothing more to come
        }
        try {
            if (method === "Profiler.subscribe") {
                this.subscribe(id, params);
            } else {
                this.say({ id, result: this.answer(method, params) });
            }
        } catch (error) {
            this.say({ id, error: { message: (error as Error).message, data: { kind: kindOf(error) } } });
        }
    }

    private subscribe(id: number, params: Question["params"]): void {
        const subscription = ++this.subscriptions;
        const message = { subscription, seq: 1, epoch: 1, ended: true };
        let body: object;
        try {
            body = { result: this.answer(params.method as Method, params.params ?? {}) };
        } catch (error) {
            body = { error: { kind: kindOf(error), message: (error as Error).message } };
        }
        this.say({ id, result: { subscription } });
        this.say({ method: "subscription", params: { ...message, ...body } });
    }

    private answer(method: Method, params: object): unknown {
        switch (method) {
            case "RunControl.status":
                return { ...this.picture.status, active: [] };
            case "RunControl.list_runs":
                return { runs: [this.picture.run], current: this.picture.run.id };
            default: {
                const key = questionKey(method, params);
                if (!Object.hasOwn(this.picture.answers, key)) {
                    throw new NotThere("This is not in the file: it holds a picture of a run, and needs stax-server for more.");
                }
                return cut(this.picture.answers[key], params);
            }
        }
    }

    // One after the other, each on its own turn: as texts arrive from a server.
    private say(message: object): void {
        this.pending.push(message);
        setTimeout(() => {
            const next = this.pending.shift();
            if (!this.closed && next !== undefined) {
                this.onText(JSON.stringify({ jsonrpc: "2.0", ...next }));
            }
        });
    }
}

function kindOf(error: unknown): string {
    return error instanceof NotThere ? "not_found" : "internal";
}

// As much as was asked for, where panels count on it.
function cut(answer: unknown, params: { limit?: number; zoom?: readonly unknown[] }): unknown {
    if (typeof answer !== "object" || answer === null) {
        return answer;
    }
    const { rows } = answer as { rows?: Record<string, unknown[]> };
    if (rows !== undefined && params.limit !== undefined) {
        const columns = Object.entries(rows).map(([name, column]) => [name, column.slice(0, params.limit)]);
        return { ...answer, rows: Object.fromEntries(columns) as object };
    }
    return "zoom_depth" in answer ? { ...answer, zoom_depth: params.zoom?.length ?? 0 } : answer;
}
