#include "query/select.h"
#include "query/weights.h"

// What is asked for of each function, before some are chosen.
struct function_weight {
    struct weight self;
    struct weight total;
    uint64_t self_off_ns;
    uint64_t total_off_ns;
    uint64_t self_waits;
    uint64_t total_waits;
};

struct choice {
    const struct function *function;
    uint64_t key_ns;
    function_id id;
};

// ---- Summing -----------------------------------------------------------------------------------

// Only outermost nodes add to the total of a function: their subtrees hold all of its recursion.
static struct function_weight *sum_functions(const struct calltree *tree,
                                             const struct weights *weights)
{
    struct function_weight *sums = NEW_ARRAY(struct function_weight, tree->names->functions.n);
    for (node_id id = 1; id < tree->nodes.n; id++) {
        const struct calltree_node *node = &tree->nodes.at[id];
        struct function_weight *sum = &sums[node->function];
        sum->self.on_cpu_ns += weights->self[id].on_cpu_ns;
        sum->self.samples += weights->self[id].samples;
        if (node->outermost) {
            sum->total.on_cpu_ns += weights->total[id].on_cpu_ns;
            sum->total.samples += weights->total[id].samples;
        }
    }
    for (size_t row = 1; row < weights->wait_nodes.n; row++) { // row 0 is the root
        const struct calltree_node *node = &tree->nodes.at[weights->wait_nodes.at[row]];
        struct function_weight *sum = &sums[node->function];
        sum->self_off_ns += off_cpu_total(&weights->wait_self[row].off_cpu);
        sum->self_waits += weights->wait_self[row].waits;
        if (node->outermost) {
            sum->total_off_ns += off_cpu_total(&weights->wait_total[row].off_cpu);
            sum->total_waits += weights->wait_total[row].waits;
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
    return function_compare(x->function, y->function);
}

static uint64_t key_of(const struct function_weight *sum, const struct top_params *params)
{
    if (params->mode == MODE_OFF_CPU) {
        return params->sort == TOP_SELF ? sum->self_off_ns : sum->total_off_ns;
    }
    return weights_round(params->sort == TOP_SELF ? sum->self.on_cpu_ns : sum->total.on_cpu_ns);
}

struct choices {
    VEC(struct choice) at;
};

// Returns how many functions there are to choose from.
static uint64_t choose(struct choices *ret, const struct names *names,
                       const struct function_weight *sums, const struct top_params *params)
{
    for (function_id id = 0; id < names->functions.n; id++) {
        const struct function_weight *sum = &sums[id];
        if ((params->mode == MODE_OFF_CPU ? sum->total_waits : sum->total.samples) > 0) {
            vec_push(&ret->at, (struct choice){.function = names_function(names, id),
                                               .key_ns = key_of(sum, params),
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

static void add_off_cpu(struct off_cpu *to, const struct off_cpu *more)
{
    for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        to->ns[reason] += more->ns[reason];
    }
}

// Reasons are summed for the chosen ones only. `entry_of` is by function_id, plus one.
static void add_reasons(struct top *top, const struct calltree *tree, const struct weights *weights,
                        const uint32_t *entry_of)
{
    for (size_t row = 1; row < weights->wait_nodes.n; row++) {
        const struct calltree_node *node = &tree->nodes.at[weights->wait_nodes.at[row]];
        uint32_t at = entry_of[node->function];
        if (at == 0) {
            continue;
        }
        struct top_entry *entry = &top->entries.at[at - 1];
        add_off_cpu(&entry->self_off_cpu, &weights->wait_self[row].off_cpu);
        if (node->outermost) {
            add_off_cpu(&entry->total_off_cpu, &weights->wait_total[row].off_cpu);
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
                                    .self_on_cpu_ns = weights_round(sum->self.on_cpu_ns),
                                    .total_on_cpu_ns = weights_round(sum->total.on_cpu_ns),
                                    .self_waits = sum->self_waits,
                                    .total_waits = sum->total_waits,
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
    struct weights weights;
    weights_init(&weights, tree, fold, store, reasons, only);
    CLEANUP(freep) struct function_weight *sums = sum_functions(tree, &weights);
    struct choices chosen = {0};
    ret->n_functions = choose(&chosen, tree->names, sums, params);
    tell(ret, tree, &weights, sums, &chosen);
    vec_fini(&chosen.at);
    weights_fini(&weights);
}

void top_fini(struct top *top)
{
    vec_fini(&top->entries);
}
