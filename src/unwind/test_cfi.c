#include "base/limits.h"
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

// ---- Each instruction --------------------------------------------------------------------------

// A function of 0x100 bytes at CODE_ADDR with this program.
static struct cfi_table *table_of(struct frames *f, const uint8_t *program, size_t n,
                                  struct cfi_facts *facts)
{
    frames_cie(f, "zR", 0x1b, USUAL);
    frames_fde(f, CODE_ADDR, 0x100, program, n);
    return frames_table(f, facts);
}

struct example {
    const char *what;
    uint8_t program[24];
    uint8_t n;
    unsigned into; // where to look
    unsigned slot; // CFI_SLOTS: the CFA
    struct cfi_place place;
};

enum { CFA = CFI_SLOTS, RBX = 3, R12 = 4, R15 = 7 };

#define BYTES(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static const struct example examples[] = {
    {"nop", BYTES(0, 0, 0), 0, CFA, {CFI_IN_REGISTER, 7, 8}},
    {"advance_loc1", BYTES(0x02, 0x80, 0x0e, 24), 0x80, CFA, {CFI_IN_REGISTER, 7, 24}},
    {"advance_loc1, before", BYTES(0x02, 0x80, 0x0e, 24), 0x7f, CFA, {CFI_IN_REGISTER, 7, 8}},
    {"advance_loc2", BYTES(0x03, 0x80, 0, 0x0e, 24), 0x80, CFA, {CFI_IN_REGISTER, 7, 24}},
    {"advance_loc4", BYTES(0x04, 0x80, 0, 0, 0, 0x0e, 24), 0x80, CFA, {CFI_IN_REGISTER, 7, 24}},
    {"MIPS_advance_loc8",
     BYTES(0x1d, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x0e, 24),
     0x80,
     CFA,
     {CFI_IN_REGISTER, 7, 24}},
    {"offset", BYTES(OFFSET(3, 2)), 0, RBX, {CFI_AT_CFA, 0, -16}},
    {"offset_extended", BYTES(0x05, 15, 3), 0, R15, {CFI_AT_CFA, 0, -24}},
    {"restore", BYTES(OFFSET(3, 2), RESTORE(3)), 0, RBX, {CFI_SAME, 0, 0}},
    {"restore of the return address",
     BYTES(0x07, 16, RESTORE(16)),
     0,
     CFI_SLOT_RA,
     {CFI_AT_CFA, 0, -8}},
    {"restore_extended", BYTES(OFFSET(3, 2), 0x06, 3), 0, RBX, {CFI_SAME, 0, 0}},
    {"undefined", BYTES(0x07, 3), 0, RBX, {CFI_UNDEFINED, 0, 0}},
    {"undefined return address", BYTES(0x07, 16), 0, CFI_SLOT_RA, {CFI_UNDEFINED, 0, 0}},
    {"same_value", BYTES(OFFSET(3, 2), 0x08, 3), 0, RBX, {CFI_SAME, 0, 0}},
    {"register", BYTES(0x09, 3, 12), 0, RBX, {CFI_IN_REGISTER, 12, 0}},
    {"register of another kind",
     BYTES(0x09, 3, 0x91, 0x01),
     0,
     RBX,
     {CFI_IN_REGISTER, CFI_REG_OTHER, 0}},
    {"remember_state, restore_state",
     BYTES(0x0a, 0x0c, 6, 40, OFFSET(3, 2), ADVANCE(1), 0x0b),
     1,
     CFA,
     {CFI_IN_REGISTER, 7, 8}},
    {"restore_state, a register", BYTES(0x0a, OFFSET(3, 2), ADVANCE(1), 0x0b), 1, RBX, {0}},
    {"def_cfa", BYTES(0x0c, 6, 0x90, 0x01), 0, CFA, {CFI_IN_REGISTER, 6, 144}},
    {"def_cfa_register", BYTES(0x0d, 6), 0, CFA, {CFI_IN_REGISTER, 6, 8}},
    {"def_cfa_offset", BYTES(0x0e, 0x90, 0x01), 0, CFA, {CFI_IN_REGISTER, 7, 144}},
    {"def_cfa_expression: rbp - 8", BYTES(0x0f, 2, 0x76, 0x78), 0, CFA, {CFI_IN_REGISTER, 6, -8}},
    {"def_cfa_expression: [rbp - 8]",
     BYTES(0x0f, 3, 0x76, 0x78, 0x06),
     0,
     CFA,
     {CFI_AT_REGISTER, 6, -8}},
    {"def_cfa_expression: [rbp - 8] + 16",
     BYTES(0x0f, 5, 0x76, 0x78, 0x06, 0x23, 16),
     0,
     CFA,
     {CFI_AT_REGISTER, 6, -8}},
    {"def_cfa_expression: [rbp - 8] + lit 16",
     BYTES(0x0f, 5, 0x76, 0x78, 0x06, 0x40, 0x22),
     0,
     CFA,
     {CFI_AT_REGISTER, 6, -8}},
    {"def_cfa_expression: 16 + [rbp - 8]",
     BYTES(0x0f, 5, 0x40, 0x76, 0x78, 0x06, 0x22),
     0,
     CFA,
     {CFI_AT_REGISTER, 6, -8}},
    {"def_cfa_register after an expression",
     BYTES(0x0f, 3, 0x76, 0x78, 0x06, 0x0d, 7),
     0,
     CFA,
     {CFI_IN_REGISTER, 7, 8}},
    {"def_cfa_offset after an expression",
     BYTES(0x0f, 3, 0x76, 0x78, 0x06, 0x0e, 24, 0x0d, 7),
     0,
     CFA,
     {CFI_IN_REGISTER, 7, 24}},
    {"def_cfa_expression: a loop",
     BYTES(0x0f, 4, 0x30, 0x2f, 0xfd, 0xff),
     0,
     CFA,
     {CFI_IS_EXPRESSION, 0, 0}},
    {"expression: at rsp + 16", BYTES(0x10, 3, 2, 0x77, 16), 0, RBX, {CFI_AT_REGISTER, 7, 16}},
    {"expression: at CFA - 16", BYTES(0x10, 3, 2, 0x40, 0x1c), 0, RBX, {CFI_AT_CFA, 0, -16}},
    {"expression: the CFA dropped",
     BYTES(0x10, 3, 3, 0x13, 0x77, 16),
     0,
     RBX,
     {CFI_AT_REGISTER, 7, 16}},
    {"expression: at [rsp]", BYTES(0x10, 3, 3, 0x77, 0, 0x06), 0, RBX, {CFI_AT_EXPRESSION, 0, 0}},
    {"expression: at (CFA - 8) & 240",
     BYTES(0x10, 3, 5, 0x38, 0x1c, 0x08, 0xf0, 0x1a),
     0,
     RBX,
     {CFI_AT_EXPRESSION, 0, 0}},
    {"offset_extended_sf", BYTES(0x11, 3, 0x7e), 0, RBX, {CFI_AT_CFA, 0, 16}},
    {"def_cfa_sf", BYTES(0x12, 6, 0x7e), 0, CFA, {CFI_IN_REGISTER, 6, 16}},
    {"def_cfa_offset_sf", BYTES(0x13, 0x7e), 0, CFA, {CFI_IN_REGISTER, 7, 16}},
    {"val_offset", BYTES(0x14, 3, 2), 0, RBX, {CFI_IS_CFA, 0, -16}},
    {"val_offset_sf", BYTES(0x15, 3, 0x7e), 0, RBX, {CFI_IS_CFA, 0, 16}},
    {"val_expression: rsp + 16", BYTES(0x16, 3, 2, 0x77, 16), 0, RBX, {CFI_IN_REGISTER, 7, 16}},
    {"val_expression: [rsp + 16]",
     BYTES(0x16, 3, 3, 0x77, 16, 0x06),
     0,
     RBX,
     {CFI_AT_REGISTER, 7, 16}},
    {"val_expression: CFA + 16", BYTES(0x16, 3, 2, 0x23, 16), 0, RBX, {CFI_IS_CFA, 0, 16}},
    {"val_expression: [CFA - 16]",
     BYTES(0x16, 3, 3, 0x40, 0x1c, 0x06),
     0,
     RBX,
     {CFI_AT_CFA, 0, -16}},
    {"val_expression: 8 - CFA",
     BYTES(0x16, 3, 3, 0x38, 0x16, 0x1c),
     0,
     RBX,
     {CFI_IS_EXPRESSION, 0, 0}},
    {"GNU_args_size", BYTES(0x2e, 0x90, 0x01, 0x0e, 24), 0, CFA, {CFI_IN_REGISTER, 7, 24}},
    {"GNU_negative_offset_extended", BYTES(0x2f, 3, 2), 0, RBX, {CFI_AT_CFA, 0, 16}},
    {"a register that nobody asks for", BYTES(OFFSET(0, 2), 0x05, 0x80, 0x01, 3), 0, RBX, {0}},
};

