#include "capture/perf/tids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

static void test_knows_who_lives(void **state)
{
    (void)state;
    struct tids tids = {0};
    assert_int_equal(tids_find(&tids, 5), 0);
    tids_add(&tids, 5, 4);
    tids_add(&tids, TIDS_LIMIT - 1, 4);
    assert_int_equal(tids_find(&tids, 5), 4);
    assert_int_equal(tids_find(&tids, TIDS_LIMIT - 1), 4);
    assert_int_equal(tids_find(&tids, 6), 0);
    tids_add(&tids, 5, 3); // the number of another process's thread
    assert_int_equal(tids_find(&tids, 5), 3);
    tids_fini(&tids);
}

static void test_numbers_from_anywhere(void **state)
{
    (void)state;
    static const uint32_t odd[] = {0, TIDS_LIMIT, TIDS_ENDED, TIDS_ENDED | 5, UINT32_MAX};
    struct tids tids = {0};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        tids_add(&tids, odd[i], 4);
        tids_add(&tids, 5, odd[i]);
        tids_end(&tids, odd[i], 1);
        tids_exec(&tids, odd[i]);
        assert_int_equal(tids_find(&tids, odd[i]), 0);
        assert_int_equal(tids_find(&tids, 5), 0);
        assert_false(tids_has(&tids, odd[i], 4));
        assert_false(tids_has(&tids, 5, odd[i]));
    }
    tids_fini(&tids);
}

static void test_the_ended_wake_for_a_while(void **state)
{
    (void)state;
    struct tids tids = {0};
    tids_add(&tids, 5, 4);
    tids_end(&tids, 5, 10 * S);
    assert_int_equal(tids_find(&tids, 5), 0);
    assert_true(tids_has(&tids, 5, 4));
    assert_false(tids_has(&tids, 5, 6)); // another process's thread
    tids_forget_ended(&tids, 10 * S + 1);
    assert_true(tids_has(&tids, 5, 4));
    tids_forget_ended(&tids, 11 * S);
    assert_false(tids_has(&tids, 5, 4));
    assert_null(tids.pages[0]); // and its memory is gone, too
    tids_fini(&tids);
}

static void test_a_number_that_is_used_again_stays(void **state)
{
    (void)state;
    struct tids tids = {0};
    tids_add(&tids, 5, 4);
    tids_end(&tids, 5, 10 * S);
    tids_add(&tids, 5, 4);
    tids_forget_ended(&tids, 20 * S);
    assert_int_equal(tids_find(&tids, 5), 4);
    tids_fini(&tids);
}

static void test_an_exec_leaves_the_process_number(void **state)
{
    (void)state;
    struct tids tids = {0};
    tids_add(&tids, 4, 4);
    tids_add(&tids, 5, 4);
    tids_add(&tids, 3000, 4); // does the exec, and becomes 4
    tids_add(&tids, 6, 6);
    tids_end(&tids, 4, S);
    tids_end(&tids, 5, S);
    tids_exec(&tids, 4);
    assert_int_equal(tids_find(&tids, 4), 4);
    assert_false(tids_has(&tids, 5, 4));
    assert_int_equal(tids_find(&tids, 3000), 0);
    assert_null(tids.pages[3000 / TIDS_PAGE]);
    assert_int_equal(tids_find(&tids, 6), 6);
    tids_forget_ended(&tids, 20 * S);
    assert_int_equal(tids_find(&tids, 4), 4);
    tids_fini(&tids);
}

static void test_memory_follows_the_living(void **state)
{
    (void)state;
    struct tids tids = {0};
    for (uint32_t i = 0; i < 1000000; i++) { // a million threads, one after the other
        uint32_t tid = 1 + i * 7 % (TIDS_LIMIT - 1);
        tids_add(&tids, tid, 4);
        tids_end(&tids, tid, i * (S / 1000));
        tids_forget_ended(&tids, i * (S / 1000));
    }
    assert_true(tids.ended.room < 10000); // those of the last second
    size_t n_pages = 0;
    for (size_t i = 0; i < ARRAY_LEN(tids.pages); i++) {
        n_pages += tids.pages[i] != NULL;
    }
    assert_true(n_pages < 20);
    tids_fini(&tids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_knows_who_lives),
        cmocka_unit_test(test_numbers_from_anywhere),
        cmocka_unit_test(test_the_ended_wake_for_a_while),
        cmocka_unit_test(test_a_number_that_is_used_again_stays),
        cmocka_unit_test(test_an_exec_leaves_the_process_number),
        cmocka_unit_test(test_memory_follows_the_living),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
