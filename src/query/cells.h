#pragma once

// How often, and how long, one thread was in each stack, for one reason: a hash table that is
// filled from millions of rows.
//
//     running: (stack) -> n samples          slots ──► [ key n ][ ··· ][ key n ]   8 bytes each
//     waiting: (stack, reason,               ns    ──► [ ns    ][ ··· ][ ns    ]   waiting only
//              approximate) -> n waits, ns
//
// Open addressing, linear probing, a power of two of slots, at most two thirds full; the key is
// small enough to stand in the slot. Who counts many rows asks for their slots ahead
// (cells_prefetch()): most of the time of such a pass goes by while memory answers.
//
// A zeroed one is empty, and ready. Waits and samples are not mixed in one.

#include "base/limits.h"
#include "store/store.h"

struct cells_slot {
    uint32_t key; // plus one; 0: free
    uint32_t n;   // rows: no more than a column has
};

struct cells {
    struct cells_slot *slots;
    uint64_t *ns; // by slot; NULL when only rows are counted
    uint32_t n_slots;
    uint32_t n;
};

struct cell {
    stack_id stack;
    uint8_t reason;   // of a wait: enum event_reason or REASON_BY_STACK
    bool approximate; // of a wait: the stack may be another one
    uint64_t n;
    uint64_t ns;
};

void cells_fini(struct cells *cells);

// Walks over all cells: start with `*cursor` = 0, until false. Any order, but the same for the same
// rows in the same order.
bool cells_next(const struct cells *cells, size_t *cursor, struct cell *ret);

// ---- Counting ----------------------------------------------------------------------------------

_Static_assert((LIMIT_STACK_NODES - 1) <= UINT32_MAX >> 6, "a key is a stack and six bits");

// Of a sample: reason 0, not approximate.
static inline uint32_t cells_key(stack_id stack, uint8_t reason, bool approximate)
{
    return stack << 6 | (uint32_t)reason << 1 | approximate;
}

static inline uint32_t cells_home(const struct cells *cells, uint32_t key)
{
    return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (cells->n_slots - 1);
}

static inline void cells_prefetch(const struct cells *cells, uint32_t key)
{
    if (cells->n_slots > 0) {
        uint32_t home = cells_home(cells, key);
        __builtin_prefetch(&cells->slots[home], 1);
        if (cells->ns != NULL) {
            __builtin_prefetch(&cells->ns[home], 1);
        }
    }
}

// The slot of a key that is not there yet.
uint32_t cells_insert(struct cells *cells, uint32_t key, bool timed);

static inline uint32_t cells_slot(struct cells *cells, uint32_t key, bool timed)
{
    if (cells->n_slots > 0) {
        uint32_t slot = cells_home(cells, key);
        while (cells->slots[slot].key != 0) {
            if (cells->slots[slot].key == key + 1) {
                return slot;
            }
            slot = (slot + 1) & (cells->n_slots - 1);
        }
    }
    return cells_insert(cells, key, timed);
}

static inline void cells_count(struct cells *cells, uint32_t key)
{
    cells->slots[cells_slot(cells, key, false)].n++;
}

static inline void cells_add(struct cells *cells, uint32_t key, uint64_t ns)
{
    uint32_t slot = cells_slot(cells, key, true);
    cells->slots[slot].n++;
    cells->ns[slot] += ns;
}