static void test_each_instruction(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        const struct example *example = &examples[i];
        struct frames f = {0};
        struct cfi_facts facts;
        struct cfi_table *table = table_of(&f, example->program, example->n, &facts);
        const struct cfi_rule *rule = cfi_table_find(table, CODE_OFF + example->into);
        const struct cfi_place *place = rule == NULL           ? NULL
                                        : example->slot == CFA ? &rule->cfa
                                                               : &rule->saved[example->slot];
        if (facts.n_bad != 0 || place == NULL || place->how != example->place.how ||
            place->reg != example->place.reg || place->off != example->place.off) {
            fail_msg("%s: bad %ju, how %d reg %d off %d", example->what, (uintmax_t)facts.n_bad,
                     place ? place->how : -1, place ? place->reg : -1, place ? place->off : -1);
        }
        cfi_table_free(table);
        frames_fini(&f);
    }
}

static void test_what_is_added_to_a_loaded_cfa(void **state)
{
    (void)state;
    struct frames f = {0};
    struct cfi_table *table = table_of(
        &f, PROGRAM(0x0f, 5, 0x76, 0x78, 0x06, 0x23, 16, ADVANCE(1), 0x0c, 7, 8), NULL);
    assert_int_equal(rule_at(table, 0)->cfa_add, 16);
    assert_int_equal(rule_at(table, 1)->cfa_add, 0);
    cfi_table_free(table);
    frames_fini(&f);
}

static void test_set_loc(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x00, USUAL); // 8 bytes, absolute
    uint8_t program[11] = {0x01};
    uint64_t to_addr = CODE_ADDR + 0x20;
    memcpy(program + 1, &to_addr, sizeof to_addr);
    program[9] = 0x0e;
    program[10] = 16;
    frames_fde(&f, CODE_ADDR, 0x100, program, sizeof program);
    to_addr = CODE_ADDR - 1; // never backwards
    memcpy(program + 1, &to_addr, sizeof to_addr);
    frames_fde(&f, CODE_ADDR + 0x200, 0x100, program, sizeof program);
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_bad, 1);
    assert_cfa(table, 0x1f, 7, 8);
    assert_cfa(table, 0x20, 7, 16);
    assert_none(table, 0x200);
    cfi_table_free(table);
    frames_fini(&f);
}

