#include "image/elf_plt.h"

#include "base/alloc.h"
#include "base/file.h"
#include "image/elf_symbols.h"
#include "image/test_support.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// ---- By hand -----------------------------------------------------------------------------------

struct expected {
    uint64_t addr;
    uint64_t size;
    uint64_t slot_addr;
};

static void assert_stubs(const struct elf_plt_section *section, const struct expected *expected,
                         size_t n)
{
    struct elf_plt_stub stub;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(elf_plt_next(section, &at, &stub));
        assert_int_equal(stub.addr, expected[i].addr);
        assert_int_equal(stub.size, expected[i].size);
        assert_int_equal(stub.slot_addr, expected[i].slot_addr);
    }
    assert_false(elf_plt_next(section, &at, &stub));
}

// As GNU ld writes it without branch protection: a head, then jmp *slot; push n; jmp head.
static void test_x86_lazy(void **state)
{
    (void)state;
    static const uint8_t code[] = {
        0xff, 0x35, 0xe2, 0x2f, 0,    0,    0xff, 0x25, 0xe4, 0x2f, 0,
        0,    0x0f, 0x1f, 0x40, 0, // head
        0xff, 0x25, 0xe2, 0x2f, 0,    0,    0x68, 0,    0,    0,    0,
        0xe9, 0xe0, 0xff, 0xff, 0xff, 0xff, 0x25, 0xfa, 0xff, 0xff, 0xff,
        0x68, 1,    0,    0,    0,    0xe9, 0xd0, 0xff, 0xff, 0xff,
    };
    struct elf_plt_section section = {.machine = EM_X86_64,
                                      .bytes = {.data = code, .n = sizeof code},
                                      .addr = 0x1020,
                                      .entry_bytes = 16};
    const struct expected expected[] = {{0x1030, 16, 0x1036 + 0x2fe2}, {0x1040, 16, 0x1040}};
    assert_stubs(&section, expected, ARRAY_LEN(expected));
    section.bytes.n -= 13; // the last one is cut
    assert_stubs(&section, expected, 1);
}

// .plt.sec with endbr64, with and without bnd; and .plt.got in entries of 8 bytes.
static void test_x86_protected_and_short(void **state)
{
    (void)state;
    static const uint8_t sec[] = {
        0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0x75, 0x2f, 0, 0,    0x0f, 0x1f, 0x44, 0, 0,
        0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0x76, 0x2f, 0,    0, 0x66, 0x0f, 0x1f, 0x44, 0, 0,
    };
    const struct expected of_sec[] = {{0x1050, 16, 0x105b + 0x2f75}, {0x1060, 16, 0x106a + 0x2f76}};
    assert_stubs(&(struct elf_plt_section){.machine = EM_X86_64,
                                           .bytes = {.data = sec, .n = sizeof sec},
                                           .addr = 0x1050,
                                           .entry_bytes = 16},
                 of_sec, ARRAY_LEN(of_sec));
    static const uint8_t got[] = {0xff, 0x25, 0x10, 0, 0, 0, 0x66, 0x90,
                                  0xff, 0x25, 0x20, 0, 0, 0, 0x66, 0x90};
    const struct expected of_got[] = {{0x2000, 8, 0x2016}, {0x2008, 8, 0x202e}};
    for (uint64_t each = 0; each <= 8; each += 8) { // as the section says, and when it says nothing
        assert_stubs(&(struct elf_plt_section){.machine = EM_X86_64,
                                               .bytes = {.data = got, .n = sizeof got},
                                               .addr = 0x2000,
                                               .entry_bytes = each},
                     of_got, ARRAY_LEN(of_got));
    }
}

static void put_words(uint8_t *to, const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n * sizeof *words; i++) {
        to[i] = (uint8_t)(words[i / sizeof *words] >> (i % sizeof *words * 8));
    }
}

