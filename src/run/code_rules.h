#pragma once

// How to unwind the code that a process makes at run time: tables of rules by address, as a JIT
// hands them out with its functions (jitdump).
//
// Ranges never overlap: a function takes the place of all that it covers a part of. What one
// process may have of them is bounded (LIMIT_JIT_RULES, LIMIT_JIT_RULES_BYTES); what comes later
// has none, and is walked by its frame pointer, if it keeps one.
//
// Owned by the capture thread.

#include "base/vec.h"
#include "unwind/cfi.h"

struct code_range {
    uint64_t start;
    uint64_t end;
    uint32_t n_bytes;        // that the rules were made of
    struct cfi_table *table; // its offsets count from `start`
};

struct code_rules {
    VEC(struct code_range) ranges; // sorted
    uint64_t n_bytes;
    uint64_t generation; // rises with every change
};

void code_rules_clear(struct code_rules *rules);
void code_rules_fini(struct code_rules *rules);

// `eh_frame` is that of one function, without a header; it counts its addresses as if it stood
// right behind the code, at the next multiple of 8: that is how a jitdump has it. Empty: only takes
// away what was there. False: it is not used, since it is too much.
bool code_rules_add(struct code_rules *rules, enum unwind_arch arch, uint64_t addr,
                    uint64_t size_bytes, struct slice eh_frame);

// The table for this address and the offset in it, or NULL.
const struct cfi_table *code_rules_find(const struct code_rules *rules, uint64_t addr,
                                        uint64_t *ret_off);
