// Opens web/dist in a browser without any server: requests are answered from files, the WebSocket by a Mock.

import { readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const DIST = process.env.STAX_WEB_DIST ?? join(ROOT, "web", "dist");
// A secure context, as 127.0.0.1 is: pages from there may use the clipboard.
export const ORIGIN = "http://stax.localhost";

export const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8" };

// Less than what the real server sends, which cannot be had here: nothing from anywhere else, no eval.
export const POLICY =
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; " +
    "connect-src 'self' ws://stax.localhost; img-src data: blob:";

export const CHROMIUM = process.env.STAX_CHROMIUM ?? "/usr/bin/chromium";
// Nobody but root may make the namespaces of its sandbox in a container; what it opens here is ours.
export const FLAGS = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--js-flags=--expose-gc"];

export function launch(options = {}) {
    return chromium.launch({ executablePath: CHROMIUM, args: FLAGS, ...options });
}

/** Answers ORIGIN from web/dist, and nothing else from anywhere. `mock`: who is at the other end of the WebSocket. */
export async function serve(page, mock) {
    await page.route("**/*", async (route) => {
        const url = new URL(route.request().url());
        if (url.origin !== ORIGIN) {
            return route.abort();
        }
        const path = normalize(url.pathname === "/" ? "/index.html" : url.pathname);
        try {
            const body = await readFile(join(DIST, path));
            const headers = { "content-security-policy": POLICY };
            return await route.fulfill({ body, headers, contentType: TYPES[path.slice(path.lastIndexOf("."))] });
        } catch {
            return route.fulfill({ status: 404, body: "" });
        }
    });
    await page.routeWebSocket(/\/rpc$/, (ws) => mock.connect(ws));
}

/** The page on a mock, with numbers in it. `hash`: what stands behind # in its address. */
export async function open(page, mock, hash = "") {
    await serve(page, mock);
    await page.goto(`${ORIGIN}/${hash === "" ? "" : `#${hash}`}`);
    await page.waitForFunction(() => window.__stax !== undefined);
}
