// Rows that go to a file and come back: which ones, when, and what readers see of it.

#include "store/paging.h"

#include "base/limits.h"
#include "base/thread.h"
#include "base/vec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHUNK = COLUMN_CHUNK_ROWS, N_THREADS = 50, N_STACKS = 200 };
enum { SAMPLES_BYTES = 16 * CHUNK, INTERVALS_BYTES = 24 * CHUNK };

// What the "file" has is known for any row, so that it need not be kept: each field is a function
// of the row's number.
static uint64_t mix(uint64_t row)
{
    row = (row ^ row >> 31) * 0x9e3779b97f4a7c15;
    return row ^ row >> 29;
}

static struct interval true_interval(uint64_t row)
{
    uint64_t end_ns = 1000 + row * 10;
    uint64_t duration_ns = mix(row) % 900;
    return (struct interval){
        .start_ns = end_ns - duration_ns,
        .duration_ns = duration_ns,
        .reason = (uint8_t)(row % STORE_REASONS),
        .flags = (uint8_t)(mix(row + 1) % 8),
        .thread = (thread_id)(mix(row + 2) % N_THREADS),
        .stack = (stack_id)(mix(row + 3) % N_STACKS),
    };
}

static struct wakeup true_wakeup(uint64_t row)
{
    return (struct wakeup){
        .time_ns = 2000 + row / 3,
        .wakee = (thread_id)(mix(row) % N_THREADS),
        .waker = mix(row + 1) % 9 == 0 ? THREAD_INTERRUPT : (thread_id)(mix(row + 2) % N_THREADS),
        .stack = (stack_id)(mix(row + 3) % N_STACKS),
        .approximate = mix(row + 4) % 2 == 0,
    };
}

static struct counter_row true_counters(uint64_t row)
{
    return (struct counter_row){.sample = row, .valid = 5, .delta = {mix(row), 0, row, 0}};
}

static uint64_t true_time(uint64_t row)
{
    return 500 + row / 2 * 7;
}

static thread_id true_thread(uint64_t row)
{
    return (thread_id)(mix(row) % N_THREADS);
}

static stack_id true_stack(uint64_t row)
{
    return (stack_id)(mix(row + 9) % N_STACKS);
}

// ---- The file ----------------------------------------------------------------------------------

enum trouble { NO_TROUBLE, FAILS, UNSORTED, BEYOND, WRONG_START, NO_SUCH_STACK };

struct fake_file {
    _Atomic uint64_t n_reads;
    _Atomic uint32_t n_inside; // calls at this moment: must never be two
    enum trouble trouble;
};

static void put_row(const struct row_block *block, size_t i)
{
    uint64_t row = block->first + i;
    if (block->table == ROW_SAMPLES) {
        ((uint64_t *)block->columns[0])[i] = true_time(row);
        ((thread_id *)block->columns[1])[i] = true_thread(row);
        ((stack_id *)block->columns[2])[i] = true_stack(row);
    } else if (block->table == ROW_INTERVALS) {
        struct interval interval = true_interval(row);
        ((uint64_t *)block->columns[0])[i] = interval.start_ns;
        ((uint64_t *)block->columns[1])[i] = interval.duration_ns << 16 |
                                             (uint64_t)interval.reason << 8 | interval.flags;
        ((thread_id *)block->columns[2])[i] = interval.thread;
        ((stack_id *)block->columns[3])[i] = interval.stack;
    } else if (block->table == ROW_WAKEUPS) {
        struct wakeup wakeup = true_wakeup(row);
        ((uint64_t *)block->columns[0])[i] = wakeup.time_ns;
        ((thread_id *)block->columns[1])[i] = wakeup.wakee;
        ((thread_id *)block->columns[2])[i] = wakeup.waker;
        ((stack_id *)block->columns[3])[i] = wakeup.stack |
                                             (wakeup.approximate ? WAKEUP_APPROXIMATE : 0);
    } else {
        ((struct counter_row *)block->columns[0])[i] = true_counters(row);
    }
}

static void damage(const struct row_block *block, enum trouble trouble)
{
    uint64_t *times = block->columns[0];
    if (trouble == UNSORTED) {
        times[7] = times[6] - 1;
    } else if (trouble == BEYOND) { // of the chunk that follows
        times[CHUNK - 1] += 1000000;
    } else if (trouble == WRONG_START) {
        times[0]++;
    } else if (trouble == NO_SUCH_STACK) {
        ((stack_id *)block->columns[block->table == ROW_SAMPLES ? 2 : 3])[99] = N_STACKS + 1;
    }
}

