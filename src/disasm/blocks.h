#pragma once

// The basic blocks of a function, and how control goes between them.
//
// A block begins at the first instruction, behind every branch, jump, return and stop, and at
// every place inside of the function that one of those, or a switch table, leads to. It is entered
// at its first instruction and left at its last. A call does not end a block, unless its callee
// never returns. One stop behind another is in its block: data, padding.
//
//     bytes ──disasm──► instructions ──jump_tables_find()──► tables ──blocks_make()──► blocks,
//     edges
//
// A target in the middle of an instruction (hand-written code does that: `lock` prefixes are
// jumped over) is no place where a block can begin: such an edge is not drawn, and counted.

#include "base/vec.h"
#include "disasm/disasm.h"
#include "disasm/jump_table.h"

enum block_end {
    BLOCK_GOES_ON,        // into the next block
    BLOCK_BRANCHES,       // or into the next block
    BLOCK_JUMPS,          // within the function
    BLOCK_SWITCHES,       // by a table that was found
    BLOCK_JUMPS_ANYWHERE, // by a register or memory, nobody knows where to
    BLOCK_TAIL_CALLS,     // jumps out of the function (also by a branch, which then has one edge)
    BLOCK_RETURNS,
    BLOCK_CALLS_NORETURN, // its last call never comes back
    BLOCK_STOPS,          // ud2, data, or the end of the function's bytes
};
const char *block_end_name(enum block_end end); // "goes_on", "branches", …: the JSON value

struct block {
    uint32_t first; // instruction
    uint32_t n;     // instructions
    enum block_end end;
};

enum edge_kind { EDGE_NEXT, EDGE_TAKEN, EDGE_JUMP, EDGE_SWITCH };
const char *edge_kind_name(enum edge_kind kind); // "next", "taken", "jump", "switch"

struct block_edge {
    uint32_t from; // block
    uint32_t to;
    enum edge_kind kind;
};

struct blocks {
    VEC(struct block) blocks;     // by address
    VEC(struct block_edge) edges; // by from, then to, then kind; each once
    uint32_t n_into_middle;       // jumps to what is no beginning of an instruction
    uint32_t n_unknown;           // jumps by a register or memory, without a table
};

// Whether the function called at `addr` never returns. `context` as given.
typedef bool blocks_noreturn_fn(void *context, const struct instruction *call);

// Of all instructions of a function, by address, without gaps. `tables` are by the number of their
// jump, ascending. `noreturn` may be NULL: all return.
void blocks_make(const struct instruction *instructions, size_t n, const struct jump_tables *tables,
                 blocks_noreturn_fn *noreturn, void *context, struct blocks *ret);
void blocks_fini(struct blocks *blocks);

// Whether a function of this name (demangled or not, `@plt` and versions are no part of it) never
// returns, by what it is known for: abort, exit, __stack_chk_fail, __cxa_throw, _Unwind_Resume,
// core::panicking::…, and the like.
bool noreturn_name(const char *name);
