#pragma once

// Who wakes whom: for each thread, the threads (or interrupts) that made it ready, from which
// stack, how often, and how much waiting that ended.
//
// Keeps a cursor, as a fold does: asking again costs only what is new. Rows of `wakeups` and of
// `intervals` are walked side by side: a blocked row ends at exactly the time of the wakeup that
// ended it.
//
// The view's tid is the thread that is woken; foreign ones as well. A wakeup lies in its time range
// or not, and the wait that it ended is clipped to it. The view's symbols are looked for in the
// stack of that wait, as everywhere; a wakeup that ended no wait has no stack.
//
// Belongs to the query thread.

#include "query/answers.h"
#include "query/keep.h"
#include "query/reason_cache.h"

struct wakers_cell {
    thread_id wakee;
    thread_id waker; // or THREAD_INTERRUPT
    stack_id stack;
    uint64_t count;
    uint64_t approximate;                  // of them: the stack is the waker's at another wakeup
    uint64_t ended_ns[EVENT_REASON_COUNT]; // waiting that it ended, clipped to the view's time
};

// The newest wait and wakeup of a thread, as long as the other half of the pair is missing.
struct wakers_wakee {
    bool has_wait;
    bool has_wakeup;
    bool wait_is_kept; // by the view's symbols
    bool wakeup_is_approximate;
    uint8_t wait_reason;
    uint64_t wait_start_ns;
    uint64_t wait_end_ns;
    uint64_t wakeup_ns;
    uint32_t wakeup_cell;
};

struct wakers {
    struct view view; // its tid is the wakee
    struct keep keep; // its stacks; threads are chosen by tid alone
    struct reason_cache reasons;
    uint64_t wakeups_cursor;
    uint64_t intervals_cursor;
    VEC(struct wakers_wakee) wakees; // by thread_id
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

// Looks at up to `max_rows` further rows. True when it has caught up with what is published. When
// names have changed, and a reason or what the view keeps with them, it starts over. Waits that are
// newer than the names, and what comes behind them, have to wait: it counts as caught up there.
bool wakers_advance(struct wakers *wakers, const struct store *store, struct reasons *reasons,
                    uint64_t max_rows);

// Those of every thread that had `tid`. An interrupt is told by the row, or by the waker's stack
// (reasons_is_interrupt): all interrupts are one waker. Limit 0: all.
void wakers_make(struct wakers_answer *ret, const struct wakers *wakers, const struct store *store,
                 struct reasons *reasons, uint32_t tid, size_t limit);
void wakers_answer_fini(struct wakers_answer *answer);
