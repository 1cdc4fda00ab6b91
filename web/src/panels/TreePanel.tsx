// The call tree of the flamegraph as a tree of rows: for the keyboard, for reading, for screen readers.

import { useRef } from "preact/hooks";
import { useDetails } from "./details";
import { useApp } from "./hooks";
import { TreeRows } from "./TreeRows";

export function TreePanel() {
    const app = useApp();
    const { state, tree } = app;
    const { expansion } = useDetails();
    const isInverted = state.inverted.value;
    // Something else is counted: then rows may stand in another order.
    const counted = useRef("");
    const now = JSON.stringify([state.scope.value, isInverted]);
    if (counted.current !== now) {
        counted.current = now;
        expansion.reorder();
    }
    return (
        <TreeRows
            label={isInverted ? "Callers of the innermost functions" : "Call tree"}
            tree={tree}
            expansion={expansion}
            below={isInverted ? "callers" : "callees"}
            start={state.selection.peek()}
            onSelect={(path) => (state.selection.value = path)}
            empty={tree.latest === null ? "…" : "no samples in this view"}
        />
    );
}
