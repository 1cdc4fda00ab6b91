// A layout as rectangles and words: for the screen, and for a file.
//
// Boxes are sorted by colour before they are drawn, because changing the colour of a canvas costs more than a
// rectangle. Edges lie on whole device pixels; a box that comes to nothing is not drawn.

import type { Frames } from "../model/frames";
import { REASONS, type Mode } from "../model/scope";
import type { Colour, Direction } from "../model/state";
import type { TreeColumns } from "../model/tree";
import { Colouring, MATCH_PAINT, Palette, RESIDUE_BOX_PAINT, ROOT_PAINT, SLIVER_PAINT, waitOf, type Paint } from "./flame_colours";
import { BOX, FlameLayout, RESIDUE, RUN } from "./flame_layout";
import { clip, type Labels } from "./labels";
import { HATCH_FROM_PX, NO_REASON, reasonCode } from "./reasons";

/** What can be drawn on. Device pixels. */
export interface Sink {
    fill(colour: string): void;
    /** `box`: its number in the layout; -1: several, none of which can be seen. */
    rect(x: number, y: number, width: number, height: number, box: number): void;
    /** The mark of a reason, over a box. */
    hatch(reason: number, x: number, y: number, width: number, height: number): void;
    /** Only the edges: where the system leaves no colours to tell boxes apart. */
    frame(x: number, y: number, width: number, height: number): void;
    ink(colour: string): void;
    text(text: string, x: number, y: number): void;
}

export interface Picture {
    readonly tree: TreeColumns;
    readonly frames: Frames;
    readonly layout: FlameLayout;
    readonly order: Uint32Array;
    readonly labels: Labels;
    readonly palette: Palette;
    readonly colouring: Colouring;
    readonly colour: Colour;
    readonly mode: Mode;
    readonly direction: Direction;
    /** What the root is called. */
    readonly rootLabel: string;
    /** By frame: 1 what a search found; null: nothing is sought. */
    readonly matches: Uint8Array | null;
    /** Of a row. */
    readonly rowHeight: number;
    /** Of a letter. */
    readonly advance: number;
    /** Device pixels per CSS pixel. */
    readonly scale: number;
    readonly width: number;
    readonly height: number;
    /** Upper edge of what is seen, from the upper edge of the whole picture. */
    readonly top: number;
    /** Of the whole picture. */
    readonly fullHeight: number;
    /** While a picture moves: where edges are on the way. */
    place?(edge: number, box: number, isRight: boolean): number;
}

const TEXT_FROM_PX = 28;
const PAD_PX = 4;
const CODE_FROM_PX = 64;

/** Where a row begins, from the upper edge of what is seen. */
export function rowTop(picture: Pick<Picture, "direction" | "rowHeight" | "fullHeight" | "top">, row: number): number {
    const { direction, rowHeight, fullHeight, top } = picture;
    return (direction === "icicle" ? row * rowHeight : fullHeight - (row + 1) * rowHeight) - top;
}

/** Rows that are seen: first, and one behind the last. */
export function visibleRows(picture: Picture): [number, number] {
    const { direction, rowHeight, fullHeight, top, height, layout } = picture;
    const from = direction === "icicle" ? top : fullHeight - top - height;
    const first = Math.max(0, Math.floor(from / rowHeight));
    return [first, Math.min(layout.rows, Math.ceil((from + height) / rowHeight))];
}

/** Draws. One per canvas: it keeps its lists from one time to the next. */
export class BoxPainter {
    /** Boxes of the last picture. */
    painted = 0;
    private x = new Int32Array(1024);
    private y = new Int32Array(1024);
    private width = new Int32Array(1024);
    private box = new Uint32Array(1024);
    private paint = new Uint32Array(1024);
    private next = new Int32Array(1024); // of the same colour; -1: none
    private head = new Int32Array(0); // by colour

