// The keys that all tables have, as actions: so that the help lists them and the palette finds them.
//
// A table handles its keys itself. An action that is run sends the key to the row that has the focus.

import type { Action, Place } from "../model/actions";

const KEYS: readonly (readonly [id: string, label: string, ...keys: string[]])[] = [
    ["down", "Next row", "j", "ArrowDown"],
    ["up", "Previous row", "k", "ArrowUp"],
    ["pageDown", "A page of rows down", "PageDown"],
    ["pageUp", "A page of rows up", "PageUp"],
    ["first", "First row", "Home"],
    ["last", "Last row", "End"],
    ["open", "Open the row", "Enter"],
    ["find", "Find a row by typing", "'"],
];

const TREE_KEYS: typeof KEYS = [
    ["expand", "Open the node, or go to its first child", "ArrowRight"],
    ["collapse", "Close the node, or go to the one above", "ArrowLeft"],
    ["expandHeavy", "Open all that is heavy below the node", "Shift+ArrowRight"],
];

let isSending = false;

function send(key: string): void {
    const row = document.activeElement?.closest('.rows [role="row"]');
    if (row && !isSending) {
        const name = key.replace("Shift+", "");
        const code = /^[a-z]$/.test(name) ? `Key${name.toUpperCase()}` : name;
        isSending = true;
        row.dispatchEvent(
            new KeyboardEvent("keydown", {
                key: name,
                code,
                shiftKey: name !== key,
                bubbles: true,
                cancelable: true,
            }),
        );
        isSending = false;
    }
}

function actionsOf(keys: typeof KEYS, place: Place): Action[] {
    return keys.map(([id, label, ...names]) => ({
        id: `${place}.${id}`,
        label,
        place,
        keys: names,
        run: () => send(names[0]),
    }));
}

export const ROWS_ACTIONS: readonly Action[] = [
    ...actionsOf(KEYS, "table"),
    ...actionsOf(TREE_KEYS, "table"),
    ...actionsOf(KEYS, "code"),
];
