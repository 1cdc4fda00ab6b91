#include "store/store.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "store/paging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_a_new_run(void **state)
{
    (void)state;
    struct store *store = store_new(1000, 5000, 7);
    assert_int_equal(store->started_ns, 1000);
    assert_int_equal(store->samples.weight_ns, 7);
    assert_int_equal(store_end_ns(store), 1000);
    assert_int_equal(atomic_load(&store->images.n), 1);
    assert_int_equal(store_image(store, 0)->kind, IMAGE_ROW_ANONYMOUS);
    assert_int_equal(strings_get(&store->strings, store_image(store, 0)->path).n, 0);
    store_free(store);
    store_free(NULL);
}

static void test_samples_in_spans_across_chunks(void **state)
{
    (void)state;
    enum { N = 3 * COLUMN_CHUNK_ROWS + 17 };
    struct store *store = store_new(0, 0, 1);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(store_add_sample(store, (uint64_t)i / 2 * 10, i % 5, i));
    }
    uint64_t rows = 0;
    for (uint64_t first = 3; first < N - 1;) {
        struct samples_span span;
        samples_pin(&store->samples, first, N - 1, &span);
        assert_int_equal(span.first, first);
        for (size_t i = 0; i < span.n; i++) {
            assert_int_equal(span.time_ns[i], (first + i) / 2 * 10);
            assert_int_equal(span.thread[i], (first + i) % 5);
            assert_int_equal(span.stack[i], first + i);
        }
        rows += span.n;
        first += span.n;
        samples_unpin(&store->samples, &span);
    }
    assert_int_equal(rows, N - 1 - 3);
    assert_int_equal(store_end_ns(store), (N - 1) / 2 * 10);
    store_free(store);
}

static void test_finds_times(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    assert_int_equal(samples_find(&store->samples, 0, 5), 0);
    for (uint32_t i = 0; i < 200000; i++) {
        store_add_sample(store, 100 + i / 3 * 10, 0, 0); // three rows at each time
    }
    const struct samples *samples = &store->samples;
    assert_int_equal(samples_find(samples, 200000, 0), 0);
    assert_int_equal(samples_find(samples, 200000, 100), 0);
    assert_int_equal(samples_find(samples, 200000, 101), 3);
    assert_int_equal(samples_find(samples, 200000, 110), 3);
    assert_int_equal(samples_find(samples, 200000, 100 + 50000 * 10), 150000);
    assert_int_equal(samples_find(samples, 1000, 100 + 50000 * 10), 1000);
    assert_int_equal(samples_find(samples, 200000, UINT64_MAX), 200000);
    store_free(store);
}