static void test_expressions_are_kept_once(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    for (unsigned i = 0; i < 3; i++) {
        // As of each PLT.
        frames_fde(&f, CODE_ADDR + 0x100 * i, 0x40,
                   PROGRAM(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22));
    }
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_expressions, 1);
    const struct cfi_rule *rule = rule_at(table, 0x200);
    assert_int_equal(rule->cfa.how, CFI_IS_EXPRESSION);
    struct slice code = cfi_table_expression(table, rule->cfa.off);
    assert_int_equal(code.n, 11);
    assert_int_equal(code.data[0], 0x77);
    assert_int_equal(cfi_table_expression(table, 1).n, 0);
    assert_int_equal(cfi_table_expression(table, -1).n, 0);
    cfi_table_free(table);
    frames_fini(&f);
}

static void test_aarch64(void **state)
{
    (void)state;
    struct frames f = {.arch = UNWIND_AARCH64, .code_align = 4};
    frames_cie(&f, "zRB", 0x1b, PROGRAM(0x0c, 31, 0));
    // paciasp; stp x29, x30, [sp, -32]!; …
    frames_fde(&f, CODE_ADDR, 0x40,
               PROGRAM(ADVANCE(1), 0x2d, ADVANCE(1), 0x0e, 32, OFFSET(29, 4), OFFSET(30, 3),
                       ADVANCE(4), 0x2c, RESTORE(30), RESTORE(29), 0x0e, 0));
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_bad, 0);
    assert_cfa(table, 0, 31, 0);
    assert_place(rule_at(table, 0)->saved[CFI_SLOT_RA], CFI_IN_REGISTER, 30, 0);
    assert_place(rule_at(table, 0)->saved[13], CFI_SAME, 0, 0);
    assert_cfa(table, 8, 31, 32);
    assert_place(rule_at(table, 8)->saved[CFI_SLOT_RA], CFI_AT_CFA, 0, -24);
    assert_place(rule_at(table, 8)->saved[13], CFI_AT_CFA, 0, -24);
    assert_place(rule_at(table, 8)->saved[CFI_SLOT_FP], CFI_AT_CFA, 0, -32);
    assert_place(rule_at(table, 24)->saved[CFI_SLOT_RA], CFI_IN_REGISTER, 30, 0);
    cfi_table_free(table);
    frames_fini(&f);
}

// ---- Programs that make no sense ---------------------------------------------------------------

static void test_bad_programs(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t program[20];
        uint8_t n;
    } bad[] = {
        {"an unknown instruction", BYTES(0x17)},
        {"another one", BYTES(0x3f)},
        {"a vendor's, of another architecture", BYTES(0x2d)},
        {"restore_state without remember_state", BYTES(0x0b)},
        {"an offset that is cut", BYTES(OFFSET(3, 0x80))},
        {"a number without end",
         BYTES(0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
        {"an offset beyond 32 bits", BYTES(0x0e, 0xff, 0xff, 0xff, 0xff, 0x1f)},
        {"a negative one", BYTES(0x11, 3, 0x80, 0x80, 0x80, 0x80, 0x40)},
        {"a CFA offset beyond", BYTES(0x12, 7, 0x80, 0x80, 0x80, 0x80, 0x40)},
        {"after an expression", BYTES(0x0f, 1, 0x77, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x1f)},
        {"one that overflows 64 bits",
         BYTES(0x11, 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f)},
        {"an expression longer than the program", BYTES(0x0f, 100, 0x77, 8)},
        {"of a register", BYTES(0x10, 3, 100, 0x77, 8)},
        {"longer than anything",
         BYTES(0x16, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)},
        {"advance_loc4 that is cut", BYTES(0x04, 1)},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct frames f = {0};
        struct cfi_facts facts;
        uint8_t program[sizeof bad[i].program + 3] = {ADVANCE(8), 0x0e, 16};
        memcpy(program + 3, bad[i].program, bad[i].n);
        struct cfi_table *table = table_of(&f, program, bad[i].n + 3U, &facts);
        if (facts.n_bad != 1 || facts.n_rows != 0 || cfi_table_find(table, CODE_OFF) != NULL) {
            fail_msg("%s: %ju bad, %ju rows", bad[i].what, (uintmax_t)facts.n_bad,
                     (uintmax_t)facts.n_rows);
        }
        cfi_table_free(table);
        frames_fini(&f);
    }
}

static void test_a_bad_function_hurts_no_other(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(0x0e, 16));
    frames_fde(&f, CODE_ADDR + 0x10, 0x10, PROGRAM(ADVANCE(1), 0x0e, 24, ADVANCE(1), 0x17));
    frames_fde(&f, CODE_ADDR + 0x20, 0x10, PROGRAM(0x0e, 32));
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_bad, 1);
    assert_int_equal(facts.n_fdes, 3);
    assert_cfa(table, 0x0f, 7, 16);
    assert_none(table, 0x10);
    assert_none(table, 0x1f);
    assert_cfa(table, 0x20, 7, 32);
    cfi_table_free(table);
    frames_fini(&f);
}

