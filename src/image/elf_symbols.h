#pragma once

// Symbols of an ELF file, through libelf. Reads .symtab and .dynsym: functions (STT_FUNC,
// STT_GNU_IFUNC) and untyped symbols in executable sections; and names the stubs through which a
// binary calls others (elf_stubs.h). Any file, however broken, gives a table or one error; nothing
// is mapped, so a file that shrinks meanwhile cannot kill us. Memory stays in proportion to the
// size of the file.

#include "base/err.h"
#include "image/elf_facts.h"
#include "image/symtab.h"

// Reads from `fd` (borrowed; its offset may move). 0 and a table (perhaps empty), or a negative
// errno with the reason, to be put behind the name of the file ("is not an ELF file"): -ENOEXEC not
// ELF, not linked or malformed, -EFBIG.
int elf_symbols_read(int fd, struct symtab **ret, struct elf_facts *ret_facts, struct err *reterr);

// The same from memory: for the vdso and for the fuzzer. `bytes` is borrowed for the call.
int elf_symbols_parse(struct slice bytes, struct symtab **ret, struct elf_facts *ret_facts,
                      struct err *reterr);

// A debug file, open or in memory. Borrowed.
struct elf_source {
    int fd; // -1: `bytes`
    struct slice bytes;
};

// The symbols of a file and those (.symtab only) of its debug files, in one table. The caller knows
// that they belong together; of the debug files, symbols are believed and nothing else.
int elf_symbols_merge(int fd, const struct elf_source *more, size_t n_more, struct symtab **ret,
                      struct err *reterr);
