// The calltree, cut to what somebody can look at.

#include "query/cut.h"

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
    uint64_t whole_ns = answer_mode_sum(params->mode, ret->total_on_cpu_ns,
                                        off_cpu_total(&ret->total_off_cpu));
    const struct weights *weights = weights_of(tree, fold, store, reasons, only);
    struct cut_choice choice = {0};
    struct cut_tree all = {
        .names = tree->names,
        .nodes = tree->nodes.at,
        .n_nodes = tree->nodes.n,
        .weights = weights,
    };
    ret->n_nodes = cut_choose(&choice, &all, params, whole_ns);
    ret->zoom_depth = choice.zoom_depth;
    cut_show(ret, &all, params, &choice);
    vec_fini(&choice.kept);
}

void flame_fini(struct flame *flame)
{
    vec_fini(&flame->nodes);
}
