#include "cli/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHECK(call, expected)                                                                      \
    do {                                                                                           \
        CLEANUP(text_fini) struct text text = {0};                                                 \
        call;                                                                                      \
        assert_string_equal(text_get(&text), expected);                                            \
    } while (0)

static void test_numbers(void **state)
{
    (void)state;
    CHECK(format_count(&text, 0), "0");
    CHECK(format_count(&text, 999), "999");
    CHECK(format_count(&text, 1000), "1,000");
    CHECK(format_count(&text, 1002003), "1,002,003");
    CHECK(format_count(&text, UINT64_MAX), "18,446,744,073,709,551,615");
    CHECK(format_ms(&text, 0), "0.0");
    CHECK(format_ms(&text, 49999), "0.0");
    CHECK(format_ms(&text, 50000), "0.1");
    CHECK(format_ms(&text, 1234560000), "1,234.6");
    CHECK(format_ms(&text, 999960000), "1,000.0");
    CHECK(format_percent(&text, 1, 3), "33.3");
    CHECK(format_percent(&text, 0, 0), "-");
    CHECK(format_duration(&text, 850000000), "850 ms");
    CHECK(format_duration(&text, 12345000000), "12.3 s");
    CHECK(format_duration(&text, 185000000000), "3 min 05 s");
    CHECK(format_duration(&text, 7380000000000), "2 h 03 min");
    CHECK(format_bytes(&text, 1023), "1023 B");
    CHECK(format_bytes(&text, 1536), "1.5 KiB");
    CHECK(format_bytes(&text, UINT64_MAX), "16777216.0 TiB");
    CHECK(format_things(&text, 1, "sample", "samples"), "1 sample");
    CHECK(format_things(&text, 0, "sample", "samples"), "0 samples");
}

static void test_cuts_by_characters(void **state)
{
    (void)state;
    CHECK((text_add(&text, "f\xc3\xbcnf"), format_cut(&text, 4)), "f\xc3\xbcnf");
    CHECK((text_add(&text, "f\xc3\xbcnf"), format_cut(&text, 3)), "f\xc3\xbc…");
    CHECK((text_add(&text, "\xc3\xbc\xc3\xbc"), format_cut(&text, 1)), "…");
    CHECK((text_add(&text, "whole"), format_cut(&text, 0)), "whole");
    CHECK(format_cut(&text, 3), "");
    assert_int_equal(format_width("f\xc3\xbcnf …"), 6);
}

static void test_table(void **state)
{
    (void)state;
    static const struct column columns[] = {
        {.title = "samples"},
        {.title = "function", .left = true, .flexible = true},
        {.title = "binary", .left = true},
    };
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    table_add_count(&table, 10021);
    table_add_name(&table, "std::vector<int>::push_back");
    table_add_name(&table, "a\x1b[0m");
    table_add_count(&table, 3);
    table_add_name(&table, "main");
    table_add_name(&table, "b");
    CHECK(table_put(&table, &text, 0, false), "samples  function                     binary\n"
                                              " 10,021  std::vector<int>::push_back  a\\x1b[0m\n"
                                              "      3  main                         b\n");
    CHECK(table_put(&table, &text, 30, false), "samples  function     binary\n"
                                               " 10,021  std::vecto…  a\\x1b[0m\n"
                                               "      3  main         b\n");
    // Narrower than anything useful: the rest stays readable and wraps.
    CHECK(table_put(&table, &text, 5, false), "samples  function  binary\n"
                                              " 10,021  std::ve…  a\\x1b[0m\n"
                                              "      3  main      b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cuts_by_characters),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
