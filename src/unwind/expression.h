#pragma once

// DWARF expressions (DWARF 5 section 2.5), as far as unwinding information has them: a program for
// a stack of numbers that begins with registers and memory, and whose last number is the answer.
//
//     breg7+8  breg16+0  lit15  and  lit11  ge  lit3  shl  plus      of each PLT: where its CFA is
//
// Most of those that compilers write are much simpler; expression_simplify() recognises them, so
// that they become plain rules. The others run in a machine with a bounded stack and a budget.

#include "unwind/walk.h"

// What a simple expression yields: `base` + off, or, `loaded`, the memory there, + add.
struct expression_shape {
    bool of_cfa;  // relative to the CFA; otherwise to the register
    uint64_t reg; // any number that a file may write
    int64_t off;
    bool loaded;
    int64_t add; // of a loaded one
};

// False: it is none of the simple ones. `from_cfa`: the stack begins with the CFA on it.
bool expression_simplify(struct slice code, bool from_cfa, struct expression_shape *ret);

struct expression_input {
    const struct unwind_regs *regs;
    const struct unwind_memory *memory;
    bool from_cfa;
    uint64_t cfa;
};

// Runs it. False: `ret_why` is why the walk has to end: UNWIND_BAD_CFI, or that it needs something
// that is not known. Takes what it used from `*budget` (operations); an empty one is a failure.
bool expression_run(struct slice code, const struct expression_input *input, uint32_t *budget,
                    uint64_t *ret, enum unwind_end *ret_why);
