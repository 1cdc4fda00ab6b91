#pragma once

// Activity over time: how much of each slice of time threads spent running, ready and waiting.
//
// Keeps a cursor, as a fold does, and counts into buckets of its own that grow coarser as the run
// grows longer (twice as long, half as many), so that a live timeline costs only what is new. An
// answer sums neighbouring buckets to about as many as were asked for.
//
// Time on a CPU is what is left of a thread's life, where the store has switches and the view
// has no symbols; else its samples.
//
// A timeline reaches from the start of the view to its end, or to the end of the run so far: the
// horizon of the last advance that caught up. Stays that are not over count up to it.
//
// Belongs to the query thread.

#include "query/answers.h"
#include "query/keep.h"
#include "query/reasons.h"

enum {
    TIMELINE_BUCKETS = 2048,       // of all threads together, at most; at least half as many
    TIMELINE_THREAD_BUCKETS = 512, // of a single one
    TIMELINE_THREADS = 4096,       // that have buckets of their own
};

struct timeline; // timeline.c

// Takes over `*view`, leaving an empty one.
struct timeline *timeline_new(struct view *view);
void timeline_free(struct timeline *timeline); // accepts NULL

// Looks at up to `max_rows` further rows. True when it has caught up with what is published; only
// then is there an answer to make. When names have changed, and a reason or a symbol of the view
// with them, it starts over. Rows that are newer than the names have to wait, and are shown
// meanwhile as stays that are not over, for the reason `other`.
bool timeline_advance(struct timeline *timeline, const struct store *store,
                      const struct names *names, struct reasons *reasons, uint64_t max_rows);

struct timeline_bucket {
    uint64_t on_cpu_ns;
    uint64_t runnable_ns;
    struct off_cpu off_cpu;
};

struct timeline_thread {
    thread_id thread;
    uint64_t on_cpu_ns; // in all of the window
    uint64_t blocked_ns;
    VEC(struct timeline_bucket) buckets; // as many as the answer has
};

struct timeline_answer {
    uint64_t bucket_ns;
    uint64_t start_ns; // of the first bucket, from the start of the run
    uint64_t end_ns;   // of the window: the last bucket may end later
    struct timeline_bucket total;
    VEC(struct timeline_bucket) buckets;
    uint64_t n_threads;                  // in the window, before the limit
    VEC(struct timeline_thread) threads; // by on_cpu_ns, most first; then by tid
};

// At most `n_buckets` buckets (1 to TIMELINE_BUCKETS; with threads, to TIMELINE_THREAD_BUCKETS),
// and about as many as long as the run has lasted for some microseconds. At most `n_threads`
// threads (0: none), of those that have buckets of their own.
void timeline_make(struct timeline_answer *ret, struct timeline *timeline,
                   const struct store *store, size_t n_buckets, size_t n_threads);
void timeline_answer_fini(struct timeline_answer *answer);
