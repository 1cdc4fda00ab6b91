// Searches in random runs against a sorted list of what really happened.

#include "query/interval_search.h"

#include "query/random_waits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// ---- The naive way -----------------------------------------------------------------------------

struct truth {
    VEC(struct interval_entry) entries;
    uint64_t total_ns;
    struct off_cpu by_reason;
};

static bool stay_matches(const struct random_waits *w, const struct view *view,
                         const struct interval_filter *filter, const struct true_stay *stay)
{
    const struct true_thread *thread = &w->threads[stay->thread];
    uint64_t end_ns = MIN(stay->end_ns, w->now_ns);
    struct view_window window = view_window(view, w->store);
    return random_waits_keeps(w, view, stay->place) && !stay->runnable && !thread->foreign &&
           (!view->has_tid || thread->tid == view->tid) &&
           MAX(stay->start_ns, window.start_ns) < MIN(end_ns, window.end_ns) &&
           end_ns - stay->start_ns >= filter->min_ns &&
           (!filter->has_reason || random_waits_reason(w, stay->place) == filter->reason);
}

// The stay right behind another one.
static uint64_t runnable_after(const struct random_waits *w, const struct true_stay *wait)
{
    for (size_t i = 0; i < w->n_stays; i++) {
        const struct true_stay *stay = &w->stays[i];
        if (stay > wait && stay->thread == wait->thread) {
            bool follows = stay->runnable && stay->start_ns == wait->end_ns && wait->woken;
            return follows ? MIN(stay->end_ns, w->now_ns) - stay->start_ns : 0;
        }
    }
    return 0;
}

static struct interval_entry naive_entry(const struct random_waits *w, const struct true_stay *stay)
{
    struct interval_entry entry = {
        .thread = stay->thread,
        .start_ns = stay->start_ns - w->store->started_ns,
        .duration_ns = MIN(stay->end_ns, w->now_ns) - stay->start_ns,
        .runnable_ns = runnable_after(w, stay),
        .reason = random_waits_reason(w, stay->place),
        .approximate = stay->approximate,
        .open = stay->end_ns == STAY_OPEN || stay->ended_by_run,
        .stack = w->waits_at[stay->place],
        .woken = stay->woken,
    };
    if (stay->woken) {
        const struct true_wakeup *wakeup = &w->wakeups[stay->wakeup];
        entry.waker = wakeup->site == 2 ? (thread_id)THREAD_INTERRUPT : wakeup->waker;
        entry.waker_stack = w->sites[wakeup->site];
        entry.waker_approximate = wakeup->approximate;
    }
    return entry;
}

static enum interval_order compared_order;

static int compare_entries(const void *first, const void *second)
{
    const struct interval_entry *a = first;
    const struct interval_entry *b = second;
    if (compared_order == INTERVALS_LONGEST && a->duration_ns != b->duration_ns) {
        return a->duration_ns > b->duration_ns ? -1 : 1;
    }
    if (a->start_ns != b->start_ns) {
        return (a->start_ns < b->start_ns) != (compared_order == INTERVALS_NEWEST) ? -1 : 1;
    }
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static struct truth naive_search(const struct random_waits *w, const struct view *view,
                                 const struct interval_filter *filter)
{
    struct truth truth = {.total_ns = 0};
    struct view_window window = view_window(view, w->store);
    for (size_t i = 0; i < w->n_stays; i++) {
        const struct true_stay *stay = &w->stays[i];
        if (stay_matches(w, view, filter, stay)) {
            uint64_t ns = MIN(MIN(stay->end_ns, w->now_ns), window.end_ns) -
                          MAX(stay->start_ns, window.start_ns);
            truth.total_ns += ns;
            truth.by_reason.ns[random_waits_reason(w, stay->place)] += ns;
            vec_push(&truth.entries, naive_entry(w, stay));
        }
    }
    compared_order = filter->order;
    if (truth.entries.n > 0) {
        qsort(truth.entries.at, truth.entries.n, sizeof(struct interval_entry), compare_entries);
    }
    return truth;
}

// ---- Comparing ---------------------------------------------------------------------------------

static void search(struct interval_search *search, struct random_waits *w, const struct view *view,
                   const struct interval_filter *filter, uint64_t max_rows)
{
    interval_search_init(search, view, filter);
    random_waits_refresh(w);
    while (!interval_search_advance(search, w->store, &w->names, &w->reasons, max_rows)) {
    }
}

static void check_sums(const struct interval_list *list, const struct truth *truth)
{
    assert_int_equal(list->n_intervals, truth->entries.n);
    assert_int_equal(list->total_ns, truth->total_ns);
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        assert_int_equal(list->by_reason.ns[i], truth->by_reason.ns[i]);
    }
}

