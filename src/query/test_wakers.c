// Wakers in random runs, live and from scratch, against groups made the naive way.

#include "query/random_waits.h"
#include "query/wakers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// ---- The naive way -----------------------------------------------------------------------------

// An entry and how often each of its places woke.
struct group {
    struct wakers_entry entry;
    uint64_t by_site[RANDOM_SITES];
};

struct truth {
    uint64_t n_wakeups;
    VEC(struct group) groups;
};

static bool in_view(const struct random_waits *w, const struct view *view, uint32_t tid,
                    const struct true_wakeup *wakeup)
{
    struct view_window window = view_window(view, w->store);
    return w->threads[wakeup->wakee].tid == tid && (!view->has_tid || view->tid == tid) &&
           wakeup->time_ns >= window.start_ns && wakeup->time_ns < window.end_ns;
}

// The wait that a wakeup ended; NULL: none.
static const struct true_stay *ended_by(const struct random_waits *w, size_t wakeup)
{
    for (size_t i = 0; i < w->n_stays; i++) {
        if (w->stays[i].woken && w->stays[i].wakeup == wakeup) {
            return &w->stays[i];
        }
    }
    return NULL;
}

static struct group *group_of(struct truth *truth, thread_id waker, const struct function *function)
{
    for (size_t i = 0; i < truth->groups.n; i++) {
        struct group *group = &truth->groups.at[i];
        if (group->entry.waker == waker && group->entry.function == function) {
            return group;
        }
    }
    vec_push(&truth->groups, (struct group){.entry = {.waker = waker, .function = function}});
    return vec_last(&truth->groups);
}

static bool is_kept(const struct random_waits *w, const struct view *view, size_t wakeup)
{
    const struct true_stay *stay = ended_by(w, wakeup);
    return random_waits_keeps(w, view, stay == NULL ? PLACE_WITHOUT_STACK : stay->place);
}

static void add_naive(struct truth *truth, struct random_waits *w, const struct view *view,
                      size_t number)
{
    const struct true_wakeup *wakeup = &w->wakeups[number];
    thread_id waker = wakeup->site == 2 ? (thread_id)THREAD_INTERRUPT : wakeup->waker;
    struct group *group = group_of(truth, waker,
                                   reasons_waker_function(&w->reasons, w->sites[wakeup->site]));
    group->by_site[wakeup->site]++;
    group->entry.count++;
    group->entry.approximate += wakeup->approximate;
    truth->n_wakeups++;
    const struct true_stay *stay = ended_by(w, number);
    if (stay != NULL) {
        uint64_t start_ns = MAX(stay->start_ns, view_window(view, w->store).start_ns);
        uint64_t ns = stay->end_ns - MIN(start_ns, stay->end_ns);
        group->entry.ended_ns += ns;
        group->entry.off_cpu.ns[random_waits_reason(w, stay->place)] += ns;
    }
}

static struct truth naive_wakers(struct random_waits *w, const struct view *view, uint32_t tid)
{
    struct truth truth = {.n_wakeups = 0};
    for (size_t i = 0; i < w->n_wakeups; i++) {
        if (in_view(w, view, tid, &w->wakeups[i]) && is_kept(w, view, i)) {
            add_naive(&truth, w, view, i);
        }
    }
    return truth;
}

// ---- Comparing ---------------------------------------------------------------------------------

static void check_entry(const struct random_waits *w, const struct wakers_entry *entry,
                        const struct group *group)
{
    assert_int_equal(entry->count, group->entry.count);
    assert_int_equal(entry->approximate, group->entry.approximate);
    assert_int_equal(entry->ended_ns, group->entry.ended_ns);
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        assert_int_equal(entry->off_cpu.ns[i], group->entry.off_cpu.ns[i]);
    }
    uint64_t most = 0;
    uint64_t shown = 0;
    for (size_t site = 0; site < RANDOM_SITES; site++) {
        most = MAX(most, group->by_site[site]);
        shown = entry->stack == w->sites[site] ? group->by_site[site] : shown;
    }
    assert_int_equal(shown, most);
}

static void check_order(const struct random_waits *w, const struct wakers_answer *answer)
{
    for (size_t i = 1; i < answer->entries.n; i++) {
        const struct wakers_entry *a = &answer->entries.at[i - 1];
        const struct wakers_entry *b = &answer->entries.at[i];
        uint32_t tid_a = a->waker == THREAD_INTERRUPT ? 0 : w->threads[a->waker].tid;
        uint32_t tid_b = b->waker == THREAD_INTERRUPT ? 0 : w->threads[b->waker].tid;
        assert_true(a->count >= b->count);
        assert_true(a->count > b->count || a->ended_ns >= b->ended_ns);
        assert_true(a->count > b->count || a->ended_ns > b->ended_ns || tid_a <= tid_b);
    }
}

static void check_tid(const struct wakers *wakers, struct random_waits *w, const struct view *view,
                      uint32_t tid, size_t limit)
{
    struct wakers_answer answer;
    wakers_make(&answer, wakers, w->store, &w->reasons, tid, limit);
    struct truth truth = naive_wakers(w, view, tid);
    assert_int_equal(answer.n_wakeups, truth.n_wakeups);
    assert_int_equal(answer.n_entries, truth.groups.n);
    size_t shown = limit == 0 ? truth.groups.n : MIN(limit, truth.groups.n);
    assert_int_equal(answer.entries.n, shown);
    size_t n_groups = truth.groups.n;
    for (size_t i = 0; i < answer.entries.n; i++) {
        const struct wakers_entry *entry = &answer.entries.at[i];
        check_entry(w, entry, group_of(&truth, entry->waker, entry->function));
    }
    assert_int_equal(truth.groups.n, n_groups); // no entry that should not be there
    check_order(w, &answer);
    vec_fini(&truth.groups);
    wakers_answer_fini(&answer);
}

