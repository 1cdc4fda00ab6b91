// Any file is a table or one error, read from memory and from a descriptor alike.

#include "base/file.h"
#include "image/elf_symbols.h"

#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct symtab *symtab)
{
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        const struct symbol *symbol = symtab_at(symtab, i);
        ASSERT(symbol->addr <= symbol->end && symbol->name[0] != 0);
        if (symbol->addr < symbol->end) {
            ASSERT(symtab_find(symtab, symbol->addr) == symbol);
        }
        uint64_t off;
        uint64_t addr;
        if (symtab_off_of_addr(symtab, symbol->addr, &off)) {
            ASSERT(symtab_addr_of_off(symtab, off, &addr));
        }
    }
    ASSERT(symtab_bytes(symtab) > 0);
    symtab_free(symtab);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct symtab *symtab = NULL;
    struct elf_facts facts = {0};
    struct err err = {0};
    int from_memory = elf_symbols_parse((struct slice){.data = data, .n = size}, &symtab, &facts,
                                        &err);
    ASSERT(from_memory <= 0 && (from_memory == 0) == (err.text[0] == 0));
    size_t n = from_memory == 0 ? symtab_count(symtab) : 0;
    if (from_memory == 0) {
        use(symtab);
    }
    CLEANUP(closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
    ASSERT(fd >= 0 && fd_write_all(fd, data, size) == 0);
    int from_file = elf_symbols_read(fd, &symtab, &facts, NULL);
    ASSERT((from_file == 0) == (from_memory == 0));
    if (from_file == 0) {
        ASSERT(symtab_count(symtab) == n);
        use(symtab);
    }
    return 0;
}
