#include "query/weights.h"

void weights_init(struct weights *weights, const struct calltree *tree, const struct fold *fold)
{
    size_t n = tree->nodes.n;
    *weights = (struct weights){.self = NEW_ARRAY(uint64_t, n), .total = NEW_ARRAY(uint64_t, n)};
    size_t n_stacks = MIN(tree->of_stack.n, fold->by_stack.n);
    for (size_t stack = 0; stack < n_stacks; stack++) {
        uint64_t samples = fold->by_stack.at[stack];
        if (samples > 0) { // few stacks are more than somebody's caller
            weights->self[tree->of_stack.at[stack]] += samples;
        }
    }
    memcpy(weights->total, weights->self, n * sizeof *weights->total);
    for (size_t node = n; node-- > 1;) {
        weights->total[tree->nodes.at[node].caller] += weights->total[node];
    }
}

void weights_fini(struct weights *weights)
{
    free(weights->self);
    free(weights->total);
    *weights = (struct weights){0};
}
