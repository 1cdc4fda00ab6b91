// A flamegraph on the screen: two canvases as large as the view, and what pointers do to them.
//
//     host (has the focus)
//      └─ scroller ── spacer (as high as the whole picture)
//          └─ layer, sticks to the view ── base (boxes) + overlay (hover, selection)
//
// Whatever changes marks what has to be done again, and one animation frame does it: layout, base, overlay, in this
// order. A pointer that moves changes only the overlay. What a person changes (zoom, order) moves there within
// TWEEN_MS; what data change is there at once.
//
// It knows a tree and how to look at it, and tells what a person wants; it changes nothing itself, so that any number
// of them can stand on a page.

import type { Box } from "../lib/hook";
import { look as theme } from "../lib/theme";
import type { FrameId } from "../model/frames";
import type { Mode } from "../model/scope";
import type { Colour, Direction, Order } from "../model/state";
import type { NodeId, TreeColumns } from "../model/tree";
import { CanvasSink } from "./canvas_sink";
import { Colouring, flameTokens, Palette } from "./flame_colours";
import { BOX, FlameLayout, RESIDUE, Weights } from "./flame_layout";
import { BoxPainter, rowTop, visibleRows, type Picture } from "./flame_paint";
import { tweenOrder, tweenZoom, type Tween } from "./flame_tween";
import { HeavyOrder } from "./heavy_order";
import { Labels } from "./labels";

export const ROW_PX = 18;
export const FONT_PX = 11;
const TWEEN_MS = 120;
const GESTURE_MS = 150; // without an event: it is over
const SLOW_MS = 10; // a painting that takes longer is done in fewer pixels while something moves
const HOLD_MS = 1000; // after input the order stays as it is
const PINCH_STEP = 60; // of a wheel with Ctrl, by its own measure

export interface FlameLook {
    readonly tree: TreeColumns;
    readonly mode: Mode;
    /** Nanoseconds that are 100 %. */
    readonly whole: number;
    readonly order: Order;
    readonly direction: Direction;
    readonly colour: Colour;
    readonly zoom: readonly FrameId[];
    readonly selection: readonly FrameId[] | null;
    readonly matches: Uint8Array | null;
    readonly rootLabel: string;
}

/** What a pointer is on. */
export interface Target {
    /** BOX, RESIDUE, RUN of flame_layout: of the latter two `node` is the parent. */
    readonly kind: number;
    readonly node: NodeId;
    readonly count: number;
}

export interface FlameEvents {
    onHover(target: Target | null): void;
    onSelect(path: readonly FrameId[]): void;
    onZoom(path: readonly FrameId[]): void;
    /** A residue was clicked. */
    onMore(parent: readonly FrameId[]): void;
    onMenu(target: Target | null, x: number, y: number): void;
    /** A picture was drawn anew from data. */
    onDrawn(): void;
}

export type Step = "parent" | "child" | "next" | "previous";

export class FlameRenderer {
    readonly layout = new FlameLayout();
    /** Of the last picture: where the zoom leads to in this tree, and how many of its functions exist. */
    zoomNode: NodeId = 0;
    zoomFound = 0;
    selected: NodeId | null = null;
    selectionFound = 0;
    paints = 0;
    overlayPaints = 0;
    /** Milliseconds of work for the last picture. */
    drawMs = 0;
    private look: FlameLook | null = null;
    private readonly weights = new Weights();
    private heavy = new HeavyOrder();
    private readonly painter = new BoxPainter();
    private labels: Labels | null = null;
    private palette: Palette | null = null;
    private readonly colouring = new Colouring();
    private order: Uint32Array = new Uint32Array(0);
    private readonly scroller = element("flame-scroll");
    private readonly spacer = element("flame-spacer");
    private readonly layer = element("flame-layer");
    private readonly base = document.createElement("canvas");
    private readonly overlay = document.createElement("canvas");
    private readonly baseSink = new CanvasSink(this.base);
    private readonly resizes: ResizeObserver;
    private isNew = false; // laid out, maybe before the frame that draws it: nobody was told yet
    private scheduled = 0;
    private stale = { layout: true, base: true, overlay: true };
    private viewWidth = 0; // CSS pixels
    private viewHeight = 0;
    private scale = 1;
    private advance = 6;
    private offset = 0; // CSS pixels from the root row; the direction may be either
    private fullHeight = 0; // CSS pixels
    private tween: Tween | null = null;
    private tweenStart = 0;
    private gestureEnd = 0;
    private gestureTimer = 0;
    private coarse = false;
    private pointer: { x: number; y: number } | null = null; // CSS pixels in the layer
    private hovered = -1;
    private lastInput = 0;
    private pinch = 0;

