#pragma once

// Where the indirect jump of a `switch` leads: from the few instructions before it, which check a
// bound and compute an address in a table, and from the table itself.
//
//     cmp  eax, 7             how many entries
//     ja   default
//     lea  rdx, [rip+table]   where; entries are 4 bytes, relative to the table (x86-64, PIC)
//     movsxd rax, [rdx+rax*4]                      or 8 bytes, absolute (`jmp [table+rax*8]`)
//     add  rax, rdx
//     jmp  rax                                     AArch64: 1, 2 or 4 bytes, shifted, from an `adr`
//
// What does not look like that has no table: better none than a wrong one. So has one with an entry
// that leads into the middle of an instruction, or with none that leads into the function. Entries
// out of it are believed: compilers move what is hardly ever done elsewhere (`.cold`).

#include "base/vec.h"
#include "disasm/disasm.h"

enum { JUMP_TABLE_ENTRIES_MAX = 4096 };

struct jump_table {
    uint32_t jump; // the instruction, by its number
    uint32_t first_target;
    uint32_t n_targets;
    uint32_t n_entries;
    uint64_t addr; // of the table
    uint64_t end;
};

struct jump_tables {
    VEC(struct jump_table) tables; // by `jump`
    VEC(uint64_t)
    targets; // addresses; of each table: ascending, each once; some may be
             // outside of the function
};

// Adds the bytes of [addr, end) in the same address space as the instructions; false: not to be
// had.
typedef bool jump_table_read_fn(void *context, uint64_t addr, uint64_t end, struct text *to);

// Of a function: `bytes` are those of all `n` instructions, the first of which lies at the first
// byte. `read` may be NULL: nothing is found.
void jump_tables_find(enum arch arch, const struct instruction *instructions, size_t n,
                      struct slice bytes, jump_table_read_fn *read, void *context,
                      struct jump_tables *ret);
void jump_tables_fini(struct jump_tables *tables);
