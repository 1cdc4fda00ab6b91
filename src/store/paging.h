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

// enum row_table, struct row_block and row_layout() are in store/table.h.

// "samples", …
const char *row_table_name(enum row_table table);

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

// From now on chunks may be dropped when rows take more than `budget_bytes`; 0: none is. Any
// thread, at any time, but not under a lock that read_back() takes: waits for one that goes on, and
// when it returns, the pager of before is not called any more.
void store_set_pager(struct store *store, const struct pager *pager, uint64_t budget_bytes);

// The file has all rows below `n`, for good. Any one thread.
void store_written(struct store *store, enum row_table table, uint64_t n);

// Drops what is too much. Any thread; done by itself whenever a chunk is read back. Neither this
// nor store_written() ever waits for reading back, so the pager's owner may call them under its own
// lock.
void store_trim(struct store *store);

struct paging_counts {
    uint64_t resident_bytes; // of rows
    uint64_t dropped;        // chunks, so far
    uint64_t read_back;      // with those that
    uint64_t failed; // could not be read back: its rows read as what does least harm, see below
};
struct paging_counts store_paging(const struct store *store);

// What is read back is looked at as if it came from a stranger: a chunk that is not sound any more
// counts as one that cannot be read. Such a chunk becomes rows that say nothing: of thread 0 with
// the empty stack, at the time of the first of them; runnable intervals of no length; counters of
// which nothing is known. The failure is counted, and ACCOUNT_ROWS_UNREADABLE says how many rows
// are missing. It is tried again when the chunk has been dropped and is needed once more.

// ---- For the store itself ----------------------------------------------------------------------

// Makes the four tables, too; and ends them.
struct paging *paging_new(struct store *store);
void paging_free(struct paging *paging);

const struct table *store_table(const struct store *store, enum row_table table);

// The slow half of table_pin(): returns when the chunk, which is pinned already, has its rows.
void paging_fetch(const struct table *table, size_t chunk);
