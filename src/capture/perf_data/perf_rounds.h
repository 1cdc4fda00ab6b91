#pragma once

// Puts the records of a perf.data file into the order of time.
//
// perf empties the rings one after the other, again and again, and says so after each time (a
// round): within a round the records of each ring are sorted, but the rings follow each other. When
// a round is over, nothing that is older than the newest record of the round before it can come any
// more:
//
//     round 1            round 2                        FINISHED_ROUND: all up to max 1 are sorted
//     ──a──b──c── max 1  ──d──e── max 2   end of it ──► and handed on; the rest waits
//
// Files that were sorted once (perf inject) have no rounds. So there is a bound on what waits:
// beyond it the older half is handed on.
//
// Owned by the capture thread.

#include "capture/perf_data/perf_stream.h"

struct perf_rounds_entry {
    uint64_t time_ns;
    uint64_t number;                        // in the file: equal times keep their order
    const struct perf_event_header *record; // aligned, in the chunk, which is held
    struct perf_chunk *chunk;
    uint32_t event; // its index, or PERF_EVENT_NONE
};

struct perf_rounds {
    struct perf_stream *stream;
    VEC(struct perf_rounds_entry) waiting; // from `next` on
    size_t next;
    size_t n_ready;    // of them, sorted; up to this index
    uint64_t n_pushed; // ever
    uint64_t newest_ns;
    uint64_t until_ns; // the newest when the last round ended
};

void perf_rounds_init(struct perf_rounds *rounds, struct perf_stream *stream);
void perf_rounds_fini(struct perf_rounds *rounds);

// Takes a record in. More may be ready afterwards.
void perf_rounds_push(struct perf_rounds *rounds, const struct perf_stream_record *record,
                      uint64_t time_ns, uint32_t event);

// A round is over.
void perf_rounds_end(struct perf_rounds *rounds);

// There is nothing more to come: all is ready.
void perf_rounds_end_all(struct perf_rounds *rounds);

// The earliest time of those that are ready and have one; 0: none.
uint64_t perf_rounds_first_ns(const struct perf_rounds *rounds);

// The next one in time that is ready, or NULL; it is valid until perf_rounds_pop().
const struct perf_rounds_entry *perf_rounds_peek(const struct perf_rounds *rounds);
void perf_rounds_pop(struct perf_rounds *rounds);
