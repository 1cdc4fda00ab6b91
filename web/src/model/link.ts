// What is looked at, as the part of an address behind `#`, and back:
//
//     #run=7&tid=5103&m=off&why=lock&t=1.204-3.87&x=malloc!libc.so.6&focus=decode!app&z=main!app/run!app&q=re:^dec
//
// Names rather than numbers of functions: they mean the same in another browser, and after a restart. Whoever sends
// a link is not trusted: each part is bounded, and one that makes no sense is left out, and named.

import type { Symbol } from "../lib/protocol";
import { REASONS, WHOLE, type Mode, type Range, type Scope } from "./scope";
import type { Colour, Direction, Order, Query, Tab, TopSort } from "./state";

export interface Link {
    readonly scope: Scope;
    /** From a child of the root on. */
    readonly zoom: readonly Symbol[];
    readonly inverted: boolean;
    readonly direction: Direction;
    readonly order: Order;
    readonly colour: Colour;
    readonly query: Query;
    readonly tab: Tab;
    readonly topSort: TopSort;
    readonly chosen: Symbol | null;
}

/** What an address without anything behind `#` says. */
export const PLAIN: Link = {
    scope: WHOLE,
    zoom: [],
    inverted: false,
    direction: "icicle",
    order: "name",
    colour: "module",
    query: { text: "", regex: false, matchCase: false },
    tab: "code",
    topSort: { by: "self", descending: true },
    chosen: null,
};

/** A view may name so many functions: LIMIT_EXCLUDED_SYMBOLS of the server. */
export const MAX_SYMBOLS = 256;
const MAX_LINK = 64 << 10; // characters
const MAX_ZOOM = 1024; // levels
const MAX_NAME = 16 << 10; // characters
const MAX_QUERY = 1024; // characters
const MAX_ID = 2 ** 31 - 1;
const MAX_NS = 2 ** 53 - 1;
const MAX_LAST_S = 1e6;

const MODES: Record<Mode, string> = { on_cpu: "cpu", off_cpu: "off", wall: "wall" };
const DIRECTIONS: readonly Direction[] = ["icicle", "flame"];
const ORDERS: readonly Order[] = ["name", "heavy"];
const COLOURS: readonly Colour[] = ["module", "self", "reason", "language"];
const TABS: readonly Tab[] = ["code", "neighbors", "intervals", "cfg", "tree"];
const SORTS: readonly TopSort["by"][] = ["self", "total", "samples", "name", "binary"];

// ---- Writing ----------------------------------------------------------------------------------------------------

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// Besides what an address cannot hold: what separates here (! / &), and what ends a link in a text.
function escape(text: string): string {
    return encodeURIComponent(text.replace(LONE_SURROGATE, "\ufffd"))
        .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
        .replace(/%(3A|2C|40|24)/g, decodeURIComponent);
}

function putSymbol(symbol: Symbol): string {
    const name = escape(symbol.function_name);
    return symbol.binary === undefined ? name : `${name}!${escape(symbol.binary)}`;
}

/** Nanoseconds as seconds, every digit of them. */
export function exactSeconds(ns: number): string {
    const whole = Math.floor(ns / 1e9);
    const rest = String(Math.round(ns - whole * 1e9)).padStart(9, "0");
    return `${whole}.${rest}`.replace(/\.?0+$/, "");
}

function putRange(range: Range): string[] {
    if (range.kind === "fixed") {
        return [`t=${exactSeconds(range.startNs)}-${exactSeconds(range.endNs)}`];
    }
    return range.kind === "last" ? [`last=${range.seconds}`] : [];
}

// Flags in front; a text that begins like one of them comes after "text:".
function putQuery(query: Query): string[] {
    if (query.text === "") {
        return [];
    }
    const flags = (query.matchCase ? "case:" : "") + (query.regex ? "re:" : "");
    const end = /^(case|re|text):/.test(query.text) ? "text:" : "";
    return [`q=${flags}${end}${escape(query.text)}`];
}

/** What is counted, and how far it is zoomed: what can be taken back step by step. */
export function encodeSteps(link: Pick<Link, "scope" | "zoom" | "inverted">): string {
    const { scope } = link;
    const parts: string[] = [];
    const put = (isSaid: boolean, text: () => string) => {
        if (isSaid) {
            parts.push(text());
        }
    };
    put(scope.run !== null, () => `run=${scope.run}`);
    put(scope.tid !== null, () => `tid=${scope.tid}`);
    put(scope.mode !== "on_cpu", () => `m=${MODES[scope.mode]}`);
    put(scope.reason !== null, () => `why=${REASONS[scope.reason as number].word}`);
    parts.push(...putRange(scope.range));
    scope.exclude.forEach((symbol) => parts.push(`x=${putSymbol(symbol)}`));
    scope.only.forEach((symbol) => parts.push(`only=${putSymbol(symbol)}`));
    put(scope.focus !== null, () => `focus=${putSymbol(scope.focus as Symbol)}`);
    put(link.zoom.length > 0, () => `z=${link.zoom.map(putSymbol).join("/")}`);
    put(link.inverted, () => "inv=1");
    return parts.join("&");
}

export function encodeLink(link: Link): string {
    const parts = [encodeSteps(link), ...putQuery(link.query)].filter((part) => part !== "");
    const put = (key: string, value: string, usual: string) => {
        if (value !== usual) {
            parts.push(`${key}=${value}`);
        }
    };
    put("dir", link.direction, PLAIN.direction);
    put("ord", link.order, PLAIN.order);
    put("col", link.colour, PLAIN.colour);
    put("tab", link.tab, PLAIN.tab);
    put("sort", putSort(link.topSort), putSort(PLAIN.topSort));
    if (link.chosen !== null) {
        parts.push(`sym=${putSymbol(link.chosen)}`);
    }
    const text = parts.join("&");
    // Better a link to the whole tree than one that nobody can open.
    return text.length > MAX_LINK && link.zoom.length > 0 ? encodeLink({ ...link, zoom: [] }) : text;
}

