#include "image/spans.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_empty(void **state)
{
    (void)state;
    struct spans spans = {0};
    assert_int_equal(spans_find(&spans, 0), SPANS_NONE);
    spans_add(&spans, 5, 5, 1); // nothing
    spans_add(&spans, 9, 3, 2); // backward
    spans_finish(&spans);
    assert_int_equal(spans_find(&spans, 5), SPANS_NONE);
    assert_int_equal(spans_find(&spans, UINT64_MAX), SPANS_NONE);
    spans_fini(&spans);
}

static void test_nested(void **state)
{
    (void)state;
    struct spans spans = {0};
    spans_add(&spans, 0, 100, 0);
    spans_add(&spans, 10, 30, 1);
    spans_add(&spans, 20, 30, 2);
    spans_add(&spans, 30, 40, 3);
    spans_add(&spans, UINT64_MAX - 1, UINT64_MAX, 4);
    spans_finish(&spans);
    static const struct {
        uint64_t addr;
        uint32_t value;
    } expected[] = {
        {0, 0},
        {9, 0},
        {10, 1},
        {19, 1},
        {20, 2},
        {29, 2},
        {30, 3},
        {39, 3},
        {40, 0},
        {99, 0},
        {100, -1U},
        {UINT64_MAX - 2, -1U},
        {UINT64_MAX - 1, 4},
        {UINT64_MAX, -1U},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(spans_find(&spans, expected[i].addr), expected[i].value);
    }
    assert_true(spans_bytes(&spans) > 0);
    spans_fini(&spans);
}

// The value at `at` holds until another one does.
static void check_until(const struct spans *spans, uint64_t at, const uint32_t *painted, size_t n)
{
    uint64_t until;
    assert_int_equal(spans_find_until(spans, at, &until), painted[at]);
    uint64_t next = at;
    while (next < n && painted[next] == painted[at]) {
        next++;
    }
    if (next < n) {
        assert_int_equal(until, next);
    } else {
        assert_true(until >= n);
    }
}

// Against the meaning of the words: the last one added that covers the place.
static void test_like_painting(void **state)
{
    (void)state;
    enum { PLACES = 300 };
    uint64_t seed = 1;
    for (int round = 0; round < 300; round++) {
        struct spans spans = {0};
        uint32_t painted[PLACES];
        memset(painted, 0xff, sizeof painted);
        for (uint32_t i = 0; i < (uint32_t)round % 40; i++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            uint64_t start = (seed >> 33) % PLACES;
            uint64_t end = MIN(start + (seed >> 20) % 60, (uint64_t)PLACES);
            spans_add(&spans, start, end, i % 7);
            for (uint64_t at = start; at < end; at++) {
                painted[at] = i % 7;
            }
        }
        spans_finish(&spans);
        for (uint64_t at = 0; at < PLACES; at++) {
            assert_int_equal(spans_find(&spans, at), painted[at]);
            check_until(&spans, at, painted, PLACES);
        }
        spans_fini(&spans);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_like_painting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
