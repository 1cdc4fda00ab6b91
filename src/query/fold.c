#include "query/fold.h"

#include "query/weights.h"

#include "event/event.h"

// ---- Life --------------------------------------------------------------------------------------

void fold_init(struct fold *fold, struct view *view)
{
    *fold = (struct fold){.view = *view, .memo = weights_memo_new()};
    *view = (struct view){0};
}

static void forget_threads(struct fold *fold)
{
    for (size_t i = 0; i < fold->threads.n; i++) {
        cells_fini(&fold->threads.at[i].running);
        cells_fini(&fold->threads.at[i].waits);
    }
    vec_clear(&fold->threads);
    vec_clear(&fold->opened);
    vec_clear(&fold->open);
}

void fold_fini(struct fold *fold)
{
    forget_threads(fold);
    weights_memo_free(fold->memo);
    vec_fini(&fold->living);
    vec_fini(&fold->opened);
    vec_fini(&fold->open);
    vec_fini(&fold->threads);
    places_fini(&fold->waiting);
    places_fini(&fold->running);
    keep_fini(&fold->keep);
    view_fini(&fold->view);
}

static void start_over(struct fold *fold)
{
    forget_threads(fold);
    places_fini(&fold->waiting);
    places_fini(&fold->running);
    fold->samples_cursor = 0;
    fold->intervals_cursor = 0;
    fold->wakeups_cursor = 0;
    fold->n_samples = 0;
    fold->blocked_ns = 0;
    fold->approximate_blocked_ns = 0;
    fold->revision++;
}

// What is to be judged and counted by id: for rows that were published before this is called.
static void make_room(struct fold *fold, const struct store *store, const struct names *names)
{
    if (keep_refresh(&fold->keep, &fold->view, store, names)) {
        start_over(fold);
    }
    vec_grow_zeroed(&fold->threads, fold->keep.threads.n);
}

// ---- Samples -----------------------------------------------------------------------------------

// Rows that are looked at together: as many as memory can fetch the cells of at once.
enum { BLOCK_ROWS = 128 };

struct kept_row {
    thread_id thread;
    uint32_t place;
    uint32_t at; // in the thread's cells
};

// Rows from `first` on, of which `ret` gets the kept ones. Whether the view keeps a row is
// anybody's guess, so no branch depends on it. Returns how many were looked at; none when the first
// one's stack is newer than the names.
static size_t keep_samples(struct fold *fold, const struct samples_span *span, size_t first,
                           struct kept_row *ret, size_t *ret_n)
{
    const struct keep *keep = &fold->keep;
    const uint8_t *kept_stacks = view_has_symbols(&fold->view) ? keep->stacks.at : NULL;
    struct fold_thread *threads = fold->threads.at;
    size_t n_kept = 0;
    size_t end = MIN(first + BLOCK_ROWS, span->n);
    size_t i = first;
    for (; i < end && keep_knows_stack(keep, span->stack[i]); i++) {
        thread_id thread = span->thread[i];
        stack_id stack = span->stack[i];
        size_t one = keep->threads.at[thread];
        threads[thread].all_samples += one;
        one &= kept_stacks == NULL ? 1 : kept_stacks[stack];
        threads[thread].kept_samples += one;
        ret[n_kept].thread = thread;
        ret[n_kept].place = stack;
        n_kept += one;
    }
    *ret_n = n_kept;
    return i - first;
}

// In steps, each of which asks for the memory of the next. Returns as keep_samples().
static size_t count_samples(struct fold *fold, const struct samples_span *span, size_t first)
{
    struct kept_row kept[BLOCK_ROWS];
    size_t n_kept;
    size_t n = keep_samples(fold, span, first, kept, &n_kept);
    for (size_t i = 0; i < n_kept; i++) {
        uint32_t place = places_of_stack(&fold->running, kept[i].place);
        kept[i].place = place;
        cells_prefetch_slot(&fold->threads.at[kept[i].thread].running, place);
    }
    for (size_t i = 0; i < n_kept; i++) {
        struct cells *cells = &fold->threads.at[kept[i].thread].running;
        kept[i].at = cells_at(cells, kept[i].place, false);
        cells_prefetch(cells, kept[i].at, false);
    }
    for (size_t i = 0; i < n_kept; i++) {
        fold->running.n.at[kept[i].place]++;
        fold->threads.at[kept[i].thread].running.n.at[kept[i].at]++;
    }
    fold->n_samples += n_kept;
    return n;
}

