#pragma once

// Reading from the copy of a stack.

#include "unwind/walk.h"

// How far behind the end of a copy something may be and still be called the same stack: as large
// as stacks usually are (the default of RLIMIT_STACK).
enum { MEMORY_SAME_STACK_BYTES = 8 << 20 };

// Why there is nothing at this address, which is not wholly in the copy.
static inline enum unwind_end memory_missing(const struct unwind_memory *memory, uint64_t addr,
                                             size_t n)
{
    uint64_t into = addr - memory->start_addr;
    bool behind = into < (uint64_t)memory->bytes.n + MEMORY_SAME_STACK_BYTES &&
                  into + n > memory->bytes.n;
    return behind && memory->cut ? UNWIND_TOO_SHORT : UNWIND_UNREADABLE;
}

// `n` <= 8 bytes as a little-endian number. False: `ret_why` says why it can't be read.
static inline bool memory_load(const struct unwind_memory *memory, uint64_t addr, size_t n,
                               uint64_t *ret, enum unwind_end *ret_why)
{
    uint64_t into = addr - memory->start_addr;
    if (into > memory->bytes.n || n > memory->bytes.n - into) {
        *ret_why = memory_missing(memory, addr, n);
        return false;
    }
    *ret = 0;
    memcpy(ret, memory->bytes.data + into, n);
    return true;
}

static inline bool regs_get(const struct unwind_regs *regs, uint64_t reg, uint64_t *ret)
{
    if (reg >= UNWIND_REGS || (regs->valid >> reg & 1) == 0) {
        return false;
    }
    *ret = regs->at[reg];
    return true;
}
