#include "query/calltree.h"

_Static_assert((int)TRUNCATION_COUNT < (int)CALLTREE_NO_NAME, "both fit into a byte");

static void reset(struct calltree *tree)
{
    vec_clear(&tree->nodes);
    vec_clear(&tree->of_stack);
    vec_clear(&tree->lack_of_stack);
    vec_clear(&tree->first_depth);
    map_fini(&tree->by_edge);
    vec_push(&tree->nodes, (struct calltree_node){.outermost = true, .lack = CALLTREE_NO_NAME});
    vec_push(&tree->of_stack, 0);
    vec_push(&tree->lack_of_stack, CALLTREE_NO_NAME);
    tree->names_version = tree->names->version;
    tree->inlined_version = tree->names->inlined.version;
}

void calltree_init(struct calltree *tree, struct names *names)
{
    *tree = (struct calltree){.names = names};
    reset(tree);
}

void calltree_init_physical(struct calltree *tree, struct names *names)
{
    calltree_init(tree, names);
    tree->physical = true;
}

void calltree_fini(struct calltree *tree)
{
    map_fini(&tree->by_edge);
    vec_fini(&tree->first_depth);
    vec_fini(&tree->lack_of_stack);
    vec_fini(&tree->of_stack);
    vec_fini(&tree->nodes);
}

const struct function *calltree_function(const struct calltree *tree, node_id node)
{
    return node == 0 ? NULL : names_function(tree->names, tree->nodes.at[node].function);
}

const struct function *calltree_truncation(const struct calltree *tree, node_id node)
{
    const struct function *outermost = calltree_function(tree,
                                                         tree->nodes.at[node].outermost_caller);
    return outermost != NULL && outermost->is_truncation ? outermost : NULL;
}

// Whether a node of `function` below `caller` has no other of the same function outside of it. The
// walk ends where the function has not occurred in any stack yet, which is at once for most.
static bool is_outermost(const struct calltree *tree, node_id caller, function_id function)
{
    uint32_t first_depth = tree->first_depth.at[function];
    if (first_depth == 0) {
        return true;
    }
    for (node_id id = caller; tree->nodes.at[id].depth >= first_depth;
         id = tree->nodes.at[id].caller) {
        if (tree->nodes.at[id].function == function) {
            return false;
        }
    }
    return true;
}

static node_id add_node(struct calltree *tree, node_id caller, function_id function)
{
    vec_grow_zeroed(&tree->first_depth, (size_t)function + 1);
    struct calltree_node node = {
        .caller = caller,
        .function = function,
        .depth = tree->nodes.at[caller].depth + 1,
        .outermost = is_outermost(tree, caller, function),
    };
    uint32_t *first_depth = &tree->first_depth.at[function];
    *first_depth = *first_depth == 0 ? node.depth : MIN(*first_depth, node.depth);
    node_id id = (node_id)tree->nodes.n;
    node.outermost_caller = caller == 0 ? id : tree->nodes.at[caller].outermost_caller;
    const struct function *called = names_function(tree->names, function);
    node.lack = called->resolved ? 0 : CALLTREE_NO_NAME;
    if (caller != 0) {
        node.lack |= tree->nodes.at[caller].lack & (uint8_t)~CALLTREE_NO_NAME;
    } else if (called->is_truncation) {
        node.lack |= (uint8_t)(called->truncation + 1);
    }
    vec_push(&tree->nodes, node);
    return id;
}

static node_id callee(struct calltree *tree, node_id caller, function_id function)
{
    uint64_t edge = (uint64_t)caller << 32 | function;
    uint32_t id = map_find(&tree->by_edge, edge);
    if (id == MAP_NONE) {
        id = add_node(tree, caller, function);
        map_add(&tree->by_edge, edge, id);
    }
    return id;
}

static node_id callees(struct calltree *tree, node_id caller, frame_id frame)
{
    node_id node = callee(tree, caller, names_of_frame(tree->names, frame));
    if (!tree->physical) {
        struct inlined_list inlined = names_inlined_at(tree->names, frame);
        for (uint32_t i = 0; i < inlined.n; i++) {
            node = callee(tree, node, inlined.at[i]);
        }
    }
    return node;
}

static bool is_outdated(const struct calltree *tree)
{
    const struct names *names = tree->names;
    return tree->names_version != names->version ||
           (!tree->physical && tree->inlined_version != names->inlined.version);
}

bool calltree_refresh(struct calltree *tree)
{
    const struct stacks *stacks = &tree->names->store->stacks;
    // In this order: a stack is published after its frame.
    uint32_t n_stacks = atomic_load_explicit(&stacks->n_nodes, memory_order_acquire);
    uint32_t n_frames = atomic_load_explicit(&stacks->n_frames, memory_order_acquire);
    names_refresh(tree->names, n_frames);
    bool renamed = is_outdated(tree);
    if (renamed) {
        reset(tree);
    }
    vec_reserve(&tree->of_stack, n_stacks);
    vec_reserve(&tree->lack_of_stack, n_stacks);
    for (stack_id stack = (stack_id)tree->of_stack.n; stack < n_stacks; stack++) {
        const struct stack_row *row = stacks_get(stacks, stack);
        node_id leaf = callees(tree, tree->of_stack.at[row->caller], row->frame);
        vec_push(&tree->of_stack, leaf);
        vec_push(&tree->lack_of_stack, tree->nodes.at[leaf].lack);
    }
    return renamed;
}
