#pragma once

// Many rings, one stream sorted by time, without copying a record.
//
// Each ring is (almost) sorted in itself; a heap of their first records yields the oldest of all.
// The difficulty is a ring that seems empty: its next record may be stamped already and not yet be
// written. So each round holds back what is too new to be sure of:
//
//     round k-1:  T(k-1) = now, look at the heads …
//     round k:    T(k)   = now, look at the heads, deliver records up to T(k-1)
//
// A record stamped before T(k-1) was written long before the heads of round k were looked at: the
// kernel does nothing else between the two. Rounds that follow each other within HOLD_MIN_NS count
// as one. What is held back stays in its ring. The last round delivers everything.
//
// Almost: a record's time is taken before its place in the ring, and an interrupt in between writes
// its own record first. The ring's order is then the true one, and the late record's time is moved
// up to that of the record before it: microseconds.

#include "capture/linux/perf_ring.h"
#include "capture/perf/perf_record.h"

enum {
    PERF_MERGE_HOLD_MIN_NS = 1000000,
    PERF_MERGE_NEST_NS = 1000000, // a record that is later than that is late, and stays so
};

struct perf_merge {
    struct perf_ring *rings; // borrowed
    uint32_t n_rings;
    uint64_t *last_ns; // by ring: time of its latest delivered record
    struct perf_merge_head *heap;
    uint32_t n_heap;
    uint64_t round_ns; // when the latest round that counts began
    uint64_t until_ns; // everything up to here has been delivered
};

// `record` is valid until the function returns, and is what perf_ring_peek() of rings[ring] yields.
// `time_ns` is the time to give it.
typedef void (*perf_merge_fn)(void *context, const struct perf_event_header *record,
                              uint64_t time_ns, uint32_t ring);

void perf_merge_init(struct perf_merge *merge, struct perf_ring *rings, uint32_t n_rings);
void perf_merge_fini(struct perf_merge *merge); // accepts a zeroed one

// One round. `now_ns` is the clock of the records, read just before. `final` holds nothing back.
void perf_merge_drain(struct perf_merge *merge, uint64_t now_ns, bool final, perf_merge_fn deliver,
                      void *context);

// The most that one ring still holds after a round, because it was too new. It came within a
// moment, unless the rounds are far apart.
uint64_t perf_merge_held_bytes(const struct perf_merge *merge);
