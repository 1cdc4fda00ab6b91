// Timelines of random runs, live and from scratch, against ones made the naive way: every stay
// against every bucket.

#include "query/random_waits.h"
#include "query/timeline.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// ---- The naive way -----------------------------------------------------------------------------

struct range {
    uint64_t start_ns;
    uint64_t end_ns;
};

static uint64_t overlap(struct range a, struct range b)
{
    uint64_t start_ns = MAX(a.start_ns, b.start_ns);
    uint64_t end_ns = MIN(a.end_ns, b.end_ns);
    return end_ns > start_ns ? end_ns - start_ns : 0;
}

static struct range window_of(const struct random_waits *w, const struct view *view)
{
    struct view_window window = view_window(view, w->store);
    return (struct range){
        .start_ns = MAX(window.start_ns, w->store->started_ns),
        .end_ns = MAX(MIN(window.end_ns, w->now_ns), MAX(window.start_ns, w->store->started_ns)),
    };
}

static bool is_asked_for(const struct random_waits *w, const struct view *view, thread_id thread)
{
    return !w->threads[thread].foreign && (!view->has_tid || w->threads[thread].tid == view->tid);
}

// What one thread did in a bucket.
static void add_naive(const struct random_waits *w, const struct view *view, thread_id thread,
                      struct range bucket, struct timeline_bucket *ret)
{
    struct range window = window_of(w, view);
    struct range part = {bucket.start_ns, MIN(bucket.end_ns, window.end_ns)};
    uint64_t off_ns = 0;
    for (size_t i = 0; i < w->n_stays; i++) {
        const struct true_stay *stay = &w->stays[i];
        if (stay->thread == thread) {
            uint64_t ns = overlap((struct range){stay->start_ns, stay->end_ns}, part);
            off_ns += ns;
            *(stay->runnable ? &ret->runnable_ns
                             : &ret->off_cpu.ns[random_waits_reason(w, stay->place)]) += ns;
        }
    }
    const struct true_thread *t = &w->threads[thread];
    struct range life = {t->started_ns, t->ended_ns == 0 ? w->now_ns : t->ended_ns};
    if (w->store->has_switches) {
        ret->on_cpu_ns += overlap(life, part) - off_ns;
        return;
    }
    for (size_t i = 0; i < w->n_samples; i++) {
        const struct true_sample *sample = &w->samples[i];
        if (sample->thread == thread && sample->time_ns >= bucket.start_ns &&
            sample->time_ns < MIN(bucket.end_ns, view_window(view, w->store).end_ns)) {
            ret->on_cpu_ns += RANDOM_WEIGHT_NS;
        }
    }
}

// ---- Comparing ---------------------------------------------------------------------------------

static void assert_same(const struct timeline_bucket *a, const struct timeline_bucket *b)
{
    assert_int_equal(a->on_cpu_ns, b->on_cpu_ns);
    assert_int_equal(a->runnable_ns, b->runnable_ns);
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        assert_int_equal(a->off_cpu.ns[i], b->off_cpu.ns[i]);
    }
}

static struct range bucket_of(const struct timeline_answer *answer, const struct random_waits *w,
                              size_t bucket)
{
    uint64_t start_ns = w->store->started_ns + answer->start_ns + bucket * answer->bucket_ns;
    return (struct range){start_ns, start_ns + answer->bucket_ns};
}

static void check_buckets(const struct timeline_answer *answer, const struct random_waits *w,
                          const struct view *view)
{
    struct timeline_bucket whole = {0};
    for (size_t i = 0; i < answer->buckets.n; i++) {
        struct timeline_bucket naive = {0};
        for (thread_id thread = 0; thread < w->n_threads; thread++) {
            if (is_asked_for(w, view, thread)) {
                add_naive(w, view, thread, bucket_of(answer, w, i), &naive);
                add_naive(w, view, thread, bucket_of(answer, w, i), &whole);
            }
        }
        assert_same(&answer->buckets.at[i], &naive);
    }
    assert_same(&answer->total, &whole);
    struct timeline_bucket at_once = {0};
    for (thread_id thread = 0; thread < w->n_threads; thread++) {
        struct range all = {w->store->started_ns + answer->start_ns, UINT64_MAX};
        if (is_asked_for(w, view, thread)) {
            add_naive(w, view, thread, all, &at_once);
        }
    }
    assert_same(&answer->total, &at_once);
}

