// What the page is about and how it is shown, for lib/hook. Panels that draw on canvases add what they draw.

import { hook, type Shown } from "../lib/hook";
import type { App } from "./app";

export function tellTests(app: App): void {
    hook.scope = () => app.state.scope.value;
    hook.shown = () => shownOf(app);
    window.__stax = hook;
}

function shownOf({ state, frames }: App): Shown {
    const chosen = state.chosen.value;
    return {
        zoom: state.zoom.value.map((frame) => frames.name[frame]),
        selection: state.selection.value?.map((frame) => frames.name[frame]) ?? null,
        chosen: chosen === null ? null : frames.name[chosen],
        frozen: state.frozen.value,
        tab: state.tab.value,
        order: state.order.value,
        direction: state.direction.value,
        inverted: state.inverted.value,
    };
}
