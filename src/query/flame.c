// The calltree, cut to what somebody can look at.
//
// A caller weighs at least as much as its callee, and has the smaller id. So "deep enough, heavy
// enough, among the heaviest" holds for a node only if it holds for its caller: picking nodes one
// by one always leaves a tree.

#include "query/answers.h"
#include "query/select.h"
#include "query/weights.h"

struct kept {
    uint64_t total;
    node_id caller;
    node_id node;
};

struct cutting {
    const struct calltree *tree;
    struct weights weights;
    VEC(struct kept) kept; // without the root
    uint32_t *first_kept;  // by node_id: where its callees begin in `kept`, sorted; plus one
    uint32_t *place;       // by node_id: where it stands in the answer; plus one
};

// ---- Choosing ----------------------------------------------------------------------------------

static int compare_weight(const void *a, const void *b, void *context)
{
    (void)context;
    const struct kept *x = a;
    const struct kept *y = b;
    if (x->total != y->total) {
        return x->total > y->total ? -1 : 1;
    }
    return x->node < y->node ? -1 : 1;
}

// Returns how many nodes have samples, the root counted.
static uint64_t choose(struct cutting *cutting, const struct flame_params *params)
{
    uint64_t n_nodes = 1;
    const uint64_t *total = cutting->weights.total;
    double least = params->min_share * (double)total[0];
    for (node_id id = 1; id < cutting->tree->nodes.n; id++) {
        const struct calltree_node *node = &cutting->tree->nodes.at[id];
        n_nodes += total[id] > 0;
        bool too_deep = params->max_depth != 0 && node->depth > params->max_depth;
        if (total[id] > 0 && !too_deep && (double)total[id] >= least) {
            vec_push(&cutting->kept,
                     (struct kept){.total = total[id], .caller = node->caller, .node = id});
        }
    }
    size_t room = params->max_nodes == 0 ? SIZE_MAX : params->max_nodes - 1;
    if (cutting->kept.n > room) {
        select_first(cutting->kept.at, cutting->kept.n, sizeof(struct kept), room, compare_weight,
                     NULL);
        cutting->kept.n = room;
    }
    return n_nodes;
}

// ---- Putting in order --------------------------------------------------------------------------

// Callees of one node lie together, heaviest first.
static int compare_siblings(const void *a, const void *b, void *context)
{
    const struct calltree *tree = context;
    const struct kept *x = a;
    const struct kept *y = b;
    if (x->caller != y->caller) {
        return x->caller < y->caller ? -1 : 1;
    }
    if (x->total != y->total) {
        return x->total > y->total ? -1 : 1;
    }
    return function_compare(calltree_function(tree, x->node), calltree_function(tree, y->node));
}

static void sort_siblings(struct cutting *cutting)
{
    size_t n = cutting->kept.n;
    select_first(cutting->kept.at, n, sizeof(struct kept), n, compare_siblings,
                 (void *)(uintptr_t)cutting->tree);
    cutting->first_kept = NEW_ARRAY(uint32_t, cutting->tree->nodes.n);
    for (size_t i = n; i-- > 0;) {
        cutting->first_kept[cutting->kept.at[i].caller] = (uint32_t)i + 1;
    }
}

static void emit(struct flame *flame, struct cutting *cutting, node_id id)
{
    node_id caller = cutting->tree->nodes.at[id].caller;
    struct flame_node node = {
        .parent = id == 0 ? 0 : cutting->place[caller] - 1,
        .function = calltree_function(cutting->tree, id),
        .self_samples = cutting->weights.self[id],
        .total_samples = cutting->weights.total[id],
    };
    vec_push(&flame->nodes, node);
    cutting->place[id] = (uint32_t)flame->nodes.n;
}

// Depth first: each node, then its callees from the heaviest on.
static void emit_all(struct flame *flame, struct cutting *cutting)
{
    VEC(node_id) waiting = {0};
    vec_push(&waiting, 0);
    while (waiting.n > 0) {
        node_id id = vec_pop(&waiting);
        emit(flame, cutting, id);
        size_t first = cutting->first_kept[id];
        if (first == 0) {
            continue;
        }
        size_t end = first;
        while (end < cutting->kept.n && cutting->kept.at[end].caller == id) {
            end++;
        }
        for (size_t i = end; i >= first; i--) { // the last one in is the first one out
            vec_push(&waiting, cutting->kept.at[i - 1].node);
        }
    }
    vec_fini(&waiting);
}

static void count_what_was_cut(struct flame *flame, const struct cutting *cutting)
{
    for (node_id id = 1; id < cutting->tree->nodes.n; id++) {
        uint32_t caller_place = cutting->place[cutting->tree->nodes.at[id].caller];
        uint64_t total = cutting->weights.total[id];
        if (total > 0 && cutting->place[id] == 0 && caller_place > 0) {
            flame->nodes.at[caller_place - 1].cut_children++;
            flame->nodes.at[caller_place - 1].cut_samples += total;
        }
    }
}

void flame_make(struct flame *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store, const struct flame_params *params)
{
    *ret = (struct flame){
        .health = health_make(tree, fold, store),
        .weight_ns = store->samples.weight_ns,
    };
    struct cutting cutting = {.tree = tree, .place = NEW_ARRAY(uint32_t, tree->nodes.n)};
    weights_init(&cutting.weights, tree, fold);
    ret->n_nodes = choose(&cutting, params);
    sort_siblings(&cutting);
    emit_all(ret, &cutting);
    count_what_was_cut(ret, &cutting);
    free(cutting.place);
    free(cutting.first_kept);
    vec_fini(&cutting.kept);
    weights_fini(&cutting.weights);
}

void flame_fini(struct flame *flame)
{
    vec_fini(&flame->nodes);
}
