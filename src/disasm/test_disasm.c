// Everything that can end a block or name an address, by its bytes. What all other instructions
// look like is compared with objdump's and the assembler's opinion in
// tests/e2e/test_disasm_oracle.py.

#include "disasm/disasm.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { AT = 0x401000 }; // the address of each instruction here

struct row {
    const char *bytes; // in hexadecimal
    enum flow flow;
    uint64_t target;
    uint64_t reference;
    bool is_indirect;
    const char *text;
    const char *att; // NULL: the same
};

static const struct row x86_rows[] = {
    // Calls.
    {"e8fbffffff", FLOW_CALL, 0x401000, 0, false, "call 0x401000 <f>", NULL},
    {"6748e8fbffffff", FLOW_CALL, 0x401002, 0, false, "call 0x401002 <f+0x2>", NULL},
    {"ffd0", FLOW_CALL, 0, 0, true, "call rax", "call *%rax"},
    {"41ff5308", FLOW_CALL, 0, 0, true, "call qword ptr [r11+0x8]", "call *0x8(%r11)"},
    {"ff1508000000", FLOW_CALL, 0, 0x40100e, true, "call qword ptr [0x40100e <f+0xe>]",
     "call *0x40100e <f+0xe>"},
    {"ff18", FLOW_CALL, 0, 0, true, "call far fword ptr [rax]", "lcall *(%rax)"},
    {"3effd0", FLOW_CALL, 0, 0, true, "notrack call rax", "notrack call *%rax"},
    {"0f05", FLOW_NEXT, 0, 0, false, "syscall", NULL},
    {"c8100000", FLOW_NEXT, 0, 0, false, "enter 0x10, 0x0", "enter $0x10, $0x0"},
    {"cd80", FLOW_NEXT, 0, 0, false, "int 0x80", "int $0x80"},
    // Jumps.
    {"eb10", FLOW_JUMP, 0x401012, 0, false, "jmp 0x401012 <f+0x12>", NULL},
    {"ebfe", FLOW_JUMP, 0x401000, 0, false, "jmp 0x401000 <f>", NULL},
    {"e900010000", FLOW_JUMP, 0x401105, 0, false, "jmp 0x401105 <f+0x105>", NULL},
    {"e9fbefbfff", FLOW_JUMP, 0, 0, false, "jmp 0x0", NULL},
    {"f2e9fbfeffff", FLOW_JUMP, 0x400f01, 0, false, "bnd jmp 0x400f01", NULL},
    {"ffe0", FLOW_JUMP, 0, 0, true, "jmp rax", "jmp *%rax"},
    {"3effe2", FLOW_JUMP, 0, 0, true, "notrack jmp rdx", "notrack jmp *%rdx"},
    {"ff2502000000", FLOW_JUMP, 0, 0x401008, true, "jmp qword ptr [0x401008 <f+0x8>]",
     "jmp *0x401008 <f+0x8>"},
    {"f2ff2501000000", FLOW_JUMP, 0, 0x401008, true, "bnd jmp qword ptr [0x401008 <f+0x8>]",
     "bnd jmp *0x401008 <f+0x8>"},
    {"ff24c500104000", FLOW_JUMP, 0, 0, true, "jmp qword ptr [rax*8+0x401000]",
     "jmp *0x401000(,%rax,8)"},
    {"48ff28", FLOW_JUMP, 0, 0, true, "jmp far tbyte ptr [rax]", "ljmp *(%rax)"},
    // Branches.
    {"7410", FLOW_BRANCH, 0x401012, 0, false, "je 0x401012 <f+0x12>", NULL},
    {"75ee", FLOW_BRANCH, 0x400ff0, 0, false, "jne 0x400ff0", NULL},
    {"0f8700000000", FLOW_BRANCH, 0x401006, 0, false, "ja 0x401006 <f+0x6>", NULL},
    {"2e7410", FLOW_BRANCH, 0x401013, 0, false, "je 0x401013 <f+0x13>", NULL},
    {"e30a", FLOW_BRANCH, 0x40100c, 0, false, "jrcxz 0x40100c <f+0xc>", NULL},
    {"67e30a", FLOW_BRANCH, 0x40100d, 0, false, "jecxz 0x40100d <f+0xd>", NULL},
    {"e2fe", FLOW_BRANCH, 0x401000, 0, false, "loop 0x401000 <f>", NULL},
    {"e1fe", FLOW_BRANCH, 0x401000, 0, false, "loope 0x401000 <f>", NULL},
    {"e0fe", FLOW_BRANCH, 0x401000, 0, false, "loopne 0x401000 <f>", NULL},
    {"c7f802000000", FLOW_BRANCH, 0x401008, 0, false, "xbegin 0x401008 <f+0x8>", NULL},
    {"c6f801", FLOW_NEXT, 0, 0, false, "xabort 0x1", "xabort $0x1"},
    {"0f01d5", FLOW_NEXT, 0, 0, false, "xend", NULL},
    // Returns.
    {"c3", FLOW_RETURN, 0, 0, false, "ret", NULL},
    {"f3c3", FLOW_RETURN, 0, 0, false, "ret", NULL},
    {"f2c3", FLOW_RETURN, 0, 0, false, "bnd ret", NULL},
    {"c20800", FLOW_RETURN, 0, 0, false, "ret 0x8", "ret $0x8"},
    {"cb", FLOW_RETURN, 0, 0, false, "retf", "lret"},
    {"ca0800", FLOW_RETURN, 0, 0, false, "retf 0x8", "lret $0x8"},
    {"cf", FLOW_RETURN, 0, 0, false, "iretd", NULL},
    {"48cf", FLOW_RETURN, 0, 0, false, "iretq", NULL},
    {"480f07", FLOW_RETURN, 0, 0, false, "sysret", NULL},
    // What goes nowhere.
    {"0f0b", FLOW_STOP, 0, 0, false, "ud2", NULL},
    {"0fb9c0", FLOW_STOP, 0, 0, false, "ud1 eax, eax", "ud1 %eax, %eax"},
    {"670fb94002", FLOW_STOP, 0, 0, false, "ud1 eax, dword ptr [eax+0x2]", "ud1 0x2(%eax), %eax"},
    {"0fffc0", FLOW_STOP, 0, 0, false, "ud0 eax, eax", "ud0 %eax, %eax"},
    {"f4", FLOW_STOP, 0, 0, false, "hlt", NULL},
    {"cc", FLOW_STOP, 0, 0, false, "int3", NULL},
    // What names an address.
    {"488d3d11300000", FLOW_NEXT, 0, 0x404018, false, "lea rdi, [0x404018]", "lea 0x404018, %rdi"},
    {"488b05f9ffffff", FLOW_NEXT, 0, 0x401000, false, "mov rax, qword ptr [0x401000 <f>]",
     "mov 0x401000 <f>, %rax"},
    {"c705f6ffffff01000000", FLOW_NEXT, 0, 0x401000, false, "mov dword ptr [0x401000 <f>], 0x1",
     "movl $0x1, 0x401000 <f>"},
    {"678b05f9ffffff", FLOW_NEXT, 0, 0x401000, false, "mov eax, dword ptr [0x401000 <f>]",
     "mov 0x401000 <f>, %eax"},
    {"62f17c485805f6ffffff", FLOW_NEXT, 0, 0x401000, false,
     "vaddps zmm0, zmm0, zmmword ptr [0x401000 <f>]", "vaddps 0x401000 <f>, %zmm0, %zmm0"},
    {"8b042504104000", FLOW_NEXT, 0, 0, false, "mov eax, dword ptr [0x401004 <f+0x4>]",
     "mov 0x401004 <f+0x4>, %eax"},
    {"64488b042528000000", FLOW_NEXT, 0, 0, false, "mov rax, qword ptr fs:[0x28]",
     "mov %fs:0x28, %rax"},
    {"65488b0500000000", FLOW_NEXT, 0, 0, false, "mov rax, qword ptr gs:[0x401008]",
     "mov %gs:0x401008, %rax"},
    // Others, that could be taken for one of those.
    {"f30f1efa", FLOW_NEXT, 0, 0, false, "endbr64", NULL},
    {"660f1f440000", FLOW_NEXT, 0, 0, false, "nop word ptr [rax+rax*1]", "nopw (%rax,%rax,1)"},
    {"0f20c0", FLOW_NEXT, 0, 0, false, "mov rax, cr0", "mov %cr0, %rax"},
    {"0f2005", FLOW_NEXT, 0, 0, false, "mov rbp, cr0", "mov %cr0, %rbp"},
    {"4883ec80", FLOW_NEXT, 0, 0, false, "sub rsp, 0xffffffffffffff80",
     "sub $0xffffffffffffff80, %rsp"},
    {"48b88877665544332211", FLOW_NEXT, 0, 0, false, "movabs rax, 0x1122334455667788",
     "movabs $0x1122334455667788, %rax"},
    {"480fbe00", FLOW_NEXT, 0, 0, false, "movsx rax, byte ptr [rax]", "movsbq (%rax), %rax"},
    {"f048ff00", FLOW_NEXT, 0, 0, false, "lock inc qword ptr [rax]", "lock incq (%rax)"},
    {"dee9", FLOW_NEXT, 0, 0, false, "fsubp st(1), st(0)", "fsubrp %st(0), %st(1)"},
    {"a5", FLOW_NEXT, 0, 0, false, "movsd", "movsl"},
};

