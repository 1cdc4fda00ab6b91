// Every row of real binaries against libdw, which reads the same bytes in its own way.
//
//     test_cfi_oracle              the binaries of this machine that are named below
//     test_cfi_oracle FILE…        these, and nothing else
//
// libdw is asked at each start of a row of each function (.eh_frame_hdr lists the functions), for
// the CFA and for each register that a rule tells. Both answers are brought into one form: where
// something is, as far as that is a sum; otherwise the bytes of the expression. Then each row of
// ours has to begin where one of libdw's does.
//
// Three differences are libdw's, and known:
//
//     rbx      where nothing is said of it, it is as it was: the x86-64 psABI has it among those
//              that a function preserves. libdw's list of these (backends/x86_64_cfi.c) has a 0,
//              the number of rax, in its place. So "lost" by libdw may be "same" by us, for rbx
//              only
//     start    DW_CFA_restore_state also restores what libdw tells as the start of the row. So a
//              row starts where the one before it ended
//     CFA      DW_CFA_def_cfa_register where the CFA was an expression keeps the offset that was
//     set
//              before that (as libgcc has it; libgcrypt's assembly code relies on it). libdw
//              refuses such a row

#include "base/vec.h"
#include "unwind/cfi.h"
#include "unwind/test_elf.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// ---- A file ------------------------------------------------------------------------------------

struct file {
    const char *path;
    struct test_elf elf;
    Dwarf *dwarf; // of its .debug_frame only
    Dwarf_CFI *cfi;
    struct cfi_table *table;
    struct cfi_facts facts;
    VEC(uint64_t) functions; // addresses where one starts
    VEC(uint64_t) row_addrs; // where libdw has rows
    uint64_t n_rows;
    uint64_t n_different;
    uint64_t n_rbx; // excused, and the next: see above
    uint64_t n_refused;
};

// The search table for a program's own unwinder, in the one form that all linkers write.
static void read_functions(struct file *file)
{
    struct reader from = reader_of(file->elf.search_table);
    assert_int_equal(read_u32(&from), 0x3b031b01);
    read_u32(&from);
    uint32_t n = read_u32(&from);
    for (uint32_t i = 0; i < n; i++) {
        vec_push(&file->functions, file->elf.source.data_addr + (uint64_t)(int32_t)read_u32(&from));
        read_u32(&from);
    }
    assert_false(from.bad);
}

// False, with the reason said: there is no such file, or it is not for us.
static bool file_open(struct file *file, const char *path, const char *section)
{
    *file = (struct file){.path = path};
    const char *problem = test_elf_open(&file->elf, path, section);
    if (problem != NULL) {
        print_message("skipped: %s %s\n", path, problem);
        return false;
    }
    if (file->elf.source.sections[0].is_debug_frame) {
        file->dwarf = dwarf_begin_elf(file->elf.elf, DWARF_C_READ, NULL);
        file->cfi = dwarf_getcfi(file->dwarf);
    } else {
        read_functions(file);
        file->cfi = dwarf_getcfi_elf(file->elf.elf);
    }
    assert_non_null(file->cfi);
    file->table = cfi_table_build(&file->elf.source, &file->facts);
    return true;
}

static void file_close(struct file *file)
{
    cfi_table_free(file->table);
    if (file->dwarf != NULL) {
        dwarf_end(file->dwarf);
    } else if (file->cfi != NULL) {
        dwarf_cfi_end(file->cfi);
    }
    test_elf_close(&file->elf);
    vec_fini(&file->functions);
    vec_fini(&file->row_addrs);
}

// ---- One form for both -------------------------------------------------------------------------

enum form { FORM_SAME, FORM_UNDEFINED, FORM_SUM, FORM_EXPRESSION };

enum { BASE_CFA = -1, BYTES_MAX = 256 };

// FORM_SUM: base + off; `loaded`: what is in memory there, + add. `is_place`: it is where the value
// is, not the value.
struct where {
    enum form form;
    bool is_place;
    bool loaded;
    int64_t base;
    int64_t off;
    int64_t add;
    uint8_t bytes[BYTES_MAX];
    size_t n_bytes;
};

