// The views of waiting are made by three passes of their own: what one says must be what the others
// say. Here over random runs, live and after the end:
//
//     timeline, buckets added up ─┐
//     fold: threads, total ───────┼─► the same nanoseconds, by thread and by reason
//     search, sums ───────────────┘

#include "query/interval_search.h"
#include "query/random_waits.h"
#include "query/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct view views[] = {
    {.has_tid = false},
    {.has_tid = true, .tid = 100}, // two threads had it
    {.has_time_range = true, .start_ns = 0, .end_ns = 3000},
    {.has_time_range = true, .start_ns = 1777, .end_ns = 9001},
    {.has_time_range = true, .start_ns = 2000, .end_ns = UINT64_MAX, .has_tid = true, .tid = 101},
    {.has_time_range = true, .start_ns = UINT64_MAX / 2, .end_ns = UINT64_MAX},
    {.has_time_range = true, .start_ns = 500, .end_ns = 500},
    {.has_time_range = false}, // gets symbols: make_view()
    {.has_time_range = false},
    {.has_time_range = true, .start_ns = 1777, .end_ns = 9001},
};

enum { EXCLUDING = 7, ASKING, FOCUSED };

// One who asks all of them the same question again and again.
struct asker {
    struct random_waits *w;
    struct view view; // of the search
    struct calltree tree;
    struct fold fold;
    struct timeline *timeline;
};

static struct view make_view(size_t number)
{
    struct view view = views[number];
    if (number == EXCLUDING) {
        vec_push(&view.exclude, view_symbol_new("pipe_read", NULL));
        vec_push(&view.exclude, view_symbol_new("sem_wait", NULL));
    } else if (number == ASKING) {
        vec_push(&view.only, view_symbol_new("pipe_read", NULL));
        vec_push(&view.only, view_symbol_new("sem_wait", NULL));
    } else if (number == FOCUSED) {
        vec_push(&view.exclude, view_symbol_new("sem_wait", NULL));
        view.focus = view_symbol_new("schedule", NULL);
    }
    return view;
}

static void asker_init(struct asker *a, struct random_waits *w, size_t view)
{
    *a = (struct asker){.w = w, .view = make_view(view)};
    struct view of_fold = make_view(view);
    struct view of_timeline = make_view(view);
    calltree_init(&a->tree, &w->names);
    fold_init(&a->fold, &of_fold);
    a->timeline = timeline_new(&of_timeline);
}

static void asker_fini(struct asker *a)
{
    timeline_free(a->timeline);
    fold_fini(&a->fold);
    calltree_fini(&a->tree);
    view_fini(&a->view);
}

static void catch_up(struct asker *a, uint64_t max_rows)
{
    struct random_waits *w = a->w;
    calltree_refresh(&a->tree);
    while (!fold_advance(&a->fold, w->store, &w->names, max_rows)) {
    }
    fold_settle(&a->fold, w->store, &w->names);
    calltree_refresh(&a->tree);
    while (!timeline_advance(a->timeline, w->store, &w->names, &w->reasons, max_rows)) {
    }
}

// ---- Comparing ---------------------------------------------------------------------------------

static void assert_same_reasons(const struct off_cpu *a, const struct off_cpu *b)
{
    for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        assert_int_equal(a->ns[reason], b->ns[reason]);
    }
}

static struct timeline_bucket sum_buckets(const struct timeline_bucket *buckets, size_t n)
{
    struct timeline_bucket sum = {0};
    for (size_t i = 0; i < n; i++) {
        sum.on_cpu_ns += buckets[i].on_cpu_ns;
        sum.runnable_ns += buckets[i].runnable_ns;
        for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
            sum.off_cpu.ns[reason] += buckets[i].off_cpu.ns[reason];
        }
    }
    return sum;
}

// Zeros for a thread that the timeline does not list.
static struct timeline_bucket sum_of_thread(const struct timeline_answer *answer, thread_id thread)
{
    for (size_t i = 0; i < answer->threads.n; i++) {
        if (answer->threads.at[i].thread == thread) {
            return sum_buckets(answer->threads.at[i].buckets.at, answer->threads.at[i].buckets.n);
        }
    }
    return (struct timeline_bucket){0};
}

// Where a view has symbols, a sample stands for its period in a timeline, and for its share of
// the thread's exact time in a fold.
static bool agree_on_cpu(const struct asker *a)
{
    return !view_has_symbols(&a->view) || !a->w->store->has_switches;
}

static void check_threads(struct asker *a, const struct timeline_answer *timeline)
{
    struct threads_answer threads;
    threads_make(&threads, &a->tree, &a->fold, a->w->store, &a->w->reasons, 0);
    size_t found = 0;
    for (size_t i = 0; i < threads.entries.n; i++) {
        const struct threads_entry *entry = &threads.entries.at[i];
        struct timeline_bucket sum = sum_of_thread(timeline, entry->thread);
        if (agree_on_cpu(a)) {
            assert_int_equal(sum.on_cpu_ns, entry->on_cpu_ns);
        }
        assert_int_equal(sum.runnable_ns, entry->runnable_ns);
        assert_same_reasons(&sum.off_cpu, &entry->off_cpu);
        for (size_t k = 0; k < timeline->threads.n; k++) {
            found += timeline->threads.at[k].thread == entry->thread;
        }
    }
    assert_int_equal(found, timeline->threads.n); // none is in the timeline only
    assert_same_reasons(&threads.total_off_cpu, &timeline->total.off_cpu);
    assert_int_equal(threads.total_runnable_ns, timeline->total.runnable_ns);
    threads_fini(&threads);
}