static void check_thread(const struct timeline_answer *answer, const struct random_waits *w,
                         const struct view *view, const struct timeline_thread *thread)
{
    uint64_t on_cpu_ns = 0;
    uint64_t blocked_ns = 0;
    assert_int_equal(thread->buckets.n, answer->buckets.n);
    for (size_t i = 0; i < thread->buckets.n; i++) {
        struct timeline_bucket naive = {0};
        add_naive(w, view, thread->thread, bucket_of(answer, w, i), &naive);
        assert_same(&thread->buckets.at[i], &naive);
        on_cpu_ns += naive.on_cpu_ns;
        for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
            blocked_ns += naive.off_cpu.ns[reason];
        }
    }
    assert_int_equal(thread->on_cpu_ns, on_cpu_ns);
    assert_int_equal(thread->blocked_ns, blocked_ns);
}

static void check_answer(const struct timeline_answer *answer, const struct random_waits *w,
                         const struct view *view, size_t n_buckets, size_t n_threads)
{
    struct range window = window_of(w, view);
    assert_int_equal(answer->start_ns, window.start_ns - w->store->started_ns);
    assert_int_equal(answer->end_ns, window.end_ns - w->store->started_ns);
    assert_true(answer->buckets.n <= n_buckets);
    assert_true(answer->buckets.n * answer->bucket_ns >= window.end_ns - window.start_ns);
    uint64_t extent_ns = window.end_ns - window.start_ns;
    uint64_t finest = n_threads == 0 ? MIN(extent_ns, UINT64_C(1024))
                                     : MIN(extent_ns / 4, UINT64_C(256));
    assert_true(answer->buckets.n * 2 >= MIN(finest, (uint64_t)n_buckets));
    check_buckets(answer, w, view);
    assert_true(answer->threads.n <= n_threads);
    assert_true(answer->threads.n == MIN(n_threads, answer->n_threads));
    for (size_t i = 0; i < answer->threads.n; i++) {
        const struct timeline_thread *thread = &answer->threads.at[i];
        assert_true(is_asked_for(w, view, thread->thread));
        check_thread(answer, w, view, thread);
        if (i > 0) {
            const struct timeline_thread *before = &answer->threads.at[i - 1];
            assert_true(before->on_cpu_ns >= thread->on_cpu_ns);
            assert_true(before->on_cpu_ns > thread->on_cpu_ns ||
                        w->threads[before->thread].tid <= w->threads[thread->thread].tid);
        }
    }
}

static void catch_up(struct timeline *timeline, struct random_waits *w, uint64_t max_rows)
{
    random_waits_refresh(w);
    while (!timeline_advance(timeline, w->store, &w->names, &w->reasons, max_rows)) {
    }
}

static void check(struct timeline *timeline, struct random_waits *w, const struct view *view,
                  size_t n_buckets, size_t n_threads)
{
    struct timeline_answer answer;
    timeline_make(&answer, timeline, w->store, n_buckets, n_threads);
    check_answer(&answer, w, view, n_buckets, n_threads);
    timeline_answer_fini(&answer);
}

static void check_from_scratch(struct random_waits *w, const struct view *view, size_t n_buckets,
                               size_t n_threads)
{
    struct view copy = *view;
    struct timeline *timeline = timeline_new(&copy);
    catch_up(timeline, w, 1 + random_waits_dice(w, 50));
    check(timeline, w, view, n_buckets, n_threads);
    timeline_free(timeline);
}

// ---- Random runs -------------------------------------------------------------------------------