static void test_intervals_keep_what_they_were_given(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    const struct interval rows[] = {
        {.start_ns = 10, .duration_ns = 5, .reason = 1, .flags = 0, .thread = 3, .stack = 9},
        {.start_ns = 2, .duration_ns = 18, .reason = 9, .flags = 7, .thread = 4, .stack = 8},
        {.start_ns = 20, .duration_ns = 0, .reason = 0, .flags = 1, .thread = 5, .stack = 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        store_add_interval(store, &rows[i]);
        struct interval back = intervals_get(&store->intervals, i);
        assert_true(back.start_ns == rows[i].start_ns && back.duration_ns == rows[i].duration_ns &&
                    back.reason == rows[i].reason && back.flags == rows[i].flags &&
                    back.thread == rows[i].thread && back.stack == rows[i].stack);
    }
    struct intervals_span span;
    intervals_pin(&store->intervals, 1, 3, &span);
    assert_int_equal(span.n, 2);
    assert_int_equal(intervals_span_get(&span, 0).duration_ns, 18);
    assert_int_equal(intervals_span_get(&span, 1).thread, 5);
    intervals_unpin(&store->intervals, &span);
    assert_int_equal(intervals_find(&store->intervals, 3, 0), 0);
    assert_int_equal(intervals_find(&store->intervals, 3, 14), 0);
    assert_int_equal(intervals_find(&store->intervals, 3, 15), 1);
    assert_int_equal(intervals_find(&store->intervals, 3, 20), 3);

    uint64_t longest = (UINT64_C(1) << 48) - 1;
    store_add_interval(store, &(struct interval){.start_ns = 100, .duration_ns = longest + 50});
    assert_int_equal(intervals_get(&store->intervals, 3).start_ns, 150);
    assert_int_equal(intervals_get(&store->intervals, 3).duration_ns, longest);
    assert_int_equal(store_end_ns(store), 150 + longest);
    store_free(store);
}

static void test_wakeups_and_counters(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    const struct wakeup rows[] = {
        {.time_ns = 10, .wakee = 1, .waker = 2, .stack = 3},
        {.time_ns = 30, .wakee = 2, .waker = THREAD_INTERRUPT, .stack = 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        store_add_wakeup(store, &rows[i]);
        struct wakeup back = wakeups_get(&store->wakeups, i);
        assert_true(back.time_ns == rows[i].time_ns && back.wakee == rows[i].wakee &&
                    back.waker == rows[i].waker && back.stack == rows[i].stack);
    }
    struct wakeups_span span;
    wakeups_pin(&store->wakeups, 0, 2, &span);
    assert_int_equal(span.n, 2);
    assert_int_equal(span.waker[1], THREAD_INTERRUPT);
    wakeups_unpin(&store->wakeups, &span);
    assert_int_equal(wakeups_find(&store->wakeups, 2, 11), 1);
    store_add_counters(store, &(struct counter_row){.sample = 4, .valid = 1, .delta = {77}});
    assert_int_equal(atomic_load(&store->counters.n), 1);
    struct row_block block;
    store_pin(store, ROW_COUNTERS, 0, 1, &block);
    const struct counter_row *row = block.columns[0];
    assert_int_equal(row->delta[0], 77);
    store_unpin(store, &block);
    store_free(store);
}

static void test_a_stay_that_is_not_over(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    thread_id thread = store_add_thread(store, 10, 11, 0, 5, 0);
    struct thread_off off;
    assert_false(store_thread_off(store, thread, &off));
    const struct thread_off stays[] = {
        {.since_ns = 7, .stack = 0xfffffffe, .reason = REASON_BY_STACK, .flags = 0},
        {.since_ns = 7, .stack = 3, .reason = 9, .flags = 7}, // the same one, better known
        {.since_ns = 8, .stack = 0, .reason = 0, .flags = INTERVAL_RUNNABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(stays); i++) {
        store_set_off(store, thread, &stays[i]);
        assert_true(store_thread_off(store, thread, &off));
        assert_true(off.since_ns == stays[i].since_ns && off.stack == stays[i].stack &&
                    off.reason == stays[i].reason && off.flags == stays[i].flags);
    }
    store_set_off(store, thread, NULL);
    assert_false(store_thread_off(store, thread, &off));
    store_free(store);
}

static void test_foreign_threads_do_not_count(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    assert_int_equal(store_count_threads(store), 0);
    assert_int_equal(store_add_thread(store, 10, 11, 0, 5, 0), 0);
    assert_int_equal(store_add_foreign_thread(store, 20, 21, 1, 6, 0), 1);
    assert_int_equal(store_add_thread(store, 10, 12, 0, 7, 0), 2);
    assert_int_equal(store_count_threads(store), 2);
    assert_false(store_thread(store, 0)->foreign);
    assert_true(store_thread(store, 1)->foreign);
    assert_int_equal(store_thread(store, 1)->pid, 20);
    assert_int_equal(store_thread(store, 1)->tid, 21);
    assert_int_equal(store_thread(store, 1)->process, 1);
    assert_int_equal(store_thread(store, 1)->started_ns, 6);
    assert_false(store_thread(store, 2)->foreign);
    store_free(store);
}

static void test_a_wakee_knows_its_last_wakeup(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    store_add_thread(store, 10, 11, 0, 5, 0);
    store_add_thread(store, 10, 12, 0, 5, 0);
    for (uint32_t i = 0; i < 3; i++) {
        store_add_wakeup(store, &(struct wakeup){.time_ns = i, .wakee = i % 2, .waker = 1});
    }
    assert_int_equal(atomic_load(&store_thread(store, 0)->last_wakeup), 3);
    assert_int_equal(atomic_load(&store_thread(store, 1)->last_wakeup), 2);
    store_free(store);
}

static void test_an_interval_costs_twenty_four_bytes(void **state)
{
    (void)state;
    enum { N = 2 * COLUMN_CHUNK_ROWS };
    struct store *store = store_new(0, 0, 1);
    uint64_t before = store_memory(store).total_bytes;
    for (uint32_t i = 0; i < N; i++) {
        store_add_interval(store, &(struct interval){.start_ns = i, .duration_ns = 5});
    }
    assert_int_equal(store_memory(store).total_bytes - before, 24 * N);
    store_free(store);
}

static void test_ids_end_at_their_limit(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    string_id name = strings_add(&store->strings, slice_of_text("worker"));
    thread_id thread = store_add_thread(store, 10, 11, 0, 5, name);
    assert_int_equal(thread, 0);
    assert_int_equal(store_thread(store, thread)->tid, 11);
    atomic_store(&store_thread_mut(store, thread)->ended_ns, 9);
    assert_int_equal(atomic_load(&store_thread(store, thread)->ended_ns), 9);
    atomic_store(&store->threads.n, LIMIT_THREADS);
    assert_int_equal(store_add_thread(store, 1, 1, 0, 0, 0), THREAD_NONE);

    assert_int_equal(store_add_process(store, 10, 1, 5, name), 0);
    assert_int_equal(atomic_load(&store_process(store, 0)->main_image), IMAGE_NONE);
    atomic_store(&store->processes.n, LIMIT_PROCESSES);
    assert_int_equal(store_add_process(store, 10, 1, 5, name), PROCESS_NONE);

    assert_int_equal(store_add_image(store, &(struct image_row){.load_bias = 8}), 1);
    assert_int_equal(store_image(store, 1)->load_bias, 8);
    atomic_store(&store->images.n, LIMIT_IMAGES);
    assert_int_equal(store_add_image(store, &(struct image_row){0}), IMAGE_NONE);

    assert_int_equal(store_add_code(store, &(struct code_row){.addr = 77}), 0);
    assert_int_equal(store_code(store, 0)->addr, 77);
    store_free(store);
}

static void test_a_full_run_drops_and_says_so(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    assert_true(store_add_sample(store, 0, 0, 0));
    atomic_store(&store->samples.n, COLUMN_MAX_ROWS);
    assert_false(store_add_sample(store, 0, 0, 0));
    assert_false(store_add_sample(store, 0, 0, 0));
    assert_int_equal(store_account(store, ACCOUNT_SAMPLES_DROPPED), 2);
    atomic_store(&store->wakeups.n, COLUMN_MAX_ROWS);
    store_add_wakeup(store, &(struct wakeup){0});
    assert_int_equal(store_account(store, ACCOUNT_ROWS_DROPPED), 1);
    for (enum account a = 0; a < ACCOUNT_COUNT; a++) {
        assert_non_null(account_name(a));
    }
    atomic_store(&store->samples.n, 1);
    atomic_store(&store->wakeups.n, 0);
    store_free(store);
}

static void test_a_sample_costs_sixteen_bytes(void **state)
{
    (void)state;
    enum { N = 4 * COLUMN_CHUNK_ROWS };
    struct store *store = store_new(0, 0, 1);
    uint64_t before = store_memory(store).total_bytes;
    for (uint32_t i = 0; i < N; i++) {
        store_add_sample(store, i, 0, 0);
    }
    struct store_memory memory = store_memory(store);
    assert_int_equal(memory.rows_bytes, 16 * N);
    assert_int_equal(memory.total_bytes - before, memory.rows_bytes);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_run),
        cmocka_unit_test(test_samples_in_spans_across_chunks),
        cmocka_unit_test(test_finds_times),
        cmocka_unit_test(test_intervals_keep_what_they_were_given),
        cmocka_unit_test(test_wakeups_and_counters),
        cmocka_unit_test(test_a_stay_that_is_not_over),
        cmocka_unit_test(test_foreign_threads_do_not_count),
        cmocka_unit_test(test_a_wakee_knows_its_last_wakeup),
        cmocka_unit_test(test_an_interval_costs_twenty_four_bytes),
        cmocka_unit_test(test_ids_end_at_their_limit),
        cmocka_unit_test(test_a_full_run_drops_and_says_so),
        cmocka_unit_test(test_a_sample_costs_sixteen_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
