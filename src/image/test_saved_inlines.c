#include "image/saved_inlines.h"

#include "base/limits.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool add_function(struct saved_inlines *inlines, const char *name)
{
    return saved_inlines_add_function(inlines, slice_of_text(name), false, SYMBOL_C);
}

static void test_chains(void **state)
{
    (void)state;
    struct saved_inlines *inlines = saved_inlines_new();
    assert_true(add_function(inlines, "middle"));
    assert_true(saved_inlines_add_function(inlines, slice_of_text("_Z1fv"), true, SYMBOL_CPP));
    assert_true(saved_inlines_add_file(inlines, slice_of_text("/src/f.c")));
    static const struct saved_inline both[] = {
        {.function = 0, .call_file = 0, .call_line = 12},
        {.function = 1, .call_file = SAVED_INLINES_NO_FILE},
    };
    assert_true(saved_inlines_add_chain(inlines, 16, both, 2));
    assert_true(saved_inlines_add_chain(inlines, 20, both, 1));
    assert_true(saved_inlines_add_chain(inlines, 30, NULL, 0));
    assert_true(saved_inlines_add_chain(inlines, UINT64_MAX, both, 2));
    saved_inlines_finish(inlines);
    const struct inline_chain *chain = saved_inlines_find(inlines, 16);
    assert_int_equal(chain->n, 2);
    assert_string_equal(chain->calls[0].file, "/src/f.c");
    assert_int_equal(chain->calls[0].line, 12);
    assert_null(chain->calls[1].file);
    assert_int_equal(chain->calls[1].line, 0);
    assert_string_equal(chain->at[0]->name, "middle");
    assert_false(chain->at[0]->is_linkage_name);
    assert_int_equal(chain->at[0]->lang, SYMBOL_C);
    assert_string_equal(chain->at[1]->name, "_Z1fv");
    assert_true(chain->at[1]->is_linkage_name);
    assert_int_equal(chain->at[1]->lang, SYMBOL_CPP);
    assert_ptr_equal(saved_inlines_find(inlines, 19), chain); // up to where the next one begins
    assert_int_equal(saved_inlines_find(inlines, 20)->n, 1);
    assert_int_equal(saved_inlines_find(inlines, 29)->n, 1);
    assert_null(saved_inlines_find(inlines, 30));
    assert_null(saved_inlines_find(inlines, UINT64_MAX - 1));
    assert_ptr_equal(saved_inlines_find(inlines, UINT64_MAX), chain); // kept once
    assert_null(saved_inlines_find(inlines, 0));
    assert_null(saved_inlines_find(inlines, 15));
    saved_inlines_free(inlines);
}

static void test_empty(void **state)
{
    (void)state;
    struct saved_inlines *inlines = saved_inlines_new();
    saved_inlines_finish(inlines);
    assert_null(saved_inlines_find(inlines, 0));
    saved_inlines_free(inlines);
    saved_inlines_free(NULL);
}

static void test_names(void **state)
{
    (void)state;
    struct saved_inlines *inlines = saved_inlines_new();
    CLEANUP(freep) char *longest = NEW_ARRAY(char, LIMIT_SYMBOL_BYTES + 1);
    memset(longest, 'x', LIMIT_SYMBOL_BYTES);
    assert_false(add_function(inlines, longest));
    longest[LIMIT_SYMBOL_BYTES - 1] = 0;
    assert_true(add_function(inlines, longest));
    assert_false(add_function(inlines, ""));
    assert_false(saved_inlines_add_function(inlines, (struct slice){0}, false, SYMBOL_C));
    static const uint8_t cut[] = {'a', 'b', 0, 'c'};
    static const uint8_t nothing[] = {0, 'c'};
    struct slice zero_inside = {.data = cut, .n = sizeof cut};
    struct slice zero_first = {.data = nothing, .n = sizeof nothing};
    assert_false(saved_inlines_add_function(inlines, zero_first, false, SYMBOL_C));
    assert_true(saved_inlines_add_function(inlines, zero_inside, false, SYMBOL_C));
    assert_true(saved_inlines_add_chain(
        inlines, 1, &(struct saved_inline){.function = 1, .call_file = SAVED_INLINES_NO_FILE}, 1));
    assert_string_equal(saved_inlines_find(inlines, 1)->at[0]->name, "ab");
    saved_inlines_free(inlines);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    struct saved_inlines *inlines = saved_inlines_new();
    assert_true(add_function(inlines, "f"));
    assert_true(saved_inlines_add_file(inlines, slice_of_text("f.c")));
    assert_false(saved_inlines_add_file(inlines, slice_of_text("")));
    struct saved_inline levels[LIMIT_INLINE_DEPTH + 1] = {0};
    assert_false(saved_inlines_add_chain(inlines, 5, levels, LIMIT_INLINE_DEPTH + 1));
    assert_true(saved_inlines_add_chain(inlines, 5, levels, LIMIT_INLINE_DEPTH));
    assert_false(saved_inlines_add_chain(inlines, 5, levels, 1)); // is there already
    assert_false(saved_inlines_add_chain(inlines, 4, levels, 1)); // lies before
    levels[0].function = 1;
    assert_false(saved_inlines_add_chain(inlines, 6, levels, 1)); // unknown
    levels[0].function = UINT32_MAX;
    assert_false(saved_inlines_add_chain(inlines, 6, levels, 1));
    levels[0] = (struct saved_inline){.call_file = 1};
    assert_false(saved_inlines_add_chain(inlines, 6, levels, 1));
    saved_inlines_finish(inlines);
    assert_int_equal(saved_inlines_find(inlines, 5)->n, LIMIT_INLINE_DEPTH);
    assert_null(saved_inlines_find(inlines, 4));
    assert_int_equal(saved_inlines_find(inlines, 6)->n, LIMIT_INLINE_DEPTH);
    saved_inlines_free(inlines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
