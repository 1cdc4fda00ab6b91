#pragma once

// Names for the slots that the dynamic linker fills (the global offset table): the symbols that
// relocations put there; and for the stubs of an ELF file's procedure linkage tables (.plt,
// .plt.sec, .plt.got, .iplt): `puts@plt`, as objdump and perf call them; and `*ABS*+0x1234@plt`
// where only a function is known that chooses the callee (an IRELATIVE relocation). Symbols and
// relocations are the dynamic ones, which a stripped file has too.

#include "image/elf_file.h"
#include "image/symtab.h"

// Adds both. Of a malformed file those that can be told are added. `names_left`: how many bytes
// their names may have in all; what is used is taken away.
void elf_stubs_add(const struct elf_file *file, struct symtab_builder *builder,
                   uint64_t *names_left);
