#include "base/limits.h"
#include "capture/linux/deep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 100, TID = 101, TOP = DEEP_LEVELS - 1 };
#define MS NS_PER_MS

static void ask(struct deep *deep, uint32_t tid, unsigned n, uint64_t time_ns)
{
    for (unsigned i = 0; i < n; i++) {
        deep_ask(deep, tid, PID, time_ns);
    }
}

// Asks as often as it takes, and takes the step.
static void step(struct deep *deep, uint32_t tid, uint64_t asked_ns, uint64_t since_ns)
{
    ask(deep, tid, DEEP_ASKS, asked_ns);
    struct deep_thread *thread = deep_take_due(deep);
    assert_non_null(thread);
    assert_int_equal(thread->tid, tid);
    deep_step(thread, since_ns);
    assert_null(deep_take_due(deep));
}

static void test_it_takes_several_asks_in_a_short_time(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t times_ms[4];
        bool due;
    } rows[] = {
        {"once", {1}, false},
        {"twice", {1, 2}, false},
        {"three times", {1, 2, 3}, true},
        {"all at once", {7, 7, 7}, true},
        {"just within the window", {1, 2, 5001}, true},
        {"just beyond it", {1, 2, 5002}, false},
        {"a window begins with the ask behind one", {1, 5002, 5003, 5004}, true},
        {"seldom", {1, 6000, 12000, 18000}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct deep deep = {.top_level = TOP};
        for (size_t k = 0; k < ARRAY_LEN(rows[i].times_ms) && rows[i].times_ms[k] != 0; k++) {
            ask(&deep, TID, 1, rows[i].times_ms[k] * MS);
        }
        if ((deep_take_due(&deep) != NULL) != rows[i].due) {
            fail_msg("%s", rows[i].name);
        }
        deep_fini(&deep);
    }
}

static void test_at_each_moment_one_level_counts(void **state)
{
    (void)state;
    static const uint64_t since_ns[] = {0, 1000, 2000, 3000};
    struct deep deep = {.top_level = TOP};
    for (uint32_t level = 1; level <= TOP; level++) {
        step(&deep, TID, since_ns[level] - 1, since_ns[level]);
    }
    for (uint64_t time_ns = 0; time_ns < 4000; time_ns += 250) {
        for (uint32_t level = 0; level <= TOP; level++) {
            assert_int_equal(deep_counts(&deep, TID, PID, level, time_ns), time_ns / 1000 == level);
            // Nobody else is concerned: neighbours, and another process that has the number now.
            assert_int_equal(deep_counts(&deep, TID - 1, PID, level, time_ns), level == 0);
            assert_int_equal(deep_counts(&deep, TID + 1, PID, level, time_ns), level == 0);
            assert_int_equal(deep_counts(&deep, TID, PID + 1, level, time_ns), level == 0);
        }
    }
    assert_true(deep_end(&deep, TID));
    for (uint32_t level = 0; level <= TOP; level++) {
        assert_int_equal(deep_counts(&deep, TID, PID, level, 5000), level == 0);
    }
    deep_fini(&deep);
}

static void test_asking_alone_changes_nothing(void **state)
{
    (void)state;
    struct deep deep = {.top_level = TOP};
    ask(&deep, TID, DEEP_ASKS, 10);
    assert_true(deep_counts(&deep, TID, PID, 0, 20));
    assert_false(deep_counts(&deep, TID, PID, 1, 20));
    assert_non_null(deep_take_due(&deep)); // no descriptors: no step
    assert_true(deep_counts(&deep, TID, PID, 0, 20));
    assert_false(deep_end(&deep, TID));
    assert_false(deep_end(&deep, TID));
    deep_fini(&deep);
}

// Records from before a step are still on their way when it has been taken.
static void test_old_stacks_do_not_ask_again(void **state)
{
    (void)state;
    struct deep deep = {.top_level = TOP};
    step(&deep, TID, 500, 1000);
    ask(&deep, TID, 10, 999);
    assert_null(deep_take_due(&deep));
    ask(&deep, TID, DEEP_ASKS, 1000);
    assert_non_null(deep_take_due(&deep));
    deep_fini(&deep);
}