static void test_states_are_remembered_so_deep(void **state)
{
    (void)state;
    for (size_t depth = 32; depth <= 33; depth++) {
        struct frames f = {0};
        struct cfi_facts facts;
        uint8_t program[33];
        memset(program, 0x0a, sizeof program);
        struct cfi_table *table = table_of(&f, program, depth, &facts);
        assert_int_equal(facts.n_bad, depth == 33);
        cfi_table_free(table);
        frames_fini(&f);
    }
}

// A function's rows end where it ends, however far its program goes.
static void test_advancing_beyond_the_end(void **state)
{
    (void)state;
    static const struct {
        uint64_t code_align;
        uint8_t program[16];
        uint8_t n;
    } far[] = {
        {1, BYTES(0x04, 0xff, 0xff, 0xff, 0xff, 0x0e, 24, 0x17)},
        {UINT64_MAX, BYTES(ADVANCE(0x3f), 0x0e, 24)},
        {1ULL << 63, BYTES(0x02, 2, 0x0e, 24)},
        {1, BYTES(0x1d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0e, 24)},
        {1, BYTES(0x03, 0x00, 0x01, 0x0e, 24)},
    };
    for (size_t i = 0; i < ARRAY_LEN(far); i++) {
        struct frames f = {.code_align = far[i].code_align};
        struct cfi_facts facts;
        struct cfi_table *table = table_of(&f, far[i].program, far[i].n, &facts);
        assert_int_equal(facts.n_bad, 0);
        assert_int_equal(facts.n_rows, 2);
        assert_cfa(table, 0xff, 7, 8);
        assert_none(table, 0x100);
        cfi_table_free(table);
        frames_fini(&f);
    }
}

// Without moving on the last word counts.
static void test_an_alignment_of_zero(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    size_t code_align = 4 + 4 + 1 + 3;
    assert_int_equal(f.bytes.at[code_align], 1);
    f.bytes.at[code_align] = 0;
    frames_fde(&f, CODE_ADDR, 0x100, PROGRAM(ADVANCE(1), 0x0e, 16, ADVANCE(0x3f), 0x0e, 24));
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_rows, 2);
    assert_cfa(table, 0, 7, 24);
    cfi_table_free(table);
    frames_fini(&f);
}

// ---- Common information ------------------------------------------------------------------------

static void test_common_information_that_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *augmentation;
        uint8_t version;
        uint8_t program[4];
        uint8_t n;
        bool bad;
    } cies[] = {
        {"zR", 1, BYTES(0x0c, 7, 8), false},
        {"zR", 3, BYTES(0x0c, 7, 8), false},
        {"zRS", 1, BYTES(0x0c, 7, 8), false},
        {"zR?", 1, BYTES(0x0c, 7, 8), false}, // the length says where the rest ends
        {"zR", 2, BYTES(0x0c, 7, 8), true},   // a version that never was
        {"zR", 4, BYTES(0x0c, 7, 8), true},   // of .debug_frame only
        {"R", 1, BYTES(0x0c, 7, 8), true},    // without a length nothing is known
        {"zR", 1, BYTES(ADVANCE(1)), true},   // there is nowhere to go
        {"zR", 1, BYTES(RESTORE(3)), true},   // to what?
        {"zR", 1, BYTES(0x0d, 7), true},      // half a CFA
        {"zR", 1, BYTES(0x0e, 7), true},      // the other half
        {"zR", 1, BYTES(0x0c, 7), true},      // cut
    };
    for (size_t i = 0; i < ARRAY_LEN(cies); i++) {
        struct frames f = {.version = cies[i].version};
        frames_cie(&f, cies[i].augmentation, 0x1b, cies[i].program, cies[i].n);
        f.sized = cies[i].augmentation[0] == 'z';
        frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(OFFSET(16, 1)));
        struct cfi_facts facts;
        struct cfi_table *table = frames_table(&f, &facts);
        if ((facts.n_bad == 1) != cies[i].bad) {
            fail_msg("%zu: %ju bad", i, (uintmax_t)facts.n_bad);
        }
        if (!cies[i].bad) {
            assert_int_equal(rule_at(table, 0)->signal_frame,
                             strchr(cies[i].augmentation, 'S') != NULL);
        }
        cfi_table_free(table);
        frames_fini(&f);
    }
}

// Personality, LSDA and addresses together, as C++ has them: each moves the next one on.
static void test_a_personality_is_skipped(void **state)
{
    (void)state;
    static const struct {
        uint8_t encoding;
        size_t n_bytes; // from the byte after it
        bool bad;
    } personalities[] = {
        {0x9b, 4, false}, {0x00, 8, false}, {0x03, 4, false}, {0x0a, 2, false},
        {0x50, 0, false}, {0xff, 0, false}, {0x0d, 4, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(personalities); i++) {
        struct frames f = {.encoding = 0x1b, .sized = true};
        frames_begin(&f);
        frames_put_int(&f, 0, 4);
        frames_put(&f, "\1zPLR", 6);
        frames_put(&f, "\x01\x78\x10", 3);
        size_t size_at = f.bytes.n;
        frames_put_int(&f, 0, 1);
        frames_put_int(&f, personalities[i].encoding, 1);
        size_t n_bytes = personalities[i].n_bytes;
        if (personalities[i].encoding == 0x50) { // padded to a multiple of 8
            n_bytes = (-(SECTION_ADDR + f.bytes.n) & 7) + 8;
        }
        for (size_t byte = 0; byte < n_bytes; byte++) {
            frames_put_int(&f, 0xaa, 1);
        }
        frames_put(&f, "\x1b\x1b", 2);
        f.bytes.at[size_at] = (uint8_t)(f.bytes.n - size_at - 1);
        frames_put(&f, "\x0c\x07\x08", 3);
        frames_end(&f);
        frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(OFFSET(16, 1)));
        struct cfi_facts facts;
        struct cfi_table *table = frames_table(&f, &facts);
        assert_int_equal(facts.n_bad, personalities[i].bad);
        assert_true(personalities[i].bad || rule_at(table, 0)->cfa.off == 8);
        cfi_table_free(table);
        frames_fini(&f);
    }
}

