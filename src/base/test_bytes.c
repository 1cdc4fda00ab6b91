#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_reads_in_order_and_stops_at_the_end(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 0, 3, 0, 0, 0, 'h', 'i', 0, 9};
    struct reader r = reader_of((struct slice){bytes, sizeof bytes});
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_u16(&r), 2);
    assert_int_equal(read_u32(&r), 3);
    assert_true(slice_equal(read_text(&r), slice_of_text("hi")));
    assert_int_equal(reader_left(&r), 1);
    assert_false(r.bad);
    assert_int_equal(read_u64(&r), 0);
    assert_true(r.bad);
    assert_int_equal(read_u8(&r), 0); // stays bad, though a byte would be left
    assert_int_equal(reader_left(&r), 0);
}

static void test_text_without_an_end_is_bad(void **state)
{
    (void)state;
    struct reader r = reader_of((struct slice){(const uint8_t *)"abc", 3});
    assert_int_equal(read_text(&r).n, 0);
    assert_true(r.bad);
    r = reader_of((struct slice){0});
    read_text(&r);
    assert_true(r.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_in_order_and_stops_at_the_end),
        cmocka_unit_test(test_text_without_an_end_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
