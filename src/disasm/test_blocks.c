// Blocks of functions that are known: on x86-64 those of tests/targets/cfg_x86_64.S, as they lie in
// our own memory, with what is expected written beside each; for AArch64 as words. Expectations
// have one form, "B0 3 branches B1:next B2:taken": number, instructions, end, edges.

#include "base/file.h"
#include "disasm/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BASE = 0x10000, TABLE = 0x20020 };

static const char AARCH64_NEVER[] = "aarch64 never"; // context: calls to BASE never return

static void put_found(struct text *to, const struct blocks *b)
{
    size_t e = 0;
    for (size_t i = 0; i < b->blocks.n; i++) {
        text_addf(to, "B%zu %u %s", i, b->blocks.at[i].n, block_end_name(b->blocks.at[i].end));
        for (; e < b->edges.n && b->edges.at[e].from == i; e++) {
            text_addf(to, " B%u:%s", b->edges.at[e].to, edge_kind_name(b->edges.at[e].kind));
        }
        text_add(to, "\n");
    }
    if (b->n_into_middle > 0) {
        text_addf(to, "into the middle: %u\n", b->n_into_middle);
    }
    if (b->n_unknown > 0) {
        text_addf(to, "unknown: %u\n", b->n_unknown);
    }
}

static void check(enum arch arch, struct slice bytes, uint64_t addr, jump_table_read_fn *read,
                  blocks_noreturn_fn *noreturn, void *context, const char *expected)
{
    struct disasm *disasm;
    CLEANUP(text_fini) struct text found = {0};
    VEC(struct instruction) all = {0};
    assert_int_equal(disasm_open(arch, DISASM_INTEL, &disasm, NULL), 0);
    for (size_t at = 0; at < bytes.n;) {
        struct instruction i;
        disasm_next(disasm, (struct slice){bytes.data + at, bytes.n - at}, addr + at, &i);
        vec_push(&all, i);
        at += i.n_bytes;
    }
    struct jump_tables tables;
    struct blocks blocks;
    jump_tables_find(arch, all.at, all.n, bytes, read, context, &tables);
    blocks_make(all.at, all.n, &tables, noreturn, context, &blocks);
    put_found(&found, &blocks);
    assert_string_equal(text_get(&found), expected);
    jump_tables_fini(&tables);
    blocks_fini(&blocks);
    disasm_close(disasm);
    vec_fini(&all);
}

// ---- x86-64 ------------------------------------------------------------------------------------

#if defined(__x86_64__)
#define FUNCTIONS(each)                                                                            \
    each(cfg_straight) each(cfg_if_else) each(cfg_loop) each(cfg_switch_relative)                  \
        each(cfg_switch_absolute) each(cfg_tail_calls) each(cfg_noreturn) each(cfg_middle)         \
            each(cfg_indirect) each(cfg_data) each(cfg_backward)

#define DECLARE(name) extern const uint8_t name[], name##_end[];
FUNCTIONS(DECLARE)
extern const uint8_t xalloc_die[];

#define ROW(name) {#name, name, name##_end},
static const struct {
    const char *name;
    const uint8_t *start;
    const uint8_t *end;
} functions[] = {FUNCTIONS(ROW)};

static bool read_memory(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    (void)context;
    text_add_bytes(to, (const void *)(uintptr_t)addr, (size_t)(end - addr));
    return true;
}

static bool never_returns(void *context, const struct instruction *call)
{
    (void)context;
    return call->target == (uintptr_t)xalloc_die;
}

// The lines behind "//: function NAME" that begin with "//: ".
static void read_expected(const char *source, const char *name, struct text *to)
{
    CLEANUP(text_fini) struct text head = {0};
    text_addf(&head, "//: function %s\n", name);
    const char *at = strstr(source, text_get(&head));
    assert_non_null(at);
    for (at += head.n; strncmp(at, "//: ", 4) == 0; at = strchr(at, '\n') + 1) {
        text_add_bytes(to, at + 4, strcspn(at, "\n") - 3);
    }
}