// The end of the rows to look at, out of `*left`. False: none.
static bool more_rows(uint64_t cursor, uint64_t end, uint64_t left, uint64_t *ret_end)
{
    *ret_end = cursor + MIN(end > cursor ? end - cursor : 0, left);
    return *ret_end > cursor;
}

// Rows [samples_cursor, end), all within the view's time, at most `*left` of them. True when there
// is nothing more to do, be it that the names do not reach further.
static bool advance_samples(struct fold *fold, const struct samples *samples, uint64_t end,
                            uint64_t *left)
{
    uint64_t slice_end;
    while (more_rows(fold->samples_cursor, end, *left, &slice_end)) {
        struct samples_span span;
        samples_pin(samples, fold->samples_cursor, slice_end, &span);
        size_t n = 0;
        for (size_t more = 1; more > 0 && n < span.n; n += more) {
            more = count_samples(fold, &span, n);
        }
        samples_unpin(samples, &span);
        fold->samples_cursor += n;
        *left -= n;
        if (n < span.n) {
            return true;
        }
    }
    return fold->samples_cursor >= end;
}

// ---- Stays off the CPU -------------------------------------------------------------------------

// The part of a stay that lies in a window. False: none, and it does not count.
static bool clip(struct view_window window, uint64_t start_ns, uint64_t end_ns, uint64_t *ret_ns)
{
    bool empty = window.start_ns >= window.end_ns;
    if (empty || start_ns >= window.end_ns || end_ns <= window.start_ns) {
        return false;
    }
    *ret_ns = MIN(end_ns, window.end_ns) - MAX(start_ns, window.start_ns);
    return true;
}

static uint8_t checked_reason(uint8_t reason)
{
    ASSERT(reason < EVENT_REASON_COUNT || reason == REASON_BY_STACK);
    return reason;
}

struct kept_wait {
    uint64_t ns;
    thread_id thread;
    uint32_t key;
    uint32_t place;
    uint32_t at; // in the thread's cells
};

// What does not depend on the stack, and runnable stays, are counted at once. True when it is a
// wait whose cell is to be counted.
static bool keep_interval(struct fold *fold, const struct interval *interval,
                          struct view_window window, struct kept_wait *ret)
{
    struct fold_thread *thread = &fold->threads.at[interval->thread];
    uint64_t end_ns = interval->start_ns + interval->duration_ns;
    uint64_t ns;
    if (!fold->keep.threads.at[interval->thread]) {
        return false;
    }
    thread->rows_end_ns = end_ns;
    if (!clip(window, interval->start_ns, end_ns, &ns)) {
        return false;
    }
    thread->off_ns += ns;
    if (!fold->keep.stacks.at[interval->stack]) {
        return false;
    }
    if ((interval->flags & INTERVAL_RUNNABLE) != 0) {
        thread->runnable_ns += ns;
        return false;
    }
    ret->thread = interval->thread;
    ret->key = cells_place_key(interval->stack, checked_reason(interval->reason),
                               (interval->flags & INTERVAL_APPROXIMATE) != 0);
    ret->ns = ns;
    return true;
}

// In steps, as count_samples().
static void count_waits(struct fold *fold, struct kept_wait *kept, size_t n_kept)
{
    for (size_t i = 0; i < n_kept; i++) {
        struct kept_wait *wait = &kept[i];
        wait->place = places_get(&fold->waiting, wait->key);
        cells_prefetch_slot(&fold->threads.at[wait->thread].waits, wait->place);
    }
    for (size_t i = 0; i < n_kept; i++) {
        struct cells *cells = &fold->threads.at[kept[i].thread].waits;
        kept[i].at = cells_at(cells, kept[i].place, true);
        cells_prefetch(cells, kept[i].at, true);
    }
    for (size_t i = 0; i < n_kept; i++) {
        struct cells *cells = &fold->threads.at[kept[i].thread].waits;
        uint64_t ns = kept[i].ns;
        cells->n.at[kept[i].at]++;
        cells->ns.at[kept[i].at] += ns;
        fold->waiting.n.at[kept[i].place]++;
        fold->waiting.ns.at[kept[i].place] += ns;
        fold->blocked_ns += ns;
        fold->approximate_blocked_ns += cells_key_is_approximate(kept[i].key) ? ns : 0;
    }
}