static int read_back(void *context, const struct row_block *block)
{
    struct fake_file *file = context;
    ASSERT(atomic_fetch_add(&file->n_inside, 1) == 0);
    ASSERT(block->n == CHUNK && block->first % CHUNK == 0);
    atomic_fetch_add(&file->n_reads, 1);
    for (size_t i = 0; i < block->n; i++) {
        put_row(block, i);
    }
    damage(block, file->trouble);
    atomic_fetch_sub(&file->n_inside, 1);
    return file->trouble == FAILS ? -EIO : 0;
}

// ---- The run -----------------------------------------------------------------------------------

static struct store *new_store(struct fake_file *file, uint64_t budget_bytes)
{
    struct store *store = store_new(0, 0, 1);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        store_add_thread(store, 1, i + 1, 0, 0, 0);
    }
    bool cut = false;
    for (uint32_t i = 1; i <= N_STACKS; i++) {
        frame_id frame = stacks_frame(&store->stacks, &(struct frame_row){.off = i});
        ASSERT(stacks_push(&store->stacks, STACK_ROOT, frame, &cut) == i);
    }
    *file = (struct fake_file){0};
    store_set_pager(store, &(struct pager){.read_back = read_back, .context = file}, budget_bytes);
    return store;
}

static void add_row(struct store *store, enum row_table table)
{
    uint64_t row = store_rows(store, table);
    if (table == ROW_SAMPLES) {
        store_add_sample(store, true_time(row), true_thread(row), true_stack(row));
    } else if (table == ROW_INTERVALS) {
        struct interval interval = true_interval(row);
        store_add_interval(store, &interval);
    } else if (table == ROW_WAKEUPS) {
        struct wakeup wakeup = true_wakeup(row);
        store_add_wakeup(store, &wakeup);
    } else {
        struct counter_row counters = true_counters(row);
        store_add_counters(store, &counters);
    }
}

static void add_rows(struct store *store, enum row_table table, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        add_row(store, table);
    }
}

static void write_all(struct store *store)
{
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        store_written(store, table, store_rows(store, table));
    }
}

// Whether two rows are the same, whatever lies between their fields.
static bool same_row(const struct row_block *a, size_t at, const struct row_block *b)
{
    if (a->table == ROW_COUNTERS) {
        const struct counter_row *x = &((const struct counter_row *)a->columns[0])[at];
        const struct counter_row *y = b->columns[0];
        return x->sample == y->sample && x->valid == y->valid &&
               memcmp(x->delta, y->delta, sizeof x->delta) == 0;
    }
    const struct row_layout *layout = row_layout(a->table);
    for (uint32_t c = 0; c < layout->n_columns; c++) {
        const uint8_t *found = (const uint8_t *)a->columns[c] + at * layout->row_bytes[c];
        if (memcmp(found, b->columns[c], layout->row_bytes[c]) != 0) {
            return false;
        }
    }
    return true;
}

// Whether the rows of a block are the true ones.
static bool is_true(const struct row_block *block)
{
    uint64_t columns[ROW_COLUMNS_MAX][sizeof(struct counter_row) / 8]; // the widest
    struct row_block wanted = {.table = block->table, .n = 1};
    for (uint32_t c = 0; c < ROW_COLUMNS_MAX; c++) {
        wanted.columns[c] = columns[c];
    }
    for (size_t i = 0; i < block->n; i++) {
        wanted.first = block->first + i;
        put_row(&wanted, 0);
        if (!same_row(block, i, &wanted)) {
            return false;
        }
    }
    return true;
}

static bool rows_are_true(const struct store *store, enum row_table table, uint64_t first,
                          uint64_t end)
{
    bool all = true;
    while (first < end) {
        struct row_block block;
        store_pin(store, table, first, end, &block);
        all = all && is_true(&block);
        first += block.n;
        store_unpin(store, &block);
    }
    return all;
}

static bool is_dropped(const struct store *store, enum row_table table, size_t chunk)
{
    return table_is_dropped(store_table(store, table), chunk);
}

// ---- One thread --------------------------------------------------------------------------------

