// Runs test/*.test.ts: bundled, then handed to node's own test runner.
//
//     node test/run.mjs [--reporter FILE]

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const names = (await readdir(here)).filter((name) => name.endsWith(".test.ts")).sort();
const out = await mkdtemp(join(tmpdir(), "stax-web-test-"));
try {
    await build({
        bundle: true,
        platform: "node",
        format: "esm",
        target: "es2022",
        outdir: out,
        outExtension: { ".js": ".mjs" },
        jsx: "automatic",
        jsxImportSource: "preact",
        entryPoints: names.map((name) => join(here, name)),
    });
    const built = (await readdir(out)).sort().map((name) => join(out, name));
    const at = process.argv.indexOf("--reporter");
    const reporter = at < 0 ? [] : [`--test-reporter=${process.argv[at + 1]}`];
    process.exitCode = spawnSync(process.execPath, ["--test", ...reporter, ...built], { stdio: "inherit" }).status ?? 1;
} finally {
    await rm(out, { recursive: true });
}
