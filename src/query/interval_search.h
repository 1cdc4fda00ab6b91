#pragma once

// Single waits: the longest, the newest or the oldest of a view, each with its stack, its reason
// and who ended it.
//
// A search looks at all rows of `intervals` once, in slices, and keeps the best few; then adds the
// waits that are not over. It answers one question and is not kept: the next one looks again.
//
//     interval_search_init() · interval_search_advance() … until true · interval_search_make()
//
// The answer is about one moment, the horizon: where the run ended, or had got to at the first
// advance. A wait that went on beyond it is still open, and counts up to it.
//
// Belongs to the query thread.

#include "query/answers.h"
#include "query/keep.h"
#include "query/reason_cache.h"

enum interval_order { INTERVALS_LONGEST, INTERVALS_NEWEST, INTERVALS_OLDEST };

struct interval_filter {
    bool has_reason;
    enum event_reason reason;
    uint64_t min_ns;           // waits shorter than this are left out
    enum interval_order order; // newest and oldest: by when the wait began
    uint32_t limit;            // of entries; 0: none, only sums
};

struct interval_entry {
    thread_id thread;
    uint64_t start_ns;    // from the start of the run; not clipped to the view
    uint64_t duration_ns; // blocked
    uint64_t runnable_ns; // after the wakeup, until it ran; 0 when that is not known
    enum event_reason reason;
    bool approximate;       // the stack
    bool open;              // still waiting at the horizon
    stack_id stack;         // its leaf is the function that waits
    bool woken;             // the rest is known
    thread_id waker;        // or THREAD_INTERRUPT, also when only the stack tells that it was one
    stack_id waker_stack;   // all stacks of an answer are covered by `names`
    bool waker_approximate; // the waker's stack
};

// Runnable stays are no waits: they are not listed.
struct interval_list {
    uint64_t n_intervals; // that match, before the limit
    uint64_t total_ns;    // clipped to the view's time
    struct off_cpu by_reason;
    VEC(struct interval_entry) entries; // in the order asked for; ties by start, then by thread
};

// A wait that is among the best so far.
struct interval_found {
    uint64_t score; // by the order asked for: more is better
    uint64_t row;   // UINT64_MAX: it is none yet
    struct interval interval;
    bool open;
};

struct interval_open {
    thread_id thread;
    struct thread_off off;
};

struct interval_search {
    const struct view *view; // borrowed
    struct interval_filter filter;
    struct keep keep;
    struct reason_cache reasons;
    bool done;
    bool begun;          // the next five are set, by the first advance
    uint64_t horizon_ns; // what happened later is left out
    uint64_t first;      // rows to look at: [first, end)
    uint64_t settled;    // rows below ended before the horizon
    uint64_t end;
    VEC(struct interval_open) open;       // at the horizon, by thread
    uint64_t looked_at;                   // how many of [first, settled)
    VEC(struct interval_found) found;     // a heap: the worst one first
    uint64_t sum_ns[REASON_BY_STACK + 1]; // within the view
    struct interval_list list;
};

void interval_search_init(struct interval_search *search, const struct view *view,
                          const struct interval_filter *filter);
void interval_search_fini(struct interval_search *search);

// Looks at up to `max_rows` further rows; true when done. Names are refreshed by the caller; they
// may change between two slices, and the search then starts over if that changes what it saw.
bool interval_search_advance(struct interval_search *search, const struct store *store,
                             const struct names *names, struct reasons *reasons, uint64_t max_rows);

// The finished list; belongs to the search.
const struct interval_list *interval_search_make(struct interval_search *search,
                                                 const struct store *store,
                                                 const struct names *names,
                                                 struct reasons *reasons);