static const struct row aarch64_rows[] = {
    {"00000014", FLOW_JUMP, 0x401000, 0, false, "b 0x401000 <f>", NULL},
    {"ffffff17", FLOW_JUMP, 0x400ffc, 0, false, "b 0x400ffc", NULL},
    {"02000094", FLOW_CALL, 0x401008, 0, false, "bl 0x401008 <f+0x8>", NULL},
    {"41000054", FLOW_BRANCH, 0x401008, 0, false, "b.ne 0x401008 <f+0x8>", NULL},
    {"4e000054", FLOW_JUMP, 0x401008, 0, false, "b.al 0x401008 <f+0x8>", NULL},
    {"200000b4", FLOW_BRANCH, 0x401004, 0, false, "cbz x0, 0x401004 <f+0x4>", NULL},
    {"e1ffff35", FLOW_BRANCH, 0x400ffc, 0, false, "cbnz w1, 0x400ffc", NULL},
    {"40001836", FLOW_BRANCH, 0x401008, 0, false, "tbz w0, #3, 0x401008 <f+0x8>", NULL},
    {"400000b7", FLOW_BRANCH, 0x401008, 0, false, "tbnz x0, #0x20, 0x401008 <f+0x8>", NULL},
    {"20003fd6", FLOW_CALL, 0, 0, true, "blr x1", NULL},
    {"20021fd6", FLOW_JUMP, 0, 0, true, "br x17", NULL},
    {"c0035fd6", FLOW_RETURN, 0, 0, false, "ret", NULL},
    {"20005fd6", FLOW_RETURN, 0, 0, false, "ret x1", NULL},
    {"e0039fd6", FLOW_RETURN, 0, 0, false, "eret", NULL},
    {"ff0b5fd6", FLOW_RETURN, 0, 0, false, "retaa", NULL},
    {"ff0f5fd6", FLOW_RETURN, 0, 0, false, "retab", NULL},
    {"ff0b9fd6", FLOW_RETURN, 0, 0, false, "eretaa", NULL},
    {"410a1fd7", FLOW_JUMP, 0, 0, true, "braa x18, x1", NULL},
    {"1f081fd6", FLOW_JUMP, 0, 0, true, "braaz x0", NULL},
    {"3f0d3fd7", FLOW_CALL, 0, 0, true, "blrab x9, sp", NULL},
    {"3f083fd6", FLOW_CALL, 0, 0, true, "blraaz x1", NULL},
    {"200020d4", FLOW_STOP, 0, 0, false, "brk #0x1", NULL},
    {"000040d4", FLOW_STOP, 0, 0, false, "hlt #0", NULL},
    {"00000000", FLOW_STOP, 0, 0, false, "udf #0", NULL},
    {"ff000000", FLOW_STOP, 0, 0, false, "udf #0xff", NULL},
    {"010000d4", FLOW_NEXT, 0, 0, false, "svc #0", NULL},
    {"40000030", FLOW_NEXT, 0, 0x401009, false, "adr x0, 0x401009 <f+0x9>", NULL},
    {"e0ffff70", FLOW_NEXT, 0, 0x400fff, false, "adr x0, 0x400fff", NULL},
    {"000000b0", FLOW_NEXT, 0, 0x402000, false, "adrp x0, 0x402000", NULL},
    {"00000090", FLOW_NEXT, 0, 0x401000, false, "adrp x0, 0x401000", NULL},
    {"e0ffff90", FLOW_NEXT, 0, 0x3fd000, false, "adrp x0, 0x3fd000", NULL},
    {"40000058", FLOW_NEXT, 0, 0x401008, false, "ldr x0, 0x401008 <f+0x8>", NULL},
    {"4000001c", FLOW_NEXT, 0, 0x401008, false, "ldr s0, 0x401008 <f+0x8>", NULL},
    {"d5ffff98", FLOW_NEXT, 0, 0x400ff8, false, "ldrsw x21, 0x400ff8", NULL},
    {"400000d8", FLOW_NEXT, 0, 0x401008, false, "prfm pldl1keep, 0x401008 <f+0x8>", NULL},
    {"200040f9", FLOW_NEXT, 0, 0, false, "ldr x0, [x1]", NULL},
    // By other names than capstone's, and what it does not know.
    {"5f2403d5", FLOW_NEXT, 0, 0, false, "bti c", NULL},
    {"3f2303d5", FLOW_NEXT, 0, 0, false, "paciasp", NULL},
    {"1f2003d5", FLOW_NEXT, 0, 0, false, "nop", NULL},
    {"000080d2", FLOW_NEXT, 0, 0, false, "mov x0, #0", NULL},
    {"e0ff9fd2", FLOW_NEXT, 0, 0, false, "mov x0, #0xffff", NULL},
    {"2000e0d2", FLOW_NEXT, 0, 0, false, "mov x0, #0x1000000000000", NULL},
    {"0000e0d2", FLOW_NEXT, 0, 0, false, "movz x0, #0, lsl #48", NULL},
    {"00008012", FLOW_NEXT, 0, 0, false, "mov w0, #0xffffffff", NULL},
    {"e0ff9f12", FLOW_NEXT, 0, 0, false, "movn w0, #0xffff", NULL},
    {"e0f300b2", FLOW_NEXT, 0, 0, false, "mov x0, #0x5555555555555555", NULL},
    {"e1031faa", FLOW_NEXT, 0, 0, false, "mov x1, xzr", NULL},
    {"041c1c4e", FLOW_NEXT, 0, 0, false, "mov v4.s[3], w0", NULL},
    {"40d03bd5", FLOW_NEXT, 0, 0, false, "mrs x0, tpidr_el0", NULL},
    {"417ce088", FLOW_NEXT, 0, 0, false, "casa w0, w1, [x2]", NULL},
    {"41fce0c8", FLOW_NEXT, 0, 0, false, "casal x0, x1, [x2]", NULL},
    {"82fc6048", FLOW_NEXT, 0, 0, false, "caspal x0, x1, x2, x3, [x4]", NULL},
    {"2000e0f8", FLOW_NEXT, 0, 0, false, "ldaddal x0, x0, [x1]", NULL},
    {"3f0020b8", FLOW_NEXT, 0, 0, false, "stadd w0, [x1]", NULL},
    {"e2832138", FLOW_NEXT, 0, 0, false, "swpb w1, w2, [sp]", NULL},
    {"20c0bff8", FLOW_NEXT, 0, 0, false, "ldapr x0, [x1]", NULL},
    {"2000c1da", FLOW_NEXT, 0, 0, false, "pacia x0, x1", NULL},
    {"00e000e4", FLOW_NEXT, 0, 0, false, ".inst 0xe400e000", NULL}, // SVE: st1b {z0.b}, p0, [x0]
    {"4304011d", FLOW_NEXT, 0, 0, false, ".inst 0x1d010443", NULL}, // cpyp
    {"e043c1da", FLOW_NEXT, 0, 0, false, "xpaci x0", NULL},
};

