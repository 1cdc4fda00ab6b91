// What boxes look like: a colour by what they are, with the ink that can be read on it, and a paler one for what is
// not meant at the moment (ancestors of a zoom, what a search did not find).
//
// All colours of a theme are made at once and numbered; a frame, or a node, is then only a number.

import { look } from "../lib/theme";
import { KIND_NAMES, type FrameId } from "../model/frames";
import { REASONS, type Mode } from "../model/scope";
import type { Colour } from "../model/state";
import type { NodeId, TreeColumns } from "../model/tree";
import { contrast, fromHsl, hash, hex, luminance, mix, parseHex, shift, type Rgb } from "./colour";
import { NO_REASON, reasonTokens, type ReasonTokens } from "./reasons";

export interface FlameTokens {
    readonly page: string;
    readonly panel: string;
    readonly text: string;
    readonly dim: string;
    readonly line: string;
    readonly accent: string;
    readonly match: string;
    readonly bad: string;
    readonly onCpu: string;
    readonly kinds: readonly string[];
    readonly reasons: ReasonTokens;
    readonly mono: string;
    readonly dark: boolean;
    /** The system says which colours there are. */
    readonly forced: boolean;
}

const KIND_TOKENS = ["program", "library", "kernel", "jit", "missing"];

/** As the stylesheet has them now. */
export function flameTokens(): FlameTokens {
    const style = getComputedStyle(document.documentElement);
    const get = (name: string) => style.getPropertyValue(name).trim();
    const { forced } = look.value;
    const page = parseHex(get("--page"));
    return {
        page: forced ? "Canvas" : get("--page"),
        panel: forced ? "Canvas" : get("--panel"),
        text: forced ? "CanvasText" : get("--text"),
        dim: forced ? "GrayText" : get("--dim"),
        line: forced ? "CanvasText" : get("--line"),
        accent: forced ? "Highlight" : get("--accent"),
        match: forced ? "Highlight" : get("--match"),
        bad: forced ? "CanvasText" : get("--bad"),
        onCpu: forced ? "Canvas" : get("--on-cpu"),
        kinds: KIND_TOKENS.map((kind) => (forced ? "Canvas" : get(`--kind-${kind}`))),
        reasons: reasonTokens(),
        mono: get("--mono"),
        dark: page !== null && luminance(page) < 0.2,
        forced,
    };
}

/** Number of a colour: an index into Palette.fill, Palette.ink. */
export type Paint = number;

// Of one kind, for telling binaries apart; which they are is said in words.
const SHADE_DEGREES = [0, -6, 6, -12, 12, -3, 9];
const SHADES = SHADE_DEGREES.length;
const KIND_PROGRAM = 0; // there is one: it has the colour itself
const HEATS = 16;
const LANGUAGES = ["c", "c++", "rust", "go", "python", "java", "javascript", "zig", "swift", "d"];

const KIND_AT = 0;
const HEAT_AT = KIND_AT + KIND_NAMES.length * SHADES;
const REASON_AT = HEAT_AT + HEATS;
const LANGUAGE_AT = REASON_AT + REASONS.length + 1;
const SLIVER = LANGUAGE_AT + LANGUAGES.length + 1;
const RESIDUE_PAINT = SLIVER + 1;
const MATCH = SLIVER + 2;
const ROOT = SLIVER + 3;
const MIXED = SLIVER + 4;
const PAINTS = SLIVER + 5;

/** The same colour, paler. */
const PALE = PAINTS;

export class Palette {
    readonly fill: string[] = new Array<string>(2 * PAINTS);
    /** What is written on it. */
    readonly ink: string[] = new Array<string>(2 * PAINTS);

    constructor(readonly tokens: FlameTokens) {
        if (tokens.forced) {
            this.fill.fill(tokens.page);
            this.ink.fill(tokens.text, 0, PALE);
            this.ink.fill(tokens.dim, PALE);
            this.fill[MATCH] = "Highlight";
            this.ink[MATCH] = "HighlightText";
            return;
        }
        this.addKinds();
        this.addHeats();
        this.addOthers();
    }

    get count(): number {
        return 2 * PAINTS;
    }

    private put(paint: Paint, colour: Rgb): void {
        const { page, text, dark } = this.tokens;
        const ground = parseHex(page) ?? WHITE;
        const inks = [parseHex(text) ?? BLACK, dark ? INK_ON_LIGHT : WHITE];
        const best = inks.reduce((a, b) => (contrast(a, colour) >= contrast(b, colour) ? a : b));
        const pale = mix(colour, ground, dark ? 0.72 : 0.7);
        this.fill[paint] = hex(colour);
        this.ink[paint] = hex(best);
        this.fill[PALE + paint] = hex(pale);
        this.ink[PALE + paint] = this.tokens.dim;
    }

    private addKinds(): void {
        this.tokens.kinds.forEach((token, kind) => {
            const colour = parseHex(token) ?? GREY;
            SHADE_DEGREES.forEach((degrees, shade) => {
                const lighter = shade % 2 === 0 ? 0 : 0.02;
                this.put(KIND_AT + kind * SHADES + shade, shift(colour, degrees, lighter));
            });
        });
    }

