// A part of the page, for a component that shows what is in it.

import { effect, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { loadPart, partAtHand, type Parts } from "../lib/parts";
import { useApp } from "./hooks";

/** undefined: it is being loaded, or others come first. That it cannot be is said to the person. */
export function usePart<K extends keyof Parts>(name: K): Parts[K] | undefined {
    const app = useApp();
    const part = useSignal(partAtHand(name));
    useEffect(
        () =>
            effect(() => {
                if (app.begun.value && part.peek() === undefined) {
                    loadPart(name).then(
                        (loaded) => (part.value = loaded),
                        (error: Error) => app.messages.complain(error.message),
                    );
                }
            }),
        [],
    );
    return part.value;
}
