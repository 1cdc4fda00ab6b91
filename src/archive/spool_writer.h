#pragma once

// What a spool writes at a time: the difference between the moment that is in the file and now, in
// one transaction. When it fails, the file and everything here are as they were.
//
// Big tables are written as packed pieces. The pieces of a chunk that is not full yet are merged as
// they grow, so that there are few of them and none is written often; a full chunk is one piece:
//
//     chunk 0, full        chunk 1
//     [    65536 rows    ] [  2000  ][ 700 ][ 90 ]  + 60 new ones
//     [    65536 rows    ] [  2000  ][ 700 ][ 150 ]           the last piece was less than twice as
//                                                             long as what is new: merged
//
// So a row is written some log2(65536) times at the very worst, and mostly once or twice.

#include "archive/facts.h"
#include "archive/moment.h"
#include "archive/row_reader.h"
#include "archive/run_file.h"
#include "base/text.h"

// The big tables: those of rows, by their numbers, and the tree.
enum { PACKED_FRAMES = ROW_TABLES, PACKED_STACKS, PACKED_TABLES };

enum { PIECES_MAX = 24 };

// Of the last chunk of a table.
struct pieces {
    size_t n;
    struct {
        uint64_t first;
        uint64_t end;
    } at[PIECES_MAX];
};

struct full_chunk {
    enum row_table table;
    struct chunk_place place;
};

enum spool_statement {
    PUT_META,
    DELETE_META,
    PUT_RUN,
    PUT_ACCOUNT,
    PUT_EVENT,
    PUT_STRING,
    PUT_IMAGE,
    PUT_PROCESS,
    PUT_THREAD,
    PUT_CODE,
    PUT_PIECE,                                 // one for each packed table
    DELETE_PIECES = PUT_PIECE + PACKED_TABLES, // likewise
    SPOOL_STATEMENTS = DELETE_PIECES + PACKED_TABLES
};

struct spool_writer {
    struct run_file *file;
    const struct store *store;
    struct row_reader *reader; // is told of chunks that are full; may be NULL
    bool is_whole;             // what is there is all there will be: a run that is over by then
    struct moment written;
    struct moment next;
    struct facts facts; // as they are in the file
    struct pieces pieces[PACKED_TABLES];
    VEC(struct full_chunk) full; // of this transaction
    sqlite3_stmt *statements[SPOOL_STATEMENTS];
    struct text blob;
    uint64_t packed_bytes; // of rows, so far
};

// `file` is a new one. All are borrowed. 0 or a negative errno; to be finished in either case.
int spool_writer_init(struct spool_writer *writer, struct run_file *file, const struct store *store,
                      struct row_reader *reader, struct err *reterr);
void spool_writer_fini(struct spool_writer *writer); // before the file is closed

// Brings the file up to now. `facts` as they shall be in it. 0 or a negative errno and why.
// Broken off with -ECANCELED when `*stop` becomes true (NULL: never).
int spool_writer_write(struct spool_writer *writer, const struct facts *facts,
                       const _Atomic bool *stop, struct err *reterr);

uint64_t spool_writer_rows(const struct spool_writer *writer);
// Estimated: that are not in the file yet.
uint64_t spool_writer_bytes_to_come(const struct spool_writer *writer);
