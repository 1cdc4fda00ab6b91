#pragma once

// The walk: from the registers and a copy of the stack to the callers, one frame after another.
//
//     registers ──find(pc)──► rule ──► CFA, return address, saved registers ──► registers of the
//        ▲                                                                       caller
//        └───────────────────────────────────────────────────────────────────────────┘
//
// Where there is no rule for a pc, the frame pointer is followed if it looks like one: code of a
// JIT and hand-written code often keep it. A walk is *complete* when it comes to a frame that is
// marked as the outermost one (an undefined return address: _start, clone), to a caller's frame
// pointer of 0 in code without rules (what both psABIs ask of the outermost frame), or to the start
// of a function that nobody called (where a stack was made by hand). Otherwise it says why it
// ended.
//
// Nothing is believed: registers, stack and rules may come from a hostile target. Every step needs
// memory of the copy and goes outwards (the stack pointer grows; only the frame of a signal may
// lead to another stack); there are at most `max` of them.
//
// Separate from files and processes: rules come from `find`, memory from the copy.

#include "unwind/cfi.h"

struct unwind_regs {
    uint64_t valid; // bit n: at[n] is known
    uint64_t at[UNWIND_REGS];
};

// Bytes of the target's memory as of the moment of the registers.
struct unwind_memory {
    uint64_t start_addr;
    struct slice bytes;
    bool cut; // the stack went on behind it: a longer copy would have more
};

// What is known of the code at an address.
struct unwind_code {
    const struct cfi_rule *rule;   // NULL: none
    const struct cfi_table *table; // of the rule, for its expressions
    uint32_t owner;                // whose code it is, handed back where a walk ends
    bool is_code;                  // something executable is mapped there
    bool pending;                  // there may be a rule, but it is not known yet
};

typedef struct unwind_code (*unwind_find_fn)(void *context, uint64_t addr);

enum unwind_end {
    UNWIND_COMPLETE,
    UNWIND_NO_CFI,     // no rule for this code, and no frame pointer either
    UNWIND_TOO_SHORT,  // needs memory behind a copy that was cut
    UNWIND_UNREADABLE, // needs memory that is not in the copy (another stack), or a lost register
    UNWIND_BAD_CFI,    // the rule makes no sense: it leads inwards, or its expression fails
    UNWIND_NO_CODE,    // the return address leads to memory that is no code
    UNWIND_TOO_DEEP,   // more than `max` frames
    UNWIND_PENDING,    // the rules of this code are still being read
};

struct unwind_result {
    uint32_t n; // addresses written
    enum unwind_end end;
    uint32_t owner; // of the code that it ended in; 0 when nobody's
    uint32_t n_fp;  // steps that followed the frame pointer
};

// Writes addresses from the leaf outwards, as event_stack has them: the first is where the thread
// was; the others are return addresses. (Of a caller that a signal interrupted: one more than its
// address, so that "one less" is it.) `max` > 0. At least the leaf is written if the pc is known.
struct unwind_result unwind_walk(enum unwind_arch arch, const struct unwind_regs *regs,
                                 const struct unwind_memory *memory, unwind_find_fn find,
                                 void *context, uint64_t *addrs, uint32_t max);
