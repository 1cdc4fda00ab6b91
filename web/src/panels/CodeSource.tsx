// One line of source, in colours as soon as the part that knows them is here.

import { signal } from "@preact/signals";
import { visible } from "../lib/format";
import { loadPart, partAtHand, type SourceToken } from "../lib/parts";

const MOST_KEPT = 4000;
const arrived = signal(false);
const kept = new Map<string, readonly SourceToken[]>();

function colours(text: string, language: string): readonly SourceToken[] {
    const key = `${language}\n${text}`;
    const known = kept.get(key);
    if (known !== undefined) {
        return known;
    }
    const part = partAtHand("highlight");
    if (part === undefined) {
        return [["", text]];
    }
    if (kept.size >= MOST_KEPT) {
        kept.clear();
    }
    const tokens = part.highlight(text, language);
    kept.set(key, tokens);
    return tokens;
}

export function CodeSource({ text, language }: { text: string; language: string }) {
    if (!arrived.value) {
        // Without it lines are plain; there is nothing to be said about that.
        loadPart("highlight").then(
            () => (arrived.value = true),
            () => undefined,
        );
    }
    const shown = visible(text.replace(/\t/g, "    "));
    return (
        <code>
            {colours(shown, language).map(([scope, piece]) =>
                scope === "" ? piece : <span class={`s-${scope.split(".")[0]}`}>{piece}</span>,
            )}
        </code>
    );
}
