// What takes something out of the page.

import { copyText, download, fileWord } from "../lib/clipboard";
import { bytes, percent } from "../lib/format";
import { loadPart } from "../lib/parts";
import { commandOf } from "../model/command";
import type { Action } from "../model/actions";
import { linkOf } from "../model/history";
import { encodeLink } from "../model/link";
import type { Shell } from "../model/shell";

function copyAction(shell: Shell, id: string, label: string, keys: string[], said: string, make: () => string | Promise<string>): Action {
    const run = () =>
        void shell.attempt("Copying failed", async () => {
            await copyText(await make());
            shell.app.messages.say(said);
        });
    return { id: `export.${id}`, label, place: "global", keys, run };
}

/** The address of what is looked at, with its run by number: the current one is another tomorrow. */
export function linkText(shell: Shell): string {
    const { state } = shell.app;
    const link = linkOf(shell.app);
    const run = link.scope.run ?? state.run.value?.id ?? null;
    const hash = encodeLink({ ...link, scope: { ...link.scope, run } });
    return `${location.origin === "null" ? "file://" : location.origin}${location.pathname}${hash === "" ? "" : `#${hash}`}`;
}

export function commandText(shell: Shell): string {
    const { state } = shell.app;
    return commandOf("top", state.scope.value, state.scope.value.run ?? state.run.value?.id ?? null, state.endNs.value);
}

export function exportActions(shell: Shell): Action[] {
    return [
        copyAction(shell, "markdown", "Copy as Markdown", ["y"], "Copied as Markdown.", async () => {
            return (await loadPart("export")).markdownOf(shell, linkText(shell));
        }),
        copyAction(shell, "link", "Copy link", ["Y"], "The link was copied. It holds no token.", () => linkText(shell)),
        copyAction(shell, "command", "Copy as command", [], "The command was copied.", () => commandText(shell)),
        {
            id: "export.html",
            label: "HTML file",
            place: "global",
            keys: [],
            enabled: () => shell.app.fixed === "" && shell.app.state.run.value !== null,
            run: () => void shell.attempt("No file was written", () => exportHtml(shell)),
        },
    ];
}

const PROGRESS_EVERY_MS = 1000;

async function exportHtml({ app }: Shell): Promise<void> {
    let said = performance.now();
    const part = await loadPart("export");
    const file = await part.makeFile(app, (share) => {
        if (performance.now() - said > PROGRESS_EVERY_MS) {
            said = performance.now();
            app.messages.say(`Asking for all that goes into the file: ${percent(share, 0)}`);
        }
    });
    const run = app.state.run.value;
    const program = run?.label.split(" ")[0].split("/").pop() ?? "";
    const name = `stax-${fileWord(program)}-run-${run?.id ?? 0}.html`;
    download(file, name);
    app.messages.say(`${name}: ${bytes(file.size)}. It opens in any browser, and loads nothing.`);
}
