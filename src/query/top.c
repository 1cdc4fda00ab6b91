#include "query/answers.h"
#include "query/select.h"
#include "query/weights.h"

struct counts {
    uint64_t self;
    uint64_t total;
};

// Per function. Only outermost nodes add to its total: their subtrees hold all of its recursion.
static struct counts *count_functions(const struct calltree *tree, const struct fold *fold)
{
    struct counts *counts = NEW_ARRAY(struct counts, tree->names->functions.n);
    struct weights weights;
    weights_init(&weights, tree, fold);
    for (size_t i = 1; i < tree->nodes.n; i++) {
        const struct calltree_node *node = &tree->nodes.at[i];
        counts[node->function].self += weights.self[i];
        counts[node->function].total += node->outermost ? weights.total[i] : 0;
    }
    weights_fini(&weights);
    return counts;
}

static int compare_entries(const void *a, const void *b, void *context)
{
    const struct top_entry *x = a;
    const struct top_entry *y = b;
    const enum top_sort *sort = context;
    uint64_t x_weight = *sort == TOP_SELF ? x->self_samples : x->total_samples;
    uint64_t y_weight = *sort == TOP_SELF ? y->self_samples : y->total_samples;
    if (x_weight != y_weight) {
        return x_weight > y_weight ? -1 : 1;
    }
    return function_compare(x->function, y->function);
}

void top_make(struct top *ret, const struct calltree *tree, const struct fold *fold,
              const struct store *store, enum top_sort sort, size_t limit)
{
    uint64_t weight_ns = store->samples.weight_ns;
    *ret = (struct top){.health = health_make(tree, fold, store)};
    ret->total_on_cpu_ns = ret->health.samples * weight_ns;
    CLEANUP(freep) struct counts *counts = count_functions(tree, fold);
    for (function_id id = 0; id < tree->names->functions.n; id++) {
        if (counts[id].total == 0) {
            continue;
        }
        vec_push(&ret->entries, (struct top_entry){
                                    .function = names_function(tree->names, id),
                                    .self_samples = counts[id].self,
                                    .total_samples = counts[id].total,
                                    .self_on_cpu_ns = counts[id].self * weight_ns,
                                    .total_on_cpu_ns = counts[id].total * weight_ns,
                                });
    }
    ret->n_functions = ret->entries.n;
    size_t n = limit == 0 ? ret->entries.n : MIN(limit, ret->entries.n);
    select_first(ret->entries.at, ret->entries.n, sizeof *ret->entries.at, n, compare_entries,
                 &sort);
    ret->entries.n = n;
}

void top_fini(struct top *top)
{
    vec_fini(&top->entries);
}
