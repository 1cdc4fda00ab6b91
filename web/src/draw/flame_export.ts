// The flamegraph as a file: as it is zoomed, coloured and ordered now, in all of its height.

import { percentOf, time } from "../lib/format";
import type { App } from "../model/app";
import { REASONS, type Scope } from "../model/scope";
import { CanvasSink } from "./canvas_sink";
import { FONT_PX, ROW_PX } from "./flame_canvas";
import { Colouring, flameTokens, Palette } from "./flame_colours";
import { BOX, FlameLayout, RESIDUE, Weights } from "./flame_layout";
import { BoxPainter, type Picture } from "./flame_paint";
import { Labels } from "./labels";
import { SvgSink } from "./svg_sink";

const PNG_WIDTH = 1600;
const CAPTION_PX = 44;
const CANVAS_AT_MOST = 16_384; // device pixels of one side that every browser can paint
const LETTER = 0.6; // width of a letter by its height, where no canvas tells it

/** `width`: CSS pixels. */
export function flameSvg(app: App, width: number): string {
    const picture = exportPicture(app, width, 1, FONT_PX * LETTER);
    const sink = new SvgSink(picture.palette.tokens, (box) => titleOf(app, picture, box));
    new BoxPainter().draw(picture, sink);
    return sink.document(picture.width, picture.height, caption(app), CAPTION_PX, FONT_PX);
}

/** `scale`: device pixels per CSS pixel. What is higher than a canvas may be is cut off, and the caption says so. */
export async function flamePng(app: App, scale: number): Promise<Blob> {
    const canvas = document.createElement("canvas");
    const sink = new CanvasSink(canvas);
    const whole = exportPicture(app, PNG_WIDTH, scale, 1);
    const room = CANVAS_AT_MOST - CAPTION_PX * scale;
    const picture = { ...whole, height: Math.min(whole.height, room) };
    canvas.width = picture.width;
    canvas.height = picture.height + Math.round(CAPTION_PX * scale);
    const advance = sink.style(picture.palette.tokens, FONT_PX * scale, scale);
    sink.fill(picture.palette.tokens.page);
    sink.rect(0, 0, canvas.width, canvas.height);
    sink.ink(picture.palette.tokens.text);
    const lines = caption(app);
    if (picture.height < whole.height) {
        lines[1] += " · lower rows are cut off";
    }
    lines.forEach((line, i) => sink.text(line, 8 * scale, (i + 1) * 18 * scale));
    sink.moveDown(Math.round(CAPTION_PX * scale));
    new BoxPainter().draw({ ...picture, advance }, sink);
    return await new Promise((resolve, reject) => {
        canvas.toBlob((blob) => (blob === null ? reject(new Error("the picture is too large")) : resolve(blob)), "image/png");
    });
}

function exportPicture(app: App, cssWidth: number, scale: number, advance: number): Picture {
    const { state, search } = app;
    const { mode } = state.scope.peek();
    const tree = app.flame.shown();
    const weights = new Weights();
    const layout = new FlameLayout();
    const colouring = new Colouring();
    weights.update(tree, mode);
    // The order that is on the screen, unless more nodes have come since.
    const drawn = app.flame.drawnOrder;
    const order = drawn !== null && drawn.length === tree.childList.length ? drawn : tree.childList;
    const width = Math.round(cssWidth * scale);
    layout.run({
        tree,
        weight: weights.total,
        self: weights.self,
        order,
        zoom: tree.find(state.zoom.peek()).node,
        width,
    });
    colouring.prepare(tree, state.colour.peek(), mode);
    const height = Math.max(1, layout.rows) * ROW_PX * scale;
    return {
        tree,
        frames: app.frames,
        layout,
        order,
        labels: new Labels(app.frames),
        palette: new Palette(flameTokens()),
        colouring,
        colour: state.colour.peek(),
        mode,
        direction: state.direction.peek(),
        rootLabel: app.flame.rootLabel(),
        matches: search.matches,
        rowHeight: ROW_PX * scale,
        advance,
        scale,
        width,
        height,
        top: 0,
        fullHeight: height,
    };
}

function titleOf(app: App, picture: Picture, box: number): string {
    const { layout, tree, mode, labels } = picture;
    const { reason } = app.state.scope.peek();
    const whole = tree.whole(mode, reason);
    if (box < 0) {
        return "functions too narrow to be seen";
    }
    const node = layout.node[box];
    if (layout.kind[box] !== BOX) {
        return `${layout.count[box]} ${layout.kind[box] === RESIDUE ? "small functions" : "narrow functions"}`;
    }
    const name = node === 0 ? picture.rootLabel : `${labels.name(tree.frame[node])} [${app.frames.binary[tree.frame[node]]}]`;
    const total = tree.weight(node, mode);
    return `${name}: ${time(total)} ${percentOf(total, whole)}, self ${time(tree.selfWeight(node, mode))}`;
}

function caption(app: App): string[] {
    const run = app.state.run.peek();
    const scope = app.state.scope.peek();
    const tree = app.flame.shown();
    const total = tree.whole(scope.mode, scope.reason);
    const of = run === null ? "stax" : `stax · ${run.label} (pid ${run.target_pid}) · run ${run.id}`;
    return [of, [...scopeWords(scope), `100 % is ${time(total)}`, new Date().toISOString()].join(" · ")];
}

function scopeWords(scope: Scope): string[] {
    const words = [{ on_cpu: "on CPU", off_cpu: "off CPU", wall: "wall clock" }[scope.mode]];
    if (scope.reason !== null) {
        words.push(`waits: ${REASONS[scope.reason].label}`);
    }
    if (scope.tid !== null) {
        words.push(`thread ${scope.tid}`);
    }
    if (scope.range.kind === "fixed") {
        words.push(`${time(scope.range.startNs)} to ${time(scope.range.endNs)}`);
    } else if (scope.range.kind === "last") {
        words.push(`last ${scope.range.seconds} s`);
    }
    if (scope.focus !== null) {
        words.push(`focus ${scope.focus.function_name}`);
    }
    if (scope.only.length > 0) {
        words.push(`only ${scope.only.map((symbol) => symbol.function_name).join(", ")}`);
    }
    if (scope.exclude.length > 0) {
        words.push(`without ${scope.exclude.map((symbol) => symbol.function_name).join(", ")}`);
    }
    return words;
}
