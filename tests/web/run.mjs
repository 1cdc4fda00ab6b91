// Runs the browser tests: node tests/web/run.mjs [PART-OF-A-NAME…]
//
//     STAX_BUILD        where stax and stax-server are (default: build); without them tests that need them are skipped
//     STAX_WEB_LINES    a file for script/summarize.py
//     STAX_WEB_KEEP     where pictures and traces of failures go (default: build-results/web)
//     STAX_WEB_ONCE=1   no second attempts
//
// All tests run in one process, with one browser. web/dist has to be built, and tests/web's own packages to be there:
// script/test does all of it.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DIST, ROOT } from "./serve.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const ALL = "--all-in-this-process";

function buildTargets() {
    const out = process.env.STAX_TARGETS ?? join(process.env.STAX_BUILD ?? join(ROOT, "build"), "targets");
    if (!existsSync(dirname(out))) {
        return;
    }
    const made = spawnSync("make", ["-s", "-j2", "-C", join(ROOT, "tests", "targets"), `OUT=${out}`], {
        stdio: ["ignore", "inherit", "inherit"],
    });
    if (made.status !== 0) {
        console.error("error: the targets do not build");
        process.exit(1);
    }
}

async function runHere(wanted) {
    const files = readdirSync(here).filter((name) => /^test_.*\.mjs$/.test(name)).sort();
    for (const file of files) {
        if (wanted.length === 0 || wanted.some((part) => file.includes(part))) {
            await import(pathToFileURL(join(here, file)));
        }
    }
}

const args = process.argv.slice(2);
if (args[0] === ALL) {
    await runHere(args.slice(1));
} else {
    if (!existsSync(join(DIST, "index.html"))) {
        console.error(`error: there is no ${DIST}/index.html: build the page first (cd web && npm run build)`);
        process.exit(1);
    }
    buildTargets();
    const reporter = pathToFileURL(join(here, "reporter.mjs")).href;
    const command = [`--test-reporter=${reporter}`, "--test-reporter-destination=stdout", fileURLToPath(import.meta.url), ALL];
    process.exit(spawnSync(process.execPath, [...command, ...args], { stdio: "inherit" }).status ?? 1);
}
