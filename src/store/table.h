#pragma once

// One table of rows: columns that are written, pinned, dropped and read back together.
//
//     slots ──► 0  [ times | threads | stacks ]    a chunk: 65536 rows, column after column
//               1  (dropped)
//               2  [ times | threads | stacks ]
//               3  [ times ·| threads ·| stacks ·]  open: not full yet, the writer is here
//
// A slot outlives the rows of its chunk. In it stand how many look at them at the moment, and the
// key of the first row: what rows are sorted by. So a search touches one chunk only.
//
// Pinning is one addition to `pins`. The chunk is dropped by changing `pins` from 0, and from
// nothing else, to TABLE_DROPPED: whoever has added 1 before keeps the rows, and whoever comes
// later finds that bit and goes for the rows (paging_fetch()). Its pin is counted already then, so
// that the rows stay once they have come.
//
// The table does not know how long it is: see column.h.

#include "store/column.h"

enum row_table { ROW_SAMPLES, ROW_INTERVALS, ROW_WAKEUPS, ROW_COUNTERS, ROW_TABLES };

enum { ROW_COLUMNS_MAX = 4 };

struct row_layout {
    uint32_t n_columns;
    uint32_t row_bytes[ROW_COLUMNS_MAX];
};

const struct row_layout *row_layout(enum row_table table);

// Consecutive rows of one table, column by column, in the order in which its struct in store.h
// lists them. Unused places are NULL.
struct row_block {
    enum row_table table;
    uint64_t first;
    size_t n;
    void *columns[ROW_COLUMNS_MAX];
};

// What rows are sorted by: a time; of an interval its end; of counters the row of the sample.
uint64_t row_block_key(const struct row_block *block, size_t i);

#define TABLE_DROPPED (UINT32_C(1) << 31)

struct table_slot {
    _Atomic(uint8_t *) rows; // points to nothing while TABLE_DROPPED
    _Atomic uint32_t pins;   // plus TABLE_DROPPED
    bool unreadable;         // the rows were not to be had once: for paging.c, under its lock
    _Atomic uint64_t used;   // the clock when it was pinned last
    uint64_t first_key;      // written once, before its row is published
};

struct paging; // paging.c

struct table {
    enum row_table id;
    uint32_t row_bytes; // of all columns
    const struct row_layout *layout;
    uint32_t column_off[ROW_COLUMNS_MAX]; // in a chunk
    struct table_slot *slots;             // COLUMN_CHUNKS of them, most of which are never touched
    struct paging *paging;
    _Atomic uint64_t *clock; // goes on when another chunk is pinned; 0: nothing is ever dropped
    uint8_t *open;           // writer only: the chunk that it writes to,
    uint64_t last_key;       // and the key of the newest row, which may be in a dropped chunk
};

void table_init(struct table *table, enum row_table id, struct paging *paging,
                _Atomic uint64_t *clock);
void table_fini(struct table *table); // nobody reads any more

// ---- Writer only -------------------------------------------------------------------------------

// Room for row `row`, the one after the newest. Its key is not less than that one's (asserted).
void table_add(struct table *table, uint64_t row, uint64_t key);

// A column of the row that was added last.
void *table_put(const struct table *table, uint64_t row, uint32_t column);

// Adds copies of rows, which follow the newest one: block->first.
void table_add_block(struct table *table, const struct row_block *block);

// ---- Readers -----------------------------------------------------------------------------------

// Rows from `first` on, at most up to `end`, as many as lie together. `first` < `end`, and `end` is
// at most the published length.
void table_pin(const struct table *table, uint64_t first, uint64_t end, struct row_block *ret);
void table_unpin(const struct table *table, uint64_t first);

// The first row whose key is at least `key`, among the first `n`. Touches one chunk at most.
uint64_t table_find(const struct table *table, uint64_t n, uint64_t key);

// Bytes of memory that the first `n` rows take, as far as they are there. A chunk that is not full
// counts with what is in it, since the system gives it pages only as they are touched.
uint64_t table_bytes(const struct table *table, uint64_t n);

// ---- Dropping, for paging.c --------------------------------------------------------------------

bool table_is_dropped(const struct table *table, size_t chunk);
bool table_is_idle(const struct table *table, size_t chunk); // there, and not pinned
uint64_t table_chunk_bytes(const struct table *table);

// False: somebody looks at it, or it is dropped already. One thread at a time.
bool table_drop(const struct table *table, size_t chunk);

// Zeroed memory for the rows of a chunk, as a block that names them; and its way into the table,
// which owns it from then on. One thread at a time; the chunk is dropped.
void table_make_block(const struct table *table, size_t chunk, struct row_block *ret);
void table_free_block(const struct table *table, const struct row_block *block); // instead
void table_bring_back(const struct table *table, const struct row_block *block);
