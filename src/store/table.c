#include "store/table.h"

#include "base/alloc.h"
#include "store/paging.h"

#include <string.h>

static const struct row_layout layouts[ROW_TABLES] = {
    [ROW_SAMPLES] = {3, {sizeof(uint64_t), sizeof(thread_id), sizeof(stack_id)}},
    [ROW_INTERVALS] = {4,
                       {sizeof(uint64_t), sizeof(uint64_t), sizeof(thread_id), sizeof(stack_id)}},
    [ROW_WAKEUPS] = {4, {sizeof(uint64_t), sizeof(thread_id), sizeof(thread_id), sizeof(stack_id)}},
    [ROW_COUNTERS] = {1, {sizeof(struct counter_row)}},
};

const struct row_layout *row_layout(enum row_table table)
{
    ASSERT(table < ROW_TABLES);
    return &layouts[table];
}

uint64_t row_block_key(const struct row_block *block, size_t i)
{
    ASSERT(block->table < ROW_TABLES);
    const uint64_t *times = block->columns[0];
    switch (block->table) {
    case ROW_SAMPLES:
    case ROW_WAKEUPS:
        return times[i];
    case ROW_INTERVALS:
        return times[i] + (((const uint64_t *)block->columns[1])[i] >> 16);
    case ROW_COUNTERS:
        return ((const struct counter_row *)block->columns[0])[i].sample;
    case ROW_TABLES:
        break;
    }
    return 0;
}

#define SLOTS_BYTES (COLUMN_CHUNKS * sizeof(struct table_slot))

uint64_t table_chunk_bytes(const struct table *table)
{
    return (uint64_t)table->row_bytes * COLUMN_CHUNK_ROWS;
}

void table_init(struct table *table, enum row_table id, struct paging *paging,
                _Atomic uint64_t *clock)
{
    *table = (struct table){
        .id = id,
        .layout = row_layout(id),
        .slots = alloc_pages(SLOTS_BYTES),
        .paging = paging,
        .clock = clock,
    };
    for (uint32_t i = 0; i < table->layout->n_columns; i++) {
        table->column_off[i] = table->row_bytes * COLUMN_CHUNK_ROWS;
        table->row_bytes += table->layout->row_bytes[i];
    }
}

void table_fini(struct table *table)
{
    for (size_t chunk = 0; chunk < COLUMN_CHUNKS; chunk++) {
        struct table_slot *slot = &table->slots[chunk];
        uint8_t *rows = atomic_load(&slot->rows);
        if (rows == NULL) {
            break; // rows are appended, so chunks have no gaps
        }
        uint32_t pins = atomic_load(&slot->pins);
        ASSERT((pins & ~TABLE_DROPPED) == 0);
        if (pins == 0) {
            free_pages(rows, table_chunk_bytes(table));
        }
    }
    free_pages(table->slots, SLOTS_BYTES);
    table->slots = NULL;
}

static struct table_slot *slot_of(const struct table *table, uint64_t row)
{
    return &table->slots[row / COLUMN_CHUNK_ROWS];
}

// Names rows [first, first + n) of the chunk that lies at `rows`.
static void name_rows(const struct table *table, uint8_t *rows, uint64_t first, size_t n,
                      struct row_block *ret)
{
    const struct row_layout *layout = table->layout;
    *ret = (struct row_block){.table = table->id, .first = first, .n = n};
    for (uint32_t i = 0; i < layout->n_columns; i++) {
        ret->columns[i] = rows + table->column_off[i] +
                          first % COLUMN_CHUNK_ROWS * layout->row_bytes[i];
    }
}

// How many rows from `first` on lie in one chunk, up to `end`.
static size_t rows_together(uint64_t first, uint64_t end)
{
    ASSERT(first < end);
    uint64_t chunk_end = (first / COLUMN_CHUNK_ROWS + 1) * COLUMN_CHUNK_ROWS;
    return (size_t)(MIN(end, chunk_end) - first);
}

// ---- Writing -----------------------------------------------------------------------------------

void table_add(struct table *table, uint64_t row, uint64_t key)
{
    ASSERT(row < COLUMN_MAX_ROWS && key >= table->last_key);
    if (row % COLUMN_CHUNK_ROWS == 0) {
        struct table_slot *slot = slot_of(table, row);
        table->open = alloc_pages(table_chunk_bytes(table));
        slot->first_key = key;
        atomic_store_explicit(&slot->rows, table->open, memory_order_relaxed);
    }
    table->last_key = key;
}

void *table_put(const struct table *table, uint64_t row, uint32_t column)
{
    return table->open + table->column_off[column] +
           row % COLUMN_CHUNK_ROWS * table->layout->row_bytes[column];
}

// Rows of one chunk.
static void add_piece(struct table *table, const struct row_block *block, size_t first, size_t n)
{
    uint64_t row = block->first + first;
    table_add(table, row, row_block_key(block, first));
    const struct row_layout *layout = table->layout;
    for (uint32_t i = 0; i < layout->n_columns; i++) {
        size_t bytes = layout->row_bytes[i];
        memcpy(table_put(table, row, i), (const uint8_t *)block->columns[i] + first * bytes,
               n * bytes);
    }
    table->last_key = row_block_key(block, first + n - 1);
}