static void where_print(const char *who, const struct where *where)
{
    print_message("  %s: form %d place %d loaded %d base %jd off %jd add %jd, %zu bytes:", who,
                  where->form, where->is_place, where->loaded, (intmax_t)where->base,
                  (intmax_t)where->off, (intmax_t)where->add, where->n_bytes);
    for (size_t i = 0; i < where->n_bytes; i++) {
        print_message(" %02x", where->bytes[i]);
    }
    print_message("\n");
}

static bool where_equal(const struct where *a, const struct where *b)
{
    return a->form == b->form && a->is_place == b->is_place && a->loaded == b->loaded &&
           a->base == b->base && a->off == b->off && a->add == b->add && a->n_bytes == b->n_bytes &&
           memcmp(a->bytes, b->bytes, a->n_bytes) == 0;
}

// A value that is the memory at a sum is the same as a place that is that sum.
static void where_normalise(struct where *where)
{
    if (where->form == FORM_SUM && where->loaded && !where->is_place && where->add == 0) {
        where->is_place = true;
        where->loaded = false;
    }
}

// ---- libdw's -----------------------------------------------------------------------------------

static void put_byte(struct where *to, uint64_t byte)
{
    assert_true(to->n_bytes < BYTES_MAX);
    to->bytes[to->n_bytes++] = (uint8_t)byte;
}

static void put_uleb(struct where *to, uint64_t value)
{
    for (; value > 0x7f; value >>= 7) {
        put_byte(to, (value & 0x7f) | 0x80);
    }
    put_byte(to, value);
}

static void put_sleb(struct where *to, int64_t value)
{
    for (; value < -64 || value > 63; value >>= 7) {
        put_byte(to, ((uint64_t)value & 0x7f) | 0x80);
    }
    put_byte(to, (uint64_t)value & 0x7f);
}

static void put_op(struct where *to, const Dwarf_Op *op)
{
    put_byte(to, op->atom);
    if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
        put_sleb(to, (int64_t)op->number);
    } else if (op->atom == DW_OP_bregx) {
        put_uleb(to, op->number);
        put_sleb(to, (int64_t)op->number2);
    } else if (op->atom == DW_OP_plus_uconst || op->atom == DW_OP_constu) {
        put_uleb(to, op->number);
    } else if (op->atom == DW_OP_consts) {
        put_sleb(to, (int64_t)op->number);
    } else if (op->atom == DW_OP_const1u || op->atom == DW_OP_const1s ||
               op->atom == DW_OP_deref_size || op->atom == DW_OP_pick) {
        put_byte(to, op->number);
    } else if (op->atom >= DW_OP_const2u && op->atom <= DW_OP_const8s) {
        unsigned n = 2U << (op->atom - DW_OP_const2u) / 2;
        for (unsigned i = 0; i < n; i++) {
            put_byte(to, op->number >> 8 * i);
        }
    }
}

// The few shapes that make a sum. False: something else.
static bool sum_of_ops(const Dwarf_Op *ops, size_t n, struct where *where)
{
    where->form = FORM_SUM;
    bool begun = false;
    for (size_t i = 0; i < n; i++) {
        unsigned atom = ops[i].atom;
        int64_t *to = where->loaded ? &where->add : &where->off;
        if (atom == DW_OP_call_frame_cfa && i == 0) {
            where->base = BASE_CFA;
            begun = true;
        } else if (atom == DW_OP_drop && i == 1 && where->base == BASE_CFA) {
            begun = false;
        } else if (atom == DW_OP_bregx) {
            where->base = (int64_t)ops[i].number;
            where->off = (int64_t)ops[i].number2;
            begun = true;
        } else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31) {
            where->base = (int64_t)atom - DW_OP_breg0;
            where->off = (int64_t)ops[i].number;
            begun = true;
        } else if (atom == DW_OP_plus_uconst && begun) {
            *to += (int64_t)ops[i].number;
        } else if (atom == DW_OP_deref && begun && !where->loaded) {
            where->loaded = true;
        } else if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31 && begun && i + 1 < n &&
                   (ops[i + 1].atom == DW_OP_plus || ops[i + 1].atom == DW_OP_minus)) {
            int64_t by = (int64_t)atom - DW_OP_lit0;
            *to += ops[++i].atom == DW_OP_plus ? by : -by;
        } else {
            return false;
        }
    }
    return begun;
}

