#pragma once

// The line table of one compilation unit, as a compiler writes it down: a program for a machine
// with a few registers, whose every row is one step of it. DWARF 2 to 5. Pure: bytes in, rows out.
//
//     header     opcodes, directories, files
//     program    "12 bytes on, 3 lines on, a row" …                     a row: address, file, line
//     sequence   rows up to an end, addresses ascending                 one per section of code
//
// Not libdw's: that one keeps all rows of all units that were ever asked about in memory, 32 bytes
// for each byte of the program, until the file is closed.
//
// Source: DWARF 5, section 6.2; DWARF 2 and 4 likewise.

#include "base/bytes.h"
#include "base/vec.h"

// Uncompressed. Borrowed.
struct line_sections {
    struct slice line;     // .debug_line
    struct slice line_str; // .debug_line_str
    struct slice str;      // .debug_str
};

struct line_file {
    struct slice name;
    uint64_t directory;
};

struct line_program {
    int version;
    VEC(struct slice) directories; // number 0: where the compiler ran, from version 5 on
    VEC(struct line_file) files;   // from number 1 on before version 5, else from 0
    // For line_program_run().
    struct slice opcodes;
    struct slice operands; // how many each standard opcode has
    uint8_t min_instruction_bytes;
    uint8_t max_operations;
    int8_t line_base;
    uint8_t line_range;
    uint8_t opcode_base;
};

// The one at this offset of .debug_line. False: malformed, or of an unknown version, or `*budget`
// is 0, from which every byte that was read takes one off. Texts are borrowed from the sections.
bool line_program_parse(const struct line_sections *sections, uint64_t off, uint64_t *budget,
                        struct line_program *ret);

void line_program_fini(struct line_program *program); // accepts a zeroed one

struct line_step {
    uint64_t addr;
    uint32_t file; // the program's own number
    uint32_t line;
    uint32_t column;
};

// Code from the first row's address up to `end`.
struct line_sequence {
    uint64_t start;
    uint64_t end;
    uint32_t first; // row of `steps`
    uint32_t n;
};

struct line_table {
    VEC(struct line_step) steps;
    VEC(struct line_sequence) sequences; // sorted, without overlaps: of two the first one counts
    bool cut; // some are missing: malformed, not in order, more than LIMIT_LINE_ROWS, or the budget
};

void line_table_fini(struct line_table *table); // accepts a zeroed one

// Runs it from beginning to end, or until `*budget` is 0, likewise.
// Sequences at address 0 are of functions that the linker left out, and are left out. Files that
// the program itself defines are added to its list.
void line_program_run(struct line_program *program, uint64_t *budget, struct line_table *ret);

// The sequence that has this address, or the first one behind; NULL: there is none.
const struct line_sequence *line_table_sequence(const struct line_table *table, uint64_t addr);

// In that sequence, the row that stands for this address, the last one of several at one address.
uint32_t line_table_row(const struct line_table *table, const struct line_sequence *sequence,
                        uint64_t addr);
