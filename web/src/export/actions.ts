// What takes something out of the page.

import { copyText } from "../lib/clipboard";
import { commandOf } from "../model/command";
import type { Action } from "../model/actions";
import { linkOf } from "../model/history";
import { encodeLink } from "../model/link";
import type { Shell } from "../model/shell";

function copyAction(shell: Shell, id: string, label: string, keys: string[], said: string, make: () => string): Action {
    const run = () =>
        void shell.attempt("Copying failed", async () => {
            await copyText(make());
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
        copyAction(shell, "link", "Copy link", ["Y"], "The link was copied. It holds no token.", () => linkText(shell)),
        copyAction(shell, "command", "Copy as command", [], "The command was copied.", () => commandText(shell)),
    ];
}