static const struct view views[] = {
    {.has_tid = false},
    {.has_tid = true, .tid = 100}, // two threads had it
    {.has_time_range = true, .start_ns = 0, .end_ns = 3000},
    {.has_time_range = true, .start_ns = 1777, .end_ns = 9001},
    {.has_time_range = true, .start_ns = 2000, .end_ns = UINT64_MAX, .has_tid = true, .tid = 101},
    {.has_time_range = true, .start_ns = UINT64_MAX / 2, .end_ns = UINT64_MAX},
    {.has_time_range = true, .start_ns = 500, .end_ns = 500},
};

static const size_t bucket_counts[] = {1, 2, 7, 60, 500, TIMELINE_BUCKETS};

static void check_all(struct timeline *const *timelines, struct random_waits *w)
{
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        size_t n_buckets = bucket_counts[random_waits_dice(w, ARRAY_LEN(bucket_counts))];
        size_t n_threads = random_waits_dice(w, 3) * 6;
        catch_up(timelines[i], w, 1 + random_waits_dice(w, 100));
        check(timelines[i], w, &views[i], n_buckets, n_threads);
        check(timelines[i], w, &views[i], 60, 20); // asking changes nothing
        if (random_waits_dice(w, 4) == 0) {
            check_from_scratch(w, &views[i], n_buckets, n_threads);
        }
    }
}

static void random_run(uint64_t seed, bool has_switches)
{
    struct random_waits *w = random_waits_new(seed, has_switches);
    struct timeline *timelines[ARRAY_LEN(views)];
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct view view = views[i];
        timelines[i] = timeline_new(&view);
    }
    check_all(timelines, w);
    for (size_t step = 0; step < 12; step++) {
        random_waits_go_on(w, 1 + random_waits_dice(w, step * 15 + 1));
        if (step == 7) {
            random_waits_publish(w);
        }
        check_all(timelines, w);
    }
    random_waits_end(w);
    check_all(timelines, w);
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        timeline_free(timelines[i]);
    }
    random_waits_free(w);
}

static void test_random_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        random_run(seed, seed % 3 != 0);
    }
}

// ---- In the middle of an event -----------------------------------------------------------------

static void ask_between(struct random_waits *w, void *context)
{
    struct timeline *timeline = context;
    const struct view everything = {.has_tid = false};
    catch_up(timeline, w, 1000);
    check(timeline, w, &everything, 10, 10);
}

static void test_between_the_rows_of_an_event(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 108; seed++) {
        struct random_waits *w = random_waits_new(seed, true);
        struct view view = {0};
        struct timeline *timeline = timeline_new(&view);
        w->between = ask_between;
        w->context = timeline;
        random_waits_go_on(w, 150);
        random_waits_end(w);
        timeline_free(timeline);
        random_waits_free(w);
    }
}

// ---- Excluded symbols --------------------------------------------------------------------------

static void test_excluded_symbols(void **state)
{
    (void)state;
    struct random_waits *w = random_waits_new(7, true);
    struct view view = {0};
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("pipe_read", 9)});
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("sem_wait", 8)});
    struct timeline *timeline = timeline_new(&view);
    random_waits_go_on(w, 1000);
    struct timeline_answer answer;
    catch_up(timeline, w, 100);
    timeline_make(&answer, timeline, w->store, 60, 0);
    assert_int_equal(answer.total.off_cpu.ns[EVENT_REASON_IPC], 0);
    assert_true(answer.total.off_cpu.ns[EVENT_REASON_LOCK] > 0);
    assert_true(answer.total.off_cpu.ns[EVENT_REASON_SLEEP] > 0);
    assert_int_equal(answer.total.on_cpu_ns, w->n_samples * RANDOM_WEIGHT_NS);
    timeline_answer_fini(&answer);

    random_waits_publish(w);
    catch_up(timeline, w, 100);
    timeline_make(&answer, timeline, w->store, 60, 10);
    assert_int_equal(answer.total.off_cpu.ns[EVENT_REASON_LOCK], 0);
    assert_int_equal(answer.total.off_cpu.ns[EVENT_REASON_SEMAPHORE], 0);
    assert_true(answer.total.off_cpu.ns[EVENT_REASON_SLEEP] > 0);
    assert_int_equal(answer.total.on_cpu_ns, 0); // all samples are in sem_wait
    timeline_answer_fini(&answer);
    timeline_free(timeline);
    random_waits_free(w);
}