static void check_entry(const struct interval_entry *a, const struct interval_entry *b)
{
    assert_int_equal(a->thread, b->thread);
    assert_int_equal(a->start_ns, b->start_ns);
    assert_int_equal(a->duration_ns, b->duration_ns);
    assert_int_equal(a->runnable_ns, b->runnable_ns);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->approximate, b->approximate);
    assert_int_equal(a->open, b->open);
    assert_int_equal(a->stack, b->stack);
    assert_int_equal(a->woken, b->woken);
    if (a->woken) {
        assert_int_equal(a->waker, b->waker);
        assert_int_equal(a->waker_stack, b->waker_stack);
        assert_int_equal(a->waker_approximate, b->waker_approximate);
    }
}

static void check(struct random_waits *w, const struct view *view,
                  const struct interval_filter *filter, bool also_entries)
{
    struct interval_search found;
    search(&found, w, view, filter, 1 + random_waits_dice(w, 60));
    const struct interval_list *list = interval_search_make(&found, w->store, &w->names,
                                                            &w->reasons);
    struct truth truth = naive_search(w, view, filter);
    check_sums(list, &truth);
    assert_int_equal(list->entries.n, MIN(truth.entries.n, (size_t)filter->limit));
    for (size_t i = 0; also_entries && i < list->entries.n; i++) {
        check_entry(&list->entries.at[i], &truth.entries.at[i]);
    }
    vec_fini(&truth.entries);
    interval_search_fini(&found);
}

// ---- Random runs -------------------------------------------------------------------------------

static const struct view views[] = {
    {.has_tid = false},
    {.has_tid = true, .tid = 100}, // two threads had it
    {.has_tid = true, .tid = 102}, // a foreign one
    {.has_time_range = true, .start_ns = 0, .end_ns = 3000},
    {.has_time_range = true, .start_ns = 1777, .end_ns = 9001},
    {.has_time_range = true, .start_ns = 2000, .end_ns = UINT64_MAX, .has_tid = true, .tid = 101},
    {.has_time_range = true, .start_ns = UINT64_MAX / 2, .end_ns = UINT64_MAX},
    {.has_time_range = true, .start_ns = 500, .end_ns = 500},
};

static struct interval_filter random_filter(struct random_waits *w)
{
    static const uint32_t limits[] = {0, 1, 2, 20, 10000};
    static const enum event_reason reasons[] = {EVENT_REASON_LOCK, EVENT_REASON_SEMAPHORE,
                                                EVENT_REASON_IO_WRITE, EVENT_REASON_OTHER};
    return (struct interval_filter){
        .has_reason = random_waits_dice(w, 3) == 0,
        .reason = reasons[random_waits_dice(w, ARRAY_LEN(reasons))],
        .min_ns = random_waits_dice(w, 2) * random_waits_dice(w, 500),
        .order = (enum interval_order)random_waits_dice(w, 3),
        .limit = limits[random_waits_dice(w, ARRAY_LEN(limits))],
    };
}

static void check_all(struct random_waits *w)
{
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct interval_filter filter = random_filter(w);
        check(w, &views[i], &filter, true);
    }
}

static void test_random_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct random_waits *w = random_waits_new(seed, true);
        check_all(w);
        for (size_t step = 0; step < 12; step++) {
            random_waits_go_on(w, 1 + random_waits_dice(w, step * 15 + 1));
            if (step == 7) {
                random_waits_publish(w);
            }
            check_all(w);
        }
        random_waits_end(w);
        check_all(w);
        random_waits_free(w);
    }
}

// Whether a wait is still open at the very moment of its end is a question of luck there.
static void ask_between(struct random_waits *w, void *context)
{
    (void)context;
    struct interval_filter filter = {.limit = 5};
    check(w, &views[0], &filter, false);
}

static void test_between_the_rows_of_an_event(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 110; seed++) {
        struct random_waits *w = random_waits_new(seed, true);
        w->between = ask_between;
        random_waits_go_on(w, 200);
        random_waits_end(w);
        random_waits_free(w);
    }
}

// ---- Names that come while it searches ---------------------------------------------------------

