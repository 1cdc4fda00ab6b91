#pragma once

// Who calls a function, and what it calls: two trees with the function as their root.
//
//     callers   everything that leads to it, the nearest caller first, up to the outermost frame
//     callees   everything below it
//
// Both are merged over all places where the function stands in a stack. A stack that has it more
// than once (recursion) is taken apart where it stands outermost and where it stands innermost;
// what lies between is the function itself, and so in neither tree:
//
//     main > load > parse > list > parse > number        about `parse`:
//     ───────────   ─────────────────────   ──────
//     callers       the root                callees      parse ◄ load ◄ main,  parse ► number
//
// So each sample counts once, the function stands nowhere below the root, and of both trees
//
//     the root's weight = the function's total in `top`
//                       = its own + that of the nodes of depth 1
//
// where its own is, of callees, the function's self in `top`, and of callers what nobody called:
// stacks that begin with it. A callers' node weighs what of the function's total came by way of it
// to the outermost stay; a callees' node what was spent in it and below since the innermost one
// began. How much lies in recursion, and by way of what the function came back to itself, is told
// beside: of `parse` above, `list`.
//
// Callees are made from the whole calltree in one pass. A callers' tree can have far more nodes
// than the calltree, up to its depth times as many. So it grows from the root, the heaviest node
// first, and no further than to what is shown.
//
// Belongs to the query thread.

#include "query/answers.h"

enum { NEIGHBORS_WAYS = 100 };

// What the function called when it came to its innermost stay; itself, when it called itself at
// once. Each recursive sample is of one of them.
struct neighbors_way {
    const struct function *function;
    uint64_t on_cpu_ns;
    uint64_t samples;
    uint64_t off_ns;
};

struct neighbors {
    struct health health;
    uint64_t total_on_cpu_ns; // of the whole view
    struct off_cpu total_off_cpu;
    uint64_t own_on_cpu_ns; // self: as in `top`
    uint64_t own_samples;
    uint64_t own_waits; // how many
    struct off_cpu own_off_cpu;
    uint64_t recursive_on_cpu_ns; // of its total: with the function more than once on the stack
    uint64_t recursive_samples;
    uint64_t recursive_off_ns;
    VEC(struct neighbors_way)
    ways;                 // of recursion: by the mode's time, most first; then by name.
                          // NEIGHBORS_WAYS at most
    struct flame callers; // `nodes` only; node 0 is the function. `self_…` of a node: of stacks
                          // that begin with it
    struct flame callees; // likewise; `self_…` as everywhere
};

// `function` may be an inlined one, when the tree is not physical. The parameters are those of each
// of the two trees; shares are of the function's total.
void neighbors_make(struct neighbors *ret, const struct calltree *tree, const struct fold *fold,
                    const struct store *store, struct reasons *reasons, function_id function,
                    const struct flame_params *params);
void neighbors_fini(struct neighbors *neighbors);

// ---- One tree on its own -----------------------------------------------------------------------

// Where such a tree begins: with all functions of one name, or with everything.
struct tree_root {
    uint8_t *functions;   // by function_id: 1 for those that it begins with; NULL: everything
    function_id function; // one of them: what the root is called
};

// The functions that are called that, on whichever stack, inlined or not. False: none is.
bool tree_root_find(struct tree_root *ret, const struct calltree *tree,
                    const struct view_symbol *symbol);
void tree_root_fini(struct tree_root *root);

// What the root calls, or its callers. Callees of everything are what flame_make() makes; callers
// of everything begin with the functions that are innermost. Shares are of the root's weight, but
// for callees of everything. `n_nodes` of callers: those that had to be looked at.
void neighbors_tree_make(struct flame *ret, const struct calltree *tree, const struct fold *fold,
                         const struct store *store, struct reasons *reasons,
                         const struct tree_root *root, bool callers,
                         const struct flame_params *params);
