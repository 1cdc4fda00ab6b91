// The flamegraph for who cannot see it: the selected function, what called it and what it calls, as elements. The
// canvas is what has the focus; it points to the selected one.

import { useComputed } from "@preact/signals";
import type { FlameLook } from "../draw/flame_canvas";
import { exact, percentOf, plural, visible } from "../lib/format";
import type { NodeId } from "../model/tree";
import type { FlameControl } from "./flame_control";

const CHILDREN = 40;
const PARENTS = 8;
const NAME_AT_MOST = 200;

interface Props {
    readonly control: FlameControl;
    readonly id: string;
    look(): FlameLook;
}

export function FlameMirror({ control, id, look }: Props) {
    const shown = useComputed(() => {
        control.selectedNode.value;
        control.drawn.value;
        return describe(control, look());
    });
    const { parents, node, children } = shown.value;
    return (
        <div class="unseen" role="tree" aria-label="Selected function, its callers and what it calls">
            {parents.map((text, i) => (
                <div key={`p${i}`} role="treeitem" aria-level={i + 1} aria-selected={false}>
                    {text}
                </div>
            ))}
            <div id={`${id}-selected`} role="treeitem" aria-level={parents.length + 1} aria-selected={true}>
                {node}
            </div>
            {children.map((text, i) => (
                <div key={`c${i}`} role="treeitem" aria-level={parents.length + 2} aria-selected={false}>
                    {text}
                </div>
            ))}
        </div>
    );
}

function describe(control: FlameControl, look: FlameLook): { parents: string[]; node: string; children: string[] } {
    const { tree } = look;
    const { renderer } = control;
    if (renderer === null || tree.n === 0 || renderer.layout.n === 0) {
        return { parents: [], node: "no samples yet", children: [] };
    }
    const node = Math.min(tree.n - 1, renderer.selected ?? renderer.zoomNode);
    const above: NodeId[] = [];
    for (let at = node; at !== 0 && above.length < PARENTS; at = tree.parent[at]) {
        above.push(tree.parent[at]);
    }
    return {
        parents: above.reverse().map((one) => nameOf(look, one)),
        node: nameOf(look, node),
        children: renderer.children(node, CHILDREN).map((one) => nameOf(look, one)),
    };
}

function nameOf(look: FlameLook, node: NodeId): string {
    const { tree, mode, whole, rootLabel } = look;
    const name = node === 0 ? rootLabel : visible(tree.frames.name[tree.frame[node]].slice(0, NAME_AT_MOST));
    const share = percentOf(tree.weight(node, mode), whole).replace(/\s*%/, " percent");
    const callees = tree.childStart[node + 1] - tree.childStart[node];
    const seen = mode === "off_cpu" ? `${exact(tree.intervals[node])} waits` : plural(tree.samples[node], "sample");
    return `${name}, ${share}, ${seen}, ${plural(callees, tree.inverted ? "caller" : "callee")}`;
}
