#include "query/weights.h"

uint64_t weights_round(double ns)
{
    const double most = 0x1p64; // a file may tell of lives that add up to more
    return ns < most ? (uint64_t)(ns + 0.5) : UINT64_MAX;
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
    bool all = counted->all_samples == counted->kept_samples;
    if (counted->all_samples == 0 ? view_keeps_no_stack(&fold->view) : all) {
        return (double)fold_on_cpu_ns(fold, store, thread);
    }
    return (double)counted->kept_samples * fold_sample_ns(fold, store, thread);
}

// ---- Running -----------------------------------------------------------------------------------

// By place, with one loop over cells that lie together, in which nothing is looked up.
static void weigh_places(double *place_ns, const struct fold *fold, const struct store *store)
{
    for (thread_id thread = 0; thread < fold->threads.n; thread++) {
        double sample_ns = fold_sample_ns(fold, store, thread);
        struct cells_page page;
        for (uint32_t cursor = 0;
             cells_next_page(&fold->threads.at[thread].running, &cursor, &page);) {
            for (size_t i = 0; i < CELLS_PAGE; i++) {
                place_ns[page.first + i] += (double)page.n[i] * sample_ns;
            }
        }
    }
}

// Every sample stands for the same time.
static void estimate_places(double *place_ns, const struct fold *fold, const struct store *store)
{
    for (size_t place = 0; place < fold->running.at.n; place++) {
        place_ns[place] = (double)fold->running.n.at[place] * (double)store->samples.weight_ns;
    }
}

// What the samples at a place are added to. NULL: the tree does not know the stack yet.
static struct weight *self_at(struct weights *weights, const struct calltree *tree,
                              const struct places *places, size_t place)
{
    stack_id stack = places_stack(places, place);
    return stack < tree->of_stack.n ? &weights->self[tree->of_stack.at[stack]] : NULL;
}

static void add_running(struct weights *weights, double *place_ns, const struct calltree *tree,
                        const struct fold *fold, const struct store *store)
{
    const struct places *places = &fold->running;
    if (store->has_switches) {
        weigh_places(place_ns, fold, store);
    } else {
        estimate_places(place_ns, fold, store);
    }
    // What one place is rounded off goes to the next one: no nanosecond is lost, and sums can't be
    // more than 64 bits hold.
    double sum_ns = 0;
    uint64_t given_ns = 0;
    for (size_t place = 0; place < places->at.n; place++) {
        struct weight *self = self_at(weights, tree, places, place);
        if (place + CELLS_AHEAD < places->at.n) {
            __builtin_prefetch(self_at(weights, tree, places, place + CELLS_AHEAD), 1);
        }
        if (self != NULL) {
            sum_ns += place_ns[place];
            uint64_t until_ns = weights_round(sum_ns);
            self->on_cpu_ns += until_ns - given_ns;
            self->samples += places->n.at[place];
            given_ns = until_ns;
        }
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

static void find_waits(struct weights *weights, const struct calltree *tree,
                       const struct fold *fold, struct reasons *reasons,
                       const enum event_reason *only)
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
                .ns = walk.cell.ns,
                .n = walk.cell.n,
            };
            vec_push(&weights->waits, wait);
        }
    }
}

static void add_waits(struct weights *weights)
{
    for (size_t i = 0; i < weights->waits.n; i++) {
        const struct node_wait *wait = &weights->waits.at[i];
        struct weight *self = &weights->self[wait->node];
        self->off_ns += wait->ns;
        self->waits += wait->n;
    }
}

// ---- Both --------------------------------------------------------------------------------------

void weights_sum_up(struct weights *weights, const struct calltree_node *nodes, size_t n_nodes)
{
    struct weight *total = weights->total;
    for (size_t node = n_nodes; node-- > 1;) { // its callees have added to it already
        if (node > CELLS_AHEAD) {
            __builtin_prefetch(&total[nodes[node - CELLS_AHEAD].caller], 1);
        }
        weight_add(&total[node], &weights->self[node]);
        weight_add(&total[nodes[node].caller], &total[node]);
    }
    weight_add(&total[0], &weights->self[0]);
}

