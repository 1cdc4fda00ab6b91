#include "archive/facts.h"

#include "base/limits.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_what_was_set_is_there(void **state)
{
    (void)state;
    CLEANUP(facts_fini) struct facts facts = {0};
    facts_set_text(&facts, "label", "python3 train.py");
    facts_set_number(&facts, "frequency_hz", 900);
    assert_string_equal(facts_text(&facts, "label", "none"), "python3 train.py");
    assert_int_equal(facts_number(&facts, "frequency_hz", 1), 900);
    assert_int_equal(facts.list.n, 2);
}

static void test_absent_or_of_the_other_kind(void **state)
{
    (void)state;
    CLEANUP(facts_fini) struct facts facts = {0};
    facts_set_text(&facts, "label", "7");
    facts_set_number(&facts, "pid", 7);
    assert_int_equal(facts_number(&facts, "label", 3), 3);
    assert_string_equal(facts_text(&facts, "pid", "x"), "x");
    assert_int_equal(facts_number(&facts, "nothing", UINT64_MAX), UINT64_MAX);
    assert_null(facts_text(&facts, "nothing", NULL));
}

static void test_setting_again_replaces(void **state)
{
    (void)state;
    CLEANUP(facts_fini) struct facts facts = {0};
    facts_set_text(&facts, "a", "one");
    facts_set_text(&facts, "b", "two");
    facts_set_text(&facts, "a", "three");
    assert_string_equal(facts_text(&facts, "a", ""), "three");
    facts_set_number(&facts, "a", 4); // of the other kind by now
    assert_int_equal(facts_number(&facts, "a", 0), 4);
    assert_string_equal(facts_text(&facts, "a", ""), "");
    facts_set_text(&facts, "a", "five");
    assert_string_equal(facts_text(&facts, "a", ""), "five");
    assert_string_equal(facts_text(&facts, "b", ""), "two");
    assert_int_equal(facts.list.n, 2);
    assert_string_equal(facts.list.at[0].name, "a"); // in its place
}

static void test_long_texts_are_cut(void **state)
{
    (void)state;
    CLEANUP(facts_fini) struct facts facts = {0};
    CLEANUP(text_fini) struct text text = {0};
    for (int i = 0; i < LIMIT_FACT_BYTES + 10; i++) {
        text_add_char(&text, 'x');
    }
    facts_set_text(&facts, "long", text_get(&text));
    assert_int_equal(strlen(facts_text(&facts, "long", "")), LIMIT_FACT_BYTES);
}

static void test_no_more_than_the_limit(void **state)
{
    (void)state;
    CLEANUP(facts_fini) struct facts facts = {0};
    CLEANUP(text_fini) struct text name = {0};
    for (uint64_t i = 0; i < LIMIT_FACTS; i++) {
        text_clear(&name);
        text_addf(&name, "fact%u", (unsigned)i);
        facts_set_number(&facts, text_get(&name), i);
    }
    facts_set_text(&facts, "one more", "text");
    facts_set_number(&facts, "another", 1);
    assert_int_equal(facts.list.n, LIMIT_FACTS);
    assert_null(facts_text(&facts, "one more", NULL));
    facts_set_number(&facts, "fact7", 77); // a known one can still change
    assert_int_equal(facts_number(&facts, "fact7", 0), 77);
}

static void test_a_copy_stands_on_its_own(void **state)
{
    (void)state;
    CLEANUP(facts_fini) struct facts copy = {0};
    struct facts facts = {0};
    facts_set_text(&facts, "label", "cat");
    facts_set_number(&facts, "pid", 7);
    facts_copy(&copy, &facts);
    assert_true(facts_equal(&copy.list.at[0], &facts.list.at[0]));
    assert_true(facts_equal(&copy.list.at[1], &facts.list.at[1]));
    facts_set_text(&facts, "label", "dog");
    assert_false(facts_equal(&copy.list.at[0], &facts.list.at[0]));
    facts_clear(&facts);
    assert_int_equal(facts.list.n, 0);
    facts_fini(&facts);
    assert_string_equal(facts_text(&copy, "label", ""), "cat");
    assert_int_equal(facts_number(&copy, "pid", 0), 7);
}

static void test_equal_means_name_kind_and_value(void **state)
{
    (void)state;
    char a[] = "a";
    char b[] = "b";
    char text[] = "1";
    struct fact number = {.name = a, .is_number = true, .number = 1};
    assert_true(facts_equal(&number, &number));
    assert_false(facts_equal(&number, &(struct fact){.name = b, .is_number = true, .number = 1}));
    assert_false(facts_equal(&number, &(struct fact){.name = a, .is_number = true, .number = 2}));
    assert_false(facts_equal(&number, &(struct fact){.name = a, .text = text}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_set_is_there),
        cmocka_unit_test(test_absent_or_of_the_other_kind),
        cmocka_unit_test(test_setting_again_replaces),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_no_more_than_the_limit),
        cmocka_unit_test(test_a_copy_stands_on_its_own),
        cmocka_unit_test(test_equal_means_name_kind_and_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
