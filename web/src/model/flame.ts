// What the flamegraph asks for and what it shows.
//
//     scope, mode, inverted ─┐
//     wanted (more detail) ──┴─► question ──► Live.tree ──► app.tree ──merge, collapse──► shown
//
// A zoom is a way of looking: it changes the question only when there is more to be had below the node that is zoomed
// to. Then that node becomes the one that the server looks at more closely, and stays it until another needs that.

import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import { visible } from "../lib/format";
import type { LiveTree, LiveTreeParams } from "../lib/protocol";
import type { App } from "./app";
import type { FrameId } from "./frames";
import { modeOf } from "./scope";
import { Search } from "./search";
import { TransformedTree, transformPath } from "./transform";
import type { TreeColumns } from "./tree";

export const TREE_INTERVAL_MS = 250;
const MIN_SHARE = 1 / 4000;
const NODES = 20_000;
const NODES_AT_MOST = 50_000;
const CLOSER = 8; // how much smaller a share each further request shows
const LEAST_SHARE = 1e-7;
const ZOOM_AT_MOST = 1024; // functions in a path, by the protocol
const NAME_AT_MOST = 400; // characters
const SETTLED_MS = 250; // a zoom that stays that long is meant
const ASK_AGAIN_MS = 250; // after a message that does not follow the one before

/** Where the server is to look more closely than elsewhere. */
interface Detail {
    readonly path: readonly FrameId[];
    readonly minShare: number;
    readonly nodes: number;
}

const NO_DETAIL: Detail = { path: [], minShare: MIN_SHARE, nodes: NODES };

export class FlameModel {
    /** Functions that are shown as part of their callers. */
    readonly merged = signal<ReadonlySet<FrameId>>(new Set());
    /** Functions whose recursion is shown as one call. */
    readonly collapsed = signal<ReadonlySet<FrameId>>(new Set());
    readonly search: Search;
    readonly question: ReadonlySignal<LiveTreeParams | null>;
    /** Siblings in the order in which they were drawn last; null: never yet. */
    drawnOrder: Uint32Array | null = null;
    private readonly transformed: TransformedTree;
    private readonly detail = signal<Detail>(NO_DETAIL);
    private readonly isBroken = signal(false);
    private timer: ReturnType<typeof setTimeout> | undefined;
    private pending: readonly FrameId[] | null = null; // what the timer is for

    constructor(private readonly app: App) {
        this.search = new Search(app.frames);
        this.transformed = new TransformedTree(app.frames);
        this.question = computed(() => (this.isBroken.value ? null : this.ask()));
    }

    private ask(): LiveTreeParams {
        const { app } = this;
        const scope = app.state.scope.value;
        const { path, minShare, nodes } = this.detail.value;
        const question: LiveTreeParams = {
            view: app.view.value,
            ...modeOf(scope),
            min_share: minShare,
            max_nodes: nodes,
        };
        if (app.state.inverted.value) {
            question.callers = true;
        }
        if (scope.focus !== null) {
            question.focus = scope.focus;
        }
        if (path.length > 0) {
            question.zoom = path.slice(0, ZOOM_AT_MOST).map((frame) => app.symbol(frame));
        }
        return question;
    }

    /** An answer has come. */
    take(message: LiveTree): void {
        if (!this.app.tree.apply(message)) {
            this.isBroken.value = true;
            setTimeout(() => (this.isBroken.value = false), ASK_AGAIN_MS);
            return;
        }
        this.app.noteHealth(message.health);
    }

    /** The tree as it is shown; brings it up to date. */
    shown(): TreeColumns {
        const { tree } = this.app;
        tree.version.value; // read, so that whoever asks is told of the next message
        const merged = this.merged.value;
        const collapsed = this.collapsed.value;
        if (merged.size === 0 && collapsed.size === 0) {
            return tree;
        }
        this.transformed.update(tree, merged, collapsed);
        return this.transformed;
    }

    /** What the root of the tree is called. */
    rootLabel(): string {
        const { scope, inverted } = this.app.state;
        const focus = scope.value.focus;
        if (focus !== null) {
            const name = visible(focus.function_name.slice(0, NAME_AT_MOST));
            return inverted.value ? `callers of ${name}` : name;
        }
        return inverted.value ? "all, innermost functions first" : "all";
    }

    /** What was drawn has cut nodes below the zoom: once it stays there, the server shows them. */
    wantDetail(zoom: readonly FrameId[]): void {
        const path = this.pathOfServer(zoom);
        if (this.pending !== null && isSame(path, this.pending)) {
            return;
        }
        this.forgetDetail();
        if (!isSame(path, this.detail.peek().path)) {
            this.pending = path;
            this.timer = setTimeout(() => {
                this.pending = null;
                this.detail.value = { ...NO_DETAIL, path };
            }, SETTLED_MS);
        }
    }

    /** Nothing is missing from the picture, or the zoom went elsewhere. */
    forgetDetail(): void {
        clearTimeout(this.timer);
        this.pending = null;
    }

    /** A person asks for what was cut below a node; says whether there is any more to be had. */
    showMore(parent: readonly FrameId[]): boolean {
        const path = this.pathOfServer(parent);
        const now = this.detail.peek();
        if (!isSame(path, now.path)) {
            this.detail.value = { path, minShare: MIN_SHARE, nodes: NODES_AT_MOST };
            return true;
        }
        if (now.minShare <= LEAST_SHARE && now.nodes === NODES_AT_MOST) {
            return false;
        }
        this.detail.value = { path, minShare: now.minShare / CLOSER, nodes: NODES_AT_MOST };
        return true;
    }

    mergeFunction(frame: FrameId): void {
        this.transform(new Set([...this.merged.peek(), frame]), this.collapsed.peek());
    }

    collapseFunction(frame: FrameId): void {
        this.transform(this.merged.peek(), new Set([...this.collapsed.peek(), frame]));
    }

    /** Shows a function as it is again. */
    undoTransform(frame: FrameId): void {
        const without = (set: ReadonlySet<FrameId>) => new Set([...set].filter((other) => other !== frame));
        this.transform(without(this.merged.peek()), without(this.collapsed.peek()));
    }

    // Zoom and selection stay at the functions that they are at.
    private transform(merged: ReadonlySet<FrameId>, collapsed: ReadonlySet<FrameId>): void {
        const { zoom, selection } = this.app.state;
        const move = (path: readonly FrameId[]) => transformPath(this.pathOfServer(path), merged, collapsed);
        batch(() => {
            if (zoom.peek().length > 0) {
                zoom.value = move(zoom.peek());
            }
            const selected = selection.peek();
            selection.value = selected === null ? null : move(selected);
            this.merged.value = merged;
            this.collapsed.value = collapsed;
        });
    }

    // The server knows the tree as it is, not as it is shown.
    private pathOfServer(path: readonly FrameId[]): readonly FrameId[] {
        if (this.merged.peek().size === 0 && this.collapsed.peek().size === 0) {
            return path;
        }
        const node = this.transformed.originOf(this.transformed.find(path).node);
        return this.app.tree.path(node);
    }
}

export function isSame(a: readonly FrameId[], b: readonly FrameId[]): boolean {
    return a.length === b.length && a.every((frame, i) => frame === b[i]);
}
