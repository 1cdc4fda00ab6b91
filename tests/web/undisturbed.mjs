// A browser that nobody looks into while it works: for how long a page takes to appear. A test framework watches the
// network, and for that has the stack of every request taken: tens of milliseconds of a page's first moments.
//
//     const browser = await Undisturbed.start();
//     const entries = await browser.visit(url, 1500);     a page of its own; what it has noted by then
//     await browser.close();
//
// Chromium's own protocol, over its pipe: JSON texts that end in a 0 byte.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHROMIUM, FLAGS } from "./serve.mjs";

const SETTLED_MS = 300; // an empty page is complete

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export class Undisturbed {
    static async start() {
        const browser = new Undisturbed();
        browser.dir = mkdtempSync(join(tmpdir(), "stax-chromium-"));
        const flags = ["--headless", "--remote-debugging-pipe", `--user-data-dir=${browser.dir}`, "--no-first-run"];
        browser.process = spawn(CHROMIUM, [...FLAGS, ...flags, "about:blank"], {
            stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
        });
        browser.calls = new Map();
        browser.read(browser.process.stdio[4]);
        await browser.call("Browser.getVersion");
        return browser;
    }

    read(stream) {
        let rest = "";
        stream.setEncoding("utf8");
        stream.on("data", (text) => {
            const texts = (rest + text).split("\0");
            rest = texts.pop();
            for (const { id, result, error } of texts.map((one) => JSON.parse(one))) {
                const call = this.calls.get(id);
                this.calls.delete(id);
                error ? call?.reject(new Error(error.message)) : call?.resolve(result);
            }
        });
    }

    call(method, params = {}, sessionId = undefined) {
        const id = (this.lastId = (this.lastId ?? 0) + 1);
        return new Promise((resolve, reject) => {
            this.calls.set(id, { resolve, reject });
            this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
        });
    }

    /** PerformanceEntries {name, startTime, duration} of a page, some milliseconds after it was asked for. */
    async visit(url, ms) {
        const { browserContextId } = await this.call("Target.createBrowserContext");
        const { targetId } = await this.call("Target.createTarget", {
            url: "about:blank", browserContextId, width: 1600, height: 900,
        });
        const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
        await pause(SETTLED_MS);
        await this.call("Page.navigate", { url }, sessionId);
        await pause(ms);
        const { result } = await this.call("Runtime.evaluate", {
            expression: "performance.getEntries().map(({name, startTime, duration}) => ({name, startTime, duration}))",
            returnByValue: true,
        }, sessionId);
        await this.call("Target.disposeBrowserContext", { browserContextId });
        return result.value;
    }

    async close() {
        const ended = once(this.process, "exit");
        this.process.kill();
        await ended;
        rmSync(this.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
}
