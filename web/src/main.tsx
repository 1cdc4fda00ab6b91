// The page: built in order, then started.

import { render } from "preact";
import { startKeys } from "./lib/keymap";
import { startTheme } from "./lib/theme";
import { WebSocketTransport } from "./lib/transport";
import { App } from "./model/app";
import { Shell } from "./model/shell";
import { tellTests } from "./model/tell_tests";
import { AppView } from "./panels/App";
import { AppContext } from "./panels/hooks";
import { ShellContext } from "./panels/shell";

const TOKEN_KEY = "stax.token";
const ASLEEP_AFTER_MS = 3000;

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

function start(): void {
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/rpc`;
    const app = new App(new WebSocketTransport(url, takeToken()));
    const shell = new Shell(app);
    app.client.onState = (state) => (app.state.connection.value = state);
    startTheme(app.state.theme);
    shell.start();
    startKeys(() => app.actions.all, () => shell.dialog.value !== "none");
    tellTests(app);
    sleepWhenHidden(app);
    render(
        <AppContext.Provider value={app}>
            <ShellContext.Provider value={shell}>
                <AppView />
            </ShellContext.Provider>
        </AppContext.Provider>,
        document.getElementById("app") as HTMLElement,
    );
    app.client.start();
}

start();