    constructor(
        private readonly host: HTMLElement,
        private readonly events: FlameEvents,
    ) {
        this.scroller.tabIndex = -1; // the host has the focus
        this.layer.append(this.base, this.overlay);
        this.scroller.append(this.layer, this.spacer);
        host.append(this.scroller);
        this.resizes = new ResizeObserver(() => this.resize());
        try {
            this.resizes.observe(this.scroller, { box: "device-pixel-content-box" }); // another screen counts, too
        } catch {
            this.resizes.observe(this.scroller);
        }
        this.listen();
        this.resize();
    }

    dispose(): void {
        cancelAnimationFrame(this.scheduled);
        clearTimeout(this.gestureTimer);
        this.resizes.disconnect();
        this.scroller.remove();
    }

    /** Another look, or the same at newer data (`isData`: nothing moves slowly then). */
    set(look: FlameLook, isData: boolean): void {
        const before = this.look;
        this.look = look;
        if (this.labels === null || before?.tree.frames !== look.tree.frames) {
            this.labels = new Labels(look.tree.frames);
        }
        if (before !== null && !isData) {
            this.prepareTween(before, look);
        }
        if (before !== null && before.order !== look.order) {
            this.heavy = new HeavyOrder(); // whoever asks for it wants it sorted now
        }
        this.invalidate();
        if (before !== null && before.direction !== look.direction) {
            this.layOut();
            this.applyOffset();
        }
    }

    /** Colours have changed. */
    restyle(): void {
        this.palette = null;
        this.invalidate();
    }

    private invalidate(): void {
        this.stale = { layout: true, base: true, overlay: true };
        this.request();
    }

    private request(): void {
        if (this.scheduled === 0) {
            this.scheduled = requestAnimationFrame((now) => this.frame(now));
        }
    }

    private frame(now: number): void {
        this.scheduled = 0;
        if (this.look === null || this.viewWidth === 0) {
            return;
        }
        void getComputedStyle(this.host).color; // what others changed is none of this work; the first word would ask for it
        const start = performance.now();
        this.settle();
        if (this.tween !== null) {
            this.stale.base = true;
            this.stale.overlay = true;
        }
        const share = this.tween === null ? 1 : Math.min(1, Math.max(0, (now - this.tweenStart) / TWEEN_MS));
        if (share >= 1) {
            this.tween = null;
        }
        if (this.stale.base) {
            this.paintBase(1 - (1 - share) ** 3);
        }
        if (this.stale.overlay) {
            this.paintOverlay();
        }
        this.drawMs = performance.now() - start;
        if (this.tween !== null) {
            this.moving();
            this.request();
        }
        if (this.isNew) {
            this.isNew = false;
            this.hoverAgain();
            this.events.onDrawn();
        }
    }

    // --- layout -----------------------------------------------------------------------------------------------------

