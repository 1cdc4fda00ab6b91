#pragma once

// Rows that are in a file need not be in memory.
//
// The four tables of rows (samples, intervals, wakeups, counters) grow without end. Once a file has
// a full chunk of one (store_written()), the chunk may be dropped when the rows of the run take
// more than their budget, the one that was looked at longest ago first; whoever pins it again has
// it read back. What is not full, and what is pinned, stays. The tree of stacks, names, threads and
// images always stay: they are what rows mean, and they stop growing.
//
//     [ chunk 0 ]   [ chunk 1 ]   [ chunk 2 ]   [ chunk 3, not full ]
//      dropped       in memory     pinned        being written
//         └── pin ──► read_back() ──► in memory, and another one is dropped
//
// Pinning what is in memory takes no lock. Reading back does, and only those who need a chunk that
// is not there wait for it.

#include "store/store.h"

enum row_table { ROW_SAMPLES, ROW_INTERVALS, ROW_WAKEUPS, ROW_COUNTERS, ROW_TABLES };

// "samples", …
const char *row_table_name(enum row_table table);

enum { ROW_COLUMNS_MAX = 4 };

// Consecutive rows of one table, column by column, in the order in which its struct in store.h
// lists them. Unused places are NULL.
struct row_block {
    enum row_table table;
    uint64_t first;
    size_t n;
    void *columns[ROW_COLUMNS_MAX];
};

struct row_layout {
    uint32_t n_columns;
    uint32_t row_bytes[ROW_COLUMNS_MAX];
};

const struct row_layout *row_layout(enum row_table table);

// How many rows of a table are published.
uint64_t store_rows(const struct store *store, enum row_table table);

// Rows from `first` on, at most up to `end`, as many as lie together: as samples_pin(), for whoever
// treats all tables alike. The columns are to be read only.
void store_pin(const struct store *store, enum row_table table, uint64_t first, uint64_t end,
               struct row_block *ret);
void store_unpin(const struct store *store, const struct row_block *block);

// ---- Dropping and reading back -----------------------------------------------------------------

struct pager {
    // Fills in the columns of `block`, whose first, n and columns are given: all rows of one full
    // chunk. 0 or a negative errno. Any thread, one call at a time.
    int (*read_back)(void *context, const struct row_block *block);
    void *context;
};

// From now on chunks may be dropped when rows take more than `budget_bytes`; 0: none ever is.
// Before anybody else sees the store.
void store_set_pager(struct store *store, const struct pager *pager, uint64_t budget_bytes);

// The file has all rows below `n`, for good. Any one thread.
void store_written(struct store *store, enum row_table table, uint64_t n);

// Drops what is too much. Any thread; done by itself whenever a chunk is read back.
void store_trim(struct store *store);

struct paging_counts {
    uint64_t resident_bytes; // of rows
    uint64_t dropped;        // chunks, so far
    uint64_t read_back;
    uint64_t failed; // could not be read back: its rows read as what does least harm, see below
};
struct paging_counts store_paging(const struct store *store);

// A chunk that cannot be read back becomes rows that say nothing: of thread 0 with the empty stack,
// at the time of the last row before them; intervals of no length. The failure is counted, and an
// account of the run says how many rows are missing.
