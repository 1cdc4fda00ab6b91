// Turns keys into actions.
//
//     keydown ──► chord: "Shift+F" ──► an action of the place that has the focus, else a global one
//
// Letters and digits are meant by their place on the keyboard (event.code), so that f is where it is on any layout;
// signs by what is printed (event.key), since nobody knows where they are. Who is typing is left alone.

import type { Action, Place } from "../model/actions";

export interface Key {
    readonly code: string;
    readonly key: string;
    readonly ctrlKey: boolean;
    readonly metaKey: boolean;
    readonly altKey: boolean;
    readonly shiftKey: boolean;
    /** AltGr makes signs; to the browser it is often Ctrl and Alt. */
    readonly altGraph: boolean;
}

const NAMED: Record<string, string> = { " ": "Space", Escape: "Esc", Spacebar: "Space" };

/** The chords that a key may mean: by its place, and by its sign. */
export function chordsOf(key: Key): string[] {
    const control = (key.ctrlKey || key.metaKey) && !key.altGraph ? "Ctrl+" : "";
    const alt = key.altKey && !key.altGraph ? "Alt+" : "";
    const shift = key.shiftKey ? "Shift+" : "";
    const byCode = /^(?:Key([A-Z])|Digit(\d)|Numpad(\d))$/.exec(key.code);
    if (byCode !== null) {
        const place = `${control}${alt}${shift}${byCode[1] ?? byCode[2] ?? byCode[3]}`;
        // On some keyboards "/" and "?" are digits with Shift.
        return key.key.length === 1 && /[^\p{L}\p{N}\s]/u.test(key.key) ? [place, `${control}${alt}${key.key}`] : [place];
    }
    if (key.key.length === 1 && key.key !== " ") {
        const comma = { Comma: ",", Period: "." }[key.code];
        const sign = `${control}${alt}${key.key}`;
        return comma === undefined ? [sign] : [`${control}${alt}${shift}${comma}`, sign];
    }
    return [`${control}${alt}${shift}${NAMED[key.key] ?? key.key}`];
}

/** A key as actions write it, in the same words: "f" is F, "Y" is Shift+Y. */
export function canonical(key: string): string {
    const parts = key.split("+");
    if (key.endsWith("+") && key.length > 0) {
        parts.splice(-2, 2, "+"); // the sign itself
    }
    const last = parts[parts.length - 1];
    const isUpper = /^[A-Z]$/.test(last) && parts.length === 1;
    const name = /^[a-z]$/.test(last) ? last.toUpperCase() : last === "Escape" ? "Esc" : last;
    const has = (modifier: string) => parts.slice(0, -1).includes(modifier);
    return `${has("Ctrl") ? "Ctrl+" : ""}${has("Alt") ? "Alt+" : ""}${has("Shift") || isUpper ? "Shift+" : ""}${name}`;
}

/** The action that a key means in a place; a local one goes before a global one. */
export function actionFor(actions: readonly Action[], chords: readonly string[], place: Place): Action | null {
    for (const where of place === "global" ? ["global"] : [place, "global"]) {
        for (const action of actions) {
            const isMeant = action.place === where && action.keys.some((key) => chords.includes(canonical(key)));
            if (isMeant && (action.enabled?.() ?? true)) {
                return action;
            }
        }
    }
    return null;
}

/** What has the focus, as far as keys are concerned. */
export type Focus = "typing" | "choosing" | "sliding" | "pressing" | "free";

// What an element does with keys by itself: those are left to it.
const OWN_KEYS: Record<Focus, RegExp | null> = {
    typing: /^(?!Ctrl\+(?!([ACVXYZ]|Shift\+Z)$)|Esc$|F\d)/,
    choosing: /^(Shift\+)?([A-Z0-9]|Space|Enter|Arrow.*|Home|End|Page.*|[!-~])$/,
    sliding: /^(Shift\+)?(Space|Arrow.*|Home|End|Page.*)$/,
    pressing: /^(Space|Enter)$/,
    free: null,
};

/** Whether the element that has the focus wants the key for itself. */
export function isOwnKey(focus: Focus, chords: readonly string[]): boolean {
    const own = OWN_KEYS[focus];
    return own !== null && own.test(chords[0]);
}

const NOT_TYPED = /^(button|checkbox|color|file|image|radio|range|reset|submit)$/;

export function focusOf(element: Element | null): Focus {
    if (element === null) {
        return "free";
    }
    if (element instanceof HTMLInputElement) {
        const slides = element.type === "radio" || element.type === "range";
        return !NOT_TYPED.test(element.type) ? "typing" : slides ? "sliding" : "pressing";
    }
    if (element instanceof HTMLTextAreaElement || (element as HTMLElement).isContentEditable) {
        return "typing";
    }
    if (element instanceof HTMLSelectElement || element.matches("[role=combobox][aria-expanded=true],[role=menu] *,[role=listbox]")) {
        return "choosing";
    }
    return element.matches("button,a[href],summary,[role=button],[role=tab],[role=switch]") ? "pressing" : "free";
}

const PLACES: readonly Place[] = ["global", "flame", "timeline", "table", "code"];

export function placeOf(element: Element | null): Place {
    const name = element?.closest<HTMLElement>("[data-place]")?.dataset["place"];
    return PLACES.find((place) => place === name) ?? "global";
}

/** Listens to the keyboard. `modal`: a dialog is open, and all keys are its own. */
export function startKeys(all: () => readonly Action[], modal: () => boolean): void {
    document.addEventListener("keydown", (event) => {
        const element = document.activeElement;
        if (event.defaultPrevented || event.isComposing || modal()) {
            return;
        }
        const chords = chordsOf({
            code: event.code,
            key: event.key,
            ctrlKey: event.ctrlKey,
            metaKey: event.metaKey,
            altKey: event.altKey,
            shiftKey: event.shiftKey,
            altGraph: event.getModifierState("AltGraph"),
        });
        const action = isOwnKey(focusOf(element), chords) ? null : actionFor(all(), chords, placeOf(element));
        if (action === null) {
            return;
        }
        event.preventDefault();
        // A key that is held does again what moves, not what switches.
        if (!event.repeat || action.place !== "global" || action.repeats === true) {
            action.run();
        }
    });
}