static void test_what_is_in_the_file_may_go(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_store(&file, 2 * SAMPLES_BYTES);
    add_rows(store, ROW_SAMPLES, 4 * CHUNK + 5);
    store_trim(store);
    assert_int_equal(store_paging(store).dropped, 0); // the file has nothing
    store_written(store, ROW_SAMPLES, 2 * CHUNK - 1);
    store_trim(store);
    assert_true(is_dropped(store, ROW_SAMPLES, 0));
    assert_false(is_dropped(store, ROW_SAMPLES, 1)); // all but one row of it
    assert_int_equal(store_memory(store).rows_bytes, 16 * (3 * CHUNK + 5));
    store_written(store, ROW_SAMPLES, 4 * CHUNK + 5);
    store_trim(store);
    assert_true(is_dropped(store, ROW_SAMPLES, 1) && is_dropped(store, ROW_SAMPLES, 2));
    assert_false(is_dropped(store, ROW_SAMPLES, 3));
    struct paging_counts counts = store_paging(store);
    assert_int_equal(counts.resident_bytes, 16 * (CHUNK + 5));
    assert_int_equal(counts.dropped, 3);
    assert_true(rows_are_true(store, ROW_SAMPLES, 0, 4 * CHUNK + 5));
    counts = store_paging(store);
    assert_true(counts.read_back >= 3 && counts.failed == 0);
    assert_true(counts.resident_bytes <= 2 * SAMPLES_BYTES);
    assert_int_equal(counts.read_back, file.n_reads);
    store_free(store);
}

static void test_without_a_budget_all_stays(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_store(&file, 0);
    add_rows(store, ROW_SAMPLES, 2 * CHUNK);
    write_all(store);
    store_trim(store);
    assert_int_equal(store_paging(store).resident_bytes, 2 * SAMPLES_BYTES);
    store_free(store);
}

static void test_the_pager_may_change(void **state)
{
    (void)state;
    struct fake_file file;
    struct fake_file other = {.trouble = NO_TROUBLE};
    struct store *store = new_store(&file, 1);
    add_rows(store, ROW_SAMPLES, 2 * CHUNK);
    write_all(store);
    store_trim(store);
    assert_true(rows_are_true(store, ROW_SAMPLES, 0, CHUNK));
    store_set_pager(store, &(struct pager){.read_back = read_back, .context = &other}, 0);
    assert_true(rows_are_true(store, ROW_SAMPLES, CHUNK, 2 * CHUNK));
    assert_true(file.n_reads == 1 && other.n_reads == 1);
    store_trim(store);
    assert_int_equal(store_paging(store).dropped, 2); // nothing more is
    assert_true(rows_are_true(store, ROW_SAMPLES, 0, 2 * CHUNK));
    assert_true(file.n_reads == 1 && other.n_reads == 1);
    store_free(store);
}

static void test_every_table_comes_back(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_store(&file, 1);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        add_rows(store, table, 3 * CHUNK + 9);
    }
    write_all(store);
    store_trim(store);
    assert_int_equal(store_paging(store).dropped, 3 * ROW_TABLES);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        assert_true(rows_are_true(store, table, 0, 3 * CHUNK + 9));
    }
    assert_int_equal(store_paging(store).failed, 0);
    assert_int_equal(store_account(store, ACCOUNT_ROWS_UNREADABLE), 0);
    for (uint64_t row = CHUNK - 3; row < CHUNK + 3; row++) {
        struct interval interval = true_interval(row);
        struct interval found = intervals_get(&store->intervals, row);
        assert_true(found.start_ns == interval.start_ns && found.stack == interval.stack &&
                    found.duration_ns == interval.duration_ns && found.flags == interval.flags &&
                    found.thread == interval.thread && found.reason == interval.reason);
        struct wakeup wakeup = true_wakeup(row);
        struct wakeup other = wakeups_get(&store->wakeups, row);
        assert_true(other.time_ns == wakeup.time_ns && other.waker == wakeup.waker &&
                    other.approximate == wakeup.approximate && other.stack == wakeup.stack);
    }
    store_free(store);
}

static void touch(const struct store *store, enum row_table table, size_t chunk)
{
    struct row_block block;
    store_pin(store, table, chunk * CHUNK + 17, (chunk + 1) * CHUNK, &block);
    assert_true(is_true(&block));
    store_unpin(store, &block);
}

static void test_the_one_used_longest_ago_goes_first(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_store(&file, 5 * SAMPLES_BYTES);
    add_rows(store, ROW_SAMPLES, 5 * CHUNK);
    write_all(store);
    const size_t order[] = {3, 0, 4, 1, 2, 0}; // 0 is used again
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        touch(store, ROW_SAMPLES, order[i]);
    }
    const size_t gone[] = {3, 4, 1, 2, 0};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        add_rows(store, ROW_SAMPLES,
                 CHUNK); // not in the file: it stays, and takes that one's place
        store_trim(store);
        assert_int_equal(store_paging(store).dropped, i + 1);
        assert_true(is_dropped(store, ROW_SAMPLES, gone[i]));
    }
    store_free(store);
}

