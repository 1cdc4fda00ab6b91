// What takes something out of the page. How is in a part that is loaded when somebody asks for it: see write.ts.

import { loadPart } from "../lib/parts";
import type { Action } from "../model/actions";
import type { Shell } from "../model/shell";

export type Export = "markdown" | "link" | "command" | "png" | "svg" | "html";

/** In the order of the menu: what it is called, its key. */
const EXPORTS: readonly (readonly [Export, string, string?])[] = [
    ["markdown", "Copy as Markdown", "y"],
    ["link", "Copy link", "Y"],
    ["command", "Copy as command"],
    ["png", "PNG picture of the flamegraph"],
    ["svg", "SVG picture of the flamegraph"],
    ["html", "HTML file"],
];

export const EXPORT_IDS = EXPORTS.map(([what]) => `export.${what}`);

export function exportActions(shell: Shell): Action[] {
    const { app } = shell;
    return EXPORTS.map(([what, label, key]) => ({
        id: `export.${what}`,
        label,
        place: "global",
        keys: key === undefined ? [] : [key],
        enabled: () => what !== "html" || (app.fixed === "" && app.state.run.value !== null),
        run: () => void shell.attempt("That did not work", async () => (await loadPart("export")).write(what, shell)),
    }));
}
