#pragma once

// One append-only column of fixed-size rows, in chunks that never move.
//
//     chunks ──► [ 65536 rows ][ 65536 rows ][ 651 rows ··· ]
//
// One thread appends; any number of threads read, without locks. The column itself does not know
// how long it is: the table that it belongs to publishes one length for all its columns (store.h),
// with a release store after the rows are written. A reader loads that length once (acquire) and
// then sees a consistent prefix, however far the writer has gone on.
//
// Readers of long columns pin a chunk while they look at it. A pinned chunk stays in memory; the
// others may be dropped when memory is short and read back when they are asked for.

#include "base/base.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { COLUMN_CHUNK_ROWS = 1 << 16, COLUMN_CHUNKS = 1 << 13 };

// The most rows that a column can hold.
#define COLUMN_MAX_ROWS ((uint64_t)COLUMN_CHUNK_ROWS * COLUMN_CHUNKS)

struct column_chunk; // pin count and rows

struct column {
    uint32_t row_bytes;
    _Atomic(struct column_chunk *) chunks[COLUMN_CHUNKS];
};

// `column` is zeroed memory: a column is 64 KiB of pointers, most of which are never touched.
void column_init(struct column *column, uint32_t row_bytes);

// Nobody reads any more; asserts that nothing is pinned.
void column_fini(struct column *column);

// The place of row `row`, making its chunk when it is the first of it. Writer only.
void *column_put(struct column *column, uint64_t row);

// Row `row`, which the caller knows to be published. For rows that are never dropped: the tree, the
// names, the threads.
const void *column_at(const struct column *column, uint64_t row);

// The rows from `row` to the end of its chunk, kept in memory until column_unpin().
const void *column_pin(const struct column *column, uint64_t row);
void column_unpin(const struct column *column, uint64_t row);

// Bytes of memory that the first `n_rows` take. A chunk that is not full counts with what is in it,
// since the system gives it pages only as they are touched.
uint64_t column_bytes(const struct column *column, uint64_t n_rows);
