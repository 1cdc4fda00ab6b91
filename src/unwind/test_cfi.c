#include "unwind/test_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_place(struct cfi_place place, enum cfi_how how, unsigned reg, int off)
{
    assert_int_equal(place.how, how);
    assert_int_equal(place.reg, reg);
    assert_int_equal(place.off, off);
}

// The rule so far into the code; there is one.
static const struct cfi_rule *rule_at(const struct cfi_table *table, uint64_t into)
{
    const struct cfi_rule *rule = cfi_table_find(table, CODE_OFF + into);
    assert_non_null(rule);
    for (unsigned slot = 0; slot < CFI_SLOTS; slot++) {
        assert_int_equal(rule->told >> slot & 1, rule->saved[slot].how != CFI_SAME);
    }
    return rule;
}

static void assert_cfa(const struct cfi_table *table, uint64_t into, unsigned reg, int off)
{
    assert_place(rule_at(table, into)->cfa, CFI_IN_REGISTER, reg, off);
}

static void assert_none(const struct cfi_table *table, uint64_t into)
{
    assert_null(cfi_table_find(table, CODE_OFF + into));
}

// ---- The usual ---------------------------------------------------------------------------------

static void test_a_usual_function(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    // push %rbp; mov %rsp, %rbp; push %rbx; …; pop; ret
    frames_fde(&f, CODE_ADDR + 0x100, 0x40,
               PROGRAM(ADVANCE(1), 0x0e, 16, OFFSET(6, 2), ADVANCE(3), 0x0d, 6, ADVANCE(1),
                       OFFSET(3, 3), ADVANCE(0x20), 0x0c, 7, 8));
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_fdes, 1);
    assert_int_equal(facts.n_bad, 0);
    assert_int_equal(facts.n_rules, 5);
    assert_int_equal(facts.n_rows, 6); // and the gap behind it
    assert_none(table, 0xff);
    assert_cfa(table, 0x100, 7, 8);
    const struct cfi_rule *rule = rule_at(table, 0x100);
    assert_place(rule->saved[CFI_SLOT_RA], CFI_AT_CFA, 0, -8);
    assert_place(rule->saved[CFI_SLOT_SP], CFI_IS_CFA, 0, 0);
    assert_place(rule->saved[CFI_SLOT_FP], CFI_SAME, 0, 0);
    assert_false(rule->signal_frame);
    assert_cfa(table, 0x101, 7, 16);
    assert_cfa(table, 0x103, 7, 16);
    assert_place(rule_at(table, 0x101)->saved[CFI_SLOT_FP], CFI_AT_CFA, 0, -16);
    assert_cfa(table, 0x104, 6, 16);
    assert_place(rule_at(table, 0x105)->saved[3], CFI_AT_CFA, 0, -24);
    assert_cfa(table, 0x13f, 7, 8);
    assert_none(table, 0x140);
    cfi_table_free(table);
    frames_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_usual_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
