// The call tree as rows of a table: which nodes are open, and in which order their children stand.
//
// What is open is kept by frames, not by nodes: nodes have other numbers in the next epoch. Children stand heaviest
// first as of when they were first shown, and stay in that order: new ones come last. A row that is looked at does not
// move because the one below it has become a little hotter.

import type { FrameId } from "./frames";
import type { Mode } from "./scope";
import type { NodeId, TreeColumns } from "./tree";

/** A node that was looked into, whatever its number is at the moment. */
class Branch {
    open = false;
    /** Children as they are shown: numbers of frames, or more when siblings share a frame. */
    readonly order: number[] = [];
    readonly below = new Map<number, Branch>();

    child(key: number): Branch {
        let branch = this.below.get(key);
        if (branch === undefined) {
            branch = new Branch();
            this.below.set(key, branch);
        }
        return branch;
    }
}

const FRAMES = 2 ** 32;
const MOST_ROWS = 100_000;

export interface TreeRow {
    readonly node: NodeId;
    /** 1: below the root. */
    readonly level: number;
    /** What was left out below `node`, not the node itself. */
    readonly residue: boolean;
    readonly expandable: boolean;
    readonly open: boolean;
    readonly branch: Branch;
    /** Place of the row above it in the tree; -1: it has none. */
    readonly parentRow: number;
    /** Among its siblings, from 1 on, and how many there are. */
    readonly place: number;
    readonly siblings: number;
}

export class Expansion {
    private root = new Branch();
    /** Nothing was ever opened: the heaviest path is, as soon as there is a tree. */
    private untouched = true;

    rows(tree: TreeColumns, mode: Mode): TreeRow[] {
        const rows: TreeRow[] = [];
        if (tree.n === 0) {
            return rows;
        }
        if (this.untouched) {
            this.openHeaviest(tree, mode);
        }
        this.root.open = true;
        // A stack, since a tree may be thousands of levels deep.
        const rest: TreeRow[] = [];
        this.pushChildren(tree, mode, 0, this.root, 1, -1, rest);
        while (rest.length > 0 && rows.length < MOST_ROWS) {
            const row = rest.pop() as TreeRow;
            rows.push(row);
            if (row.open) {
                this.pushChildren(tree, mode, row.node, row.branch, row.level + 1, rows.length - 1, rest);
            }
        }
        return rows;
    }

    set(row: TreeRow, open: boolean): void {
        row.branch.open = open;
        this.untouched = false;
    }

    /** Opens what weighs at least `share` of everything below a row. */
    openHeavy(tree: TreeColumns, mode: Mode, row: TreeRow, share: number): void {
        const least = tree.weight(0, mode) * share;
        const rest: [NodeId, Branch][] = [[row.node, row.branch]];
        for (let opened = 0; rest.length > 0 && opened < MOST_ROWS / 10; opened++) {
            const [node, branch] = rest.pop() as [NodeId, Branch];
            branch.open = true;
            for (const [key, child] of this.children(tree, mode, node, branch)) {
                if (tree.weight(child, mode) >= least && hasBelow(tree, child)) {
                    rest.push([child, branch.child(key)]);
                }
            }
        }
        this.untouched = false;
    }

    /** Opens the way to a node, so that it has a row. */
    reveal(path: readonly FrameId[]): void {
        let branch = this.root;
        for (const frame of path.slice(0, -1)) {
            branch = branch.child(frame);
            branch.open = true;
        }
        this.untouched = false;
    }

    /** The order of children is made anew: what is counted has become something else. */
    reorder(): void {
        const rest = [this.root];
        while (rest.length > 0) {
            const branch = rest.pop() as Branch;
            branch.order.length = 0;
            branch.below.forEach((child) => rest.push(child));
        }
    }

    private openHeaviest(tree: TreeColumns, mode: Mode): void {
        const enough = tree.weight(0, mode) * 0.05;
        let [node, branch] = [0, this.root];
        for (let depth = 0; depth < 64; depth++) {
            branch.open = true;
            const heaviest = this.children(tree, mode, node, branch)[0];
            if (heaviest === undefined || tree.weight(heaviest[1], mode) < enough || enough === 0) {
                return;
            }
            this.untouched = false;
            node = heaviest[1];
            branch = branch.child(heaviest[0]);
        }
    }

    // The last one first: they are taken from the end.
    private pushChildren(
        tree: TreeColumns,
        mode: Mode,
        node: NodeId,
        branch: Branch,
        level: number,
        parentRow: number,
        rest: TreeRow[],
    ): void {
        const children = this.children(tree, mode, node, branch);
        const residue = tree.residue(node, mode) > 0;
        const siblings = children.length + (residue ? 1 : 0);
        if (residue) {
            rest.push({
                node,
                level,
                residue: true,
                expandable: false,
                open: false,
                branch,
                parentRow,
                place: siblings,
                siblings,
            });
        }
        for (let i = children.length - 1; i >= 0; i--) {
            const [key, child] = children[i];
            const below = branch.child(key);
            const expandable = hasBelow(tree, child);
            rest.push({
                node: child,
                level,
                residue: false,
                expandable,
                open: expandable && below.open,
                branch: below,
                parentRow,
                place: i + 1,
                siblings,
            });
        }
    }

    /** Children with something of the mode, in the order in which they are shown. */
    private children(tree: TreeColumns, mode: Mode, node: NodeId, branch: Branch): [number, NodeId][] {
        const nodes = new Map<number, NodeId>();
        for (let i = tree.childStart[node]; i < tree.childStart[node + 1]; i++) {
            const child = tree.childList[i];
            if (tree.weight(child, mode) > 0) {
                let key = tree.frame[child];
                while (nodes.has(key)) {
                    key += FRAMES;
                }
                nodes.set(key, child);
            }
        }
        const known = new Set(branch.order);
        const added = [...nodes].filter(([key]) => !known.has(key));
        added.sort((a, b) => tree.weight(b[1], mode) - tree.weight(a[1], mode));
        branch.order.push(...added.map(([key]) => key));
        const shown: [number, NodeId][] = [];
        for (const key of branch.order) {
            const child = nodes.get(key);
            if (child !== undefined) {
                shown.push([key, child]);
            }
        }
        return shown;
    }
}

function hasBelow(tree: TreeColumns, node: NodeId): boolean {
    return tree.cutChildren[node] > 0 || tree.childStart[node + 1] > tree.childStart[node];
}
