// The calltree, cut to what somebody can look at.
//
// What weighs is time on a CPU, or time spent waiting, by the mode; nodes that have nothing of it
// are no part of the answer. A caller weighs at least as much as its callee, and has the smaller
// id. So "deep enough, heavy enough, among the heaviest" holds for a node only if it holds for its
// caller: picking nodes one by one always leaves a tree.

#include "query/select.h"
#include "query/weights.h"

struct kept {
    uint64_t total_ns;
    node_id caller;
    node_id node;
};

struct cutting {
    const struct calltree *tree;
    const struct flame_params *params;
    double whole_ns;
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
    if (x->total_ns != y->total_ns) {
        return x->total_ns > y->total_ns ? -1 : 1;
    }
    return x->node < y->node ? -1 : 1;
}

// False: it has nothing of what the question is about.
static bool weigh(const struct cutting *cutting, node_id id, uint64_t *ret_ns)
{
    if (cutting->params->mode == MODE_OFF_CPU) {
        const struct wait_weight *total = weights_wait_total(&cutting->weights, id);
        *ret_ns = off_cpu_total(&total->off_cpu);
        return total->waits > 0;
    }
    *ret_ns = weights_round(cutting->weights.total[id].on_cpu_ns);
    return cutting->weights.total[id].samples > 0;
}

// Returns how many nodes there are to choose from, the root counted.
static uint64_t choose(struct cutting *cutting)
{
    const struct flame_params *params = cutting->params;
    uint64_t n_nodes = 1;
    double least_ns = params->min_share * cutting->whole_ns;
    for (node_id id = 1; id < cutting->tree->nodes.n; id++) {
        const struct calltree_node *node = &cutting->tree->nodes.at[id];
        struct kept kept = {.caller = node->caller, .node = id};
        if (!weigh(cutting, id, &kept.total_ns)) {
            continue;
        }
        n_nodes++;
        bool too_deep = params->max_depth != 0 && node->depth > params->max_depth;
        if (!too_deep && (double)kept.total_ns >= least_ns) {
            vec_push(&cutting->kept, kept);
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
    if (x->total_ns != y->total_ns) {
        return x->total_ns > y->total_ns ? -1 : 1;
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
    const struct weights *weights = &cutting->weights;
    const struct wait_weight *waits = weights_wait_total(weights, id);
    struct flame_node node = {
        .parent = id == 0 ? 0 : cutting->place[caller] - 1,
        .function = calltree_function(cutting->tree, id),
        .on_cpu_ns = weights_round(weights->total[id].on_cpu_ns),
        .self_samples = weights->self[id].samples,
        .total_samples = weights->total[id].samples,
        .self_off_ns = off_cpu_total(&weights_wait_self(weights, id)->off_cpu),
        .off_ns = off_cpu_total(&waits->off_cpu),
        .waits = waits->waits,
        .off_cpu = waits->off_cpu,
    };
    vec_push(&flame->nodes, node);
    cutting->place[id] = (uint32_t)flame->nodes.n;
}

// Depth first: each node, then its callees from the heaviest on.
static void emit_all(struct flame *flame, struct cutting *cutting)
{
    VEC(node_id) waiting = {0};
    vec_reserve(&flame->nodes, cutting->kept.n + 1);
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
        if (cutting->place[id] != 0 || caller_place == 0) {
            continue;
        }
        struct flame_node *caller = &flame->nodes.at[caller_place - 1];
        uint64_t ns;
        caller->cut_children += weigh(cutting, id, &ns);
        caller->cut_samples += cutting->weights.total[id].samples;
        caller->cut_off_ns += off_cpu_total(&weights_wait_total(&cutting->weights, id)->off_cpu);
    }
}

void flame_make(struct flame *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store, struct reasons *reasons,
                const struct flame_params *params)
{
    const enum event_reason *only = params->has_reason ? &params->reason : NULL;
    struct total total;
    total_make(&total, tree, fold, store, reasons);
    *ret = (struct flame){
        .health = total.health,
        .total_on_cpu_ns = total.total_on_cpu_ns,
        .total_off_cpu = weights_only(&total.total_off_cpu, only),
    };
    uint64_t whole_ns = params->mode == MODE_OFF_CPU ? off_cpu_total(&ret->total_off_cpu)
                                                     : ret->total_on_cpu_ns;
    struct cutting cutting = {
        .tree = tree,
        .params = params,
        .whole_ns = (double)whole_ns,
        .place = NEW_ARRAY(uint32_t, tree->nodes.n),
    };
    weights_init(&cutting.weights, tree, fold, store, reasons, only);
    ret->n_nodes = choose(&cutting);
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