    draw(picture: Picture, sink: Sink): void {
        this.collect(picture);
        this.sort();
        this.drawBoxes(picture, sink);
        if (picture.mode !== "on_cpu") {
            this.drawHatches(picture, sink);
        }
        this.drawTexts(picture, sink);
    }

    private collect(picture: Picture): void {
        if (this.head.length < picture.palette.count) {
            this.head = new Int32Array(picture.palette.count);
        }
        this.head.fill(-1);
        this.painted = 0;
        const [first, last] = visibleRows(picture);
        for (let row = first; row < last; row++) {
            this.collectRow(picture, row, Math.round(rowTop(picture, row)));
        }
    }

    // Slivers that touch each other are one grey box: their colours would only flicker.
    private collectRow(picture: Picture, row: number, y: number): void {
        const { layout, width, place } = picture;
        const sliver = Math.ceil(picture.scale);
        let lone = -1; // what may become a row of slivers, by its place in the lists
        for (let box = layout.rowStart[row]; box < layout.rowStart[row + 1]; box++) {
            const left = Math.round(place ? place(layout.left[box], box, false) : layout.left[box]);
            const right = Math.round(place ? place(layout.right[box], box, true) : layout.right[box]);
            const x = Math.max(0, left);
            const seen = Math.min(width, right) - x;
            if (seen <= 0) {
                continue;
            }
            const paint = paintOf(picture, box, row);
            const isNarrow = seen <= sliver && paint !== MATCH_PAINT;
            if (isNarrow && lone >= 0 && this.x[lone] + this.width[lone] === x) {
                this.width[lone] += seen;
                this.paint[lone] = row < layout.zoomRow || picture.matches !== null ? PALE_SLIVER : SLIVER_PAINT;
            } else {
                lone = isNarrow ? this.painted : -1;
                this.put(paint, box, x, y, seen);
            }
        }
    }

    // By colour: in the order in which they were collected, backwards.
    private sort(): void {
        for (let i = 0; i < this.painted; i++) {
            const paint = this.paint[i];
            this.next[i] = this.head[paint];
            this.head[paint] = i;
        }
    }

    private put(paint: Paint, box: number, x: number, y: number, width: number): void {
        if (this.painted === this.x.length) {
            this.grow();
        }
        const i = this.painted++;
        this.x[i] = x;
        this.y[i] = y;
        this.width[i] = width;
        this.box[i] = box;
        this.paint[i] = paint;
    }

    private grow(): void {
        const room = this.x.length * 2;
        const grown = <T extends Int32Array | Uint32Array>(make: new (n: number) => T, old: T): T => {
            const column = new make(room);
            column.set(old);
            return column;
        };
        this.x = grown(Int32Array, this.x);
        this.y = grown(Int32Array, this.y);
        this.width = grown(Int32Array, this.width);
        this.box = grown(Uint32Array, this.box);
        this.paint = grown(Uint32Array, this.paint);
        this.next = grown(Int32Array, this.next);
    }

    private drawBoxes(picture: Picture, sink: Sink): void {
        const gap = Math.max(1, Math.round(picture.scale));
        const height = picture.rowHeight - gap;
        for (let paint = 0; paint < this.head.length; paint++) {
            if (this.head[paint] >= 0) {
                sink.fill(picture.palette.fill[paint]);
            }
            for (let i = this.head[paint]; i >= 0; i = this.next[i]) {
                const width = this.width[i] > 2 * gap ? this.width[i] - gap : this.width[i];
                sink.rect(this.x[i], this.y[i], width, height, isSliver(paint) ? -1 : this.box[i]);
                if (picture.palette.tokens.forced) {
                    sink.frame(this.x[i], this.y[i], width, height);
                }
            }
        }
    }