// `is_register`: as dwarf_frame_register() answers.
static struct where where_of_ops(const Dwarf_Op *ops, size_t n, bool is_register)
{
    struct where where = {.is_place = is_register};
    if (n == 0) {
        where.form = ops == NULL ? FORM_SAME : FORM_UNDEFINED;
        where.is_place = false;
        return where;
    }
    if (is_register && ops[n - 1].atom == DW_OP_stack_value) {
        where.is_place = false;
        n--;
    }
    if (n == 1 && ops[0].atom == DW_OP_regx) {
        return (struct where){.form = FORM_SUM, .base = (int64_t)ops[0].number};
    }
    bool is_place = where.is_place;
    if (!sum_of_ops(ops, n, &where)) {
        where = (struct where){.form = FORM_EXPRESSION, .is_place = is_place};
        for (size_t i = is_register ? 1 : 0; i < n; i++) {
            put_op(&where, &ops[i]);
        }
    }
    where_normalise(&where);
    return where;
}

// ---- Ours --------------------------------------------------------------------------------------

static struct where where_of_place(const struct cfi_table *table, struct cfi_place place,
                                   int32_t add)
{
    struct where where = {.form = FORM_SUM, .base = place.reg, .off = place.off, .add = add};
    switch ((enum cfi_how)place.how) {
    case CFI_SAME:
        return (struct where){.form = FORM_SAME};
    case CFI_UNDEFINED:
        return (struct where){.form = FORM_UNDEFINED};
    case CFI_AT_CFA:
    case CFI_IS_CFA:
        where.base = BASE_CFA;
        where.is_place = place.how == CFI_AT_CFA;
        break;
    case CFI_IN_REGISTER:
        break;
    case CFI_AT_REGISTER:
        where.loaded = true;
        break;
    case CFI_AT_EXPRESSION:
    case CFI_IS_EXPRESSION: {
        struct slice code = cfi_table_expression(table, place.off);
        where = (struct where){.form = FORM_EXPRESSION, .is_place = place.how == CFI_AT_EXPRESSION};
        for (size_t i = 0; i < code.n; i++) {
            put_byte(&where, code.data[i]);
        }
        break;
    }
    }
    where_normalise(&where);
    return where;
}

// ---- Comparing ---------------------------------------------------------------------------------

static void compare(struct file *file, uint64_t addr, const char *what, int reg,
                    const struct where *libdw, const struct where *ours)
{
    if (where_equal(libdw, ours)) {
        return;
    }
    if (file->n_different++ < 20) {
        print_message("%s: at 0x%jx: %s %d\n", file->path, (uintmax_t)addr, what, reg);
        where_print("libdw", libdw);
        where_print("ours ", ours);
    }
}

static void compare_register(struct file *file, uint64_t addr, Dwarf_Frame *frame, int reg,
                             struct cfi_place place, bool is_ra)
{
    Dwarf_Op room[3];
    Dwarf_Op *ops;
    size_t n;
    assert_int_equal(dwarf_frame_register(frame, reg, room, &ops, &n), 0);
    struct where libdw = where_of_ops(ops, n, true);
    // A return address that is still in its register: libdw says that the register is the same.
    if (is_ra && libdw.form == FORM_SAME) {
        libdw = (struct where){.form = FORM_SUM, .base = reg};
    }
    struct where ours = where_of_place(file->table, place, 0);
    if (file->elf.source.arch == UNWIND_X86_64 && reg == 3 && libdw.form == FORM_UNDEFINED &&
        ours.form == FORM_SAME) {
        file->n_rbx++; // see above
        return;
    }
    compare(file, addr, is_ra ? "return address in" : "register", reg, &libdw, &ours);
}

