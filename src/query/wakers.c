// Both tables are sorted by time, and the two halves of an event (the wakeup, and the wait that it
// ended) have the same time. They are published one after the other, in no order that counts: so
// each half is kept with its thread until the other one comes.
//
//     wakeups    ──── t1 ─────────── t2 ── t3 ──►      t1, t3: ended a wait
//     intervals  ─────┘ ends at t1         └ t3 ─►     t2: the thread did not wait
//
// Only waits up to the newest wakeup are looked at. So a wait whose wakeup is about to come is not
// pushed out by the next one of its thread.

#include "query/wakers.h"

#include "query/reason_cache.h"
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
    view_fini(&wakers->view);
}

// ---- Cells -------------------------------------------------------------------------------------

static bool same_key(const struct wakers_cell *a, const struct wakers_cell *b)
{
    return a->wakee == b->wakee && a->waker == b->waker && a->stack == b->stack &&
           a->wait_stack == b->wait_stack && a->reason == b->reason;
}

static uint32_t find_cell(struct wakers *wakers, const struct wakers_cell *key)
{
    uint64_t hash = hash_pair((uint64_t)key->wakee << 32 | key->waker,
                              (uint64_t)key->stack << 32 | key->wait_stack);
    hash = hash_pair(hash, key->reason);
    size_t cursor = 0;
    uint32_t cell;
    while ((cell = map_find_from(&wakers->by_key, hash, &cursor)) != MAP_NONE) {
        if (same_key(&wakers->cells.at[cell], key)) {
            return cell;
        }
    }
    cell = (uint32_t)wakers->cells.n;
    vec_push(&wakers->cells, *key);
    map_add(&wakers->by_key, hash, cell);
    return cell;
}

static void set_wait(struct wakers_cell *key, const struct wakers_wakee *wakee)
{
    key->reason = wakee->wait_reason;
    key->wait_stack = wakee->wait_reason == REASON_BY_STACK ? wakee->wait_stack : STACK_ROOT;
}

static void count(struct wakers_cell *cell, bool approximate, uint64_t ended_ns)
{
    cell->count++;
    cell->approximate += approximate;
    cell->ended_ns += ended_ns;
}

// ---- The walk ----------------------------------------------------------------------------------

struct walk {
    struct wakers *wakers;
    const struct store *store;
    struct view_window window;
    uint64_t left; // rows that may still be looked at
    uint64_t n_intervals;
    struct intervals_span span; // pinned while span_at < span.n
    size_t span_at;
};

static bool is_asked_for(const struct walk *walk, thread_id thread)
{
    const struct view *view = &walk->wakers->view;
    return !view->has_tid || store_thread(walk->store, thread)->tid == view->tid;
}

static uint64_t clipped_ns(const struct walk *walk, const struct wakers_wakee *wakee)
{
    uint64_t start_ns = MAX(wakee->wait_start_ns, walk->window.start_ns);
    return wakee->wait_end_ns - MIN(start_ns, wakee->wait_end_ns);
}

// The wakeup came first: it is counted again, now with the wait.
static void pair_late(const struct walk *walk, struct wakers_wakee *wakee)
{
    struct wakers *wakers = walk->wakers;
    struct wakers_cell *old = &wakers->cells.at[wakee->wakeup_cell];
    old->count--;
    old->approximate -= wakee->approximate;
    struct wakers_cell key = {.wakee = old->wakee, .waker = old->waker, .stack = old->stack};
    set_wait(&key, wakee);
    uint32_t cell = find_cell(wakers, &key);
    count(&wakers->cells.at[cell], wakee->approximate, clipped_ns(walk, wakee));
    wakee->has_wait = wakee->has_wakeup = false;
}

