#pragma once

// One append-only column of fixed-size rows, in chunks that never move and always stay: for the
// tree, the names, the threads. (The tables of rows, which grow without end, are in table.h.)
//
//     chunks ──► [ 65536 rows ][ 65536 rows ][ 651 rows ··· ]
//
// One thread appends; any number of threads read, without locks. The column itself does not know
// how long it is: the table that it belongs to publishes one length for all its columns (store.h),
// with a release store after the rows are written. A reader loads that length once (acquire) and
// then sees a consistent prefix, however far the writer has gone on.

#include "base/base.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { COLUMN_CHUNK_ROWS = 1 << 16, COLUMN_CHUNKS = 1 << 13 };

// The most rows that a column can hold.
#define COLUMN_MAX_ROWS ((uint64_t)COLUMN_CHUNK_ROWS * COLUMN_CHUNKS)

struct column {
    uint32_t row_bytes;
    _Atomic(uint8_t *) chunks[COLUMN_CHUNKS];
};

// `column` is zeroed memory: a column is 64 KiB of pointers, most of which are never touched.
void column_init(struct column *column, uint32_t row_bytes);

// Nobody reads any more.
void column_fini(struct column *column);

// The place of row `row`, making its chunk when it is the first of it. Writer only.
void *column_put(struct column *column, uint64_t row);

// Row `row`, which the caller knows to be published.
const void *column_at(const struct column *column, uint64_t row);

// Bytes of memory that the first `n_rows` take. A chunk that is not full counts with what is in it,
// since the system gives it pages only as they are touched.
uint64_t column_bytes(const struct column *column, uint64_t n_rows);
