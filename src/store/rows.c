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

static void put_u64(struct column *column, uint64_t row, uint64_t value)
{
    *(uint64_t *)column_put(column, row) = value;
}

static void put_u32(struct column *column, uint64_t row, uint32_t value)
{
    *(uint32_t *)column_put(column, row) = value;
}

// Of the row before `row`, for the writer, who needs no pin: it is the newest.
static uint64_t last_u64(const struct column *column, uint64_t row)
{
    return *(const uint64_t *)column_at(column, row - 1);
}

static uint64_t get_u64(const struct column *column, uint64_t row)
{
    uint64_t value = *(const uint64_t *)column_pin(column, row);
    column_unpin(column, row);
    return value;
}

static uint32_t get_u32(const struct column *column, uint64_t row)
{
    uint32_t value = *(const uint32_t *)column_pin(column, row);
    column_unpin(column, row);
    return value;
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
    ASSERT(row == 0 || time_ns >= last_u64(&samples->time_ns, row));
    put_u64(&samples->time_ns, row, time_ns);
    put_u32(&samples->thread, row, thread);
    put_u32(&samples->stack, row, stack);
    publish(&samples->n, row);
    move_on(store, time_ns);
    return true;
}

// How many rows from `first` on lie in one chunk, up to `end`.
static size_t rows_together(uint64_t first, uint64_t end)
{
    ASSERT(first < end);
    uint64_t chunk_end = (first / COLUMN_CHUNK_ROWS + 1) * COLUMN_CHUNK_ROWS;
    return (size_t)(MIN(end, chunk_end) - first);
}

void samples_pin(const struct samples *samples, uint64_t first, uint64_t end,
                 struct samples_span *ret)
{
    *ret = (struct samples_span){
        .first = first,
        .n = rows_together(first, end),
        .time_ns = column_pin(&samples->time_ns, first),
        .thread = column_pin(&samples->thread, first),
        .stack = column_pin(&samples->stack, first),
    };
}

void samples_unpin(const struct samples *samples, const struct samples_span *span)
{
    column_unpin(&samples->time_ns, span->first);
    column_unpin(&samples->thread, span->first);
    column_unpin(&samples->stack, span->first);
}

