#pragma once

// How to unwind the code of an ELF file: its .eh_frame and its .debug_frame (which may be
// compressed), found through libelf and made into a table (unwind/cfi.h).
//
// .eh_frame is part of what is loaded, so a file without section headers has it too: a segment
// (PT_GNU_EH_FRAME) holds .eh_frame_hdr, which begins with where .eh_frame is (LSB Core 5.0,
// section 10.6.2). Any file, however broken, gives a table or one error. Nothing is mapped, and
// memory is bounded by the size of the file and by LIMIT_CFI_BYTES.

#include "image/build_id.h"
#include "unwind/cfi.h"

struct elf_cfi_facts {
    struct build_id build_id;
    struct cfi_facts cfi;
};

// Reads from `fd` (borrowed; its offset may move). 0 and a table, or a negative errno with the
// reason, to be put behind the name of the file: -ENOEXEC not ELF, not linked or malformed, -EFBIG,
// -ENOTSUP code of a machine that we do not unwind, -ENODATA no such information in it.
int elf_cfi_read(int fd, struct cfi_table **ret, struct elf_cfi_facts *ret_facts,
                 struct err *reterr);

// The same from memory: for the vdso and for the fuzzer. `bytes` is borrowed for the call.
int elf_cfi_parse(struct slice bytes, struct cfi_table **ret, struct elf_cfi_facts *ret_facts,
                  struct err *reterr);
