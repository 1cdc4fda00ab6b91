#pragma once

// What one instruction does to registers, memory and flags, in the few words that it takes to
// follow the address of a `switch` (path.h). Whatever else an instruction does is STEP_OTHER: it
// only says what is not known any more behind it.
//
//     movsxd rax, [rdx+rax*4]     LOAD     rax = 4 bytes, signed, at rdx + rax*4
//     add    x1, x2, w1, sxtb #2  ADDRESS  x1 = x2 + (low byte of x1, signed, << 2)
//     cmp    edi, 7               COMPARE  4 bytes of rdi with 7
//     imul   eax, ebx             OTHER    changes rax, flags
//
// Registers have the numbers that instructions give them: 0 to 15 on x86-64, 0 to 30 and 31 for the
// stack pointer on AArch64. Parts of registers (`eax`, `w1`) are the register with a number of
// bytes.

#include "base/arch.h"
#include "base/bytes.h"

enum { STEP_REGISTERS = 32, REGISTER_NONE = 0xff };

enum step_kind {
    STEP_OTHER,
    STEP_ADDRESS, // to = sum
    STEP_COPY,    // to = part
    STEP_LOAD,    // to = part.bytes of memory at sum
    STEP_STORE,   // part to memory at sum; of no register: part.bytes of whatever
    STEP_MASK,    // to = part & number
    STEP_SHIFT,   // to = part >> number, unsigned
    STEP_COMPARE, // part, or part.bytes at sum when it is of no register, with number or `other`
    STEP_JUMP,    // to where part says, or 8 bytes at sum when it is of no register
    STEP_BRANCH,  // by flags or whatever
};

enum step_condition {
    CONDITION_OTHER,
    CONDITION_ABOVE, // unsigned: of what was compared last, the left is above the right
    CONDITION_ABOVE_EQUAL,
    CONDITION_BELOW,
    CONDITION_BELOW_EQUAL,
};

// The low bytes of a register, extended.
struct step_part {
    uint8_t reg; // or REGISTER_NONE
    uint8_t bytes;
    bool is_signed;
};

// base + (index << shift) + number; each register may be none.
struct step_sum {
    uint8_t base;
    struct step_part index;
    uint8_t shift;
    uint64_t number;
};

enum step_memory { MEMORY_KEPT, MEMORY_OF_STACK, MEMORY_ANYWHERE };

struct step {
    enum step_kind kind;
    enum step_condition condition;
    uint8_t to;       // also of STEP_OTHER and STEP_COMPARE, when there is one result
    uint8_t to_bytes; // 8, or 4: the upper ones become 0; fewer: they stay
    struct step_part part;
    uint8_t other; // register, as wide as part; REGISTER_NONE: `number`
    struct step_sum sum;
    uint64_t number;
    uint32_t changes; // registers, one bit each, `to` among them
    bool changes_flags;
    enum step_memory changes_memory; // beside what STEP_STORE says
    uint8_t stack;                   // the register that is the stack pointer
};

// Of one instruction at `addr`, which is not data.
struct step step_of(enum arch arch, struct slice bytes, uint64_t addr);

struct step step_x86(struct slice bytes, uint64_t addr);
struct step step_aarch64(struct slice bytes, uint64_t addr);

// One about which nothing is known: it changes everything.
struct step step_unknown(void);
