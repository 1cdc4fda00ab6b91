#include "capture/perf/switches.h"

#include "base/alloc.h"

#include <stdlib.h>

void switches_init(struct switches *switches, uint32_t n_rings)
{
    *switches = (struct switches){.n_rings = n_rings};
    switches->by_ring = NEW_ARRAY(struct held_stack, n_rings);
}

void switches_fini(struct switches *switches)
{
    for (uint32_t i = 0; i < switches->n_rings; i++) {
        held_stack_fini(&switches->by_ring[i]);
    }
    free(switches->by_ring);
    *switches = (struct switches){0};
}

void switches_hold(struct switches *switches, uint32_t ring, uint32_t tid,
                   const struct event_stack *stack)
{
    struct held_stack *held = &switches->by_ring[ring];
    bool has_longer = held->held && held->tid == tid && held->copy.n > stack->copy.n;
    if (!has_longer) {
        held_stack_set(held, tid, 0, stack);
    }
}

void switches_drop(struct switches *switches, uint32_t ring, uint32_t tid)
{
    struct held_stack *held = &switches->by_ring[ring];
    held->held = held->held && tid != 0 && held->tid != tid;
}

void switches_complete(struct switches *switches, uint32_t ring, uint32_t tid, struct event *event)
{
    struct held_stack *held = &switches->by_ring[ring];
    if (!held->held) {
        return;
    }
    if (event->kind == EVENT_SWITCH_OUT) {
        event->switch_out.has_stack = held_stack_take(held, tid, 0, &event->switch_out.stack);
    } else {
        switches_drop(switches, ring, event->kind == EVENT_LOST ? 0 : tid);
    }
}
