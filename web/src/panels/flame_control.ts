// One flamegraph as keys, menus and other panels handle it: where it is zoomed to, what is selected, and the steps
// from there. The one that had the focus last is the one that keys are about.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { FlameRenderer, type FlameEvents, type Step, type Target } from "../draw/flame_canvas";
import type { FrameId } from "../model/frames";
import type { NodeId, TreeColumns } from "../model/tree";

export interface MenuPlace {
    readonly x: number;
    readonly y: number;
}

/** A box narrower than that cannot be seen: going there zooms. CSS pixels. */
const SEEN_PX = 3;

export const activeFlame = signal<FlameControl | null>(null);

export interface FlameState {
    readonly zoom: Signal<readonly FrameId[]>;
    readonly selection: Signal<readonly FrameId[] | null>;
    tree(): TreeColumns;
    /** A function was chosen. */
    choose(frame: FrameId): void;
    /** Asks for more of what was cut below a node; null: this is all that there is. */
    readonly more: ((parent: readonly FrameId[]) => void) | null;
}

export class FlameControl {
    readonly hover = signal<Target | null>(null);
    readonly menu = signal<MenuPlace | null>(null);
    /** Counts pictures of data or of a person's changes. */
    readonly drawn = signal(0);
    /** The last node that the selection leads to; null: none of it exists. */
    readonly selectedNode: ReadonlySignal<NodeId | null>;
    renderer: FlameRenderer | null = null;
    onDrawn: () => void = () => {};

    constructor(readonly state: FlameState) {
        this.selectedNode = computed(() => {
            this.drawn.value;
            return this.renderer?.selected ?? null;
        });
    }

    get events(): FlameEvents {
        return {
            onHover: (target) => (this.hover.value = target),
            onSelect: (path) => this.select(path),
            onZoom: (path) => this.zoomTo(path),
            onMore: (parent) => this.state.more?.(parent),
            onMenu: (target, x, y) => {
                this.menu.value = target === null ? null : { x, y };
            },
            onDrawn: () => {
                batch(() => this.drawn.value++);
                this.onDrawn();
            },
        };
    }

    get tree(): TreeColumns {
        return this.state.tree();
    }

    /** The node that keys are about: the selected one, else the zoom. */
    node(): NodeId {
        this.renderer?.settle();
        return this.renderer?.selected ?? this.renderer?.zoomNode ?? 0;
    }

    /** The function that is selected; null: none, or everything. */
    frame(): FrameId | null {
        this.renderer?.settle();
        const node = this.renderer?.selected ?? null;
        return node === null || node === 0 ? null : this.tree.frame[node];
    }

    select(path: readonly FrameId[]): void {
        batch(() => {
            this.state.selection.value = path;
            if (path.length > 0) {
                this.state.choose(path[path.length - 1]);
            }
        });
        this.reveal();
    }

    zoomTo(path: readonly FrameId[]): void {
        this.state.zoom.value = path;
        this.renderer?.settle();
        this.renderer?.reveal(this.renderer.layout.zoomRow);
    }

    zoomToSelection(): void {
        this.zoomTo(this.tree.path(this.node()));
    }

    step(step: Step): void {
        const from = this.node();
        if (this.renderer?.selected === null || this.renderer === null) {
            this.goTo(from); // the first key shows where one is
            return;
        }
        const to = this.renderer.step(from, step);
        if (to !== null) {
            this.goTo(to);
        }
    }

    /** Selects a node, and zooms out or in until it can be seen. */
    goTo(node: NodeId): void {
        const { renderer, tree } = this;
        if (renderer === null) {
            return;
        }
        this.select(tree.path(node));
        renderer.settle();
        if (renderer.widthOf(node) < SEEN_PX) {
            this.state.zoom.value = tree.path(this.viewpoint(node));
            renderer.settle();
        }
        this.reveal();
    }

    // Where to zoom to for a node to be seen: the common way of it and the zoom, unless it is too narrow there, too.
    private viewpoint(node: NodeId): NodeId {
        const { tree } = this;
        const renderer = this.renderer as FlameRenderer;
        let at = renderer.zoomNode;
        while (at !== 0 && !this.isOnWay(at, node)) {
            at = tree.parent[at];
        }
        const share = renderer.weightOf(node) / Math.max(1, renderer.weightOf(at));
        return share * renderer.cssWidth >= SEEN_PX ? at : tree.parent[node];
    }

    private isOnWay(above: NodeId, node: NodeId): boolean {
        let at = node;
        while (at !== 0 && at !== above) {
            at = this.tree.parent[at];
        }
        return at === above;
    }

    private reveal(): void {
        this.renderer?.settle();
        const node = this.renderer?.selected ?? null;
        if (node !== null && this.tree.n > 0) {
            this.renderer?.reveal(this.tree.depth[node]);
        }
    }

    /** Names from the outermost function to the selected one, one per line. */
    stack(): string {
        const { frames } = this.tree;
        return this.tree
            .path(this.node())
            .map((frame) => `${frames.name[frame]} [${frames.binary[frame]}]`)
            .join("\n");
    }
}
