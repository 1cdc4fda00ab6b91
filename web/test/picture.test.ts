import assert from "node:assert/strict";
import { test } from "node:test";
import { buildFile, policy } from "../src/export/html";
import { Client } from "../src/lib/client";
import { pictureText, questionKey, readPicture, type Picture } from "../src/lib/picture";
import type { RunSummary, Status } from "../src/lib/protocol";
import { FileTransport } from "../src/lib/transport_file";

function picture(answers: Record<string, unknown>): Picture {
    const run = { id: 7, label: "</script><img onerror=1>", state: "stopped" } as RunSummary;
    const status = { version: "1", active: [run] } as unknown as Status;
    return { format: "stax-picture", version: 1, run, status, takenUnixMs: 0, link: "", answers };
}

test("what a question is about tells it from others; how much is wanted, and which run, does not", () => {
    const key = questionKey("Live.tree", { view: { run: 7, tid: 3 }, mode: "wall", max_nodes: 5, min_share: 0.1 });
    assert.equal(key, questionKey("Live.tree", { mode: "wall", view: { tid: 3 }, callers: false, zoom: [] }));
    assert.notEqual(key, questionKey("Live.tree", { mode: "wall", view: {} }));
    assert.notEqual(key, questionKey("Live.tree", { mode: "off_cpu", view: { tid: 3 } }));
    assert.notEqual(key, questionKey("Live.top", { mode: "wall", view: { tid: 3 } }));
    assert.equal(questionKey("Live.top", {}), questionKey("Live.top", { mode: "on_cpu", sort: "self", limit: 20 }));
    assert.notEqual(questionKey("Live.timeline", { threads: 0 }), questionKey("Live.timeline", { threads: 8 }));
    const code = { address: "0x401000", view: {} };
    const flow = { ...code, source: false, limit: 20000 }; // what control flow asks for the texts of its blocks
    assert.equal(questionKey("Profiler.annotated", code), questionKey("Profiler.annotated", flow));
});

test("a file is answered like a server, once, and says what is not there", async () => {
    const top = { rows: { function: [0, 1, 2], self_samples: [3, 2, 1] } };
    const client = new Client(new FileTransport(picture({ [questionKey("Live.top", {})]: top })));
    await new Promise<void>((done) => {
        client.onState = (state) => state === "open" && done();
        client.start();
    });
    const list = await client.call("RunControl.list_runs", {});
    assert.equal(list.current, 7);
    assert.deepEqual((await client.call("RunControl.status", {})).active, []);
    await assert.rejects(client.call("Live.tree", {}), /not in the file/);
    const got = await new Promise<[unknown, boolean]>((done) => {
        const handlers = { onResult: (result: unknown, _: boolean, ended: boolean) => done([result, ended]), onError: (error: Error) => assert.fail(error) };
        client.follow("Live.top", { limit: 2 }, 250, handlers);
    });
    assert.deepEqual(got, [{ rows: { function: [0, 1], self_samples: [3, 2] } }, true]);
    const error = await new Promise<Error>((done) => {
        client.follow("Live.top", { mode: "wall" }, 250, { onResult: () => assert.fail(), onError: done });
    });
    assert.match(error.message, /not in the file/);
});

const PAGE =
    '<meta charset="utf-8"><meta name="stax-hashes" content="style:sha256-AA= script:sha256-B+/B=">' +
    "<body><!--data--><script>main()</script></body>";

test("the file holds the picture, and nothing in it ends its script", () => {
    const made = picture({ "Live.top {}": "<!--<script>" });
    const file = buildFile(PAGE, ["first()", "second()"], made);
    const order = ["first()", "second()", "stax-data", "main()"].map((text) => file.indexOf(text));
    assert.deepEqual(order, [...order].sort((a, b) => a - b));
    assert.equal(file.match(/<\/script>/g)?.length, 4);
    const text = /id="stax-data">(.*?)<\/script>/s.exec(file)?.[1] ?? "";
    assert.deepEqual(readPicture(text), made);
    assert.doesNotMatch(pictureText(made), /</);
});

test("the policy of the file allows its own scripts only", () => {
    const text = policy("style:sha256-AA= script:sha256-B+/B=");
    assert.match(text, /default-src 'none'/);
    assert.match(text, /script-src 'sha256-B\+\/B=';/);
    assert.match(text, /style-src 'sha256-AA=';/);
    assert.doesNotMatch(text, /unsafe|connect-src|http/);
    assert.throws(() => buildFile("<body></body>", [], picture({})), /reload/);
});

test("what is no picture is refused", () => {
    for (const text of ["null", "{}", '{"format":"stax-picture","version":2}', '{"format":"stax-picture","version":1}']) {
        assert.throws(() => readPicture(text), /no picture/, text);
    }
});