static void test_what_is_pinned_stays(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_store(&file, 1);
    add_rows(store, ROW_INTERVALS, 4 * CHUNK);
    struct row_block one;
    struct row_block same;
    struct row_block other;
    store_pin(store, ROW_INTERVALS, 5, 10, &one);
    store_pin(store, ROW_INTERVALS, 6, 4 * CHUNK, &same);
    store_pin(store, ROW_INTERVALS, 2 * CHUNK + 8, 4 * CHUNK, &other);
    write_all(store);
    store_trim(store);
    assert_int_equal(store_paging(store).resident_bytes, 2 * INTERVALS_BYTES);
    store_unpin(store, &one);
    store_trim(store);
    assert_int_equal(store_paging(store).dropped, 2);
    assert_true(is_true(&same) && is_true(&other));
    store_unpin(store, &same);
    store_trim(store);
    assert_int_equal(store_paging(store).resident_bytes, INTERVALS_BYTES);
    assert_true(is_true(&other));
    store_unpin(store, &other);
    store_trim(store);
    assert_int_equal(store_paging(store).resident_bytes, 0);
    store_free(store);
}

static void test_the_writer_needs_no_row_of_old(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_store(&file, 1);
    for (size_t i = 0; i < 5; i++) {
        for (enum row_table table = 0; table < ROW_TABLES; table++) {
            add_rows(store, table, CHUNK); // the row before the next one is always dropped
            store_written(store, table, store_rows(store, table));
        }
        store_trim(store);
        assert_int_equal(store_paging(store).resident_bytes, 0);
    }
    assert_int_equal(file.n_reads, 0);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        add_rows(store, table, 1);
        assert_true(rows_are_true(store, table, 5 * CHUNK, 5 * CHUNK + 1));
    }
    assert_int_equal(file.n_reads, 0);
    store_free(store);
}

// The truth is counted row by row.
static uint64_t first_at_least(enum row_table table, uint64_t n, uint64_t time_ns)
{
    uint64_t row = 0;
    while (row < n &&
           (table == ROW_SAMPLES ? true_time(row) : true_wakeup(row).time_ns) < time_ns) {
        row++;
    }
    return row;
}

static uint64_t first_that_ends_after(uint64_t n, uint64_t time_ns)
{
    uint64_t row = 0;
    while (row < n && 1000 + row * 10 <= time_ns) {
        row++;
    }
    return row;
}

static void test_a_search_reads_one_chunk(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_store(&file, 1);
    enum { N = 4 * CHUNK };
    for (enum row_table table = 0; table < ROW_COUNTERS; table++) {
        add_rows(store, table, N);
    }
    write_all(store);
    store_trim(store);
    const uint64_t rows[] = {0, 1, 5000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, N - 1, N};
    for (size_t i = 0; i < ARRAY_LEN(rows) * 3; i++) {
        uint64_t row = rows[i / 3];
        uint64_t n = MIN((uint64_t)N, MAX(row + 1000 * (i % 2), (uint64_t)CHUNK));
        uint64_t time_ns = true_time(row) + i % 3 - 1;
        uint64_t end_ns = 1000 + row * 10 + i % 3 - 1;
        uint64_t wakeup_ns = 2000 + row / 3 + i % 3 - 1;
        uint64_t before = file.n_reads;
        assert_int_equal(samples_find(&store->samples, n, time_ns),
                         first_at_least(ROW_SAMPLES, n, time_ns));
        assert_true(file.n_reads - before <= 1);
        assert_int_equal(wakeups_find(&store->wakeups, n, wakeup_ns),
                         first_at_least(ROW_WAKEUPS, n, wakeup_ns));
        assert_true(file.n_reads - before <= 2);
        assert_int_equal(intervals_find(&store->intervals, n, end_ns),
                         first_that_ends_after(n, end_ns));
        assert_true(file.n_reads - before <= 3);
        store_trim(store);
    }
    assert_int_equal(intervals_find(&store->intervals, N, UINT64_MAX), N);
    assert_int_equal(samples_find(&store->samples, 0, 5), 0);
    store_free(store);
}

