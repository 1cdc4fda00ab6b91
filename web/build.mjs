// Makes dist/: one page that holds its style and script, and parts that are loaded when they are needed.
//
//     src/index.html + src/style.css + src/main.tsx ──► dist/index.html
//     src/part/NAME.ts                              ──► dist/part/NAME.js
//
// Nothing is ever loaded from anywhere else. Prints the sizes that count: after gzip.

import { build, transform } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { relative } from "node:path";
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

const root = options.absWorkingDir;

async function bundle(entry, more = {}) {
    const result = await build({ ...options, entryPoints: [entry], ...more });
    return result.outputFiles[0].text;
}

// ---- Parts ----------------------------------------------------------------------------------------
//
// A part does not bring along what the page has already: an import of such a module is a look into a table, which the
// page fills with the modules that parts have asked for. But for what makes it a part: in a worker there is no page.
//
//     page   import * as a from "./lib/format"; globalThis.__staxModules = {"src/lib/format.ts": a, …}
//     part   import { percent } from "../lib/format"  ──►  __staxModules["src/lib/format.ts"]

async function modulesOf(entry) {
    const result = await build({ ...options, entryPoints: [entry], metafile: true });
    return new Set(Object.keys(result.metafile.inputs));
}

function sharing(modules, asked) {
    const setup = (bundling) => {
        bundling.onResolve({ filter: /.*/ }, async (args) => {
            if (args.kind === "entry-point" || args.pluginData === "looked") {
                return undefined;
            }
            const { path, errors } = await bundling.resolve(args.path, {
                kind: args.kind,
                resolveDir: args.resolveDir,
                importer: args.importer,
                pluginData: "looked",
            });
            const name = relative(root, path);
            if (errors.length > 0 || !modules.has(name) || name === "src/lib/parts.ts") {
                return undefined;
            }
            asked.add(name);
            return { path: name, namespace: "shared" };
        });
        bundling.onLoad({ filter: /\.css$/ }, async ({ path }) => {
            const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
            return { contents: code, loader: "text" };
        });
        bundling.onLoad({ filter: /.*/, namespace: "shared" }, ({ path }) => ({
            contents: `module.exports = globalThis.__staxModules[${JSON.stringify(path)}];`,
        }));
    };
    return { name: "sharing", setup };
}

// The page, with its table filled before anything of it runs.
function pageSharing(names) {
    const list = [...names].sort();
    const table = [
        ...list.map((name, i) => `import * as m${i} from "./${name}";`),
        `globalThis.__staxModules = {${list.map((name, i) => `${JSON.stringify(name)}: m${i}`).join(", ")}};`,
    ].join("\n");
    const setup = (bundling) => {
        bundling.onResolve({ filter: /^table$/ }, () => ({ path: "table", namespace: "table" }));
        bundling.onLoad({ filter: /.*/, namespace: "table" }, () => ({ contents: table, resolveDir: root }));
    };
    return {
        stdin: { contents: `import "table"; import "./src/main.tsx";`, resolveDir: root, loader: "js" },
        entryPoints: undefined,
        plugins: [{ name: "table", setup }],
    };
}

// A script or style ends where its closing tag stands, whatever is around it.
function check(text, what) {
    if ((what.endsWith(".css") ? /<\/style/i : /<\/script|<!--/i).test(text)) {
        throw new Error(`${what} contains a tag that would end it`);
    }
    return text;
}

// As a Content-Security-Policy names it: the text between the tags, byte by byte.
function hash(kind, text) {
    return `${kind}:sha256-${createHash("sha256").update(text).digest("base64")}`;
}

const page = await readFile(`${root}/src/index.html`, "utf8");
const style = check(await bundle("src/style.css"), "style.css").trim();
const modules = await modulesOf("src/main.tsx");
const shared = new Set();
const plugins = [sharing(modules, shared)];
const parts = [];
for (const name of (await readdir(`${root}/src/part`)).filter((name) => name.endsWith(".ts")).sort()) {
    parts.push({ name: name.replace(/\.ts$/, ".js"), text: check(await bundle(`src/part/${name}`, { plugins }), name).trim() });
}
const script = check(await bundle(undefined, pageSharing(shared)), "the page's script").trim();
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
