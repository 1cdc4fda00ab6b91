#pragma once

// The one pass over samples that every answer stands on: how many samples each stack and each
// thread has, within one view.
//
// A fold keeps a cursor, so that asking again costs only what is new. It advances in slices, so
// that a heavy one (ten million rows with a filter) never holds up a light one. The fold of the
// whole run is kept for good and shared by all who ask; others live as long as their question or
// subscription.
//
//     rows ──time range──► [first, end) ──thread kept? stack kept?──► by_stack, by_thread
//             two binary searches           one byte per id each
//
// Belongs to the query thread.

#include "query/names.h"
#include "query/view.h"

struct fold {
    struct view view;
    uint64_t cursor;            // rows looked at
    uint64_t n_samples;         // rows that matched
    VEC(uint64_t) by_stack;     // samples, by stack_id
    VEC(uint64_t) by_thread;    // samples, by thread_id
    VEC(uint8_t) thread_kept;   // by thread_id: 1 when the view has it
    VEC(uint8_t) stack_kept;    // by stack_id: 1 when no frame of it is excluded
    VEC(uint8_t) function_kept; // by function_id: 0 not looked at, 1 kept, 2 excluded
    uint64_t names_version;     // that the excluded ones were found with
};

// Takes over `*view`, leaving an empty one.
void fold_init(struct fold *fold, struct view *view);
void fold_fini(struct fold *fold);

// Looks at up to `max_rows` further rows. True when it has caught up with what is published. When
// the view excludes symbols and names have changed, it starts over. `names` is refreshed by the
// caller (calltree_refresh() does it); a view that excludes symbols sees no rows beyond the frames
// that `names` covers, and counts as caught up there.
bool fold_advance(struct fold *fold, const struct store *store, const struct names *names,
                  uint64_t max_rows);
