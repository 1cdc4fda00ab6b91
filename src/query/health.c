#include "query/weights.h"

// Samples in the view, and those whose leaf has no name; one without any frame has none either.
static void count_samples(struct health *health, const struct calltree *tree,
                          const struct fold *fold)
{
    const struct places *places = &fold->running;
    uint64_t lacking[UINT8_MAX + 1] = {0}; // samples by what their stack lacks
    for (size_t i = 0; i < places->at.n; i++) {
        stack_id stack = places_stack(places, i);
        if (stack < tree->lack_of_stack.n) {
            lacking[tree->lack_of_stack.at[stack]] += places->n.at[i];
        }
    }
    for (size_t lack = 0; lack < ARRAY_LEN(lacking); lack++) {
        size_t truncation = lack & ~(size_t)CALLTREE_NO_NAME;
        health->samples += lacking[lack];
        health->unresolved_samples += lack & CALLTREE_NO_NAME ? lacking[lack] : 0;
        if (truncation != 0 && lacking[lack] != 0) {
            health->truncated_samples += lacking[lack];
            health->truncated[truncation - 1] += lacking[lack];
        }
    }
}

static void sum_times(struct health *health, const struct fold *fold, const struct store *store)
{
    health->blocked_ns = fold->blocked_ns;
    health->approximate_blocked_ns = fold->approximate_blocked_ns;
    for (size_t i = 0; i < fold->open.n; i++) {
        const struct cell *wait = &fold->open.at[i].cell;
        health->blocked_ns += wait->ns;
        health->approximate_blocked_ns += wait->approximate ? wait->ns : 0;
    }
    bool keeps = view_keeps_no_stack(&fold->view);
    for (thread_id id = 0; id < fold->threads.n && keeps; id++) {
        if (fold->keep.threads.at[id] && fold->threads.at[id].all_samples == 0) {
            health->unsampled_ns += fold_on_cpu_ns(fold, store, id);
        }
    }
}

static void set_window(struct health *health, const struct fold *fold, const struct store *store)
{
    const struct view *view = &fold->view;
    uint64_t run_end_ns = fold->horizon_ns != 0 ? fold->horizon_ns : store_end_ns(store);
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
        .estimated = !store->has_switches,
        .unpaired_switches = store_account(store, ACCOUNT_SWITCHES_UNPAIRED),
        .recording = atomic_load(&store->ended_ns) == 0,
    };
    count_samples(&health, tree, fold);
    sum_times(&health, fold, store);
    set_window(&health, fold, store);
    return health;
}

// ---- Totals ------------------------------------------------------------------------------------

uint64_t weights_on_cpu_ns(const struct health *health, const struct fold *fold,
                           const struct store *store)
{
    if (!store->has_switches) {
        return health->samples * store->samples.weight_ns;
    }
    double sum_ns = 0;
    for (thread_id id = 0; id < fold->threads.n; id++) {
        sum_ns += fold->keep.threads.at[id] ? weights_thread_ns(fold, store, id) : 0;
    }
    return weights_round(sum_ns);
}

void total_sum(struct total *ret, const struct calltree *tree, const struct fold *fold,
               const struct store *store, struct reasons *reasons)
{
    *ret = (struct total){.health = health_make(tree, fold, store)};
    ret->total_on_cpu_ns = weights_on_cpu_ns(&ret->health, fold, store);
    struct fold_walk walk = {0};
    while (fold_next_place(fold, &walk)) {
        ret->total_off_cpu.ns[weights_reason(tree, reasons, &walk.cell)] += walk.cell.ns;
    }
    for (size_t i = 0; i < fold->threads.n; i++) {
        ret->total_runnable_ns += fold->threads.at[i].runnable_ns;
    }
}
