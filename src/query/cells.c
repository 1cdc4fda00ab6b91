#include "query/cells.h"

enum { FIRST_SLOTS = 2 };

void places_fini(struct places *places)
{
    vec_fini(&places->first);
    vec_fini(&places->at);
    vec_fini(&places->n);
    vec_fini(&places->ns);
}

void cells_fini(struct cells *cells)
{
    free(cells->slots);
    vec_fini(&cells->n);
    vec_fini(&cells->ns);
    *cells = (struct cells){0};
}

// In front of the stack's other places: what comes now is likely to come again.
uint32_t places_add(struct places *places, uint32_t key)
{
    stack_id stack = cells_key_stack(key);
    vec_grow_zeroed(&places->first, (size_t)stack + 1);
    uint32_t *first = &places->first.at[stack];
    vec_push(&places->at, (struct cells_place){.key = key, .next = *first - 1});
    vec_push(&places->n, 0);
    vec_push(&places->ns, 0);
    *first = (uint32_t)places->at.n;
    return *first - 1;
}

static void put_slot(struct cells *cells, const struct cells_slot *slot)
{
    uint32_t i = (slot->page - 1) & (cells->n_slots - 1);
    while (cells->slots[i].page != 0) {
        i = (i + 1) & (cells->n_slots - 1);
    }
    cells->slots[i] = *slot;
}

static void grow(struct cells *cells)
{
    struct cells_slot *old = cells->slots;
    uint32_t n_old = cells->n_slots;
    cells->n_slots = n_old == 0 ? FIRST_SLOTS : n_old * 2;
    cells->slots = NEW_ARRAY(struct cells_slot, cells->n_slots);
    for (uint32_t i = 0; i < n_old; i++) {
        if (old[i].page != 0) {
            put_slot(cells, &old[i]);
        }
    }
    free(old);
}

uint32_t cells_add_page(struct cells *cells, uint32_t page, bool timed)
{
    uint32_t at = (uint32_t)cells->n.n;
    ASSERT(at == 0 || timed == (cells->ns.n > 0));
    vec_grow_zeroed(&cells->n, cells->n.n + CELLS_PAGE);
    if (timed) {
        vec_grow_zeroed(&cells->ns, cells->n.n);
    }
    cells->n_pages++;
    if (cells->n_pages > cells->n_slots / 2) {
        grow(cells);
    }
    put_slot(cells, &(struct cells_slot){.page = page + 1, .at = at});
    return at;
}

// Whatever is there: another page, or, behind the last one, one that has been.
static void prefetch_page(const struct cells *cells, uint32_t slot)
{
    const uint32_t *n = &cells->n.at[cells->slots[slot & (cells->n_slots - 1)].at];
    __builtin_prefetch(n);
    __builtin_prefetch(n + CELLS_PAGE / 2);
}

bool cells_next_page(const struct cells *cells, uint32_t *cursor, struct cells_page *ret)
{
    enum { PAGES_AHEAD = 4 };
    while (*cursor < cells->n_slots) {
        const struct cells_slot *slot = &cells->slots[(*cursor)++];
        prefetch_page(cells, *cursor + PAGES_AHEAD);
        if (slot->page != 0) {
            ret->first = (slot->page - 1) * CELLS_PAGE;
            ret->n = &cells->n.at[slot->at];
            ret->ns = cells->ns.n == 0 ? NULL : &cells->ns.at[slot->at];
            return true;
        }
    }
    return false;
}
