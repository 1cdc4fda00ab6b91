#pragma once

// Reads full chunks of rows back from a run file, for store_set_pager(). It has a handle of its own
// and a list of where each chunk stands, with a hash of its bytes: what comes back is what was
// written, or checked, once; or nothing.

#include "archive/run_file.h"
#include "base/vec.h"
#include "store/paging.h"

#include <pthread.h>

struct chunk_place {
    uint64_t first; // in the file; in the store it is the chunk's number that counts
    uint64_t hash;
};

struct row_reader {
    pthread_mutex_t lock;
    char *path;
    struct run_file file; // open while it is used; db is NULL when it is not
    sqlite3_stmt *statements[ROW_TABLES];
    VEC(struct chunk_place) chunks[ROW_TABLES];
};

void row_reader_init(struct row_reader *reader, const char *path);
void row_reader_fini(struct row_reader *reader);

// The next chunk of that table. Any thread.
void row_reader_add(struct row_reader *reader, enum row_table table, struct chunk_place place);
uint64_t row_reader_rows(struct row_reader *reader, enum row_table table); // of all its chunks

// Opens the file now, not when rows are asked for: it may have lost its name by then.
int row_reader_open(struct row_reader *reader, struct err *reterr);

// So that somebody can settle the file: between the two, whoever asks for rows waits.
void row_reader_pause(struct row_reader *reader);
void row_reader_go_on(struct row_reader *reader);

// Of a struct pager: context is the reader.
int row_reader_read_back(void *context, const struct row_block *block);

uint64_t row_reader_hash(struct slice bytes);
