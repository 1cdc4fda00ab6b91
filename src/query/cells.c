#include "query/cells.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 8 };

void cells_fini(struct cells *cells)
{
    free(cells->slots);
    free(cells->ns);
    *cells = (struct cells){0};
}

static uint32_t free_slot(const struct cells *cells, uint32_t key)
{
    uint32_t slot = cells_home(cells, key);
    while (cells->slots[slot].key != 0) {
        slot = (slot + 1) & (cells->n_slots - 1);
    }
    return slot;
}

static void grow(struct cells *cells, bool timed)
{
    struct cells old = *cells;
    cells->n_slots = old.n_slots == 0 ? FIRST_SLOTS : old.n_slots * 2;
    ASSERT(cells->n_slots > old.n_slots);
    cells->slots = NEW_ARRAY(struct cells_slot, cells->n_slots);
    cells->ns = timed ? NEW_ARRAY(uint64_t, cells->n_slots) : NULL;
    for (uint32_t i = 0; i < old.n_slots; i++) {
        if (old.slots[i].key != 0) {
            uint32_t slot = free_slot(cells, old.slots[i].key - 1);
            cells->slots[slot] = old.slots[i];
            if (timed) {
                cells->ns[slot] = old.ns[i];
            }
        }
    }
    cells_fini(&old);
}

uint32_t cells_insert(struct cells *cells, uint32_t key, bool timed)
{
    ASSERT(cells->n == 0 || timed == (cells->ns != NULL));
    if ((uint64_t)cells->n * 3 >= (uint64_t)cells->n_slots * 2) {
        grow(cells, timed);
    }
    uint32_t slot = free_slot(cells, key);
    cells->slots[slot].key = key + 1;
    cells->n++;
    return slot;
}

bool cells_next(const struct cells *cells, size_t *cursor, struct cell *ret)
{
    for (; *cursor < cells->n_slots; ++*cursor) {
        const struct cells_slot *slot = &cells->slots[*cursor];
        if (slot->key != 0) {
            uint32_t key = slot->key - 1;
            *ret = (struct cell){
                .stack = key >> 6,
                .reason = (uint8_t)(key >> 1 & 31),
                .approximate = (key & 1) != 0,
                .n = slot->n,
                .ns = cells->ns == NULL ? 0 : cells->ns[*cursor],
            };
            ++*cursor;
            return true;
        }
    }
    return false;
}
