#pragma once

// From a perf.data file's bytes to its records, those that lie packed in others (perf record -z)
// included.
//
//     file ──► chunk ─┬─ record
//                     ├─ COMPRESSED ──► zstd ──► chunk ─┬─ record
//                     ├─ …                              └─ the first half of one; its second half
//                     └─ a cut one: goes to the             comes with the next COMPRESSED
//                        start of the next chunk
//
// Nothing is copied: records are used where they lie, for as long as somebody holds their chunk.
//
// Owned by the capture thread.

#include "base/err.h"
#include "base/text.h"
#include "base/vec.h"
#include "capture/perf_data/perf_data.h"

// Holds whole records; given back when nobody needs one of them any more.
struct perf_chunk {
    struct perf_chunk *next; // of the spare ones
    uint32_t n_holders;
    size_t n; // bytes that are filled
    size_t room;
    uint64_t words[];
};

// Bytes of which records are taken, front to back.
struct perf_source {
    struct perf_chunk *chunk; // NULL: none yet
    size_t at;
};

struct perf_stream {
    int fd; // borrowed
    uint64_t off;
    uint64_t end_off;
    bool may_end;         // before end_off: perf has not said where
    bool file_ended;      // it did
    uint64_t chunk_bytes; // memory of the chunks that somebody holds
    struct perf_source outer;
    struct perf_source inner;  // unpacked
    struct slice packed;       // what is not unpacked yet, in outer's chunk
    bool more_unpacked;        // zstd holds more than there was room for
    struct ZSTD_DCtx_s *zstd;  // NULL until it is needed
    uint64_t n_unpacked_bytes; // at most LIMIT_PERF_UNPACKED_MIB
    struct perf_chunk *spares; // that nobody holds, for the next ones: their pages are there
    size_t n_spares;
};

struct perf_stream_record {
    struct perf_event_header header;
    const uint8_t *at; // all header.size bytes of it; perhaps not aligned
    struct perf_chunk *chunk;
};

enum perf_stream_outcome {
    PERF_STREAM_OK = 0,
    PERF_STREAM_END = 1,
    PERF_STREAM_CUT = 2, // ends in the middle of a record
    PERF_STREAM_BAD = 3, // makes no sense from here on
};

void perf_stream_init(struct perf_stream *stream, int fd, const struct perf_data_header *header);

// Nobody may hold a chunk any more.
void perf_stream_fini(struct perf_stream *stream);

// The next record, valid until the next call, or for as long as its chunk is held. Or a negative
// errno, of reading.
int perf_stream_next(struct perf_stream *stream, struct perf_stream_record *ret);

// Bytes that are no record: they follow one. Same outcomes.
int perf_stream_take(struct perf_stream *stream, uint64_t n, struct text *ret);

void perf_stream_hold(struct perf_chunk *chunk);
void perf_stream_release(struct perf_stream *stream, struct perf_chunk *chunk);

// A record of its own, aligned, that has one holder.
struct perf_chunk *perf_stream_copy(struct perf_stream *stream,
                                    const struct perf_stream_record *record);