static void test_an_old_augmentation(void **state)
{
    (void)state;
    struct frames f = {.encoding = 0};
    frames_begin(&f);
    frames_put_int(&f, 0, 4);
    frames_put(&f, "\1eh", 4);
    frames_put_int(&f, 0xaaaaaaaaaaaaaaaa, 8);
    frames_put(&f, "\x01\x78\x10\x0c\x07\x08", 6);
    frames_end(&f);
    frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(OFFSET(16, 1)));
    struct cfi_table *table = frames_table(&f, NULL);
    assert_cfa(table, 0, 7, 8);
    cfi_table_free(table);
    frames_fini(&f);
}

// ---- Addresses ---------------------------------------------------------------------------------

// The start of a function in each encoding; what it is relative to is at odd places.
static void test_encodings_of_addresses(void **state)
{
    (void)state;
    enum { TEXT_ADDR = CODE_ADDR - 0x100, DATA_ADDR = CODE_ADDR + 0x5000 };
    static const struct {
        uint8_t encoding;
        uint8_t n_bytes; // 0: of variable length
        bool bad;
    } encodings[] = {
        {0x00, 8, false}, {0x04, 8, false}, {0x0c, 8, false}, {0x03, 4, false}, {0x0b, 4, false},
        {0x01, 0, false}, {0x09, 0, false}, {0x1b, 4, false}, {0x10, 8, false}, {0x1c, 8, false},
        {0x2b, 4, false}, {0x22, 2, false}, {0x2a, 2, false}, {0x3b, 4, false}, {0x3a, 2, false},
        {0x9b, 4, true},  {0x80, 8, true},  {0x4b, 4, true},  {0x50, 8, true},  {0x0f, 4, true},
        {0xff, 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        struct frames f = {0};
        uint8_t encoding = encodings[i].encoding;
        frames_cie(&f, "zR", encoding, USUAL);
        frames_begin(&f);
        frames_put_int(&f, f.bytes.n, 4);
        uint64_t bases[] = {0, SECTION_ADDR + f.bytes.n, TEXT_ADDR, DATA_ADDR, 0, 0, 0, 0};
        uint64_t start = CODE_ADDR + 0x40 - bases[encoding >> 4 & 7];
        if (encodings[i].n_bytes != 0) {
            frames_put_int(&f, start, encodings[i].n_bytes);
            frames_put_int(&f, 0x10, encodings[i].n_bytes);
        } else if (encoding == 0x09) {
            frames_put_sleb(&f, (int64_t)start);
            frames_put_sleb(&f, 0x10);
        } else {
            frames_put_uleb(&f, start);
            frames_put_uleb(&f, 0x10);
        }
        frames_put_uleb(&f, 0);
        frames_end(&f);
        struct cfi_segment segment = {
            .addr = CODE_ADDR, .size_bytes = CODE_BYTES, .file_off = CODE_OFF};
        struct cfi_source source = {
            .sections = {frames_section(&f)},
            .n_sections = 1,
            .text_addr = TEXT_ADDR,
            .data_addr = DATA_ADDR,
            .segments = &segment,
            .n_segments = 1,
        };
        struct cfi_facts facts;
        struct cfi_table *table = cfi_table_build(&source, &facts);
        bool found = cfi_table_find(table, CODE_OFF + 0x40) != NULL &&
                     cfi_table_find(table, CODE_OFF + 0x3f) == NULL &&
                     cfi_table_find(table, CODE_OFF + 0x50) == NULL;
        if ((facts.n_bad == 1) != encodings[i].bad || found == encodings[i].bad) {
            fail_msg("0x%02x: %ju bad, found %d", encoding, (uintmax_t)facts.n_bad, found);
        }
        cfi_table_free(table);
        frames_fini(&f);
    }
}

static void test_functions_outside_of_segments(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1c, USUAL);
    frames_fde(&f, CODE_ADDR - 0x10, 0x20, PROGRAM(0)); // begins before
    frames_fde(&f, CODE_ADDR + CODE_BYTES, 0x20, PROGRAM(0));
    frames_fde(&f, 0, 0x20, PROGRAM(0)); // a linker threw its code away
    frames_fde(&f, UINT64_MAX - 0x10, 0x10, PROGRAM(0));
    frames_fde(&f, CODE_ADDR + CODE_BYTES - 0x10, UINT64_MAX / 2, PROGRAM(0)); // ends behind
    frames_fde(&f, CODE_ADDR + 0x100, 0, PROGRAM(0));                          // is nowhere
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_fdes, 6);
    assert_int_equal(facts.n_bad, 0);
    assert_int_equal(facts.n_rows, 2);
    assert_cfa(table, CODE_BYTES - 0x10, 7, 8);
    assert_cfa(table, CODE_BYTES - 1, 7, 8);
    assert_none(table, CODE_BYTES);
    assert_none(table, 0x100);
    frames_fde(&f, UINT64_MAX - 0x10, 0x20, PROGRAM(0)); // around the end of all addresses
    cfi_table_free(table);
    table = frames_table(&f, &facts);
    assert_int_equal(facts.n_bad, 1);
    cfi_table_free(table);
    frames_fini(&f);
}