static void test_functions_of_x86(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text source = {0};
    text_addf(&path, "%s/tests/targets/cfg_x86_64.S", getenv("SOURCE_ROOT"));
    assert_int_equal(file_read(text_get(&path), SIZE_MAX, &source), 0);
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        CLEANUP(text_fini) struct text expected = {0};
        read_expected(text_get(&source), functions[i].name, &expected);
        struct slice bytes = {functions[i].start, (size_t)(functions[i].end - functions[i].start)};
        print_message("%s\n", functions[i].name);
        check(ARCH_X86_64, bytes, (uintptr_t)functions[i].start, read_memory, never_returns, NULL,
              text_get(&expected));
    }
}
#else
static void test_functions_of_x86(void **state)
{
    (void)state;
    skip();
}
#endif

// ---- AArch64 -----------------------------------------------------------------------------------

static const struct {
    const char *name;
    const char *expected;
    uint8_t table[12]; // at TABLE
    uint64_t addr;
    uint32_t words[20];
} a64[] = {
    {"if, else",
     "B0 1 branches B1:next B2:taken\n"
     "B1 2 jumps B3:jump\n"
     "B2 1 goes_on B3:next\n"
     "B3 1 returns\n",
     {0},
     BASE,
     {
         0x34000060, // cbz w0, 1f
         0x11000400, // add w0, w0, #1
         0x14000002, // b 2f
         0x528000e0, // 1: mov w0, #7
         0xd65f03c0, // 2: ret
     }},
    {"loop, with a break",
     "B0 1 goes_on B1:next\n"
     "B1 2 branches B2:next B3:taken\n"
     "B2 2 branches B1:taken B3:next\n"
     "B3 1 returns\n",
     {0},
     BASE,
     {
         0x2a0003e1, // mov w1, w0
         0x7100143f, // 1: cmp w1, #5
         0x54000060, // b.eq 2f
         0x71000c21, // subs w1, w1, #3
         0x54ffffac, // b.gt 1b
         0xd65f03c0, // 2: ret
     }},
    {"switch, bytes that count instructions from an address: gcc",
     "B0 2 branches B1:next B5:taken\n"
     "B1 6 switches B2:switch B3:switch B4:switch\n"
     "B2 1 goes_on B3:next\n"
     "B3 2 returns\n"
     "B4 1 goes_on B5:next\n"
     "B5 1 returns\n",
     {0, 1, 3, 0},
     0x1002c,
     {
         0x71000c1f, // cmp w0, #3
         0x54000168, // b.hi 9f
         0x90000081, // adrp x1, TABLE
         0x91008021, // add x1, x1, #:lo12:TABLE
         0x38604821, // ldrb w1, [x1, w0, uxtw]
         0x10000062, // adr x2, 1f
         0x8b218841, // add x1, x2, w1, sxtb #2
         0xd61f0020, // br x1
         0x52800020, // 1: mov w0, #1
         0x11000800, // 2: add w0, w0, #2
         0xd65f03c0, // ret
         0x52800060, // 3: mov w0, #3
         0xd65f03c0, // 9: ret
     }},
    {"switch, by way of the stack: clang without optimization",
     "B0 6 branches B1:next B4:taken\n"
     "B1 7 switches B2:switch B3:switch B4:switch\n"
     "B2 2 returns\n"
     "B3 1 goes_on B4:next\n"
     "B4 1 returns\n",
     {0x10, 0, 0, 0, 0x18, 0, 0, 0, 0x1c, 0, 0, 0},
     0x10060,
     {
         0xb81f83a0, // stur w0, [x29, #-8]
         0xb85f83a8, // ldur w8, [x29, #-8]
         0x71000108, // subs w8, w8, #0
         0xf90007e8, // str x8, [sp, #8]
         0xf1000908, // subs x8, x8, #2
         0x54000168, // b.hi 9f
         0xf94007eb, // ldr x11, [sp, #8]
         0x9000008a, // adrp x10, TABLE
         0x9100814a, // add x10, x10, #:lo12:TABLE
         0x10000008, // 4: adr x8, 4b
         0xb8ab7949, // ldrsw x9, [x10, x11, lsl #2]
         0x8b090108, // add x8, x8, x9
         0xd61f0100, // br x8
         0x52800020, // mov w0, #1
         0xd65f03c0, // ret
         0x52800040, // mov w0, #2
         0xd65f03c0, // 9: ret
     }},
    {"tail calls",
     "B0 1 tail_calls B1:next\n"
     "B1 1 tail_calls\n",
     {0},
     0x100a4,
     {
         0x361ffae0, // tbz w0, #3, BASE
         0x17ffffdb, // b BASE + 0x14
     }},
    {"a call that never returns",
     "B0 1 branches B1:next B2:taken\n"
     "B1 1 calls_noreturn\n"
     "B2 1 returns\n",
     {0},
     0x100ac,
     {
         0x35000040, // cbnz w0, 1f
         0x97ffffd4, // bl BASE
         0xd65f03c0, // 1: ret
     }},
    {"data",
     "B0 1 jumps B2:jump\n"
     "B1 2 stops\n"
     "B2 1 returns\n",
     {0},
     0x100b8,
     {
         0x14000003, // b 1f
         0x00000001, // .word
         0x00000002, // .word
         0xd65f03c0, // 1: ret
     }},
    {"to where a pointer says",
     "B0 2 jumps_anywhere\n"
     "unknown: 1\n",
     {0},
     0x100c8,
     {
         0xf9400801, // ldr x1, [x0, #16]
         0xd61f0020, // br x1
     }},
    {"a call through a register; brk",
     "B0 2 stops\n"
     "B1 1 returns\n",
     {0},
     0x100d0,
     {
         0xd63f0020, // blr x1
         0xd4200020, // brk #1
         0xd65f0060, // ret x3
     }},
};

