#include "image/line_program.h"

#include "base/limits.h"
#include "base/text.h"

#include <dwarf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// ---- Writing line tables -----------------------------------------------------------------------

static void put_number(struct text *to, uint64_t value, size_t n)
{
    text_add_bytes(to, &value, n); // little-endian, as the hosts are
}

static void put_byte(struct text *to, unsigned value)
{
    text_add_char(to, (char)value);
}

// Opcodes from 10 on: a row, 0 … 3 lines and 0 … bytes on.
enum { LINE_RANGE = 4, OPCODE_BASE = 10 };

static void put_header(struct text *to, bool at_version_4)
{
    static const uint8_t operands[OPCODE_BASE - 1] = {0, 1, 1, 1, 1, 0, 0, 0, 1};
    put_byte(to, 1); // bytes of an instruction
    if (at_version_4) {
        put_byte(to, 1);
    }
    put_byte(to, 1); // statements
    put_byte(to, 0); // line base
    put_byte(to, LINE_RANGE);
    put_byte(to, OPCODE_BASE);
    text_add_bytes(to, operands, sizeof operands);
}

// Version 4, with the files a.c (where the compiler ran) and include/b.h.
static void put_unit(struct text *to, const struct text *program, bool is_64)
{
    CLEANUP(text_fini) struct text header = {0};
    put_header(&header, true);
    text_add_bytes(&header, "include\0", 9);
    text_add_bytes(&header, "a.c\0\0\0\0", 7);
    text_add_bytes(&header, "b.h\0\1\0\0", 7);
    put_byte(&header, 0);
    size_t offset = is_64 ? 8 : 4;
    if (is_64) {
        put_number(to, UINT32_MAX, 4);
    }
    put_number(to, 2 + offset + header.n + program->n, offset);
    put_number(to, 4, 2);
    put_number(to, header.n, offset);
    text_add_bytes(to, header.at, header.n);
    text_add_bytes(to, program->at, program->n);
}

static void put_address(struct text *to, uint64_t addr)
{
    put_byte(to, 0);
    put_byte(to, 9);
    put_byte(to, DW_LNE_set_address);
    put_number(to, addr, 8);
}

static void put_row(struct text *to, unsigned lines, unsigned bytes)
{
    put_byte(to, OPCODE_BASE + lines + bytes * LINE_RANGE);
}

static void put_end(struct text *to, unsigned bytes)
{
    put_byte(to, DW_LNS_advance_pc);
    put_byte(to, bytes);
    put_byte(to, 0);
    put_byte(to, 1);
    put_byte(to, DW_LNE_end_sequence);
}

// Two rows of 4 bytes each from `addr` on, of the lines 1 and 2.
static void put_sequence(struct text *to, uint64_t addr)
{
    put_address(to, addr);
    put_row(to, 0, 0);
    put_row(to, 1, 4);
    put_end(to, 4);
}

static struct line_sections sections_of(const struct text *bytes)
{
    return (struct line_sections){
        .line = {.data = (const uint8_t *)bytes->at, .n = bytes->n},
    };
}

// Of a whole unit with this program.
static struct line_table run(const struct text *program, bool is_64)
{
    CLEANUP(text_fini) struct text unit = {0};
    put_unit(&unit, program, is_64);
    struct line_sections sections = sections_of(&unit);
    struct line_program parsed;
    uint64_t budget = 1 << 20;
    assert_true(line_program_parse(&sections, 0, &budget, &parsed));
    assert_int_equal(parsed.version, 4);
    assert_int_equal(parsed.files.n, 2);
    struct line_table table;
    line_program_run(&parsed, &budget, &table);
    assert_true(budget < (1 << 20) - program->n);
    line_program_fini(&parsed);
    return table;
}

static uint32_t line_at(const struct line_table *table, uint64_t addr)
{
    const struct line_sequence *sequence = line_table_sequence(table, addr);
    if (sequence == NULL || addr < sequence->start) {
        return 0;
    }
    return table->steps.at[line_table_row(table, sequence, addr)].line;
}

// ---- Tests -------------------------------------------------------------------------------------

static void test_a_sequence(void **state)
{
    (void)state;
    for (int is_64 = 0; is_64 < 2; is_64++) {
        CLEANUP(text_fini) struct text program = {0};
        put_sequence(&program, 0x1000);
        struct line_table table = run(&program, is_64 != 0);
        assert_false(table.cut);
        assert_int_equal(table.sequences.n, 1);
        static const uint32_t expected[] = {0, 1, 1, 1, 1, 2, 2, 2, 2, 0};
        for (uint64_t i = 0; i < ARRAY_LEN(expected); i++) {
            assert_int_equal(line_at(&table, 0xfff + i), expected[i]);
        }
        line_table_fini(&table);
    }
}

static void test_what_overlaps(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text program = {0};
    put_sequence(&program, 0x1008);
    put_sequence(&program, 0x1000); // before it
    put_sequence(&program, 0x1006); // the end of that one, and the beginning of the first
    put_sequence(&program, 0x1000); // once more
    struct line_table table = run(&program, false);
    assert_int_equal(table.sequences.n, 3);
    assert_int_equal(line_at(&table, 0x1007), 2); // of the one that begins first
    assert_int_equal(line_at(&table, 0x1008), 1);
    assert_int_equal(line_at(&table, 0x100d), 2);
    assert_int_equal(line_at(&table, 0x1010), 0);
    line_table_fini(&table);
}

