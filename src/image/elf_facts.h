#pragma once

// What kind of file an ELF file is, as far as names go: quick, no symbol is read.

#include "base/err.h"
#include "image/build_id.h"
#include "image/debuglink.h"

struct elf_facts {
    struct build_id build_id;
    bool has_symtab;       // .symtab, not just .dynsym
    bool has_dwarf;        // .debug_info
    struct debuglink link; // .gnu_debuglink
    // .gnu_debugdata: where it lies in the file. 0 bytes: there is none.
    uint64_t debugdata_off;
    uint64_t debugdata_bytes;
};

// Reads from `fd` (borrowed; its offset may move). Errors as of elf_file_open().
int elf_facts_read(int fd, struct elf_facts *ret, struct err *reterr);

// Of an open one.
struct elf_file;
void elf_facts_of(const struct elf_file *file, struct elf_facts *ret);
