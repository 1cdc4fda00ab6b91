// Both tables are sorted by time, and the two halves of an event (the wakeup, and the wait that it
// ended) have the same time. They are published one after the other, in no order that counts: so
// each half is kept with its thread until the other one comes.
//
//     wakeups    ──── t1 ─────────── t2 ── t3 ──►      t1, t3: ended a wait
//     intervals  ─────┘ ends at t1         └ t3 ─►     t2: the thread did not wait
//
// Whether a view with symbols keeps a wakeup is told by the wait that it ended. Until that is
// there, and if it never comes, it counts as one without a stack.
//
// Only waits up to the newest wakeup are looked at. So a wait whose wakeup is about to come is not
// pushed out by the next one of its thread.

#include "query/wakers.h"

#include "query/select.h"

void wakers_init(struct wakers *wakers, struct view *view)
{
    *wakers = (struct wakers){.view = *view};
    *view = (struct view){0};
}

void wakers_fini(struct wakers *wakers)
{
    map_fini(&wakers->by_key);
    vec_fini(&wakers->cells);
    vec_fini(&wakers->wakees);
    reason_cache_fini(&wakers->reasons);
    keep_fini(&wakers->keep);
    view_fini(&wakers->view);
}

static void start_over(struct wakers *wakers)
{
    wakers->wakeups_cursor = 0;
    wakers->intervals_cursor = 0;
    map_fini(&wakers->by_key);
    vec_clear(&wakers->cells);
    vec_clear(&wakers->wakees);
}

// ---- Cells -------------------------------------------------------------------------------------

static bool is_of(const struct wakers_cell *cell, const struct wakeup *wakeup)
{
    return cell->wakee == wakeup->wakee && cell->waker == wakeup->waker &&
           cell->stack == wakeup->stack;
}

static uint32_t find_cell(struct wakers *wakers, const struct wakeup *wakeup)
{
    uint64_t hash = hash_pair((uint64_t)wakeup->wakee << 32 | wakeup->waker, wakeup->stack);
    size_t cursor = 0;
    uint32_t cell;
    while ((cell = map_find_from(&wakers->by_key, hash, &cursor)) != MAP_NONE) {
        if (is_of(&wakers->cells.at[cell], wakeup)) {
            return cell;
        }
    }
    cell = (uint32_t)wakers->cells.n;
    vec_push(&wakers->cells, (struct wakers_cell){
                                 .wakee = wakeup->wakee,
                                 .waker = wakeup->waker,
                                 .stack = wakeup->stack,
                             });
    map_add(&wakers->by_key, hash, cell);
    return cell;
}

// ---- The walk ----------------------------------------------------------------------------------

struct walk {
    struct wakers *wakers;
    const struct store *store;
    struct reasons *reasons;
    struct view_window window;
    uint64_t left; // rows that may still be looked at
    bool stuck;    // at a wait that is newer than the names
    uint64_t n_intervals;
    struct intervals_span span; // pinned while n > 0
    size_t span_at;
};

static bool is_asked_for(const struct walk *walk, thread_id thread)
{
    const struct view *view = &walk->wakers->view;
    return !view->has_tid || store_thread(walk->store, thread)->tid == view->tid;
}

// The wait and the wakeup are there.
static void pair(const struct walk *walk, struct wakers_wakee *wakee)
{
    uint64_t start_ns = MAX(wakee->wait_start_ns, walk->window.start_ns);
    struct wakers_cell *cell = &walk->wakers->cells.at[wakee->wakeup_cell];
    bool was_counted = view_keeps_no_stack(&walk->wakers->view);
    if (wakee->wait_is_kept) {
        cell->ended_ns[wakee->wait_reason] += wakee->wait_end_ns -
                                              MIN(start_ns, wakee->wait_end_ns);
    }
    if (wakee->wait_is_kept && !was_counted) {
        cell->count++;
        cell->approximate += wakee->wakeup_is_approximate;
    } else if (!wakee->wait_is_kept && was_counted) {
        cell->count--;
        cell->approximate -= wakee->wakeup_is_approximate;
    }
    wakee->has_wait = wakee->has_wakeup = false;
}

// False when it has to wait for names.
static bool take_wait(const struct walk *walk, const struct interval *interval)
{
    struct wakers *wakers = walk->wakers;
    bool other = (interval->flags & (INTERVAL_RUNNABLE | INTERVAL_ENDED_BY_RUN)) != 0;
    if (other || interval->duration_ns == 0 || !is_asked_for(walk, interval->thread)) {
        return true;
    }
    uint8_t reason = reason_cache_get(&wakers->reasons, walk->reasons, interval->reason,
                                      interval->stack);
    if (reason == REASON_BY_STACK || !keep_knows_stack(&wakers->keep, interval->stack)) {
        return false;
    }
    struct wakers_wakee *wakee = &wakers->wakees.at[interval->thread];
    wakee->has_wait = true;
    wakee->wait_is_kept = wakers->keep.stacks.at[interval->stack] != 0;
    wakee->wait_reason = reason < EVENT_REASON_COUNT ? reason : (uint8_t)EVENT_REASON_OTHER;
    wakee->wait_start_ns = interval->start_ns;
    wakee->wait_end_ns = interval->start_ns + interval->duration_ns;
    if (wakee->has_wakeup && wakee->wakeup_ns == wakee->wait_end_ns) {
        pair(walk, wakee);
    }
    return true;
}