static void take_wait(const struct walk *walk, const struct interval *interval)
{
    bool other = (interval->flags & (INTERVAL_RUNNABLE | INTERVAL_ENDED_BY_RUN)) != 0;
    if (other || interval->duration_ns == 0 || !is_asked_for(walk, interval->thread)) {
        return;
    }
    struct wakers_wakee *wakee = &walk->wakers->wakees.at[interval->thread];
    wakee->has_wait = true;
    wakee->wait_reason = interval->reason;
    wakee->wait_stack = interval->stack;
    wakee->wait_start_ns = interval->start_ns;
    wakee->wait_end_ns = interval->start_ns + interval->duration_ns;
    if (wakee->has_wakeup && wakee->wakeup_ns == wakee->wait_end_ns) {
        pair_late(walk, wakee);
    }
}

static void take_wakeup(const struct walk *walk, const struct wakeup *wakeup)
{
    if (!is_asked_for(walk, wakeup->wakee)) {
        return;
    }
    struct wakers *wakers = walk->wakers;
    struct wakers_wakee *wakee = &wakers->wakees.at[wakeup->wakee];
    struct wakers_cell key = {
        .wakee = wakeup->wakee,
        .waker = wakeup->waker,
        .stack = wakeup->stack,
        .reason = WAKERS_NO_WAIT,
    };
    bool ended = wakee->has_wait && wakee->wait_end_ns == wakeup->time_ns;
    if (ended) {
        set_wait(&key, wakee);
        wakee->has_wait = false;
    }
    uint32_t cell = find_cell(wakers, &key);
    count(&wakers->cells.at[cell], wakeup->approximate, ended ? clipped_ns(walk, wakee) : 0);
    // Of several at one moment, the first one ended the wait.
    if (ended || !wakee->has_wakeup || wakee->wakeup_ns != wakeup->time_ns) {
        wakee->has_wakeup = !ended;
        wakee->wakeup_ns = wakeup->time_ns;
        wakee->wakeup_cell = cell;
        wakee->approximate = wakeup->approximate;
    }
}

static void unpin(struct walk *walk)
{
    if (walk->span.n > 0) {
        intervals_unpin(&walk->store->intervals, &walk->span);
        walk->span.n = walk->span_at = 0;
    }
}

// Waits that ended by `time_ns`. False when there is more to look at than allowed.
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
        take_wait(walk, &interval);
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

bool wakers_advance(struct wakers *wakers, const struct store *store, uint64_t max_rows)
{
    // In this order: then all waits that ended before the last of these wakeups are seen.
    uint64_t n_wakeups = atomic_load_explicit(&store->wakeups.n, memory_order_acquire);
    uint64_t n_intervals = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
    uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    vec_grow_zeroed(&wakers->wakees, n_threads);
    struct walk walk = {
        .wakers = wakers,
        .store = store,
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
    return whole;
}

// ---- The answer --------------------------------------------------------------------------------

struct answer {
    const struct store *store;
    struct reasons *reasons;
    struct wakers_answer *ret;
    VEC(struct wakers_entry) places; // one per waker and stack, then one per waker and function
};

static enum event_reason reason_of(struct reasons *reasons, const struct wakers_cell *cell)
{
    if (cell->reason == REASON_BY_STACK && !names_cover_stack(reasons->names, cell->wait_stack)) {
        return EVENT_REASON_OTHER;
    }
    enum event_reason reason = reasons_of(reasons, cell->reason, cell->wait_stack);
    return reason < EVENT_REASON_COUNT ? reason : EVENT_REASON_OTHER;
}

static void add_place(struct answer *answer, const struct wakers_cell *cell)
{
    struct reasons *reasons = answer->reasons;
    bool covered = names_cover_stack(reasons->names, cell->stack);
    struct wakers_entry place = {
        .waker = cell->waker,
        .stack = covered ? cell->stack : STACK_ROOT,
        .count = cell->count,
        .approximate = cell->approximate,
        .ended_ns = cell->ended_ns,
    };
    if (reasons_is_interrupt(reasons, place.stack)) {
        place.waker = THREAD_INTERRUPT;
    }
    place.function = reasons_waker_function(reasons, place.stack);
    if (cell->reason != WAKERS_NO_WAIT) {
        place.off_cpu.ns[reason_of(reasons, cell)] = cell->ended_ns;
    }
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
