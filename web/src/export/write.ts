// Each way in which something is taken out of the page.

import { flamePng, flameSvg } from "../draw/flame_export";
import { copyText, download, fileWord } from "../lib/clipboard";
import { bytes, percent } from "../lib/format";
import type { App } from "../model/app";
import { commandOf } from "../model/command";
import { linkOf } from "../model/history";
import { encodeLink } from "../model/link";
import type { Shell } from "../model/shell";
import type { Export } from "./actions";
import { makeFile } from "./html";
import { markdownOf } from "./markdown";

const PNG_SCALE = 2;
const SVG_WIDTH = 1600;
const PROGRESS_EVERY_MS = 1000;

/** Says what was done; throws when it could not be. */
export async function write(what: Export, shell: Shell): Promise<void> {
    const { app } = shell;
    switch (what) {
        case "markdown":
            return await copy(app, markdownOf(shell, linkText(app)), "Copied as Markdown.");
        case "link":
            return await copy(app, linkText(app), "The link was copied. It holds no token.");
        case "command":
            return await copy(app, commandText(app), "The command was copied.");
        case "png":
            return save(app, await flamePng(app, PNG_SCALE), "png");
        case "svg":
            return save(app, new Blob([flameSvg(app, SVG_WIDTH)], { type: "image/svg+xml" }), "svg");
        case "html":
            return await saveFile(app);
    }
}

async function copy(app: App, text: string, said: string): Promise<void> {
    await copyText(text);
    app.messages.say(said);
}

function save(app: App, blob: Blob, kind: string, note = ""): void {
    const run = app.state.run.value;
    const program = run?.label.split(" ")[0].split("/").pop() ?? "";
    const name = `stax-${fileWord(program)}-run-${run?.id ?? 0}.${kind}`;
    download(blob, name);
    app.messages.say(`${name}: ${bytes(blob.size)}.${note}`);
}

async function saveFile(app: App): Promise<void> {
    let said = performance.now();
    const file = await makeFile(app, (share) => {
        if (performance.now() - said > PROGRESS_EVERY_MS) {
            said = performance.now();
            app.messages.say(`Asking for all that goes into the file: ${percent(share, 0)}`);
        }
    });
    save(app, file, "html", " It opens in any browser, and loads nothing.");
}

/** The run by its number: the current one is another tomorrow. */
function runOf({ state }: App): number | null {
    return state.scope.value.run ?? state.run.value?.id ?? null;
}

/** The address of what is looked at. */
function linkText(app: App): string {
    const link = linkOf(app);
    const hash = encodeLink({ ...link, scope: { ...link.scope, run: runOf(app) } });
    return `${location.href.replace(/#.*$/s, "")}${hash === "" ? "" : `#${hash}`}`;
}

function commandText(app: App): string {
    return commandOf("top", app.state.scope.value, runOf(app), app.state.endNs.value);
}
