#include "query/reason_cache.h"

void reason_cache_fini(struct reason_cache *cache)
{
    vec_fini(&cache->of_stack);
}

bool names_cover_stack(const struct names *names, stack_id stack)
{
    while (stack != STACK_ROOT) {
        const struct stack_row *row = stacks_get(&names->store->stacks, stack);
        if (row->frame >= names->of_frame.n) {
            return false;
        }
        stack = row->caller;
    }
    return true;
}

bool reason_cache_refresh(struct reason_cache *cache, struct reasons *reasons, uint32_t n_stacks)
{
    vec_grow_zeroed(&cache->of_stack, n_stacks);
    if (cache->names_version == reasons->names->version) {
        return false;
    }
    cache->names_version = reasons->names->version;
    bool changed = false;
    for (stack_id stack = 0; stack < cache->of_stack.n; stack++) {
        uint8_t *known = &cache->of_stack.at[stack];
        if (*known != 0) {
            uint8_t now = (uint8_t)(reasons_of_stack(reasons, stack) ^ REASON_BY_STACK);
            changed = changed || now != *known;
            *known = now;
        }
    }
    return changed;
}

uint8_t reason_cache_find(struct reason_cache *cache, struct reasons *reasons, stack_id stack)
{
    if (!names_cover_stack(reasons->names, stack)) {
        return REASON_BY_STACK;
    }
    enum event_reason reason = reasons_of_stack(reasons, stack);
    vec_grow_zeroed(&cache->of_stack, (size_t)stack + 1);
    cache->of_stack.at[stack] = (uint8_t)(reason ^ REASON_BY_STACK);
    return (uint8_t)reason;
}
