#include "image/symtab.h"

#include "base/limits.h"
#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool add(struct symtab_builder *builder, uint64_t addr, uint64_t size, const char *name,
                enum symbol_binding binding)
{
    return symtab_builder_add(builder, addr, size, slice_of_text(name), (struct slice){0}, binding);
}

static void add_segment(struct symtab_builder *builder, uint64_t off, uint64_t size, uint64_t addr,
                        bool executable)
{
    struct symtab_segment seg = {
        .file_off = off, .size = size, .addr = addr, .executable = executable};
    symtab_builder_add_segment(builder, &seg);
}

// `name` NULL: nobody.
static void assert_found(const struct symtab *symtab, uint64_t addr, const char *name)
{
    const struct symbol *symbol = symtab_find(symtab, addr);
    if (name == NULL) {
        assert_null(symbol);
        return;
    }
    assert_non_null(symbol);
    assert_string_equal(symbol->name, name);
    assert_true(symbol->addr <= addr && addr < symbol->end);
}

static void test_an_empty_table_knows_nothing(void **state)
{
    (void)state;
    struct symtab *symtab = symtab_builder_finish(symtab_builder_new());
    assert_int_equal(symtab_count(symtab), 0);
    assert_found(symtab, 0, NULL);
    assert_found(symtab, UINT64_MAX, NULL);
    uint64_t translated;
    assert_false(symtab_addr_of_off(symtab, 0, &translated));
    symtab_free(symtab);
    symtab_free(NULL);
    symtab_builder_free(NULL);
}

static void test_a_gap_belongs_to_nobody(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    add(builder, 0x2000, 0x10, "late", SYMBOL_LOCAL);
    add(builder, 0x1000, 0x10, "early", SYMBOL_GLOBAL);
    struct symtab *symtab = symtab_builder_finish(builder);
    assert_found(symtab, 0xfff, NULL);
    assert_found(symtab, 0x1000, "early");
    assert_found(symtab, 0x100f, "early");
    assert_found(symtab, 0x1010, NULL);
    assert_found(symtab, 0x200f, "late");
    assert_found(symtab, 0x2010, NULL);
    symtab_free(symtab);
}

static void test_a_sizeless_symbol_ends_at_the_next_one_or_at_a_wall(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    add_segment(builder, 0, 0x800, 0x1000, true);
    symtab_builder_add_wall(builder, 0x1300);
    add(builder, 0x1000, 0, "first", SYMBOL_GLOBAL);
    add(builder, 0x1100, 0, "before_the_wall", SYMBOL_GLOBAL);
    add(builder, 0x1400, 0, "last_of_segment", SYMBOL_GLOBAL);
    add(builder, 0x9000, 0, "outside", SYMBOL_GLOBAL);
    struct symtab *symtab = symtab_builder_finish(builder);
    assert_found(symtab, 0x10ff, "first");
    assert_found(symtab, 0x12ff, "before_the_wall");
    assert_found(symtab, 0x1300, NULL);
    assert_found(symtab, 0x17ff, "last_of_segment");
    assert_found(symtab, 0x1800, NULL);
    assert_found(symtab, 0x9000, "outside");
    assert_found(symtab, 0x9001, NULL);
    symtab_free(symtab);
}

