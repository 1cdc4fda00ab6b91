// Light, dark, high contrast, and whether things may move. Canvases cannot be styled: they read the colours of
// base.css through here, and are drawn again when `look` says that those have changed.

import { effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { recall, keep } from "./keep";

export type ThemeChoice = "auto" | "light" | "dark";

export interface Look {
    readonly dark: boolean;
    /** The system chooses the colours: draw with Canvas, CanvasText and borders. */
    readonly forced: boolean;
    /** Nothing slides or fades. */
    readonly still: boolean;
}

const KEY = "theme";
const choices: readonly ThemeChoice[] = ["auto", "light", "dark"];
const current = signal<Look>({ dark: false, forced: false, still: false });

/** Changes whenever colours may have. */
export const look: ReadonlySignal<Look> = current;

function matches(query: string): MediaQueryList {
    return window.matchMedia(query);
}

/** Makes the page follow `choice`, and remembers it. Once. */
export function startTheme(choice: Signal<ThemeChoice>): void {
    const kept = recall(KEY) as ThemeChoice | null;
    if (kept !== null && choices.includes(kept)) {
        choice.value = kept;
    }
    const dark = matches("(prefers-color-scheme: dark)");
    const forced = matches("(forced-colors: active)");
    const still = matches("(prefers-reduced-motion: reduce)");
    const read = (chosen: ThemeChoice) => {
        const isDark = chosen === "auto" ? dark.matches : chosen === "dark";
        document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
        current.value = { dark: isDark, forced: forced.matches, still: still.matches };
    };
    effect(() => {
        const chosen = choice.value;
        keep(KEY, chosen);
        read(chosen);
    });
    [dark, forced, still].forEach((query) => query.addEventListener("change", () => read(choice.peek())));
}

export function nextTheme(choice: ThemeChoice): ThemeChoice {
    return choices[(choices.indexOf(choice) + 1) % choices.length];
}

/** A colour of base.css: cssColour("--accent"). To be asked once per look, not per box. */
export function cssColour(name: string): string {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
