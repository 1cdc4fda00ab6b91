import assert from "node:assert/strict";
import { test } from "node:test";
import type { Annotated, AnnotatedLine } from "../src/lib/protocol";
import { Code, inlinedText, isCall, JUMP_LANES, jumpsOf, ROW_INSTRUCTION, ROW_SOURCE, tokens } from "../src/model/code";

function line(address: number, self: number, more: Partial<AnnotatedLine> = {}): AnnotatedLine {
    return {
        address: `0x${address.toString(16)}`,
        bytes: "90",
        text: "nop",
        is_data: false,
        self_samples: self,
        self_on_cpu_ns: self * 10,
        total_samples: self * 2,
        total_on_cpu_ns: self * 20,
        total_off_cpu_ns: 0,
        ...more,
    };
}

function answer(lines: AnnotatedLine[], more: Partial<Annotated> = {}): Annotated {
    return { listing: 1, first_line: 0, n_lines: lines.length, notes: [], versions: [], lines, ...more } as Annotated;
}

/** What a server sends to a subscriber when only numbers have changed. */
function difference(before: AnnotatedLine[], after: AnnotatedLine[], first: number): Annotated {
    const rows = after.map((_, i) => i).filter((i) => JSON.stringify(before[i]) !== JSON.stringify(after[i]));
    const { lines: _, ...head } = answer(after, { first_line: first });
    return {
        ...head,
        changed: {
            row: rows.map((i) => i + first),
            self_samples: rows.map((i) => after[i].self_samples),
            self_on_cpu_ns: rows.map((i) => after[i].self_on_cpu_ns),
            total_samples: rows.map((i) => after[i].total_samples),
            total_on_cpu_ns: rows.map((i) => after[i].total_on_cpu_ns),
            total_off_cpu_ns: rows.map((i) => after[i].total_off_cpu_ns),
        },
    };
}

// A sequence that is the same each time.
function dice(seed: number): (n: number) => number {
    let state = seed;
    return (n) => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 8) % n;
    };
}

test("changes on top of changes are what a whole answer would be", () => {
    const roll = dice(7);
    for (let stream = 0; stream < 100; stream++) {
        const first = roll(3) * 100;
        let now = Array.from({ length: 1 + roll(50) }, (_, i) => line(0x1000 + i, roll(5)));
        const code = new Code();
        assert.ok(code.apply(answer(now, { first_line: first })));
        for (let tick = 0; tick < 10; tick++) {
            const next = now.map((each, i) => (roll(4) === 0 ? line(0x1000 + i, each.self_samples + roll(9)) : each));
            assert.ok(code.apply(difference(now, next, first)));
            now = next;
        }
        const whole = new Code();
        whole.apply(answer(now, { first_line: first }));
        assert.deepEqual(code.heat, whole.heat);
    }
});

test("changes of rows that are not here, or of another listing, change nothing", () => {
    const code = new Code();
    const lines = [line(1, 1), line(2, 2)];
    assert.equal(code.apply(difference(lines, [line(1, 5), line(2, 2)], 0)), false);
    code.apply(answer(lines));
    const other = difference(lines, [line(1, 5), line(2, 2)], 0);
    assert.equal(code.apply({ ...other, listing: 2 }), false);
    other.changed!.row = [99999];
    assert.ok(code.apply(other));
    assert.deepEqual([...code.heat.selfSamples], [1, 2]);
});

test("lines of the source head instructions, with what is inlined there", () => {
    const code = new Code();
    const inlined = [{ function_name: "mix", call_file: "/src/div.c", call_line: 11 }];
    code.apply(
        answer([
            line(1, 0, { source_header: { file: "/src/div.c", line: 9, text: "for (;;)" } }),
            line(2, 3),
            line(3, 0, { source_header: { file: "/src/div.c", line: 5 }, inlined }),
            line(4, 0, { source_header: { file: "", line: 0 }, inlined: [] }),
        ]),
    );
    assert.deepEqual([...code.rowKind], [1, 0, 0, 1, 0, 1, 0].map((k) => (k === 1 ? ROW_SOURCE : ROW_INSTRUCTION)));
    assert.deepEqual([...code.rowLine], [0, 0, 1, 2, 2, 3, 3]);
    assert.equal(code.rowOf(2), 4);
    assert.equal(code.source(1)?.line, 9);
    assert.equal(code.source(3), null);
    assert.equal(inlinedText(code.inlined(2)), "mix at div.c:11");
    assert.equal(inlinedText(code.inlined(3)), "");
    code.setSource(false);
    assert.equal(code.rows, 4);
    assert.equal(code.rowOf(2), 2);
});

test("the hottest lines, and of a function that only calls, those that call", () => {
    const code = new Code();
    code.apply(answer([line(1, 1), line(2, 9), line(3, 0), line(4, 5)]));
    assert.deepEqual(code.heat.hottest(2), [1, 3]);
    code.apply(answer([line(1, 0), line(2, 0, { total_samples: 4 })], { listing: 2 }));
    assert.deepEqual(code.heat.hottest(9), [1]);
});

test("jumps that overlap take lanes of their own, and those without room are stubs", () => {
    const nested = Array.from({ length: 40 }, (_, i) =>
        line(i, 0, i < 20 ? { text: "jne", target_address: `0x${(39 - i).toString(16)}` } : {}),
    );
    const jumps = jumpsOf(nested);
    assert.equal(jumps.length, 20);
    assert.deepEqual(jumps.slice(0, JUMP_LANES).map((jump) => jump.lane), [0, 1, 2, 3, 4, 5]);
    assert.ok(jumps.slice(JUMP_LANES).every((jump) => jump.lane === -1));
    for (const a of jumps) {
        for (const b of jumps) {
            const isBefore = (x: typeof a, y: typeof a) => Math.max(x.from, x.to) < Math.min(y.from, y.to);
            const apart = isBefore(a, b) || isBefore(b, a);
            assert.ok(a === b || a.lane !== b.lane || a.lane < 0 || apart);
        }
    }
});

test("a call is no jump, not even to the function itself", () => {
    const code = [line(1, 0), line(2, 0, { text: "call 0x1", target_address: "0x1" })];
    assert.deepEqual(jumpsOf(code), []);
    for (const text of ["call rax", "callq 0x10", "bnd call 0x1", "bl 0x4", "blr x3", "blraaz x1"]) {
        assert.ok(isCall(text), text);
    }
    for (const text of ["b 0x10", "bls 0x4", "b.le 0x10", "blsr eax, eax", "jmp 0x1", "blendps xmm0, xmm1, 1"]) {
        assert.ok(!isCall(text), text);
    }
});

test("pieces of an instruction are all of it", () => {
    const texts = [
        "lock cmpxchg qword ptr [rdi + 8*rax - 0x10], rsi",
        "movq\t%rax, 0x8(%rdi)",
        "ldr x0, [x1, #0x20]!",
        "b.ne 0x401136 <main+0x10>",
        "<script>alert(1)</script>",
        "",
        "<",
    ];
    for (const text of texts) {
        assert.equal(tokens(text).map((token) => token[1]).join(""), text);
    }
    assert.deepEqual(tokens("lock xadd dword ptr [rdi], eax").slice(0, 7), [
        ["mnemonic", "lock"],
        ["", " "],
        ["mnemonic", "xadd"],
        ["", " "],
        ["keyword", "dword"],
        ["", " "],
        ["keyword", "ptr"],
    ]);
    assert.deepEqual(tokens("mov x0, #0x20").slice(-1), [["number", "#0x20"]]);
});
