#include "query/answers.h"

// Samples in the view, and those whose leaf has no name; one without any frame has none either.
static void count_samples(struct health *health, const struct calltree *tree,
                          const struct fold *fold)
{
    size_t n_stacks = MIN(tree->of_stack.n, fold->by_stack.n);
    for (size_t stack = 0; stack < n_stacks; stack++) {
        uint64_t samples = fold->by_stack.at[stack];
        if (samples == 0) {
            continue;
        }
        const struct function *leaf = calltree_function(tree, tree->of_stack.at[stack]);
        health->samples += samples;
        health->unresolved_samples += leaf == NULL || !leaf->resolved ? samples : 0;
    }
}

static void set_window(struct health *health, const struct view *view, const struct store *store)
{
    uint64_t run_end_ns = store_end_ns(store);
    uint64_t length_ns = run_end_ns > store->started_ns ? run_end_ns - store->started_ns : 0;
    health->start_ns = view->has_time_range ? view->start_ns : 0;
    uint64_t end_ns = view->has_time_range ? MIN(view->end_ns, length_ns) : length_ns;
    health->end_ns = MAX(end_ns, health->start_ns);
}

struct health health_make(const struct calltree *tree, const struct fold *fold,
                          const struct store *store)
{
    struct health health = {
        .lost_samples = store_account(store, ACCOUNT_SAMPLES_LOST) +
                        store_account(store, ACCOUNT_SAMPLES_DROPPED),
        .lost_records = store_account(store, ACCOUNT_RECORDS_LOST),
        .throttled = store_account(store, ACCOUNT_THROTTLES),
        .truncated_samples = store_account(store, ACCOUNT_STACKS_TRUNCATED),
        .estimated = atomic_load(&store->intervals.n) == 0,
        .recording = atomic_load(&store->ended_ns) == 0,
    };
    count_samples(&health, tree, fold);
    set_window(&health, &fold->view, store);
    return health;
}

void total_make(struct total *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store)
{
    *ret = (struct total){.health = health_make(tree, fold, store)};
    ret->total_on_cpu_ns = ret->health.samples * store->samples.weight_ns;
}
