#pragma once

// Where in the code of one function the samples are: by address.
//
//     stacks of the fold ──► those whose innermost frame lies in the function     self, there
//                        └─► those with a call from it, anywhere                  total, there
//
// A function here is one as it is in memory: what was inlined into it is a part of it. Its self
// samples are those of `top` of a physical view.
//
// The place of a frame that is not the leaf is the last byte of the call (store/stacks.h). A leaf
// is where the timer's interrupt found the thread: often an instruction or two behind the one that
// was slow ("skid"). It is shown as it was sampled.
//
// What one sample adds to totals does not depend on how often it is in the function, but on where:
// the *path* of a stack is its places in the function, from the outermost call on, each one once.
// Stacks with equal paths are counted together, and paths are a tree like stacks are:
//
//     main ─ f+4 ─ g ─ f+4 ─ f+9       path f+4, f+9      so totals of f+4 and f+9, or of both
//     main ─ f+4 ─ f+9                 path f+4, f+9      together, count either sample once
//
// Belongs to the query thread.

#include "query/answers.h"

struct heat_place {
    uint64_t addr; // in the process: the function's `addr` and what lies behind it; see `bias`.
                   // 0: nobody knows, as for kernel functions that are known by name alone
    uint32_t code; // of a JIT's: which version, a row of the store's codes; else CODE_NONE
    uint64_t self_samples;
    uint64_t total_samples; // of stacks with this place on them; recursion counts once
    uint64_t self_on_cpu_ns;
    uint64_t total_on_cpu_ns;
    uint64_t total_off_ns; // waits of stacks with this place on them
};

// Path 0 is the empty one.
struct heat_path {
    uint32_t caller; // a smaller number
    uint32_t place;  // of `places`: none of its callers' has it
    uint64_t samples;
    double on_cpu_ns;
    uint64_t off_ns;
};

struct function_heat {
    VEC(struct heat_place) places; // by code, then addr; none without samples or waits
    VEC(struct heat_path) paths;
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
//
// Time of a place is its share of samples and thus no whole number. Self times are rounded so that
// their sum is right: each place has what the sum of all up to it, rounded, is more than the sum of
// those before it, rounded.
void function_heat_make(struct function_heat *ret, const struct calltree *tree,
                        const struct fold *fold, const struct store *store, struct reasons *reasons,
                        function_id function);
void function_heat_fini(struct function_heat *heat);

// Places taken together: instructions, basic blocks. `group_of` says by place which group it is in.
// Sets the numbers of `ret[0 … n_groups - 1]` and nothing else: self are sums; of a total each
// sample counts once, however many places of the group its stack has.
void function_heat_group(const struct function_heat *heat, const uint32_t *group_of,
                         struct heat_place *ret, size_t n_groups);
