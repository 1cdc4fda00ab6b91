#pragma once

// A tree of functions with weights, cut to what somebody can look at: what flame and neighbors have
// in common.
//
//     nodes, weights ──choose──► those that are shown ──show──► flame: in order, each with what
//                                                               was left out below it
//
// What weighs is time on a CPU, time spent waiting, or both, by the mode; nodes that have nothing of it
// are no part of the answer. A node weighs at least as much as those below it, and has the smaller
// id. So "near enough, heavy enough, among the heaviest" holds for a node only if it holds for the
// one above it: picking nodes one by one always leaves a tree.

#include "query/weights.h"

struct cut_tree {
    const struct names *names;
    const struct function *root; // what node 0 stands for; NULL: everything
    // Borrowed; only `caller`, `function` and `depth` are looked at. A `caller` is the node above,
    // with the smaller id, whichever of the two it is that calls the other.
    const struct calltree_node *nodes;
    size_t n_nodes;
    const struct weights *weights; // of these nodes; borrowed
};

struct cut_kept {
    uint64_t total_ns; // of the mode
    node_id above;
    node_id node;
};

// In any order, without the root, which is always kept; with a node, the one above it.
struct cut_choice {
    VEC(struct cut_kept) kept;
};

// The order in which nodes are chosen: no two are equal.
int cut_compare_weight(const struct cut_kept *a, const struct cut_kept *b);

// Whether a weight has anything of the mode, and how much.
bool cut_weigh(const struct weight *weight, enum answer_mode mode, uint64_t *ret_ns);

// By depth, share of `whole_ns` and number. Returns how many nodes there are to choose from, the
// root counted. `has_reason` and `reason` of the parameters are of no concern here.
uint64_t cut_choose(struct cut_choice *ret, const struct cut_tree *tree,
                    const struct flame_params *params, uint64_t whole_ns);

// Fills `nodes` of an empty flame. Leaves the choice in another order.
void cut_show(struct flame *ret, const struct cut_tree *tree, enum answer_mode mode,
              struct cut_choice *choice);
