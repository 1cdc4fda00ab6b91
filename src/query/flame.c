// The calltree, cut to what somebody can look at.

#include "query/cut.h"

static void copy_nodes(struct cut_tree *to, const struct calltree *tree)
{
    vec_reserve(&to->nodes, tree->nodes.n);
    for (node_id id = 0; id < tree->nodes.n; id++) {
        const struct calltree_node *node = &tree->nodes.at[id];
        to->nodes.at[id] = (struct cut_node){node->caller, node->function, node->depth};
    }
    to->nodes.n = tree->nodes.n;
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
    struct cut_tree all = {.names = tree->names};
    struct cut_choice choice = {0};
    copy_nodes(&all, tree);
    weights_init(&all.weights, tree, fold, store, reasons, only);
    ret->n_nodes = cut_choose(&choice, &all, params, whole_ns);
    cut_show(ret, &all, params->mode, &choice);
    vec_fini(&choice.kept);
    cut_tree_fini(&all);
}

void flame_fini(struct flame *flame)
{
    vec_fini(&flame->nodes);
}
