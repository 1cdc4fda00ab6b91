#pragma once

// Which part of a run a question is about. Every query takes one; a zeroed one is the whole run.
//
// A sample counts when its thread matches, its time lies in [start_ns, end_ns), and no frame of
// its stack belongs to an excluded function.

#include "base/vec.h"
#include "store/store.h"

struct view_symbol {
    char *function_name; // as it is shown; owned
    char *binary;        // NULL: in any binary; owned
};

struct view {
    bool has_tid;
    uint32_t tid; // every thread of the run that had it
    bool has_time_range;
    uint64_t start_ns; // from the start of the run
    uint64_t end_ns;
    VEC(struct view_symbol) exclude;
    bool physical; // stacks as they are in memory: without inlined functions
};

void view_fini(struct view *view);

// True for the whole run: such a fold is kept and shared.
bool view_is_everything(const struct view *view);

// The same choice of rows, excluded symbols in the same order. Without such symbols it is the same
// for physical stacks.
bool view_equal(const struct view *a, const struct view *b);

// `*to` is empty or not initialized; it gets its own texts.
void view_copy(struct view *to, const struct view *from);

// The view's time range on the clock of the store's rows: [start_ns, end_ns), 0 to UINT64_MAX
// without one.
struct view_window {
    uint64_t start_ns;
    uint64_t end_ns;
};

struct view_window view_window(const struct view *view, const struct store *store);
