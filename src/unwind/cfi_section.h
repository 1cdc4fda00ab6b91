#pragma once

// .eh_frame (LSB Core 10.6) and .debug_frame (DWARF 5 section 6.4.1): a chain of entries, each with
// its length. An entry is either common information (CIE) or one function's (FDE), which names its
// CIE by where that stands.
//
// Only entries of the chain are CIEs: an FDE that points into the middle of something else is bad.
// So each is read once, and reading takes time in proportion to the bytes.
//
// An entry of length 0 ends an .eh_frame for a program's own unwinder. Here it is skipped: linkers
// leave some in the middle, and their search tables lead behind them.

#include "unwind/cfi.h"
#include "unwind/cfi_program.h"

struct cfi_function {
    const struct cfi_cie *cie;
    struct reader code; // as in struct cfi_program
    struct pointer_bases bases;
    uint64_t start_addr;
    uint64_t end_addr;
};

struct cfi_section_facts {
    uint64_t n_fdes;
    uint64_t n_bad;
};

// Calls `take` for each function. False from it: it makes no sense.
void cfi_section_read(const struct cfi_section *section, const struct cfi_source *source,
                      struct cfi_expressions *expressions,
                      bool (*take)(void *context, const struct cfi_function *function),
                      void *context, struct cfi_section_facts *ret);