// Assembled by hand from the architecture's manual (C6.2: ADRP, LDR immediate, ADD immediate, BR).
static void test_a64(void **state)
{
    (void)state;
    static const uint32_t words[] = {
        0xa9bf7bf0, 0x90000090, 0xf947fe11, 0x913fe210, 0xd61f0220, 0xd503201f, // head
        0xb0000090, 0xf9400211, 0x91000210, 0xd61f0220,             // page + 0x11000, + 0
        0xd503245f, 0xf0ffffd0, 0xf9400611, 0x91002210, 0xd61f0220, // bti c; page - 0x5000, + 8
        0xd503201f, 0x90000090,                                     // cut
    };
    uint8_t code[sizeof words];
    put_words(code, words, ARRAY_LEN(words));
    const struct expected expected[] = {
        {0x5d4, 16, 0x10000 + 0xff8}, {0x5e8, 16, 0x11000}, {0x5f8, 20, UINT64_C(0) - 0x5000 + 8}};
    assert_stubs(&(struct elf_plt_section){.machine = EM_AARCH64,
                                           .bytes = {.data = code, .n = sizeof code},
                                           .addr = 0x5d0},
                 expected, ARRAY_LEN(expected));
}

static void test_other_machines_have_none(void **state)
{
    (void)state;
    static const uint8_t code[] = {0xff, 0x25, 0x10, 0, 0, 0, 0x66, 0x90};
    assert_stubs(
        &(struct elf_plt_section){.machine = EM_RISCV, .bytes = {.data = code, .n = sizeof code}},
        NULL, 0);
    assert_stubs(&(struct elf_plt_section){.machine = EM_X86_64}, NULL, 0);
}

// ---- Against objdump ---------------------------------------------------------------------------

static bool is_stub_name(const char *name)
{
    const char *suffix = strstr(name, "@plt");
    return suffix != NULL && suffix[strlen("@plt")] == 0;
}

// `000000000041f030 <memchr@plt>:`, not `<memchr@plt-0x10>:`, which is the head of the table.
static bool parse_heading(const char *line, uint64_t *ret_addr, char *ret_name)
{
    return sscanf(line, "%" SCNx64 " <%255[^>]>:", ret_addr, ret_name) == 2 &&
           is_stub_name(ret_name);
}

static struct symtab *read_table(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct symtab *symtab = NULL;
    struct elf_facts facts;
    assert_int_equal(elf_symbols_read(fd, &symtab, &facts, NULL), 0);
    return symtab;
}

static size_t count_stubs(const struct symtab *symtab)
{
    size_t n = 0;
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        n += is_stub_name(symtab_at(symtab, i)->name);
    }
    return n;
}

