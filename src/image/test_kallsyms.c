#include "image/kallsyms.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_found(const struct symtab *symtab, uint64_t addr, const char *name,
                         const char *module)
{
    const struct symbol *symbol = symtab_find(symtab, addr);
    if (name == NULL) {
        assert_null(symbol);
        return;
    }
    assert_non_null(symbol);
    assert_string_equal(symbol->name, name);
    assert_string_equal(symbol->module == NULL ? "" : symbol->module, module);
}

static void test_functions_last_until_the_next_one(void **state)
{
    (void)state;
    const char *text = "0000000000000000 A fixed_percpu_data\n"
                       "ffffffff81000000 T _stext\n"
                       "ffffffff81000100 t do_one\n"
                       "ffffffff81000200 W weak_one\n"
                       "ffffffff81000200 T strong_one\n"
                       "ffffffff81000280 d some_data\n"
                       "ffffffff81000300 T _etext\n"
                       "ffffffff82000000 D jiffies\n"
                       "ffffffffc0a41000 t nft_do_chain\t[nf_tables]\n"
                       "ffffffffc0a41100 t bpf_prog_6deef7357e7b4530\t[bpf]\n"
                       "ffffffff81000010 T inner"; // unsorted, and no newline
    struct symtab *symtab = NULL;
    assert_int_equal(kallsyms_parse(slice_of_text(text), &symtab), KALLSYMS_OK);
    assert_found(symtab, 0xffffffff80ffffff, NULL, NULL);
    assert_found(symtab, 0xffffffff8100000f, "_stext", "");
    assert_found(symtab, 0xffffffff81000010, "inner", "");
    assert_found(symtab, 0xffffffff810001ff, "do_one", "");
    assert_found(symtab, 0xffffffff810002ff, "strong_one", "");
    assert_found(symtab, 0xffffffff81000300, NULL, NULL);
    assert_found(symtab, 0xffffffff82000000, NULL, NULL);
    assert_found(symtab, 0xffffffffc0a410ff, "nft_do_chain", "nf_tables");
    assert_found(symtab, 0xffffffffc0a41100, "bpf_prog_6deef7357e7b4530", "bpf");
    uint64_t addr = 0;
    assert_true(symtab_addr_of_off(symtab, 0xffffffff81000000, &addr));
    assert_int_equal(addr, 0xffffffff81000000);
    symtab_free(symtab);
}

static void test_zeros_are_hidden_addresses(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "\n\n", "0000000000000000 T _stext\n0000000000000000 t do_one\n",
        "ffffffff82000000 D jiffies\n", // no code
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct symtab *symtab = NULL;
        assert_int_equal(kallsyms_parse(slice_of_text(texts[i]), &symtab), KALLSYMS_E_HIDDEN);
        assert_null(symtab);
    }
}

static void test_skips_lines_without_sense(void **state)
{
    (void)state;
    const char *text = "ffffffff81000000\n"
                       "ffffffff81000000 T\n"
                       "ffffffff81000000 T \n"
                       "fffffffff81000000 T too_long_an_address\n"
                       "ffffffxf81000000 T not_hex\n"
                       " T no_address\n"
                       "ffffffff81000000 TT two_letters\n"
                       "ffffffff81000001 T broken_module [\n"
                       "ffffffff81000002 T empty_module []\n"
                       "FFFFFFFF81000003 t fine\t[x]\n";
    struct symtab *symtab = NULL;
    assert_int_equal(kallsyms_parse(slice_of_text(text), &symtab), KALLSYMS_OK);
    assert_int_equal(symtab_count(symtab), 3);
    assert_found(symtab, 0xffffffff81000001, "broken_module", "");
    assert_found(symtab, 0xffffffff81000002, "empty_module", "");
    assert_found(symtab, 0xffffffff81000003, "fine", "x");
    symtab_free(symtab);
}

static void test_reads_this_kernel(void **state)
{
    (void)state;
    struct symtab *symtab = NULL;
    struct err err = {0};
    int r = kallsyms_read(&symtab, &err);
    if (r == -ENOENT || r == -EACCES || r == KALLSYMS_E_HIDDEN) {
        print_message("kernel symbols are not readable here\n");
        skip();
    }
    assert_int_equal(r, KALLSYMS_OK);
    assert_true(symtab_count(symtab) > 1000);
    bool seen = false;
    for (size_t i = 0; i < symtab_count(symtab) && !seen; i++) {
        seen = strcmp(symtab_at(symtab, i)->name, "schedule") == 0;
    }
    assert_true(seen);
    symtab_free(symtab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_last_until_the_next_one),
        cmocka_unit_test(test_zeros_are_hidden_addresses),
        cmocka_unit_test(test_skips_lines_without_sense),
        cmocka_unit_test(test_reads_this_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
