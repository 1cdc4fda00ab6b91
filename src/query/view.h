#pragma once

// Which part of a run a question is about. Every query takes one; a zeroed one is the whole run.
//
// A sample counts when its thread matches, its time lies in [start_ns, end_ns), and its stack is
// kept: no frame of it belongs to an excluded function, one belongs to an `only` function if there
// are any of these, and one to the focused function if there is one. What was waited for counts by
// the stack of the wait in the same way. What has no stack at all is in no function: excluding
// keeps it; `only` and the focus do not.

#include "base/vec.h"
#include "store/store.h"

struct view_symbol {
    char *function_name; // as it is shown; owned
    char *binary;        // NULL: in any binary; owned
};

typedef VEC(struct view_symbol) view_symbols;

// With copies of the texts, which may be NULL.
struct view_symbol view_symbol_new(const char *function_name, const char *binary);
void view_symbol_fini(struct view_symbol *symbol);
void view_symbols_copy(view_symbols *to, const view_symbols *from); // `*to` as in view_copy()
void view_symbols_fini(view_symbols *symbols);

struct view {
    bool has_tid;
    uint32_t tid; // every thread of the run that had it
    bool has_time_range;
    uint64_t start_ns; // from the start of the run
    uint64_t end_ns;
    view_symbols exclude;
    view_symbols only;        // empty: no matter
    struct view_symbol focus; // without a name: no matter
    bool physical;            // stacks as they are in memory: without inlined functions
};

void view_fini(struct view *view);

// True for the whole run: such a fold is kept and shared.
bool view_is_everything(const struct view *view);

// Whether it looks at stacks: then what it keeps depends on names.
bool view_has_symbols(const struct view *view);

// Whether it keeps what has no stack, or whose stack nobody knows.
bool view_keeps_no_stack(const struct view *view);

// The same choice of rows, symbols in the same order. Without such symbols it is the same
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
