// A real stax-server of one test: with its own socket, its own runs, its own port, in its own folder.

import { execFile, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./serve.mjs";

const BUILD = process.env.STAX_BUILD ?? join(ROOT, "build");
export const STAX = join(BUILD, "stax");
export const SERVER = join(BUILD, "stax-server");
export const TARGETS = process.env.STAX_TARGETS ?? join(BUILD, "targets");

export const SANITIZED = existsSync(SERVER) && /__[at]san_init/.test(readFileSync(SERVER, "latin1"));
const READY_MS = 30_000;

export function whyNoServer() {
    return existsSync(SERVER) ? "" : `${SERVER} was not built`;
}

const run = promisify(execFile);

/** The path of a target of tests/targets; run.mjs has built them. */
export function target(name) {
    return join(TARGETS, name);
}

/** A client of the server's socket: one JSON text per line. */
class Rpc {
    constructor(path) {
        this.socket = connect(path);
        this.calls = new Map();
        this.nextId = 1;
        this.rest = "";
        this.socket.setEncoding("utf8");
        this.socket.on("data", (text) => this.read(text));
        this.socket.on("error", (error) => this.fail(error));
        this.socket.on("close", () => this.fail(new Error("the server closed the connection")));
    }

    read(text) {
        const lines = (this.rest + text).split("\n");
        this.rest = lines.pop();
        for (const line of lines) {
            const { id, result, error } = JSON.parse(line);
            const call = this.calls.get(id);
            this.calls.delete(id);
            if (error) {
                call?.reject(Object.assign(new Error(error.message), { kind: error.data?.kind }));
            } else {
                call?.resolve(result);
            }
        }
    }

    fail(error) {
        this.calls.forEach((call) => call.reject(error));
        this.calls.clear();
    }

    call(method, params = {}) {
        const id = this.nextId++;
        return new Promise((resolve, reject) => {
            this.calls.set(id, { resolve, reject });
            this.socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
        });
    }

    close() {
        this.socket.destroy();
    }
}

export class Server {
    constructor(args = []) {
        this.args = args;
        this.dir = mkdtempSync(join(tmpdir(), "stax-web-"));
        this.socket = join(this.dir, "s.sock");
        this.stderrPath = join(this.dir, "server.stderr");
        const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("STAX_"));
        this.env = {
            ...Object.fromEntries(kept),
            STAX_SERVER_SOCKET: this.socket,
            STAX_SERVER_WS_BIND: "127.0.0.1:0",
            XDG_STATE_HOME: join(this.dir, "state"),
            XDG_RUNTIME_DIR: this.dir,
            DEBUGINFOD_URLS: "",
            LC_ALL: "C.UTF-8",
            TERM: "dumb",
        };
        this.recordings = [];
    }

    async start() {
        const stderr = openSync(this.stderrPath, "a");
        this.process = spawn(SERVER, ["--socket", this.socket, "--ready-fd", "3", ...this.args], {
            cwd: this.dir,
            env: this.env,
            stdio: ["ignore", stderr, stderr, "pipe"],
        });
        closeSync(stderr);
        this.ended = new Promise((resolve) => this.process.once("exit", (status, signal) => resolve(signal ?? status)));
        const ready = new Promise((resolve) => this.process.stdio[3].once("data", () => resolve("ready")));
        const late = new Promise((resolve) => setTimeout(resolve, READY_MS, "late").unref());
        const outcome = await Promise.race([ready, this.ended, late]);
        if (outcome !== "ready") {
            throw new Error(`the server ended with ${outcome} before it was ready:\n${this.stderr()}`);
        }
        this.rpc = new Rpc(this.socket);
        return this;
    }

    stderr() {
        return existsSync(this.stderrPath) ? readFileSync(this.stderrPath, "utf8") : "";
    }

    // ---- recording ----

    /** Begins to record a command; returns when there are `samples`. */
    async record(command, { samples = 200, options = [] } = {}) {
        const recording = spawn(STAX, ["record", ...options, "--", ...command], {
            cwd: this.dir,
            env: this.env,
            stdio: ["ignore", "ignore", "ignore"],
        });
        const ended = new Promise((resolve) => recording.once("exit", resolve));
        this.recordings.push({ process: recording, ended });
        const wait = this.rpc.call("RunControl.wait_active", { condition: { for_samples: samples }, start_ms: READY_MS });
        const result = await Promise.race([wait, ended.then(() => null)]);
        if (result === null || result.outcome === "no_active_run") {
            throw new Error(`nothing was recorded of ${command.join(" ")}:\n${this.stderr()}`);
        }
        this.recordings.at(-1).pid = result.summary.target_pid;
        return result.summary;
    }

    /** Ends the run, and the program; everything of it has its name. */
    async stop() {
        const { summary } = await this.rpc.call("RunControl.stop_active");
        this.endPrograms();
        await Promise.all(this.recordings.map(({ ended }) => ended));
        await this.settle();
        return summary;
    }

    /** Returns when symbols have been read: another answer would have the same names. */
    async settle() {
        for (;;) {
            await this.rpc.call("Profiler.top", { mode: "wall", limit: 1 });
            const { run: report } = await this.rpc.call("RunControl.diagnostics");
            if (!report?.images.some((image) => image.state === "loading")) {
                return;
            }
            await new Promise((done) => setTimeout(done, 20));
        }
    }

    // ---- asking ----

    /** What a command prints. */
    async stax(...args) {
        const { stdout } = await run(STAX, args.map(String), {
            cwd: this.dir,
            env: this.env,
            maxBuffer: 1 << 28,
        });
        return stdout;
    }

    /** What a command answers with --json. */
    async json(...args) {
        return JSON.parse(await this.stax(...args, "--json"));
    }

    /** The address that opens the page, with its token. */
    async address() {
        return (await this.stax("ui", "--print")).trim();
    }

    /** Opens the page as a person would. `hash`: more of what stands behind #. */
    async open(page, hash = "") {
        const address = await this.address();
        await page.goto(hash === "" ? address : `${address}&${hash}`);
        await page.waitForFunction(() => window.__stax !== undefined);
    }

    // ---- the end ----

    /** What was recorded goes on by itself otherwise. */
    endPrograms() {
        for (const recording of this.recordings) {
            if (recording.pid) {
                try {
                    process.kill(recording.pid, "SIGKILL");
                } catch {
                    // it has ended by itself
                }
                recording.pid = 0;
            }
        }
    }

    /** Ends the server, and checks how it went. */
    async close() {
        this.endPrograms();
        this.rpc?.close();
        this.process.kill("SIGTERM");
        const late = setTimeout(() => this.process.kill("SIGABRT"), READY_MS); // a sanitizer then says where it hung
        const status = await this.ended;
        clearTimeout(late);
        const said = this.stderr();
        if (status !== 0 || /Sanitizer|runtime error:/.test(said)) {
            throw new Error(`the server ended with ${status}:\n${said}`);
        }
    }

    /** Nothing of it stays, however the test went. */
    kill() {
        this.endPrograms();
        this.rpc?.close();
        for (const { process: recording } of [...this.recordings, { process: this.process }]) {
            if (recording?.pid && recording.exitCode === null && recording.signalCode === null) {
                recording.kill("SIGKILL");
            }
        }
        rmSync(this.dir, { recursive: true, force: true });
    }
}
