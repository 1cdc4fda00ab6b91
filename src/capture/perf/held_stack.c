#include "capture/perf/held_stack.h"

#include <string.h>

void held_stack_fini(struct held_stack *held)
{
    vec_fini(&held->copy);
    *held = (struct held_stack){0};
}

static uint32_t copy_addrs(uint64_t *to, const uint64_t *from, uint32_t n, bool *cut)
{
    *cut = *cut || n > LIMIT_STACK_DEPTH;
    n = MIN(n, (uint32_t)LIMIT_STACK_DEPTH);
    if (n > 0) {
        memcpy(to, from, n * sizeof *to);
    }
    return n;
}

static void copy_memory(struct held_stack *held, const struct event_stack *stack)
{
    held->has_regs = stack->regs != NULL;
    held->copy_cut = stack->copy_cut;
    vec_clear(&held->copy);
    if (!held->has_regs) {
        return;
    }
    held->regs = *stack->regs;
    vec_reserve(&held->copy, stack->copy.n);
    if (stack->copy.n > 0) {
        memcpy(held->copy.at, stack->copy.data, stack->copy.n);
        held->copy.n = stack->copy.n;
    }
}

void held_stack_set(struct held_stack *held, uint32_t tid, uint32_t with_tid,
                    const struct event_stack *stack)
{
    held->held = true;
    held->tid = tid;
    held->with_tid = with_tid;
    held->chain_cut = stack->chain_cut;
    held->n_kernel = copy_addrs(held->addrs, stack->kernel, stack->n_kernel, &held->chain_cut);
    held->n_user = copy_addrs(held->addrs + held->n_kernel, stack->user, stack->n_user,
                              &held->chain_cut);
    copy_memory(held, stack);
}

bool held_stack_take(struct held_stack *held, uint32_t tid, uint32_t with_tid,
                     struct event_stack *ret)
{
    if (!held->held || held->tid != tid || held->with_tid != with_tid) {
        return false;
    }
    held->held = false;
    *ret = (struct event_stack){
        .kernel = held->n_kernel > 0 ? held->addrs : NULL,
        .user = held->n_user > 0 ? held->addrs + held->n_kernel : NULL,
        .n_kernel = held->n_kernel,
        .n_user = held->n_user,
        .chain_cut = held->chain_cut,
        .regs = held->has_regs ? &held->regs : NULL,
        .copy = {held->copy.at, held->copy.n},
        .copy_cut = held->copy_cut,
    };
    return true;
}
