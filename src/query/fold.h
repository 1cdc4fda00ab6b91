#pragma once

// The one pass over rows that answers stand on: how often, and how long, each thread was in each
// stack, within one view.
//
//     samples   ──┐ time range: binary searches    threads: samples, time off the CPU, wakeups
//     intervals ──┼─► thread kept? stack kept? ──►   running: stack ─► n
//     wakeups   ──┘   one byte per id each           waits: stack, reason ─► n, ns
//
// From these, names and a call tree every answer follows by summing.
//
// A fold keeps cursors, so that asking again costs only what is new. It advances in slices, so that
// a heavy one (ten million rows with a filter) never holds up a light one. The fold of the whole
// run is kept for good and shared by all who ask; others live as long as their question or
// subscription.
//
// Stays off the CPU that are not over are no rows yet. fold_settle() adds them, up to the moment
// that the answer is about (`horizon_ns`), to what the rows say; the next fold_advance() takes them
// out again. So at that moment each thread's life is the time on a CPU, runnable and blocked,
// to the nanosecond.
//
// Belongs to the query thread.

#include "query/cells.h"
#include "query/keep.h"
#include "query/names.h"
#include "query/view.h"

// Times are those within the view's window.
struct fold_thread {
    uint64_t all_samples;  // whatever their stack
    uint64_t kept_samples; // that the view keeps
    uint64_t off_ns;       // blocked or runnable, whatever the stack
    uint64_t runnable_ns;  // that the view keeps
    uint64_t wakeups;      // how often it was made ready
    uint64_t rows_end_ns;  // of its newest row of `intervals`
    // Of stays that are not over: since the last fold_settle(), part of the times above.
    uint64_t open_off_ns;
    uint64_t open_runnable_ns;
    uint64_t open_since_ns; // 0: none
    struct cells running;   // kept samples
    struct cells waits;     // kept waits; one that is cut by the window counts
};

// A wait that was not over at the horizon, as a cell with n = 1.
struct fold_open {
    thread_id thread;
    struct cell cell;
};

struct weights_memo;

struct fold {
    struct view view;
    struct keep keep;
    uint64_t samples_cursor;   // rows looked at
    uint64_t intervals_cursor; // rows looked at: no row that ends later than the horizon
    uint64_t wakeups_cursor;
    uint64_t n_samples;              // rows that matched
    uint64_t blocked_ns;             // kept, and over
    uint64_t approximate_blocked_ns; // of it: the stack may be another one
    uint64_t horizon_ns;   // of the last fold_settle(): what happened before it is in the fold
    struct places running; // of kept samples: the stacks, and how many of all threads
    struct places waiting; // of kept waits
    VEC(struct fold_thread) threads; // by thread_id
    VEC(struct fold_open) open;      // waits only
    VEC(thread_id) opened;           // threads that open_*_ns are set of
    VEC(thread_id) living;           // kept threads that may be off the CPU
    thread_id next_living;           // threads below were looked at
    uint64_t revision;               // moves whenever an answer may have changed
    struct weights_memo *memo;       // what answers were made from last (weights.h); owned
};

// Takes over `*view`, leaving an empty one.
void fold_init(struct fold *fold, struct view *view);
void fold_fini(struct fold *fold);

// Looks at up to `max_rows` further rows. True when it has caught up with what is published. When
// the view has symbols and names have changed, it starts over. `names` is refreshed by the
// caller (calltree_refresh() does it); a view that has symbols sees no rows beyond the frames
// that `names` covers, and counts as caught up there.
bool fold_advance(struct fold *fold, const struct store *store, const struct names *names,
                  uint64_t max_rows);

// Once it has caught up, before answers are made: takes in the stays that are not over.
void fold_settle(struct fold *fold, const struct store *store, const struct names *names);

// The view's window as far as the fold knows it: from the start of the run to the horizon at most.
struct view_window fold_window(const struct fold *fold, const struct store *store);

// How long a thread was on a CPU in that window, whatever its stack: exactly where the store has
// switches, else samples x period. After fold_settle().
uint64_t fold_on_cpu_ns(const struct fold *fold, const struct store *store, thread_id thread);

// What one of its samples stands for: its share of that time.
double fold_sample_ns(const struct fold *fold, const struct store *store, thread_id thread);

// Walks over the kept waits, those that are not over at last. All threads are in one cell, except
// for waits that are not over:
//
//     struct fold_walk walk = {0};
//     while (fold_next_place(fold, &walk)) { … walk.cell … }
struct fold_walk {
    struct cell cell;
    size_t next_place; // where it goes on
    size_t next_open;
};
bool fold_next_place(const struct fold *fold, struct fold_walk *walk);
