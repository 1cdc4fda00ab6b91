#pragma once

// Call frame information, ready to be used: for every instruction of a binary, how to get from the
// registers there to those of the caller.
//
// A compiler writes it as little programs (.eh_frame: DWARF 5 section 6.4, LSB Core 10.6), one per
// function, which have to be run from the function's start to know what holds at one instruction.
// Here they are run once, all of them; what is kept is a sorted table:
//
//     rows     from offset … on ──► number of a rule          8 bytes each, binary search
//     rules    CFA = register + offset; where the return address and the registers that the next
//              frame may need have been saved. A binary has few that differ: they are shared
//
// Offsets are those of the *file* (as in a frame of store/stacks.h), so that a mapping's address
// needs no translation. Only registers that a caller may still need are told: x86-64 rbx, rbp,
// r12-r15, the stack pointer and the return address; AArch64 x19-x30, the stack pointer, and the
// return address (psABI names: callee-saved).
//
// Where functions overlap, an instruction belongs to the last one that starts at or before it, as
// for a program's own unwinder, which searches by starts (cfi.c has a drawing).
//
// Pure: bytes in, table out; no files, no libdw (which is the oracle of its tests). Whatever the
// bytes are, the table is bounded by their number, and by LIMIT_CFI_ROWS.

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

enum unwind_arch { UNWIND_X86_64, UNWIND_AARCH64 };

// DWARF's numbers: x86-64 psABI figure 3.36 (7 = rsp, 16 = the return address); DWARF for the Arm
// 64-bit Architecture, table 3 (31 = sp, 32 = pc, 30 = where a call leaves its return address).
enum { UNWIND_REGS = 33 };

// ---- One rule ----------------------------------------------------------------------------------

// Where a register's value in the caller is to be found.
enum cfi_how {
    CFI_SAME,          // nobody has touched it
    CFI_UNDEFINED,     // lost. Of the return address: this is the outermost frame
    CFI_AT_CFA,        // in memory at CFA + off
    CFI_IS_CFA,        // it is CFA + off
    CFI_IN_REGISTER,   // in register `reg`, + off
    CFI_AT_REGISTER,   // in memory at register `reg` + off
    CFI_AT_EXPRESSION, // in memory at what the expression `off` of the table yields
    CFI_IS_EXPRESSION, // what the expression `off` of the table yields
};

struct cfi_place {
    uint8_t how; // enum cfi_how
    uint8_t reg;
    int32_t off;
};

// A register that UNWIND_REGS does not have (a vector register, say) stands in a place as this one:
// its value is never known.
enum { CFI_REG_OTHER = UINT8_MAX };

// The registers of a rule by slot: CFI_SLOT_RA and CFI_SLOT_SP always, then the callee-saved ones.
enum { CFI_SLOT_RA, CFI_SLOT_SP, CFI_SLOT_FP, CFI_SLOTS = 14 };

struct cfi_rule {
    // CFI_IN_REGISTER (usual), CFI_AT_REGISTER (realigned stacks: the value in memory, plus
    // cfa_add), CFI_IS_EXPRESSION; CFI_UNDEFINED only where the return address is undefined too.
    struct cfi_place cfa;
    int32_t cfa_add;
    uint16_t told;     // bit n: saved[n] is not CFI_SAME
    bool signal_frame; // its caller was interrupted: that address is exact, not a return address
    struct cfi_place saved[CFI_SLOTS];
};

// The registers of all slots: UNWIND_REGS for one that the architecture does not use. That of
// CFI_SLOT_RA is where the address itself is kept (16; 32).
const uint8_t *cfi_slot_registers(enum unwind_arch arch);

// ---- The table ---------------------------------------------------------------------------------

// Where a part of the file is in its own addresses (a loadable segment of it).
struct cfi_segment {
    uint64_t addr;
    uint64_t size_bytes;
    uint64_t file_off;
};

struct cfi_section {
    struct slice bytes;
    uint64_t addr;       // where it stands, for encodings relative to the place itself
    bool is_debug_frame; // .debug_frame: no encodings, other ids (DWARF 5 section 6.4.1)
};

struct cfi_source {
    enum unwind_arch arch;
    struct cfi_section sections[2]; // the first that covers an instruction is believed
    uint32_t n_sections;
    uint64_t data_addr;                 // base of DW_EH_PE_datarel: .eh_frame_hdr, or 0
    uint64_t text_addr;                 // base of DW_EH_PE_textrel: .text, or 0
    const struct cfi_segment *segments; // FDEs outside of all of them are left out
    uint32_t n_segments;
};

struct cfi_table;

// What was found on the way, for diagnosis.
struct cfi_facts {
    uint64_t n_fdes;
    uint64_t n_rows;
    uint64_t n_rules;
    uint64_t n_bad; // FDEs that made no sense: their instructions have no information
    uint64_t n_expressions;
    bool full; // LIMIT_CFI_ROWS reached
};

// Everything is copied: the sections may go afterwards. Never NULL; perhaps without any row.
struct cfi_table *cfi_table_build(const struct cfi_source *source, struct cfi_facts *ret_facts);
void cfi_table_free(struct cfi_table *table); // accepts NULL

uint64_t cfi_table_bytes(const struct cfi_table *table); // of memory

// The rule for the instruction at this offset of the file; NULL when no FDE covers it. Valid as
// long as the table. O(log n), lock-free.
const struct cfi_rule *cfi_table_find(const struct cfi_table *table, uint64_t file_off);

// The bytes of the expression that a place refers to by `off`.
struct slice cfi_table_expression(const struct cfi_table *table, int32_t off);

// The n-th row, in order: it lasts up to the next one. NULL as a rule: a gap. False past the end.
bool cfi_table_row(const struct cfi_table *table, size_t n, uint64_t *ret_off,
                   const struct cfi_rule **ret_rule);
