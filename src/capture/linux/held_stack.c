#include "capture/linux/held_stack.h"

#include <string.h>

static uint32_t copy(uint64_t *to, const uint64_t *from, uint32_t n, bool *cut)
{
    *cut = *cut || n > LIMIT_STACK_DEPTH;
    n = MIN(n, (uint32_t)LIMIT_STACK_DEPTH);
    if (n > 0) {
        memcpy(to, from, n * sizeof *to);
    }
    return n;
}

void held_stack_set(struct held_stack *held, uint32_t tid, uint32_t with_tid,
                    const struct event_stack *stack)
{
    held->held = true;
    held->tid = tid;
    held->with_tid = with_tid;
    held->chain_cut = stack->chain_cut;
    held->n_kernel = copy(held->addrs, stack->kernel, stack->n_kernel, &held->chain_cut);
    held->n_user = copy(held->addrs + held->n_kernel, stack->user, stack->n_user, &held->chain_cut);
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
    };
    return true;
}