// ---- What was made last ------------------------------------------------------------------------

// What the sums stand on.
struct moment {
    const struct calltree *tree;
    uint64_t names_version;
    uint64_t inlined_version;
    size_t n_nodes;
    size_t n_stacks;
    uint64_t fold_revision;
    uint64_t ended_ns;
};

struct weights_memo {
    bool has_weights;
    struct moment moment; // of the weights
    bool has_reason;
    enum event_reason reason;
    struct weights weights;
    VEC(double) place_ns; // scratch
    size_t room;          // of self and total of the weights
    bool has_total;
    struct moment total_moment;
    struct total total;
};

struct weights_memo *weights_memo_new(void)
{
    return NEW(struct weights_memo);
}

void weights_memo_free(struct weights_memo *memo)
{
    if (memo != NULL) {
        weights_fini(&memo->weights);
        vec_fini(&memo->place_ns);
        free(memo);
    }
}

static struct moment moment_of(const struct calltree *tree, const struct fold *fold,
                               const struct store *store)
{
    return (struct moment){
        .tree = tree,
        .names_version = tree->names_version,
        .inlined_version = tree->inlined_version,
        .n_nodes = tree->nodes.n,
        .n_stacks = tree->of_stack.n,
        .fold_revision = fold->revision,
        .ended_ns = atomic_load(&store->ended_ns),
    };
}

static bool is_same(const struct moment *a, const struct moment *b)
{
    return a->tree == b->tree && a->names_version == b->names_version &&
           a->inlined_version == b->inlined_version && a->n_nodes == b->n_nodes &&
           a->n_stacks == b->n_stacks && a->fold_revision == b->fold_revision &&
           a->ended_ns == b->ended_ns;
}

static void make_room(struct weights_memo *memo, size_t n_nodes)
{
    struct weights *weights = &memo->weights;
    if (n_nodes > memo->room) {
        free(weights->self);
        free(weights->total);
        memo->room = n_nodes + n_nodes / 4;
        weights->self = alloc_table(memo->room * sizeof *weights->self);
        weights->total = alloc_table(memo->room * sizeof *weights->total);
    }
    memset(weights->self, 0, n_nodes * sizeof *weights->self);
    memset(weights->total, 0, n_nodes * sizeof *weights->total);
    vec_clear(&weights->waits);
}

const struct weights *weights_of(const struct calltree *tree, const struct fold *fold,
                                 const struct store *store, struct reasons *reasons,
                                 const enum event_reason *reason)
{
    struct weights_memo *memo = fold->memo;
    struct moment now = moment_of(tree, fold, store);
    bool same_reason = memo->has_reason == (reason != NULL) &&
                       (reason == NULL || memo->reason == *reason);
    if (memo->has_weights && same_reason && is_same(&memo->moment, &now)) {
        return &memo->weights;
    }
    memo->has_weights = true;
    memo->moment = now;
    memo->has_reason = reason != NULL;
    memo->reason = reason == NULL ? 0 : *reason;
    make_room(memo, tree->nodes.n);
    vec_clear(&memo->place_ns);
    vec_grow_zeroed(&memo->place_ns, places_room(&fold->running) + 1);
    add_running(&memo->weights, memo->place_ns.at, tree, fold, store);
    find_waits(&memo->weights, tree, fold, reasons, reason);
    add_waits(&memo->weights);
    weights_sum_up(&memo->weights, tree->nodes.at, tree->nodes.n);
    return &memo->weights;
}

void weights_fini(struct weights *weights)
{
    free(weights->self);
    free(weights->total);
    vec_fini(&weights->waits);
}

void total_make(struct total *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store, struct reasons *reasons)
{
    struct weights_memo *memo = fold->memo;
    struct moment now = moment_of(tree, fold, store);
    if (!memo->has_total || !is_same(&memo->total_moment, &now)) {
        memo->has_total = true;
        memo->total_moment = now;
        total_sum(&memo->total, tree, fold, store, reasons);
    }
    *ret = memo->total;
}
