#include "store/paging.h"

#include "base/alloc.h"
#include "store/row_check.h"

#include <pthread.h>
#include <stdlib.h>

// Two locks, one for each direction. `reading` is held while the file is read, `dropping` never for
// long; who takes both takes `reading` first.
struct paging {
    struct store *store;
    struct pager pager;                   // under `reading`
    uint64_t budget_bytes;                // under `dropping`; 0: nothing is dropped
    _Atomic uint64_t clock;               // 0: stands still, since nothing was to be dropped so far
    _Atomic uint64_t written[ROW_TABLES]; // rows that are in the file
    _Atomic uint64_t n_dropped;
    _Atomic uint64_t n_read_back;
    _Atomic uint64_t n_failed;
    pthread_mutex_t reading;
    pthread_mutex_t dropping;
};

const char *row_table_name(enum row_table table)
{
    static const char *const names[ROW_TABLES] = {
        [ROW_SAMPLES] = "samples",
        [ROW_INTERVALS] = "intervals",
        [ROW_WAKEUPS] = "wakeups",
        [ROW_COUNTERS] = "counters",
    };
    ASSERT(table < ROW_TABLES);
    return names[table];
}

static void init_tables(struct paging *paging)
{
    struct store *store = paging->store;
    table_init(&store->samples.table, ROW_SAMPLES, paging, &paging->clock);
    table_init(&store->intervals.table, ROW_INTERVALS, paging, &paging->clock);
    table_init(&store->wakeups.table, ROW_WAKEUPS, paging, &paging->clock);
    table_init(&store->counters.table, ROW_COUNTERS, paging, &paging->clock);
}

struct paging *paging_new(struct store *store)
{
    struct paging *paging = NEW(struct paging);
    paging->store = store;
    pthread_mutex_init(&paging->reading, NULL);
    pthread_mutex_init(&paging->dropping, NULL);
    init_tables(paging);
    return paging;
}

void paging_free(struct paging *paging)
{
    table_fini(&paging->store->counters.table);
    table_fini(&paging->store->wakeups.table);
    table_fini(&paging->store->intervals.table);
    table_fini(&paging->store->samples.table);
    pthread_mutex_destroy(&paging->dropping);
    pthread_mutex_destroy(&paging->reading);
    free(paging);
}

// ---- All tables alike --------------------------------------------------------------------------

const struct table *store_table(const struct store *store, enum row_table table)
{
    const struct table *const tables[ROW_TABLES] = {
        [ROW_SAMPLES] = &store->samples.table,
        [ROW_INTERVALS] = &store->intervals.table,
        [ROW_WAKEUPS] = &store->wakeups.table,
        [ROW_COUNTERS] = &store->counters.table,
    };
    ASSERT(table < ROW_TABLES);
    return tables[table];
}

uint64_t store_rows(const struct store *store, enum row_table table)
{
    const _Atomic uint64_t *const lengths[ROW_TABLES] = {
        [ROW_SAMPLES] = &store->samples.n,
        [ROW_INTERVALS] = &store->intervals.n,
        [ROW_WAKEUPS] = &store->wakeups.n,
        [ROW_COUNTERS] = &store->counters.n,
    };
    ASSERT(table < ROW_TABLES);
    return atomic_load_explicit(lengths[table], memory_order_acquire);
}

void store_pin(const struct store *store, enum row_table table, uint64_t first, uint64_t end,
               struct row_block *ret)
{
    table_pin(store_table(store, table), first, end, ret);
}

void store_unpin(const struct store *store, const struct row_block *block)
{
    table_unpin(store_table(store, block->table), block->first);
}

static uint64_t resident_bytes(const struct store *store)
{
    uint64_t bytes = 0;
    for (enum row_table id = 0; id < ROW_TABLES; id++) {
        bytes += table_bytes(store_table(store, id), store_rows(store, id));
    }
    return bytes;
}

struct paging_counts store_paging(const struct store *store)
{
    const struct paging *paging = store->paging;
    return (struct paging_counts){
        .resident_bytes = resident_bytes(store),
        .dropped = atomic_load_explicit(&paging->n_dropped, memory_order_relaxed),
        .read_back = atomic_load_explicit(&paging->n_read_back, memory_order_relaxed),
        .failed = atomic_load_explicit(&paging->n_failed, memory_order_relaxed),
    };
}

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

// ---- Dropping ----------------------------------------------------------------------------------

void store_set_pager(struct store *store, const struct pager *pager, uint64_t budget_bytes)
{
    struct paging *paging = store->paging;
    pthread_mutex_lock(&paging->reading);
    pthread_mutex_lock(&paging->dropping);
    paging->pager = *pager;
    paging->budget_bytes = budget_bytes;
    uint64_t stands_still = 0;
    if (budget_bytes > 0) {
        atomic_compare_exchange_strong(&paging->clock, &stands_still, 1);
    }
    pthread_mutex_unlock(&paging->dropping);
    pthread_mutex_unlock(&paging->reading);
}

