// Colours of source code. highlight.js answers in HTML; its tree of tokens is taken instead, since what comes from a
// file must never be read as HTML.

import hljs from "highlight.js/lib/core";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import rust from "highlight.js/lib/languages/rust";
import { registerPart, type SourceToken } from "../lib/parts";

hljs.registerLanguage("c", c);
hljs.registerLanguage("cpp", cpp);
hljs.registerLanguage("rust", rust);

const LANGUAGES: Readonly<Record<string, string>> = { c: "c", "c++": "cpp", rust: "rust" };
const LONGEST_LINE = 2000; // a longer one was not written by people

// The inner node of a token tree, as highlight.js 11 makes it; a leaf is a string.
interface Node {
    readonly scope?: string;
    readonly children: readonly (Node | string)[];
}

function flatten(node: Node | string, scope: string, into: SourceToken[]): void {
    if (typeof node === "string") {
        into.push([scope, node]);
    } else {
        node.children.forEach((child) => flatten(child, node.scope ?? scope, into));
    }
}

function highlight(text: string, language: string): SourceToken[] {
    const known = LANGUAGES[language];
    if (known === undefined || text.length > LONGEST_LINE) {
        return [["", text]];
    }
    const result = hljs.highlight(text, { language: known, ignoreIllegals: true });
    const root = (result._emitter as unknown as { rootNode?: Node }).rootNode;
    const tokens: SourceToken[] = [];
    if (root !== undefined) {
        flatten(root, "", tokens);
    }
    const whole = tokens.map((token) => token[1]).join("");
    return whole === text ? tokens : [["", text]];
}

registerPart("highlight", { highlight });