// Several segments, in no order; one of them too far away in the file for a row to say.
static void test_segments(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1c, USUAL);
    frames_fde(&f, 0x900000, 0x10, PROGRAM(0x0e, 16));
    frames_fde(&f, 0x100000, 0x10, PROGRAM(0x0e, 24));
    frames_fde(&f, 0x600000, 0x10, PROGRAM(0x0e, 32));
    struct cfi_segment segments[] = {
        {.addr = 0x900000, .size_bytes = 0x1000, .file_off = 0x2000},
        {.addr = 0x100000, .size_bytes = 0x1000, .file_off = 0x3000},
        {.addr = 0x600000, .size_bytes = 0x1000, .file_off = 0x200000000},
        {.addr = 0xa00000, .size_bytes = 0, .file_off = 0x2000},
    };
    struct cfi_source source = {.sections = {frames_section(&f)},
                                .n_sections = 1,
                                .segments = segments,
                                .n_segments = ARRAY_LEN(segments)};
    struct cfi_facts facts;
    struct cfi_table *table = cfi_table_build(&source, &facts);
    assert_int_equal(facts.n_bad, 0);
    assert_int_equal(cfi_table_find(table, 0x2000)->cfa.off, 16);
    assert_int_equal(cfi_table_find(table, 0x300f)->cfa.off, 24);
    assert_null(cfi_table_find(table, 0x3010));
    assert_null(cfi_table_find(table, 0x1fff));
    assert_null(cfi_table_find(table, 0));
    assert_null(cfi_table_find(table, 0x200000000));
    assert_null(cfi_table_find(table, UINT64_MAX));
    cfi_table_free(table);
    source.n_segments = 0;
    table = cfi_table_build(&source, &facts);
    assert_int_equal(facts.n_rows, 0);
    assert_null(cfi_table_find(table, 0x2000));
    cfi_table_free(table);
    frames_fini(&f);
}

// ---- Functions that overlap, gaps, rows --------------------------------------------------------

static void test_the_last_to_start_wins(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    frames_fde(&f, CODE_ADDR + 0x30, 0x10, PROGRAM(0x0e, 40));
    frames_fde(&f, CODE_ADDR + 0x00, 0x40, PROGRAM(0x0e, 16, ADVANCE(0x28), 0x0e, 24));
    frames_fde(&f, CODE_ADDR + 0x20, 0x04, PROGRAM(0x0e, 32));
    frames_fde(&f, CODE_ADDR + 0x20, 0x40, PROGRAM(0x0e, 48)); // not the first that starts there
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_cfa(table, 0x00, 7, 16);
    assert_cfa(table, 0x1f, 7, 16);
    assert_cfa(table, 0x20, 7, 32);
    assert_cfa(table, 0x23, 7, 32);
    assert_none(table, 0x24); // an unwinder that searches by starts finds nothing here either
    assert_none(table, 0x2f);
    assert_cfa(table, 0x30, 7, 40);
    assert_cfa(table, 0x3f, 7, 40);
    assert_none(table, 0x40);
    cfi_table_free(table);
    frames_fini(&f);
}

static void test_rows_in_order(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    frames_fde(&f, CODE_ADDR + 0x40, 0x10, PROGRAM(0x0e, 16));
    frames_fde(&f, CODE_ADDR + 0x20, 0x10, PROGRAM(0)); // as the one before it ends
    frames_fde(&f, CODE_ADDR + 0x10, 0x10, PROGRAM(0x0e, 16, ADVANCE(8), 0x0e, 8));
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    static const struct {
        unsigned into;
        int cfa_off; // 0: a gap
    } expected[] = {{0x10, 16}, {0x18, 8}, {0x30, 0}, {0x40, 16}, {0x50, 0}};
    uint64_t off;
    const struct cfi_rule *rule;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_true(cfi_table_row(table, i, &off, &rule));
        assert_int_equal(off, CODE_OFF + expected[i].into);
        assert_int_equal(rule != NULL ? rule->cfa.off : 0, expected[i].cfa_off);
    }
    assert_false(cfi_table_row(table, ARRAY_LEN(expected), &off, &rule));
    assert_int_equal(facts.n_rows, ARRAY_LEN(expected));
    assert_int_equal(facts.n_rules, 2);
    assert_true(cfi_table_bytes(table) >= 5 * 8 + 2 * sizeof(struct cfi_rule));
    cfi_table_free(table);
    cfi_table_free(NULL);
    frames_fini(&f);
}

// A CFA that was never told: nothing can be found, but that this is the outermost frame.
static void test_without_a_cfa(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, PROGRAM(OFFSET(16, 1)));
    frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(ADVANCE(4), 0x07, 16));
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_bad, 0);
    assert_none(table, 3);
    assert_int_equal(rule_at(table, 4)->saved[CFI_SLOT_RA].how, CFI_UNDEFINED);
    cfi_table_free(table);
    frames_fini(&f);
}

// ---- Sections ----------------------------------------------------------------------------------

