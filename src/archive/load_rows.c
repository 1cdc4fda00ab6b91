#include "archive/load_rows.h"

#include "archive/codec.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// One blob: rows [first, first + n) of its table in the file.
struct piece {
    uint64_t first;
    uint64_t n;
    struct slice data;
};

// A table on its way.
struct way {
    struct loader *loader;
    enum row_table table;
    uint64_t next;   // row in the file that is expected
    bool at_end;     // the last chunk is not full, or not of one piece
    uint8_t *memory; // for the columns of a chunk
};

static bool is_full(const struct piece *piece)
{
    return piece->n == COLUMN_CHUNK_ROWS && piece->first % COLUMN_CHUNK_ROWS == 0;
}

// Pieces lie in one chunk and follow each other. Only whole chunks may be missing in between.
static bool fits(const struct way *way, const struct piece *piece)
{
    uint64_t in_chunk = piece->first % COLUMN_CHUNK_ROWS;
    return piece->first < COLUMN_MAX_ROWS && piece->n > 0 &&
           piece->n <= COLUMN_CHUNK_ROWS - in_chunk &&
           (piece->first == way->next ||
            (piece->first > way->next && in_chunk == 0 && way->next % COLUMN_CHUNK_ROWS == 0));
}

static void make_block(const struct way *way, size_t n, struct row_block *ret)
{
    struct store *store = way->loader->run->store;
    const struct row_layout *layout = row_layout(way->table);
    *ret = (struct row_block){.table = way->table, .first = store_rows(store, way->table), .n = n};
    uint8_t *at = way->memory;
    for (size_t i = 0; i < layout->n_columns; i++) {
        ret->columns[i] = at;
        at += (size_t)COLUMN_CHUNK_ROWS * layout->row_bytes[i];
    }
}

// What a thread did last follows from its rows.
static void note_last_stacks(struct store *store, const struct row_block *block)
{
    const thread_id *threads = block->columns[1];
    const stack_id *stacks = block->columns[2];
    for (size_t i = 0; i < block->n; i++) {
        if (threads[i] < THREAD_INTERRUPT) {
            atomic_store_explicit(&store_thread_mut(store, threads[i])->last_stack, stacks[i],
                                  memory_order_relaxed);
        }
    }
}

// It can be read back from now on, and need not stay in memory.
static void release_chunk(const struct way *way, const struct piece *piece)
{
    struct loaded_run *run = way->loader->run;
    struct chunk_place place = {.first = piece->first, .hash = row_reader_hash(piece->data)};
    row_reader_add(&run->reader, way->table, place);
    store_written(run->store, way->table, row_reader_rows(&run->reader, way->table));
    store_trim(run->store);
}

static void restore_piece(struct way *way, const struct piece *piece)
{
    struct store *store = way->loader->run->store;
    struct row_block block;
    make_block(way, piece->n, &block);
    bool is_sound = codec_parse_rows(piece->data, &block) == 0 && store_restore_rows(store, &block);
    way->next = piece->first + piece->n;
    if (is_full(piece)) {
        if (is_sound) {
            release_chunk(way, piece);
        }
    } else {
        way->at_end = !is_sound || way->next % COLUMN_CHUNK_ROWS == 0;
    }
    if (is_sound && way->table == ROW_SAMPLES) {
        note_last_stacks(store, &block);
    }
}

static int load_pieces(struct way *way, struct err *reterr)
{
    struct run_file *file = way->loader->file;
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT first, n, data FROM %s ORDER BY first",
             row_table_name(way->table));
    int r = run_file_prepare(file, sql, &statement, reterr);
    while (r == 0 && !way->at_end) {
        r = loader_check_stop(way->loader, reterr);
        if (r == 0) {
            r = run_file_step(file, statement, reterr);
        }
        if (r <= 0) {
            break;
        }
        struct piece piece = {.first = (uint64_t)sqlite3_column_int64(statement, 0),
                              .n = (uint64_t)sqlite3_column_int64(statement, 1),
                              .data = column_slice(statement, 2)};
        r = 0;
        if (!fits(way, &piece)) {
            break;
        }
        restore_piece(way, &piece);
    }
    return r;
}

static int load_table(struct loader *loader, enum row_table table, struct err *reterr)
{
    const struct row_layout *layout = row_layout(table);
    size_t row_bytes = 0;
    for (size_t i = 0; i < layout->n_columns; i++) {
        row_bytes += layout->row_bytes[i];
    }
    CLEANUP(freep) uint8_t *memory = NEW_ARRAY(uint8_t, COLUMN_CHUNK_ROWS * row_bytes);
    struct way way = {.loader = loader, .table = table, .memory = memory};
    int r = load_pieces(&way, reterr);
    return is_damage(r) ? 0 : r;
}

static uint64_t count_missing(struct loader *loader, enum row_table table)
{
    uint64_t n = store_rows(loader->run->store, table);
    uint64_t missing = loader->said[table] - MIN(loader->said[table], n);
    loader->run->rows_missing += missing;
    loader_miss(loader, row_table_name(table), missing);
    return missing;
}

int load_rows(struct loader *loader, struct err *reterr)
{
    uint64_t samples_missing = 0;
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        // Counters name rows of samples by their numbers, which are others then.
        bool skip = table == ROW_COUNTERS && samples_missing > 0;
        int r = skip ? 0 : load_table(loader, table, reterr);
        if (r < 0) {
            return r;
        }
        uint64_t missing = count_missing(loader, table);
        if (table == ROW_SAMPLES) {
            samples_missing = missing;
        }
    }
    return 0;
}
