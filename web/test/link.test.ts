import assert from "node:assert/strict";
import { test } from "node:test";
import type { Symbol } from "../src/lib/protocol";
import { decodeLink, encodeLink, exactSeconds, MAX_SYMBOLS, PLAIN, type Link } from "../src/model/link";
import { REASONS, WHOLE, type Range } from "../src/model/scope";

// The same numbers on every run.
function randomNumbers(seed: number): () => number {
    let state = seed;
    return () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
    };
}

const random = randomNumbers(7);
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(...choices: readonly T[]): T => choices[below(choices.length)];

const PIECES = [
    "main", "std::vector<int, std::allocator<int> >", "&", "=", "#", "%", "%41", "!", "/", ">", "+", " ", "  @ ", "\u0000",
    "\n", "\u202e", "é", "漢字", "🙂", "<img src=x onerror=alert(1)>", "\"'`", "\\", "token=1", "operator/", "()", "[abi:cxx11]", "~",
];

function name(): string {
    return Array.from({ length: 1 + below(5) }, () => pick(...PIECES)).join("");
}

function symbol(): Symbol {
    return random() < 0.3 ? { function_name: name() } : { function_name: name(), binary: pick("", "app", "[kernel]", name()) };
}

function symbols(most: number): Symbol[] {
    return Array.from({ length: below(most + 1) }, symbol);
}

function range(): Range {
    const startNs = below(2 ** 31) * pick(1, 1000, 1e6);
    return pick<Range>(
        { kind: "all" },
        { kind: "fixed", startNs, endNs: startNs + 1 + below(1e9) },
        { kind: "last", seconds: 1 + below(600) },
    );
}

function link(): Link {
    return {
        scope: {
            run: pick(null, 1 + below(2 ** 31 - 1)),
            tid: pick(null, 1 + below(4e6)),
            mode: pick("on_cpu", "off_cpu", "wall"),
            reason: pick(null, below(REASONS.length)),
            range: range(),
            exclude: symbols(4),
            only: symbols(4),
            focus: pick(null, symbol()),
        },
        zoom: symbols(6),
        inverted: random() < 0.5,
        direction: pick("icicle", "flame"),
        order: pick("name", "heavy"),
        colour: pick("module", "self", "reason", "language"),
        query: pick(PLAIN.query, { text: pick("re:a", "case:", "text:re:", name()), regex: random() < 0.5, matchCase: random() < 0.5 }),
        tab: pick("code", "neighbors", "intervals", "cfg", "tree"),
        topSort: { by: pick("self", "total", "samples", "name", "binary"), descending: random() < 0.5 },
        chosen: pick(null, symbol()),
    };
}

test("1,000 random links come back as they were, through a browser's address", () => {
    for (let i = 0; i < 1000; i++) {
        const made = link();
        const hash = new URL(`http://127.0.0.1:8080/#${encodeLink(made)}`).hash;
        assert.deepEqual(decodeLink(hash), { link: made, ignored: [] }, hash);
        assert.doesNotMatch(hash, /[\s<>"`()']/);
    }
});

test("an address that says nothing, and one that people can read", () => {
    assert.equal(encodeLink(PLAIN), "");
    assert.deepEqual(decodeLink(""), { link: PLAIN, ignored: [] });
    const scope = {
        ...WHOLE,
        run: 7,
        tid: 5103,
        mode: "off_cpu" as const,
        reason: 1,
        range: { kind: "fixed" as const, startNs: 1_204_000_000, endNs: 3_870_000_000 },
        exclude: [{ function_name: "malloc", binary: "libc.so.6" }],
        focus: { function_name: "ns::decode" },
    };
    const zoom = [{ function_name: "main", binary: "app" }, { function_name: "run", binary: "app" }];
    const query = { text: "^dec", regex: true, matchCase: false };
    assert.equal(
        encodeLink({ ...PLAIN, scope, zoom, query }),
        "run=7&tid=5103&m=off&why=lock&t=1.204-3.87&x=malloc!libc.so.6&focus=ns::decode&z=main!app/run!app&q=re:%5Edec",
    );
});

test("what makes no sense is left out, and named", () => {
    const { link: read, ignored } = decodeLink(
        "#run=0&tid=1e3&m=cpus&why=hunger&t=3-2&t=x&last=-1&x=&x=a!b!c&only=%E0%A4&z=&inv=yes&dir=up&tab=../x&sort=age" +
            "&__proto__=1&constructor=2&toString&run=7&=&tid=99999999999",
    );
    assert.deepEqual(read, { ...PLAIN, scope: { ...WHOLE, run: 7 } });
    assert.deepEqual([...ignored].sort(), [
        "", "__proto__", "constructor", "dir", "inv", "last", "m", "only", "run", "sort", "t", "tab", "tid", "toString", "why", "x", "z",
    ]);
});

test("nothing is unbounded", () => {
    const many = Array.from({ length: MAX_SYMBOLS + 5 }, (_, i) => `x=f${i}`).join("&");
    assert.equal(decodeLink(many).link.scope.exclude.length, MAX_SYMBOLS);
    assert.deepEqual(decodeLink(many).ignored, ["x"]);
    assert.equal(decodeLink(`z=${"a/".repeat(5000)}a`).link.zoom.length, 0);
    assert.equal(decodeLink(`q=${"a".repeat(5000)}`).link.query.text, "");
    assert.equal(decodeLink("x=a&".repeat(1e5)).ignored.length, 1);
    const deep = Array.from({ length: 1000 }, (_, i) => ({ function_name: `${"n".repeat(200)}${i}`, binary: "app" }));
    const text = encodeLink({ ...PLAIN, zoom: deep, tab: "tree" });
    assert.equal(text, "tab=tree"); // better all of the tree than a link that nobody can open
});

test("half of a pair of surrogates does not break a link", () => {
    const text = encodeLink({ ...PLAIN, chosen: { function_name: "a\ud800b" } });
    assert.equal(decodeLink(text).link.chosen?.function_name, "a\ufffdb");
});

test("seconds with every digit of their nanoseconds", () => {
    const said: [number, string][] = [
        [0, "0"],
        [1, "0.000000001"],
        [1_204_000_000, "1.204"],
        [10e9, "10"],
        [9_007_199_254_740_991, "9007199.254740991"],
    ];
    said.forEach(([ns, text]) => assert.equal(exactSeconds(ns), text));
});
