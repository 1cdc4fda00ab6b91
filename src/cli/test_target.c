#include "cli/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_params(const char *target, const char *key, const char *value)
{
    json_t *params = json_object();
    assert_true(target_put_params(params, target));
    assert_int_equal(json_object_size(params), 1);
    assert_string_equal(json_string_value(json_object_get(params, key)), value);
    json_decref(params);
}

static void test_an_address_or_a_name(void **state)
{
    (void)state;
    check_params("0x401139", "address", "0x401139");
    check_params("0X40113A", "address", "0x40113a");
    check_params("0xffffffffffffffff", "address", "0xffffffffffffffff");
    check_params("401139", "name", "401139");
    check_params("0x", "name", "0x");
    check_params("0x40 ", "name", "0x40 ");
    check_params("0x-4", "name", "0x-4");
    check_params("0xzlib", "name", "0xzlib");
    check_params("parse", "name", "parse");
}

static void test_what_is_neither(void **state)
{
    (void)state;
    json_t *params = json_object();
    assert_false(target_put_params(params, "0x10000000000000000"));
    assert_false(target_put_params(params, "caf\xe9"));
    json_decref(params);
}

static json_t *function(const char *name, const char *address)
{
    return json_pack("{s:s s:s s:s s:s s:b}", "function_name", name, "binary", "lib.so", "address",
                     address, "base_address", address, "inlined", address[2] == '0');
}

// An answer about the first of `n` functions, the others being called g0, g1, …
static json_t *answer_about(const char *name, const char *address, int n)
{
    json_t *answer = function(name, address);
    json_t *matches = json_array();
    for (int i = 0; i + 1 < n; i++) {
        char text[] = "g0";
        text[1] = (char)('0' + i);
        json_array_append_new(matches, function(text, i == 1 ? "0x0" : "0x10"));
    }
    json_object_set_new(answer, "matches", matches);
    json_object_set_new(answer, "n_matches", json_integer(n));
    return answer;
}

static void check_choice(json_t *answer, const char *target, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    target_put_choice(&text, answer, target, "annotating", "the most samples");
    assert_string_equal(text_get(&text), expected);
    json_decref(answer);
}

static void test_which_one_it_was(void **state)
{
    (void)state;
    check_choice(answer_about("g", "0x4000", 1), "g", "");
    check_choice(answer_about("gg", "0x4000", 2), "g",
                 "annotating gg (lib.so), which has the most samples of 2 that match: "
                 "g0 (lib.so) 0x10");
    check_choice(answer_about("G", "0x4000", 3), "g",
                 "annotating G (lib.so), which has that name, of 3 that match: "
                 "g0 (lib.so) 0x10, g1 (inlined, lib.so)");
    check_choice(answer_about("g", "0x4000", 2), "0x4000",
                 "annotating g (lib.so), which starts there, of 2 that match: g0 (lib.so) 0x10");
    check_choice(answer_about("g", "0x4000", 2), "0x4001",
                 "annotating g (lib.so), which has it, of 2 that match: g0 (lib.so) 0x10");
    check_choice(answer_about("gg", "0x4000", 9), "g",
                 "annotating gg (lib.so), which has the most samples of 9 that match: "
                 "g0 (lib.so) 0x10, g1 (inlined, lib.so), g2 (lib.so) 0x10, g3 (lib.so) 0x10, "
                 "g4 (lib.so) 0x10 and 3 more");
}

static void test_names_are_untrusted(void **state)
{
    (void)state;
    check_choice(answer_about("a\x1b[2Jb", "0x4000", 2), "a",
                 "annotating a\\x1b[2Jb (lib.so), which has the most samples of 2 that match: "
                 "g0 (lib.so) 0x10");
    json_t *nothing = json_pack("{s:i}", "n_matches", 3);
    check_choice(nothing, "a",
                 "annotating  (), which has the most samples of 3 that match: 2 more");
}

static void test_an_inlined_one_and_where_it_is(void **state)
{
    (void)state;
    json_t *answer = answer_about("host", "0x4000", 2);
    json_object_set_new(answer, "inlined_host", json_pack("{s:s}", "function_name", "fast"));
    check_choice(answer, "fast",
                 "annotating fast (inlined) in host (lib.so), which has that name, of 2 that "
                 "match: g0 (lib.so) 0x10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_or_a_name),
        cmocka_unit_test(test_what_is_neither),
        cmocka_unit_test(test_which_one_it_was),
        cmocka_unit_test(test_names_are_untrusted),
        cmocka_unit_test(test_an_inlined_one_and_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