static void test_the_expected_alias_wins(void **state)
{
    (void)state;
    static const struct {
        const char *names[3];
        enum symbol_binding bindings[3];
        uint64_t sizes[3];
        const char *winner;
    } rows[] = {
        {{"a_local", "z_weak", "zz_global"},
         {SYMBOL_LOCAL, SYMBOL_WEAK, SYMBOL_GLOBAL},
         {8, 8, 0},
         "zz_global"},
        {{"a_local", "z_weak", "b_local"},
         {SYMBOL_LOCAL, SYMBOL_WEAK, SYMBOL_LOCAL},
         {8, 8, 8},
         "z_weak"},
        {{"a", "sized", "b"}, {SYMBOL_WEAK, SYMBOL_WEAK, SYMBOL_WEAK}, {0, 8, 0}, "sized"},
        {{"__libc_malloc", "malloc", "__malloc"},
         {SYMBOL_GLOBAL, SYMBOL_GLOBAL, SYMBOL_GLOBAL},
         {8, 8, 8},
         "malloc"},
        {{"ccc", "aaa", "bbb"}, {SYMBOL_GLOBAL, SYMBOL_GLOBAL, SYMBOL_GLOBAL}, {8, 8, 8}, "aaa"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct symtab_builder *builder = symtab_builder_new();
        for (size_t j = 0; j < 3; j++) {
            assert_true(
                add(builder, 0x1000, rows[i].sizes[j], rows[i].names[j], rows[i].bindings[j]));
        }
        struct symtab *symtab = symtab_builder_finish(builder);
        assert_int_equal(symtab_count(symtab), 1);
        assert_found(symtab, 0x1007, rows[i].winner); // takes over the size
        assert_found(symtab, 0x1008, NULL);
        symtab_free(symtab);
    }
}

static void test_the_innermost_covers(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    add(builder, 0x1000, 0x1000, "outermost", SYMBOL_LOCAL);
    add(builder, 0x1100, 0x400, "middle", SYMBOL_LOCAL);
    for (uint64_t i = 0; i < 40; i++) {
        add(builder, 0x1200 + i * 4, 2, "tiny", SYMBOL_LOCAL);
    }
    add(builder, 0x1f00, 0x200, "sticks_out", SYMBOL_LOCAL);
    struct symtab *symtab = symtab_builder_finish(builder);
    assert_found(symtab, 0x10ff, "outermost");
    assert_found(symtab, 0x1200, "tiny");
    assert_found(symtab, 0x1202, "middle");
    assert_found(symtab, 0x129e, "middle"); // behind forty that do not cover it
    assert_found(symtab, 0x1500, "outermost");
    assert_found(symtab, 0x1fff, "sticks_out");
    assert_found(symtab, 0x2050, "sticks_out");
    assert_found(symtab, 0x2100, NULL);
    symtab_free(symtab);
}

static void test_nesting_beyond_the_bound_is_given_up(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    for (uint64_t i = 0; i < 1000; i++) { // each inside of the one before
        add(builder, 0x1000 + i, 0x10000 - 2 * i, "shell", SYMBOL_LOCAL);
    }
    struct symtab *symtab = symtab_builder_finish(builder);
    assert_found(symtab, 0x1000 + 999 + 0x100, "shell");
    assert_int_equal(symtab_find(symtab, 0x10fff - 940)->addr, 0x1000 + 940);
    assert_found(symtab, 0x1000 + 0xffff, NULL); // 1000 shells further out
    symtab_free(symtab);
}

static void test_hostile_sizes(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    add(builder, 0x1000, UINT64_MAX, "huge", SYMBOL_LOCAL);
    add(builder, UINT64_MAX - 1, 100, "wraps", SYMBOL_LOCAL);
    add(builder, UINT64_MAX, 0, "last", SYMBOL_LOCAL);
    add(builder, 0, 0x100000000, "four_gigabytes", SYMBOL_LOCAL);
    struct symtab *symtab = symtab_builder_finish(builder);
    assert_found(symtab, 0, "four_gigabytes");
    assert_found(symtab, 0x1000, "huge");
    assert_found(symtab, 0x100000001, "huge");
    assert_found(symtab, UINT64_MAX - 1, "wraps");
    assert_found(symtab, UINT64_MAX, NULL);
    symtab_free(symtab);
}

static void test_leaves_out_marks_and_cuts_long_names(void **state)
{
    (void)state;
    static const char *const marks[] = {"",   "$a",   "$d",          "$t",
                                        "$x", "$x.5", "$d.realdata", "$xrv64i2p1"};
    static const char *const names[] = {"$", "$b", "$dollar", "x", "$xray"};
    struct symtab_builder *builder = symtab_builder_new();
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        assert_false(add(builder, i, 1, marks[i], SYMBOL_GLOBAL));
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_true(add(builder, i, 1, names[i], SYMBOL_GLOBAL));
    }
    CLEANUP(freep) char *name = NEW_ARRAY(char, LIMIT_SYMBOL_BYTES + 10);
    memset(name, 'n', LIMIT_SYMBOL_BYTES + 9);
    assert_true(add(builder, 0x1000, 1, name, SYMBOL_GLOBAL));
    struct symtab *symtab = symtab_builder_finish(builder);
    assert_int_equal(symtab_count(symtab), ARRAY_LEN(names) + 1);
    assert_int_equal(strlen(symtab_find(symtab, 0x1000)->name), LIMIT_SYMBOL_BYTES);
    symtab_free(symtab);
}

static void test_modules_are_named(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    const char *modules[] = {"", "ext4", "ext4", "nf_tables", ""};
    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        symtab_builder_add(builder, i, 1, slice_of_text("f"), slice_of_text(modules[i]),
                           SYMBOL_LOCAL);
    }
    struct symtab *symtab = symtab_builder_finish(builder);
    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        const char *module = symtab_at(symtab, i)->module;
        if (modules[i][0] == 0) {
            assert_null(module);
        } else {
            assert_string_equal(module, modules[i]);
        }
    }
    symtab_free(symtab);
}

