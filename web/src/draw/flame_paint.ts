// A layout as rectangles and words: for the screen, and for a file.
//
// Boxes are sorted by colour before they are drawn, because changing the colour of a canvas costs more than a
// rectangle. Edges lie on whole device pixels; a box that comes to nothing is not drawn.
//
//     what is on the canvas   | main | run     |#|   | idle |
//     what is to be there     | main | run       |#| | idle |      taken away and drawn: run, #
//
// While data stream in, most boxes stay where they are. Where nobody has a GPU, every one that is drawn is painted by
// the thread that people wait for, so only what differs is.

import { grown } from "../lib/columns";
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

/** What is drawn of a picture, by rows and, in each, by x. */
class Boxes {
    n = 0;
    x = new Int32Array(1024);
    y = new Int32Array(1024);
    width = new Int32Array(1024);
    box = new Uint32Array(1024);
    paint = new Uint32Array(1024);
    /** What is written on it, together with its width. */
    mark = new Uint32Array(1024);
    firstRow = 0;
    /** Those of row firstRow + r: rowStart[r] … rowStart[r + 1] - 1. */
    readonly rowStart: number[] = [0];

    put(paint: Paint, box: number, mark: number, x: number, y: number, width: number): void {
        if (this.n === this.x.length) {
            this.grow();
        }
        const i = this.n++;
        this.x[i] = x;
        this.y[i] = y;
        this.width[i] = width;
        this.box[i] = box;
        this.paint[i] = paint;
        this.mark[i] = mark;
    }

    private grow(): void {
        const room = this.x.length * 2;
        this.x = grown(this.x, room);
        this.y = grown(this.y, room);
        this.width = grown(this.width, room);
        this.box = grown(this.box, room);
        this.paint = grown(this.paint, room);
        this.mark = grown(this.mark, room);
    }
}

/** What all boxes of a picture look like and where they are; where it is another, all are drawn. */
type Frame = readonly unknown[];

function frameOf(picture: Picture): Frame | null {
    const { width, height, scale, rowHeight, palette, labels, direction, mode, rootLabel } = picture;
    const stands = picture.place === undefined && !palette.tokens.forced;
    return stands ? [width, height, scale, rowHeight, palette, labels, direction, mode, rootLabel, rowTop(picture, 0)] : null;
}

/** Draws. One per canvas: it keeps its lists from one time to the next. */
export class BoxPainter {
    /** Boxes of the last picture. */
    painted = 0;
    /** Of these, those that were drawn: the others stood there already. */
    drawn = 0;
    private boxes = new Boxes();
    private before = new Boxes();
    private frame: Frame | null = null; // of what is on the canvas; null: it is not known
    private isDrawn = new Uint8Array(1024); // by place in the lists
    private next = new Int32Array(1024); // of the same colour; -1: none
    private head = new Int32Array(0); // by colour

    /** All of it, on something empty. */
    draw(picture: Picture, sink: Sink): void {
        this.collect(picture);
        this.isDrawn.fill(1);
        this.frame = null;
        this.drawMarked(picture, sink);
    }

    /** On what it has drawn the last time: only what is not there already. `clear` makes everything empty. */
    redraw(picture: Picture, sink: Sink, clear: () => void): void {
        const frame = frameOf(picture);
        const isKept = frame !== null && this.frame !== null && frame.every((one, i) => one === this.frame?.[i]);
        [this.boxes, this.before] = [this.before, this.boxes];
        this.collect(picture);
        this.frame = frame;
        if (isKept) {
            this.isDrawn.fill(1, 0, this.painted);
            sink.fill(picture.palette.tokens.page);
            this.takeAway(picture, sink);
        } else {
            this.isDrawn.fill(1);
            clear();
        }
        this.drawMarked(picture, sink);
    }

    private drawMarked(picture: Picture, sink: Sink): void {
        this.sort();
        this.drawBoxes(picture, sink);
        if (picture.mode !== "on_cpu") {
            this.drawHatches(picture, sink);
        }
        this.drawTexts(picture, sink);
    }

    private collect(picture: Picture): void {
        const { boxes } = this;
        if (this.head.length < picture.palette.count) {
            this.head = new Int32Array(picture.palette.count);
        }
        boxes.n = 0;
        boxes.rowStart.length = 1;
        const [first, last] = visibleRows(picture);
        boxes.firstRow = first;
        for (let row = first; row < last; row++) {
            this.collectRow(picture, row, Math.round(rowTop(picture, row)));
            boxes.rowStart.push(boxes.n);
        }
        this.painted = boxes.n;
        if (this.next.length < boxes.x.length) {
            this.next = new Int32Array(boxes.x.length);
            this.isDrawn = new Uint8Array(boxes.x.length);
        }
    }