struct named {
    unsigned n;
    uint64_t addr;
};

static void name_f(void *context, uint64_t addr, struct text *to)
{
    struct named *named = context;
    named->n++;
    named->addr = addr;
    if (addr == AT) {
        text_add(to, " <f>");
    } else if (addr > AT && addr < AT + 0x1000) {
        text_addf(to, " <f+0x%" PRIx64 ">", addr - AT);
    }
}

static size_t parse_bytes(const char *hex, uint8_t *ret)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        ret[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n;
}

static bool row_is_right(struct disasm *disasm, const struct row *row, const char *expected)
{
    uint8_t bytes[64] = {0};
    struct slice own = {.data = bytes, .n = parse_bytes(row->bytes, bytes)};
    struct slice more = {.data = bytes, .n = sizeof bytes};
    struct instruction i;
    disasm_next(disasm, more, AT, &i);
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(text_fini) struct text unnamed = {0};
    struct named named = {0};
    disasm_put_text(disasm, &i, own, name_f, &named, &text);
    disasm_put_text(disasm, &i, own, NULL, NULL, &unnamed);
    bool ok = !i.is_data && i.n_bytes == own.n && i.addr == AT && i.flow == row->flow &&
              i.target == row->target && i.reference == row->reference &&
              i.is_indirect == row->is_indirect && strcmp(text_get(&text), expected) == 0 &&
              (i.target == 0 || (named.n == 1 && named.addr == i.target)) &&
              strchr(text_get(&unnamed), '<') == NULL;
    if (!ok) {
        print_error("%s, %s: got %s, %d bytes, flow %d, target %" PRIx64 ", reference %" PRIx64
                    ", indirect %d, data %d, named %" PRIx64 "\n",
                    row->bytes, expected, text_get(&text), i.n_bytes, i.flow, i.target, i.reference,
                    i.is_indirect, i.is_data, named.addr);
    }
    return ok;
}

