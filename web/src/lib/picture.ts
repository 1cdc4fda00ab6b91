// A picture of a run: questions that a page asked, with their answers, to be shown without a server.
//
// What a question is about decides which answer is its: the part of the run, the mode, the function. How much of it
// is wanted (a limit, a cut, a zoom) does not: the picture has as much as could be had.

import type { Method } from "./client";
import type { RunSummary, Status } from "./protocol";

export interface Picture {
    readonly format: "stax-picture";
    readonly version: 1;
    readonly run: RunSummary;
    readonly status: Status;
    /** When it was taken, since 1970. */
    readonly takenUnixMs: number;
    /** What was looked at, as in an address. */
    readonly link: string;
    /** By key: see questionKey(). */
    readonly answers: Readonly<Record<string, unknown>>;
}

/** How much is wanted, rather than of what. */
const AMOUNTS = new Set([
    "limit",
    "buckets",
    "max_nodes",
    "min_share",
    "zoom",
    "max_depth",
    "max_frames",
    "first_line",
    "source",
    "source_paths",
]);

function sorted(value: unknown): unknown {
    if (Array.isArray(value)) {
        return value.map(sorted);
    }
    if (typeof value !== "object" || value === null) {
        return value;
    }
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, field]) => [name, sorted(field)]));
}

/** Equal for questions that the same answer is for. */
export function questionKey(method: Method, params: object): string {
    const about: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(params)) {
        if (name === "view") {
            const { run: _, ...view } = value as { run?: number };
            if (Object.keys(view).length > 0) {
                about["view"] = view;
            }
        } else if (name === "threads") {
            about["threads"] = value !== 0; // a timeline of all together, or each on its own
        } else if (!AMOUNTS.has(name) && value !== USUAL[name]) {
            about[name] = value;
        }
    }
    return `${method} ${JSON.stringify(sorted(about))}`;
}

// What is meant when it is not said.
const USUAL: Record<string, unknown> = { mode: "on_cpu", sort: "self", order: "longest", callers: false, min_ns: 0, syntax: "intel" };

/** Inside a script element, where "<" could end it. */
export function pictureText(picture: Picture): string {
    return JSON.stringify(picture).replace(/</g, "\\u003c");
}

export function readPicture(text: string): Picture {
    const picture = JSON.parse(text) as Partial<Picture> | null;
    const isOne = picture?.format === "stax-picture" && picture.version === 1;
    if (!isOne || typeof picture.answers !== "object" || typeof picture.run !== "object") {
        throw new Error("this file holds no picture of a run that this page can read");
    }
    return picture as Picture;
}
