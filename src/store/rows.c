// The rows that a run consists of: samples, intervals, wakeups, counters. Each table writes all of
// its columns and then publishes one length.

#include "store/store.h"

#define INTERVAL_MAX_NS ((UINT64_C(1) << 48) - 1)

static uint64_t next_row(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed); // for the writer, who made it
}

static void publish(_Atomic uint64_t *n, uint64_t row)
{
    atomic_store_explicit(n, row + 1, memory_order_release);
}

// A column of the row that table_add() has made room for.
static void put_u64(const struct table *table, uint64_t row, uint32_t column, uint64_t value)
{
    *(uint64_t *)table_put(table, row, column) = value;
}

static void put_u32(const struct table *table, uint64_t row, uint32_t column, uint32_t value)
{
    *(uint32_t *)table_put(table, row, column) = value;
}

static void move_on(struct store *store, uint64_t time_ns)
{
    if (time_ns > atomic_load_explicit(&store->last_ns, memory_order_relaxed)) {
        atomic_store_explicit(&store->last_ns, time_ns, memory_order_release);
    }
}

// ---- Samples -----------------------------------------------------------------------------------

bool store_add_sample(struct store *store, uint64_t time_ns, thread_id thread, stack_id stack)
{
    struct samples *samples = &store->samples;
    uint64_t row = next_row(&samples->n);
    if (row == COLUMN_MAX_ROWS) {
        store_count(store, ACCOUNT_SAMPLES_DROPPED, 1);
        return false;
    }
    table_add(&samples->table, row, time_ns);
    put_u64(&samples->table, row, 0, time_ns);
    put_u32(&samples->table, row, 1, thread);
    put_u32(&samples->table, row, 2, stack);
    publish(&samples->n, row);
    move_on(store, time_ns);
    return true;
}

void samples_pin(const struct samples *samples, uint64_t first, uint64_t end,
                 struct samples_span *ret)
{
    struct row_block block;
    table_pin(&samples->table, first, end, &block);
    *ret = (struct samples_span){
        .first = first,
        .n = block.n,
        .time_ns = block.columns[0],
        .thread = block.columns[1],
        .stack = block.columns[2],
    };
}

void samples_unpin(const struct samples *samples, const struct samples_span *span)
{
    table_unpin(&samples->table, span->first);
}

uint64_t samples_find(const struct samples *samples, uint64_t n, uint64_t time_ns)
{
    return table_find(&samples->table, n, time_ns);
}

// ---- Waiting -----------------------------------------------------------------------------------

void store_add_interval(struct store *store, const struct interval *interval)
{
    struct intervals *intervals = &store->intervals;
    uint64_t row = next_row(&intervals->n);
    if (row == COLUMN_MAX_ROWS) {
        store_count(store, ACCOUNT_ROWS_DROPPED, 1);
        return;
    }
    uint64_t end_ns = interval->start_ns + interval->duration_ns;
    uint64_t duration_ns = MIN(interval->duration_ns, INTERVAL_MAX_NS);
    table_add(&intervals->table, row, end_ns);
    put_u64(&intervals->table, row, 0, end_ns - duration_ns);
    put_u64(&intervals->table, row, 1,
            duration_ns << 16 | (uint64_t)interval->reason << 8 | interval->flags);
    put_u32(&intervals->table, row, 2, interval->thread);
    put_u32(&intervals->table, row, 3, interval->stack);
    if ((interval->flags & INTERVAL_RUNNABLE) == 0) {
        uint64_t n_waits = atomic_load_explicit(&intervals->n_waits, memory_order_relaxed);
        atomic_store_explicit(&intervals->n_waits, n_waits + 1, memory_order_relaxed);
    }
    publish(&intervals->n, row);
    move_on(store, end_ns);
}

void intervals_pin(const struct intervals *intervals, uint64_t first, uint64_t end,
                   struct intervals_span *ret)
{
    struct row_block block;
    table_pin(&intervals->table, first, end, &block);
    *ret = (struct intervals_span){
        .first = first,
        .n = block.n,
        .start_ns = block.columns[0],
        .length = block.columns[1],
        .thread = block.columns[2],
        .stack = block.columns[3],
    };
}

