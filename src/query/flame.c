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
    uint32_t *place;       // by node_id: where it stands in the answer, plus one; 0: cut
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
    const struct weight *total = &cutting->weights.of_node[id].total;
    bool off_cpu = cutting->params->mode == MODE_OFF_CPU;
    *ret_ns = off_cpu ? total->off_ns : weights_round(total->on_cpu_ns);
    return (off_cpu ? total->waits : total->samples) > 0;
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
    const struct node_weight *weight = &cutting->weights.of_node[id];
    struct flame_node node = {
        .parent = id == 0 ? 0 : cutting->place[caller] - 1,
        .function = calltree_function(cutting->tree, id),
        .on_cpu_ns = weights_round(weight->total.on_cpu_ns),
        .self_samples = weight->self.samples,
        .total_samples = weight->total.samples,
        .self_off_ns = weight->self.off_ns,
        .off_ns = weight->total.off_ns,
        .waits = weight->total.waits,
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
        caller->cut_samples += cutting->weights.of_node[id].total.samples;
        caller->cut_off_ns += cutting->weights.of_node[id].total.off_ns;
    }
}

// Each wait for the innermost function on its way that is shown; then, from the leaves to the root,
// for those that called it.
static void add_reasons(struct flame *flame, struct cutting *cutting)
{
    const struct weights *weights = &cutting->weights;
    for (node_id id = 1; id < cutting->tree->nodes.n; id++) {
        if (cutting->place[id] == 0) {
            cutting->place[id] = cutting->place[cutting->tree->nodes.at[id].caller];
        }
    }
    for (size_t i = 0; i < weights->waits.n; i++) {
        const struct node_wait *wait = &weights->waits.at[i];
        struct flame_node *shown = &flame->nodes.at[cutting->place[wait->node] - 1];
        shown->off_cpu.ns[wait->reason] += wait->ns;
    }
    for (size_t i = flame->nodes.n; i-- > 1;) {
        const struct flame_node *node = &flame->nodes.at[i];
        struct flame_node *parent = &flame->nodes.at[node->parent];
        for (size_t reason = 0; node->off_ns > 0 && reason < EVENT_REASON_COUNT; reason++) {
            parent->off_cpu.ns[reason] += node->off_cpu.ns[reason];
        }
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
    add_reasons(ret, &cutting);
    free(cutting.place);
    free(cutting.first_kept);
    vec_fini(&cutting.kept);
    weights_fini(&cutting.weights);
}

void flame_fini(struct flame *flame)
{
    vec_fini(&flame->nodes);
}
