#pragma once

// Where in the code of one function the samples are: by address.
//
//     stacks of the fold ──► those whose innermost frame lies in the function     self, at that
//     place
//                        └─► those with a call from it, anywhere                 total, at that
//                        call
//
// A function here is one as it is in memory: what was inlined into it is a part of it. Its self
// samples are those of `top` of a physical view.
//
// The place of a frame that is not the leaf is the last byte of the call (store/stacks.h). A leaf
// is where the timer's interrupt found the thread: often an instruction or two behind the one that
// was slow ("skid"). It is shown as it was sampled.
//
// Belongs to the query thread.

#include "query/answers.h"

struct heat_place {
    uint64_t addr; // in the process: the function's `addr` and what lies behind it; see `bias`
    uint32_t code; // of a JIT's: which version, a row of the store's codes; else CODE_NONE
    uint64_t self_samples;
    uint64_t total_samples; // of stacks with this place on them; recursion counts once
    uint64_t self_on_cpu_ns;
    uint64_t total_on_cpu_ns;
    uint64_t total_off_ns; // waits of stacks with this place on them
};

struct function_heat {
    VEC(struct heat_place) places; // by code, then addr; none without samples or waits
    uint64_t bias; // address in the process = the file's own + bias; of a JIT and the kernel: 0
    // Of the function as a whole: self is the sum over places, to the sample and to the nanosecond.
    uint64_t self_samples;
    uint64_t self_on_cpu_ns;
    uint64_t total_samples; // recursion counts once
    uint64_t total_on_cpu_ns;
    uint64_t total_off_ns;
};

// `tree` has been refreshed (physical or not: it does not matter) and the fold has settled. The
// function is not an inlined one.
void function_heat_make(struct function_heat *ret, const struct calltree *tree,
                        const struct fold *fold, const struct store *store, function_id function);
void function_heat_fini(struct function_heat *heat);
