// Makes dist/: one page that holds its style and script, and parts that are loaded when they are needed.
//
//     src/index.html + src/style.css + src/main.tsx ──► dist/index.html
//     src/part/NAME.ts                              ──► dist/part/NAME.js
//
// Nothing is ever loaded from anywhere else. Prints the sizes that count: after gzip.

import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { relative, resolve } from "node:path";
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

// What a part takes from the page, rather than bring it along: lib/shared.ts has it ready. Packages by name, files of
// our own by their place in src. Not for what highlight and layout use: those run before the page, or without it.
const sharedText = await readFile(`${options.absWorkingDir}/src/lib/shared.ts`, "utf8");
const SHARED = [...sharedText.matchAll(/^    "(.+)": /gm)].map((match) => match[1]);
const shared = {
    name: "shared",
    setup(build) {
        build.onResolve({ filter: /./ }, ({ path, resolveDir }) => {
            const place = relative(`${options.absWorkingDir}/src`, resolve(resolveDir, path));
            const name = path.startsWith(".") ? place : path;
            return SHARED.includes(name) ? { path: name, namespace: "shared" } : null;
        });
        build.onLoad({ filter: /.*/, namespace: "shared" }, ({ path }) => ({
            contents: `module.exports = globalThis.__staxShared[${JSON.stringify(path)}];`,
        }));
    },
};

async function bundle(entry, plugins = []) {
    const result = await build({ ...options, entryPoints: [entry], plugins });
    return result.outputFiles[0].text;
}

// A script or style ends where its closing tag stands, whatever is around it.
function check(text, what) {
    if (/<\/script|<\/style|<!--/i.test(text)) {
        throw new Error(`${what} contains a tag that would end it`);
    }
    return text;
}

// As a Content-Security-Policy names it: the text between the tags, byte by byte.
function hash(kind, text) {
    return `${kind}:sha256-${createHash("sha256").update(text).digest("base64")}`;
}

const root = options.absWorkingDir;
const page = await readFile(`${root}/src/index.html`, "utf8");
const style = check(await bundle("src/style.css"), "style.css").trim();
const script = check(await bundle("src/main.tsx"), "main.tsx").trim();
const parts = [];
for (const name of (await readdir(`${root}/src/part`)).filter((name) => name.endsWith(".ts")).sort()) {
    parts.push({ name: name.replace(/\.ts$/, ".js"), text: check(await bundle(`src/part/${name}`, [shared]), name).trim() });
}
// What a file that the page exports may run.
const hashes = [hash("style", style), ...[script, ...parts.map((part) => part.text)].map((text) => hash("script", text))];
const html = page
    .replace("/*hashes*/", () => hashes.join(" "))
    .replace("/*style*/", () => style)
    .replace("/*script*/", () => script);

await rm(`${root}/dist`, { recursive: true, force: true });
await mkdir(`${root}/dist/part`, { recursive: true });
await writeFile(`${root}/dist/index.html`, html);

const size = (text) => `${(gzipSync(text, { level: 9 }).length / 1024).toFixed(1)} KB`;
console.log(`index.html ${size(html)}`);
for (const { name, text } of parts) {
    await writeFile(`${root}/dist/part/${name}`, text);
    console.log(`part/${name} ${size(text)}`);
}
