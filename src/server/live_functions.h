#pragma once

// A dictionary of functions that only grows: what a subscriber has been told of functions, each of
// which has a number from then on.
//
//     function_id ──► number ──► name, binary, address, … were sent once
//
// When a symbol table arrives, functions are made anew (query/names.h). One that is told as before
// takes the number of the one that it replaces. In one answer, different functions always have
// different numbers, though they may look the same.
//
// Belongs to whoever has the subscription's `struct sent`; stands on one `struct names`.

#include "query/names.h"
#include "rpc/json.h"

struct live_function {
    function_id function; // who has the number at present
    uint64_t used;        // the last answer that showed it
};

struct live_functions {
    VEC(struct live_function) all; // by number
    VEC(uint32_t) number_of;       // by function_id, plus one; 0: it has none
    struct map by_looks;           // hash of what is told of a function -> number
    uint64_t n_answers;
};

void live_functions_fini(struct live_functions *functions); // a zeroed one is empty, and ready

// An answer about these functions is made: their numbers, in the same order. A function may stand
// there several times.
void live_functions_number(struct live_functions *functions, const struct names *names,
                           const function_id *ids, size_t n, uint32_t *ret_numbers);

// The field `functions`: those from number `first` on.
void live_functions_put(struct json *j, const struct live_functions *functions,
                        const struct names *names, uint32_t first);
