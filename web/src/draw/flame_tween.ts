// How boxes get from where they were to where they are.

import type { NodeId, TreeColumns } from "../model/tree";
import { BOX, type FlameLayout } from "./flame_layout";

/** Where an edge is when `progress` (0 to 1) of the way is done. */
export type Tween = (layout: FlameLayout, edge: number, box: number, isRight: boolean, progress: number) => number;

interface Before {
    readonly tree: TreeColumns;
    readonly layout: FlameLayout;
    readonly zoom: NodeId;
}

/**
 * From one zoom to another above or below it: the whole picture is stretched. To be called before the new layout;
 * what it returns, after it. null: the two have nothing to do with each other.
 */
export function tweenZoom(before: Before, zoom: NodeId): ((layout: FlameLayout, width: number) => Tween | null) | null {
    const { tree, layout } = before;
    if (isAbove(tree, before.zoom, zoom)) {
        const box = layout.boxOf(tree, zoom);
        if (box < 0) {
            return null;
        }
        const [left, right] = [layout.left[box], layout.right[box]];
        return (_, width) => stretch(left, right, width);
    }
    if (isAbove(tree, zoom, before.zoom)) {
        const from = before.zoom;
        return (after, width) => {
            const box = after.boxOf(tree, from);
            if (box < 0) {
                return null;
            }
            const factor = width / (after.right[box] - after.left[box]);
            return stretch(-after.left[box] * factor, (width - after.left[box]) * factor, width);
        };
    }
    return null;
}

function isAbove(tree: TreeColumns, above: NodeId, node: NodeId): boolean {
    let at = node;
    while (at !== 0 && tree.depth[at] > tree.depth[above]) {
        at = tree.parent[at];
    }
    return at === above;
}

// The picture begins between `left` and `right`, and ends as wide as the view. Ancestors are that already.
function stretch(left: number, right: number, width: number): Tween {
    return (layout, edge, box, _, progress) => {
        if (box < layout.rowStart[layout.zoomRow]) {
            return edge;
        }
        const from = left * (1 - progress);
        const to = right + (width - right) * progress;
        return from + (edge * (to - from)) / width;
    };
}

/** From the order in which boxes are now to the one in which they will be. To be called before the new layout. */
export function tweenOrder(layout: FlameLayout, nodes: number): Tween {
    const left = new Float32Array(nodes).fill(NaN);
    const right = new Float32Array(nodes);
    for (let box = 0; box < layout.n; box++) {
        if (layout.kind[box] === BOX && layout.node[box] < nodes) {
            left[layout.node[box]] = layout.left[box];
            right[layout.node[box]] = layout.right[box];
        }
    }
    return (after, edge, box, isRight, progress) => {
        const node = after.node[box];
        if (after.kind[box] !== BOX || node >= nodes || Number.isNaN(left[node])) {
            return edge;
        }
        const before = isRight ? right[node] : left[node];
        return before + (edge - before) * progress;
    };
}
