// Names as they fit into boxes. Letters are all as wide as each other, so that nothing is measured while drawing; names
// with letters of other scripts count double, which is never too narrow.

import { visible } from "../lib/format";
import type { FrameId, Frames } from "../model/frames";

const MOST = 400; // characters of a name that are ever drawn

export class Labels {
    private readonly whole: string[] = [];
    private readonly short: string[] = [];
    private readonly wide: boolean[] = [];

    constructor(private readonly frames: Frames) {}

    /** What of a name fits into a room of `columns` letters; "": nothing that tells anything. */
    fit(frame: FrameId, columns: number): string {
        const whole = this.name(frame);
        const room = this.wide[frame] ? columns >> 1 : columns;
        if (whole.length <= room) {
            return whole;
        }
        return clip((this.short[frame] ??= shortName(whole)), room);
    }

    name(frame: FrameId): string {
        let name = this.whole[frame];
        if (name === undefined) {
            name = visible(this.frames.name[frame].slice(0, MOST));
            this.whole[frame] = name;
            this.wide[frame] = /[^\u0020-\u024f\u2000-\u206f]/.test(name);
        }
        return name;
    }
}

const HALF_A_LETTER = /[\ud800-\udbff]$/;

export function clip(text: string, room: number): string {
    if (text.length <= room) {
        return text;
    }
    return room < 2 ? "" : `${text.slice(0, room - 1).replace(HALF_A_LETTER, "")}…`;
}

/**
 * A name without what is inside of its outermost brackets at the end: parameters, and arguments of templates. What is
 * not nested well is left as it is, and so are operators and names that would vanish.
 */
export function shortName(name: string): string {
    if (/operator|^[([<{]/.test(name)) {
        return name;
    }
    let depth = 0;
    let short = "";
    for (const c of name) {
        if (c === "<" || c === "(") {
            depth++;
        } else if ((c === ">" && !short.endsWith("-")) || c === ")") {
            depth--;
            if (depth < 0) {
                return name;
            }
        } else if (depth === 0) {
            short += c;
        }
    }
    return depth === 0 && short.trim() !== "" ? short.trim() : name;
}