    private layOut(): void {
        const look = this.look as FlameLook;
        const { tree, mode } = look;
        this.stale.layout = false;
        this.isNew = true;
        this.weights.update(tree, mode);
        this.order =
            look.order === "heavy"
                ? this.heavy.update(tree, this.weights.total, look.whole, this.isHeld())
                : tree.childList;
        [this.zoomNode, this.zoomFound] = this.resolve(look.zoom);
        this.layout.run({
            tree,
            weight: this.weights.total,
            self: this.weights.self,
            order: this.order,
            zoom: this.zoomNode,
            width: Math.round(this.viewWidth * this.scale),
        });
        const selection = look.selection;
        const [selected, found] = selection === null ? [0, 0] : this.resolve(selection);
        this.selected = selection === null || tree.n === 0 || (found === 0 && selection.length > 0) ? null : selected;
        this.selectionFound = found;
        this.setHeight();
        this.stale.base = true;
        this.stale.overlay = true;
    }

    // The last node on a path that has any time in this mode.
    private resolve(path: readonly FrameId[]): [NodeId, number] {
        const { tree } = this.look as FlameLook;
        let { node, found } = tree.find(path);
        while (node !== 0 && !(this.weights.total[node] > 0)) {
            node = tree.parent[node];
            found--;
        }
        return [node, found];
    }

    private isHeld(): boolean {
        return this.pointer !== null || performance.now() - this.lastInput < HOLD_MS;
    }

    private setHeight(): void {
        const height = Math.max(this.viewHeight, (this.layout.rows + 1) * ROW_PX);
        if (height !== this.fullHeight) {
            this.fullHeight = height;
            this.spacer.style.height = `${Math.max(0, height - this.viewHeight)}px`;
            this.applyOffset();
        }
    }

    // The distance from the root row stays; how far that is scrolled depends on where the root is.
    private applyOffset(): void {
        const hidden = this.fullHeight - this.viewHeight;
        this.offset = Math.min(Math.max(0, this.offset), Math.max(0, hidden));
        const top = this.look?.direction === "flame" ? hidden - this.offset : this.offset;
        if (Math.abs(this.scroller.scrollTop - top) >= 1) {
            this.scroller.scrollTop = top;
        }
    }

    private top(): number {
        return this.look?.direction === "flame" ? this.fullHeight - this.viewHeight - this.offset : this.offset;
    }

    private resize(): void {
        const width = this.scroller.clientWidth;
        const height = this.scroller.clientHeight;
        const ratio = window.devicePixelRatio || 1;
        const scale = this.coarse ? Math.min(1, ratio) : ratio;
        if (width === this.viewWidth && height === this.viewHeight && scale === this.scale && this.base.width > 1) {
            return;
        }
        this.viewWidth = width;
        this.viewHeight = height;
        this.scale = scale;
        for (const canvas of [this.base, this.overlay]) {
            canvas.width = Math.max(1, Math.round(width * scale));
            canvas.height = Math.max(1, Math.round(height * scale));
            canvas.style.width = `${width}px`;
            canvas.style.height = `${height}px`;
        }
        this.layer.style.height = `${height}px`;
        this.palette = null; // the font is another one, too
        this.fullHeight = 0;
        this.invalidate();
    }

    // --- painting ---------------------------------------------------------------------------------------------------

    /** What there is to be drawn; for files as well. */
    picture(progress = 1): Picture {
        const look = this.look as FlameLook;
        const { scale, tween, layout } = this;
        const picture: Picture = {
            ...look,
            frames: look.tree.frames,
            layout,
            order: this.order,
            labels: this.labels as Labels,
            palette: this.ensurePalette(),
            colouring: this.colouring,
            rowHeight: ROW_PX * scale,
            advance: this.advance,
            scale,
            width: this.base.width,
            height: this.base.height,
            top: this.top() * scale,
            fullHeight: this.fullHeight * scale,
        };
        return tween === null
            ? picture
            : { ...picture, place: (edge, box, isRight) => tween(layout, edge, box, isRight, progress) };
    }

    private ensurePalette(): Palette {
        if (this.palette === null) {
            this.palette = new Palette(flameTokens());
            this.advance = this.baseSink.style(this.palette.tokens, FONT_PX * this.scale, this.scale);
        }
        return this.palette;
    }

