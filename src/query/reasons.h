#pragma once

// Why a thread waits, told by the names on its stack.
//
// The kernel function in which it waits says most of it, but not all: a mutex, a semaphore and a
// condition variable wait in the same one, and there the user's functions decide. So the stack is
// read from the leaf outwards, and the first function that the table knows decides; a function that
// is known to be ambiguous (a futex, a page that is waited for) sets what holds if no other one
// decides. The table stands in reasons_table.c, and is printed into docs/waiting.md.
//
// Functions that are inlined somewhere don't count: a reason does not depend on whether there is
// debug information.
//
// Names may come late: reasons are looked up when an answer is made, once per stack, and again when
// names change. Suffixes that compilers add (`.constprop.0`, `.isra.0`) do not count.
//
// Belongs to the query thread.

#include "event/event.h"
#include "query/names.h"

struct reasons {
    const struct names *names;
    uint64_t names_version;
    struct map exact;       // hash of a name of the table -> its number; see reasons.c
    VEC(uint32_t) prefixes; // numbers of the names that end in `*`
    VEC(uint8_t)
    of_function;           // by function_id: group of the table, plus two; 1: none of it; 0: not
                           // looked up
    VEC(uint8_t) of_stack; // by stack_id: enum event_reason plus one; 0: not looked up
    VEC(stack_id) waiting; // by stack_id: reasons_waiting_stack() plus one; 0: not looked up
};

void reasons_init(struct reasons *reasons, const struct names *names);
void reasons_fini(struct reasons *reasons);

// Of a wait with this stack that has no reason of its own. The stack's frames are covered by
// `names`.
enum event_reason reasons_of_stack(struct reasons *reasons, stack_id stack);

// Of a wait of which only the kernel function is known, by name. EVENT_REASON_OTHER when the table
// does not know it.
enum event_reason reasons_of_place(struct reasons *reasons, struct slice place);

// The reason of a row: its own, or the one that its stack tells.
static inline enum event_reason reasons_of(struct reasons *reasons, uint8_t reason, stack_id stack)
{
    return reason == REASON_BY_STACK ? reasons_of_stack(reasons, stack) : (enum event_reason)reason;
}

// The stack without the innermost functions that belong to switching itself (`schedule`,
// `__schedule`, `schedule_timeout`, …): its leaf is the function that waits.
stack_id reasons_waiting_stack(struct reasons *reasons, stack_id stack);

// Whether a waker with this stack was an interrupt that came while a thread ran.
bool reasons_is_interrupt(struct reasons *reasons, stack_id stack);

// Whether a sample with this stack was taken in an interrupt, or on the way out of one: time that
// the machine took, and not the program.
bool reasons_in_interrupt(struct reasons *reasons, stack_id stack);

// The innermost function that people would name as the waker: of the program itself if there is
// one, else of another user binary, else of the kernel. NULL for the empty stack.
const struct function *reasons_waker_function(struct reasons *reasons, stack_id stack);