// ---- Names that come later than rows -----------------------------------------------------------

static void test_stacks_newer_than_the_names(void **state)
{
    (void)state;
    struct random_waits *w = random_waits_new(3, true);
    struct view view = {0};
    struct timeline *timeline = timeline_new(&view);
    uint64_t started_ns = w->store->started_ns;
    store_add_thread(w->store, 9, 100, 0, started_ns, 0);
    bool cut = false;
    struct frame_row row = {
        .off = strings_add(&w->store->strings, slice_of_text("ep_poll")),
        .image = stacks_get_frame(&w->store->stacks,
                                  stacks_get(&w->store->stacks, w->places[1])->frame)
                     ->image,
    };
    stack_id stack = stacks_push(&w->store->stacks, STACK_ROOT,
                                 stacks_frame(&w->store->stacks, &row), &cut);
    store_add_interval(w->store, &(struct interval){.start_ns = started_ns + 10,
                                                    .duration_ns = 50,
                                                    .reason = REASON_BY_STACK,
                                                    .stack = stack});
    atomic_store(&w->store->last_ns, started_ns + 100);
    for (int named = 0; named < 2; named++) {
        assert_true(timeline_advance(timeline, w->store, &w->names, &w->reasons, 10));
        struct timeline_answer answer;
        timeline_make(&answer, timeline, w->store, 10, 1);
        assert_int_equal(answer.total.on_cpu_ns, 50);
        assert_int_equal(answer.total.off_cpu.ns[EVENT_REASON_OTHER], named ? 0 : 50);
        assert_int_equal(answer.total.off_cpu.ns[EVENT_REASON_READINESS], named ? 50 : 0);
        timeline_answer_fini(&answer);
        random_waits_refresh(w);
    }
    timeline_free(timeline);
    random_waits_free(w);
}

// ---- More threads than have buckets ------------------------------------------------------------

static void test_more_threads_than_buckets(void **state)
{
    (void)state;
    struct random_waits *w = random_waits_new(3, true);
    struct view view = {0};
    struct timeline *timeline = timeline_new(&view);
    uint64_t started_ns = w->store->started_ns;
    enum { N = TIMELINE_THREADS + 10 };
    for (uint32_t i = 0; i < N; i++) {
        store_add_thread(w->store, 9, 1000 + i, 0, started_ns, 0);
    }
    for (uint32_t i = 0; i < N; i++) {
        store_add_interval(w->store, &(struct interval){.start_ns = started_ns,
                                                        .duration_ns = 100 + i,
                                                        .reason = EVENT_REASON_SLEEP,
                                                        .thread = i});
    }
    atomic_store(&w->store->last_ns, started_ns + 2 * N);
    catch_up(timeline, w, 1000);
    struct timeline_answer answer;
    timeline_make(&answer, timeline, w->store, 60, N);
    assert_int_equal(answer.n_threads, N);
    assert_int_equal(answer.threads.n, TIMELINE_THREADS);
    assert_int_equal(answer.total.off_cpu.ns[EVENT_REASON_SLEEP],
                     100ULL * N + (uint64_t)N * (N - 1) / 2);
    assert_int_equal(answer.threads.at[0].thread, 0);
    timeline_answer_fini(&answer);
    timeline_free(timeline);
    random_waits_free(w);
}

// ---- While it is written -----------------------------------------------------------------------

enum { LIVE_THREADS = 20, LIVE_ROUNDS = 20000 };

static void off(struct store *store, thread_id id, uint64_t since_ns, uint8_t flags)
{
    struct thread_off what = {.since_ns = since_ns, .reason = EVENT_REASON_SLEEP, .flags = flags};
    store_set_off(store, id, &what);
}

static void end_stay(struct store *store, thread_id id, uint64_t start_ns, uint64_t end_ns,
                     uint8_t flags)
{
    store_add_interval(store, &(struct interval){.start_ns = start_ns,
                                                 .duration_ns = end_ns - start_ns,
                                                 .reason = EVENT_REASON_SLEEP,
                                                 .flags = flags,
                                                 .thread = id});
}

