#include "cli/waits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; waits_reason_words[i] != NULL; i++) {
        const char *json = waits_reason_of_word(waits_reason_words[i]);
        assert_non_null(json);
        assert_string_equal(waits_reason_of_word(json), json);
        assert_string_equal(waits_reason_of_word(waits_shown_name(json)), json);
    }
    assert_null(waits_reason_of_word(NULL));
    assert_null(waits_reason_of_word("lunch"));
    assert_string_equal(waits_shown_name("lunch"), "-");
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        uint64_t lock_ns;
        uint64_t sleep_ns;
        const char *shown;
    } rows[] = {
        {0, 0, ""},
        {5, 0, "lock"},
        {95, 5, "lock"},
        {60, 40, "lock 60%, sleep 40%"},
        {15, 85, "sleep 85%, lock 15%"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *off_cpu = json_pack("{s:I s:I}", "lock_ns", (json_int_t)rows[i].lock_ns, "sleep_ns",
                                    (json_int_t)rows[i].sleep_ns);
        struct waits waits = waits_read(off_cpu);
        CLEANUP(text_fini) struct text text = {0};
        waits_put_reasons(&text, &waits);
        assert_string_equal(text_get(&text), rows[i].shown);
        assert_int_equal(waits.total_ns, rows[i].lock_ns + rows[i].sleep_ns);
        json_decref(off_cpu);
    }
}

static void test_stacks(void **state)
{
    (void)state;
    static const struct {
        size_t max_user;
        bool approximate;
        const char *shown;
    } rows[] = {
        {0, false, "futex_do_wait < take\\x1b < worker < main"},
        {2, false, "futex_do_wait < take\\x1b < worker < …"},
        {3, true, "~futex_do_wait < take\\x1b < worker < main"},
    };
    json_t *stack = json_pack("[{s:s s:s} {s:s s:s} {s:s s:s} {s:s s:s} {s:s s:s}]",
                              "function_name", "futex_do_wait", "binary", "[kernel]",
                              "function_name", "do_syscall_64", "binary", "[kernel]",
                              "function_name", "take\x1b", "binary", "app", "function_name",
                              "worker", "binary", "app", "function_name", "main", "binary", "app");
    assert_non_null(stack);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text text = {0};
        waits_put_stack(&text, stack, rows[i].max_user, rows[i].approximate);
        assert_string_equal(text_get(&text), rows[i].shown);
    }
    json_decref(stack);
    CLEANUP(text_fini) struct text text = {0};
    waits_put_stack(&text, NULL, 0, true);
    assert_string_equal(text_get(&text), "");
}

static void test_wakers(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *shown;
    } rows[] = {
        {"{}", ""},
        {"{\"waker_tid\":0,\"waker_name\":\"[irq]\"}", "[irq]"},
        {"{\"waker_tid\":7,\"waker_name\":\"feeder\"}", "7 feeder"},
        {"{\"waker_tid\":7,\"waker_name\":\"a\\u0007b\",\"waker_function_name\":\"push\"}",
         "7 a\\x07b in push"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *holder = json_loads(rows[i].json, 0, NULL);
        CLEANUP(text_fini) struct text text = {0};
        waits_put_waker(&text, holder);
        assert_string_equal(text_get(&text), rows[i].shown);
        json_decref(holder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_stacks),
        cmocka_unit_test(test_wakers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
