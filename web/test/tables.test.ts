import assert from "node:assert/strict";
import { test } from "node:test";
import { Frames, KIND_MISSING } from "../src/model/frames";
import { Tables } from "../src/model/tables";
import { findRow } from "../src/panels/VirtualRows";

test("a function is asked for by its address, else by its name", () => {
    const frames = new Frames();
    const tables = new Tables(frames);
    const known = frames.add("f", "app", 0, "c", false, "0x10");
    const inlined = frames.add("g", "app", 0, "c", true, "0x0");
    const gap = frames.add("[truncated: lost]", "", KIND_MISSING);
    assert.deepEqual(tables.asked(known), { address: "0x10" });
    assert.deepEqual(tables.asked(inlined), { name: "g" });
    assert.equal(tables.asked(gap), null);
    assert.equal(tables.asked(Frames.ROOT), null);
    tables.setExact(known, "0x20");
    assert.deepEqual(tables.asked(known), { address: "0x20" });
});

test("an address that leads to another function is given up, until there is another run", () => {
    const frames = new Frames();
    const tables = new Tables(frames);
    const frame = frames.add("f", "app", 0, "c", false, "0x10");
    tables.checkAnswer(frame, { function_name: "f", binary: "app" });
    assert.deepEqual(tables.asked(frame), { address: "0x10" });
    tables.checkAnswer(frame, { function_name: "other", binary: "app" });
    assert.deepEqual(tables.asked(frame), { name: "f" });
    tables.checkAnswer(frame, { function_name: "foo", binary: "app" });
    assert.deepEqual(tables.asked(frame), { name: "f" });
    tables.forgetAddresses();
    tables.checkAnswer(frame, null);
    assert.deepEqual(tables.asked(frame), { name: "f" });
});

test("finding a row: what begins with it goes before what has it inside", () => {
    const names = ["main", "remap", "Map::insert", "fold"];
    const find = (text: string, from: number) => findRow(text, from, names.length, (i) => names[i]);
    assert.equal(find("map", 0), 2);
    assert.equal(find("ma", 1), 2);
    assert.equal(find("ap", 0), 1);
    assert.equal(find("f", 3), 3);
    assert.equal(find("zzz", 0), -1);
});
