#include "image/elf_symbols.h"

#include "base/alloc.h"
#include "base/file.h"
#include "image/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct symtab *read_file(const char *path, struct elf_facts *facts)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct symtab *symtab = NULL;
    struct err err = {0};
    int r = elf_symbols_read(fd, &symtab, facts, &err);
    if (r != 0) {
        fail_msg("%s: %s", path, err.text);
    }
    return symtab;
}

static const struct symbol *find_name(const struct symtab *symtab, const char *name)
{
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        if (strcmp(symtab_at(symtab, i)->name, name) == 0) {
            return symtab_at(symtab, i);
        }
    }
    return NULL;
}

static void test_finds_the_functions_of_the_fixture(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_global);
    struct elf_facts facts;
    struct symtab *symtab = read_file(path, &facts);
    assert_true(facts.has_symtab);
    assert_int_equal(facts.build_id.n, 20);
    static const char *const there[] = {"fixture_global", "fixture_local", "fixture_weak"};
    static const char *const not_there[] = {"fixture_data", "__fixture_alias_with_a_long_name",
                                            "test_fixture.c", "_etext", "printf"};
    for (size_t i = 0; i < ARRAY_LEN(there); i++) {
        const struct symbol *symbol = find_name(symtab, there[i]);
        assert_non_null(symbol);
        assert_ptr_equal(symtab_find(symtab, symbol->addr), symbol);
        assert_ptr_equal(symtab_find(symtab, symbol->end - 1), symbol);
    }
    for (size_t i = 0; i < ARRAY_LEN(not_there); i++) {
        assert_null(find_name(symtab, not_there[i]));
    }
    symtab_free(symtab);
}

// The dynamic linker says where the file is and where the function came to lie.
static int note_base(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    uint64_t *base = context;
    if (info->dlpi_name != NULL && strstr(info->dlpi_name, "test_fixture") != NULL) {
        *base = info->dlpi_addr;
    }
    return 0;
}

static void test_addresses_are_those_of_the_process(void **state)
{
    (void)state;
    uint64_t base = 0;
    dl_iterate_phdr(note_base, &base);
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_global);
    struct elf_facts facts;
    struct symtab *symtab = read_file(path, &facts);
    uint64_t addr = (uint64_t)(uintptr_t)fixture_global - base;
    assert_string_equal(symtab_find(symtab, addr)->name, "fixture_global");

    // The bytes at the translated offset of the file are those of the function.
    uint64_t off = 0;
    uint64_t back = 0;
    assert_true(symtab_off_of_addr(symtab, addr, &off));
    assert_true(symtab_addr_of_off(symtab, off, &back));
    assert_int_equal(back, addr);
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, (size_t)64 << 20, &bytes), 0);
    assert_true(off + 8 < bytes.n);
    assert_memory_equal(bytes.at + off, (void *)(uintptr_t)fixture_global, 8);
    symtab_free(symtab);
}

static void test_memory_and_file_agree(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_global);
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, (size_t)64 << 20, &bytes), 0);
    struct elf_facts from_file;
    struct elf_facts from_memory;
    struct symtab *a = read_file(path, &from_file);
    struct symtab *b = NULL;
    struct slice slice = {.data = (const uint8_t *)bytes.at, .n = bytes.n};
    assert_int_equal(elf_symbols_parse(slice, &b, &from_memory, NULL), 0);
    assert_memory_equal(&from_file.build_id, &from_memory.build_id, sizeof from_file.build_id);
    assert_int_equal(symtab_count(a), symtab_count(b));
    for (size_t i = 0; i < symtab_count(a); i++) {
        assert_int_equal(symtab_at(a, i)->addr, symtab_at(b, i)->addr);
        assert_int_equal(symtab_at(a, i)->end, symtab_at(b, i)->end);
        assert_string_equal(symtab_at(a, i)->name, symtab_at(b, i)->name);
    }
    symtab_free(a);
    symtab_free(b);
}

// ---- Against readelf
// -----------------------------------------------------------------------------

struct listed {
    uint64_t addr;
    uint64_t size;
    char name[256];
};

// `  12: 0000000000001234    45 FUNC    GLOBAL DEFAULT   13 name@@VERSION`
static bool parse_listed(const char *line, struct listed *ret)
{
    char size[24];
    char type[16];
    char section[16];
    if (sscanf(line, " %*d: %" SCNx64 " %23s %15s %*s %*s %15s %255s", &ret->addr, size, type,
               section, ret->name) != 5) {
        return false;
    }
    ret->size = strtoull(size, NULL, 0); // decimal, or with 0x when large
    ret->name[strcspn(ret->name, "@")] = 0;
    return (strcmp(type, "FUNC") == 0 || strcmp(type, "IFUNC") == 0) && section[0] >= '0' &&
           section[0] <= '9';
}

