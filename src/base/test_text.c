#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_escapes_what_could_drive_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *input;
        const char *expected;
    } rows[] = {
        {"plain", "std::vector<int>", "std::vector<int>"},
        {"escape", "\x1b[31mred", "\\x1b[31mred"},
        {"newline", "a\nb", "a\\x0ab"},
        {"delete", "a\x7f", "a\\x7f"},
        {"utf-8", "f\xc3\xbcr \xe2\x86\x92 \xf0\x9f\x94\xa5",
         "f\xc3\xbcr \xe2\x86\x92 \xf0\x9f\x94\xa5"},
        {"c1 control", "\xc2\x9b", "\\xc2\\x9b"},
        {"right-to-left override", "\xe2\x80\xae", "\\xe2\\x80\\xae"},
        {"lone continuation", "\x80x", "\\x80x"},
        {"overlong slash", "\xc0\xaf", "\\xc0\\xaf"},
        {"overlong three", "\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
        {"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"above U+10FFFF", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"cut", "\xe2\x86", "\\xe2\\x86"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text text = {0};
        text_add_escaped(&text, rows[i].input, strlen(rows[i].input));
        if (strcmp(text_get(&text), rows[i].expected) != 0) {
            fail_msg("%s: got %s", rows[i].name, text_get(&text));
        }
    }
}

static void test_what_is_not_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *expected; // NULL: it is whole
    } rows[] = {
        {"", NULL},
        {"a\nb\x1b", NULL},
        {"f\xc3\xbcr \xf0\x9f\x94\xa5", NULL},
        {"caf\xe9", "caf\\xe9"},
        {"\xc3\xbc\xc3", "\xc3\xbc\\xc3"},
        {"\xed\xa0\x80x", "\\xed\\xa0\\x80x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].input);
        CLEANUP(text_fini) struct text text = {0};
        text_add_utf8(&text, rows[i].input, n);
        assert_int_equal(utf8_is_whole(rows[i].input, n), rows[i].expected == NULL);
        assert_string_equal(text_get(&text),
                            rows[i].expected == NULL ? rows[i].input : rows[i].expected);
    }
}

static void test_grows_and_hands_over(void **state)
{
    (void)state;
    struct text text = {0};
    assert_string_equal(text_get(&text), "");
    for (int i = 0; i < 1000; i++) {
        text_addf(&text, "%d,", i);
    }
    assert_int_equal(text.n, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(text_get(&text)[text.n], 0);
    char *taken = text_take(&text);
    assert_null(text.at);
    assert_memory_equal(taken, "0,1,2,", 6);
    free(taken);
    taken = text_take(&text);
    assert_string_equal(taken, "");
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes_what_could_drive_a_terminal),
        cmocka_unit_test(test_what_is_not_utf8),
        cmocka_unit_test(test_grows_and_hands_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