void intervals_unpin(const struct intervals *intervals, const struct intervals_span *span)
{
    table_unpin(&intervals->table, span->first);
}

struct interval intervals_span_get(const struct intervals_span *span, size_t i)
{
    return (struct interval){
        .start_ns = span->start_ns[i],
        .duration_ns = span->length[i] >> 16,
        .reason = (uint8_t)(span->length[i] >> 8),
        .flags = (uint8_t)span->length[i],
        .thread = span->thread[i],
        .stack = span->stack[i],
    };
}

struct interval intervals_get(const struct intervals *intervals, uint64_t row)
{
    struct intervals_span span;
    intervals_pin(intervals, row, row + 1, &span);
    struct interval interval = intervals_span_get(&span, 0);
    intervals_unpin(intervals, &span);
    return interval;
}

uint64_t intervals_find(const struct intervals *intervals, uint64_t n, uint64_t time_ns)
{
    return time_ns == UINT64_MAX ? n : table_find(&intervals->table, n, time_ns + 1);
}

void store_add_wakeup(struct store *store, const struct wakeup *wakeup)
{
    struct wakeups *wakeups = &store->wakeups;
    uint64_t row = next_row(&wakeups->n);
    if (row == COLUMN_MAX_ROWS) {
        store_count(store, ACCOUNT_ROWS_DROPPED, 1);
        return;
    }
    table_add(&wakeups->table, row, wakeup->time_ns);
    put_u64(&wakeups->table, row, 0, wakeup->time_ns);
    put_u32(&wakeups->table, row, 1, wakeup->wakee);
    put_u32(&wakeups->table, row, 2, wakeup->waker);
    put_u32(&wakeups->table, row, 3,
            wakeup->stack | (wakeup->approximate ? WAKEUP_APPROXIMATE : 0));
    publish(&wakeups->n, row);
    struct thread_row *wakee = store_thread_mut(store, wakeup->wakee);
    atomic_store_explicit(&wakee->last_wakeup, row + 1, memory_order_release);
    move_on(store, wakeup->time_ns);
}

void wakeups_pin(const struct wakeups *wakeups, uint64_t first, uint64_t end,
                 struct wakeups_span *ret)
{
    struct row_block block;
    table_pin(&wakeups->table, first, end, &block);
    *ret = (struct wakeups_span){
        .first = first,
        .n = block.n,
        .time_ns = block.columns[0],
        .wakee = block.columns[1],
        .waker = block.columns[2],
        .stack = block.columns[3],
    };
}

void wakeups_unpin(const struct wakeups *wakeups, const struct wakeups_span *span)
{
    table_unpin(&wakeups->table, span->first);
}

struct wakeup wakeups_get(const struct wakeups *wakeups, uint64_t row)
{
    struct wakeups_span span;
    wakeups_pin(wakeups, row, row + 1, &span);
    struct wakeup wakeup = {
        .time_ns = span.time_ns[0],
        .wakee = span.wakee[0],
        .waker = span.waker[0],
        .stack = span.stack[0] & ~WAKEUP_APPROXIMATE,
        .approximate = (span.stack[0] & WAKEUP_APPROXIMATE) != 0,
    };
    wakeups_unpin(wakeups, &span);
    return wakeup;
}

uint64_t wakeups_find(const struct wakeups *wakeups, uint64_t n, uint64_t time_ns)
{
    return table_find(&wakeups->table, n, time_ns);
}

// ---- Counters ----------------------------------------------------------------------------------

void store_add_counters(struct store *store, const struct counter_row *counters)
{
    uint64_t row = next_row(&store->counters.n);
    if (row == COLUMN_MAX_ROWS) {
        store_count(store, ACCOUNT_ROWS_DROPPED, 1);
        return;
    }
    table_add(&store->counters.table, row, counters->sample);
    *(struct counter_row *)table_put(&store->counters.table, row, 0) = *counters;
    publish(&store->counters.n, row);
}
