import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { commandOf, functionWord, quote, scopeWords } from "../src/model/command";
import { WHOLE, type Scope } from "../src/model/scope";

const scope: Scope = {
    run: null,
    tid: 5103,
    mode: "off_cpu",
    reason: 2,
    range: { kind: "fixed", startNs: 1_200_000_000, endNs: 3_870_000_001 },
    exclude: [{ function_name: "malloc", binary: "libc.so.6" }, { function_name: "it's <T>" }],
    only: [{ function_name: "parse" }],
    focus: { function_name: "decode", binary: "app" },
};

test("a scope as a command", () => {
    assert.equal(
        commandOf("top", scope, 7, 0),
        "stax top --off-cpu --reason sem --run 7 --tid 5103 --from 1.2 --to 3.870000001 " +
            "--exclude 'malloc @ libc.so.6' --exclude 'it'\\''s <T>' --only parse --focus 'decode @ app'",
    );
    assert.equal(commandOf("flame", WHOLE, null, 0), "stax flame");
    assert.equal(commandOf("top", { ...WHOLE, mode: "wall" }, 7, 0), "stax top --wall --run 7");
    const last: Scope = { ...WHOLE, range: { kind: "last", seconds: 10 } };
    assert.equal(commandOf("top", last, 7, 42.5e9), "stax top --run 7 --from 32.5");
    assert.equal(commandOf("top", last, 7, 2e9), "stax top --run 7 --from 0");
});

// As src/cli/scope.h says: ` @ ` splits; one within a name has one more `@`.
test("functions with an @ in them", () => {
    const said: [string, string | undefined, string][] = [
        ["memcpy@@GLIBC_2.14", undefined, "memcpy@@GLIBC_2.14"],
        ["a @ b", undefined, "a @@ b"],
        ["a @ b", "c", "a @@ b @ c"],
        ["a @@ b", "c", "a @@@ b @ c"],
        ["a @", "c", "a @@ @ c"],
        ["a", "@ c", "a @ @@ c"],
        ["@ a", undefined, "@ a"],
    ];
    said.forEach(([function_name, binary, text]) => {
        assert.equal(functionWord(binary === undefined ? { function_name } : { function_name, binary }), text);
    });
});

test("a shell reads the words that were meant, and runs none of them", () => {
    const hostile = ["$(touch x)", "`id`", "a;b", "a\nb", "-rf", "*", "~", "a'b\"c", "\u001b[201~\nrm -rf /", "\\", "ü🙂", "!x", "a\\'b\u0007"];
    for (const shell of ["bash"]) {
        for (const text of hostile) {
            const done = spawnSync(shell, ["-c", `printf %s ${quote(text)}`]);
            assert.equal(done.stdout.toString(), text, JSON.stringify(text));
        }
    }
});

test("no control character reaches the terminal that a command is pasted into", () => {
    const words = scopeWords({ ...WHOLE, focus: { function_name: "a\u001b[201~\n\u0000\u009bx" } }, null, 0);
    assert.doesNotMatch(words.map(quote).join(" "), /[\u0000-\u001f\u007f-\u009f]/);
});
