// Parts of the page that are loaded when they are first needed: each is a script that puts itself into
// `__staxParts`. In a file that was exported they stand in the page, as texts; else they come from the server.

import type { JSX } from "preact";
import type { Export } from "../export/actions";
import type { Picture } from "./picture";
import type { Transport } from "./transport";
import type { Details } from "../model/details";
import type { Frames } from "../model/frames";
import type { Shell } from "../model/shell";
import type { Tab } from "../model/state";
import type { FlameControl } from "../panels/flame_control";

/** A piece of a line of source: class of highlight.js ("keyword", "string", …; "" for none), and its text. */
export type SourceToken = readonly [scope: string, text: string];

export interface HighlightPart {
    /** Languages as the protocol names them; what it does not know comes back in one piece. */
    highlight(text: string, language: string): SourceToken[];
}

/** A graph to be laid out: sizes of blocks, and edges as places in that table. */
export interface LayoutInput {
    readonly width: readonly number[];
    readonly height: readonly number[];
    readonly from: readonly number[];
    readonly to: readonly number[];
}

export interface LayoutOutput {
    readonly width: number;
    readonly height: number;
    /** Centres of the blocks. */
    readonly x: readonly number[];
    readonly y: readonly number[];
    /** By edge: x, y, x, y, … */
    readonly points: readonly (readonly number[])[];
}

export interface LayoutPart {
    layout(input: LayoutInput): LayoutOutput;
}

type Component = () => JSX.Element | null;

export interface ExportPart {
    write(what: Export, shell: Shell): Promise<void>;
}

export interface DetailsPart {
    makeDetails(frames: Frames): Details;
    readonly panels: Readonly<Record<Tab, () => JSX.Element>>;
}

export interface FilePart {
    /** Throws when it is none. */
    readPicture(text: string): Picture;
    makeTransport(picture: Picture): Transport;
}

export interface Parts {
    details: DetailsPart;
    file: FilePart;
    dialogs: Record<"Palette" | "Help" | "ConfirmStop", Component> & {
        FlameMenu: (props: { readonly control: FlameControl }) => JSX.Element | null;
    };
    tables: Record<"top" | "detail", Component>;
    time: Record<"filters" | "timeline" | "side", Component>;
    highlight: HighlightPart;
    layout: LayoutPart;
    export: ExportPart;
}

declare global {
    // `var`, since only that puts a name onto globalThis
    var __staxParts: Partial<Parts> | undefined;
}

const loading = new Map<keyof Parts, Promise<unknown>>();

export function partUrl(name: keyof Parts): string {
    return `/part/${name}.js`;
}

/** For the parts themselves. `style`: what they look like, as CSS. */
export function registerPart<K extends keyof Parts>(name: K, part: Parts[K], style = ""): void {
    if (style !== "") {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(style);
        document.adoptedStyleSheets.push(sheet);
    }
    (globalThis.__staxParts ??= {})[name] = part;
}

export function partAtHand<K extends keyof Parts>(name: K): Parts[K] | undefined {
    return globalThis.__staxParts?.[name] as Parts[K] | undefined;
}

/** Has them at hand for when they are wanted: nothing of them runs yet. */
export function fetchAhead(names: readonly (keyof Parts)[]): void {
    for (const name of names) {
        const link = document.createElement("link");
        link.rel = "preload";
        link.as = "script";
        link.href = partUrl(name);
        document.head.append(link);
    }
}

/** Asked again after a failure: a server may have come back. */
export function loadPart<K extends keyof Parts>(name: K): Promise<Parts[K]> {
    let promise = loading.get(name) as Promise<Parts[K]> | undefined;
    if (promise === undefined) {
        promise = fetchPart(name);
        loading.set(name, promise);
        promise.catch(() => loading.delete(name));
    }
    return promise;
}

function fetchPart<K extends keyof Parts>(name: K): Promise<Parts[K]> {
    runInlined(name);
    const part = partAtHand(name);
    if (part !== undefined) {
        return Promise.resolve(part);
    }
    if (!location.protocol.startsWith("http")) {
        return Promise.reject(new Error(`${name} is not in this file`));
    }
    return new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = partUrl(name);
        script.onload = () => {
            const loaded = partAtHand(name);
            if (loaded === undefined) {
                reject(new Error(`${script.src} is not what it should be`));
            } else {
                resolve(loaded);
            }
            script.remove();
        };
        script.onerror = () => {
            script.remove();
            reject(new Error(`${script.src} cannot be loaded`));
        };
        document.head.append(script);
    });
}

/** In a file that was exported, parts stand in the page as texts. */
export function inlinedId(name: keyof Parts): string {
    return `stax-part-${name}`;
}

function runInlined(name: keyof Parts): void {
    const inlined = document.getElementById(inlinedId(name));
    if (inlined !== null) {
        const script = document.createElement("script");
        script.textContent = inlined.textContent;
        document.head.append(script);
        script.remove();
        inlined.remove();
    }
}
