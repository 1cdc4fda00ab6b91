// What the tabs of the details share.

import { useSignal, type ReadonlySignal } from "@preact/signals";
import type { App } from "../model/app";
import type { Details } from "../model/details";
import type { Tab } from "../model/state";
import type { Asked } from "../model/tables";
import { useApp } from "./hooks";

/** What a question about the function in the details begins with; null: there is none to ask about. */
export function askedOf(app: App): Asked | null {
    const target = app.tables.target(app.state.chosen.value);
    return target === null ? null : app.tables.asked(target.frame);
}

/** An answer that was asked for by a function's address; null: there is no function at it. */
export function checkAnswer(app: App, answer: { function_name: string; binary: string } | null): void {
    const frame = app.tables.target(app.state.chosen.peek())?.frame;
    if (frame !== undefined) {
        app.tables.checkAnswer(frame, answer);
    }
}

/** Whether what is shown answers another question than the one that is asked now; and what to call with each answer. */
export function useStale(asked: ReadonlySignal<Asked | null>): [stale: boolean, answered: () => void] {
    const last = useSignal("");
    const answered = () => {
        last.value = JSON.stringify(asked.peek());
    };
    return [last.value !== JSON.stringify(asked.value), answered];
}

/** Shows a tab, with the focus in what it shows. */
export function openTab(app: App, tab: Tab): void {
    app.state.tab.value = tab;
    requestAnimationFrame(() => {
        const panel = document.getElementById("details-panel");
        const inside = panel?.querySelector<HTMLElement>('[data-current="true"], [tabindex="0"]');
        (inside ?? panel)?.focus();
    });
}

/** For what is only there once the details are. */
export function useDetails(): Details {
    const { details } = useApp().tables;
    if (details === null) {
        throw new Error("the details are shown before they are there");
    }
    return details;
}
