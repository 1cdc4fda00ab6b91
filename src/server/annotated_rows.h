#pragma once

// The lines of an annotated answer: those of the listing, and those that samples need beside it.
//
//     listing   ─ line ─ line ─ line ─────────────┐
//                                                 ├─► row ─ row ─ row ─ row ─ row
//     heat      ─ place ─ place ─ place ──────────┘         │           │
//                   └─ in a line: its numbers       or without any: a row of its own
//
// So no sample is lost where bytes are missing, or code was another one: self numbers of all rows
// add up to those of the function. Totals of a row count each sample once.

#include "code/listing.h"
#include "query/function_heat.h"
#include "server/code_numbers.h"

struct annotated_row {
    uint32_t line; // of the listing, or LISTING_NONE
    uint32_t heat; // of `heat`, or LISTING_NONE: nothing was sampled there
    uint64_t addr;
};

struct annotated_rows {
    VEC(struct annotated_row) rows; // by version, then by address
    VEC(struct heat_place) heat;
    VEC(uint32_t) first_of_part; // by part of the listing: its first row; and one more, their end
    uint64_t key;                // of two that differ in their rows, it does, too
};

void annotated_rows_make(struct annotated_rows *ret, const struct listing *listing,
                         const struct function_heat *heat);
void annotated_rows_fini(struct annotated_rows *rows);

struct code_numbers annotated_rows_numbers(const struct annotated_rows *rows, size_t row);

// Of all rows but those from `first` on, `n` of them.
uint64_t annotated_rows_cut_samples(const struct annotated_rows *rows, size_t first, size_t n);