static void test_segments_translate_both_ways(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    add_segment(builder, 0, 0x1000, 0x400000, false);
    add_segment(builder, 0xf00, 0x2000, 0x401f00, true); // 0xf00..0x1000 of the file in both
    add_segment(builder, 0x8000, UINT64_MAX, UINT64_MAX - 0x10, false);
    add_segment(builder, 0x9000, 0, 0x500000, true);
    struct symtab *symtab = symtab_builder_finish(builder);
    uint64_t got = 0;
    assert_true(symtab_addr_of_off(symtab, 0x10, &got));
    assert_int_equal(got, 0x400010);
    assert_true(symtab_addr_of_off(symtab, 0xf80, &got)); // code first
    assert_int_equal(got, 0x401f80);
    assert_true(symtab_addr_of_off(symtab, 0x2eff, &got));
    assert_int_equal(got, 0x403eff);
    assert_false(symtab_addr_of_off(symtab, 0x2f00, &got));
    assert_true(symtab_addr_of_off(symtab, 0x8000, &got));
    assert_false(symtab_addr_of_off(symtab, 0x8010, &got));
    assert_true(symtab_off_of_addr(symtab, 0x403eff, &got));
    assert_int_equal(got, 0x2eff);
    assert_false(symtab_off_of_addr(symtab, 0x500000, &got));
    assert_false(symtab_off_of_addr(symtab, 0x3fffff, &got));
    symtab_free(symtab);
}

// The slow and obvious answer: of all symbols that cover it, the one that starts last.
static const struct symbol *find_slowly(const struct symtab *symtab, uint64_t addr)
{
    for (size_t i = symtab_count(symtab); i > 0; i--) {
        const struct symbol *symbol = symtab_at(symtab, i - 1);
        if (symbol->addr <= addr && addr < symbol->end) {
            return symbol;
        }
    }
    return NULL;
}

static void test_agrees_with_a_slow_search(void **state)
{
    (void)state;
    srandom(7);
    for (int round = 0; round < 60; round++) {
        struct symtab_builder *builder = symtab_builder_new();
        long n = 1 + random() % 50;
        for (long i = 0; i < n; i++) {
            char name[16];
            snprintf(name, sizeof name, "f%ld", i);
            add(builder, (uint64_t)random() % 400, (uint64_t)random() % (i % 5 == 0 ? 300 : 20),
                name, (enum symbol_binding)(random() % 3));
        }
        struct symtab *symtab = symtab_builder_finish(builder);
        for (uint64_t addr = 0; addr < 800; addr++) {
            assert_ptr_equal(symtab_find(symtab, addr), find_slowly(symtab, addr));
        }
        symtab_free(symtab);
    }
}

static bool add_slot(struct symtab_builder *builder, uint64_t addr, const char *name)
{
    return symtab_builder_add_slot(builder, addr, slice_of_text(name));
}

static void assert_slot(const struct symtab *symtab, uint64_t addr, const char *name)
{
    const struct symtab_slot *slot = symtab_find_slot(symtab, addr);
    assert_non_null(slot);
    assert_int_equal(slot->addr, addr);
    assert_string_equal(slot->name, name);
}

static void test_slots_are_no_symbols(void **state)
{
    (void)state;
    struct symtab_builder *builder = symtab_builder_new();
    add(builder, 0x1000, 0x10, "f", SYMBOL_GLOBAL);
    assert_true(add_slot(builder, UINT64_MAX, "last"));
    assert_true(add_slot(builder, 0x3008, "puts"));
    assert_true(add_slot(builder, 0x1000, "in code"));
    assert_true(add_slot(builder, 0x3008, "fputs")); // the first one counts
    assert_true(add_slot(builder, 0, "malloc"));
    assert_false(add_slot(builder, 0x3010, ""));
    struct symtab *symtab = symtab_builder_finish(builder);
    assert_int_equal(symtab_count(symtab), 1);
    assert_found(symtab, 0x1000, "f");
    assert_found(symtab, 0x3008, NULL);
    assert_slot(symtab, 0, "malloc");
    assert_slot(symtab, 0x1000, "in code");
    assert_slot(symtab, 0x3008, "puts");
    assert_slot(symtab, UINT64_MAX, "last");
    assert_null(symtab_find_slot(symtab, 1));
    assert_null(symtab_find_slot(symtab, 0x3007));
    assert_null(symtab_find_slot(symtab, 0x3009));
    const struct symtab_slot *slots;
    assert_int_equal(symtab_slots(symtab, &slots), 4);
    assert_int_equal(slots[2].addr, 0x3008);
    symtab_free(symtab);

    symtab = symtab_builder_finish(symtab_builder_new());
    assert_null(symtab_find_slot(symtab, 0));
    assert_int_equal(symtab_slots(symtab, &slots), 0);
    symtab_free(symtab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_table_knows_nothing),
        cmocka_unit_test(test_a_gap_belongs_to_nobody),
        cmocka_unit_test(test_a_sizeless_symbol_ends_at_the_next_one_or_at_a_wall),
        cmocka_unit_test(test_the_expected_alias_wins),
        cmocka_unit_test(test_the_innermost_covers),
        cmocka_unit_test(test_nesting_beyond_the_bound_is_given_up),
        cmocka_unit_test(test_hostile_sizes),
        cmocka_unit_test(test_leaves_out_marks_and_cuts_long_names),
        cmocka_unit_test(test_modules_are_named),
        cmocka_unit_test(test_segments_translate_both_ways),
        cmocka_unit_test(test_agrees_with_a_slow_search),
        cmocka_unit_test(test_slots_are_no_symbols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
