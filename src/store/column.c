#include "store/column.h"

#include "base/alloc.h"

#include <stdlib.h>

void column_init(struct column *column, uint32_t row_bytes)
{
    ASSERT(row_bytes > 0);
    column->row_bytes = row_bytes;
}

void column_fini(struct column *column)
{
    for (size_t i = 0; i < COLUMN_CHUNKS; i++) {
        uint8_t *chunk = atomic_load(&column->chunks[i]);
        if (chunk == NULL) {
            return; // rows are appended, so chunks have no gaps
        }
        free(chunk);
        atomic_store(&column->chunks[i], NULL);
    }
}

// Relaxed is enough for the pointer: readers come here with a length that they have acquired.
static uint8_t *chunk_of(const struct column *column, uint64_t row)
{
    return atomic_load_explicit(&column->chunks[row / COLUMN_CHUNK_ROWS], memory_order_relaxed);
}

static uint8_t *row_in(const struct column *column, uint8_t *chunk, uint64_t row)
{
    return chunk + row % COLUMN_CHUNK_ROWS * column->row_bytes;
}

static uint8_t *make_chunk(struct column *column, uint64_t row)
{
    uint8_t *chunk = alloc_zeroed(COLUMN_CHUNK_ROWS, column->row_bytes);
    atomic_store_explicit(&column->chunks[row / COLUMN_CHUNK_ROWS], chunk, memory_order_release);
    return chunk;
}

void *column_put(struct column *column, uint64_t row)
{
    ASSERT(row < COLUMN_MAX_ROWS);
    uint8_t *chunk = chunk_of(column, row);
    if (chunk == NULL) {
        chunk = make_chunk(column, row);
    }
    return row_in(column, chunk, row);
}

const void *column_at(const struct column *column, uint64_t row)
{
    ASSERT(row < COLUMN_MAX_ROWS);
    uint8_t *chunk = chunk_of(column, row);
    ASSERT(chunk != NULL);
    return row_in(column, chunk, row);
}

uint64_t column_bytes(const struct column *column, uint64_t n_rows)
{
    uint64_t bytes = 0;
    for (uint64_t row = 0; row < n_rows; row += COLUMN_CHUNK_ROWS) {
        if (chunk_of(column, row) != NULL) {
            bytes += MIN(n_rows - row, (uint64_t)COLUMN_CHUNK_ROWS) * column->row_bytes;
        }
    }
    return bytes;
}