    // Slivers that touch each other are one grey box: their colours would only flicker.
    private collectRow(picture: Picture, row: number, y: number): void {
        const { layout, width, place } = picture;
        const { boxes } = this;
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
            if (isNarrow && lone >= 0 && boxes.x[lone] + boxes.width[lone] === x) {
                boxes.width[lone] += seen;
                boxes.paint[lone] = row < layout.zoomRow || picture.matches !== null ? PALE_SLIVER : SLIVER_PAINT;
                boxes.mark[lone] = 0;
            } else {
                lone = isNarrow ? boxes.n : -1;
                boxes.put(paint, box, markOf(picture, box), x, y, seen);
            }
        }
    }

    // Of each row, two lists side by side. What is in both stays; what is only in the old one goes.
    private takeAway(picture: Picture, sink: Sink): void {
        const { boxes, before } = this;
        const height = picture.rowHeight - gapOf(picture);
        for (let r = 0; r + 1 < before.rowStart.length; r++) {
            const row = before.firstRow + r - boxes.firstRow;
            let at = boxes.rowStart[row] ?? 0;
            const end = boxes.rowStart[row + 1] ?? at;
            for (let old = before.rowStart[r]; old < before.rowStart[r + 1]; old++) {
                while (at < end && boxes.x[at] < before.x[old]) {
                    at++;
                }
                const stays =
                    at < end &&
                    boxes.x[at] === before.x[old] &&
                    boxes.width[at] === before.width[old] &&
                    boxes.paint[at] === before.paint[old] &&
                    boxes.mark[at] === before.mark[old];
                if (stays) {
                    this.isDrawn[at] = 0;
                } else {
                    sink.rect(before.x[old], before.y[old], before.width[old], height, -1);
                }
            }
        }
    }

    // By colour: in the order in which they were collected, backwards.
    private sort(): void {
        const { paint } = this.boxes;
        this.head.fill(-1);
        this.drawn = 0;
        for (let i = 0; i < this.painted; i++) {
            if (this.isDrawn[i] === 1) {
                this.next[i] = this.head[paint[i]];
                this.head[paint[i]] = i;
                this.drawn++;
            }
        }
    }

    private drawBoxes(picture: Picture, sink: Sink): void {
        const { x, y, width: widths, box } = this.boxes;
        const gap = gapOf(picture);
        const height = picture.rowHeight - gap;
        for (let paint = 0; paint < this.head.length; paint++) {
            if (this.head[paint] >= 0) {
                sink.fill(picture.palette.fill[paint]);
            }
            for (let i = this.head[paint]; i >= 0; i = this.next[i]) {
                const width = widths[i] > 2 * gap ? widths[i] - gap : widths[i];
                sink.rect(x[i], y[i], width, height, isSliver(paint) ? -1 : box[i]);
                if (picture.palette.tokens.forced) {
                    sink.frame(x[i], y[i], width, height);
                }
            }
        }
    }

    private drawHatches(picture: Picture, sink: Sink): void {
        const { tree, layout, mode, scale } = picture;
        const { x, y, width, paint } = this.boxes;
        const gap = gapOf(picture);
        for (let i = 0; i < this.painted; i++) {
            const box = this.boxes.box[i];
            const isWide = this.isDrawn[i] === 1 && width[i] >= HATCH_FROM_PX * scale;
            if (isWide && layout.kind[box] === BOX && !isSliver(paint[i])) {
                const reason = waitOf(tree, layout.node[box], mode);
                if (reason !== NO_REASON) {
                    sink.hatch(reason, x[i], y[i], width[i] - gap, picture.rowHeight - gap);
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
                if (this.boxes.width[i] < TEXT_FROM_PX * scale) {
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
        const { boxes } = this;
        const box = boxes.box[i];
        let room = Math.floor((boxes.width[i] - 2 * PAD_PX * scale) / advance);
        if (mode !== "on_cpu" && layout.kind[box] === BOX && boxes.width[i] >= CODE_FROM_PX * scale) {
            const reason = waitOf(tree, layout.node[box], mode);
            if (reason < REASONS.length) {
                const x = boxes.x[i] + boxes.width[i] - PAD_PX * scale - 2 * advance;
                sink.text(reasonCode(reason), Math.round(x), boxes.y[i] + baseline);
                room -= 3;
            }
        }
        const text = textOf(picture, box, room);
        if (text !== "") {
            sink.text(text, boxes.x[i] + Math.round(PAD_PX * scale), boxes.y[i] + baseline);
        }
    }
}

// Between boxes, to the right and below. Device pixels.
function gapOf(picture: Picture): number {
    return Math.max(1, Math.round(picture.scale));
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

// Two boxes of one colour and width with the same mark look the same.
function markOf({ layout, tree, mode }: Picture, box: number): number {
    const node = layout.node[box];
    switch (layout.kind[box]) {
        case BOX:
            return (tree.frame[node] * (NO_REASON + 1) + waitOf(tree, node, mode)) >>> 0;
        case RESIDUE:
            return layout.count[box];
        default:
            return 0;
    }
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
