#pragma once

// What a fold has counted, on the nodes of a calltree: what top and flame are made from.
//
// Callers have smaller ids than their callees, so one pass backwards over the nodes turns self into
// total. On-CPU times are whole nanoseconds, so that whatever is summed of them adds up exactly: to
// the node, in whichever order. Reasons are no part of that: an answer needs them for the few nodes
// that it shows, and sums `waits` onto those.

#include "query/answers.h"

struct weight {
    uint64_t on_cpu_ns;
    uint64_t samples;
    uint64_t off_ns;
    uint64_t waits; // how many
};

static inline void weight_add(struct weight *to, const struct weight *more)
{
    to->on_cpu_ns += more->on_cpu_ns;
    to->samples += more->samples;
    to->off_ns += more->off_ns;
    to->waits += more->waits;
}

// What a fold has counted of waits at one place.
struct node_wait {
    node_id node; // the function that waits
    enum event_reason reason;
    uint64_t ns;
    uint64_t n;
};

// In arrays of their own: who chooses nodes goes over the totals of all.
struct weights {
    struct weight *self;         // by node_id: what has it as its leaf
    struct weight *total;        // likewise, and everything that it called
    VEC(struct node_wait) waits; // what off_ns and waits are the sums of
};

// Only waits for `*reason`, if it is not NULL. Borrowed from the fold until the next call with it,
// or until it is advanced: several answers about one moment (a table, a tree, …) are made from the
// same weights, and these are summed up once.
const struct weights *weights_of(const struct calltree *tree, const struct fold *fold,
                                 const struct store *store, struct reasons *reasons,
                                 const enum event_reason *reason);

// Fills `total`, which is all zeros, from `self`.
void weights_sum_up(struct weights *weights, const struct calltree_node *nodes, size_t n_nodes);

// For trees that are made from another one's; see weights_of().
void weights_fini(struct weights *weights);

struct weights_memo *weights_memo_new(void);
void weights_memo_free(struct weights_memo *memo); // accepts NULL

// Why a wait of a fold is: "other" where the tree does not know its stack yet.
enum event_reason weights_reason(const struct calltree *tree, struct reasons *reasons,
                                 const struct cell *wait);

// On-CPU time of a thread that the view keeps: all of it, or the share of its kept samples.
double weights_thread_ns(const struct fold *fold, const struct store *store, thread_id thread);

// Of all threads that the view keeps.
uint64_t weights_on_cpu_ns(const struct health *health, const struct fold *fold,
                           const struct store *store);

// The part of it that is for `*reason`; all of it if that is NULL.
struct off_cpu weights_only(const struct off_cpu *off_cpu, const enum event_reason *reason);

// total_make(), but summed up anew each time.
void total_sum(struct total *ret, const struct calltree *tree, const struct fold *fold,
               const struct store *store, struct reasons *reasons);

// Nanoseconds, to the nearest.
uint64_t weights_round(double ns);
