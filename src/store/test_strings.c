#include "store/strings.h"

#include "base/alloc.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct strings *strings_new(void)
{
    struct strings *strings = NEW(struct strings);
    strings_init(strings);
    return strings;
}

static void strings_free(struct strings *strings)
{
    strings_fini(strings);
    free(strings);
}

static void test_same_bytes_same_id(void **state)
{
    (void)state;
    struct strings *strings = strings_new();
    assert_int_equal(strings_add(strings, slice_of_text("")), 0);
    string_id a = strings_add(strings, slice_of_text("libz.so.1"));
    string_id b = strings_add(strings, slice_of_text("libz.so.2"));
    assert_true(a != 0 && b != 0 && a != b);
    assert_int_equal(strings_add(strings, slice_of_text("libz.so.1")), a);
    assert_string_equal((const char *)strings_get(strings, a).data, "libz.so.1");
    assert_int_equal(strings_get(strings, 0).n, 0);
    assert_string_equal((const char *)strings_get(strings, 0).data, "");
    strings_free(strings);
}

static void test_zero_bytes_are_bytes(void **state)
{
    (void)state;
    struct strings *strings = strings_new();
    const uint8_t blob[] = {1, 0, 2};
    string_id a = strings_add(strings, (struct slice){blob, 3});
    string_id b = strings_add(strings, (struct slice){blob, 2});
    assert_true(a != b);
    assert_true(slice_equal(strings_get(strings, a), (struct slice){blob, 3}));
    assert_int_equal(strings_get(strings, b).data[2], 0);
    strings_free(strings);
}

// More than a block holds, some longer than a block; what was given out stays where it was.
static void test_many_and_long_ones_never_move(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct strings *strings = strings_new();
    const uint8_t **places = NEW_ARRAY(const uint8_t *, N);
    CLEANUP(text_fini) struct text text = {0};
    for (uint32_t i = 0; i < N; i++) {
        text_clear(&text);
        text_addf(&text, "%0*u", i % 5000 == 0 ? 100000 : 9, i);
        string_id id = strings_add(strings, slice_of_text(text_get(&text)));
        assert_int_equal(id, i + 1);
        places[i] = strings_get(strings, id).data;
    }
    for (uint32_t i = 0; i < N; i++) {
        text_clear(&text);
        text_addf(&text, "%0*u", i % 5000 == 0 ? 100000 : 9, i);
        assert_int_equal(strings_add(strings, slice_of_text(text_get(&text))), i + 1);
        assert_ptr_equal(strings_get(strings, i + 1).data, places[i]);
        assert_string_equal((const char *)places[i], text_get(&text));
    }
    assert_true(strings_bytes(strings) > 4 * 100000 + N * 10);
    free(places);
    strings_free(strings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes_same_id),
        cmocka_unit_test(test_zero_bytes_are_bytes),
        cmocka_unit_test(test_many_and_long_ones_never_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