static const struct cfi_rule *rule_at(const struct file *file, uint64_t addr)
{
    for (size_t i = 0; i < file->elf.segments.n; i++) {
        const struct cfi_segment *segment = &file->elf.segments.at[i];
        if (addr - segment->addr < segment->size_bytes) {
            return cfi_table_find(file->table, addr - segment->addr + segment->file_off);
        }
    }
    return NULL;
}

static void compare_rule(struct file *file, uint64_t addr, Dwarf_Frame *frame, int ra,
                         bool is_signal_frame, const struct cfi_rule *rule)
{
    Dwarf_Op *ops;
    size_t n;
    struct where ours = where_of_place(file->table, rule->cfa, rule->cfa_add);
    if (dwarf_frame_cfa(frame, &ops, &n) == 0) {
        struct where libdw = where_of_ops(ops, n, false);
        compare(file, addr, "CFA", 0, &libdw, &ours);
    } else if (rule->cfa.how == CFI_IN_REGISTER) {
        file->n_refused++; // see above
    } else {
        file->n_different++;
    }
    const uint8_t *registers = cfi_slot_registers(file->elf.source.arch);
    compare_register(file, addr, frame, ra, rule->saved[CFI_SLOT_RA], true);
    for (unsigned slot = CFI_SLOT_SP; slot < CFI_SLOTS && registers[slot] < UNWIND_REGS; slot++) {
        compare_register(file, addr, frame, registers[slot], rule->saved[slot], false);
    }
    if (is_signal_frame != rule->signal_frame) {
        file->n_different++;
        print_message("%s: at 0x%jx: a signal frame or not\n", file->path, (uintmax_t)addr);
    }
}