    private addHeats(): void {
        const cold = parseHex(this.tokens.dark ? "#3a3f4a" : "#eceae6") ?? GREY;
        const warm = parseHex(this.tokens.dark ? "#b0671c" : "#f0a63c") ?? GREY;
        const hot = parseHex(this.tokens.dark ? "#e0442e" : "#c0271a") ?? GREY;
        for (let i = 0; i < HEATS; i++) {
            const heat = i / (HEATS - 1);
            this.put(HEAT_AT + i, heat < 0.5 ? mix(cold, warm, heat * 2) : mix(warm, hot, heat * 2 - 1));
        }
    }

    private addOthers(): void {
        const { tokens } = this;
        tokens.reasons.colours.forEach((token, i) => this.put(REASON_AT + i, parseHex(token) ?? GREY));
        this.put(REASON_AT + NO_REASON, parseHex(tokens.onCpu) ?? GREY);
        for (let i = 0; i <= LANGUAGES.length; i++) {
            const isKnown = i < LANGUAGES.length;
            const hue = 20 + (i * 360 * 0.382) % 360;
            this.put(LANGUAGE_AT + i, fromHsl(hue, isKnown ? 0.45 : 0.04, tokens.dark ? 0.4 : 0.75));
        }
        const ground = parseHex(tokens.page) ?? WHITE;
        const grey = parseHex(tokens.dim) ?? GREY;
        this.put(SLIVER, mix(ground, grey, 0.35));
        this.put(RESIDUE_PAINT, mix(ground, grey, 0.16));
        this.ink[RESIDUE_PAINT] = tokens.dim;
        this.put(MIXED, mix(ground, grey, 0.35));
        this.put(ROOT, mix(ground, grey, 0.25));
        this.put(MATCH, parseHex(tokens.match) ?? GREY);
    }

    static pale(paint: Paint): Paint {
        return paint < PALE ? paint + PALE : paint;
    }
}

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
const GREY: Rgb = [128, 128, 128];
const INK_ON_LIGHT: Rgb = [16, 19, 26];

export const SLIVER_PAINT: Paint = SLIVER;
export const RESIDUE_BOX_PAINT: Paint = RESIDUE_PAINT;
export const MATCH_PAINT: Paint = MATCH;
export const ROOT_PAINT: Paint = ROOT;

/** The reason that a node waits for most of its waiting time; NO_REASON: none stands out. */
export function dominantReason(tree: TreeColumns, node: NodeId): number {
    const reasons = tree.reasons(node);
    let most = 0;
    let sum = 0;
    for (let i = 0; i < reasons.length; i++) {
        sum += reasons[i];
        if (reasons[i] > reasons[most]) {
            most = i;
        }
    }
    return sum > 0 && reasons[most] > sum / 2 ? most : NO_REASON;
}

/** Which reason a box is to show in a mode; NO_REASON: none. */
export function waitOf(tree: TreeColumns, node: NodeId, mode: Mode): number {
    if (mode === "on_cpu" || (mode === "wall" && tree.off[node] <= tree.on[node])) {
        return NO_REASON;
    }
    return dominantReason(tree, node);
}

// Several reasons, none of which stands out, are no colour of their own.
function paintOfReason(reason: number): Paint {
    return reason === NO_REASON ? MIXED : REASON_AT + reason;
}

/** Numbers of colours for what is in a tree. */
export class Colouring {
    private readonly byFrame: Record<"module" | "language", Paint[]> = { module: [], language: [] };
    private heat: Uint8Array = new Uint8Array(0); // by frame

    /** Before drawing a picture. */
    prepare(tree: TreeColumns, colour: Colour, mode: Mode): void {
        if (colour === "self") {
            this.measureHeat(tree, mode);
        }
    }

    of(tree: TreeColumns, node: NodeId, frame: FrameId, colour: Colour, mode: Mode): Paint {
        if (colour === "reason") {
            const isWaiting = mode !== "on_cpu" && tree.off[node] > (mode === "wall" ? tree.on[node] : 0);
            return isWaiting ? paintOfReason(dominantReason(tree, node)) : REASON_AT + NO_REASON;
        }
        if (colour === "self") {
            return HEAT_AT + this.heat[frame];
        }
        return (this.byFrame[colour][frame] ??= this.byFrameOf(tree, frame, colour));
    }

    private byFrameOf(tree: TreeColumns, frame: FrameId, colour: "module" | "language"): Paint {
        const { frames } = tree;
        if (colour === "language") {
            const at = LANGUAGES.indexOf(frames.language[frame]);
            return LANGUAGE_AT + (at < 0 ? LANGUAGES.length : at);
        }
        const kind = frames.kind[frame];
        const known = kind >= 0 && kind < KIND_NAMES.length ? kind : 1;
        return KIND_AT + known * SHADES + (known === KIND_PROGRAM ? 0 : hash(frames.binary[frame]) % SHADES);
    }

    // Of all time that functions spend themselves, wherever they are called.
    private measureHeat(tree: TreeColumns, mode: Mode): void {
        const byFrame = new Float64Array(tree.frames.count);
        for (let node = 0; node < tree.n; node++) {
            byFrame[tree.frame[node]] += tree.ownWeight(node, mode);
        }
        const most = byFrame.reduce((a, b) => Math.max(a, b), 0);
        this.heat = Uint8Array.from(byFrame, (ns) => Math.round(Math.sqrt(most > 0 ? ns / most : 0) * (HEATS - 1)));
    }
}
