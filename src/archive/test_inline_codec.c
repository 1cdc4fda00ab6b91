#include "archive/inline_codec.h"

#include "archive/codec.h"
#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice slice_of(const struct text *text)
{
    return (struct slice){.data = (const uint8_t *)text->at, .n = text->n};
}

static void test_functions(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text text = {0};
    const struct inline_codec_function functions[] = {
        {.name = slice_of_text("_ZN1a1bEv"), .is_linkage_name = true, .lang = SYMBOL_CPP},
        {.name = slice_of_text("plain"), .lang = SYMBOL_C},
        {.name = slice_of_text("a\xff\n"), .is_linkage_name = true, .lang = SYMBOL_RUST},
        {.name = slice_of_text("d"), .lang = SYMBOL_D},
        {.name = slice_of_text("f"), .lang = SYMBOL_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        inline_codec_add_function(&text, &functions[i]);
    }
    struct reader from = reader_of(slice_of(&text));
    struct inline_codec_function function;
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        assert_true(inline_codec_next_function(&from, &function));
        assert_true(slice_equal(function.name, functions[i].name));
        assert_int_equal(function.is_linkage_name, functions[i].is_linkage_name);
        assert_int_equal(function.lang, functions[i].lang);
    }
    assert_false(inline_codec_next_function(&from, &function));
    assert_false(from.bad);

    struct slice cut = {.data = (const uint8_t *)text.at, .n = text.n - 1};
    from = reader_of(cut);
    size_t n = 0;
    while (inline_codec_next_function(&from, &function)) {
        n++;
    }
    assert_int_equal(n, ARRAY_LEN(functions) - 1);
    assert_true(from.bad);
}

static const struct inline_codec_call some_calls[] = {
    {.caller = INLINE_CODEC_NONE, .function = 7, .file = 3, .line = 12},
    {.caller = 0, .function = 0, .file = 0, .line = 0},
    {.caller = 99, .function = UINT32_MAX, .file = UINT32_MAX, .line = UINT32_MAX},
    {.caller = 102, .function = 1, .file = 1, .line = 1},
};

static void test_calls(void **state)
{
    (void)state;
    enum { N = ARRAY_LEN(some_calls), FIRST = 100 };
    CLEANUP(text_fini) struct text packed = {0};
    inline_codec_put_calls(&packed, some_calls, FIRST, N);
    struct inline_codec_call calls[N];
    assert_int_equal(inline_codec_parse_calls(slice_of(&packed), calls, FIRST, N), 0);
    assert_memory_equal(calls, some_calls, sizeof calls);
    assert_int_equal(inline_codec_parse_calls(slice_of(&packed), calls, FIRST, N - 1), -EBADMSG);
    // With fewer calls before them, the second one lies within one that is not there.
    assert_int_equal(inline_codec_parse_calls(slice_of(&packed), calls, FIRST - 1, N), -EBADMSG);
    for (size_t i = 0; i < packed.n; i++) {
        struct slice cut = {.data = (const uint8_t *)packed.at, .n = i};
        assert_int_equal(inline_codec_parse_calls(cut, calls, FIRST, N), -EBADMSG);
    }
}

static void test_places(void **state)
{
    (void)state;
    const struct inline_codec_place some[] = {
        {.addr = 0, .call = INLINE_CODEC_NONE},
        {.addr = 0x401000, .call = 5},
        {.addr = 0x401004, .call = 4},
        {.addr = UINT64_MAX, .call = INLINE_CODEC_NONE - 1},
        {.addr = 1, .call = 0}, // their order is not the codec's business
    };
    enum { N = ARRAY_LEN(some) };
    CLEANUP(text_fini) struct text packed = {0};
    inline_codec_put_places(&packed, some, N);
    struct inline_codec_place places[N];
    assert_int_equal(inline_codec_parse_places(slice_of(&packed), places, N), 0);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(places[i].addr, some[i].addr);
        assert_int_equal(places[i].call, some[i].call);
    }
    assert_int_equal(inline_codec_parse_places(slice_of(&packed), places, N - 1), -EBADMSG);
    assert_int_equal(inline_codec_parse_places((struct slice){0}, places, N), -EBADMSG);
}

static void test_as_many_as_there_may_be(void **state)
{
    (void)state;
    size_t n = INLINE_CODEC_ROWS;
    CLEANUP(freep) struct inline_codec_call *calls = NEW_ARRAY(struct inline_codec_call, n);
    CLEANUP(freep) struct inline_codec_call *again = NEW_ARRAY(struct inline_codec_call, n);
    for (uint32_t i = 0; i < n; i++) {
        calls[i] = (struct inline_codec_call){.caller = i == 0 ? (uint32_t)INLINE_CODEC_NONE
                                                               : i / 2,
                                              .function = i * 77,
                                              .file = i % 13,
                                              .line = i % 1001};
    }
    CLEANUP(text_fini) struct text packed = {0};
    inline_codec_put_calls(&packed, calls, 0, n);
    assert_int_equal(inline_codec_parse_calls(slice_of(&packed), again, 0, n), 0);
    assert_memory_equal(again, calls, n * sizeof *calls);
    assert_int_equal(inline_codec_parse_calls(slice_of(&packed), again, 0, n + 1), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_as_many_as_there_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