// As count_samples().
static size_t count_intervals(struct fold *fold, const struct intervals_span *span, size_t first,
                              struct view_window window)
{
    struct kept_wait kept[BLOCK_ROWS];
    size_t n_kept = 0;
    size_t end = MIN(first + BLOCK_ROWS, span->n);
    size_t i = first;
    for (; i < end && keep_knows_stack(&fold->keep, span->stack[i]); i++) {
        struct interval interval = intervals_span_get(span, i);
        n_kept += keep_interval(fold, &interval, window, &kept[n_kept]);
    }
    count_waits(fold, kept, n_kept);
    return i - first;
}

// As advance_samples(). A row that ends late may have begun at any time, so that only the start of
// the view's time can be looked for.
static bool advance_intervals(struct fold *fold, const struct store *store, uint64_t end,
                              uint64_t *left)
{
    uint64_t slice_end;
    struct view_window window = view_window(&fold->view, store);
    window.start_ns = MAX(window.start_ns, store->started_ns);
    while (more_rows(fold->intervals_cursor, end, *left, &slice_end)) {
        struct intervals_span span;
        intervals_pin(&store->intervals, fold->intervals_cursor, slice_end, &span);
        size_t n = 0;
        for (size_t more = 1; more > 0 && n < span.n; n += more) {
            more = count_intervals(fold, &span, n, window);
        }
        intervals_unpin(&store->intervals, &span);
        fold->intervals_cursor += n;
        *left -= n;
        if (n < span.n) {
            return true;
        }
    }
    return fold->intervals_cursor >= end;
}

// ---- Wakeups -----------------------------------------------------------------------------------

static bool advance_wakeups(struct fold *fold, const struct wakeups *wakeups, uint64_t end,
                            uint64_t *left)
{
    uint64_t slice_end;
    while (more_rows(fold->wakeups_cursor, end, *left, &slice_end)) {
        struct wakeups_span span;
        wakeups_pin(wakeups, fold->wakeups_cursor, slice_end, &span);
        for (size_t i = 0; i < span.n; i++) {
            fold->threads.at[span.wakee[i]].wakeups += fold->keep.threads.at[span.wakee[i]];
        }
        wakeups_unpin(wakeups, &span);
        fold->wakeups_cursor += span.n;
        *left -= span.n;
    }
    return fold->wakeups_cursor >= end;
}

// ---- The pass ----------------------------------------------------------------------------------

// Forgets what fold_settle() added.
static void unsettle(struct fold *fold)
{
    for (size_t i = 0; i < fold->opened.n; i++) {
        struct fold_thread *thread = &fold->threads.at[fold->opened.at[i]];
        thread->off_ns -= thread->open_off_ns;
        thread->runnable_ns -= thread->open_runnable_ns;
        thread->open_off_ns = 0;
        thread->open_runnable_ns = 0;
        thread->open_since_ns = 0;
    }
    vec_clear(&fold->opened);
    vec_clear(&fold->open);
}

// What is published. In the order of loading: a row names only what was there before it.
struct published {
    uint64_t time_ns;
    uint64_t samples;
    uint64_t intervals;
    uint64_t wakeups;
};

static struct published load(const struct store *store)
{
    struct published published = {.time_ns = store_end_ns(store)};
    published.samples = atomic_load_explicit(&store->samples.n, memory_order_acquire);
    published.intervals = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
    published.wakeups = atomic_load_explicit(&store->wakeups.n, memory_order_acquire);
    return published;
}

// Moves the cursors to the start of the view's time; cuts what is published at its end.
static void limit_to_window(struct fold *fold, const struct store *store,
                            struct published *published)
{
    struct published *p = published;
    struct view_window window = view_window(&fold->view, store);
    const struct intervals *intervals = &store->intervals;
    if (fold->view.has_time_range) {
        fold->samples_cursor = MAX(fold->samples_cursor,
                                   samples_find(&store->samples, p->samples, window.start_ns));
        fold->wakeups_cursor = MAX(fold->wakeups_cursor,
                                   wakeups_find(&store->wakeups, p->wakeups, window.start_ns));
        p->samples = samples_find(&store->samples, p->samples, window.end_ns);
        p->wakeups = wakeups_find(&store->wakeups, p->wakeups, window.end_ns);
    }
    p->intervals = intervals_find(intervals, p->intervals, p->time_ns);
    if (fold->view.has_time_range) {
        fold->intervals_cursor = MAX(fold->intervals_cursor,
                                     intervals_find(intervals, p->intervals, window.start_ns));
    }
}