static struct disasm *open_for(enum arch arch, enum disasm_syntax syntax)
{
    struct disasm *disasm = NULL;
    assert_int_equal(disasm_open(arch, syntax, &disasm, NULL), 0);
    return disasm;
}

static void check_rows(enum arch arch, enum disasm_syntax syntax, const struct row *rows, size_t n)
{
    struct disasm *disasm = open_for(arch, syntax);
    size_t n_wrong = 0;
    for (size_t k = 0; k < n; k++) {
        bool is_att = syntax == DISASM_ATT && rows[k].att != NULL;
        n_wrong += !row_is_right(disasm, &rows[k], is_att ? rows[k].att : rows[k].text);
    }
    disasm_close(disasm);
    assert_int_equal(n_wrong, 0);
}

static void test_x86(void **state)
{
    (void)state;
    check_rows(ARCH_X86_64, DISASM_INTEL, x86_rows, ARRAY_LEN(x86_rows));
    check_rows(ARCH_X86_64, DISASM_ATT, x86_rows, ARRAY_LEN(x86_rows));
}

static void test_aarch64(void **state)
{
    (void)state;
    check_rows(ARCH_AARCH64, DISASM_INTEL, aarch64_rows, ARRAY_LEN(aarch64_rows));
    check_rows(ARCH_AARCH64, DISASM_ATT, aarch64_rows, ARRAY_LEN(aarch64_rows));
}

