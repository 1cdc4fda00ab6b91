#include "archive/row_reader.h"

#include "archive/codec.h"
#include "base/map.h"

#include <errno.h>
#include <stdio.h>

void row_reader_init(struct row_reader *reader, const char *path)
{
    *reader = (struct row_reader){.path = alloc_text(path, strlen(path)), .file = {.lock_fd = -1}};
    pthread_mutex_init(&reader->lock, NULL);
}

static void close_file(struct row_reader *reader)
{
    for (size_t i = 0; i < ROW_TABLES; i++) {
        statementp(&reader->statements[i]);
    }
    run_file_close(&reader->file);
    reader->file = (struct run_file){.lock_fd = -1};
}

void row_reader_fini(struct row_reader *reader)
{
    close_file(reader);
    for (size_t i = 0; i < ROW_TABLES; i++) {
        vec_fini(&reader->chunks[i]);
    }
    free(reader->path);
    pthread_mutex_destroy(&reader->lock);
}

void row_reader_add(struct row_reader *reader, enum row_table table, struct chunk_place place)
{
    pthread_mutex_lock(&reader->lock);
    vec_push(&reader->chunks[table], place);
    pthread_mutex_unlock(&reader->lock);
}

uint64_t row_reader_rows(struct row_reader *reader, enum row_table table)
{
    pthread_mutex_lock(&reader->lock);
    uint64_t n = reader->chunks[table].n;
    pthread_mutex_unlock(&reader->lock);
    return n * COLUMN_CHUNK_ROWS;
}

static int open_file(struct row_reader *reader, struct err *reterr)
{
    if (reader->file.db != NULL) {
        return 0;
    }
    int r = run_file_open(reader->path, &reader->file, reterr);
    for (enum row_table table = 0; r == 0 && table < ROW_TABLES; table++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT n, data FROM %s WHERE first = ?", row_table_name(table));
        r = run_file_prepare(&reader->file, sql, &reader->statements[table], reterr);
    }
    if (r < 0) {
        close_file(reader);
    }
    return r;
}

int row_reader_open(struct row_reader *reader, struct err *reterr)
{
    pthread_mutex_lock(&reader->lock);
    int r = open_file(reader, reterr);
    pthread_mutex_unlock(&reader->lock);
    return r;
}

void row_reader_pause(struct row_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    close_file(reader);
}

void row_reader_go_on(struct row_reader *reader)
{
    pthread_mutex_unlock(&reader->lock);
}

uint64_t row_reader_hash(struct slice bytes)
{
    return bytes.n == 0 ? 0 : hash_bytes(bytes.data, bytes.n);
}

static int read_chunk(struct row_reader *reader, const struct chunk_place *place,
                      const struct row_block *block)
{
    sqlite3_stmt *statement = reader->statements[block->table];
    sqlite3_bind_int64(statement, 1, (int64_t)place->first);
    int r = run_file_step(&reader->file, statement, NULL);
    if (r <= 0) {
        return r < 0 ? r : -ENODATA;
    }
    struct slice data = column_slice(statement, 1);
    r = sqlite3_column_int64(statement, 0) == (int64_t)block->n &&
                row_reader_hash(data) == place->hash
            ? codec_parse_rows(data, block)
            : -EBADMSG;
    sqlite3_reset(statement);
    return r;
}

int row_reader_read_back(void *context, const struct row_block *block)
{
    struct row_reader *reader = context;
    uint64_t chunk = block->first / COLUMN_CHUNK_ROWS;
    pthread_mutex_lock(&reader->lock);
    int r = chunk < reader->chunks[block->table].n ? open_file(reader, NULL) : -ENOENT;
    if (r == 0) {
        r = read_chunk(reader, &reader->chunks[block->table].at[chunk], block);
    }
    pthread_mutex_unlock(&reader->lock);
    return r;
}