static void take_wakeup(const struct walk *walk, const struct wakeup *wakeup)
{
    if (!is_asked_for(walk, wakeup->wakee)) {
        return;
    }
    struct wakers *wakers = walk->wakers;
    uint32_t cell = find_cell(wakers, wakeup);
    if (view_keeps_no_stack(&wakers->view)) { // else it has to be paired first
        wakers->cells.at[cell].count++;
        wakers->cells.at[cell].approximate += wakeup->approximate;
    }
    struct wakers_wakee *wakee = &wakers->wakees.at[wakeup->wakee];
    // Of several at one moment, the first one ended the wait.
    if (!wakee->has_wakeup || wakee->wakeup_ns != wakeup->time_ns) {
        wakee->has_wakeup = true;
        wakee->wakeup_ns = wakeup->time_ns;
        wakee->wakeup_cell = cell;
        wakee->wakeup_is_approximate = wakeup->approximate;
        if (wakee->has_wait && wakee->wait_end_ns == wakeup->time_ns) {
            pair(walk, wakee);
        }
    }
}

static void unpin(struct walk *walk)
{
    if (walk->span.n > 0) {
        intervals_unpin(&walk->store->intervals, &walk->span);
        walk->span.n = walk->span_at = 0;
    }
}

// Waits that ended by `time_ns`. False when there are more of them than may be looked at now.
static bool take_waits(struct walk *walk, uint64_t time_ns)
{
    struct wakers *wakers = walk->wakers;
    while (wakers->intervals_cursor < walk->n_intervals) {
        if (walk->span_at == walk->span.n) {
            unpin(walk);
            intervals_pin(&walk->store->intervals, wakers->intervals_cursor, walk->n_intervals,
                          &walk->span);
        }
        struct interval interval = intervals_span_get(&walk->span, walk->span_at);
        if (interval.start_ns + interval.duration_ns > time_ns) {
            return true;
        }
        if (walk->left == 0) {
            return false;
        }
        if (!take_wait(walk, &interval)) {
            walk->stuck = true;
            return false;
        }
        walk->left--;
        walk->span_at++;
        wakers->intervals_cursor++;
    }
    return true;
}

static bool take_span(struct walk *walk, const struct wakeups_span *span)
{
    for (size_t i = 0; i < span->n; i++) {
        if (!take_waits(walk, span->time_ns[i]) || walk->left == 0) {
            return false;
        }
        struct wakeup wakeup = {
            .time_ns = span->time_ns[i],
            .wakee = span->wakee[i],
            .waker = span->waker[i],
            .stack = span->stack[i] & ~WAKEUP_APPROXIMATE,
            .approximate = (span->stack[i] & WAKEUP_APPROXIMATE) != 0,
        };
        take_wakeup(walk, &wakeup);
        walk->left--;
        walk->wakers->wakeups_cursor++;
    }
    return true;
}

static bool take_rows(struct walk *walk, uint64_t end)
{
    const struct wakeups *wakeups = &walk->store->wakeups;
    struct wakers *wakers = walk->wakers;
    while (wakers->wakeups_cursor < end) {
        struct wakeups_span span;
        wakeups_pin(wakeups, wakers->wakeups_cursor, end, &span);
        bool whole = take_span(walk, &span);
        wakeups_unpin(wakeups, &span);
        if (!whole) {
            return false;
        }
    }
    // What the last one ended may only be there now.
    return end == 0 || take_waits(walk, wakeups_get(wakeups, end - 1).time_ns);
}

bool wakers_advance(struct wakers *wakers, const struct store *store, struct reasons *reasons,
                    uint64_t max_rows)
{
    // In this order: then all waits that ended before the last of these wakeups are seen.
    uint64_t n_wakeups = atomic_load_explicit(&store->wakeups.n, memory_order_acquire);
    uint64_t n_intervals = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
    uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    uint32_t n_stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire);
    bool renamed = keep_refresh(&wakers->keep, &wakers->view, store, reasons->names);
    if (reason_cache_refresh(&wakers->reasons, reasons, n_stacks) || renamed) {
        start_over(wakers);
    }
    vec_grow_zeroed(&wakers->wakees, n_threads);
    struct walk walk = {
        .wakers = wakers,
        .store = store,
        .reasons = reasons,
        .window = view_window(&wakers->view, store),
        .left = max_rows,
        .n_intervals = n_intervals,
    };
    uint64_t end = n_wakeups;
    if (wakers->view.has_time_range) {
        uint64_t first = wakeups_find(&store->wakeups, n_wakeups, walk.window.start_ns);
        uint64_t first_wait = intervals_find(&store->intervals, n_intervals, walk.window.start_ns);
        wakers->wakeups_cursor = MAX(wakers->wakeups_cursor, first);
        wakers->intervals_cursor = MAX(wakers->intervals_cursor, first_wait);
        end = wakeups_find(&store->wakeups, n_wakeups, walk.window.end_ns);
    }
    bool whole = take_rows(&walk, end);
    unpin(&walk);
    return whole || walk.stuck;
}

