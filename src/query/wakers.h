#pragma once

// Who wakes whom: for each thread, the threads (or interrupts) that made it ready, from which
// stack, how often, and how much waiting that ended.
//
// Keeps a cursor, as a fold does: asking again costs only what is new. Rows of `wakeups` and of
// `intervals` are walked side by side: a blocked row ends at exactly the time of the wakeup that
// ended it.
//
// Belongs to the query thread.

#include "query/answers.h"
#include "query/keep.h"
#include "query/reasons.h"

struct wakers_cell {
    thread_id wakee;
    thread_id waker; // or THREAD_INTERRUPT
    stack_id stack;
    uint64_t count;
    uint64_t approximate;                   // of them: the stack is the waker's at another wakeup
    uint64_t ended_ns[REASON_BY_STACK + 1]; // waiting that it ended, by the row's reason
};

struct wakers {
    struct view view; // its tid is the wakee
    struct keep keep;
    uint64_t wakeups_cursor;
    uint64_t intervals_cursor;
    VEC(struct wakers_cell) cells;
    struct map by_key;
};

// One waker thread at one place; places of one function under one waker are one entry.
struct wakers_entry {
    thread_id waker;                 // or THREAD_INTERRUPT
    const struct function *function; // reasons_waker_function(); NULL when not known
    stack_id stack;                  // the one with the most wakeups
    uint64_t count;
    uint64_t approximate; // of them: the place is the waker's at another wakeup
    uint64_t ended_ns;
    struct off_cpu off_cpu; // the same by reason
};

struct wakers_answer {
    uint64_t n_wakeups;               // of these threads, in the view's time
    uint64_t n_entries;               // before the limit
    VEC(struct wakers_entry) entries; // by count, most first; then by ended_ns, tid, name
};

// Takes over `*view`, leaving an empty one.
void wakers_init(struct wakers *wakers, struct view *view);
void wakers_fini(struct wakers *wakers);
bool wakers_advance(struct wakers *wakers, const struct store *store, const struct names *names,
                    uint64_t max_rows);

// Those of every thread that had `tid`. An interrupt is told by the row, or by the waker's stack
// (reasons_is_interrupt): all interrupts are one waker. Limit 0: all.
void wakers_make(struct wakers_answer *ret, const struct wakers *wakers, const struct store *store,
                 struct reasons *reasons, uint32_t tid, size_t limit);
void wakers_answer_fini(struct wakers_answer *answer);
