#include "rpc/json.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_puts_commas_where_they_belong(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text text = {0};
    struct json j;
    json_init(&j, &text);
    json_object_begin(&j);
    json_u64_field(&j, "samples", 12);
    json_key(&j, "entries");
    json_array_begin(&j);
    json_object_begin(&j);
    json_object_end(&j);
    json_i64(&j, -3);
    json_array_begin(&j);
    json_array_end(&j);
    json_none(&j);
    json_array_end(&j);
    json_bool_field(&j, "estimated", true);
    json_hex_field(&j, "address", 0x4011d6);
    json_object_end(&j);
    assert_string_equal(text_get(&text), "{\"samples\":12,\"entries\":[{},-3,[],null],"
                                         "\"estimated\":true,\"address\":\"0x4011d6\"}");
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *expected;
    } rows[] = {{0, "0"},          {0.1, "0.1"},       {1.0 / 3, "0.3333333333333333"},
                {-2.5, "-2.5"},    {1e300, "1e+300"},  {0.1 + 0.2, "0.30000000000000004"},
                {NAN, "null"},     {INFINITY, "null"}, {-INFINITY, "null"},
                {100000, "100000"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text text = {0};
        struct json j;
        json_init(&j, &text);
        json_double(&j, rows[i].value);
        assert_string_equal(text_get(&text), rows[i].expected);
    }
    CLEANUP(text_fini) struct text text = {0};
    struct json j;
    json_init(&j, &text);
    json_array_begin(&j);
    json_u64(&j, 0);
    json_u64(&j, UINT64_MAX);
    json_i64(&j, INT64_MIN);
    json_array_end(&j);
    assert_string_equal(text_get(&text), "[0,9223372036854775807,-9223372036854775808]");
}

static void test_decimals(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text text = {0};
    struct json j;
    json_init(&j, &text);
    json_array_begin(&j);
    json_decimal(&j, 0, 6);
    json_decimal(&j, 1, 6);
    json_decimal(&j, 1000000, 6);
    json_decimal(&j, 1020300, 6);
    json_decimal(&j, 17, 0);
    json_decimal(&j, UINT64_MAX, 6);
    json_array_end(&j);
    assert_string_equal(text_get(&text), "[0,0.000001,1,1.0203,17,18446744073709.551615]");
}

static void test_text_of_any_bytes_is_valid_json(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *expected;
    } rows[] = {
        {"main", 4, "\"main\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"a\0b\n", 4, "\"a\\\\x00b\\u000a\""},
        {"\x1b[31m\x7f", 6, "\"\\u001b[31m\\u007f\""},
        {"f\xc3\xbcr", 4, "\"f\xc3\xbcr\""},
        {"\xff\xfe", 2, "\"\\\\xff\\\\xfe\""},
        {"\xed\xa0\x80", 3, "\"\\\\xed\\\\xa0\\\\x80\""},
        {"\xe2\x86", 2, "\"\\\\xe2\\\\x86\""},
        {"", 0, "\"\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text text = {0};
        struct json j;
        json_init(&j, &text);
        json_text(&j, rows[i].bytes, rows[i].n);
        assert_string_equal(text_get(&text), rows[i].expected);
        json_t *back = json_loads(text_get(&text), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(back);
        json_decref(back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_puts_commas_where_they_belong),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_text_of_any_bytes_is_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