// Whatever is left of it.
static void check_data(enum arch arch, const char *hex, size_t n, const char *expected)
{
    uint8_t bytes[64];
    struct slice all = {.data = bytes, .n = parse_bytes(hex, bytes)};
    struct disasm *disasm = open_for(arch, DISASM_INTEL);
    struct instruction i;
    disasm_next(disasm, all, AT, &i);
    assert_true(i.is_data);
    assert_int_equal(i.flow, FLOW_STOP);
    assert_int_equal(i.n_bytes, n);
    assert_int_equal(i.target, 0);
    assert_int_equal(i.reference, 0);
    assert_false(i.is_indirect);
    CLEANUP(text_fini) struct text text = {0};
    disasm_put_text(disasm, &i, (struct slice){.data = bytes, .n = n}, name_f, NULL, &text);
    assert_string_equal(text_get(&text), expected);
    disasm_close(disasm);
}

static void test_data_takes_the_least(void **state)
{
    (void)state;
    check_data(ARCH_X86_64, "06c3", 1, ".byte 0x06"); // push es, once
    check_data(ARCH_X86_64, "e8000000", 1, ".byte 0xe8");
    check_data(ARCH_X86_64, "66", 1, ".byte 0x66");
    check_data(ARCH_X86_64, "66666666666666666666666666666666", 1, ".byte 0x66");
    check_data(ARCH_AARCH64, "ffffffffc0035fd6", 4, ".word 0xffffffff");
    check_data(ARCH_AARCH64, "0f0100d4", 4, ".word 0xd400010f"); // of the group of branches
    check_data(ARCH_AARCH64, "c0035f", 3, ".byte 0xc0, 0x03, 0x5f");
    check_data(ARCH_AARCH64, "1f", 1, ".byte 0x1f");
}

