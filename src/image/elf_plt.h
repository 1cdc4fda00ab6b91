#pragma once

// The stubs of a procedure linkage table, by what their instructions do.
//
//     call puts@plt  ─►  .plt.sec:  endbr64; jmp *slot     ─►  puts
//                                            the linker's promise to put its address there is a
//                                            relocation of `slot`, which knows the name
//
// Linkers lay their stubs out in many ways (lazy or not, with and without branch protection); all
// of them load the slot's address in one of two ways, which is what is looked for. Sources: psABI
// x86-64 5.2, "Procedure Linkage Table"; Arm ELF for AArch64, 5.7.6 "PLT"; and what GNU ld, gold,
// lld and mold write. Pure: bytes in, addresses out.

#include "base/bytes.h"

struct elf_plt_section {
    uint16_t machine; // EM_X86_64, EM_AARCH64; others have no stubs here
    struct slice bytes;
    uint64_t addr;
    uint64_t entry_bytes; // sh_entsize, as the file says
};

struct elf_plt_stub {
    uint64_t addr;
    uint64_t size;
    uint64_t slot_addr;
};

// The next stub from byte *at on, which moves behind it: start with 0. False: there are no more.
bool elf_plt_next(const struct elf_plt_section *section, size_t *at, struct elf_plt_stub *ret);
