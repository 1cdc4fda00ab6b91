#include "image/elf_cfi.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "image/elf_symbols.h"
#include "image/test_support.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char *directory;
    char *copy; // of the fixture, in it
};

static int setup(void **state)
{
    struct world *world = NEW(struct world);
    world->directory = directory_new();
    world->copy = path_join(world->directory, "copy.so");
    CLEANUP(freep) char *original = path_of_code((void *)(uintptr_t)fixture_global);
    file_copy(original, world->copy);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    directory_remove(world->directory);
    free(world->directory);
    free(world->copy);
    free(world);
    return 0;
}

static int read_path(const char *path, struct cfi_table **ret, struct elf_cfi_facts *facts,
                     struct err *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    *facts = (struct elf_cfi_facts){0};
    return elf_cfi_read(fd, ret, facts, err);
}

static struct cfi_table *read_table(const char *path, struct elf_cfi_facts *facts)
{
    struct cfi_table *table = NULL;
    struct err err = {0};
    if (read_path(path, &table, facts, &err) != 0) {
        fail_msg("%s %s", path, err.text);
    }
    return table;
}

static struct slice bytes_of(const struct text *text)
{
    return (struct slice){.data = (const uint8_t *)text->at, .n = text->n};
}

static void assert_same_rules(const struct cfi_table *a, const struct cfi_table *b)
{
    uint64_t off_a;
    uint64_t off_b;
    const struct cfi_rule *rule_a;
    const struct cfi_rule *rule_b;
    size_t n = 0;
    for (; cfi_table_row(a, n, &off_a, &rule_a); n++) {
        assert_true(cfi_table_row(b, n, &off_b, &rule_b));
        assert_int_equal(off_a, off_b);
        assert_int_equal(rule_a == NULL, rule_b == NULL);
        if (rule_a != NULL) {
            assert_memory_equal(rule_a, rule_b, sizeof *rule_a);
        }
    }
    assert_true(n > 0);
    assert_false(cfi_table_row(b, n, &off_b, &rule_b));
}

// The rule where a function begins, by its offset in the file.
static const struct cfi_rule *rule_of(const struct cfi_table *table, const char *path,
                                      const char *name)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct symtab *symtab = NULL;
    struct elf_facts facts;
    assert_int_equal(elf_symbols_read(fd, &symtab, &facts, NULL), 0);
    uint64_t off = UINT64_MAX;
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        if (strcmp(symtab_at(symtab, i)->name, name) == 0) {
            assert_true(symtab_off_of_addr(symtab, symtab_at(symtab, i)->addr, &off));
        }
    }
    symtab_free(symtab);
    assert_int_not_equal(off, UINT64_MAX);
    return cfi_table_find(table, off);
}

static Elf64_Shdr *find_section(struct text *bytes, const char *name)
{
    Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)bytes->at;
    Elf64_Shdr *sections = (Elf64_Shdr *)(void *)(bytes->at + header->e_shoff);
    for (size_t i = 0; i < header->e_shnum; i++) {
        const char *names = bytes->at + sections[header->e_shstrndx].sh_offset;
        if (strcmp(names + sections[i].sh_name, name) == 0) {
            return &sections[i];
        }
    }
    fail_msg("there is no %s", name);
    return NULL;
}

// ---- What is read ------------------------------------------------------------------------------

static void test_functions_have_rules(void **state)
{
    struct world *world = *state;
    struct elf_cfi_facts facts;
    struct cfi_table *table = read_table(world->copy, &facts);
    assert_int_equal(facts.build_id.n, 20);
    assert_true(facts.cfi.n_fdes > 0 && facts.cfi.n_rows > 0);
    assert_int_equal(facts.cfi.n_bad, 0);
    assert_non_null(rule_of(table, world->copy, "fixture_global"));
    assert_non_null(rule_of(table, world->copy, "fixture_local"));
    assert_null(cfi_table_find(table, 0)); // the ELF header
    assert_null(cfi_table_find(table, UINT64_MAX));
    cfi_table_free(table);
}