static uint64_t rows_looked_at(const struct fold *fold)
{
    return fold->samples_cursor + fold->intervals_cursor + fold->wakeups_cursor;
}

bool fold_advance(struct fold *fold, const struct store *store, const struct names *names,
                  uint64_t max_rows)
{
    unsettle(fold);
    struct published published = load(store);
    make_room(fold, store, names);
    limit_to_window(fold, store, &published);
    uint64_t before = rows_looked_at(fold);
    uint64_t left = max_rows;
    bool done = advance_samples(fold, &store->samples, published.samples, &left) &&
                advance_intervals(fold, store, published.intervals, &left) &&
                advance_wakeups(fold, &store->wakeups, published.wakeups, &left);
    fold->revision += rows_looked_at(fold) - before;
    return done;
}

// ---- Stays that are not over -------------------------------------------------------------------

// In the order that store_thread_off() asks for: the horizon, then what threads do, then rows.
//
//     H
//     off, since before H   ─► an open stay [since, H). Rows that begin at `since` or later are the
//                              same stay, or later ones
//     rows that end by H    ─► counted for good. One may be the end of an open stay, published
//                              just before the thread came back: then it reaches to H itself
//     rows that end after H ─► open stays [start, H) all the same

struct settling {
    struct fold *fold;
    const struct store *store;
    struct view_window window; // ends at H
    VEC(struct interval) stays;
};

// Which threads have to be looked at: not those that have ended.
static void find_living(struct fold *fold)
{
    for (; fold->next_living < fold->keep.threads.n; fold->next_living++) {
        if (fold->keep.threads.at[fold->next_living]) {
            vec_push(&fold->living, fold->next_living);
        }
    }
}

static void find_open_stays(struct settling *settling)
{
    struct fold *fold = settling->fold;
    size_t n = 0;
    for (size_t i = 0; i < fold->living.n; i++) {
        thread_id thread = fold->living.at[i];
        const struct thread_row *row = store_thread(settling->store, thread);
        bool ended = atomic_load_explicit(&row->ended_ns, memory_order_acquire) != 0;
        struct thread_off off;
        bool is_off = store_thread_off(settling->store, thread, &off);
        if (is_off || !ended) {
            fold->living.at[n++] = thread;
        }
        if (is_off && off.since_ns < fold->horizon_ns) {
            fold->threads.at[thread].open_since_ns = off.since_ns;
            vec_push(&fold->opened, thread);
            vec_push(&settling->stays, (struct interval){
                                           .start_ns = off.since_ns,
                                           .duration_ns = fold->horizon_ns - off.since_ns,
                                           .reason = off.reason,
                                           .flags = off.flags,
                                           .thread = thread,
                                           .stack = off.stack,
                                       });
        }
    }
    fold->living.n = n;
}

static void add_open_stay(struct settling *settling, const struct interval *stay)
{
    struct fold *fold = settling->fold;
    struct fold_thread *thread = &fold->threads.at[stay->thread];
    uint64_t start_ns = MAX(stay->start_ns, thread->rows_end_ns);
    uint64_t end_ns = stay->start_ns + stay->duration_ns;
    uint64_t ns;
    if (start_ns >= end_ns || !clip(settling->window, start_ns, end_ns, &ns)) {
        return;
    }
    vec_push(&fold->opened, stay->thread);
    thread->off_ns += ns;
    thread->open_off_ns += ns;
    if (!keep_knows_stack(&fold->keep, stay->stack) || !fold->keep.stacks.at[stay->stack]) {
        return;
    }
    if ((stay->flags & INTERVAL_RUNNABLE) != 0) {
        thread->runnable_ns += ns;
        thread->open_runnable_ns += ns;
        return;
    }
    struct fold_open open = {
        .thread = stay->thread,
        .cell = {.stack = stay->stack,
                 .reason = checked_reason(stay->reason),
                 .approximate = (stay->flags & INTERVAL_APPROXIMATE) != 0,
                 .n = 1,
                 .ns = ns},
    };
    vec_push(&fold->open, open);
}

