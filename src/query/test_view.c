#include "query/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void exclude(struct view *view, const char *function_name, const char *binary)
{
    vec_push(&view->exclude, view_symbol_new(function_name, binary));
}

static void test_equal_means_the_same_choice(void **state)
{
    (void)state;
    struct view a = {0};
    struct view b = {0};
    assert_true(view_is_everything(&a));
    assert_true(view_equal(&a, &b));
    b.tid = 7; // means nothing without has_tid
    assert_true(view_equal(&a, &b));
    b.has_tid = true;
    assert_false(view_equal(&a, &b));
    assert_false(view_is_everything(&b));
    a.has_tid = true;
    a.tid = 7;
    assert_true(view_equal(&a, &b));
    a.has_time_range = b.has_time_range = true;
    a.end_ns = 5;
    assert_false(view_equal(&a, &b));
    b.end_ns = 5;
    exclude(&a, "malloc", NULL);
    assert_false(view_equal(&a, &b));
    exclude(&b, "malloc", "libc.so.6");
    assert_false(view_equal(&a, &b));
    view_fini(&a);
    view_fini(&b);
}

static void test_a_copy_has_its_own_texts(void **state)
{
    (void)state;
    struct view a = {.has_tid = true, .tid = 3};
    exclude(&a, "malloc", NULL);
    exclude(&a, "free", "libc.so.6");
    struct view b;
    view_copy(&b, &a);
    assert_true(view_equal(&a, &b));
    view_fini(&a);
    assert_string_equal(b.exclude.at[1].binary, "libc.so.6");
    assert_null(b.exclude.at[0].binary);
    view_fini(&b);
}

static void test_each_list_is_its_own(void **state)
{
    (void)state;
    struct view excluding = {0};
    struct view asking = {0};
    struct view focused = {.focus = view_symbol_new("malloc", NULL)};
    exclude(&excluding, "malloc", NULL);
    vec_push(&asking.only, view_symbol_new("malloc", NULL));
    struct view *views[] = {&excluding, &asking, &focused};
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct view copy;
        view_copy(&copy, views[i]);
        assert_true(view_has_symbols(&copy));
        assert_false(view_is_everything(&copy));
        assert_int_equal(view_keeps_no_stack(&copy), i == 0);
        for (size_t k = 0; k < ARRAY_LEN(views); k++) {
            assert_int_equal(view_equal(&copy, views[k]), i == k);
        }
        copy.physical = true;
        assert_false(view_equal(&copy, views[i]));
        view_fini(&copy);
    }
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        view_fini(views[i]);
    }
}

static void test_window_does_not_wrap_around(void **state)
{
    (void)state;
    struct store *store = store_new(1000, 0, 1);
    struct view view = {.start_ns = 5, .end_ns = 9};
    assert_int_equal(view_window(&view, store).start_ns, 0);
    assert_int_equal(view_window(&view, store).end_ns, UINT64_MAX);
    view.has_time_range = true;
    assert_int_equal(view_window(&view, store).start_ns, 1005);
    assert_int_equal(view_window(&view, store).end_ns, 1009);
    view.start_ns = UINT64_MAX - 3;
    assert_int_equal(view_window(&view, store).start_ns, UINT64_MAX);
    assert_int_equal(view_window(&view, store).end_ns, UINT64_MAX);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_means_the_same_choice),
        cmocka_unit_test(test_a_copy_has_its_own_texts),
        cmocka_unit_test(test_each_list_is_its_own),
        cmocka_unit_test(test_window_does_not_wrap_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