static bool is_listed(const struct listed *listed, size_t n, const struct symbol *symbol)
{
    for (size_t i = 0; i < n; i++) {
        if (listed[i].addr == symbol->addr && strcmp(listed[i].name, symbol->name) == 0) {
            return true;
        }
    }
    return false;
}

// Every function that readelf lists is found at its address, under a name that readelf has there
// too, and lasts as long.
static void compare_with_readelf(const char *path)
{
    CLEANUP(text_fini) struct text text = {0};
    char *argv[] = {(char[]){"readelf"}, (char[]){"-sW"}, (char *)(uintptr_t)path, NULL};
    if (!command_output(argv, &text)) {
        print_message("%s: no readelf here\n", path);
        return;
    }
    struct elf_facts facts;
    struct symtab *symtab = read_file(path, &facts);
    struct listed *listed = NEW_ARRAY(struct listed, symtab_count(symtab) * 8 + 1000);
    size_t n = 0;
    char *save = NULL;
    for (char *line = strtok_r(text.at, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        assert_true(n < symtab_count(symtab) * 8 + 1000);
        n += parse_listed(line, &listed[n]);
    }
    size_t n_checked = 0;
    for (size_t i = 0; i < n; i++) {
        const struct symbol *symbol = symtab_find(symtab, listed[i].addr);
        assert_non_null(symbol);
        assert_int_equal(symbol->addr, listed[i].addr);
        if (i % 16 == 0) { // is_listed() is slow
            assert_true(is_listed(listed, n, symbol));
            n_checked++;
        }
        if (strcmp(symbol->name, listed[i].name) == 0 && listed[i].size > 0) {
            assert_int_equal(symbol->end - symbol->addr, listed[i].size);
        }
    }
    print_message("%s: %zu functions as in readelf, %zu names compared\n", path, n, n_checked);
    assert_true(n > 0);
    free(listed);
    symtab_free(symtab);
}

static void test_agrees_with_readelf(void **state)
{
    (void)state;
    CLEANUP(freep) char *fixture = path_of_code((void *)(uintptr_t)fixture_global);
    CLEANUP(freep) char *libc = path_of_code((void *)(uintptr_t)gnu_get_libc_version);
    compare_with_readelf(fixture);
    compare_with_readelf(libc);
    if (access("/usr/bin/python3", R_OK) == 0) {
        compare_with_readelf("/usr/bin/python3");
    }
}

// ---- What is not a program
// -------------------------------------------------------------------------

static void assert_refused(const void *bytes, size_t n, const char *reason)
{
    struct symtab *symtab = NULL;
    struct elf_facts facts;
    struct err err = {0};
    struct slice slice = {.data = bytes, .n = n};
    assert_int_equal(elf_symbols_parse(slice, &symtab, &facts, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, reason));
    assert_null(symtab);
}

static void test_refuses_kindly(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_global);
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, (size_t)64 << 20, &bytes), 0);
    assert_refused("", 0, "not an ELF file");
    assert_refused("#!/bin/sh\n", 10, "not an ELF file");
    assert_refused("!<arch>\n", 8, "not an ELF file");
    assert_refused(bytes.at, 20, "not an ELF file");
    assert_refused(bytes.at, bytes.n / 2, "cut short");

    ElfW(Ehdr) header;
    memcpy(&header, bytes.at, sizeof header);
    header.e_type = ET_REL;
    memcpy(bytes.at, &header, sizeof header);
    assert_refused(bytes.at, bytes.n, "never linked");
    header.e_type = ET_CORE;
    memcpy(bytes.at, &header, sizeof header);
    assert_refused(bytes.at, bytes.n, "neither a program");
    header.e_type = ET_DYN;
    header.e_shnum = 0; // the real number is in section 0
    memcpy(bytes.at, &header, sizeof header);
    ElfW(Shdr) section = {.sh_size = 0x40000000};
    memcpy(bytes.at + header.e_shoff, &section, sizeof section);
    assert_refused(bytes.at, bytes.n, "more than 65536 sections");
}

static void test_not_a_regular_file(void **state)
{
    (void)state;
    CLEANUP(closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct symtab *symtab = NULL;
    struct elf_facts facts;
    struct err err = {0};
    assert_int_equal(elf_symbols_read(fd, &symtab, &facts, &err), -ENOEXEC);
    assert_string_equal(err.text, "is not a regular file");
    assert_int_equal(elf_symbols_read(-1, &symtab, &facts, &err), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_functions_of_the_fixture),
        cmocka_unit_test(test_addresses_are_those_of_the_process),
        cmocka_unit_test(test_memory_and_file_agree),
        cmocka_unit_test(test_agrees_with_readelf),
        cmocka_unit_test(test_refuses_kindly),
        cmocka_unit_test(test_not_a_regular_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
