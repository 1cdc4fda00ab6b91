// The page: built in order, then started.
//
//     connection ──► frame of the page is painted ──► panels ──► first flamegraph ──► the other parts
//         └────────── the server works meanwhile ─────────────────────┘

import { options, render } from "preact";
import { startKeys } from "./lib/keymap";
import { fetchAhead, loadPart } from "./lib/parts";
import type { Picture } from "./lib/picture";
import { startTheme } from "./lib/theme";
import { WebSocketTransport, type Transport } from "./lib/transport";
import { App } from "./model/app";
import { decodeLink } from "./model/link";
import { Shell } from "./model/shell";
import { tellTests } from "./model/tell_tests";
import { AppView } from "./panels/App";
import { AppContext } from "./panels/hooks";
import { ShellContext } from "./panels/shell";

const TOKEN_KEY = "stax.token";
const ASLEEP_AFTER_MS = 3000;
/** The flamegraph comes first, but not at any price. */
const FLAME_FIRST_MS = 300;

// The address holds the token only until it was read: what is copied from there must not open this server to others.
function takeToken(): string {
    const parts = location.hash.slice(1).split("&");
    const token = parts.find((part) => part.startsWith("token="))?.slice("token=".length);
    if (token !== undefined) {
        const rest = parts.filter((part) => !part.startsWith("token=")).join("&");
        history.replaceState(history.state, "", location.pathname + (rest === "" ? "" : `#${rest}`));
        remember(token);
        return token;
    }
    try {
        return sessionStorage.getItem(TOKEN_KEY) ?? "";
    } catch {
        return "";
    }
}

function remember(token: string): void {
    try {
        sessionStorage.setItem(TOKEN_KEY, token);
    } catch {
        // a browser that keeps nothing: the address has to be opened again after a reload
    }
}

// What nobody looks at is not asked.
function sleepWhenHidden(app: App): void {
    let timer = 0;
    document.addEventListener("visibilitychange", () => {
        clearTimeout(timer);
        if (document.hidden) {
            timer = window.setTimeout(() => app.client.sleep(), ASLEEP_AFTER_MS);
        } else {
            app.client.wake();
        }
    });
}

function connect(): Transport {
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/rpc`;
    return new WebSocketTransport(url, takeToken());
}

function showPicture(app: App, picture: Picture): void {
    const taken = new Date(picture.takenUnixMs).toLocaleString();
    app.fixed = `A picture of run ${picture.run.id} as of ${taken}: another scope needs stax-server.`;
    app.state.scope.value = decodeLink(picture.link).link.scope;
    if (location.hash === "") {
        history.replaceState(null, "", `#${picture.link}`);
    }
}

// A new address for a page that is open already: only what is behind the # changes, and nothing is loaded by itself.
function followNewToken(): void {
    window.addEventListener("popstate", (event) => {
        if (/[#&]token=/.test(location.hash)) {
            event.stopImmediatePropagation();
            takeToken();
            location.reload();
        }
    });
}

// What stands in the HTML is painted by then. Nobody paints a page that is hidden.
function afterFirstPaint(act: () => void): void {
    if (document.hidden) {
        act();
    } else {
        requestAnimationFrame(() => setTimeout(act));
    }
}

/** `picture`: of a run, which stands in this file; null: there is a server. */
function start(transport: Transport, picture: Picture | null): void {
    const app = new App(transport);
    const shell = new Shell(app);
    app.client.onState = (state) => {
        app.state.connection.value = picture !== null && state === "open" ? "file" : state;
    };
    if (picture !== null) {
        showPicture(app, picture);
    }
    tellTests(app);
    startTheme(app.state.theme);
    shell.start();
    startKeys(() => app.actions.all, () => shell.dialog.value !== "none");
    sleepWhenHidden(app);
    app.client.start();
    afterFirstPaint(() => show(app, shell));
}

function show(app: App, shell: Shell): void {
    // What effects draw belongs to the next frame. Preact would wait for it, and have another one made for them.
    options.requestAnimationFrame = (act) => void setTimeout(act);
    render(
        <AppContext.Provider value={app}>
            <ShellContext.Provider value={shell}>
                <AppView />
            </ShellContext.Provider>
        </AppContext.Provider>,
        document.getElementById("app") as HTMLElement,
    );
    setTimeout(() => (app.begun.value = true), FLAME_FIRST_MS);
}

async function startFile(text: string): Promise<void> {
    try {
        const part = await loadPart("file");
        const picture = part.readPicture(text);
        start(part.makeTransport(picture), picture);
    } catch (error) {
        document.body.textContent = `This file cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
    }
}

const data = document.getElementById("stax-data");
if (data !== null) {
    void startFile(data.textContent ?? "");
} else {
    followNewToken();
    start(connect(), null);
    fetchAhead(["time", "tables", "dialogs", "details"]);
}
