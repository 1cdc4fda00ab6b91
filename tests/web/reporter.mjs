// Lines of node's test runner as script/summarize.py reads them: into the file that STAX_WEB_LINES names, and for
// people: what failed, with all that is known about it, and what was tried again.

import { appendFileSync, writeFileSync } from "node:fs";

const lines = process.env.STAX_WEB_LINES;

function note(line) {
    if (lines) {
        appendFileSync(lines, `${line}\n`);
    }
    return line;
}

// A test that node ran in a file of its own wraps what the file says.
function reason(error) {
    const cause = error?.cause ?? error;
    return String(cause?.message ?? cause).split("\n")[0].slice(0, 200);
}

export default async function* report(source) {
    const repeated = [];
    let passed = 0;
    let failed = 0;
    if (lines) {
        writeFileSync(lines, "");
    }
    for await (const { type, data } of source) {
        if (type === "test:diagnostic" && data.message.startsWith("tried again: ")) {
            repeated.push(data.message);
        }
        if ((type !== "test:pass" && type !== "test:fail") || data.nesting > 0) {
            continue;
        }
        const name = `web/${data.name}`;
        const seconds = ` (${(data.details.duration_ms / 1000).toFixed(1)} s)`;
        if (data.skip !== undefined) {
            yield `${note(`SKIP ${name}: ${typeof data.skip === "string" ? data.skip : "no reason given"}`)}\n`;
        } else if (type === "test:pass") {
            passed++;
            yield `${note(`PASS ${name}`)}${seconds}\n`;
        } else {
            failed++;
            const { error } = data.details;
            yield `${note(`FAIL ${name}: ${reason(error)}`)}${seconds}\n`;
            yield `${String((error.cause ?? error).stack ?? error).replace(/^/gm, "    ")}\n`;
        }
    }
    for (const line of repeated) {
        yield `${line}\n`;
    }
    yield `\n${passed} passed, ${failed} failed\n`;
}