// Rows that are published, but not counted for good.
static void add_later_rows(struct settling *settling, uint64_t n)
{
    struct fold *fold = settling->fold;
    for (uint64_t row = fold->intervals_cursor; row < n; row++) {
        struct interval interval = intervals_get(&settling->store->intervals, row);
        if (interval.thread >= fold->threads.n || !fold->keep.threads.at[interval.thread]) {
            continue;
        }
        uint64_t since_ns = fold->threads.at[interval.thread].open_since_ns;
        if (since_ns == 0 || interval.start_ns < since_ns) {
            add_open_stay(settling, &interval);
        }
    }
}

// Rows that came since fold_advance(), and end by the horizon.
static void count_last_rows(struct fold *fold, const struct store *store, const struct names *names,
                            uint64_t n)
{
    // Names that have changed meanwhile are for the next fold_advance(): it starts over with them.
    if (keep_is_current(&fold->keep, &fold->view, names)) {
        make_room(fold, store, names);
        uint64_t left = UINT64_MAX;
        advance_intervals(fold, store, intervals_find(&store->intervals, n, fold->horizon_ns),
                          &left);
        fold->revision += UINT64_MAX - left;
    }
}

void fold_settle(struct fold *fold, const struct store *store, const struct names *names)
{
    unsettle(fold);
    uint64_t ended_ns = atomic_load_explicit(&store->ended_ns, memory_order_acquire);
    uint64_t last_ns = atomic_load_explicit(&store->last_ns, memory_order_acquire);
    uint64_t horizon_ns = ended_ns != 0 ? ended_ns : last_ns;
    fold->revision += horizon_ns != fold->horizon_ns;
    fold->horizon_ns = horizon_ns;
    struct settling settling = {.fold = fold, .store = store, .window = fold_window(fold, store)};
    count_last_rows(fold, store, names, 0); // for the threads that began by the horizon
    find_living(fold);
    if (ended_ns == 0) {
        find_open_stays(&settling);
    }
    uint64_t n = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
    count_last_rows(fold, store, names, n);
    add_later_rows(&settling, n);
    for (size_t i = 0; i < settling.stays.n; i++) {
        add_open_stay(&settling, &settling.stays.at[i]);
    }
    vec_fini(&settling.stays);
}

// ---- What has been counted ---------------------------------------------------------------------

struct view_window fold_window(const struct fold *fold, const struct store *store)
{
    struct view_window window = view_window(&fold->view, store);
    window.start_ns = MAX(window.start_ns, store->started_ns);
    window.end_ns = MAX(MIN(window.end_ns, fold->horizon_ns), window.start_ns);
    return window;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

uint64_t fold_on_cpu_ns(const struct fold *fold, const struct store *store, thread_id thread)
{
    const struct fold_thread *counted = &fold->threads.at[thread];
    if (!store->has_switches) {
        return counted->all_samples * store->samples.weight_ns;
    }
    const struct thread_row *row = store_thread(store, thread);
    struct view_window window = fold_window(fold, store);
    uint64_t ended_ns = atomic_load_explicit(&row->ended_ns, memory_order_acquire);
    uint64_t end_ns = ended_ns == 0 ? window.end_ns : MIN(ended_ns, window.end_ns);
    uint64_t life_ns = difference(end_ns, MAX(row->started_ns, window.start_ns));
    return difference(life_ns, counted->off_ns);
}

double fold_sample_ns(const struct fold *fold, const struct store *store, thread_id thread)
{
    uint64_t samples = fold->threads.at[thread].all_samples;
    if (!store->has_switches || samples == 0) {
        return (double)store->samples.weight_ns;
    }
    return (double)fold_on_cpu_ns(fold, store, thread) / (double)samples;
}

bool fold_next_place(const struct fold *fold, struct fold_walk *walk)
{
    if (walk->next_place < fold->waiting.at.n) {
        walk->cell = places_cell(&fold->waiting, walk->next_place++);
        return true;
    }
    if (walk->next_open < fold->open.n) {
        walk->cell = fold->open.at[walk->next_open++].cell;
        return true;
    }
    return false;
}