function putSort(sort: TopSort): string {
    return sort.descending ? sort.by : `${sort.by}.up`;
}

// ---- Reading ----------------------------------------------------------------------------------------------------

export interface Decoded {
    readonly link: Link;
    /** What made no sense, by its key; none: all of it did. */
    readonly ignored: readonly string[];
}

/** Where what was read is put together. */
type Changeable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Changeable<Omit<Link, "scope">> & { scope: Changeable<Scope> };

class Nonsense extends Error {}

function unescape(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        throw new Nonsense();
    }
}

function integer(text: string, most: number): number {
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || value < 1 || value > most) {
        throw new Nonsense();
    }
    return value;
}

function oneOf<T extends string>(text: string, choices: readonly T[]): T {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
        throw new Nonsense();
    }
    return found;
}

function symbol(text: string): Symbol {
    const parts = text.split("!");
    const name = unescape(parts[0]);
    const binary = parts.length > 1 ? unescape(parts[1]) : undefined;
    if (parts.length > 2 || name === "" || name.length > MAX_NAME || (binary ?? "").length > MAX_NAME) {
        throw new Nonsense();
    }
    return binary === undefined ? { function_name: name } : { function_name: name, binary };
}

function time(text: string): number {
    const found = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
    if (found === null) {
        throw new Nonsense();
    }
    return Number(found[1]) * 1e9 + Number((found[2] ?? "").padEnd(9, "0"));
}

function range(text: string): Range {
    const ends = text.split("-");
    const [startNs, endNs] = ends.map(time);
    if (ends.length !== 2 || endNs <= startNs || endNs > MAX_NS) {
        throw new Nonsense();
    }
    return { kind: "fixed", startNs, endNs };
}

function query(text: string): Query {
    const found = /^(case:)?(re:)?(text:)?/.exec(text) as RegExpExecArray;
    const rest = unescape(text.slice(found[0].length));
    if (rest.length > MAX_QUERY) {
        throw new Nonsense();
    }
    return { text: rest, regex: found[2] !== undefined, matchCase: found[1] !== undefined };
}

function sort(text: string): TopSort {
    const by = oneOf(text.replace(/\.up$/, ""), SORTS);
    return { by, descending: by === text };
}

function more(list: readonly Symbol[], text: string): Symbol[] {
    if (list.length >= MAX_SYMBOLS) {
        throw new Nonsense();
    }
    return [...list, symbol(text)];
}

function zoom(text: string): Symbol[] {
    const path = text.split("/");
    if (path.length > MAX_ZOOM) {
        throw new Nonsense();
    }
    return path.map(symbol);
}

function flag(text: string): boolean {
    return oneOf(text, ["0", "1"]) === "1";
}

const readers: Record<string, (draft: Draft, text: string) => void> = {
    run: (draft, text) => (draft.scope.run = integer(text, MAX_ID)),
    tid: (draft, text) => (draft.scope.tid = integer(text, MAX_ID)),
    m: (draft, text) => {
        const at = Object.values(MODES).indexOf(oneOf(text, Object.values(MODES)));
        draft.scope.mode = Object.keys(MODES)[at] as Mode;
    },
    why: (draft, text) => {
        const words = REASONS.map((reason) => reason.word);
        draft.scope.reason = words.indexOf(oneOf(text, words));
    },
    t: (draft, text) => (draft.scope.range = range(text)),
    last: (draft, text) => (draft.scope.range = { kind: "last", seconds: integer(text, MAX_LAST_S) }),
    x: (draft, text) => (draft.scope.exclude = more(draft.scope.exclude, text)),
    only: (draft, text) => (draft.scope.only = more(draft.scope.only, text)),
    focus: (draft, text) => (draft.scope.focus = symbol(text)),
    z: (draft, text) => (draft.zoom = zoom(text)),
    inv: (draft, text) => (draft.inverted = flag(text)),
    q: (draft, text) => (draft.query = query(text)),
    dir: (draft, text) => (draft.direction = oneOf(text, DIRECTIONS)),
    ord: (draft, text) => (draft.order = oneOf(text, ORDERS)),
    col: (draft, text) => (draft.colour = oneOf(text, COLOURS)),
    tab: (draft, text) => (draft.tab = oneOf(text, TABS)),
    sort: (draft, text) => (draft.topSort = sort(text)),
    sym: (draft, text) => (draft.chosen = symbol(text)),
};

/** `hash`: with or without its `#`. Never throws. */
export function decodeLink(hash: string): Decoded {
    const text = hash.replace(/^#/, "");
    if (text.length > 2 * MAX_LINK) {
        return { link: PLAIN, ignored: ["all of it: it is too long"] };
    }
    const draft: Draft = { ...PLAIN, scope: { ...WHOLE } };
    const ignored = new Set<string>();
    for (const part of text === "" ? [] : text.split("&")) {
        const at = part.indexOf("=");
        const key = at < 0 ? part : part.slice(0, at);
        const read = Object.hasOwn(readers, key) ? readers[key] : undefined;
        try {
            if (read === undefined || at < 0) {
                throw new Nonsense();
            }
            read(draft, part.slice(at + 1));
        } catch {
            ignored.add(key.slice(0, 40));
        }
    }
    return { link: draft, ignored: [...ignored] };
}
