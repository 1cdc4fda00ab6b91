import assert from "node:assert/strict";
import { test } from "node:test";
import { Colouring, Palette, type FlameTokens } from "../src/draw/flame_colours";
import { FlameLayout, Weights } from "../src/draw/flame_layout";
import { BoxPainter, type Picture, type Sink } from "../src/draw/flame_paint";
import { Labels } from "../src/draw/labels";
import type { Mode } from "../src/model/scope";
import { madeTree, random, type MadeTree } from "./trees";

const TOKENS: FlameTokens = {
    page: "#ffffff", panel: "#eeeeee", text: "#000000", dim: "#777777", line: "#cccccc", accent: "#0000ff",
    match: "#ff00ff", bad: "#ff0000", onCpu: "#00aa00", mono: "monospace", dark: false, forced: false,
    kinds: ["#f0b27a", "#a9c7e8", "#d3b5dd", "#a8dcc3", "#d9d9d9"],
    reasons: { colours: new Array(10).fill("#123456"), ink: "#000000" } as unknown as FlameTokens["reasons"],
};

// Pixels, and words where they begin: whatever is painted over one is gone.
class Grid implements Sink {
    readonly pixels: string[];
    readonly words = new Map<string, string>();
    rects = 0;
    private colour = "";

    constructor(
        private readonly width: number,
        private readonly height: number,
    ) {
        this.pixels = new Array<string>(width * height);
        this.clear();
    }

    clear(): void {
        this.pixels.fill(TOKENS.page);
        this.words.clear();
    }
    fill(colour: string): void {
        this.colour = colour;
    }
    rect(x: number, y: number, width: number, height: number): void {
        this.rects++;
        this.paint(x, y, width, height, this.colour);
    }
    hatch(reason: number, x: number, y: number, width: number, height: number): void {
        this.paint(x, y, width, height, `hatch ${reason}`);
    }
    frame(): void {}
    ink(colour: string): void {
        this.colour = colour;
    }
    text(text: string, x: number, y: number): void {
        this.words.set(`${x} ${y}`, `${text} ${this.colour}`);
    }
    private paint(x: number, y: number, width: number, height: number, what: string): void {
        for (let row = Math.max(0, y); row < Math.min(this.height, y + height); row++) {
            this.pixels.fill(what, row * this.width + x, row * this.width + Math.min(this.width, x + width));
        }
        for (const key of this.words.keys()) {
            const [wordX, wordY] = key.split(" ").map(Number);
            if (wordX >= x && wordX < x + width && wordY >= y && wordY < y + height) {
                this.words.delete(key);
            }
        }
    }
}

const WIDTH = 500;
const ROW = 18;

class Scene {
    readonly layout = new FlameLayout();
    readonly weights = new Weights();
    readonly labels: Labels;
    readonly colouring = new Colouring();
    readonly palette = new Palette(TOKENS);
    mode: Mode = "on_cpu";
    zoom = 0;
    top = 0;
    matches: Uint8Array | null = null;

    constructor(readonly tree: MadeTree) {
        this.labels = new Labels(tree.frames);
    }

    picture(): Picture {
        const { tree, layout, labels, palette, colouring, mode, matches, top } = this;
        this.weights.update(tree, mode);
        layout.run({
            tree, weight: this.weights.total, self: this.weights.self, order: tree.childList, zoom: this.zoom, width: WIDTH,
        });
        colouring.prepare(tree, "module", mode);
        return {
            tree, frames: tree.frames, layout, order: tree.childList, labels, palette, colouring, colour: "module", mode,
            direction: "icicle", rootLabel: "all", matches, rowHeight: ROW, advance: 6, scale: 1, width: WIDTH,
            height: 12 * ROW, top, fullHeight: Math.max(12, layout.rows) * ROW,
        };
    }
}

test("what is drawn on what was there is what would be drawn on nothing", () => {
    let [all, drawn] = [0, 0];
    for (let seed = 1; seed <= 60; seed++) {
        const next = random(seed);
        const scene = new Scene(madeTree(seed, 60 + Math.floor(next() * 400), 40));
        const { tree } = scene;
        const kept = new Grid(WIDTH, 12 * ROW);
        const painter = new BoxPainter();
        for (let step = 0; step < 12; step++) {
            if (step % 3 !== 0) {
                const before = tree.selfOn.slice();
                const changes = next() < 0.5 ? 0.02 : 0.5;
                tree.renew((node) => before[node] * (next() < changes ? 0.5 + next() : 1));
            } else if (step > 0) {
                const what = next();
                scene.zoom = what < 0.3 ? Math.floor(next() * tree.n) : scene.zoom;
                scene.top = what > 0.3 && what < 0.5 ? ROW * Math.floor(next() * 3) : scene.top;
                scene.matches = what > 0.5 && what < 0.7 ? new Uint8Array(tree.frames.count).fill(1, 0, 20) : null;
                scene.mode = what > 0.7 && scene.mode === "on_cpu" ? "wall" : "on_cpu";
                tree.wait(Math.floor(next() * tree.n), Math.floor(next() * 10), 500 * next());
            }
            const picture = scene.picture();
            painter.redraw(picture, kept, () => kept.clear());
            const anew = new Grid(WIDTH, 12 * ROW);
            new BoxPainter().draw(picture, anew);
            assert.deepEqual(kept.pixels, anew.pixels, `pixels, seed ${seed}, step ${step}`);
            assert.deepEqual(new Map([...kept.words].sort()), new Map([...anew.words].sort()), `words, seed ${seed}, step ${step}`);
            all += painter.painted;
            drawn += painter.drawn;
        }
    }
    assert.ok(drawn < 0.8 * all, `${drawn} of ${all} boxes were drawn again`);
});
