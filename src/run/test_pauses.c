#include "run/pauses.h"

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// What is said and when samples come are told apart: they may be looked at much later.
static void test_samples_are_judged_by_their_own_time(void **state)
{
    (void)state;
    struct pauses pauses = {0};
    assert_false(pauses_drop(&pauses, 5));
    assert_true(pauses_set(&pauses, true, 10));
    assert_true(pauses_set(&pauses, true, 15)); // it is already
    assert_true(pauses_are_on(&pauses));
    assert_true(pauses_set(&pauses, false, 20));
    assert_true(pauses_set(&pauses, true, 30));
    static const struct {
        uint64_t time_ns;
        bool dropped;
    } samples[] = {{9, false},  {10, true},  {10, true}, {19, true},
                   {20, false}, {29, false}, {30, true}, {99, true}};
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        assert_int_equal(pauses_drop(&pauses, samples[i].time_ns), samples[i].dropped);
    }
    assert_int_equal(pauses_count(&pauses), 2);
    assert_int_equal(pauses_get(&pauses, 0).start_ns, 10);
    assert_int_equal(pauses_get(&pauses, 0).end_ns, 20);
    assert_int_equal(pauses_get(&pauses, 0).dropped, 3);
    assert_int_equal(pauses_get(&pauses, 1).start_ns, 30);
    assert_int_equal(pauses_get(&pauses, 1).end_ns, 0);
    assert_int_equal(pauses_get(&pauses, 1).dropped, 2);
    assert_int_equal(pauses_dropped(&pauses), 5);
}

static void test_there_are_only_so_many(void **state)
{
    (void)state;
    static struct pauses pauses;
    for (uint64_t i = 0; i < LIMIT_PAUSES; i++) {
        assert_true(pauses_set(&pauses, true, i));
        assert_true(pauses_set(&pauses, false, i));
    }
    assert_false(pauses_set(&pauses, true, 1000));
    assert_true(pauses_set(&pauses, false, 1000)); // it is not
    assert_false(pauses_are_on(&pauses));
    assert_int_equal(pauses_count(&pauses), LIMIT_PAUSES);
    assert_false(pauses_drop(&pauses, 2000));
}

static void test_what_a_file_says(void **state)
{
    (void)state;
    struct pauses pauses = {0};
    assert_true(pauses_restore(&pauses, &(struct pause){10, 20, 3}));
    assert_false(pauses_restore(&pauses, &(struct pause){19, 30, 1}));
    assert_false(pauses_restore(&pauses, &(struct pause){30, 29, 1}));
    assert_true(pauses_restore(&pauses, &(struct pause){20, 0, 4}));
    assert_false(pauses_restore(&pauses, &(struct pause){50, 60, 5}));
    assert_int_equal(pauses_count(&pauses), 2);
    assert_int_equal(pauses_dropped(&pauses), 7);
    for (int i = 0; i < 3 * LIMIT_PAUSES; i++) {
        static struct pauses full;
        assert_int_equal(pauses_restore(&full, &(struct pause){1, 1, 1}), i < LIMIT_PAUSES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_are_judged_by_their_own_time),
        cmocka_unit_test(test_there_are_only_so_many),
        cmocka_unit_test(test_what_a_file_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
