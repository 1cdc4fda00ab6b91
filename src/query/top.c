#include "query/select.h"
#include "query/weights.h"

struct choice {
    const struct function *function;
    uint64_t key_ns;
    uint64_t then_ns; // where that is the same: most functions that wait do so in others only
    function_id id;
};

// ---- Summing -----------------------------------------------------------------------------------

struct function_weight {
    struct weight self;
    struct weight total;
};

// Only outermost nodes add to the total of a function: their subtrees hold all of its recursion.
static struct function_weight *sum_functions(const struct calltree *tree,
                                             const struct weights *weights)
{
    struct function_weight *sums = NEW_ARRAY(struct function_weight, tree->names->functions.n);
    for (node_id id = 1; id < tree->nodes.n; id++) {
        const struct calltree_node *node = &tree->nodes.at[id];
        weight_add(&sums[node->function].self, &weights->self[id]);
        if (node->outermost) {
            weight_add(&sums[node->function].total, &weights->total[id]);
        }
    }
    return sums;
}

// ---- Choosing ----------------------------------------------------------------------------------

static int compare_choices(const void *a, const void *b, void *context)
{
    (void)context;
    const struct choice *x = a;
    const struct choice *y = b;
    if (x->key_ns != y->key_ns) {
        return x->key_ns > y->key_ns ? -1 : 1;
    }
    if (x->then_ns != y->then_ns) {
        return x->then_ns > y->then_ns ? -1 : 1;
    }
    return function_compare(x->function, y->function);
}

static uint64_t key_of(const struct function_weight *sum, enum top_sort sort,
                       const struct top_params *params)
{
    const struct weight *weight = sort == TOP_SELF ? &sum->self : &sum->total;
    return answer_mode_sum(params->mode, weight->on_cpu_ns, weight->off_ns);
}

struct choices {
    VEC(struct choice) at;
};

// Returns how many functions there are to choose from.
static uint64_t choose(struct choices *ret, const struct names *names,
                       const struct function_weight *sums, const struct top_params *params)
{
    enum top_sort other = params->sort == TOP_SELF ? TOP_TOTAL : TOP_SELF;
    for (function_id id = 0; id < names->functions.n; id++) {
        const struct function_weight *sum = &sums[id];
        if (names_function(names, id)->is_truncation) {
            continue; // no function
        }
        if (answer_mode_sum(params->mode, sum->total.samples, sum->total.waits) > 0) {
            vec_push(&ret->at, (struct choice){.function = names_function(names, id),
                                               .key_ns = key_of(sum, params->sort, params),
                                               .then_ns = key_of(sum, other, params),
                                               .id = id});
        }
    }
    uint64_t n_functions = ret->at.n;
    size_t n = params->limit == 0 ? ret->at.n : MIN(params->limit, ret->at.n);
    select_first(ret->at.at, ret->at.n, sizeof *ret->at.at, n, compare_choices, NULL);
    ret->at.n = n;
    return n_functions;
}

// ---- Telling -----------------------------------------------------------------------------------

// Reasons are summed for the chosen functions only: each wait for its own function, and for those
// that called it. `entry_of` is by function_id, plus one.
static void add_reasons(struct top *top, const struct calltree *tree, const struct weights *weights,
                        const uint32_t *entry_of)
{
    // By node: the nearest one, going outwards from it, that adds to the total of an entry; or 0.
    CLEANUP(freep) node_id *nearest = NEW_ARRAY(node_id, tree->nodes.n);
    for (node_id id = 1; id < tree->nodes.n; id++) {
        const struct calltree_node *node = &tree->nodes.at[id];
        bool adds = node->outermost && entry_of[node->function] != 0;
        nearest[id] = adds ? id : nearest[node->caller];
    }
    for (size_t i = 0; i < weights->waits.n; i++) {
        const struct node_wait *wait = &weights->waits.at[i];
        uint32_t self = wait->node == 0 ? 0 : entry_of[tree->nodes.at[wait->node].function];
        if (self != 0) {
            top->entries.at[self - 1].self_off_cpu.ns[wait->reason] += wait->ns;
        }
        for (node_id id = nearest[wait->node]; id != 0; id = nearest[tree->nodes.at[id].caller]) {
            struct top_entry *entry = &top->entries.at[entry_of[tree->nodes.at[id].function] - 1];
            entry->total_off_cpu.ns[wait->reason] += wait->ns;
        }
    }
}

static void tell(struct top *top, const struct calltree *tree, const struct weights *weights,
                 const struct function_weight *sums, const struct choices *chosen)
{
    CLEANUP(freep) uint32_t *entry_of = NEW_ARRAY(uint32_t, tree->names->functions.n);
    for (size_t i = 0; i < chosen->at.n; i++) {
        function_id id = chosen->at.at[i].id;
        const struct function_weight *sum = &sums[id];
        vec_push(&top->entries, (struct top_entry){
                                    .function = names_function(tree->names, id),
                                    .self_samples = sum->self.samples,
                                    .total_samples = sum->total.samples,
                                    .self_on_cpu_ns = sum->self.on_cpu_ns,
                                    .total_on_cpu_ns = sum->total.on_cpu_ns,
                                    .self_waits = sum->self.waits,
                                    .total_waits = sum->total.waits,
                                });
        entry_of[id] = (uint32_t)top->entries.n;
    }
    add_reasons(top, tree, weights, entry_of);
}

void top_make(struct top *ret, const struct calltree *tree, const struct fold *fold,
              const struct store *store, struct reasons *reasons, const struct top_params *params)
{
    const enum event_reason *only = params->has_reason ? &params->reason : NULL;
    struct total total;
    total_make(&total, tree, fold, store, reasons);
    *ret = (struct top){
        .health = total.health,
        .total_on_cpu_ns = total.total_on_cpu_ns,
        .total_off_cpu = weights_only(&total.total_off_cpu, only),
        .total_runnable_ns = total.total_runnable_ns,
    };
    const struct weights *weights = weights_of(tree, fold, store, reasons, only);
    CLEANUP(freep) struct function_weight *sums = sum_functions(tree, weights);
    struct choices chosen = {0};
    ret->n_functions = choose(&chosen, tree->names, sums, params);
    tell(ret, tree, weights, sums, &chosen);
    vec_fini(&chosen.at);
}

void top_fini(struct top *top)
{
    vec_fini(&top->entries);
}