static void test_names_between_slices(void **state)
{
    (void)state;
    for (int symbols = 0; symbols < 3; symbols++) {
        struct random_waits *w = random_waits_new(5, true);
        random_waits_go_on(w, 1500);
        struct view view = {0};
        if (symbols == 1) {
            vec_push(&view.exclude, view_symbol_new("poster", NULL));
        } else if (symbols == 2) { // nothing is kept before the names come
            vec_push(&view.only, view_symbol_new("sem_wait", NULL));
            view.focus = view_symbol_new("futex_wait_queue", NULL);
        }
        struct interval_filter filter = {
            .has_reason = true, .reason = EVENT_REASON_SEMAPHORE, .limit = 10000};
        struct interval_search found;
        interval_search_init(&found, &view, &filter);
        assert_false(interval_search_advance(&found, w->store, &w->names, &w->reasons, 50));
        random_waits_publish(w);
        random_waits_refresh(w);
        while (!interval_search_advance(&found, w->store, &w->names, &w->reasons, 50)) {
        }
        const struct interval_list *list = interval_search_make(&found, w->store, &w->names,
                                                                &w->reasons);
        struct truth truth = naive_search(w, &view, &filter);
        assert_true(truth.entries.n > 20);
        check_sums(list, &truth);
        for (size_t i = 0; i < list->entries.n; i++) {
            check_entry(&list->entries.at[i], &truth.entries.at[i]);
        }
        vec_fini(&truth.entries);
        interval_search_fini(&found);
        view_fini(&view);
        random_waits_free(w);
    }
}

static void test_excluded_symbols(void **state)
{
    (void)state;
    struct random_waits *w = random_waits_new(6, true);
    random_waits_go_on(w, 600);
    struct view view = {0};
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("pipe_read", 9),
                                                 .binary = alloc_text("[kernel]", 8)});
    struct interval_filter filter = {.limit = 10000, .order = INTERVALS_OLDEST};
    struct interval_search found;
    search(&found, w, &view, &filter, 100);
    const struct interval_list *list = interval_search_make(&found, w->store, &w->names,
                                                            &w->reasons);
    struct view everything = {0};
    struct truth truth = naive_search(w, &everything, &filter);
    assert_true(truth.by_reason.ns[EVENT_REASON_IPC] > 0);
    assert_int_equal(list->by_reason.ns[EVENT_REASON_IPC], 0);
    assert_int_equal(list->total_ns, truth.total_ns - truth.by_reason.ns[EVENT_REASON_IPC]);
    vec_fini(&truth.entries);
    interval_search_fini(&found);
    view_fini(&view);
    random_waits_free(w);
}

// ---- Longer than a row can say -----------------------------------------------------------------

static void test_a_wait_of_weeks(void **state)
{
    (void)state;
    struct random_waits *w = random_waits_new(1, true);
    uint64_t started_ns = w->store->started_ns;
    uint64_t weeks_ns = UINT64_C(1) << 52;
    store_add_thread(w->store, 9, 100, 0, started_ns, 0);
    struct thread_off off = {.since_ns = started_ns + 1, .reason = EVENT_REASON_SLEEP};
    store_set_off(w->store, 0, &off);
    atomic_store(&w->store->last_ns, started_ns + 1 + weeks_ns);
    struct view view = {0};
    struct interval_filter filter = {.limit = 1};
    struct interval_search found;
    search(&found, w, &view, &filter, 1);
    const struct interval_list *list = interval_search_make(&found, w->store, &w->names,
                                                            &w->reasons);
    assert_int_equal(list->n_intervals, 1);
    assert_int_equal(list->by_reason.ns[EVENT_REASON_SLEEP], weeks_ns);
    assert_int_equal(list->entries.at[0].duration_ns, weeks_ns);
    assert_true(list->entries.at[0].open);
    interval_search_fini(&found);
    random_waits_free(w);
}

// ---- More of them than are looked through ------------------------------------------------------

// A forged stream may put everything at one moment: no answer, but a bound on the work.
static void test_a_crowd_of_wakeups(void **state)
{
    (void)state;
    struct random_waits *w = random_waits_new(1, true);
    uint64_t started_ns = w->store->started_ns;
    store_add_thread(w->store, 9, 100, 0, started_ns, 0);
    store_add_thread(w->store, 9, 101, 0, started_ns, 0);
    for (int i = 0; i < 5000; i++) {
        store_add_wakeup(w->store, &(struct wakeup){.time_ns = started_ns + 60, .wakee = 1});
    }
    store_add_wakeup(w->store, &(struct wakeup){.time_ns = started_ns + 60, .wakee = 0});
    store_add_interval(w->store,
                       &(struct interval){.start_ns = started_ns + 10, .duration_ns = 50});
    atomic_store(&w->store->last_ns, started_ns + 100);
    struct view view = {0};
    struct interval_filter filter = {.limit = 1};
    struct interval_search found;
    search(&found, w, &view, &filter, 10);
    const struct interval_list *list = interval_search_make(&found, w->store, &w->names,
                                                            &w->reasons);
    assert_int_equal(list->entries.n, 1);
    assert_false(list->entries.at[0].woken);
    interval_search_fini(&found);
    random_waits_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs),
        cmocka_unit_test(test_between_the_rows_of_an_event),
        cmocka_unit_test(test_names_between_slices),
        cmocka_unit_test(test_excluded_symbols),
        cmocka_unit_test(test_a_wait_of_weeks),
        cmocka_unit_test(test_a_crowd_of_wakeups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