void store_written(struct store *store, enum row_table table, uint64_t n)
{
    ASSERT(table < ROW_TABLES && n <= store_rows(store, table));
    atomic_store_explicit(&store->paging->written[table], n, memory_order_release);
}

struct victim {
    const struct table *table; // NULL: none
    size_t chunk;
    uint64_t used;
};

// Of the chunks that may be dropped, the one that was pinned longest ago; of those that never were,
// the oldest.
static void find_victim(const struct store *store, enum row_table id, struct victim *best)
{
    const struct table *table = store_table(store, id);
    uint64_t written = atomic_load_explicit(&store->paging->written[id], memory_order_acquire);
    size_t full = (size_t)(written / COLUMN_CHUNK_ROWS);
    for (size_t chunk = 0; chunk < full; chunk++) {
        uint64_t used = atomic_load_explicit(&table->slots[chunk].used, memory_order_relaxed);
        bool older = best->table == NULL || used < best->used;
        if (older && table_is_idle(table, chunk)) {
            *best = (struct victim){.table = table, .chunk = chunk, .used = used};
        }
    }
}

static bool drop_one(struct paging *paging, uint64_t *resident)
{
    struct victim victim = {.table = NULL};
    for (enum row_table id = 0; id < ROW_TABLES; id++) {
        find_victim(paging->store, id, &victim);
    }
    if (victim.table == NULL) {
        return false;
    }
    if (table_drop(victim.table, victim.chunk)) { // else somebody has pinned it just now
        *resident -= MIN(*resident, table_chunk_bytes(victim.table));
        count(&paging->n_dropped, 1);
    }
    return true;
}

void store_trim(struct store *store)
{
    struct paging *paging = store->paging;
    pthread_mutex_lock(&paging->dropping);
    uint64_t resident = paging->budget_bytes > 0 ? resident_bytes(store) : 0;
    while (resident > paging->budget_bytes && drop_one(paging, &resident)) {
    }
    pthread_mutex_unlock(&paging->dropping);
}

// ---- Reading back ------------------------------------------------------------------------------

static void fill_keys(uint64_t *keys, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++) {
        keys[i] = key;
    }
}

// Makes zeroed rows say nothing, at a time at which they stay sorted.
static void fill_in(const struct row_block *block, uint64_t key)
{
    struct counter_row *counters = block->columns[0];
    thread_id *wakers = block->columns[2];
    switch (block->table) {
    case ROW_SAMPLES:
        fill_keys(block->columns[0], block->n, key);
        break;
    case ROW_INTERVALS:
        fill_keys(block->columns[0], block->n, key);
        fill_keys(block->columns[1], block->n, REASON_BY_STACK << 8 | INTERVAL_RUNNABLE);
        break;
    case ROW_WAKEUPS:
        fill_keys(block->columns[0], block->n, key);
        for (size_t i = 0; i < block->n; i++) {
            wakers[i] = THREAD_INTERRUPT;
        }
        break;
    case ROW_COUNTERS:
        for (size_t i = 0; i < block->n; i++) {
            counters[i].sample = key;
        }
        break;
    case ROW_TABLES:
        break;
    }
}

// Whether these are the rows that were dropped, as far as can be told: they lie between those
// around them, and name what exists.
static bool fits(const struct store *store, const struct table *table, size_t chunk,
                 const struct row_block *block)
{
    uint64_t first_key = table->slots[chunk].first_key;
    uint64_t last_key = row_block_key(block, block->n - 1);
    uint64_t end = block->first + block->n;
    bool is_newest = end == store_rows(store, table->id);
    return row_block_key(block, 0) == first_key && row_check(store, block, first_key) &&
           (is_newest || last_key <= table->slots[chunk + 1].first_key);
}

static void replace(struct paging *paging, const struct table *table, size_t chunk,
                    struct row_block *block)
{
    struct table_slot *slot = &table->slots[chunk];
    table_free_block(table, block);
    table_make_block(table, chunk, block);
    fill_in(block, slot->first_key);
    count(&paging->n_failed, 1);
    if (!slot->unreadable) {
        slot->unreadable = true;
        count(&paging->store->accounts[ACCOUNT_ROWS_UNREADABLE], block->n);
    }
}

static void read_back(struct paging *paging, const struct table *table, size_t chunk)
{
    struct row_block block;
    table_make_block(table, chunk, &block);
    int r = paging->pager.read_back(paging->pager.context, &block);
    if (r < 0 || !fits(paging->store, table, chunk, &block)) {
        replace(paging, table, chunk, &block);
    }
    table_bring_back(table, &block);
    count(&paging->n_read_back, 1);
}

void paging_fetch(const struct table *table, size_t chunk)
{
    struct paging *paging = table->paging;
    pthread_mutex_lock(&paging->reading);
    bool was_dropped = table_is_dropped(table, chunk); // else somebody else has been quicker
    if (was_dropped) {
        read_back(paging, table, chunk);
    }
    pthread_mutex_unlock(&paging->reading);
    if (was_dropped) {
        store_trim(paging->store);
    }
}
