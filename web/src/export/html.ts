// One file with everything: this page, its parts, and a picture of the run.
//
//     GET /            ──► the page, with its script and style
//     GET /part/….js   ──► parts, as texts                                ──► one HTML file that loads nothing
//     takePicture()    ──► <script type="application/json" id="stax-data">

import { takePicture } from "./record";
import { pictureText, type Picture } from "../lib/picture";
import { inlinedId, partUrl, type Parts } from "../lib/parts";
import type { App } from "../model/app";

const PARTS: readonly (keyof Parts)[] = ["details", "dialogs", "export", "file", "highlight", "layout", "tables", "time"];

async function fetchText(url: string): Promise<string> {
    const answer = await fetch(url);
    if (!answer.ok) {
        throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
    }
    return answer.text();
}

/** The policy of the file: its own scripts, by what they are, and nothing from anywhere. */
export function policy(hashes: string): string {
    const of = (kind: string) => hashes.split(" ").filter((one) => one.startsWith(`${kind}:`)).map((one) => `'${one.slice(kind.length + 1)}'`);
    return `default-src 'none'; script-src ${of("script").join(" ")}; style-src ${of("style").join(" ")}; img-src data: blob:; base-uri 'none'; form-action 'none'`;
}

/** `page`: as the server sends it. */
export function buildFile(page: string, parts: readonly string[], picture: Picture): string {
    const hashes = /<meta name="stax-hashes" content="([\w:+/= -]+)">/.exec(page)?.[1];
    const place = /<!-{2}data-{2}>/;
    if (hashes === undefined || !place.test(page)) {
        throw new Error("the server's page is not the one that this script belongs to: reload it");
    }
    const scripts = parts
        .map((part, i) => `<script type="text/plain" id="${inlinedId(PARTS[i])}">${part}</script>\n`)
        .join("");
    const data = `<script type="application/json" id="stax-data">${pictureText(picture)}</script>`;
    return page
        .replace(place, () => scripts + data)
        .replace("<meta charset=\"utf-8\">", (charset) => {
            return `${charset}\n<meta http-equiv="Content-Security-Policy" content="${policy(hashes)}">`;
        });
}

export async function makeFile(app: App, onProgress: (share: number) => void): Promise<Blob> {
    const page = await fetchText(location.pathname);
    const parts = await Promise.all(PARTS.map((name) => fetchText(partUrl(name))));
    const picture = await takePicture(app, onProgress);
    return new Blob([buildFile(page, parts, picture)], { type: "text/html" });
}
