#pragma once

// Where threads were when they woke others, for the wakeups without a stack.
//
// A backend takes stacks of some wakeups only. The others get the stack of the last one by the same
// waker, of the same wakee if there was one, and are marked approximate. It is a cache of fixed
// size: what falls into a used slot replaces it, and what was forgotten has no stack.

#include "base/map.h"
#include "store/store.h"

enum { WAKER_STACKS_BITS = 13 };

struct waker_slot {
    thread_id waker;
    thread_id wakee; // THREAD_NONE: whomever
    stack_id stack;  // STACK_ROOT: the slot is free
};

struct waker_stacks {
    struct waker_slot slots[1 << WAKER_STACKS_BITS];
};

static inline struct waker_slot *waker_stacks_slot(struct waker_stacks *stacks, thread_id waker,
                                                   thread_id wakee)
{
    return &stacks->slots[hash_pair(waker, wakee) >> (64 - WAKER_STACKS_BITS)];
}

static inline void waker_stacks_put(struct waker_stacks *stacks, thread_id waker, thread_id wakee,
                                    stack_id stack)
{
    *waker_stacks_slot(stacks, waker, wakee) = (struct waker_slot){waker, wakee, stack};
    *waker_stacks_slot(stacks, waker, THREAD_NONE) = (struct waker_slot){waker, THREAD_NONE, stack};
}

// STACK_ROOT when there is none.
static inline stack_id waker_stacks_find(struct waker_stacks *stacks, thread_id waker,
                                         thread_id wakee)
{
    const struct waker_slot *slot = waker_stacks_slot(stacks, waker, wakee);
    if (slot->waker != waker || slot->wakee != wakee || slot->stack == STACK_ROOT) {
        slot = waker_stacks_slot(stacks, waker, THREAD_NONE);
    }
    bool same = slot->waker == waker && (slot->wakee == wakee || slot->wakee == THREAD_NONE);
    return same ? slot->stack : STACK_ROOT;
}