struct a64_context {
    const char *what;
    const uint8_t *table;
};

static bool read_a64(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    const struct a64_context *c = context;
    assert_true(addr == TABLE && end <= TABLE + sizeof a64[0].table);
    text_add_bytes(to, c->table, (size_t)(end - addr));
    return true;
}

static bool calls_base(void *context, const struct instruction *call)
{
    const struct a64_context *c = context;
    assert_ptr_equal(c->what, AARCH64_NEVER);
    return call->target == BASE;
}

static void test_functions_of_aarch64(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(a64); i++) {
        size_t n = 0;
        struct a64_context context = {AARCH64_NEVER, a64[i].table};
        uint8_t bytes[sizeof a64[i].words];
        for (; n < ARRAY_LEN(a64[i].words) && a64[i].words[n] != 0; n++) {
            for (unsigned b = 0; b < 4; b++) { // little-endian, on every machine
                bytes[4 * n + b] = (uint8_t)(a64[i].words[n] >> 8 * b);
            }
        }
        print_message("%s\n", a64[i].name);
        check(ARCH_AARCH64, (struct slice){bytes, 4 * n}, a64[i].addr, read_a64, calls_base,
              &context, a64[i].expected);
    }
}

// ---- Edges of the contract ---------------------------------------------------------------------

static void check_made(const struct instruction *all, size_t n, const struct jump_tables *tables,
                       const char *expected)
{
    struct blocks blocks;
    CLEANUP(text_fini) struct text found = {0};
    blocks_make(all, n, tables, NULL, NULL, &blocks);
    put_found(&found, &blocks);
    assert_string_equal(text_get(&found), expected);
    blocks_fini(&blocks);
}

static void test_few(void **state)
{
    (void)state;
    check_made(NULL, 0, NULL, "");
    struct instruction one = {.addr = 100, .n_bytes = 1, .flow = FLOW_NEXT};
    check_made(&one, 1, NULL, "B0 1 stops\n"); // its bytes end here
    one.flow = FLOW_CALL;
    check_made(&one, 1, NULL, "B0 1 stops\n");
    one.flow = FLOW_BRANCH; // to itself; there is no next one
    one.target = 100;
    check_made(&one, 1, NULL, "B0 1 branches B0:taken\n");
    one.flow = FLOW_JUMP;
    check_made(&one, 1, NULL, "B0 1 jumps B0:jump\n");
}