static void tick(struct store *store, uint64_t *now_ns)
{
    atomic_store_explicit(&store->last_ns, ++*now_ns, memory_order_release);
}

// Threads in turn: each is blocked for LIVE_THREADS ticks, ready as long, runs as long.
static void *write_run(void *context)
{
    struct store *store = context;
    uint64_t since_ns[LIVE_THREADS] = {0};
    uint64_t now_ns = store->started_ns;
    for (uint64_t i = 0; i < (uint64_t)LIVE_ROUNDS * LIVE_THREADS; i++) {
        thread_id id = (thread_id)(i % LIVE_THREADS);
        tick(store, &now_ns);
        if (i < LIVE_THREADS) {
            store_add_thread(store, 1, id + 1, 0, now_ns, 0);
        }
        switch (i / LIVE_THREADS % 3) {
        case 0:
            off(store, id, now_ns, 0);
            break;
        case 1:
            end_stay(store, id, since_ns[id], now_ns, 0);
            off(store, id, now_ns, INTERVAL_RUNNABLE);
            break;
        case 2:
            end_stay(store, id, since_ns[id], now_ns, INTERVAL_RUNNABLE);
            store_set_off(store, id, NULL);
            break;
        }
        since_ns[id] = now_ns;
    }
    atomic_store(&store->ended_ns, now_ns);
    return NULL;
}

// What one thread has done by `now_ns`, from the plan alone.
static struct timeline_bucket planned(const struct store *store, thread_id id, uint64_t now_ns)
{
    struct timeline_bucket bucket = {0};
    uint64_t born_ns = store->started_ns + id + 1;
    uint64_t life_ns = now_ns > born_ns ? now_ns - born_ns : 0;
    uint64_t whole_ns = life_ns / (3 * LIVE_THREADS) * LIVE_THREADS;
    uint64_t rest_ns = life_ns % (3 * LIVE_THREADS);
    uint64_t part_ns = LIVE_THREADS;
    bucket.off_cpu.ns[EVENT_REASON_SLEEP] = whole_ns + MIN(rest_ns, part_ns);
    rest_ns -= MIN(rest_ns, part_ns);
    bucket.runnable_ns = whole_ns + MIN(rest_ns, part_ns);
    rest_ns -= MIN(rest_ns, part_ns);
    bucket.on_cpu_ns = whole_ns + rest_ns;
    return bucket;
}

static void test_while_it_is_written(void **state)
{
    (void)state;
    struct random_waits *w = random_waits_new(1, true);
    struct view view = {0};
    struct timeline *timeline = timeline_new(&view);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_run, w->store), 0);
    for (bool ended = false; !ended;) {
        ended = atomic_load(&w->store->ended_ns) != 0;
        catch_up(timeline, w, 10000);
        struct timeline_answer answer;
        timeline_make(&answer, timeline, w->store, 60, LIVE_THREADS);
        for (size_t i = 0; i < answer.threads.n; i++) {
            const struct timeline_thread *thread = &answer.threads.at[i];
            struct timeline_bucket sum = {0};
            for (size_t b = 0; b < thread->buckets.n; b++) {
                sum.on_cpu_ns += thread->buckets.at[b].on_cpu_ns;
                sum.runnable_ns += thread->buckets.at[b].runnable_ns;
                sum.off_cpu.ns[EVENT_REASON_SLEEP] +=
                    thread->buckets.at[b].off_cpu.ns[EVENT_REASON_SLEEP];
            }
            struct timeline_bucket wanted = planned(w->store, thread->thread,
                                                    w->store->started_ns + answer.end_ns);
            assert_same(&sum, &wanted);
        }
        timeline_answer_fini(&answer);
    }
    pthread_join(writer, NULL);
    timeline_free(timeline);
    random_waits_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs),
        cmocka_unit_test(test_between_the_rows_of_an_event),
        cmocka_unit_test(test_excluded_symbols),
        cmocka_unit_test(test_stacks_newer_than_the_names),
        cmocka_unit_test(test_more_threads_than_buckets),
        cmocka_unit_test(test_while_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
