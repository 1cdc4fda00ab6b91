import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, RpcError } from "../src/lib/client";
import type { Transport, TransportState } from "../src/lib/transport";

interface Sent {
    id?: number;
    method: string;
    params: Record<string, unknown>;
}

// A server that answers when the test says so.
class Wire implements Transport {
    readonly origin = "test";
    readonly live = true;
    onState: (state: TransportState) => void = () => {};
    onText: (text: string) => void = () => {};
    sent: Sent[] = [];

    start(): void {
        this.onState("open");
    }
    send(text: string): void {
        this.sent.push(JSON.parse(text) as Sent);
    }
    close(): void {}

    /** What was sent since the last look, by method. */
    take(): string[] {
        const methods = this.sent.map((sent) => sent.method.replace("Profiler.", ""));
        this.past.push(...this.sent);
        this.sent = [];
        return methods;
    }
    readonly past: Sent[] = [];

    async answer(method: string, result: unknown): Promise<void> {
        const all = [...this.past, ...this.sent];
        const call = all.reverse().find((sent) => sent.method === `Profiler.${method}` && sent.id !== undefined);
        this.onText(JSON.stringify({ jsonrpc: "2.0", id: call?.id, result }));
        await settled();
    }
    async refuse(method: string, kind: string): Promise<void> {
        const all = [...this.past, ...this.sent];
        const call = all.reverse().find((sent) => sent.method === `Profiler.${method}` && sent.id !== undefined);
        this.onText(JSON.stringify({ jsonrpc: "2.0", id: call?.id, error: { message: kind, data: { kind } } }));
        await settled();
    }
    async message(subscription: number, seq: number, epoch: number, result: unknown, ended = false): Promise<void> {
        const params = { subscription, seq, epoch, ended, result };
        this.onText(JSON.stringify({ jsonrpc: "2.0", method: "subscription", params }));
        await settled();
    }
}

async function settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
}

function begin() {
    const wire = new Wire();
    const client = new Client(wire);
    const got: unknown[] = [];
    const errors: RpcError[] = [];
    client.start();
    const following = client.follow("Live.top", {}, 250, {
        onResult: (result, fresh, ended) => got.push({ result, fresh, ended }),
        onError: (error) => errors.push(error),
    });
    return { wire, client, got, errors, following };
}

test("a message is acknowledged after it was shown", async () => {
    const { wire, got } = begin();
    assert.deepEqual(wire.take(), ["subscribe"]);
    await wire.answer("subscribe", { subscription: 3 });
    await wire.message(3, 1, 1, "a");
    assert.deepEqual(got, [{ result: "a", fresh: true, ended: false }]);
    assert.deepEqual(wire.take(), ["ack"]);
    await wire.message(3, 2, 1, "b");
    assert.deepEqual(got[1], { result: "b", fresh: false, ended: false });
});

test("answers to an old question are not shown", async () => {
    const { wire, got, following } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    following.set({ limit: 5 });
    await wire.message(3, 1, 1, "old"); // was under way
    await wire.answer("resubscribe", { epoch: 2 });
    await wire.message(3, 2, 1, "old");
    await wire.message(3, 3, 2, "new");
    assert.deepEqual(got, [{ result: "new", fresh: true, ended: false }]);
});

test("many changes at once become one question, the last one", async () => {
    const { wire, following } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    wire.take();
    [1, 2, 3, 4].forEach((limit) => following.set({ limit }));
    assert.deepEqual(wire.take(), ["resubscribe"]);
    await wire.answer("resubscribe", { epoch: 2 });
    assert.deepEqual(wire.take(), ["resubscribe"]);
    assert.deepEqual(wire.past.at(-1)?.params.params, { limit: 4 });
});

test("a view that is held loses nothing, and new questions are answered all the same", async () => {
    const { wire, client, got, following } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    await wire.message(3, 1, 1, "a");
    wire.take();
    client.hold(true);
    await wire.message(3, 2, 1, "b");
    assert.equal(got.length, 1);
    assert.deepEqual(wire.take(), []);
    following.set({ limit: 1 });
    await wire.answer("resubscribe", { epoch: 2 });
    await wire.message(3, 3, 2, "c");
    assert.equal(got.length, 2);
    wire.take();
    await wire.message(3, 4, 2, "d");
    client.hold(false);
    assert.deepEqual(got.at(-1), { result: "d", fresh: false, ended: false });
    assert.deepEqual(wire.take(), ["ack"]);
});

test("the last message of a run that is over is held, too", async () => {
    const { wire, client, got } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    await wire.message(3, 1, 1, "a");
    client.hold(true);
    await wire.message(3, 2, 1, "end", true);
    assert.equal(got.length, 1);
    client.hold(false);
    assert.deepEqual(got.at(-1), { result: "end", fresh: false, ended: true });
});

test("a question about a run that is over is a new subscription", async () => {
    const { wire, got, following } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    await wire.message(3, 1, 1, "all", true);
    wire.take();
    following.set({ limit: 2 });
    assert.deepEqual(wire.take(), ["subscribe"]);
    await wire.answer("subscribe", { subscription: 4 });
    await wire.message(4, 1, 1, "other", true);
    assert.deepEqual(got.at(-1), { result: "other", fresh: true, ended: true });
});

test("a run that ends while another question is on its way", async () => {
    const { wire, got, following } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    await wire.message(3, 1, 1, "a");
    following.set({ limit: 2 });
    await wire.message(3, 2, 1, "end", true);
    wire.take();
    await wire.refuse("resubscribe", "not_found");
    assert.deepEqual(wire.take(), ["subscribe"]);
    await wire.answer("subscribe", { subscription: 4 });
    await wire.message(4, 1, 1, "b", true);
    assert.deepEqual(got.at(-1), { result: "b", fresh: true, ended: true });
});

test("a lost connection: asked again, and the picture stays", async () => {
    const { wire, got, errors } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    await wire.message(3, 1, 1, "a");
    wire.onState("lost");
    wire.take();
    wire.onState("open");
    assert.deepEqual(wire.take(), ["subscribe"]);
    await wire.message(3, 2, 1, "stale"); // nobody knows it any more
    await wire.answer("subscribe", { subscription: 1 });
    await wire.message(1, 1, 1, "b");
    assert.deepEqual(got.at(-1), { result: "b", fresh: true, ended: false });
    assert.equal(got.length, 2);
    assert.deepEqual(errors, []);
});

test("lost in the middle of subscribing", async () => {
    const { wire, errors } = begin();
    wire.take();
    wire.onState("lost");
    await settled();
    wire.onState("open");
    await settled();
    assert.deepEqual(wire.take(), ["subscribe"]);
    assert.ok(errors.every((error) => error.kind === "disconnected"));
});

test("a page that nobody sees asks nothing", async () => {
    const { wire, client } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    wire.take();
    client.sleep();
    assert.deepEqual(wire.take(), ["unsubscribe"]);
    client.wake();
    assert.deepEqual(wire.take(), ["subscribe"]);
});

test("asleep before the subscription was there", async () => {
    const { wire, client } = begin();
    wire.take();
    client.sleep();
    await wire.answer("subscribe", { subscription: 3 });
    assert.deepEqual(wire.take(), ["unsubscribe"]);
    client.wake();
    assert.deepEqual(wire.take(), ["subscribe"]);
});

test("nonsense is no answer", async () => {
    const { wire, got } = begin();
    await wire.answer("subscribe", { subscription: 3 });
    ["", "{", "[]", "null", '{"id":99,"result":1}', '{"method":"subscription"}'].forEach((text) => wire.onText(text));
    assert.deepEqual(got, []);
});