static void test_a_branch_to_the_next(void **state)
{
    (void)state;
    const struct instruction all[] = {
        {.addr = 100, .n_bytes = 2, .flow = FLOW_BRANCH, .target = 102},
        {.addr = 102, .n_bytes = 2, .flow = FLOW_CALL, .target = 100}, // is no jump
        {.addr = 104, .n_bytes = 2, .flow = FLOW_JUMP, .target = 105}, // into itself
        {.addr = 106, .n_bytes = 1, .flow = FLOW_JUMP, .target = 107}, // behind all
        {.addr = 107, .n_bytes = 1, .flow = FLOW_JUMP, .target = 99},  // before all
    };
    check_made(all, 4, NULL,
               "B0 1 branches B1:next B1:taken\n"
               "B1 2 jumps\n"
               "B2 1 tail_calls\n"
               "into the middle: 1\n");
    check_made(all, 5, NULL,
               "B0 1 branches B1:next B1:taken\n"
               "B1 2 jumps\n"
               "B2 1 jumps B3:jump\n"
               "B3 1 tail_calls\n"
               "into the middle: 1\n");
}

// At the very end of the address space.
static void test_the_last_address(void **state)
{
    (void)state;
    const struct instruction all[] = {
        {.addr = UINT64_MAX - 3, .n_bytes = 2, .flow = FLOW_BRANCH, .target = 0},
        {.addr = UINT64_MAX - 1, .n_bytes = 2, .flow = FLOW_JUMP, .target = UINT64_MAX},
    };
    check_made(all, 2, NULL,
               "B0 1 tail_calls B1:next\n"
               "B1 1 jumps\n"
               "into the middle: 1\n");
}

// A table whose targets make no sense is no reason to fall over.
static void test_wild_tables(void **state)
{
    (void)state;
    const struct instruction all[] = {
        {.addr = 100, .n_bytes = 2, .flow = FLOW_JUMP, .is_indirect = true},
        {.addr = 102, .n_bytes = 2, .flow = FLOW_RETURN},
        {.addr = 104, .n_bytes = 2, .flow = FLOW_JUMP, .is_indirect = true},
    };
    struct jump_tables tables = {0};
    vec_push(&tables.targets, 5);
    vec_push(&tables.targets, 102);
    vec_push(&tables.targets, 103);
    vec_push(&tables.tables, (struct jump_table){.jump = 0, .n_targets = 3});
    check_made(all, 3, &tables,
               "B0 1 switches B1:switch\n"
               "B1 1 returns\n"
               "B2 1 jumps_anywhere\n"
               "into the middle: 1\n"
               "unknown: 1\n");
    jump_tables_fini(&tables);
}

// ---- Names -------------------------------------------------------------------------------------

static void test_noreturn_names(void **state)
{
    (void)state;
    static const char *const never[] = {
        "abort",
        "exit@plt",
        "exit@@GLIBC_2.2.5",
        "_exit",
        "__stack_chk_fail@GLIBC_2.4",
        "__cxa_throw@plt",
        "_Unwind_Resume",
        "xalloc_die",
        "panic [clone .cold]",
        "__assert_fail.part.0",
        "abort.cold",
        "_ZSt20__throw_length_errorPKc",
        "_ZSt9terminatev@plt",
        "std::terminate()",
        "std::__throw_out_of_range_fmt(char const*, ...)",
        "core::panicking::panic_fmt",
        "core::panicking::panic_fmt::h0123456789abcdef",
        "std::process::exit::h0123456789abcdef",
        "core::slice::index::slice_end_index_len_fail",
        "runtime.panicIndex",
        "runtime.goPanicSliceAlen",
    };
    static const char *const returns[] = {
        "",
        "@plt",
        "aborted",
        "abor",
        "my_exit",
        "error",
        "atexit",
        "exit_now",
        "printf",
        "panicky",
        "runtime.panicCheck1",
        "_ZSt3absd",
        "main",
        "(anonymous namespace)::exit()",
        "_ZSt",
        "_ZSt99",
        "std::panicking::panicking",
    };
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        print_message("%s\n", never[i]);
        assert_true(noreturn_name(never[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(returns); i++) {
        print_message("%s\n", returns[i]);
        assert_false(noreturn_name(returns[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_of_x86),
        cmocka_unit_test(test_functions_of_aarch64),
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_a_branch_to_the_next),
        cmocka_unit_test(test_the_last_address),
        cmocka_unit_test(test_wild_tables),
        cmocka_unit_test(test_noreturn_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
