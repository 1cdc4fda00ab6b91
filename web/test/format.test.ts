import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../src/lib/format";

const plain = (text: string) => text.replace(/\u00a0/g, " ");

test("times are said in the unit that fits, with three digits", () => {
    const said: [number, string][] = [
        [0, "0 ms"],
        [1, "1 ns"],
        [999, "999 ns"],
        [1500, "1.50 µs"],
        [999_499, "999 µs"],
        [999_500, "1.00 ms"],
        [12_340_000, "12.3 ms"],
        [340_000_000, "340 ms"],
        [999_499_999, "999 ms"],
        [999_500_000, "1.00 s"],
        [8_420_000_000, "8.42 s"],
        [99_949_000_000, "99.9 s"],
        [99_950_000_000, "100 s"],
        [-1_500_000, "-1.50 ms"],
    ];
    said.forEach(([ns, text]) => assert.equal(plain(format.time(ns)), text));
});

test("a share that is there is never 0.0 %", () => {
    assert.equal(plain(format.percent(0)), "0.0 %");
    assert.equal(plain(format.percent(0.0001)), "<0.1 %");
    assert.equal(plain(format.percent(0.342)), "34.2 %");
    assert.equal(plain(format.percent(1)), "100.0 %");
    assert.equal(format.percent(NaN), "–");
    assert.equal(format.percentOf(1, 0), "–");
});

test("counts and sizes", () => {
    const said: [number, string][] = [
        [0, "0"],
        [1234, "1,234"],
        [9999, "9,999"],
        [10_000, "10.0 k"],
        [999_499, "999 k"],
        [999_500, "1.00 M"],
        [1_234_567, "1.23 M"],
        [5e9, "5.00 G"],
    ];
    said.forEach(([n, text]) => assert.equal(plain(format.count(n)), text));
    assert.equal(format.exact(1_234_567), "1,234,567");
    assert.equal(format.milliseconds(8_420_123_456), "8,420.1");
    assert.equal(plain(format.bytes(1023)), "1023 B");
    assert.equal(plain(format.bytes(4096)), "4.00 KB");
    assert.equal(plain(format.bytes(1.2 * 1024 * 1024)), "1.20 MB");
    assert.equal(format.plural(1, "sample"), "1 sample");
    assert.equal(format.plural(2, "sample"), "2 samples");
});

test("a span has places enough to tell its ends apart", () => {
    assert.equal(plain(format.span(1.204e9, 3.87e9)), "1.20–3.87 s");
    assert.equal(plain(format.span(1.2e9, 1.2015e9)), "1.20000–1.20150 s");
    assert.equal(plain(format.span(0, 0)), "0.000000000–0.000000000 s");
});

test("a clock", () => {
    assert.equal(format.clock(42.84e9), "00:42.8");
    assert.equal(format.clock(3723e9), "1:02:03");
});

test("names: nothing unseen, nothing that turns text around, both ends of long ones", () => {
    assert.equal(format.visible("a\u0000b\u202ec\n"), "a\\x00b\\u202ec\\x0a");
    assert.equal(format.visible("std::vector<T>"), "std::vector<T>");
    assert.equal(format.shorten("abcdefghij", 10), "abcdefghij");
    assert.equal(format.shorten("abcdefghijk", 10), "abcdef…ijk");
    assert.ok(format.shorten("x".repeat(1e6), 40).length === 40);
});
