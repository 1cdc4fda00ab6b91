#pragma once

// Activity over time: how much of each slice of time threads spent running, ready and waiting.
//
// Keeps a cursor, as a fold does, and counts into buckets of its own that grow coarser as the run
// grows longer (twice as long, half as many), so that a live timeline costs only what is new. An
// answer sums neighbouring buckets to about as many as were asked for.
//
// Time on a CPU is what is left of a thread's life, where the store has switches; else its samples.
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

// At most `n_buckets` buckets (1 to TIMELINE_BUCKETS), at most `n_threads` threads (0: none).
void timeline_make(struct timeline_answer *ret, struct timeline *timeline,
                   const struct store *store, size_t n_buckets, size_t n_threads);
void timeline_answer_fini(struct timeline_answer *answer);