static void test_what_is_left_out(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text program = {0};
    put_sequence(&program, 0); // of a function that the linker left out
    struct line_table table = run(&program, false);
    assert_int_equal(table.sequences.n, 0);
    assert_false(table.cut);
    line_table_fini(&table);

    put_address(&program, 0x2000); // backward
    put_row(&program, 0, 0);
    put_address(&program, 0x1000);
    put_row(&program, 0, 0);
    put_end(&program, 4);
    put_sequence(&program, 0x3000);
    put_row(&program, 0, 0); // without an end
    table = run(&program, false);
    assert_int_equal(table.sequences.n, 1);
    assert_int_equal(table.sequences.at[0].start, 0x3000);
    assert_true(table.cut);
    line_table_fini(&table);
}

static void test_the_end_of_addresses(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text program = {0};
    put_sequence(&program, UINT64_MAX - 8); // ends at the last one
    put_sequence(&program, UINT64_MAX - 3); // wraps
    struct line_table table = run(&program, false);
    assert_int_equal(table.sequences.n, 1);
    assert_int_equal(line_at(&table, UINT64_MAX - 1), 2);
    assert_int_equal(line_at(&table, UINT64_MAX), 0);
    line_table_fini(&table);
}

static void test_budget(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text program = {0};
    CLEANUP(text_fini) struct text unit = {0};
    put_sequence(&program, 0x1000);
    put_sequence(&program, 0x2000);
    put_unit(&unit, &program, false);
    struct line_sections sections = sections_of(&unit);
    struct line_program parsed;
    uint64_t budget = 0;
    assert_false(line_program_parse(&sections, 0, &budget, &parsed));
    budget = unit.n;
    assert_true(line_program_parse(&sections, 0, &budget, &parsed));
    assert_int_equal(budget, program.n + 4); // the length is not counted
    budget = program.n - 1;
    struct line_table table;
    line_program_run(&parsed, &budget, &table);
    assert_int_equal(budget, 0);
    assert_int_equal(table.sequences.n, 2); // the last operation was begun
    line_table_fini(&table);
    budget = program.n / 2;
    line_program_run(&parsed, &budget, &table);
    assert_int_equal(table.sequences.n, 1);
    assert_true(table.cut);
    line_table_fini(&table);
    line_program_fini(&parsed);
}

// Every shorter one is refused, or gives less; no byte behind the end is looked at.
static void test_cut_off(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text program = {0};
    CLEANUP(text_fini) struct text unit = {0};
    put_sequence(&program, 0x1000);
    put_unit(&unit, &program, false);
    for (size_t n = 0; n < unit.n; n++) {
        CLEANUP(freep) char *bytes = alloc_text(unit.at, n);
        struct line_sections sections = {.line = {.data = (const uint8_t *)bytes, .n = n}};
        struct line_program parsed;
        uint64_t budget = 1 << 20;
        assert_false(line_program_parse(&sections, 0, &budget, &parsed));
        assert_false(line_program_parse(&sections, UINT64_MAX, &budget, &parsed));
    }
}

// DWARF 5: lists that say how their entries look. Entries of no bytes would cost nothing.
static void put_unit_5(struct text *to, const struct text *lists)
{
    CLEANUP(text_fini) struct text header = {0};
    put_header(&header, true);
    text_add_bytes(&header, lists->at, lists->n);
    put_number(to, 2 + 2 + 4 + header.n, 4);
    put_number(to, 5, 2);
    put_byte(to, 8);
    put_byte(to, 0);
    put_number(to, header.n, 4);
    text_add_bytes(to, header.at, header.n);
}

static bool parse_5(const void *lists, size_t n, struct line_program *ret)
{
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(text_fini) struct text unit = {0};
    text_add_bytes(&text, lists, n);
    put_unit_5(&unit, &text);
    struct line_sections sections = sections_of(&unit);
    uint64_t budget = 1 << 20;
    return line_program_parse(&sections, 0, &budget, ret);
}

static void test_lists_of_version_5(void **state)
{
    (void)state;
    struct line_program parsed;
    static const uint8_t plain[] = {1,
                                    DW_LNCT_path,
                                    DW_FORM_string,
                                    1,
                                    '/',
                                    's',
                                    0, // directories
                                    2,
                                    DW_LNCT_path,
                                    DW_FORM_string,
                                    DW_LNCT_directory_index,
                                    DW_FORM_data1,
                                    2,
                                    'a',
                                    0,
                                    0,
                                    'b',
                                    0,
                                    0};
    assert_true(parse_5(plain, sizeof plain, &parsed));
    assert_int_equal(parsed.directories.n, 1);
    assert_int_equal(parsed.files.n, 2);
    line_program_fini(&parsed);
    static const uint8_t no_bytes[] = {0, 0xff, 0xff, 0xff, 0x7f, 0, 0};
    assert_false(parse_5(no_bytes, sizeof no_bytes, &parsed));
    static const uint8_t flags[] = {1, DW_LNCT_path, DW_FORM_flag_present, 0xff, 0xff, 3, 0, 0};
    assert_false(parse_5(flags, sizeof flags, &parsed));
    static const uint8_t too_many[] = {1, DW_LNCT_path, DW_FORM_string, 0xff, 0xff, 0xff, 0x7f, 0};
    assert_false(parse_5(too_many, sizeof too_many, &parsed));
    assert_int_equal(parsed.files.n, 0);
    static const uint8_t elsewhere[] = {1, DW_LNCT_path, DW_FORM_line_strp, 1, 9, 9, 9, 9, 0, 0};
    assert_true(parse_5(elsewhere, sizeof elsewhere, &parsed));
    assert_int_equal(parsed.directories.at[0].n, 0); // there is no such section
    line_program_fini(&parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sequence),
        cmocka_unit_test(test_what_overlaps),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_the_end_of_addresses),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_lists_of_version_5),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
