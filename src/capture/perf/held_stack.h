#pragma once

// A stack that waits for the record it belongs to.
//
// The kernel tells some facts in two records of one ring: where a thread was, and what happened
// there. The memory of a ring is only lent, so the first one is copied. One stack per ring is
// enough: the two are written one after the other.

#include "base/limits.h"
#include "base/vec.h"
#include "event/event.h"

struct held_stack {
    bool held;
    bool chain_cut;
    uint32_t tid;      // of the thread that wrote it
    uint32_t with_tid; // of a second thread that it is about; 0: none
    uint32_t n_kernel;
    uint32_t n_user;
    uint64_t addrs[2 * LIMIT_STACK_DEPTH];
    bool has_regs;
    bool copy_cut;
    struct event_regs regs;
    VEC(uint8_t) copy; // keeps its room, at most that of a record
};

void held_stack_fini(struct held_stack *held); // accepts a zeroed one

// Copies the stack, in place of what was held before.
void held_stack_set(struct held_stack *held, uint32_t tid, uint32_t with_tid,
                    const struct event_stack *stack);

// If it is this thread's (and about `with_tid`), its stack, which stays valid until the next
// held_stack_set(); it is no longer held then. False leaves everything as it was.
bool held_stack_take(struct held_stack *held, uint32_t tid, uint32_t with_tid,
                     struct event_stack *ret);