static void test_debug_frame(void **state)
{
    (void)state;
    static const uint8_t versions[] = {1, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct frames f = {.is_debug_frame = true, .version = versions[i]};
        frames_put_int(&f, 0, 4); // so that the first entry is not at 0
        frames_cie(&f, "", 0, USUAL);
        frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(0x0e, 16));
        struct cfi_facts facts;
        struct cfi_table *table = frames_table(&f, &facts);
        assert_int_equal(facts.n_bad, 0);
        assert_cfa(table, 0, 7, 16);
        assert_none(table, 0x10);
        if (versions[i] == 4) { // addresses of 4 bytes, and then of 8 with a selector
            size_t at = f.cie_off + 4 + 4 + 1 + 1;
            assert_int_equal(f.bytes.at[at], 8);
            f.bytes.at[at] = 4;
            cfi_table_free(table);
            table = frames_table(&f, &facts);
            assert_int_equal(facts.n_bad, 1);
            f.bytes.at[at] = 8;
            f.bytes.at[at + 1] = 2;
            cfi_table_free(table);
            table = frames_table(&f, &facts);
            assert_int_equal(facts.n_bad, 1);
        }
        cfi_table_free(table);
        frames_fini(&f);
    }
}

// The other form of DWARF, whose lengths have 64 bits.
static void test_long_entries(void **state)
{
    (void)state;
    for (int is_debug_frame = 0; is_debug_frame <= 1; is_debug_frame++) {
        struct frames f = {.is_debug_frame = is_debug_frame != 0};
        size_t id_bytes = f.is_debug_frame ? 8 : 4;
        static const uint8_t cie[] = {1, 0, 1, 0x78, 16, 0x0c, 7, 8, OFFSET(16, 1)};
        frames_put_int(&f, UINT32_MAX, 4);
        frames_put_int(&f, id_bytes + sizeof cie, 8);
        frames_put_int(&f, f.is_debug_frame ? UINT64_MAX : 0, id_bytes);
        frames_put(&f, cie, sizeof cie);
        frames_put_int(&f, UINT32_MAX, 4);
        frames_put_int(&f, id_bytes + 16 + 2, 8);
        frames_put_int(&f, f.is_debug_frame ? 0 : f.bytes.n, id_bytes);
        frames_put_int(&f, CODE_ADDR, 8);
        frames_put_int(&f, 0x10, 8);
        frames_put(&f, "\x0e\x10", 2);
        struct cfi_facts facts;
        struct cfi_table *table = frames_table(&f, &facts);
        assert_int_equal(facts.n_fdes, 1);
        assert_int_equal(facts.n_bad, 0);
        assert_cfa(table, 0, 7, 16);
        cfi_table_free(table);
        frames_fini(&f);
    }
}

static void test_the_first_section_is_believed(void **state)
{
    (void)state;
    struct frames first = {0};
    frames_cie(&first, "zR", 0x1b, USUAL);
    frames_fde(&first, CODE_ADDR + 0x10, 0x10, PROGRAM(0x0e, 16));
    frames_fde(&first, CODE_ADDR + 0x40, 0x10, PROGRAM(0x17)); // bad
    struct frames second = {.is_debug_frame = true};
    frames_cie(&second, "", 0, USUAL);
    frames_fde(&second, CODE_ADDR, 0x30, PROGRAM(0x0e, 24, ADVANCE(0x18), 0x0e, 32));
    frames_fde(&second, CODE_ADDR + 0x40, 0x10, PROGRAM(0x0e, 40));
    struct cfi_segment segment = {
        .addr = CODE_ADDR, .size_bytes = CODE_BYTES, .file_off = CODE_OFF};
    struct cfi_source source = {.sections = {frames_section(&first), frames_section(&second)},
                                .n_sections = 2,
                                .segments = &segment,
                                .n_segments = 1};
    struct cfi_facts facts;
    struct cfi_table *table = cfi_table_build(&source, &facts);
    assert_int_equal(facts.n_fdes, 4);
    assert_int_equal(facts.n_bad, 1);
    assert_cfa(table, 0x0f, 7, 24);
    assert_cfa(table, 0x10, 7, 16);
    assert_cfa(table, 0x1f, 7, 16);
    assert_cfa(table, 0x20, 7, 32);
    assert_cfa(table, 0x2f, 7, 32);
    assert_none(table, 0x30);
    assert_cfa(table, 0x40, 7, 40);
    assert_none(table, 0x50);
    cfi_table_free(table);
    frames_fini(&first);
    frames_fini(&second);
}

// An entry of no length is not the end: linkers leave some in the middle.
static void test_entries_of_no_length(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_put_int(&f, 0, 4);
    frames_cie(&f, "zR", 0x1b, USUAL);
    frames_put_int(&f, 0, 4);
    frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(0));
    frames_put_int(&f, 0, 4);
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    assert_int_equal(facts.n_bad, 0);
    assert_cfa(table, 0, 7, 8);
    cfi_table_free(table);
    frames_fini(&f);
}

// What an FDE says its CIE is, is none.
static void test_pointers_to_no_cie(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(0));
    size_t pointer_at = f.entry_off + 4;
    static const int32_t wrong[] = {4,      // itself
                                    1,      // the middle of itself
                                    -8,     // what comes next
                                    -4096,  // behind the section
                                    100000, // before it
                                    INT32_MIN};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        memcpy(f.bytes.at + pointer_at, &wrong[i], sizeof wrong[i]);
        struct cfi_facts facts;
        struct cfi_table *table = frames_table(&f, &facts);
        assert_int_equal(facts.n_fdes, 1);
        assert_int_equal(facts.n_bad, 1);
        assert_none(table, 0);
        cfi_table_free(table);
    }
    frames_fini(&f);
}