void table_add_block(struct table *table, const struct row_block *block)
{
    for (size_t first = 0, n; first < block->n; first += n) {
        n = rows_together(block->first + first, block->first + block->n);
        add_piece(table, block, first, n);
    }
}

// ---- Reading -----------------------------------------------------------------------------------

// Several readers may set the clock at the same time, and one of them is lost: then two chunks have
// been used at the same time, which is as good.
static void touch(const struct table *table, struct table_slot *slot)
{
    uint64_t now = atomic_load_explicit(table->clock, memory_order_relaxed);
    if (now != 0 && atomic_load_explicit(&slot->used, memory_order_relaxed) != now) {
        atomic_store_explicit(table->clock, now + 1, memory_order_relaxed);
        atomic_store_explicit(&slot->used, now + 1, memory_order_relaxed);
    }
}

// What orders what: a reader has acquired a length that the first rows were written before. Who
// brings rows back writes `rows` before it clears TABLE_DROPPED (release), who finds it cleared has
// acquired that. Who drops has acquired all unpins (release).
void table_pin(const struct table *table, uint64_t first, uint64_t end, struct row_block *ret)
{
    struct table_slot *slot = slot_of(table, first);
    uint32_t before = atomic_fetch_add_explicit(&slot->pins, 1, memory_order_acquire);
    if ((before & TABLE_DROPPED) != 0) {
        paging_fetch(table, (size_t)(first / COLUMN_CHUNK_ROWS));
    }
    touch(table, slot);
    uint8_t *rows = atomic_load_explicit(&slot->rows, memory_order_relaxed);
    name_rows(table, rows, first, rows_together(first, end), ret);
}

void table_unpin(const struct table *table, uint64_t first)
{
    struct table_slot *slot = slot_of(table, first);
    uint32_t before = atomic_fetch_sub_explicit(&slot->pins, 1, memory_order_release);
    ASSERT((before & ~TABLE_DROPPED) > 0);
}

// How many of the chunks that hold `n` rows begin with a key below `key`.
static uint64_t chunks_before(const struct table *table, uint64_t n, uint64_t key)
{
    uint64_t low = 0;
    uint64_t high = (n + COLUMN_CHUNK_ROWS - 1) / COLUMN_CHUNK_ROWS;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (table->slots[middle].first_key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t table_find(const struct table *table, uint64_t n, uint64_t key)
{
    uint64_t chunks = chunks_before(table, n, key);
    if (chunks == 0) {
        return 0;
    }
    struct row_block block;
    table_pin(table, (chunks - 1) * COLUMN_CHUNK_ROWS, n, &block);
    size_t low = 1; // the first row is before it
    size_t high = block.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (row_block_key(&block, middle) < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    table_unpin(table, block.first);
    return block.first + low;
}

uint64_t table_bytes(const struct table *table, uint64_t n)
{
    uint64_t rows = 0;
    for (uint64_t first = 0; first < n; first += COLUMN_CHUNK_ROWS) {
        if (!table_is_dropped(table, (size_t)(first / COLUMN_CHUNK_ROWS))) {
            rows += rows_together(first, n);
        }
    }
    return rows * table->row_bytes;
}

// ---- Dropping ----------------------------------------------------------------------------------

bool table_is_dropped(const struct table *table, size_t chunk)
{
    uint32_t pins = atomic_load_explicit(&table->slots[chunk].pins, memory_order_acquire);
    return (pins & TABLE_DROPPED) != 0;
}

bool table_is_idle(const struct table *table, size_t chunk)
{
    return atomic_load_explicit(&table->slots[chunk].pins, memory_order_acquire) == 0;
}

// `rows` is loaded first: once the bit is set, somebody may bring new ones.
bool table_drop(const struct table *table, size_t chunk)
{
    if (!table_is_idle(table, chunk)) {
        return false;
    }
    struct table_slot *slot = &table->slots[chunk];
    uint8_t *rows = atomic_load_explicit(&slot->rows, memory_order_relaxed);
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong_explicit(&slot->pins, &nobody, TABLE_DROPPED,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        return false;
    }
    free_pages(rows, table_chunk_bytes(table));
    return true;
}

void table_make_block(const struct table *table, size_t chunk, struct row_block *ret)
{
    uint8_t *rows = alloc_pages(table_chunk_bytes(table));
    name_rows(table, rows, (uint64_t)chunk * COLUMN_CHUNK_ROWS, COLUMN_CHUNK_ROWS, ret);
}

void table_free_block(const struct table *table, const struct row_block *block)
{
    free_pages(block->columns[0], table_chunk_bytes(table)); // the chunk begins with it
}

void table_bring_back(const struct table *table, const struct row_block *block)
{
    struct table_slot *slot = slot_of(table, block->first);
    atomic_store_explicit(&slot->rows, block->columns[0], memory_order_relaxed);
    uint32_t before = atomic_fetch_and_explicit(&slot->pins, ~TABLE_DROPPED, memory_order_release);
    ASSERT((before & TABLE_DROPPED) != 0);
}