// Every stub that objdump names has that name here, and there are no others.
static void compare_with(const char *objdump, const char *path)
{
    CLEANUP(text_fini) struct text text = {0};
    char *argv[] = {(char *)(uintptr_t)objdump,
                    (char[]){"-d"},
                    (char[]){"--section=.plt"},
                    (char[]){"--section=.plt.sec"},
                    (char[]){"--section=.plt.got"},
                    (char *)(uintptr_t)path,
                    NULL};
    if (!command_output(argv, &text)) {
        print_message("%s: no %s here\n", path, objdump);
        return;
    }
    struct symtab *symtab = read_table(path);
    size_t n = 0;
    char *save = NULL;
    for (char *line = strtok_r(text.at, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        uint64_t addr;
        char name[256];
        if (!parse_heading(line, &addr, name)) {
            continue;
        }
        const struct symbol *symbol = symtab_find(symtab, addr);
        if (symbol == NULL || symbol->addr != addr || strcmp(symbol->name, name) != 0) {
            fail_msg("%s: %s at 0x%" PRIx64 " is %s here", path, name, addr,
                     symbol == NULL ? "nothing" : symbol->name);
        }
        n++;
    }
    assert_int_equal(count_stubs(symtab), n);
    print_message("%s: %zu stubs as in objdump\n", path, n);
    symtab_free(symtab);
}

static void test_agrees_with_objdump(void **state)
{
    (void)state;
    // Not libstdc++ for AArch64: there objdump takes the code of TLS descriptors for two stubs.
    static const struct {
        const char *objdump;
        const char *path;
    } more[] = {
        {"objdump", "/usr/bin/python3"},
        {"objdump", "/usr/bin/perf"},
        {"objdump", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"},
        {"aarch64-linux-gnu-objdump", "/usr/aarch64-linux-gnu/lib/libc.so.6"},
        {"aarch64-linux-gnu-objdump", "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1"},
    };
    CLEANUP(freep) char *fixture = path_of_code((void *)(uintptr_t)fixture_global);
    CLEANUP(freep) char *libc = path_of_code((void *)(uintptr_t)gnu_get_libc_version);
    compare_with("objdump", fixture);
    compare_with("objdump", libc);
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        if (access(more[i].path, R_OK) == 0) {
            compare_with(more[i].objdump, more[i].path);
        }
    }
}

// ---- Slots, against readelf --------------------------------------------------------------------

// `000000201fd8  000300000006 R_X86_64_GLOB_DAT 0000000000000000 stdout@GLIBC_2.2.5 + 0`
static bool parse_relocation(char *line, uint64_t *ret_addr, char *ret_name)
{
    char type[64];
    char name[256];
    if (sscanf(line, "%" SCNx64 " %*x %63s %*x %255s", ret_addr, type, name) != 3 ||
        (strstr(type, "GLOB_DA") == NULL && strstr(type, "JUMP_SL") == NULL)) {
        return false;
    }
    size_t n = strcspn(name, "@");
    memcpy(ret_name, name, n);
    ret_name[n] = 0;
    return n > 0;
}

static void compare_slots_with(const char *readelf, const char *path)
{
    CLEANUP(text_fini) struct text text = {0};
    char *argv[] = {(char *)(uintptr_t)readelf, (char[]){"-rW"}, (char *)(uintptr_t)path, NULL};
    if (!command_output(argv, &text)) {
        print_message("%s: no %s here\n", path, readelf);
        return;
    }
    struct symtab *symtab = read_table(path);
    const struct symtab_slot *slots;
    size_t n = 0;
    char *save = NULL;
    for (char *line = strtok_r(text.at, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        uint64_t addr;
        char name[256];
        if (!parse_relocation(line, &addr, name)) {
            continue;
        }
        const struct symtab_slot *slot = symtab_find_slot(symtab, addr);
        if (slot == NULL || slot->addr != addr || strcmp(slot->name, name) != 0) {
            fail_msg("%s: %s at 0x%" PRIx64 " is %s here", path, name, addr,
                     slot == NULL ? "nothing" : slot->name);
        }
        assert_null(symtab_find_slot(symtab, addr + 1));
        n++;
    }
    assert_int_equal(symtab_slots(symtab, &slots), n);
    assert_true(n > 0);
    print_message("%s: %zu slots as in readelf\n", path, n);
    symtab_free(symtab);
}

static void test_slots_agree_with_readelf(void **state)
{
    (void)state;
    static const struct {
        const char *readelf;
        const char *path;
    } more[] = {
        {"readelf", "/usr/bin/python3"},
        {"readelf", "/usr/bin/perf"},
        {"readelf", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"},
        {"aarch64-linux-gnu-readelf", "/usr/aarch64-linux-gnu/lib/libc.so.6"},
        {"aarch64-linux-gnu-readelf", "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1"},
    };
    CLEANUP(freep) char *fixture = path_of_code((void *)(uintptr_t)fixture_global);
    CLEANUP(freep) char *libc = path_of_code((void *)(uintptr_t)gnu_get_libc_version);
    compare_slots_with("readelf", fixture);
    compare_slots_with("readelf", libc);
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        if (access(more[i].path, R_OK) == 0) {
            compare_slots_with(more[i].readelf, more[i].path);
        }
    }
}

// Whatever the linker: a call of another library goes through a stub of that name.
static void test_the_fixture_has_a_stub(void **state)
{
    (void)state;
    CLEANUP(freep) char *fixture = path_of_code((void *)(uintptr_t)fixture_global);
    struct symtab *symtab = read_table(fixture);
    size_t n = 0;
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        n += strcmp(symtab_at(symtab, i)->name, "getppid@plt") == 0;
    }
    assert_int_equal(n, 1);
    symtab_free(symtab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x86_lazy),
        cmocka_unit_test(test_x86_protected_and_short),
        cmocka_unit_test(test_a64),
        cmocka_unit_test(test_other_machines_have_none),
        cmocka_unit_test(test_agrees_with_objdump),
        cmocka_unit_test(test_slots_agree_with_readelf),
        cmocka_unit_test(test_the_fixture_has_a_stub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
