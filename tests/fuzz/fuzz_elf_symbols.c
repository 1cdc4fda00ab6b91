// Any file is a table or one error, read from memory and from a descriptor alike; as a debug file
// of itself, too. And the small parsers for what lies in such files take any bytes.

#include "base/file.h"
#include "image/debugdata.h"
#include "image/elf_plt.h"
#include "image/elf_symbols.h"

#include <elf.h>
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
    const struct symtab_slot *slots;
    size_t n_slots = symtab_slots(symtab, &slots);
    for (size_t i = 0; i < n_slots; i++) {
        ASSERT(slots[i].name[0] != 0 && symtab_find_slot(symtab, slots[i].addr) == &slots[i]);
    }
    ASSERT(symtab_bytes(symtab) > 0);
    symtab_free(symtab);
}

static void find_stubs(struct slice bytes)
{
    static const uint16_t machines[] = {EM_X86_64, EM_AARCH64, EM_386};
    for (size_t i = 0; i < ARRAY_LEN(machines) * 4; i++) {
        struct elf_plt_section section = {.machine = machines[i / 4],
                                          .bytes = bytes,
                                          .addr = UINT64_MAX - 64, // addresses may wrap
                                          .entry_bytes = i % 4 * 8};
        struct elf_plt_stub stub;
        size_t before = 0;
        for (size_t at = 0; elf_plt_next(&section, &at, &stub); before = at) {
            ASSERT(at > before && stub.size > 0 && stub.size <= bytes.n);
            ASSERT(stub.addr - section.addr + stub.size <= bytes.n);
        }
    }
}

static void read_parts(struct slice bytes)
{
    struct debuglink link;
    bool is_link = debuglink_parse(bytes, bytes.n % 2 == 0, &link);
    ASSERT(is_link == (link.name[0] != 0) && strchr(link.name, '/') == NULL);
    ASSERT(strcmp(link.name, "..") != 0 && memchr(link.name, 0, sizeof link.name) != NULL);
    CLEANUP(text_fini) struct text unpacked = {0};
    struct err err = {0};
    int r = debugdata_unpack(bytes, &unpacked, &err);
    ASSERT((r == 0) == (err.text[0] == 0));
    find_stubs(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_parts((struct slice){.data = data, .n = size});
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
    struct elf_source source = {.fd = -1, .bytes = {.data = data, .n = size}};
    int merged = elf_symbols_merge(fd, &source, 1, &symtab, NULL);
    ASSERT(from_file == 0 || merged < 0);
    if (merged == 0) {
        ASSERT(symtab_count(symtab) == n); // nothing new
        use(symtab);
    }
    return 0;
}