static void test_memory_and_file_agree(void **state)
{
    struct world *world = *state;
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(world->copy, (size_t)64 << 20, &bytes), 0);
    struct elf_cfi_facts of_file;
    struct elf_cfi_facts of_memory = {0};
    struct cfi_table *a = read_table(world->copy, &of_file);
    struct cfi_table *b = NULL;
    assert_int_equal(elf_cfi_parse(bytes_of(&bytes), &b, &of_memory, NULL), 0);
    assert_memory_equal(&of_file.build_id, &of_memory.build_id, sizeof of_file.build_id);
    assert_same_rules(a, b);
    cfi_table_free(a);
    cfi_table_free(b);
}

static void test_a_stripped_file_has_them_too(void **state)
{
    struct world *world = *state;
    struct elf_cfi_facts facts;
    struct cfi_table *before = read_table(world->copy, &facts);
    CLEANUP(text_fini) struct text output = {0};
    char *argv[] = {(char[]){"strip"}, world->copy, NULL};
    if (!command_output(argv, &output)) {
        cfi_table_free(before);
        print_message("no strip here\n");
        skip();
    }
    struct cfi_table *after = read_table(world->copy, &facts);
    assert_same_rules(before, after);
    cfi_table_free(before);
    cfi_table_free(after);
}

// What is loaded is enough.
static void test_without_section_headers(void **state)
{
    struct world *world = *state;
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(world->copy, (size_t)64 << 20, &bytes), 0);
    struct elf_cfi_facts facts;
    struct cfi_table *before = read_table(world->copy, &facts);
    ElfW(Ehdr) header;
    memcpy(&header, bytes.at, sizeof header);
    header.e_shoff = 0;
    header.e_shnum = 0;
    header.e_shstrndx = 0;
    memcpy(bytes.at, &header, sizeof header);
    file_write(world->copy, bytes.at, bytes.n);
    struct cfi_table *after = read_table(world->copy, &facts);
    assert_int_equal(facts.build_id.n, 20);
    assert_same_rules(before, after);
    cfi_table_free(before);
    cfi_table_free(after);
}

static void test_debug_frame(void **state)
{
    struct world *world = *state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)debug_frame_function);
    struct elf_cfi_facts facts;
    struct cfi_table *plain = read_table(path, &facts);
    assert_non_null(rule_of(plain, path, "debug_frame_function"));
    CLEANUP(text_fini) struct text output = {0};
    char *pack[] = {(char[]){"objcopy"}, (char[]){"--compress-debug-sections=zlib"}, path,
                    world->copy, NULL};
    if (command_output(pack, &output)) {
        CLEANUP(text_fini) struct text bytes = {0};
        assert_int_equal(file_read(world->copy, (size_t)64 << 20, &bytes), 0);
        assert_true((find_section(&bytes, ".debug_frame")->sh_flags & SHF_COMPRESSED) != 0);
        struct cfi_table *packed = read_table(world->copy, &facts);
        assert_same_rules(plain, packed);
        cfi_table_free(packed);
    }
    char *strip[] = {(char[]){"strip"}, (char[]){"--strip-debug"}, world->copy, NULL};
    file_copy(path, world->copy);
    if (command_output(strip, &output)) { // the test would see it if it came from elsewhere
        struct cfi_table *none = NULL;
        struct err err = {0};
        if (read_path(world->copy, &none, &facts, &err) == 0) {
            assert_null(rule_of(none, path, "debug_frame_function"));
        }
        cfi_table_free(none);
    }
    cfi_table_free(plain);
}

// ---- What is refused ---------------------------------------------------------------------------

static void assert_refused(struct slice bytes, int number, const char *reason)
{
    struct cfi_table *table = NULL;
    struct elf_cfi_facts facts = {0};
    struct err err = {0};
    assert_int_equal(elf_cfi_parse(bytes, &table, &facts, &err), -number);
    assert_null(table);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
    }
}

