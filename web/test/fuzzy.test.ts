import assert from "node:assert/strict";
import { test } from "node:test";
import { fit } from "../src/lib/fuzzy";

test("what stands together, and begins a word, fits best", () => {
    const names = ["rehash", "hash_table", "do_hash", "Handle a Slow Host", "Light, dark, or as the system", "hush"];
    const order = names.filter((name) => fit("hash", name) >= 0).sort((a, b) => fit("hash", b) - fit("hash", a));
    assert.deepEqual(order, ["hash_table", "do_hash", "rehash", "Handle a Slow Host"]);
    assert.ok(fit("dt", "decode_table") >= 0);
    assert.ok(fit("gfs", "getFileSize") >= 0);
    assert.equal(fit("xyz", "decode_table"), -1);
});