static void test_the_top_is_the_top(void **state)
{
    (void)state;
    struct deep deep = {.top_level = TOP};
    for (uint32_t level = 1; level <= TOP; level++) {
        step(&deep, TID, level * 1000 - 1, level * 1000);
    }
    ask(&deep, TID, 100, 9000);
    assert_null(deep_take_due(&deep));
    deep_fini(&deep);
    ask(&deep, TID, 100, 9000); // no steps here at all
    assert_int_equal(deep.threads.n, 0);
    assert_null(deep_take_due(&deep));
}

static void test_a_process_loses_all_its_threads(void **state)
{
    (void)state;
    struct deep deep = {.top_level = TOP};
    step(&deep, 7, 1, 2);
    step(&deep, 5, 1, 2);
    ask(&deep, 6, 1, 3);
    deep_ask(&deep, 8, PID + 1, 3);
    unsigned n = 0;
    for (uint32_t tid; (tid = deep_find_of(&deep, PID)) != 0; n++) {
        assert_int_equal(deep_end(&deep, tid), tid != 6);
    }
    assert_int_equal(n, 3);
    assert_int_equal(deep.threads.n, 1);
    assert_int_equal(deep.threads.at[0].tid, 8);
    deep_fini(&deep);
}

static void test_threads_are_bounded(void **state)
{
    (void)state;
    struct deep deep = {.top_level = TOP};
    for (uint32_t i = 0; i < 2 * LIMIT_DEEP_THREADS; i++) { // whoever only asks makes room
        ask(&deep, 1000 + i * 7919 % (2 * LIMIT_DEEP_THREADS), 1, i + 1);
        assert_true(deep.threads.n <= LIMIT_DEEP_THREADS);
    }
    assert_false(deep.full);
    for (uint32_t i = 0; i < LIMIT_DEEP_THREADS; i++) {
        step(&deep, i + 1, 10000, 10001);
    }
    assert_int_equal(deep.threads.n, LIMIT_DEEP_THREADS);
    assert_false(deep.full);
    ask(&deep, 5000, DEEP_ASKS, 10002);
    assert_true(deep.full);
    assert_null(deep_take_due(&deep));
    for (uint32_t i = 0; i < LIMIT_DEEP_THREADS; i++) {
        assert_true(deep_counts(&deep, i + 1, PID, 1, 10001));
    }
    assert_true(deep_end(&deep, 9)); // and there is room again
    step(&deep, 5000, 10003, 10004);
    deep_fini(&deep);
}

// Due threads that end before their step are not taken.
static void test_an_end_before_the_step(void **state)
{
    (void)state;
    struct deep deep = {.top_level = TOP};
    ask(&deep, TID, DEEP_ASKS, 10);
    assert_false(deep_end(&deep, TID));
    assert_null(deep_take_due(&deep));
    assert_int_equal(deep.n_due, 0);
    deep_fini(&deep);
}

static void test_giving_up_keeps_what_there_is(void **state)
{
    (void)state;
    struct deep deep = {.top_level = TOP};
    step(&deep, TID, 1, 2);
    ask(&deep, TID, DEEP_ASKS, 10);
    ask(&deep, TID + 1, DEEP_ASKS, 10);
    assert_non_null(deep_take_due(&deep));
    deep_give_up(&deep);
    assert_null(deep_take_due(&deep));
    ask(&deep, TID, DEEP_ASKS, 20);
    assert_null(deep_take_due(&deep));
    assert_true(deep_counts(&deep, TID, PID, 1, 20));
    assert_true(deep_end(&deep, TID));
    assert_false(deep_end(&deep, TID + 1));
    deep_fini(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_takes_several_asks_in_a_short_time),
        cmocka_unit_test(test_at_each_moment_one_level_counts),
        cmocka_unit_test(test_asking_alone_changes_nothing),
        cmocka_unit_test(test_old_stacks_do_not_ask_again),
        cmocka_unit_test(test_the_top_is_the_top),
        cmocka_unit_test(test_a_process_loses_all_its_threads),
        cmocka_unit_test(test_threads_are_bounded),
        cmocka_unit_test(test_an_end_before_the_step),
        cmocka_unit_test(test_giving_up_keeps_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
