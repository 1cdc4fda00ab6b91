#pragma once

// What a fold has counted, on the nodes of a calltree: what top and flame are made from.
//
// Callers have smaller ids than their callees, so one pass backwards over the nodes turns self into
// total. Few nodes have waits, and a wait has a reason: those nodes have rows of their own.
//
//     by node: self, total, wait_row ──► by row: wait_nodes, wait_self, wait_total

#include "query/answers.h"

struct weight {
    double on_cpu_ns;
    uint64_t samples;
};

struct wait_weight {
    struct off_cpu off_cpu;
    uint64_t waits;
};

struct weights {
    struct weight *self;     // by node_id: what has it as its leaf
    struct weight *total;    // and everything that it called
    uint32_t *wait_row;      // by node_id: a row, plus one; 0: no waits in it or below
    VEC(node_id) wait_nodes; // rising
    struct wait_weight *wait_self;
    struct wait_weight *wait_total;
};

// Only waits for `*reason`, if it is not NULL.
void weights_init(struct weights *weights, const struct calltree *tree, const struct fold *fold,
                  const struct store *store, struct reasons *reasons,
                  const enum event_reason *reason);
void weights_fini(struct weights *weights);

// Zeros for a node without waits.
const struct wait_weight *weights_wait_self(const struct weights *weights, node_id node);
const struct wait_weight *weights_wait_total(const struct weights *weights, node_id node);

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

// Nanoseconds, to the nearest.
uint64_t weights_round(double ns);
