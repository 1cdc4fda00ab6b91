// Makes dist/: one page that holds its style and script, and parts that are loaded when they are needed.
//
//     src/index.html + src/style.css + src/main.tsx ──► dist/index.html
//     src/part/NAME.ts                              ──► dist/part/NAME.js
//
// Nothing is ever loaded from anywhere else. Prints the sizes that count: after gzip.

import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { gzipSync } from "node:zlib";

const options = {
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    legalComments: "none",
    write: false,
    charset: "utf8",
    absWorkingDir: import.meta.dirname ?? new URL(".", import.meta.url).pathname,
    jsx: "automatic",
    jsxImportSource: "preact",
};

async function bundle(entry) {
    const result = await build({ ...options, entryPoints: [entry] });
    return result.outputFiles[0].text;
}

// A script or style ends where its closing tag stands, whatever is around it.
function check(text, what) {
    if (/<\/script|<\/style|<!--/i.test(text)) {
        throw new Error(`${what} contains a tag that would end it`);
    }
    return text;
}

const root = options.absWorkingDir;
const page = await readFile(`${root}/src/index.html`, "utf8");
const style = check(await bundle("src/style.css"), "style.css");
const script = check(await bundle("src/main.tsx"), "main.tsx");
const html = page
    .replace("/*style*/", () => style.trim())
    .replace("/*script*/", () => script.trim());

await rm(`${root}/dist`, { recursive: true, force: true });
await mkdir(`${root}/dist/part`, { recursive: true });
await writeFile(`${root}/dist/index.html`, html);

const size = (text) => `${(gzipSync(text, { level: 9 }).length / 1024).toFixed(1)} KB`;
console.log(`index.html ${size(html)}`);
const parts = existsSync(`${root}/src/part`) ? await readdir(`${root}/src/part`) : [];
for (const name of parts.sort()) {
    if (name.endsWith(".ts")) {
        const part = check(await bundle(`src/part/${name}`), name);
        const out = name.replace(/\.ts$/, ".js");
        await writeFile(`${root}/dist/part/${out}`, part);
        console.log(`part/${out} ${size(part)}`);
    }
}
