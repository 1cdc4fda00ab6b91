#pragma once

// An invented server, which lives in a time of its own: what the benchmarks of run files record.
//
// Some of its threads serve: they wait for a request, are woken by one of four others, wait for a
// CPU, and run for some tens of microseconds. The others compute. All are sampled by timers of
// their own CPU time that are late by a few hundred nanoseconds at most. Stacks are drawn with the
// skew of real programs (Zipf: the k-th hottest is taken in proportion to 1/k), by each thread from
// stacks of its kind. Their frames lie in the code of this program and of its libraries, so that
// they have names.

#include "image/library.h"
#include "store/store.h"

struct invented_shape {
    size_t n_threads; // at most INVENTED_THREADS_MAX
    size_t n_serving; // of them
    uint64_t period_ns;
    uint64_t start_ns;
};

enum { INVENTED_THREADS_MAX = 64 };

extern const struct invented_shape invented_usual; // 32 threads, half of them serve, 900 Hz

struct invented;

// Owned by the caller, as the store is, which outlives it. `library` outlives the store.
struct invented *invented_new(const struct invented_shape *shape, struct library *library);
void invented_free(struct invented *server);

struct store *invented_store(const struct invented *server);

// What happens up to that time, or until the store has so many samples.
void invented_go_on(struct invented *server, uint64_t until_ns, uint64_t n_samples);

// It has ended: the last thing that happens.
void invented_end(struct invented *server);
