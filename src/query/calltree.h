#pragma once

// The stacks of a run by function instead of by address.
//
// The store's tree has a node per *place*; people think in functions. Here all places of one
// function under the same caller are one node. Its shape depends only on stacks and names, not on
// weights: so it is built once, extended as stacks appear, shared by all views, and rebuilt when
// names change.
//
//     weights per stack ──sum──► self per node ──leaves to root──► total per node ──► top, flame
//
// A place with inlined functions is several nodes, the innermost of which is the stack's; unless
// the tree is one of the physical stacks, as they are in memory.
//
// `outermost` says that no caller of the node is the same function: a function's total is the sum
// over its outermost nodes, so that recursion counts once.
//
// Belongs to the query thread.

#include "query/names.h"

typedef uint32_t node_id; // 0 is the root

struct calltree_node {
    node_id caller;           // always smaller than the node's own id
    function_id function;     // of the root: without meaning
    node_id outermost_caller; // its ancestor of depth 1, or itself; of the root: 0
    uint32_t depth;           // root: 0
    bool outermost;
    uint8_t lack; // of stacks that end here
};

// What a stack lacks: a name of its leaf, or (the other bits: an enum truncation plus one; 0: none)
// its outer callers.
enum { CALLTREE_NO_NAME = 0x80 };

struct calltree {
    struct names *names;
    bool physical;
    uint64_t names_version;
    uint64_t inlined_version;
    VEC(struct calltree_node) nodes;
    VEC(node_id) of_stack;      // by stack_id
    VEC(uint8_t) lack_of_stack; // likewise: what is missing, in a byte, as who counts looks at all
    VEC(uint32_t) first_depth;  // by function_id: of its node nearest to the root; 0: none yet
    struct map by_edge;         // (caller, function) -> node
};

void calltree_init(struct calltree *tree, struct names *names);
void calltree_init_physical(struct calltree *tree, struct names *names);
void calltree_fini(struct calltree *tree);

// The function that `node` stands for; NULL for the root.
const struct function *calltree_function(const struct calltree *tree, node_id node);

// What says that the stacks of this node lack their callers, and why; NULL when they don't.
const struct function *calltree_truncation(const struct calltree *tree, node_id node);

// Brings names and tree up to the published stacks. Node ids stay as they are unless the names
// changed: then the tree is new, and true is returned.
bool calltree_refresh(struct calltree *tree);
