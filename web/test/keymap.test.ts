import assert from "node:assert/strict";
import { test } from "node:test";
import { actionFor, canonical, chordsOf, isOwnKey, type Key } from "../src/lib/keymap";
import type { Action, Place } from "../src/model/actions";

function key(code: string, printed: string, modifiers: Partial<Key> = {}): Key {
    return { code, key: printed, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, altGraph: false, ...modifiers };
}

function action(id: string, place: Place, ...keys: string[]): Action {
    return { id, label: id, place, keys, run: () => {} };
}

const actions = [
    action("freeze", "global", "Space"),
    action("pause", "global", "Shift+P"),
    action("drop", "flame", "d"),
    action("pan", "timeline", "d"),
    action("palette", "global", "Ctrl+K", "Ctrl+Shift+P"),
    action("search", "global", "/", "Ctrl+F"),
    action("help", "global", "?"),
    action("text", "global", "y"),
    action("link", "global", "Y"),
    action("resize", "timeline", "Shift+,"),
    action("nudge", "timeline", ","),
    action("pop", "global", "Esc"),
    action("back", "global", "["),
    action("mode", "global", "1"),
    action("in", "flame", "+"),
];

function means(pressed: Key, place: Place = "global"): string | undefined {
    return actionFor(actions, chordsOf(pressed), place)?.id;
}

test("letters by their place, whatever is printed there", () => {
    assert.equal(means(key("KeyY", "z")), "text"); // a German keyboard
    assert.equal(means(key("KeyY", "Z", { shiftKey: true })), "link");
    assert.equal(means(key("KeyD", "в"), "flame"), "drop");
    assert.equal(means(key("KeyD", "d"), "timeline"), "pan");
    assert.equal(means(key("KeyD", "d")), undefined);
    assert.equal(means(key("Digit1", "&")), "mode"); // a French one
});

test("signs by what is printed", () => {
    assert.equal(means(key("Slash", "/")), "search");
    assert.equal(means(key("Digit7", "/", { shiftKey: true })), "search");
    assert.equal(means(key("Slash", "?", { shiftKey: true })), "help");
    assert.equal(means(key("Minus", "?", { shiftKey: true })), "help");
    assert.equal(means(key("Digit8", "[", { ctrlKey: true, altKey: true, altGraph: true })), "back");
    assert.equal(means(key("Comma", "<", { shiftKey: true }), "timeline"), "resize");
    assert.equal(means(key("Comma", ","), "timeline"), "nudge");
    assert.equal(means(key("Equal", "+", { shiftKey: true }), "flame"), "in");
});

test("modifiers count exactly", () => {
    assert.equal(means(key("KeyP", "p")), undefined);
    assert.equal(means(key("KeyP", "P", { shiftKey: true })), "pause");
    assert.equal(means(key("KeyP", "P", { shiftKey: true, ctrlKey: true })), "palette");
    assert.equal(means(key("KeyK", "k", { metaKey: true })), "palette");
    assert.equal(means(key("KeyD", "d", { ctrlKey: true }), "flame"), undefined);
    assert.equal(means(key("Space", " ")), "freeze");
    assert.equal(means(key("Escape", "Escape")), "pop");
});

test("one that is not enabled leaves its key to the next", () => {
    const off = { ...action("off", "flame", "Esc"), enabled: () => false };
    assert.equal(actionFor([off, ...actions], ["Esc"], "flame")?.id, "pop");
});

test("keys as they are written", () => {
    const said: [string, string][] = [
        ["f", "F"],
        ["Y", "Shift+Y"],
        ["Shift+f", "Shift+F"],
        ["Shift+Ctrl+C", "Ctrl+Shift+C"],
        ["ArrowUp", "ArrowUp"],
        ["Escape", "Esc"],
        ["+", "+"],
        ["Ctrl++", "Ctrl++"],
    ];
    said.forEach(([written, meant]) => assert.equal(canonical(written), meant));
});

test("who types is left alone, but for what is no text", () => {
    for (const chord of ["A", "Shift+P", "Space", "/", "Enter", "Ctrl+C", "Ctrl+V", "ArrowLeft"]) {
        assert.equal(isOwnKey("typing", [chord]), true, chord);
    }
    for (const chord of ["Esc", "F6", "Ctrl+K", "Ctrl+F", "Ctrl+Shift+P"]) {
        assert.equal(isOwnKey("typing", [chord]), false, chord);
    }
    assert.equal(isOwnKey("pressing", ["Space"]), true);
    assert.equal(isOwnKey("pressing", ["D"]), false);
    assert.equal(isOwnKey("choosing", ["D"]), true);
    assert.equal(isOwnKey("choosing", ["F6"]), false);
    assert.equal(isOwnKey("free", ["Space"]), false);
});
