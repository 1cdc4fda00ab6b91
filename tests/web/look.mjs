// Looks at the page on a made up run: node tests/web/look.mjs [OPTION…] OUT.png
//
//     --theme dark|light    light when absent
//     --size WxH            1280x800 when absent
//     --scale N             device pixels per CSS pixel; 1 when absent
//     --program NAME        one of PROGRAMS in world.mjs: usual (default), tiny, one_node, no_samples, asleep, hostile,
//                           deep, threads, big, huge, long_code
//     --nodes N --threads N --seed N --seconds N    of the program, over what --program says
//     --ticks N             so often 250 ms go by, each answered, before the picture; 4 when absent
//     --stopped             the run is over
//     --hash TEXT           behind # in the address: a scope
//     --eval FILE           a module whose default export is called with (page, mock) before the picture:
//                           export default async (page, mock) => { await page.keyboard.press("?"); };
//     --element SELECTOR    a picture of that only
//
// Build the page first: cd web && npm ci --ignore-scripts && npm run build; cd tests/web && npm ci --ignore-scripts.
// What the page says on its console, its errors and violations of its policy are printed; the status is 1 when there
// was an error.

import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Mock, PROGRAMS } from "./mock.mjs";
import { launch, open } from "./serve.mjs";

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        theme: { type: "string", default: "light" },
        size: { type: "string", default: "1280x800" },
        scale: { type: "string", default: "1" },
        program: { type: "string", default: "usual" },
        nodes: { type: "string" },
        threads: { type: "string" },
        seed: { type: "string" },
        seconds: { type: "string" },
        ticks: { type: "string", default: "4" },
        stopped: { type: "boolean", default: false },
        hash: { type: "string", default: "" },
        eval: { type: "string" },
        element: { type: "string" },
    },
});
if (positionals.length !== 1 || !PROGRAMS[values.program]) {
    console.error("usage: node tests/web/look.mjs [OPTION…] OUT.png (options: at the top of that file)");
    process.exit(2);
}

const changes = ["nodes", "threads", "seed", "seconds"].filter((name) => values[name] !== undefined);
const mock = new Mock({
    ...PROGRAMS[values.program],
    ...Object.fromEntries(changes.map((name) => [name, Number(values[name])])),
});
const [width, height] = values.size.split("x").map(Number);
const browser = await launch();
try {
    const page = await browser.newPage({
        viewport: { width, height },
        deviceScaleFactor: Number(values.scale),
        colorScheme: values.theme,
    });
    page.on("console", (message) => console.log(`console ${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => {
        console.error(`page error: ${error.stack}`);
        process.exitCode = 1;
    });
    await open(page, mock, values.hash);
    const frame = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    await frame();
    for (let i = 0; i < Number(values.ticks); i++) {
        mock.tick();
        await frame();
    }
    if (values.stopped) {
        mock.stop();
    }
    if (values.eval) {
        const { default: act } = await import(pathToFileURL(resolve(values.eval)));
        await act(page, mock);
    }
    await frame();
    await (values.element ? page.locator(values.element).first() : page).screenshot({ path: positionals[0] });
} finally {
    await browser.close();
}
