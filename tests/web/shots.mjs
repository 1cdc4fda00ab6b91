// Pictures of the main states of the page, for the README: node tests/web/shots.mjs [FOLDER]
//
// Records two programs with the real server (STAX_BUILD says where it is; default: build), one that works and one that
// waits, and writes {light,dark}-{overview,code,callers,cfg,tree,off-cpu}.png into FOLDER (default: docs/screenshots).
// The page that the server was built with is what is seen.

import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { at, boxes, clickBox, eventually, flame, frames } from "./harness.mjs";
import { launch, ROOT } from "./serve.mjs";
import { Server, target } from "./server.mjs";

const MOST_BYTES = 250 << 10;
const folder = process.argv[2] ?? join(ROOT, "docs", "screenshots");
const working = process.env.STAX_SHOTS_WORKING?.split(" ") ?? [target("shares"), "3", "600000"];
const waiting = process.env.STAX_SHOTS_WAITING?.split(" ") ?? [target("waits"), "-n", "100000", "-m", "3"];

// Every panel has had its first answer.
async function everythingThere(page) {
    await page.getByRole("tabpanel", { name: "Code" }).getByRole("row").nth(8).waitFor();
    await eventually(async () => /\([1-9]/.test(await at.thread(page).innerText()), "threads");
    await page.locator(".tl-absence:not(.tl-unseen)").waitFor({ state: "detached" });
}

const atWork = {
    async overview(page) {
        const hot = (await flame(page)).filter((box) => box.path.length > 3 && box.width > 60);
        if (hot.length > 0) {
            await clickBox(page, hot[0]);
        }
        await everythingThere(page);
    },
    async code(page) {
        await at.tab(page, "Code").click();
        await at.top(page).getByRole("row").nth(1).click();
        const panel = page.getByRole("tabpanel", { name: "Code" });
        await eventually(async () => /^\s*[1-9][\d,]* samples/.test(await panel.innerText()), "its own instructions");
        await panel.getByRole("row").nth(3).waitFor();
    },
    async callers(page) {
        await at.tab(page, "Callers and callees").click();
        await page.getByRole("application", { name: /caller/i }).first().waitFor();
    },
    async cfg(page) {
        await at.tab(page, "Control flow").click();
        await page.getByRole("group", { name: "Control flow" }).getByRole("button").first().waitFor();
    },
    async tree(page) {
        await at.tab(page, "Tree").click();
        await at.tree(page).getByRole("row").nth(2).waitFor();
    },
};

const atRest = {
    async "off-cpu"(page) {
        await at.mode(page, "Waiting").click();
        await eventually(async () => (await boxes(page)).length > 3);
        await at.tab(page, "Waits").click();
        await page.getByRole("tabpanel", { name: "Waits" }).getByRole("row").nth(5).waitFor();
    },
};

async function take(page, theme, states) {
    for (const [name, go] of Object.entries(states)) {
        await go(page);
        await page.mouse.move(640, 790);
        await frames(page);
        const path = join(folder, `${theme}-${name}.png`);
        await page.screenshot({ path });
        const { size } = statSync(path);
        console.log(`${path} ${Math.round(size / 1024)} KB`);
        if (size > MOST_BYTES) {
            throw new Error(`${path} is larger than ${MOST_BYTES >> 10} KB`);
        }
    }
}

mkdirSync(folder, { recursive: true });
const server = new Server();
const browser = await launch();
try {
    await server.start();
    for (const [program, samples, states] of [[working, 12000, atWork], [waiting, 1500, atRest]]) {
        await server.record(program, { samples });
        await server.settle();
        for (const theme of ["light", "dark"]) {
            const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: theme });
            const page = await context.newPage();
            await server.open(page);
            await flame(page, 5);
            await take(page, theme, states);
            await context.close();
        }
        await server.stop();
    }
    await server.close();
} finally {
    server.kill();
    await browser.close();
}
process.exit(0);
