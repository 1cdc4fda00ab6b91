#pragma once

// What is in the registers at the end of a path: a few runs of instructions, one behind the other,
// as the machine would go through them. The search for switch tables (jump_table.c) makes paths
// that end at an indirect jump, and asks what that jumps to.
//
//     cmp  edi, 7                      a0 = what rdi was at the start;  4 bytes of a0 <= 7
//     ja   …         not taken
//     mov  eax, edi                    rax = a0, 4 bytes
//     movsxd rax, [rdx+rax*4]          rax = a1, a load at (what rdx was) + (a0, 4 bytes) << 2
//     add  rax, rdx                    rax = a1 + (what rdx was)
//     jmp  rax
//
// A value is a sum of a number, a part of one *atom*, shifted, and perhaps what a register was at
// the start of the path. Atoms are what the registers were at the start, what was loaded, and
// results of which nothing is known, but perhaps between which numbers they are. Memory is
// remembered by address, too: compilers compare it in one instruction and load it in the next, and
// without optimization everything goes through the stack. A store is held to change all memory that
// is not told apart from it by its base.

#include "disasm/disasm.h"
#include "disasm/step.h"

enum {
    PATH_RUNS_MAX = 12,
    PATH_INSTRUCTIONS_MAX = 256,
    // Each instruction makes one per register that it changes, and two at most otherwise.
    PATH_ATOMS_MAX = STEP_REGISTERS + 4 * PATH_INSTRUCTIONS_MAX,
    PATH_CELLS_MAX = 32,
    ATOM_NONE = 0xffff,
};

// Instructions from `first` to `last`, by their numbers. Of all but the last run, `last` leads to
// `first` of the next one.
struct path_run {
    uint32_t first;
    uint32_t last;
};

// atom part << shift, + number, + what register `base` was at the start of the path.
struct path_value {
    uint64_t number;
    uint16_t atom; // or ATOM_NONE
    uint8_t bytes; // of the atom: the low ones
    bool is_signed;
    uint8_t shift;
    uint8_t base; // or REGISTER_NONE
};

struct path_atom {
    struct path_value address; // of what was loaded
    uint8_t load_bytes;        // 0: it was not loaded
    // The low `bound_bytes` of it, as an unsigned number, are from `min` to `max`. 0: not known.
    uint8_t bound_bytes;
    uint64_t min;
    uint64_t max;
};

struct path_cell {
    struct path_value address;
    struct path_value value;
    uint8_t bytes;
    bool is_stack;
};

struct path {
    // What it is a path of.
    enum arch arch;
    const struct instruction *instructions;
    struct slice bytes; // of all instructions, the first at the first byte
    uint64_t n_steps;   // that were gone, of all paths together

    struct path_value registers[STEP_REGISTERS];
    struct path_atom atoms[PATH_ATOMS_MAX]; // the first are what the registers were
    size_t n_atoms;
    struct path_cell cells[PATH_CELLS_MAX];
    size_t n_cells;
    struct path_value compared; // when `is_compared`
    struct path_value compared_with;
    bool is_compared;
    struct path_value target; // of the jump at the end
};

// Goes along `n` runs. false: it is too long, or has too many results.
bool path_go(struct path *path, const struct path_run *runs, size_t n);

// The step of one instruction.
struct step path_step(struct path *path, size_t instruction);

bool path_is_number(const struct path_value *value);

// Whether the atom's part is between bounds that are known. If not, they are those of its bytes.
bool path_bounds(const struct path *path, const struct path_value *value, uint64_t *ret_min,
                 uint64_t *ret_max);