    private drawHatches(picture: Picture, sink: Sink): void {
        const { tree, layout, mode, scale } = picture;
        const gap = Math.max(1, Math.round(scale));
        for (let i = 0; i < this.painted; i++) {
            const box = this.box[i];
            if (this.width[i] >= HATCH_FROM_PX * scale && layout.kind[box] === BOX && !isSliver(this.paint[i])) {
                const reason = waitOf(tree, layout.node[box], mode);
                if (reason !== NO_REASON) {
                    sink.hatch(reason, this.x[i], this.y[i], this.width[i] - gap, picture.rowHeight - gap);
                }
            }
        }
    }

    private drawTexts(picture: Picture, sink: Sink): void {
        const { scale, palette, rowHeight } = picture;
        const baseline = Math.round(rowHeight * 0.68);
        let ink = "";
        for (let paint = 0; paint < this.head.length; paint++) {
            for (let i = isSliver(paint) ? -1 : this.head[paint]; i >= 0; i = this.next[i]) {
                if (this.width[i] < TEXT_FROM_PX * scale) {
                    continue;
                }
                if (palette.ink[paint] !== ink) {
                    ink = palette.ink[paint];
                    sink.ink(ink);
                }
                this.drawText(picture, sink, i, baseline);
            }
        }
    }

    private drawText(picture: Picture, sink: Sink, i: number, baseline: number): void {
        const { tree, layout, mode, scale, advance } = picture;
        const box = this.box[i];
        let room = Math.floor((this.width[i] - 2 * PAD_PX * scale) / advance);
        if (mode !== "on_cpu" && layout.kind[box] === BOX && this.width[i] >= CODE_FROM_PX * scale) {
            const reason = waitOf(tree, layout.node[box], mode);
            if (reason < REASONS.length) {
                const x = this.x[i] + this.width[i] - PAD_PX * scale - 2 * advance;
                sink.text(reasonCode(reason), Math.round(x), this.y[i] + baseline);
                room -= 3;
            }
        }
        const text = textOf(picture, box, room);
        if (text !== "") {
            sink.text(text, this.x[i] + Math.round(PAD_PX * scale), this.y[i] + baseline);
        }
    }
}

const PALE_SLIVER = Palette.pale(SLIVER_PAINT);

function isSliver(paint: Paint): boolean {
    return paint === SLIVER_PAINT || paint === PALE_SLIVER;
}

function textOf(picture: Picture, box: number, room: number): string {
    const { layout, tree, labels } = picture;
    if (layout.kind[box] === RESIDUE) {
        return clip(`(${layout.count[box]} small)`, room);
    }
    if (layout.kind[box] === RUN) {
        return "";
    }
    const node = layout.node[box];
    return node === 0 ? clip(picture.rootLabel, room) : labels.fit(tree.frame[node], room);
}

function paintOf(picture: Picture, box: number, row: number): Paint {
    const { layout, tree, matches } = picture;
    const kind = layout.kind[box];
    const node = layout.node[box];
    let paint: Paint;
    let isFound: boolean;
    if (kind === BOX) {
        const frame = tree.frame[node];
        paint = frame === 0 ? ROOT_PAINT : picture.colouring.of(tree, node, frame, picture.colour, picture.mode);
        isFound = matches !== null && node !== 0 && matches[frame] === 1;
    } else {
        paint = kind === RUN ? SLIVER_PAINT : RESIDUE_BOX_PAINT;
        isFound = matches !== null && kind === RUN && hasMatch(picture, box, matches);
    }
    if (isFound) {
        return MATCH_PAINT;
    }
    return matches !== null || row < layout.zoomRow ? Palette.pale(paint) : paint;
}

function hasMatch(picture: Picture, run: number, matches: Uint8Array): boolean {
    const { layout, tree, order, mode } = picture;
    const end = tree.childStart[layout.node[run] + 1];
    let left = layout.count[run];
    for (let i = layout.from[run]; i < end && left > 0; i++) {
        if (tree.weight(order[i], mode) > 0) {
            if (matches[tree.frame[order[i]]] === 1) {
                return true;
            }
            left--;
        }
    }
    return false;
}