// ---- The answer --------------------------------------------------------------------------------

struct answer {
    const struct store *store;
    struct reasons *reasons;
    struct wakers_answer *ret;
    VEC(struct wakers_entry) places; // one per waker and stack, then one per waker and function
};

static void add_place(struct answer *answer, const struct wakers_cell *cell)
{
    struct reasons *reasons = answer->reasons;
    bool covered = names_cover_stack(reasons->names, cell->stack);
    struct wakers_entry place = {
        .waker = cell->waker,
        .stack = covered ? cell->stack : STACK_ROOT,
        .count = cell->count,
        .approximate = cell->approximate,
    };
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        place.off_cpu.ns[i] = cell->ended_ns[i];
        place.ended_ns += cell->ended_ns[i];
    }
    if (reasons_is_interrupt(reasons, place.stack)) {
        place.waker = THREAD_INTERRUPT;
    }
    place.function = reasons_waker_function(reasons, place.stack);
    answer->ret->n_wakeups += cell->count;
    vec_push(&answer->places, place);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_places(const void *first, const void *second)
{
    const struct wakers_entry *a = first;
    const struct wakers_entry *b = second;
    if (a->waker != b->waker) {
        return compare_u64(a->waker, b->waker);
    }
    if (a->function != b->function) {
        return compare_u64((uintptr_t)a->function, (uintptr_t)b->function);
    }
    return compare_u64(a->stack, b->stack);
}

static bool same_function(const struct wakers_entry *a, const struct wakers_entry *b)
{
    return a->waker == b->waker && a->function == b->function;
}

static bool same_stack(const struct wakers_entry *a, const struct wakers_entry *b)
{
    return same_function(a, b) && a->stack == b->stack;
}

static void add_to(struct wakers_entry *to, const struct wakers_entry *from)
{
    to->count += from->count;
    to->approximate += from->approximate;
    to->ended_ns += from->ended_ns;
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        to->off_cpu.ns[i] += from->off_cpu.ns[i];
    }
}

// Neighbours that are the same by `same` become one. It keeps the stack of the one with the most
// wakeups, the first of several.
static void merge(struct answer *answer,
                  bool (*same)(const struct wakers_entry *a, const struct wakers_entry *b))
{
    size_t n = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < answer->places.n; i++) {
        struct wakers_entry place = answer->places.at[i];
        if (n == 0 || !same(&answer->places.at[n - 1], &place)) {
            most = place.count;
            answer->places.at[n++] = place;
            continue;
        }
        if (place.count > most) {
            most = place.count;
            answer->places.at[n - 1].stack = place.stack;
        }
        add_to(&answer->places.at[n - 1], &place);
    }
    answer->places.n = n;
}

static int compare_functions(const struct function *a, const struct function *b)
{
    if (a == b) {
        return 0;
    }
    if (a == NULL || b == NULL) {
        return a == NULL ? 1 : -1;
    }
    return function_compare(a, b);
}

static uint32_t tid_of(const struct store *store, thread_id waker)
{
    return waker == THREAD_INTERRUPT ? 0 : store_thread(store, waker)->tid;
}

static int compare_entries(const void *first, const void *second, void *context)
{
    const struct wakers_entry *a = first;
    const struct wakers_entry *b = second;
    if (a->count != b->count) {
        return compare_u64(b->count, a->count);
    }
    if (a->ended_ns != b->ended_ns) {
        return compare_u64(b->ended_ns, a->ended_ns);
    }
    int order = compare_u64(tid_of(context, a->waker), tid_of(context, b->waker));
    order = order != 0 ? order : compare_functions(a->function, b->function);
    return order != 0 ? order : compare_u64(a->waker, b->waker);
}

void wakers_make(struct wakers_answer *ret, const struct wakers *wakers, const struct store *store,
                 struct reasons *reasons, uint32_t tid, size_t limit)
{
    *ret = (struct wakers_answer){0};
    struct answer answer = {.store = store, .reasons = reasons, .ret = ret};
    for (size_t i = 0; i < wakers->cells.n; i++) {
        const struct wakers_cell *cell = &wakers->cells.at[i];
        if (cell->count > 0 && store_thread(store, cell->wakee)->tid == tid) {
            add_place(&answer, cell);
        }
    }
    if (answer.places.n > 0) {
        qsort(answer.places.at, answer.places.n, sizeof(struct wakers_entry), compare_places);
    }
    merge(&answer, same_stack);
    merge(&answer, same_function);
    size_t n = answer.places.n;
    size_t shown = limit == 0 ? n : MIN(limit, n);
    select_first(answer.places.at, n, sizeof(struct wakers_entry), shown, compare_entries,
                 (void *)(uintptr_t)store);
    ret->n_entries = n;
    for (size_t i = 0; i < shown; i++) {
        vec_push(&ret->entries, answer.places.at[i]);
    }
    vec_fini(&answer.places);
}

void wakers_answer_fini(struct wakers_answer *answer)
{
    vec_fini(&answer->entries);
}
