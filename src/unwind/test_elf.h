#pragma once

// For the oracle and the benchmark: what of a file on disk a table is made from. In the program
// itself image/ does this; it stands above this folder.

#include "base/vec.h"
#include "unwind/cfi.h"

#include <libelf.h>

struct test_elf {
    int fd;
    Elf *elf;
    VEC(struct cfi_segment) segments;
    struct cfi_source source;  // of its .eh_frame, until another section is asked for
    struct slice search_table; // .eh_frame_hdr; its address is source.data_addr
};

// `section`: ".eh_frame" or ".debug_frame". NULL, or why there is nothing to be had of it. Close it
// in either case.
const char *test_elf_open(struct test_elf *elf, const char *path, const char *section);
void test_elf_close(struct test_elf *elf);

// Where the dynamic linker finds a library of this name; NULL when it does not. Lives as long as
// the program.
const char *test_elf_library(const char *name);