static void test_refuses_kindly(void **state)
{
    (void)state;
    assert_refused((struct slice){0}, ENOEXEC, "is not an ELF file");
    assert_refused(slice_of_text("#!/bin/sh\n"), ENOEXEC, "is not an ELF file");
    Elf64_Ehdr header = {.e_type = ET_DYN,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_ehsize = sizeof header};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    struct slice bytes = {.data = (const uint8_t *)&header, .n = sizeof header};
    assert_refused(bytes, ENODATA, "has no unwinding information");
    header.e_machine = EM_RISCV;
    assert_refused(bytes, ENOTSUP, "is code of a machine (number 243, 64 bits)");
    header.e_machine = EM_X86_64;
    header.e_ident[EI_CLASS] = ELFCLASS32; // x32: pointers of 4 bytes
    assert_refused(bytes, ENOTSUP, "(number 62, 32 bits)");
}

// It leads to .eh_frame, too; what a file is linked with may have brought one.
static void forget_eh_frame_hdr(struct text *bytes)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(void *)bytes->at;
    Elf64_Phdr *segments = (Elf64_Phdr *)(void *)(bytes->at + header->e_phoff);
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_GNU_EH_FRAME) {
            segments[i].p_type = PT_NULL;
        }
    }
}

// A few bytes that claim to be a lot.
static void test_a_bomb(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)debug_frame_function);
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, (size_t)64 << 20, &bytes), 0);
    Elf64_Shdr *section = find_section(&bytes, ".debug_frame");
    assert_true(section->sh_size >= sizeof(Elf64_Chdr));
    section->sh_flags |= SHF_COMPRESSED;
    Elf64_Chdr chdr = {
        .ch_type = ELFCOMPRESS_ZLIB, .ch_size = (uint64_t)LIMIT_CFI_BYTES + 1, .ch_addralign = 8};
    memcpy(bytes.at + section->sh_offset, &chdr, sizeof chdr);
    struct cfi_table *table = NULL;
    struct elf_cfi_facts facts = {0};
    assert_int_equal(elf_cfi_parse(bytes_of(&bytes), &table, &facts, NULL), 0); // .eh_frame is fine
    cfi_table_free(table);
    find_section(&bytes, ".eh_frame")->sh_type = SHT_NOBITS;
    forget_eh_frame_hdr(&bytes);
    assert_refused(bytes_of(&bytes), EFBIG, "of .debug_frame");
    chdr.ch_size = LIMIT_CFI_BYTES; // fewer come out
    memcpy(bytes.at + section->sh_offset, &chdr, sizeof chdr);
    assert_refused(bytes_of(&bytes), ENOEXEC, "has a malformed .debug_frame");
}

// Whatever .eh_frame_hdr says, there is a table or a reason.
static void test_any_eh_frame_hdr(void **state)
{
    struct world *world = *state;
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(world->copy, (size_t)64 << 20, &bytes), 0);
    uint8_t *hdr = (uint8_t *)bytes.at + find_section(&bytes, ".eh_frame_hdr")->sh_offset;
    Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)bytes.at;
    header->e_shoff = header->e_shnum = header->e_shstrndx = 0;
    size_t n_tables = 0;
    for (unsigned encoding = 0; encoding < 256; encoding++) {
        for (unsigned where = 0; where < 64; where++) {
            uint32_t offset = where * 0x08000000U + where * 4;
            hdr[1] = (uint8_t)encoding;
            memcpy(hdr + 4, &offset, sizeof offset);
            struct cfi_table *table = NULL;
            struct elf_cfi_facts facts = {0};
            int r = elf_cfi_parse(bytes_of(&bytes), &table, &facts, NULL);
            assert_true(r == 0 || r == -ENODATA);
            n_tables += r == 0;
            cfi_table_free(table);
        }
    }
    assert_true(n_tables > 0 && n_tables < (size_t)256 * 64);
    hdr[0] = 2; // a version that nobody knows
    assert_refused(bytes_of(&bytes), ENODATA, "has no unwinding information");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_functions_have_rules),
        TEST(test_memory_and_file_agree),
        TEST(test_a_stripped_file_has_them_too),
        TEST(test_without_section_headers),
        TEST(test_debug_frame),
        TEST(test_refuses_kindly),
        TEST(test_a_bomb),
        TEST(test_any_eh_frame_hdr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
