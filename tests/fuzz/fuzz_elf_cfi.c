// Any file is a table of rules or one error, read from memory and from a descriptor alike.

#include "base/file.h"
#include "base/limits.h"
#include "image/elf_cfi.h"

#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t use(struct cfi_table *table)
{
    uint64_t before = 0;
    uint64_t off;
    const struct cfi_rule *rule;
    size_t n = 0;
    for (; cfi_table_row(table, n, &off, &rule); n++) {
        ASSERT(n == 0 || off > before);
        ASSERT(cfi_table_find(table, off) == rule);
        before = off;
    }
    ASSERT(n <= LIMIT_CFI_ROWS);
    cfi_table_free(table);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cfi_table *table = NULL;
    struct elf_cfi_facts facts = {0};
    struct err err = {0};
    int from_memory = elf_cfi_parse((struct slice){.data = data, .n = size}, &table, &facts, &err);
    ASSERT(from_memory <= 0 && (from_memory == 0) == (err.text[0] == 0));
    size_t n = from_memory == 0 ? use(table) : 0;
    CLEANUP(closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
    ASSERT(fd >= 0 && fd_write_all(fd, data, size) == 0);
    int from_file = elf_cfi_read(fd, &table, &facts, NULL);
    ASSERT(from_file == from_memory);
    if (from_file == 0) {
        ASSERT(use(table) == n);
    }
    return 0;
}
