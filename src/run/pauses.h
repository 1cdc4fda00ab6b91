#pragma once

// The times in which a run takes in no samples, because somebody said so.
//
//     one who says so ──► switches: paused at 1.2 s, resumed at 3.4 s, …     append-only
//     the capture thread ──► looks up each sample's time in them, and counts what it drops
//
// A sample is judged by its own time, not by when it is looked at: what waited in a ring when the
// pause began is kept, and what came during it is not, however late.
//
// All else goes on: mappings, threads, switches. So times of threads and waits stay exact.

#include "base/limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pauses {
    _Atomic uint32_t n;               // switches; those below it never change. Odd: paused
    uint64_t at_ns[2 * LIMIT_PAUSES]; // on the clock of events
    _Atomic uint64_t dropped[LIMIT_PAUSES];
    uint32_t n_passed; // by the samples so far: the capture thread's own
};

struct pause {
    uint64_t start_ns;
    uint64_t end_ns; // 0: it goes on
    uint64_t dropped;
};

// One thread at a time. False: there were LIMIT_PAUSES already, and nothing has changed. `now_ns`
// that run backwards are moved up.
bool pauses_set(struct pauses *pauses, bool paused, uint64_t now_ns);

// The capture thread: whether a sample of that time is to be dropped; then it has been counted.
// Times do not run backwards.
bool pauses_drop(struct pauses *pauses, uint64_t time_ns);

// Any thread.
bool pauses_are_on(const struct pauses *pauses);
uint32_t pauses_count(const struct pauses *pauses);
struct pause pauses_get(const struct pauses *pauses, uint32_t at); // below pauses_count()
uint64_t pauses_dropped(const struct pauses *pauses);              // in all

// Of a run of the past, before others see it. False: that is no pause behind those that there are.
bool pauses_restore(struct pauses *pauses, const struct pause *pause);
