#include "run/code_ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_sorted(const struct code_ranges *ranges)
{
    size_t n = 0;
    uint64_t end = 0;
    const struct code_span *range = code_ranges_find(ranges, 0);
    for (; range != NULL; range = code_ranges_find(ranges, range->end)) {
        assert_true(range->start >= end && range->end > range->start);
        end = range->end;
        n++;
    }
    assert_int_equal(n, ranges->n);
}

static void test_a_new_one_ends_what_it_overlaps(void **state)
{
    (void)state;
    CLEANUP(code_ranges_fini) struct code_ranges ranges = {0};
    assert_null(code_ranges_find(&ranges, 0));
    assert_false(code_ranges_put(&ranges, 10, 20, 1));
    assert_false(code_ranges_put(&ranges, 20, 30, 2)); // neighbours do not overlap
    assert_false(code_ranges_put(&ranges, 0, 10, 3));
    assert_int_equal(code_ranges_find(&ranges, 19)->what, 1);
    assert_int_equal(code_ranges_find(&ranges, 20)->what, 2);
    assert_true(code_ranges_put(&ranges, 19, 21, 4));
    assert_int_equal(ranges.n, 2);
    assert_int_equal(code_ranges_find(&ranges, 12)->what, 4); // the next one
    assert_null(code_ranges_find(&ranges, 21));
    assert_true(code_ranges_remove(&ranges, 5, 6));
    assert_false(code_ranges_remove(&ranges, 5, 6));
    assert_true(code_ranges_remove(&ranges, 0, UINT64_MAX));
    assert_int_equal(ranges.n, 0);
    assert_false(code_ranges_put(&ranges, UINT64_MAX - 1, UINT64_MAX, 5));
    assert_int_equal(code_ranges_find(&ranges, 0)->what, 5);
}

enum { SPACE = 4000, STEPS = 20000 };

// Against an array that says for each address what is there.
static void test_as_an_array_has_it(void **state)
{
    (void)state;
    CLEANUP(code_ranges_fini) struct code_ranges ranges = {0};
    uint32_t owner[SPACE + 64] = {0}; // 0: nothing
    unsigned seed = 1;
    for (uint32_t step = 1; step <= STEPS; step++) {
        seed = seed * 1103515245 + 12345;
        uint64_t start = (seed >> 8) % SPACE;
        uint64_t end = start + 1 + (step % 7 == 0 ? (seed >> 24) % 64 : (seed >> 24) % 3);
        bool any = false;
        for (uint64_t at = start; at < end; at++) {
            uint32_t there = owner[at];
            any = any || there != 0;
            for (size_t i = 0; there != 0 && i < ARRAY_LEN(owner); i++) {
                owner[i] = owner[i] == there ? 0 : owner[i];
            }
        }
        bool put = step % 5 != 0;
        for (uint64_t at = start; put && at < end; at++) {
            owner[at] = step;
        }
        assert_int_equal(put ? code_ranges_put(&ranges, start, end, step)
                             : code_ranges_remove(&ranges, start, end),
                         any);
    }
    check_sorted(&ranges);
    assert_true(ranges.n > CODE_RANGES_CHUNK); // several chunks
    for (uint64_t at = 0; at < ARRAY_LEN(owner); at++) {
        const struct code_span *range = code_ranges_find(&ranges, at);
        bool there = range != NULL && range->start <= at;
        assert_int_equal(there ? range->what : 0, owner[at]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_one_ends_what_it_overlaps),
        cmocka_unit_test(test_as_an_array_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
