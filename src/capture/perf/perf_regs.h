#pragma once

// Registers of a sample: which ones to ask the kernel for, and from its order to DWARF's.
//
// The kernel numbers user registers its own way (asm/perf_regs.h of each architecture). A mask of
// those numbers chooses some, and their values then stand in a sample in rising order of them. We
// ask for every register that unwinding may need and that DWARF has a number for:
//
//     x86-64    kernel  ax bx cx dx si di bp sp ip · flags and segments · r8 … r15
//               DWARF   rax rdx rcx rbx rsi rdi rbp rsp r8 … r15, return address (psABI fig. 3.36)
//     AArch64   kernel  x0 … x29 lr sp pc, and DWARF has the same order; 32 is our number for pc
//
// Somebody else's recording may hold others; what has no number of DWARF then goes to a place that
// is nobody's.
//
// Pure. Both tables are compiled on every machine.

#include "event/event.h"

enum {
    PERF_REGS_MAX = 64, // bits of a mask
    PERF_REGS_NOBODY = EVENT_REGS_MAX - 1,
};

struct perf_regs {
    enum event_arch arch;
    uint64_t mask;                // attr.sample_regs_user
    uint64_t valid;               // event_regs.valid
    uint8_t n;                    // values in a sample
    uint8_t dwarf[PERF_REGS_MAX]; // of the first, second … value; PERF_REGS_NOBODY: none
};

extern const struct perf_regs perf_regs_x86_64;
extern const struct perf_regs perf_regs_aarch64;

// That of the machine we run on; NULL when it is none of these.
const struct perf_regs *perf_regs_of_host(void);

// The table of any mask of kernel numbers. False for an architecture that we do not know.
bool perf_regs_of_mask(enum event_arch arch, uint64_t mask, struct perf_regs *ret);

// `values` are table->n words of 64 bits, in any alignment.
void perf_regs_convert(const struct perf_regs *table, struct slice values, struct event_regs *ret);
