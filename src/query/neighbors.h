#pragma once

// Who calls a function, and what it calls: two trees with the function as their root.
//
//     callers   everything that leads to it, the nearest caller first, up to the outermost frame
//     callees   everything below it
//
// Both are merged over all places where the function stands in a stack. Of a stack that has it more
// than once (recursion), callers are those of its outermost stay, and callees start at the
// outermost one, too: so each sample counts once, the roots of both trees weigh the same, and
// that is the function's total in `top`.
//
// A callers' node weighs what of the function's total came by way of it; a callees' node weighs
// what was spent in it and below while the function was on the stack.
//
// Belongs to the query thread.

#include "query/answers.h"

struct neighbors_params {
    enum answer_mode mode; // what orders and cuts
    uint32_t max_depth;    // of each tree; 0: any. The root has depth 0
    double min_share;      // of the root's weight: smaller nodes are cut
    uint32_t max_nodes;    // of each tree; 0: any. The heaviest are kept, and the root always
};

struct neighbors {
    struct health health;
    uint64_t total_on_cpu_ns; // of the whole view
    struct off_cpu total_off_cpu;
    uint64_t own_on_cpu_ns; // self: as in `top`
    uint64_t own_samples;
    struct off_cpu own_off_cpu;
    struct flame callers; // nodes, n_nodes; the root is the function. `self_…` of a callers' node:
                          // of stacks that begin with it, it has no caller
    struct flame callees;
};

// `function` may be an inlined one, when the tree is not physical.
void neighbors_make(struct neighbors *ret, const struct calltree *tree, const struct fold *fold,
                    const struct store *store, struct reasons *reasons, function_id function,
                    const struct neighbors_params *params);
void neighbors_fini(struct neighbors *neighbors);
