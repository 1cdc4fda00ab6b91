#pragma once

// Which function somebody means: by an address, or by a part of its name.
//
//     0x55d0c3e01139    the function that has this address, in the process or in the kernel; also
//                       one that no sample was ever in
//     parse             every function whose name has this in it, whatever the case
//
// Of several that fit, one whose whole name it is goes before the others (and of these, one with
// the same case), and one that starts at the address before one that only has it; then the hottest
// one goes, by the samples of the view.
//
// A function of a JIT has the addresses of all of its versions, those that are gone, too.
//
// Functions are those that samples (or waits) fell into; see names.h. Belongs to the query thread.

#include "query/answers.h"

struct function_target {
    char *name; // owned; NULL: by address
    uint64_t address;
};

void function_target_fini(struct function_target *target);

// What decides between several. Of one that is alone, and has code of its own, nothing is counted:
// most questions are about such a one, again and again.
struct found_function {
    function_id id;         // FUNCTION_NONE: no sample was ever in it
    uint64_t self_samples;  // in the view
    uint64_t total_samples; // in the view; recursion counts once
    uint64_t total_off_ns;  // likewise
};

enum { FUNCTION_NONE = UINT32_MAX, FOUND_FUNCTIONS_MAX = 64 };

// By which number "the hottest" is found; the others decide where it is equal.
enum find_order { FIND_BY_SELF, FIND_BY_TOTAL, FIND_BY_TOTAL_WAITS };

struct found_functions {
    VEC(struct found_function)
    fit;            // the one that is meant, then the others, the hottest first;
                    // FOUND_FUNCTIONS_MAX at most
    uint64_t n_fit; // all of them
    // Of an address in code that no sample was ever in: where. Otherwise `symbol` is NULL.
    image_id image;
    const struct symbol *symbol;        // of the image's table
    uint64_t bias;                      // address in the process = the file's own + bias
    VEC(struct found_function) hottest; // when nothing fits: the hottest of all, five at most
};

// `tree` has been refreshed and the fold has settled. Kernel functions that are known by name alone
// have no address. Samples and waits are those that `top` counts.
void find_functions(struct found_functions *ret, const struct calltree *tree,
                    const struct fold *fold, const struct store *store, struct reasons *reasons,
                    const struct function_target *target, enum find_order order);
void found_functions_fini(struct found_functions *found);

// An inlined function has no code of its own. The function in whose code most of its samples are,
// by self, then total; FUNCTION_NONE when it has none in the view, and when the tree is a physical
// one. *ret_samples: how many of its self samples those are.
function_id find_host_of_inlined(const struct calltree *tree, const struct fold *fold,
                                 function_id inlined, uint64_t *ret_samples);
