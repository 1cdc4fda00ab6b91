#pragma once

// The basic blocks of an answer: those of all parts of the listing, one part behind the other, and
// the heat of each.
//
//     listing.parts ──blocks_make()──► blocks, edges ─┐
//                                                     ├─► row per block: numbers
//     heat.places ──► line ──► block, or unplaced ────┘
//
// Self numbers of all blocks and the unplaced ones add up to those of the function. Totals of a
// block count each sample once.

#include "code/listing.h"
#include "disasm/blocks.h"
#include "query/function_heat.h"
#include "server/code_numbers.h"

struct cfg_rows {
    // `first` counts lines of the listing; edges are between numbers of these blocks.
    struct blocks all;
    VEC(uint32_t) first_of_part; // by part: its first block; and one more, their end
    VEC(struct heat_place) heat; // by block; and one more: of what is in none
    VEC(uint32_t) row_of_block;  // its first line, as answers of `annotated` count lines
};

void cfg_rows_make(struct cfg_rows *ret, const struct listing *listing,
                   const struct function_heat *heat);
void cfg_rows_fini(struct cfg_rows *rows);

struct code_numbers cfg_rows_numbers(const struct cfg_rows *rows, size_t block);
