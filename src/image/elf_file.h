#pragma once

// An ELF file of anybody, open through libelf. For the readers of this folder only.
//
// libelf reads what it is asked for with pread() and checks it against the size of the file; it
// never maps the file, so one that shrinks meanwhile cannot kill us. What libelf would believe is
// checked here before it sees the file.

#include "base/bytes.h"
#include "base/err.h"
#include "image/build_id.h"

#include <gelf.h>

enum { ELF_HEADERS_MAX = 1 << 16 }; // sections, and segments

struct elf_file {
    Elf *elf;
    uint64_t size;
};

// 0, or a negative errno with the reason, to be put behind the name of the file ("is not an ELF
// file"): -ENOEXEC not ELF, not linked or malformed, -EFBIG. `fd` is borrowed until it is closed;
// its offset may move.
int elf_file_open(int fd, struct elf_file *ret, struct err *reterr);

// The same for what dwz has put together: it says that it is an object file.
int elf_file_open_alternate(int fd, struct elf_file *ret, struct err *reterr);

// The same as elf_file_open() from memory, borrowed likewise. Decompressing a section writes to it
// (elf_compress).
int elf_file_open_bytes(struct slice bytes, struct elf_file *ret, struct err *reterr);

void elf_file_close(struct elf_file *file); // accepts a zeroed one

// The segments first, then the sections: a stripped file may have only the former, a debug file
// only the latter.
struct build_id elf_file_build_id(const struct elf_file *file);
