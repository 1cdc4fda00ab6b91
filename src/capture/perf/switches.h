#pragma once

// Brings the stacks of switch-outs together with the switch-outs.
//
//     sample of context-switches   where the thread was ─┐ same ring, same thread, microseconds
//     PERF_RECORD_SWITCH (out)     that it left, and why ─┴──► one EVENT_SWITCH_OUT
//
// The kernel writes the two one after the other, with interrupts off. The samples come in frequency
// mode, so many a switch-out has none. If anything else of the thread comes first, or records of
// the ring were lost, the switch-out of the sample is not to be had any more, and the stack is
// dropped: a later switch-out has another one.
//
// Pure, but for its own memory. Owned by the capture thread.

#include "capture/perf/held_stack.h"

struct switches {
    struct held_stack *by_ring;
    uint32_t n_rings;
};

void switches_init(struct switches *switches, uint32_t n_rings);
void switches_fini(struct switches *switches); // accepts a zeroed one

// A sample that says where a thread is about to leave its CPU. There may be two of one switch-out,
// by two events (deep.h): that with the longer copy is kept.
void switches_hold(struct switches *switches, uint32_t ring, uint32_t tid,
                   const struct event_stack *stack);

// Any other event, written by the thread `tid`. Gives a switch-out its stack, valid until the next
// call.
void switches_complete(struct switches *switches, uint32_t ring, uint32_t tid, struct event *event);

// A record that is no event; `tid` 0: records are missing here.
void switches_drop(struct switches *switches, uint32_t ring, uint32_t tid);
