#include "query/weights.h"

uint64_t weights_round(double ns)
{
    return (uint64_t)(ns + 0.5);
}

struct off_cpu weights_only(const struct off_cpu *off_cpu, const enum event_reason *reason)
{
    struct off_cpu only = {0};
    if (reason == NULL) {
        return *off_cpu;
    }
    only.ns[*reason] = off_cpu->ns[*reason];
    return only;
}

double weights_thread_ns(const struct fold *fold, const struct store *store, thread_id thread)
{
    const struct fold_thread *counted = &fold->threads.at[thread];
    if (counted->all_samples == counted->kept_samples) { // none of them, perhaps
        return (double)fold_on_cpu_ns(fold, store, thread);
    }
    return (double)counted->kept_samples * fold_sample_ns(fold, store, thread);
}

// ---- Running -----------------------------------------------------------------------------------

static void add_thread(struct weights *weights, const struct calltree *tree,
                       const struct places *places, const struct fold_thread *thread,
                       double sample_ns)
{
    struct cell cell;
    for (size_t cursor = 0; cells_next(&thread->running, places, &cursor, &cell);) {
        if (cell.stack < tree->of_stack.n) {
            struct weight *self = &weights->self[tree->of_stack.at[cell.stack]];
            self->on_cpu_ns += (double)cell.n * sample_ns;
            self->samples += cell.n;
        }
    }
}

// Every sample stands for the same time.
static void add_estimates(struct weights *weights, const struct calltree *tree,
                          const struct fold *fold, double sample_ns)
{
    for (size_t i = 0; i < fold->running.at.n; i++) {
        const struct cells_place *place = &fold->running.at.at[i];
        if (cells_place_stack(place) < tree->of_stack.n) {
            struct weight *self = &weights->self[tree->of_stack.at[cells_place_stack(place)]];
            self->on_cpu_ns += (double)place->n * sample_ns;
            self->samples += place->n;
        }
    }
}

static void add_running(struct weights *weights, const struct calltree *tree,
                        const struct fold *fold, const struct store *store)
{
    if (store->has_switches) {
        for (thread_id thread = 0; thread < fold->threads.n; thread++) {
            add_thread(weights, tree, &fold->running, &fold->threads.at[thread],
                       fold_sample_ns(fold, store, thread));
        }
    } else {
        add_estimates(weights, tree, fold, (double)store->samples.weight_ns);
    }
    memcpy(weights->total, weights->self, tree->nodes.n * sizeof *weights->total);
    for (size_t node = tree->nodes.n; node-- > 1;) {
        struct weight *caller = &weights->total[tree->nodes.at[node].caller];
        caller->on_cpu_ns += weights->total[node].on_cpu_ns;
        caller->samples += weights->total[node].samples;
    }
}

// ---- Waiting -----------------------------------------------------------------------------------

enum event_reason weights_reason(const struct calltree *tree, struct reasons *reasons,
                                 const struct cell *wait)
{
    if (wait->reason == REASON_BY_STACK && wait->stack >= tree->of_stack.n) {
        return EVENT_REASON_OTHER;
    }
    return reasons_of(reasons, wait->reason, wait->stack);
}

struct node_wait {
    node_id node;
    enum event_reason reason;
    uint64_t n;
    uint64_t ns;
};

struct node_waits {
    VEC(struct node_wait) waits;
};

static void find_waits(struct node_waits *ret, const struct calltree *tree, const struct fold *fold,
                       struct reasons *reasons, const enum event_reason *only)
{
    struct fold_walk walk = {0};
    while (fold_next_place(fold, &walk)) {
        if (walk.cell.stack >= tree->of_stack.n) {
            continue;
        }
        enum event_reason reason = weights_reason(tree, reasons, &walk.cell);
        if (only == NULL || reason == *only) {
            struct node_wait wait = {
                .node = tree->of_stack.at[reasons_waiting_stack(reasons, walk.cell.stack)],
                .reason = reason,
                .n = walk.cell.n,
                .ns = walk.cell.ns,
            };
            vec_push(&ret->waits, wait);
        }
    }
}

// Gives rows to all nodes that wait, and to their callers.
static void make_rows(struct weights *weights, const struct calltree *tree,
                      const struct node_waits *found)
{
    for (size_t i = 0; i < found->waits.n; i++) {
        node_id node = found->waits.at[i].node;
        for (; weights->wait_row[node] == 0; node = tree->nodes.at[node].caller) {
            weights->wait_row[node] = 1;
        }
    }
    for (node_id node = 0; node < tree->nodes.n; node++) {
        if (weights->wait_row[node] != 0) {
            vec_push(&weights->wait_nodes, node);
            weights->wait_row[node] = (uint32_t)weights->wait_nodes.n;
        }
    }
    weights->wait_self = NEW_ARRAY(struct wait_weight, weights->wait_nodes.n + 1);
    weights->wait_total = NEW_ARRAY(struct wait_weight, weights->wait_nodes.n + 1);
}

static void add_waits(struct weights *weights, const struct calltree *tree,
                      const struct node_waits *found)
{
    make_rows(weights, tree, found);
    for (size_t i = 0; i < found->waits.n; i++) {
        const struct node_wait *wait = &found->waits.at[i];
        struct wait_weight *self = &weights->wait_self[weights->wait_row[wait->node] - 1];
        self->off_cpu.ns[wait->reason] += wait->ns;
        self->waits += wait->n;
    }
    size_t n = weights->wait_nodes.n;
    memcpy(weights->wait_total, weights->wait_self, n * sizeof *weights->wait_total);
    for (size_t row = n; row-- > 1;) {
        const struct wait_weight *total = &weights->wait_total[row];
        node_id caller = tree->nodes.at[weights->wait_nodes.at[row]].caller;
        struct wait_weight *caller_total = &weights->wait_total[weights->wait_row[caller] - 1];
        for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
            caller_total->off_cpu.ns[reason] += total->off_cpu.ns[reason];
        }
        caller_total->waits += total->waits;
    }
}

// ---- Both --------------------------------------------------------------------------------------

void weights_init(struct weights *weights, const struct calltree *tree, const struct fold *fold,
                  const struct store *store, struct reasons *reasons,
                  const enum event_reason *reason)
{
    size_t n = tree->nodes.n;
    *weights = (struct weights){
        .self = NEW_ARRAY(struct weight, n),
        .total = NEW_ARRAY(struct weight, n),
        .wait_row = NEW_ARRAY(uint32_t, n),
    };
    add_running(weights, tree, fold, store);
    struct node_waits found = {0};
    find_waits(&found, tree, fold, reasons, reason);
    add_waits(weights, tree, &found);
    vec_fini(&found.waits);
}

void weights_fini(struct weights *weights)
{
    free(weights->self);
    free(weights->total);
    free(weights->wait_row);
    vec_fini(&weights->wait_nodes);
    free(weights->wait_self);
    free(weights->wait_total);
    *weights = (struct weights){0};
}

static const struct wait_weight no_waits;

const struct wait_weight *weights_wait_self(const struct weights *weights, node_id node)
{
    uint32_t row = weights->wait_row[node];
    return row == 0 ? &no_waits : &weights->wait_self[row - 1];
}

const struct wait_weight *weights_wait_total(const struct weights *weights, node_id node)
{
    uint32_t row = weights->wait_row[node];
    return row == 0 ? &no_waits : &weights->wait_total[row - 1];
}
