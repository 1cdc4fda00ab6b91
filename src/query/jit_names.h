#pragma once

// Which function of a JIT lies at an address of a process, in an epoch.
//
// Memory of a JIT holds one function after another. A frame in it is an address and an epoch, a
// short stretch of time (run/jit_code.h), not a moment. So the question is: of the functions that
// have been at this address, which one was there for the longest part of that epoch? The first one
// of those that were equally long.
//
// A function is at its addresses from when it was loaded until it ended, or until another one was
// loaded there.
//
//     epoch             ├────────────────┤
//     codes   ── a ─────────┤├──── b ──────────       the answer is b
//
// Codes may become known in any order and long after their time; what is known of an epoch may
// change with each. Answers are about the prefix of the store's codes that the index has taken.
//
// A hostile JIT may pile up functions at one address without end: after JIT_NAMES_STEPS of them
// the search gives up, and the frame has no name, or an older one.
//
// Belongs to the query thread.

#include "base/vec.h"
#include "store/store.h"

enum { JIT_NAMES_STEPS = 4096, JIT_NAMES_CANDIDATES = 64 };

struct jit_names_entry {
    uint64_t start;
    uint64_t end;
    uint64_t reach; // the highest end of this and all earlier entries of its process
    process_id process;
    uint32_t code;
};

// All zero: empty.
struct jit_names {
    VEC(struct jit_names_entry) entries; // by process, then by start, then by row
    VEC(struct jit_names_entry) fresh;   // likewise: those that the last refresh has taken
    uint64_t fresh_ns;                   // when the first of these was loaded
    uint32_t n_codes;                    // that it has taken
};

void jit_names_fini(struct jit_names *names);

// Takes what is new. False when there is nothing.
bool jit_names_refresh(struct jit_names *names, const struct store *store);

// Whether what the last refresh has taken may be the answer at that address, in such an epoch.
bool jit_names_is_touched(const struct jit_names *names, process_id process, uint64_t addr,
                          uint64_t until_ns);

// A row of the store's codes, or CODE_NONE.
uint32_t jit_names_find(const struct jit_names *names, const struct store *store,
                        process_id process, uint64_t addr, uint64_t since_ns, uint64_t until_ns);

// All rows that were at that address of a process at any time: start with `*cursor` = 0 and call
// until CODE_NONE. After JIT_NAMES_STEPS that are not it gives up.
uint32_t jit_names_next_at(const struct jit_names *names, process_id process, uint64_t addr,
                           size_t *cursor);
