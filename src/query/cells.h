#pragma once

// How often, and how long, each thread was in each stack, for each reason: tables that are filled
// from millions of rows.
//
// What a row is about, a (stack, reason, approximate), is a *place*; places are numbered as they
// appear, for all threads together. Each thread counts by place, in pages: those places that it
// never was in take no memory, and those that it was in lie close together, which is what the speed
// of such a pass depends on.
//
//     places   by stack: first ──► place ──next──► place     the same stack for another reason
//     cells    page of places ──slots──► n[32], ns[32]         of one thread
//
// The slots are a hash table whose hash is the page's number itself: where most pages are taken,
// it is an array. Who counts many rows asks for memory ahead (cells_prefetch()).
//
// Samples and waits have places of their own. Zeroed ones are empty, and ready.

#include "base/limits.h"
#include "base/vec.h"
#include "store/store.h"

enum { CELLS_PAGE = 32, PLACE_NONE = UINT32_MAX };

// Who goes through all places asks for the memory of so many further ones.
enum { CELLS_AHEAD = 16 };

struct cells_place {
    uint32_t key;
    uint32_t next; // or PLACE_NONE
};

// The sums of all threads stand apart from what a place is: fewer bytes to go through for each row.
struct places {
    VEC(uint32_t) first; // by stack_id: place, plus one; 0: none
    VEC(struct cells_place) at;
    VEC(uint32_t) n;  // by place: rows of all threads
    VEC(uint64_t) ns; // by place
};

struct cells_slot {
    uint32_t page; // plus one; 0: free
    uint32_t at;   // of its first cell
};

struct cells {
    struct cells_slot *slots; // a power of two, at most half of them taken
    uint32_t n_slots;
    uint32_t n_pages;
    VEC(uint32_t) n;
    VEC(uint64_t) ns; // as long as `n`; empty when nothing is timed
};

// One cell.
struct cell {
    stack_id stack;
    uint8_t reason;   // of a wait: enum event_reason or REASON_BY_STACK
    bool approximate; // of a wait: the stack may be another one
    uint64_t n;
    uint64_t ns;
};

// ---- Keys --------------------------------------------------------------------------------------

_Static_assert((LIMIT_STACK_NODES - 1) <= UINT32_MAX >> 6, "a key is a stack and six bits");

static inline uint32_t cells_place_key(stack_id stack, uint8_t reason, bool approximate)
{
    return stack << 6 | (uint32_t)reason << 1 | approximate;
}

static inline stack_id cells_key_stack(uint32_t key)
{
    return key >> 6;
}

static inline uint8_t cells_key_reason(uint32_t key)
{
    return (uint8_t)(key >> 1 & 31);
}

static inline bool cells_key_is_approximate(uint32_t key)
{
    return (key & 1) != 0;
}

// ---- What has been counted ---------------------------------------------------------------------

void places_fini(struct places *places);
void cells_fini(struct cells *cells);

// A place as one cell: all threads together.
static inline struct cell places_cell(const struct places *places, size_t place)
{
    uint32_t key = places->at.at[place].key;
    return (struct cell){
        .stack = cells_key_stack(key),
        .reason = cells_key_reason(key),
        .approximate = cells_key_is_approximate(key),
        .n = places->n.at[place],
        .ns = places->ns.at[place],
    };
}

static inline stack_id places_stack(const struct places *places, size_t place)
{
    return cells_key_stack(places->at.at[place].key);
}

// Places up to the end of the last page: what is kept by place is that long.
static inline size_t places_room(const struct places *places)
{
    return (places->at.n + CELLS_PAGE - 1) / CELLS_PAGE * CELLS_PAGE;
}

// Walks over all pages, each of which has CELLS_PAGE cells, most of them zeros perhaps: start with
// `*cursor` = 0, until false. In any order, but the same one for the same rows.
struct cells_page {
    uint32_t first; // place
    const uint32_t *n;
    const uint64_t *ns; // NULL: nothing is timed
};
bool cells_next_page(const struct cells *cells, uint32_t *cursor, struct cells_page *ret);

// ---- Counting ----------------------------------------------------------------------------------

uint32_t places_add(struct places *places, uint32_t key);

// Where there is one place per stack (of samples, all with reason 0 and not approximate).
static inline uint32_t places_of_stack(struct places *places, stack_id stack)
{
    if (stack < places->first.n && places->first.at[stack] != 0) {
        return places->first.at[stack] - 1;
    }
    return places_add(places, cells_place_key(stack, 0, false));
}

// The place of a row, new or not.
static inline uint32_t places_get(struct places *places, uint32_t key)
{
    stack_id stack = cells_key_stack(key);
    uint32_t place = stack < places->first.n ? places->first.at[stack] - 1 : PLACE_NONE;
    while (place != PLACE_NONE && places->at.at[place].key != key) {
        place = places->at.at[place].next;
    }
    return place != PLACE_NONE ? place : places_add(places, key);
}

uint32_t cells_add_page(struct cells *cells, uint32_t page, bool timed);

// Where a place stands in `n` (and `ns`). It stays there.
static inline uint32_t cells_at(struct cells *cells, uint32_t place, bool timed)
{
    uint32_t page = place / CELLS_PAGE;
    if (cells->n_slots > 0) {
        for (uint32_t i = page;; i++) {
            const struct cells_slot *slot = &cells->slots[i & (cells->n_slots - 1)];
            if (slot->page == page + 1) {
                return slot->at + place % CELLS_PAGE;
            }
            if (slot->page == 0) {
                break;
            }
        }
    }
    return cells_add_page(cells, page, timed) + place % CELLS_PAGE;
}

static inline void cells_prefetch_slot(const struct cells *cells, uint32_t place)
{
    if (cells->n_slots > 0) {
        __builtin_prefetch(&cells->slots[place / CELLS_PAGE & (cells->n_slots - 1)]);
    }
}

static inline void cells_prefetch(const struct cells *cells, uint32_t at, bool timed)
{
    __builtin_prefetch(&cells->n.at[at], 1);
    if (timed) {
        __builtin_prefetch(&cells->ns.at[at], 1);
    }
}
