#pragma once

// The reasons that a pass over rows counts with: one byte per stack, so that a row costs one load.
//
// Names that arrive later may tell another reason for a stack that was counted already. The cache
// notices exactly that: most tables of names change no reason, and then nothing is counted again.
//
// Belongs to the query thread.

#include "query/reasons.h"

struct reason_cache {
    VEC(uint8_t) of_stack; // by stack_id: enum event_reason ^ REASON_BY_STACK; 0: not asked for yet
    uint64_t names_version;
};

void reason_cache_fini(struct reason_cache *cache); // a zeroed one is empty, and ready

// Makes room for `n_stacks`. True when a reason that was given out before is another one now.
bool reason_cache_refresh(struct reason_cache *cache, struct reasons *reasons, uint32_t n_stacks);

// Looks it up. REASON_BY_STACK when the stack is newer than the names.
uint8_t reason_cache_find(struct reason_cache *cache, struct reasons *reasons, stack_id stack);

// The reason of a row: its own, or the one that its stack tells; see above. Written so that it has
// no branch that depends on the row: which kind it is is anybody's guess.
static inline uint8_t reason_cache_get(struct reason_cache *cache, struct reasons *reasons,
                                       uint8_t reason, stack_id stack)
{
    uint8_t known = stack < cache->of_stack.n ? cache->of_stack.at[stack] : 0;
    unsigned by_stack = -(unsigned)(reason == REASON_BY_STACK); // all bits or none
    uint8_t found = (uint8_t)(reason ^ (known & by_stack));
    return found == REASON_BY_STACK ? reason_cache_find(cache, reasons, stack) : found;
}

// Whether all frames of the stack have names already, or are known to have none.
bool names_cover_stack(const struct names *names, stack_id stack);
