#pragma once

// A tree of functions with weights, cut to what somebody can look at: what flame and neighbors have
// in common.
//
//     nodes, weights ──choose──► those that are shown ──show──► flame: in order, each with what
//                                                               was left out below it
//
// What weighs is time on a CPU, time spent waiting, or both, by the mode; nodes that have nothing
// of it are no part of the answer. A node weighs at least as much as those below it, and has the
// smaller id. So "near enough, heavy enough, among the heaviest" holds for a node only if it holds
// for the one above it: picking nodes one by one always leaves a tree.
//
// With a zoom, nodes are measured by what fills the screen. Those on the way to the zoomed node are
// kept; those below it weigh as if it were the whole:
//
//     all 1000 ms ─┬─ a 990 ─ …       99 % of the whole
//                  └─ b 10 ─┬─ c 8    b: on the way; c: 80 % of b, as heavy as one of 800 ms
//                           └─ d 2    elsewhere

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
    uint64_t rank;     // the heavier it counts, the more
    uint64_t total_ns; // of the mode
    node_id above;
    node_id node;
};

// Without the root, which is always kept; with a node, somewhere before it, the one above it.
struct cut_choice {
    VEC(struct cut_kept) kept;
    uint32_t zoom_depth;
};

// The order in which nodes are chosen: no two are equal.
int cut_compare_rank(const struct cut_kept *a, const struct cut_kept *b);

// Whether a weight has anything of the mode, and how much.
bool cut_weigh(const struct weight *weight, enum answer_mode mode, uint64_t *ret_ns);

// Where a node is, seen from the one that is zoomed into. Without a zoom: elsewhere.
enum cut_region { CUT_ELSEWHERE, CUT_ON_THE_WAY, CUT_BELOW };

struct cut_measure {
    double min_share;
    uint64_t whole_ns;
    uint64_t zoomed_ns; // what the zoomed node has; looked at for nodes below it only
};

// Whether a node with this total is heavy enough. Sets its rank.
bool cut_admit(const struct cut_measure *measure, enum cut_region region, struct cut_kept *kept);

// By depth, share of `whole_ns` and number. Returns how many nodes there are to choose from, the
// root counted. `has_reason` and `reason` of the parameters are of no concern here.
uint64_t cut_choose(struct cut_choice *ret, const struct cut_tree *tree,
                    const struct flame_params *params, uint64_t whole_ns);

// Fills `nodes` of an empty flame. Leaves the choice in another order.
void cut_show(struct flame *ret, const struct cut_tree *tree, const struct flame_params *params,
              struct cut_choice *choice);