// An entry that is longer than the section ends the reading, and what came before counts.
static void test_a_chain_that_is_broken(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0x1000, 0xfffffff0, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct frames f = {0};
        frames_cie(&f, "zR", 0x1b, USUAL);
        frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(0));
        frames_put_int(&f, lengths[i], 4);
        frames_put_int(&f, UINT64_MAX, 8);
        struct cfi_facts facts;
        struct cfi_table *table = frames_table(&f, &facts);
        assert_int_equal(facts.n_fdes, 1);
        assert_int_equal(facts.n_bad, 1);
        assert_cfa(table, 0, 7, 8);
        cfi_table_free(table);
        frames_fini(&f);
    }
}

// Cut after each byte; with the lengths as they were, and with lengths that fit.
static void test_cut_anywhere(void **state)
{
    (void)state;
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    frames_fde(&f, CODE_ADDR, 0x40,
               PROGRAM(ADVANCE(1), 0x0e, 16, 0x0f, 3, 0x77, 8, 0x06, 0x10, 3, 2, 0x77, 0, 0x0a,
                       0x04, 1, 0, 0, 0, 0x0b));
    size_t whole = f.bytes.n;
    for (size_t n = 0; n < whole; n++) {
        // A copy of its own, so that reading past its end is seen.
        struct frames cut = {0};
        frames_put(&cut, f.bytes.at, n);
        struct cfi_facts facts;
        struct cfi_table *table = frames_table(&cut, &facts);
        assert_int_equal(facts.n_rows, 0);
        cfi_table_free(table);
        if (n > f.entry_off + 4) {
            cut.entry_off = f.entry_off;
            frames_end(&cut);
            table = frames_table(&cut, &facts);
            assert_true(facts.n_rows <= 4);
            cfi_table_free(table);
        }
        frames_fini(&cut);
    }
    frames_fini(&f);
}

static void test_too_many_rules(void **state)
{
    (void)state;
    enum { N = LIMIT_CFI_RULES + 10 };
    struct frames f = {0};
    frames_cie(&f, "zR", 0x1b, USUAL);
    VEC(uint8_t) program = {0};
    for (uint32_t i = 0; i < N; i++) {
        const uint8_t row[] = {0x0e, (uint8_t)(i | 0x80), (uint8_t)(i >> 7 | 0x80),
                               (uint8_t)(i >> 14), ADVANCE(1)};
        for (size_t j = 0; j < sizeof row; j++) {
            vec_push(&program, row[j]);
        }
    }
    frames_fde(&f, CODE_ADDR, 0x10, PROGRAM(0x0c, 6, 8));
    frames_fde(&f, CODE_ADDR + 0x1000, N + 1, program.at, program.n);
    frames_fde(&f, CODE_ADDR + 0x20, 0x10, PROGRAM(0x0c, 12, 8));
    struct cfi_segment segment = {
        .addr = CODE_ADDR, .size_bytes = 0x1000 + 2 * N, .file_off = CODE_OFF};
    struct cfi_source source = {
        .sections = {frames_section(&f)}, .n_sections = 1, .segments = &segment, .n_segments = 1};
    struct cfi_facts facts;
    struct cfi_table *table = cfi_table_build(&source, &facts);
    assert_true(facts.full);
    assert_int_equal(facts.n_bad, 0);
    assert_int_equal(facts.n_fdes, 3);
    assert_int_equal(facts.n_rules, LIMIT_CFI_RULES);
    assert_cfa(table, 0, 6, 8);
    assert_none(table, 0x1000); // not half a function
    assert_none(table, 0x20);
    cfi_table_free(table);
    vec_fini(&program);
    frames_fini(&f);
}

static void test_an_empty_section(void **state)
{
    (void)state;
    struct frames f = {0};
    struct cfi_facts facts;
    struct cfi_table *table = frames_table(&f, &facts);
    uint64_t off;
    const struct cfi_rule *rule;
    assert_none(table, 0);
    assert_false(cfi_table_row(table, 0, &off, &rule));
    assert_true(cfi_table_bytes(table) > 0);
    cfi_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_usual_function),
        cmocka_unit_test(test_each_instruction),
        cmocka_unit_test(test_what_is_added_to_a_loaded_cfa),
        cmocka_unit_test(test_set_loc),
        cmocka_unit_test(test_expressions_are_kept_once),
        cmocka_unit_test(test_aarch64),
        cmocka_unit_test(test_bad_programs),
        cmocka_unit_test(test_a_bad_function_hurts_no_other),
        cmocka_unit_test(test_states_are_remembered_so_deep),
        cmocka_unit_test(test_advancing_beyond_the_end),
        cmocka_unit_test(test_an_alignment_of_zero),
        cmocka_unit_test(test_common_information_that_is_refused),
        cmocka_unit_test(test_a_personality_is_skipped),
        cmocka_unit_test(test_an_old_augmentation),
        cmocka_unit_test(test_encodings_of_addresses),
        cmocka_unit_test(test_functions_outside_of_segments),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_the_last_to_start_wins),
        cmocka_unit_test(test_rows_in_order),
        cmocka_unit_test(test_without_a_cfa),
        cmocka_unit_test(test_debug_frame),
        cmocka_unit_test(test_long_entries),
        cmocka_unit_test(test_the_first_section_is_believed),
        cmocka_unit_test(test_entries_of_no_length),
        cmocka_unit_test(test_pointers_to_no_cie),
        cmocka_unit_test(test_a_chain_that_is_broken),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_too_many_rules),
        cmocka_unit_test(test_an_empty_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
