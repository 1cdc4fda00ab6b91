#pragma once

// The one pass over samples that every answer stands on: how many samples each stack and each
// thread has, within one view.
//
// A fold keeps a cursor, so that asking again costs only what is new. It advances in slices, so
// that a heavy one (ten million rows with a filter) never holds up a light one. The fold of the
// whole run is kept for good and shared by all who ask; others live as long as their question or
// subscription.
//
// Belongs to the query thread.

#include "query/names.h"
#include "query/view.h"

struct fold {
    struct view view;
    uint64_t cursor;         // rows looked at
    uint64_t n_samples;      // rows that matched
    VEC(uint64_t) by_stack;  // samples, by stack_id
    VEC(uint64_t) by_thread; // samples, by thread_id
    VEC(uint8_t) excluded;   // by stack_id: 0 not looked at, 1 kept, 2 left out
    uint64_t names_version;  // that `excluded` was made with
};

// Takes over `*view`, leaving an empty one.
void fold_init(struct fold *fold, struct view *view);
void fold_fini(struct fold *fold);

// Looks at up to `max_rows` further rows. True when it has caught up with what is published. When
// the view excludes symbols and names have changed, it starts over. `names` is refreshed by the
// caller.
bool fold_advance(struct fold *fold, const struct store *store, const struct names *names,
                  uint64_t max_rows);