// ---- Failure -----------------------------------------------------------------------------------

// Rows of chunk 1 that say nothing, at the time at which they began.
static void check_says_nothing(const struct store *store)
{
    struct samples_span samples;
    samples_pin(&store->samples, CHUNK, 2 * CHUNK, &samples);
    struct intervals_span intervals;
    intervals_pin(&store->intervals, CHUNK, 2 * CHUNK, &intervals);
    struct wakeups_span wakeups;
    wakeups_pin(&store->wakeups, CHUNK, 2 * CHUNK, &wakeups);
    struct row_block block;
    store_pin(store, ROW_COUNTERS, CHUNK, 2 * CHUNK, &block);
    const struct counter_row *counters = block.columns[0];
    for (size_t i = 0; i < CHUNK; i++) {
        ASSERT(samples.time_ns[i] == true_time(CHUNK));
        ASSERT(samples.thread[i] == 0 && samples.stack[i] == STACK_ROOT);
        struct interval interval = intervals_span_get(&intervals, i);
        ASSERT(interval.start_ns == 1000 + CHUNK * 10 && interval.duration_ns == 0);
        ASSERT(interval.thread == 0 && interval.stack == STACK_ROOT);
        ASSERT(interval.flags == INTERVAL_RUNNABLE && interval.reason == REASON_BY_STACK);
        ASSERT(wakeups.time_ns[i] == 2000 + CHUNK / 3 && wakeups.wakee[i] == 0);
        ASSERT(wakeups.waker[i] == THREAD_INTERRUPT && wakeups.stack[i] == STACK_ROOT);
        ASSERT(counters[i].sample == CHUNK && counters[i].valid == 0);
    }
    store_unpin(store, &block);
    wakeups_unpin(&store->wakeups, &wakeups);
    intervals_unpin(&store->intervals, &intervals);
    samples_unpin(&store->samples, &samples);
}

static struct store *new_dropped_store(struct fake_file *file)
{
    struct store *store = new_store(file, 1);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        add_rows(store, table, 3 * CHUNK);
    }
    write_all(store);
    store_trim(store);
    return store;
}

static void test_a_failure_says_nothing_and_is_counted(void **state)
{
    (void)state;
    struct fake_file file;
    struct store *store = new_dropped_store(&file);
    file.trouble = FAILS;
    check_says_nothing(store);
    assert_int_equal(store_paging(store).failed, ROW_TABLES);
    assert_int_equal(store_account(store, ACCOUNT_ROWS_UNREADABLE), ROW_TABLES * CHUNK);
    check_says_nothing(store); // the same rows are not counted again
    assert_int_equal(store_account(store, ACCOUNT_ROWS_UNREADABLE), ROW_TABLES * CHUNK);
    // Searches go on; the first one looks into chunk 0 of samples, in vain.
    assert_int_equal(samples_find(&store->samples, 3 * CHUNK, true_time(CHUNK)), CHUNK);
    assert_int_equal(samples_find(&store->samples, 3 * CHUNK, true_time(CHUNK) + 1), 2 * CHUNK);
    assert_int_equal(intervals_find(&store->intervals, 3 * CHUNK, 1000 + CHUNK * 10), 2 * CHUNK);
    // So does the file.
    file.trouble = NO_TROUBLE;
    store_trim(store);
    assert_int_equal(store_paging(store).resident_bytes, 0);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        assert_true(rows_are_true(store, table, CHUNK, 2 * CHUNK));
    }
    assert_int_equal(store_account(store, ACCOUNT_ROWS_UNREADABLE), (ROW_TABLES + 1) * CHUNK);
    store_free(store);
}

static void test_a_file_that_has_changed_is_not_believed(void **state)
{
    (void)state;
    const enum trouble troubles[] = {UNSORTED, BEYOND, WRONG_START, NO_SUCH_STACK};
    const enum row_table tables[] = {ROW_SAMPLES, ROW_INTERVALS, ROW_WAKEUPS};
    for (size_t i = 0; i < ARRAY_LEN(troubles); i++) {
        struct fake_file file;
        struct store *store = new_dropped_store(&file);
        for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
            struct row_block block;
            file.trouble = troubles[i];
            store_pin(store, tables[t], CHUNK, 2 * CHUNK, &block);
            store_unpin(store, &block);
            assert_int_equal(store_paging(store).failed, t + 1);
            file.trouble = NO_TROUBLE;
            assert_true(rows_are_true(store, tables[t], 0, CHUNK));
            assert_true(rows_are_true(store, tables[t], 2 * CHUNK, 3 * CHUNK));
        }
        store_free(store);
    }
}

