#pragma once

// What the questions of issue and spec answer with: plain values, made from a calltree and a fold.
// Text in them is borrowed from `names` and `store`, and valid until the next refresh; the rest is
// owned.
//
//     fold_advance() … until caught up, calltree_refresh(), then any of the *_make()
//
// In that order: stacks that are newer than the tree wait for the next answer.
//
// Times are nanoseconds. Shares are left to whoever prints. Samples x weight is an estimate of CPU
// time (see health.estimated); with switch records it will be exact.

#include "event/event.h"
#include "query/calltree.h"
#include "query/fold.h"

// ---- Health: in every answer -------------------------------------------------------------------

struct health {
    uint64_t samples;      // in this view
    uint64_t lost_samples; // of the run: the kernel's and those that found the run full
    uint64_t lost_records;
    uint64_t throttled;          // how often the kernel suspended sampling
    uint64_t truncated_samples;  // of the run: stacks known to lack callers
    uint64_t unresolved_samples; // in this view: samples whose leaf has no name
    bool estimated;              // on-CPU times are samples x period, not exact
    bool recording;              // the run goes on
    uint64_t start_ns;           // the window that this answer is about, from the start of the run
    uint64_t end_ns;
};

struct health health_make(const struct calltree *tree, const struct fold *fold,
                          const struct store *store);

struct off_cpu {
    uint64_t ns[EVENT_REASON_COUNT];
};

// ---- Top ---------------------------------------------------------------------------------------

enum top_sort { TOP_SELF, TOP_TOTAL };

struct top_entry {
    const struct function *function;
    uint64_t self_samples;
    uint64_t total_samples;
    uint64_t self_on_cpu_ns;
    uint64_t total_on_cpu_ns;
};

struct top {
    struct health health;
    uint64_t total_on_cpu_ns;
    uint64_t n_functions; // with samples, before the limit
    VEC(struct top_entry) entries;
};

// Ties by name. Limit 0: all.
void top_make(struct top *ret, const struct calltree *tree, const struct fold *fold,
              const struct store *store, enum top_sort sort, size_t limit);
void top_fini(struct top *top);

// ---- Flamegraph --------------------------------------------------------------------------------

struct flame_params {
    uint32_t max_depth; // 0: any. The root has depth 0
    double min_share;   // of all samples: smaller nodes are cut
    uint32_t max_nodes; // 0: any. The heaviest are kept, and the root always
};

struct flame_node {
    uint32_t parent; // index into nodes, smaller than the node's own; of the root: 0
    const struct function *function; // NULL for the root
    uint64_t self_samples;
    uint64_t total_samples;
    uint32_t cut_children; // direct callees that were left out
    uint64_t cut_samples;  // their samples
};

struct flame {
    struct health health;
    uint64_t weight_ns; // on-CPU time of a node: total_samples x weight_ns
    uint64_t n_nodes;   // with samples, before cutting; the root is one
    VEC(struct flame_node)
    nodes; // 0 is the root, each node before its callees; siblings by total,
           // heaviest first, then by name
};

void flame_make(struct flame *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store, const struct flame_params *params);
void flame_fini(struct flame *flame);

// ---- Threads -----------------------------------------------------------------------------------

struct threads_entry {
    uint32_t pid;
    uint32_t tid;
    struct slice name;
    uint64_t on_cpu_ns;
    uint64_t samples;
    struct off_cpu off_cpu; // waits, clipped to the view's time
    uint64_t runnable_ns;
    uint64_t wakeups;    // how often it was made ready
    uint64_t started_ns; // from the start of the run
    uint64_t ended_ns;   // 0 while it lives
};

struct threads_answer {
    struct health health;
    uint64_t total_on_cpu_ns;
    uint64_t n_threads;                // in this view, before the limit
    VEC(struct threads_entry) entries; // by on_cpu_ns, most first; then by tid
};

// A thread is listed when it has samples in the view, or lived at some time of it. Limit 0: all.
void threads_make(struct threads_answer *ret, const struct fold *fold, const struct calltree *tree,
                  const struct store *store, size_t limit);
void threads_fini(struct threads_answer *threads);

// ---- Whole -------------------------------------------------------------------------------------

struct total {
    struct health health;
    uint64_t total_on_cpu_ns;
};

void total_make(struct total *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store);

// ---- Diagnosis of names ------------------------------------------------------------------------

// One line per image that samples fell into.
struct image_report {
    image_id image;
    struct slice path;
    struct slice build_id; // raw bytes
    const char *state;     // "ready", "loading", "failed", "anonymous"
    const char *note;      // "" when all is well
    uint64_t symbols;
    uint64_t leaf_samples;
    uint64_t unresolved_samples;
};

struct image_reports {
    VEC(struct image_report) images; // by leaf_samples, most first
};

void image_reports_make(struct image_reports *ret, const struct calltree *tree,
                        const struct fold *fold, const struct store *store);
void image_reports_fini(struct image_reports *reports);