// The first row whose value in a sorted column is at least `value`.
static uint64_t find_sorted(const struct column *column, uint64_t n, uint64_t value)
{
    uint64_t low = 0;
    uint64_t high = n;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (get_u64(column, middle) < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t samples_find(const struct samples *samples, uint64_t n, uint64_t time_ns)
{
    return find_sorted(&samples->time_ns, n, time_ns);
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
    if (row > 0) {
        uint64_t start_ns = last_u64(&intervals->start_ns, row);
        ASSERT(end_ns >= start_ns + (last_u64(&intervals->length, row) >> 16));
    }
    put_u64(&intervals->start_ns, row, end_ns - duration_ns);
    put_u64(&intervals->length, row,
            duration_ns << 16 | (uint64_t)interval->reason << 8 | interval->flags);
    put_u32(&intervals->thread, row, interval->thread);
    put_u32(&intervals->stack, row, interval->stack);
    if ((interval->flags & INTERVAL_RUNNABLE) == 0) {
        uint64_t n_waits = atomic_load_explicit(&intervals->n_waits, memory_order_relaxed);
        atomic_store_explicit(&intervals->n_waits, n_waits + 1, memory_order_relaxed);
    }
    publish(&intervals->n, row);
    move_on(store, end_ns);
}

static struct interval unpack(uint64_t start_ns, uint64_t length, thread_id thread, stack_id stack)
{
    return (struct interval){
        .start_ns = start_ns,
        .duration_ns = length >> 16,
        .reason = (uint8_t)(length >> 8),
        .flags = (uint8_t)length,
        .thread = thread,
        .stack = stack,
    };
}

struct interval intervals_get(const struct intervals *intervals, uint64_t row)
{
    return unpack(get_u64(&intervals->start_ns, row), get_u64(&intervals->length, row),
                  get_u32(&intervals->thread, row), get_u32(&intervals->stack, row));
}

void intervals_pin(const struct intervals *intervals, uint64_t first, uint64_t end,
                   struct intervals_span *ret)
{
    *ret = (struct intervals_span){
        .first = first,
        .n = rows_together(first, end),
        .start_ns = column_pin(&intervals->start_ns, first),
        .length = column_pin(&intervals->length, first),
        .thread = column_pin(&intervals->thread, first),
        .stack = column_pin(&intervals->stack, first),
    };
}

void intervals_unpin(const struct intervals *intervals, const struct intervals_span *span)
{
    column_unpin(&intervals->start_ns, span->first);
    column_unpin(&intervals->length, span->first);
    column_unpin(&intervals->thread, span->first);
    column_unpin(&intervals->stack, span->first);
}

struct interval intervals_span_get(const struct intervals_span *span, size_t i)
{
    return unpack(span->start_ns[i], span->length[i], span->thread[i], span->stack[i]);
}

// Rows are sorted by their end, which is no column of its own.
uint64_t intervals_find(const struct intervals *intervals, uint64_t n, uint64_t time_ns)
{
    uint64_t low = 0;
    uint64_t high = n;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t duration_ns = get_u64(&intervals->length, middle) >> 16;
        uint64_t end_ns = get_u64(&intervals->start_ns, middle) + duration_ns;
        if (end_ns <= time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void store_add_wakeup(struct store *store, const struct wakeup *wakeup)
{
    struct wakeups *wakeups = &store->wakeups;
    uint64_t row = next_row(&wakeups->n);
    if (row == COLUMN_MAX_ROWS) {
        store_count(store, ACCOUNT_ROWS_DROPPED, 1);
        return;
    }
    ASSERT(row == 0 || wakeup->time_ns >= last_u64(&wakeups->time_ns, row));
    put_u64(&wakeups->time_ns, row, wakeup->time_ns);
    put_u32(&wakeups->wakee, row, wakeup->wakee);
    put_u32(&wakeups->waker, row, wakeup->waker);
    put_u32(&wakeups->stack, row, wakeup->stack | (wakeup->approximate ? WAKEUP_APPROXIMATE : 0));
    publish(&wakeups->n, row);
    struct thread_row *wakee = store_thread_mut(store, wakeup->wakee);
    atomic_store_explicit(&wakee->last_wakeup, row + 1, memory_order_release);
    move_on(store, wakeup->time_ns);
}

struct wakeup wakeups_get(const struct wakeups *wakeups, uint64_t row)
{
    uint32_t stack = get_u32(&wakeups->stack, row);
    return (struct wakeup){
        .time_ns = get_u64(&wakeups->time_ns, row),
        .wakee = get_u32(&wakeups->wakee, row),
        .waker = get_u32(&wakeups->waker, row),
        .stack = stack & ~WAKEUP_APPROXIMATE,
        .approximate = (stack & WAKEUP_APPROXIMATE) != 0,
    };
}

void wakeups_pin(const struct wakeups *wakeups, uint64_t first, uint64_t end,
                 struct wakeups_span *ret)
{
    *ret = (struct wakeups_span){
        .first = first,
        .n = rows_together(first, end),
        .time_ns = column_pin(&wakeups->time_ns, first),
        .wakee = column_pin(&wakeups->wakee, first),
        .waker = column_pin(&wakeups->waker, first),
        .stack = column_pin(&wakeups->stack, first),
    };
}

void wakeups_unpin(const struct wakeups *wakeups, const struct wakeups_span *span)
{
    column_unpin(&wakeups->time_ns, span->first);
    column_unpin(&wakeups->wakee, span->first);
    column_unpin(&wakeups->waker, span->first);
    column_unpin(&wakeups->stack, span->first);
}

uint64_t wakeups_find(const struct wakeups *wakeups, uint64_t n, uint64_t time_ns)
{
    return find_sorted(&wakeups->time_ns, n, time_ns);
}

// ---- Counters ----------------------------------------------------------------------------------

void store_add_counters(struct store *store, const struct counter_row *counters)
{
    uint64_t row = next_row(&store->counters.n);
    if (row == COLUMN_MAX_ROWS) {
        store_count(store, ACCOUNT_ROWS_DROPPED, 1);
        return;
    }
    *(struct counter_row *)column_put(&store->counters.rows, row) = *counters;
    publish(&store->counters.n, row);
}