    private paintBase(progress: number): void {
        this.stale.base = false;
        const start = performance.now();
        const look = this.look as FlameLook;
        const picture = this.picture(progress);
        this.colouring.prepare(look.tree, look.colour, look.mode);
        this.painter.redraw(picture, this.baseSink, () => this.baseSink.clear());
        this.paints++;
        const ms = performance.now() - start;
        if (ms > SLOW_MS && this.isMoving() && window.devicePixelRatio > 1 && !this.coarse) {
            this.coarse = true;
            this.resize();
        }
    }

    private paintOverlay(): void {
        this.stale.overlay = false;
        this.overlayPaints++;
        const ctx = this.overlay.getContext("2d");
        if (ctx === null || this.look === null) {
            return;
        }
        ctx.clearRect(0, 0, this.overlay.width, this.overlay.height);
        if (this.tween !== null) {
            return;
        }
        const { tokens } = this.ensurePalette();
        if (this.hovered >= 0 && this.hovered < this.layout.n) {
            this.outline(ctx, this.hovered, tokens.text, Math.max(1, Math.round(this.scale)));
        }
        if (this.selected !== null) {
            const box = this.layout.boxOf(this.look.tree, this.selected);
            if (box >= 0) {
                this.outline(ctx, box, tokens.accent, 2 * Math.max(1, Math.round(this.scale)));
            }
        }
    }

    // Around a box; a thick line goes halfway into the gaps, so that it leaves the name alone.
    private outline(ctx: CanvasRenderingContext2D, box: number, colour: string, width: number): void {
        const gap = Math.max(1, Math.round(this.scale));
        const inset = width > gap ? 0 : width / 2;
        const x = Math.max(width / 2, Math.round(this.layout.left[box]) + inset);
        const right = Math.max(x + gap, Math.round(this.layout.right[box]) - gap - inset);
        const y = Math.round(this.boxTop(box) * this.scale) + inset;
        const height = Math.round(ROW_PX * this.scale) - gap - 2 * inset;
        ctx.strokeStyle = colour;
        ctx.lineWidth = width;
        ctx.strokeRect(x, Math.max(width / 2, y), right - x, height);
    }

    // CSS pixels in the layer.
    private boxTop(box: number): number {
        return rowTop(
            {
                direction: (this.look as FlameLook).direction,
                rowHeight: ROW_PX,
                fullHeight: this.fullHeight,
                top: this.top(),
            },
            this.rowOf(box),
        );
    }