static void check_totals(struct asker *a, const struct timeline_answer *timeline)
{
    struct random_waits *w = a->w;
    struct total total;
    total_make(&total, &a->tree, &a->fold, w->store, &w->reasons);
    struct timeline_bucket sum = sum_buckets(timeline->buckets.at, timeline->buckets.n);
    if (agree_on_cpu(a)) {
        assert_int_equal(sum.on_cpu_ns, total.total_on_cpu_ns);
    }
    assert_int_equal(sum.runnable_ns, total.total_runnable_ns);
    assert_same_reasons(&sum.off_cpu, &total.total_off_cpu);
    assert_int_equal(off_cpu_total(&total.total_off_cpu), total.health.blocked_ns);

    struct interval_filter filter = {.limit = 3};
    struct interval_search search;
    interval_search_init(&search, &a->view, &filter);
    while (!interval_search_advance(&search, w->store, &w->names, &w->reasons, 70)) {
    }
    const struct interval_list *list = interval_search_make(&search, w->store, &w->names,
                                                            &w->reasons);
    assert_same_reasons(&list->by_reason, &total.total_off_cpu);
    interval_search_fini(&search);
}

// The functions and the whole of top and flame are sums over the same waits.
static void check_functions(struct asker *a)
{
    struct random_waits *w = a->w;
    struct top top;
    struct top_params params = {.mode = MODE_OFF_CPU};
    top_make(&top, &a->tree, &a->fold, w->store, &w->reasons, &params);
    struct off_cpu self = {0};
    for (size_t i = 0; i < top.entries.n; i++) {
        for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
            self.ns[reason] += top.entries.at[i].self_off_cpu.ns[reason];
        }
    }
    struct flame flame;
    struct flame_params cut = {.max_depth = 1, .mode = MODE_OFF_CPU};
    flame_make(&flame, &a->tree, &a->fold, w->store, &w->reasons, &cut);
    assert_same_reasons(&flame.nodes.at[0].off_cpu, &top.total_off_cpu);
    assert_int_equal(flame.nodes.at[0].off_ns, off_cpu_total(&top.total_off_cpu));
    for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        bool by_write = reason == EVENT_REASON_IO_WRITE; // in no function: it has no stack
        assert_int_equal(self.ns[reason], by_write ? 0 : top.total_off_cpu.ns[reason]);
    }
    flame_fini(&flame);
    top_fini(&top);
}

static void check(struct asker *a)
{
    static const size_t bucket_counts[] = {1, 7, 60, 500};
    size_t n_buckets = bucket_counts[random_waits_dice(a->w, ARRAY_LEN(bucket_counts))];
    catch_up(a, 1 + random_waits_dice(a->w, 100));
    struct timeline_answer timeline;
    timeline_make(&timeline, a->timeline, a->w->store, n_buckets, RANDOM_THREADS);
    check_threads(a, &timeline);
    check_totals(a, &timeline);
    check_functions(a);
    timeline_answer_fini(&timeline);
}

// ---- Runs --------------------------------------------------------------------------------------

static void random_run(uint64_t seed, bool has_switches)
{
    struct random_waits *w = random_waits_new(seed, has_switches);
    struct asker askers[ARRAY_LEN(views)];
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        asker_init(&askers[i], w, i);
    }
    for (size_t step = 0; step < 14; step++) {
        if (step == 8) {
            random_waits_publish(w);
        }
        if (step == 13) {
            random_waits_end(w);
        }
        for (size_t i = 0; i < ARRAY_LEN(views); i++) {
            check(&askers[i]);
        }
        random_waits_go_on(w, step < 12 ? 1 + random_waits_dice(w, step * 15 + 1) : 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        asker_fini(&askers[i]);
    }
    random_waits_free(w);
}

static void test_live_and_after_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        random_run(seed, seed % 4 != 0);
    }
}

static void ask_between(struct random_waits *w, void *context)
{
    (void)w;
    struct asker *askers = context;
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        check(&askers[i]);
    }
}

static void test_between_the_rows_of_an_event(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 103; seed++) {
        struct random_waits *w = random_waits_new(seed, true);
        struct asker askers[ARRAY_LEN(views)];
        for (size_t i = 0; i < ARRAY_LEN(views); i++) {
            asker_init(&askers[i], w, i);
        }
        w->between = ask_between;
        w->context = askers;
        random_waits_go_on(w, 200);
        random_waits_end(w);
        for (size_t i = 0; i < ARRAY_LEN(views); i++) {
            asker_fini(&askers[i]);
        }
        random_waits_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_and_after_the_end),
        cmocka_unit_test(test_between_the_rows_of_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