static void check(struct wakers *wakers, struct random_waits *w, const struct view *view)
{
    random_waits_refresh(w);
    while (!wakers_advance(wakers, w->store, &w->reasons, 1 + random_waits_dice(w, 40))) {
    }
    for (uint32_t i = 0; i < RANDOM_THREADS; i++) {
        check_tid(wakers, w, view, 100 + i, random_waits_dice(w, 2) * 3);
    }
}

// ---- Random runs -------------------------------------------------------------------------------

static const struct view views[] = {
    {.has_tid = false},
    {.has_tid = true, .tid = 100}, // two threads had it
    {.has_tid = true, .tid = 102}, // a foreign one
    {.has_time_range = true, .start_ns = 0, .end_ns = 3000},
    {.has_time_range = true, .start_ns = 1777, .end_ns = 9001},
    {.has_time_range = true, .start_ns = UINT64_MAX / 2, .end_ns = UINT64_MAX},
    {.has_tid = false}, // gets symbols: make_view()
    {.has_tid = false},
    {.has_time_range = true, .start_ns = 1777, .end_ns = 9001},
};

enum { EXCLUDING = 6, ASKING, FOCUSED };

static struct view make_view(size_t number)
{
    struct view view = views[number];
    if (number == EXCLUDING) {
        vec_push(&view.exclude, view_symbol_new("sem_wait", NULL));
    } else if (number == ASKING) {
        vec_push(&view.only, view_symbol_new("sem_wait", NULL));
        vec_push(&view.only, view_symbol_new("pipe_read", NULL));
    } else if (number == FOCUSED) {
        view.focus = view_symbol_new("schedule", NULL);
    }
    return view;
}

static void check_all(struct wakers *wakers, struct random_waits *w)
{
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct view view = make_view(i);
        check(&wakers[i], w, &view);
        if (random_waits_dice(w, 4) == 0) {
            struct view copy;
            view_copy(&copy, &view);
            struct wakers fresh;
            wakers_init(&fresh, &copy);
            check(&fresh, w, &view);
            wakers_fini(&fresh);
        }
        view_fini(&view);
    }
}

static void advance_between(struct random_waits *w, void *context)
{
    struct wakers *wakers = context;
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        wakers_advance(&wakers[i], w->store, &w->reasons, 1 + random_waits_dice(w, 3));
    }
}

// Every other run is also looked at in the middle of events, so that a wakeup is seen before the
// wait that it ended, or behind it.
static void random_run(uint64_t seed)
{
    struct random_waits *w = random_waits_new(seed, true);
    struct wakers wakers[ARRAY_LEN(views)];
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct view view = make_view(i);
        wakers_init(&wakers[i], &view);
    }
    w->between = seed % 2 == 0 ? advance_between : NULL;
    w->context = wakers;
    for (size_t step = 0; step < 10; step++) {
        random_waits_go_on(w, 1 + random_waits_dice(w, step * 15 + 1));
        if (step == 6) {
            random_waits_publish(w);
        }
        check_all(wakers, w);
    }
    random_waits_end(w);
    check_all(wakers, w);
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        wakers_fini(&wakers[i]);
    }
    random_waits_free(w);
}

static void test_random_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        random_run(seed);
    }
}

// ---- By hand -----------------------------------------------------------------------------------

static void test_two_wakeups_at_the_same_time(void **state)
{
    (void)state;
    for (int wait_first = 0; wait_first < 2; wait_first++) {
        struct random_waits *w = random_waits_new(1, true);
        uint64_t started_ns = w->store->started_ns;
        store_add_thread(w->store, 9, 100, 0, started_ns, 0);
        store_add_thread(w->store, 9, 101, 0, started_ns, 0);
        store_add_thread(w->store, 9, 102, 0, started_ns, 0);
        struct interval wait = {.start_ns = started_ns + 10,
                                .duration_ns = 50,
                                .reason = EVENT_REASON_SLEEP,
                                .thread = 0};
        struct view view = {0};
        struct wakers wakers;
        wakers_init(&wakers, &view);
        if (wait_first) {
            store_add_interval(w->store, &wait);
        }
        for (thread_id waker = 1; waker <= 2; waker++) {
            store_add_wakeup(
                w->store, &(struct wakeup){.time_ns = started_ns + 60, .wakee = 0, .waker = waker});
            assert_true(wakers_advance(&wakers, w->store, &w->reasons, 100));
        }
        if (!wait_first) {
            store_add_interval(w->store, &wait);
        }
        assert_true(wakers_advance(&wakers, w->store, &w->reasons, 100));
        struct wakers_answer answer;
        wakers_make(&answer, &wakers, w->store, &w->reasons, 100, 0);
        assert_int_equal(answer.n_wakeups, 2);
        assert_int_equal(answer.entries.n, 2);
        assert_int_equal(answer.entries.at[0].waker, 1);
        assert_int_equal(answer.entries.at[0].ended_ns, 50);
        assert_int_equal(answer.entries.at[0].off_cpu.ns[EVENT_REASON_SLEEP], 50);
        assert_null(answer.entries.at[0].function);
        assert_int_equal(answer.entries.at[1].waker, 2);
        assert_int_equal(answer.entries.at[1].ended_ns, 0);
        wakers_answer_fini(&answer);
        wakers_fini(&wakers);
        random_waits_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs),
        cmocka_unit_test(test_two_wakeups_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