// ---- Many threads ------------------------------------------------------------------------------

enum { N_READERS = 3, N_TRUE_ROWS = 9 * CHUNK, N_PINS = 400 };

struct crowd {
    struct store *store;
    struct fake_file file;
    _Atomic bool done;
};

static void *write_rows(void *context)
{
    struct crowd *crowd = context;
    for (uint64_t row = 0; row < N_TRUE_ROWS; row++) {
        add_row(crowd->store, ROW_SAMPLES);
        add_row(crowd->store, ROW_INTERVALS);
    }
    return NULL;
}

// As a spool does it, that comes when others read already.
static void *write_file(void *context)
{
    struct crowd *crowd = context;
    store_set_pager(crowd->store, &(struct pager){.read_back = read_back, .context = &crowd->file},
                    3 * (uint64_t)INTERVALS_BYTES);
    while (!atomic_load(&crowd->done)) {
        write_all(crowd->store);
        store_trim(crowd->store);
    }
    return NULL;
}

static void pin_anything(const struct store *store, uint64_t *random)
{
    *random = mix(*random + 1);
    enum row_table table = *random % 2 == 0 ? ROW_SAMPLES : ROW_INTERVALS;
    uint64_t n = store_rows(store, table);
    if (n == 0) {
        return;
    }
    uint64_t first = mix(*random) % n;
    struct row_block block;
    store_pin(store, table, first, MIN(n, first + 64), &block);
    ASSERT(is_true(&block));
    store_unpin(store, &block);
    if (*random % 16 == 0) {
        uint64_t row = samples_find(&store->samples, store_rows(store, ROW_SAMPLES), UINT64_MAX);
        ASSERT(row <= N_TRUE_ROWS);
        ASSERT(store_memory(store).rows_bytes > 0);
    }
}

static void *read_rows(void *context)
{
    struct crowd *crowd = context;
    uint64_t random = (uintptr_t)&random;
    uint64_t n_pins = 0;
    while (n_pins < N_PINS || store_rows(crowd->store, ROW_INTERVALS) < N_TRUE_ROWS) {
        pin_anything(crowd->store, &random);
        n_pins++;
    }
    return NULL;
}

static void test_a_crowd_sees_the_truth(void **state)
{
    (void)state;
    struct crowd crowd = {.done = false};
    crowd.store = new_store(&crowd.file, 0);
    pthread_t readers[N_READERS];
    pthread_t writer;
    pthread_t spool;
    assert_int_equal(thread_start(&writer, write_rows, &crowd), 0);
    assert_int_equal(thread_start(&spool, write_file, &crowd), 0);
    for (size_t i = 0; i < N_READERS; i++) {
        assert_int_equal(thread_start(&readers[i], read_rows, &crowd), 0);
    }
    pthread_join(writer, NULL);
    for (size_t i = 0; i < N_READERS; i++) {
        pthread_join(readers[i], NULL);
    }
    atomic_store(&crowd.done, true);
    pthread_join(spool, NULL);
    write_all(crowd.store);
    store_trim(crowd.store);
    struct paging_counts counts = store_paging(crowd.store);
    assert_true(counts.resident_bytes <= 3 * (uint64_t)INTERVALS_BYTES);
    assert_true(counts.read_back > 0 && counts.dropped >= counts.read_back);
    assert_int_equal(counts.failed, 0);
    assert_true(rows_are_true(crowd.store, ROW_SAMPLES, 0, N_TRUE_ROWS));
    assert_true(rows_are_true(crowd.store, ROW_INTERVALS, 0, N_TRUE_ROWS));
    store_free(crowd.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_in_the_file_may_go),
        cmocka_unit_test(test_without_a_budget_all_stays),
        cmocka_unit_test(test_the_pager_may_change),
        cmocka_unit_test(test_every_table_comes_back),
        cmocka_unit_test(test_the_one_used_longest_ago_goes_first),
        cmocka_unit_test(test_what_is_pinned_stays),
        cmocka_unit_test(test_the_writer_needs_no_row_of_old),
        cmocka_unit_test(test_a_search_reads_one_chunk),
        cmocka_unit_test(test_a_failure_says_nothing_and_is_counted),
        cmocka_unit_test(test_a_file_that_has_changed_is_not_believed),
        cmocka_unit_test(test_a_crowd_sees_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
