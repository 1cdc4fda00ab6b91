#pragma once

// Symbols and the build-id of an ELF file, through libelf. Reads .symtab and .dynsym: functions
// (STT_FUNC, STT_GNU_IFUNC) and untyped symbols in executable sections. Any file, however broken,
// gives a table or one error; nothing is mapped, so a file that shrinks meanwhile cannot kill us.
// Memory stays in proportion to the size of the file.

#include "base/err.h"
#include "image/build_id.h"
#include "image/symtab.h"

struct elf_facts {
    struct build_id build_id;
    bool has_symtab; // .symtab, not just .dynsym
};

// Reads from `fd` (borrowed; its offset may move). 0 and a table (perhaps empty), or a negative
// errno with the reason, to be put behind the name of the file ("is not an ELF file"): -ENOEXEC not
// ELF, not linked or malformed, -EFBIG.
int elf_symbols_read(int fd, struct symtab **ret, struct elf_facts *ret_facts, struct err *reterr);

// The same from memory: for the vdso and for the fuzzer. `bytes` is borrowed for the call.
int elf_symbols_parse(struct slice bytes, struct symtab **ret, struct elf_facts *ret_facts,
                      struct err *reterr);

// The build-id alone, of a file of which nothing is known. 0, or a negative errno and the reason as
// above; -ENODATA: it has none.
int elf_build_id_read(int fd, struct build_id *ret, struct err *reterr);