    private rowOf(box: number): number {
        const { rowStart } = this.layout;
        let low = 0;
        let high = this.layout.rows - 1;
        while (low < high) {
            const middle = (low + high + 1) >> 1;
            if (rowStart[middle] <= box) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    // --- movement ---------------------------------------------------------------------------------------------------

    private prepareTween(before: FlameLook, look: FlameLook): void {
        this.tween = null;
        if (theme.peek().still || this.layout.n === 0 || before.tree !== look.tree) {
            return;
        }
        if (before.zoom !== look.zoom) {
            const zoomed = this.zoomNode;
            const old = { zoom: zoomed, layout: this.layout, tree: look.tree };
            this.stale.layout = true;
            const target = this.resolve(look.zoom)[0];
            const tween = tweenZoom(old, target);
            this.layOut();
            this.startTween(tween === null ? null : tween(this.layout, Math.round(this.viewWidth * this.scale)));
        } else if (before.order !== look.order) {
            this.startTween(tweenOrder(this.layout, look.tree.n));
        }
    }

    private startTween(tween: Tween | null): void {
        this.tween = tween;
        this.tweenStart = performance.now();
        this.request();
    }

    private isMoving(): boolean {
        return this.tween !== null || performance.now() < this.gestureEnd;
    }

    // Something moves: fewer pixels will do if they take too long; all of them when it is over.
    private moving(): void {
        this.gestureEnd = performance.now() + GESTURE_MS;
        clearTimeout(this.gestureTimer);
        this.gestureTimer = window.setTimeout(() => {
            if (this.coarse) {
                this.coarse = false;
                this.resize();
            }
        }, GESTURE_MS);
    }

    // --- pointers ---------------------------------------------------------------------------------------------------

    private listen(): void {
        const { layer, scroller } = this;
        scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
        layer.addEventListener("pointermove", (event) => this.point(event.offsetX, event.offsetY));
        layer.addEventListener("pointerleave", () => this.leave());
        layer.addEventListener("click", (event) => this.click(event));
        layer.addEventListener("dblclick", () => this.zoomToHovered());
        layer.addEventListener("contextmenu", (event) => this.menu(event));
        scroller.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
        this.base.addEventListener("contextrestored", () => this.restyle()); // with nothing on it
        // A press moves the focus to where keys are listened for.
        scroller.addEventListener("pointerdown", () => this.host.focus({ preventScroll: true }));
    }

    private scrolled(): void {
        const top = this.scroller.scrollTop;
        const offset = this.look?.direction === "flame" ? this.fullHeight - this.viewHeight - top : top;
        if (Math.abs(offset - this.offset) >= 1) {
            this.offset = offset;
            this.lastInput = performance.now();
            this.moving();
            this.stale.base = true;
            this.stale.overlay = true;
            this.hoverAgain();
            this.request();
        }
    }

    private point(x: number, y: number): void {
        this.pointer = { x, y };
        this.lastInput = performance.now();
        this.hoverAgain();
    }

    private leave(): void {
        this.pointer = null;
        this.hoverAgain();
    }

    private hoverAgain(): void {
        const box = this.pointer === null ? -1 : this.boxAt(this.pointer.x, this.pointer.y);
        const before = this.hoverKey;
        const target = this.target(box);
        this.hovered = box;
        this.hoverKey = target === null ? "" : `${target.kind} ${target.node} ${this.look?.tree.generation}`;
        if (this.hoverKey !== before) {
            this.stale.overlay = true;
            this.request();
            this.layer.style.cursor = target === null ? "default" : "pointer";
            this.events.onHover(target);
        }
    }

    private hoverKey = "";

    /** The box at a place in the layer, in CSS pixels; -1: none. */
    boxAt(x: number, y: number): number {
        if (this.look === null) {
            return -1;
        }
        const whole = y + this.top();
        const fromRoot = this.look.direction === "icicle" ? whole : this.fullHeight - whole;
        return this.layout.hit(Math.floor(fromRoot / ROW_PX), x * this.scale);
    }

    target(box: number): Target | null {
        const { layout } = this;
        return box < 0 ? null : { kind: layout.kind[box], node: layout.node[box], count: layout.count[box] };
    }

    private path(node: NodeId): FrameId[] {
        return (this.look as FlameLook).tree.path(node);
    }

    private click(event: MouseEvent): void {
        const target = this.target(this.boxAt(event.offsetX, event.offsetY));
        this.lastInput = performance.now();
        if (target === null) {
            return;
        }
        if (target.kind === RESIDUE) {
            this.events.onMore(this.path(target.node));
        } else {
            this.events.onSelect(this.path(target.node));
        }
    }

    private zoomToHovered(): void {
        const target = this.target(this.hovered);
        if (target !== null) {
            this.events.onZoom(this.path(target.node));
        }
    }

    private menu(event: MouseEvent): void {
        event.preventDefault();
        const target = this.target(this.boxAt(event.offsetX, event.offsetY));
        if (target !== null && target.kind === BOX) {
            this.events.onSelect(this.path(target.node));
        }
        this.events.onMenu(target, event.clientX, event.clientY);
    }

    // Ctrl and the wheel, which is what a pinch looks like: one step at a time towards what the pointer is on.
    private wheel(event: WheelEvent): void {
        this.lastInput = performance.now();
        if (!event.ctrlKey || this.look === null) {
            return;
        }
        event.preventDefault();
        this.moving();
        this.pinch += event.deltaY;
        if (Math.abs(this.pinch) < PINCH_STEP) {
            return;
        }
        const isIn = this.pinch < 0;
        this.pinch = 0;
        if (isIn) {
            this.zoomTowards(this.target(this.hovered));
        } else if (this.zoomNode !== 0) {
            this.events.onZoom(this.path(this.look.tree.parent[this.zoomNode]));
        }
    }

    private zoomTowards(target: Target | null): void {
        const tree = (this.look as FlameLook).tree;
        const total = this.weights.total;
        if (target === null || target.node === this.zoomNode) {
            return;
        }
        const way: NodeId[] = [];
        for (let at = target.node; at !== this.zoomNode && at !== 0; at = tree.parent[at]) {
            way.push(at);
        }
        // Nodes as wide as the view would change nothing that one sees.
        const next = way.reverse().find((node) => total[node] < 0.9 * total[this.zoomNode]) ?? target.node;
        this.events.onZoom(this.path(next));
    }

    // --- for keys, searches and tests -------------------------------------------------------------------------------

    /** Where a key leads to from a node; null: nowhere. */
    step(from: NodeId, step: Step): NodeId | null {
        const { tree } = this.look as FlameLook;
        if (step === "parent") {
            return from === 0 ? null : tree.parent[from];
        }
        if (step === "child") {
            return this.heaviestChild(from);
        }
        const box = this.layout.boxOf(tree, from);
        const by = step === "next" ? 1 : -1;
        for (let next = box + by; box >= 0 && next >= 0 && next < this.layout.n; next += by) {
            const node = this.layout.node[next];
            if (this.layout.kind[next] !== BOX) {
                continue;
            }
            return tree.parent[node] === tree.parent[from] && node !== 0 ? node : null;
        }
        return null;
    }

    private heaviestChild(node: NodeId): NodeId | null {
        const { tree } = this.look as FlameLook;
        let heaviest: NodeId | null = null;
        for (let i = tree.childStart[node]; i < tree.childStart[node + 1]; i++) {
            const child = this.order[i];
            const weight = this.weights.total[child];
            if (weight > 0 && (heaviest === null || weight > this.weights.total[heaviest])) {
                heaviest = child;
            }
        }
        return heaviest;
    }

    /** Children by weight, the heaviest first. */
    children(node: NodeId, most: number): NodeId[] {
        const { tree } = this.look as FlameLook;
        return Array.from(tree.childList.subarray(tree.childStart[node], tree.childStart[node + 1]))
            .filter((child) => this.weights.total[child] > 0)
            .sort((a, b) => this.weights.total[b] - this.weights.total[a])
            .slice(0, most);
    }

    focus(): void {
        this.host.focus({ preventScroll: true });
    }

    get direction(): Direction {
        return this.look?.direction ?? "icicle";
    }

    /** What of the zoom and of the selection is not in the tree: both paths, and how much of each is. */
    missing(): readonly { path: readonly FrameId[]; found: number }[] {
        const { look } = this;
        if (look === null || look.tree.n === 0 || this.stale.layout) {
            return [];
        }
        return [
            { path: look.zoom, found: this.zoomFound },
            { path: look.selection ?? [], found: this.selectionFound },
        ];
    }

    weightOf(node: NodeId): number {
        return this.weights.total[node];
    }

    get cssWidth(): number {
        return this.viewWidth;
    }

    /** Siblings in the order in which they are drawn. */
    get drawnOrder(): Uint32Array {
        return this.order;
    }

    /** Width of a node's box in CSS pixels; 0: it has none. */
    widthOf(node: NodeId): number {
        const box = this.look === null ? -1 : this.layout.boxOf(this.look.tree, node);
        return box < 0 ? 0 : (this.layout.right[box] - this.layout.left[box]) / this.scale;
    }

    /** Scrolls by so many rows, away from the root. */
    scrollRows(rows: number): void {
        this.offset += rows * ROW_PX;
        this.moving();
        this.applyOffset();
        this.stale.base = true;
        this.stale.overlay = true;
        this.request();
    }

    /** Makes a row be seen, with one above and below it. */
    reveal(row: number): void {
        const margin = ROW_PX;
        const from = row * ROW_PX;
        if (from - margin < this.offset) {
            this.offset = from - margin;
        } else if (from + ROW_PX + margin > this.offset + this.viewHeight) {
            this.offset = from + ROW_PX + margin - this.viewHeight;
        } else {
            return;
        }
        this.scrollRows(0);
    }

    /** Where a node's box is in the visible part of the page; null: nowhere. */
    place(node: NodeId): { x: number; y: number; height: number } | null {
        const box = this.look === null ? -1 : this.layout.boxOf(this.look.tree, node);
        if (box < 0) {
            return null;
        }
        const rect = this.layer.getBoundingClientRect();
        return { x: rect.left + this.layout.left[box] / this.scale, y: rect.top + this.boxTop(box), height: ROW_PX };
    }

    /** Lays out now whatever has changed, instead of with the next frame. */
    settle(): void {
        if (this.look !== null && this.stale.layout && this.viewWidth > 0) {
            this.layOut();
        }
    }

    get boxesPainted(): number {
        return this.painter.painted;
    }

    get pointed(): boolean {
        return this.pointer !== null;
    }

    /** For tests: see hook.ts. */
    screenBoxes(): Box[] {
        if (this.look === null || this.viewWidth === 0) {
            return [];
        }
        this.settle();
        const [first, last] = visibleRows(this.picture());
        const boxes: Box[] = [];
        for (let row = first; row < last; row++) {
            for (let box = this.layout.rowStart[row]; box < this.layout.rowStart[row + 1]; box++) {
                const described = this.describe(box);
                if (described !== null && described.width >= 1) {
                    boxes.push(described);
                }
            }
        }
        return boxes;
    }

    /** For tests: the box at a place in the visible part of the page. */
    boxAtPage(x: number, y: number): Box | null {
        const rect = this.layer.getBoundingClientRect();
        this.settle();
        const isInside = x >= rect.left && x < rect.right && y >= rect.top && y < rect.bottom;
        const box = isInside ? this.boxAt(x - rect.left, y - rect.top) : -1;
        return box < 0 ? null : this.describe(box);
    }

    private describe(box: number): Box | null {
        const { layout, scale } = this;
        const { tree, matches } = this.look as FlameLook;
        const { frames } = tree;
        const kind = layout.kind[box];
        const node = layout.node[box];
        if (kind !== BOX && kind !== RESIDUE) {
            return null;
        }
        const isResidue = kind === RESIDUE;
        const frame = tree.frame[node];
        const rect = this.layer.getBoundingClientRect();
        const mode = (this.look as FlameLook).mode;
        return {
            node,
            depth: tree.depth[node] + (isResidue ? 1 : 0),
            name: isResidue ? "" : frames.name[frame],
            binary: isResidue ? "" : frames.binary[frame],
            path: tree.path(node).map((at) => frames.name[at]),
            x: rect.left + layout.left[box] / scale,
            y: rect.top + this.boxTop(box),
            width: (layout.right[box] - layout.left[box]) / scale,
            height: ROW_PX,
            weight: isResidue ? tree.residue(node, mode) : this.weights.total[node],
            self: isResidue ? 0 : this.weights.self[node],
            samples: isResidue ? 0 : tree.samples[node],
            residue: isResidue,
            matched: !isResidue && node !== 0 && matches !== null && matches[frame] === 1,
        };
    }
}

function element(name: string): HTMLDivElement {
    const div = document.createElement("div");
    div.className = name;
    return div;
}