// Compares the row that covers this address. Yields where it ends; 0 when libdw has none.
static uint64_t compare_row(struct file *file, uint64_t addr)
{
    Dwarf_Frame *frame = NULL;
    const struct cfi_rule *rule = rule_at(file, addr);
    bool libdw_has_it = dwarf_cfi_addrframe(file->cfi, addr, &frame) == 0;
    if (libdw_has_it != (rule != NULL)) {
        file->n_different++;
        print_message("%s: at 0x%jx: only %s has a row\n", file->path, (uintmax_t)addr,
                      libdw_has_it ? "libdw" : "we");
    }
    if (!libdw_has_it) {
        return 0;
    }
    Dwarf_Addr start;
    Dwarf_Addr end;
    bool is_signal_frame;
    int ra = dwarf_frame_info(frame, &start, &end, &is_signal_frame);
    assert_true(start <= addr && addr < end);
    if (rule != NULL) {
        compare_rule(file, addr, frame, ra, is_signal_frame, rule);
        if (rule_at(file, end - 1) != rule) {
            file->n_different++;
            print_message("%s: at 0x%jx: ends early\n", file->path, (uintmax_t)addr);
        }
    }
    free(frame);
    vec_push(&file->row_addrs, addr);
    file->n_rows++;
    return end;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t addr_of_off(const struct file *file, uint64_t off)
{
    for (size_t i = 0; i < file->elf.segments.n; i++) {
        const struct cfi_segment *segment = &file->elf.segments.at[i];
        if (off - segment->file_off < segment->size_bytes) {
            return off - segment->file_off + segment->addr;
        }
    }
    return 0;
}

// Each of our rows begins where one of libdw's does: so between those starts nothing differs.
static void compare_starts(struct file *file)
{
    qsort(file->row_addrs.at, file->row_addrs.n, sizeof *file->row_addrs.at, by_value);
    uint64_t off;
    const struct cfi_rule *rule;
    for (size_t i = 0; cfi_table_row(file->table, i, &off, &rule); i++) {
        uint64_t addr = addr_of_off(file, off);
        if (rule != NULL && bsearch(&addr, file->row_addrs.at, file->row_addrs.n,
                                    sizeof *file->row_addrs.at, by_value) == NULL) {
            file->n_different++;
            print_message("%s: at 0x%jx: only we begin a row\n", file->path, (uintmax_t)addr);
        }
    }
}

static void compare_file(const char *path)
{
    struct file file;
    if (file_open(&file, path, ".eh_frame")) {
        for (size_t i = 0; i < file.functions.n; i++) {
            bool is_last = i + 1 == file.functions.n;
            uint64_t next = is_last ? UINT64_MAX : file.functions.at[i + 1];
            uint64_t addr = file.functions.at[i];
            while (addr != 0 && addr < next) {
                addr = compare_row(&file, addr);
            }
        }
        compare_starts(&file);
        print_message(
            "%s: %zu functions, %ju rows, %ju different (rbx: %ju more, CFA: %ju); %ju of "
            "ours, %ju rules\n",
            path, file.functions.n, (uintmax_t)file.n_rows, (uintmax_t)file.n_different,
            (uintmax_t)file.n_rbx, (uintmax_t)file.n_refused, (uintmax_t)file.facts.n_rows,
            (uintmax_t)file.facts.n_rules);
        assert_int_equal(file.facts.n_fdes, file.functions.n);
        assert_int_equal(file.facts.n_bad, 0);
        assert_int_equal(file.n_different, 0);
        assert_true(file.n_rows >= file.functions.n);
    }
    file_close(&file);
}

// ---- Which files -------------------------------------------------------------------------------

static void compare_library(const char *name)
{
    const char *path = test_elf_library(name);
    if (path == NULL) {
        print_message("skipped: no %s here\n", name);
        return;
    }
    compare_file(path);
}

static void test_libc(void **state)
{
    (void)state;
    compare_library("libc.so.6");
}

static void test_libraries(void **state)
{
    (void)state;
    static const char *const names[] = {"libstdc++.so.6",      "libcrypto.so.3", "libm.so.6",
                                        "libgcc_s.so.1",       "libelf.so.1",    "libdw.so.1",
                                        "ld-linux-x86-64.so.2"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        compare_library(names[i]);
    }
}

static void test_programs(void **state)
{
    (void)state;
    compare_file("/usr/bin/python3");
    compare_file("/usr/bin/node");
}

static void test_aarch64(void **state)
{
    (void)state;
    static const char *const names[] = {"libc.so.6", "libm.so.6", "ld-linux-aarch64.so.1"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[256];
        snprintf(path, sizeof path, "/usr/aarch64-linux-gnu/lib/%s", names[i]);
        compare_file(path);
    }
}

int fixture_leaf(int a); // of test_cfi_fixture.c

// A library whose own functions have a .debug_frame; at every byte of its code.
static void test_debug_frame(void **state)
{
    (void)state;
    struct file file;
    Dl_info info;
    assert_true(dladdr((void *)(uintptr_t)fixture_leaf, &info) != 0);
    assert_true(file_open(&file, info.dli_fname, ".debug_frame"));
    for (size_t i = 0; i < file.elf.segments.n; i++) {
        for (uint64_t into = 0; into < file.elf.segments.at[i].size_bytes; into++) {
            compare_row(&file, file.elf.segments.at[i].addr + into);
        }
    }
    compare_starts(&file);
    assert_int_equal(file.facts.n_bad, 0);
    assert_true(file.facts.n_fdes >= 4); // a fuzzer's build adds some
    assert_int_equal(file.n_different, 0);
    file_close(&file);
}

static void test_given(void **state)
{
    for (char **path = *state; *path != NULL; path++) {
        compare_file(*path);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest given[] = {cmocka_unit_test_prestate(test_given, argv + 1)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_debug_frame), cmocka_unit_test(test_libc),
        cmocka_unit_test(test_libraries),   cmocka_unit_test(test_programs),
        cmocka_unit_test(test_aarch64),
    };
    return argc > 1 ? cmocka_run_group_tests(given, NULL, NULL)
                    : cmocka_run_group_tests(tests, NULL, NULL);
}
