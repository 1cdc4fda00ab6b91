#include "store/column.h"

#include "base/alloc.h"

#include <stdlib.h>

struct column_chunk {
    _Atomic uint32_t pins;
    _Alignas(16) uint8_t rows[];
};

void column_init(struct column *column, uint32_t row_bytes)
{
    ASSERT(row_bytes > 0);
    column->row_bytes = row_bytes;
}

void column_fini(struct column *column)
{
    for (size_t i = 0; i < COLUMN_CHUNKS; i++) {
        struct column_chunk *chunk = atomic_load(&column->chunks[i]);
        if (chunk == NULL) {
            return; // rows are appended, so chunks have no gaps
        }
        ASSERT(atomic_load(&chunk->pins) == 0);
        free(chunk);
        atomic_store(&column->chunks[i], NULL);
    }
}

// Relaxed is enough for the pointer: readers come here with a length that they have acquired.
static struct column_chunk *chunk_of(const struct column *column, uint64_t row)
{
    return atomic_load_explicit(&column->chunks[row / COLUMN_CHUNK_ROWS], memory_order_relaxed);
}

static uint8_t *row_in(const struct column *column, struct column_chunk *chunk, uint64_t row)
{
    return chunk->rows + row % COLUMN_CHUNK_ROWS * column->row_bytes;
}

static struct column_chunk *make_chunk(struct column *column, uint64_t row)
{
    size_t rows_bytes = (size_t)COLUMN_CHUNK_ROWS * column->row_bytes;
    struct column_chunk *chunk = alloc_zeroed(1, sizeof *chunk + rows_bytes);
    atomic_store_explicit(&column->chunks[row / COLUMN_CHUNK_ROWS], chunk, memory_order_release);
    return chunk;
}

void *column_put(struct column *column, uint64_t row)
{
    ASSERT(row < COLUMN_MAX_ROWS);
    struct column_chunk *chunk = chunk_of(column, row);
    if (chunk == NULL) {
        chunk = make_chunk(column, row);
    }
    return row_in(column, chunk, row);
}

const void *column_at(const struct column *column, uint64_t row)
{
    ASSERT(row < COLUMN_MAX_ROWS);
    struct column_chunk *chunk = chunk_of(column, row);
    ASSERT(chunk != NULL);
    return row_in(column, chunk, row);
}

const void *column_pin(const struct column *column, uint64_t row)
{
    const void *rows = column_at(column, row);
    atomic_fetch_add_explicit(&chunk_of(column, row)->pins, 1, memory_order_acquire);
    return rows;
}

void column_unpin(const struct column *column, uint64_t row)
{
    struct column_chunk *chunk = chunk_of(column, row);
    ASSERT(atomic_fetch_sub_explicit(&chunk->pins, 1, memory_order_release) > 0);
}

uint64_t column_bytes(const struct column *column, uint64_t n_rows)
{
    uint64_t bytes = 0;
    for (uint64_t row = 0; row < n_rows; row += COLUMN_CHUNK_ROWS) {
        if (chunk_of(column, row) != NULL) {
            uint64_t here = MIN(n_rows - row, (uint64_t)COLUMN_CHUNK_ROWS);
            bytes += sizeof(struct column_chunk) + here * column->row_bytes;
        }
    }
    return bytes;
}