// A handle remembers its last instruction: that must not be seen.
static void test_remembers_nothing_that_matters(void **state)
{
    (void)state;
    struct disasm *disasm = open_for(ARCH_AARCH64, DISASM_INTEL);
    static const uint8_t branch[] = {2, 0, 0, 0x14};
    struct slice bytes = {.data = branch, .n = sizeof branch};
    CLEANUP(text_fini) struct text text = {0};
    for (uint64_t addr = AT; addr < AT + 8; addr += 4) {
        struct instruction i;
        disasm_next(disasm, bytes, addr, &i);
        assert_int_equal(i.target, addr + 8);
        disasm_put_text(disasm, &i, bytes, NULL, NULL, &text);
    }
    assert_string_equal(text_get(&text), "b 0x401008b 0x40100c");
    disasm_close(disasm);

    disasm = open_for(ARCH_X86_64, DISASM_INTEL);
    static const uint8_t call[] = {0xe8, 0, 0, 0, 0};
    struct instruction i;
    disasm_next(disasm, (struct slice){.data = call, .n = 5}, AT, &i);
    assert_int_equal(i.target, AT + 5);
    disasm_next(disasm, (struct slice){.data = call, .n = 5}, 0, &i);
    assert_int_equal(i.target, 5);
    disasm_next(disasm, (struct slice){.data = call, .n = 4}, AT, &i); // the same, cut off
    assert_true(i.is_data);
    disasm_close(disasm);
}

static void test_says_which_machines_it_knows(void **state)
{
    (void)state;
    struct err err;
    struct disasm *disasm = NULL;
    assert_int_equal(disasm_open(ARCH_UNKNOWN, DISASM_INTEL, &disasm, &err), -ENOTSUP);
    assert_null(disasm);
    assert_non_null(strstr(err.text, "AArch64"));
    disasm_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x86),
        cmocka_unit_test(test_aarch64),
        cmocka_unit_test(test_data_takes_the_least),
        cmocka_unit_test(test_remembers_nothing_that_matters),
        cmocka_unit_test(test_says_which_machines_it_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
