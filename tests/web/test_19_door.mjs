// Group 19: who may come in. By hand, as no browser would: with the wrong Origin, Host or token.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { flame, group } from "./harness.mjs";
import { target } from "./server.mjs";

const test = group(import.meta.url);

/** The status of an answer to exactly these lines; 0 when the server just closes. */
function ask(port, lines) {
    return new Promise((resolve, reject) => {
        const socket = connect(port, "127.0.0.1");
        let said = "";
        socket.setEncoding("latin1");
        socket.on("connect", () => socket.write(`${lines.join("\r\n")}\r\n\r\n`));
        socket.on("data", (text) => {
            said += text;
            if (said.includes("\r\n\r\n")) {
                socket.destroy();
                resolve({ status: Number(said.split(" ")[1]), head: said.split("\r\n\r\n")[0] });
            }
        });
        socket.on("close", () => resolve({ status: 0, head: "" }));
        socket.on("error", reject);
    });
}

function upgrade(port, { origin = `http://127.0.0.1:${port}`, host = `127.0.0.1:${port}`, token, path = "/rpc" }) {
    return ask(port, [
        `GET ${path} HTTP/1.1`,
        `Host: ${host}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
        `Sec-WebSocket-Protocol: stax${token === "" ? "" : `, token.${token}`}`,
        ...(origin === null ? [] : [`Origin: ${origin}`]),
    ]);
}

async function door(server) {
    const url = new URL(await server.address());
    return { port: Number(url.port), token: new URLSearchParams(url.hash.slice(1)).get("token") };
}

test("who is refused", { real: true }, async ({ server }) => {
    const { port, token } = await door(server);
    assert.equal((await upgrade(port, { token })).status, 101, "with everything right");
    assert.equal((await upgrade(port, { token, origin: `http://localhost:${port}`, host: `localhost:${port}` })).status, 101);
    const wrong = {
        "another origin": { token, origin: "http://evil.example" },
        "another port's origin": { token, origin: `http://127.0.0.1:${port + 1}` },
        "an origin that begins like ours": { token, origin: `http://127.0.0.1:${port}.evil.example` },
        "the origin null": { token, origin: "null" },
        "another host": { token, host: `evil.example:${port}` },
        "no token": { token: "" },
        "another token": { token: token.replace(/^./, (c) => (c === "a" ? "b" : "a")) },
        "part of the token": { token: token.slice(0, -1) },
        "more than the token": { token: `${token}0` },
    };
    for (const [what, how] of Object.entries(wrong)) {
        const { status } = await upgrade(port, how);
        assert.ok(status === 0 || (status >= 400 && status < 500), `${what}: ${status}`);
    }
});

test("nothing but the page is to be had", { real: true }, async ({ server }) => {
    const { port } = await door(server);
    const get = (path, host = `127.0.0.1:${port}`) => ask(port, [`GET ${path} HTTP/1.1`, `Host: ${host}`, "Connection: close"]);
    const page = await get("/");
    assert.equal(page.status, 200);
    for (const name of ["content-security-policy", "x-content-type-options", "referrer-policy"]) {
        assert.match(page.head.toLowerCase(), new RegExp(`\\r\\n${name}:`));
    }
    assert.doesNotMatch(page.head.toLowerCase(), /access-control-allow/);
    const policy = /content-security-policy: ([^\r]*)/i.exec(page.head)[1];
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /script-src[^;]*'unsafe/, "no script that is not ours");
    for (const path of ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/part/../../etc/passwd", "/part/..%2f..%2fetc/passwd", "//etc/passwd", "/.git/config"]) {
        const { status } = await get(path);
        assert.ok(status === 0 || (status >= 400 && status < 500), `${path}: ${status}`);
    }
    const { status } = await get("/", "evil.example");
    assert.ok(status === 0 || (status >= 400 && status < 500), `another host: ${status}`);
});

test("a page from elsewhere does not get in", { real: true }, async ({ server, page }) => {
    const { port, token } = await door(server);
    await page.route("http://evil.example/", (route) => route.fulfill({ contentType: "text/html", body: "<p>hello" }));
    await page.goto("http://evil.example/");
    const outcome = await page.evaluate(
        ([to, secret]) => new Promise((resolve) => {
            const socket = new WebSocket(`ws://127.0.0.1:${to}/rpc`, ["stax", `token.${secret}`]);
            socket.onopen = () => resolve("open");
            socket.onclose = () => resolve("closed");
        }),
        [port, token],
    );
    assert.equal(outcome, "closed");
    const read = await page.evaluate(async (to) => {
        try {
            return await (await fetch(`http://127.0.0.1:${to}/`)).text();
        } catch {
            return "";
        }
    }, port);
    assert.equal(read, "", "nor read what is there");
});

test("a reload keeps the way in, another tab has none", { real: true, limitMs: 90_000 }, async ({ server, page, newPage }) => {
    await server.record([target("shares"), "1", "600000"]);
    await server.open(page);
    await flame(page, 3);
    assert.doesNotMatch(page.url(), /token/);
    await page.reload();
    await flame(page, 3);
    const other = await newPage();
    await other.goto(page.url());
    await other.getByText(/stax ui/).first().waitFor();
});
