#pragma once

// What the questions of issue and spec answer with: plain values, made from a calltree and a fold.
// Text in them is borrowed from `names` and `store`, and valid until the next refresh; the rest is
// owned.
//
//     calltree_refresh(), fold_advance() … until caught up, fold_settle(), calltree_refresh(),
//     then any of the *_make()
//
// In that order: samples in stacks that are newer than the tree wait for the next answer.
//
// Times are nanoseconds. Shares are left to whoever prints.
//
// On-CPU time of a thread is exact where the store has switches: its life less the time that it was
// blocked or runnable. A function has its share of the thread's samples in that time. Over all
// functions that adds up to the time of all threads, except for samples without any frame and for
// threads that ran but were never sampled (health.unsampled_ns). Without switches it is samples x
// period (health.estimated). When the view has symbols, only the kept share of a thread's samples
// counts. Of a thread without any sample nobody knows where it was: excluding symbols keeps its
// time; asking for some does not (view_keeps_no_stack()).
//
// Waits stand at the function that waits: the stack of the wait without what belongs to switching
// itself (reasons_waiting_stack()). Waits that are not over count up to the fold's horizon.

#include "event/event.h"
#include "query/calltree.h"
#include "query/fold.h"
#include "query/reasons.h"

// ---- Health: in every answer -------------------------------------------------------------------

struct health {
    uint64_t samples;      // in this view
    uint64_t lost_samples; // of the run: the kernel's and those that found the run full
    uint64_t lost_records;
    uint64_t throttled;                   // how often the kernel suspended sampling
    uint64_t truncated_samples;           // in this view: stacks known to lack callers
    uint64_t truncated[TRUNCATION_COUNT]; // the same by reason
    uint64_t unresolved_samples;          // in this view: samples whose leaf has no name
    bool estimated;                       // on-CPU times are samples x period, not exact
    uint64_t unsampled_ns;                // on-CPU time of threads without any sample in this view
    uint64_t blocked_ns;                  // in this view
    uint64_t approximate_blocked_ns;      // of it: the stack is not the one of the wait itself
    uint64_t unpaired_switches;           // of the run
    bool recording;                       // the run goes on
    uint64_t start_ns; // the window that this answer is about, from the start of the run
    uint64_t end_ns;
};

struct health health_make(const struct calltree *tree, const struct fold *fold,
                          const struct store *store);

// Time spent waiting, by reason.
struct off_cpu {
    uint64_t ns[EVENT_REASON_COUNT];
};

static inline uint64_t off_cpu_total(const struct off_cpu *off_cpu)
{
    uint64_t total_ns = 0;
    for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        total_ns += off_cpu->ns[reason];
    }
    return total_ns;
}

// The reason for most of it; EVENT_REASON_COUNT when there is none.
static inline uint64_t off_cpu_main_reason(const struct off_cpu *off_cpu)
{
    uint64_t best = EVENT_REASON_COUNT;
    uint64_t best_ns = 0;
    for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        if (off_cpu->ns[reason] > best_ns) {
            best = reason;
            best_ns = off_cpu->ns[reason];
        }
    }
    return best;
}

// What weighs: it chooses, orders and cuts. The numbers of the other kind are there all the same.
enum answer_mode {
    MODE_ON_CPU,  // time on a CPU
    MODE_OFF_CPU, // time spent waiting
    MODE_WALL     // both together: neither is counted twice, a thread is in one state at a time
};

// What is of the mode, of times (or of samples and waits: together they only tell whether there is
// any). At most UINT64_MAX: a file may tell of lives that add up to more.
static inline uint64_t answer_mode_sum(enum answer_mode mode, uint64_t on_cpu, uint64_t off)
{
    uint64_t counted_on = mode == MODE_OFF_CPU ? 0 : on_cpu;
    uint64_t counted_off = mode == MODE_ON_CPU ? 0 : off;
    return counted_off > UINT64_MAX - counted_on ? UINT64_MAX : counted_on + counted_off;
}

// ---- Top ---------------------------------------------------------------------------------------

enum top_sort { TOP_SELF, TOP_TOTAL };

struct top_params {
    enum top_sort sort;
    enum answer_mode mode;
    bool has_reason; // then all off-CPU numbers are of waits for `reason`
    enum event_reason reason;
    size_t limit; // 0: all
};

struct top_entry {
    const struct function *function;
    uint64_t self_samples;
    uint64_t total_samples;
    uint64_t self_on_cpu_ns;
    uint64_t total_on_cpu_ns;
    uint64_t self_waits; // how many
    uint64_t total_waits;
    struct off_cpu self_off_cpu; // with it as the function that waits
    struct off_cpu total_off_cpu;
};

struct top {
    struct health health;
    uint64_t total_on_cpu_ns;
    struct off_cpu total_off_cpu;
    uint64_t total_runnable_ns;
    uint64_t n_functions; // with samples (or waits, or either: by mode), before the limit
    VEC(struct top_entry) entries;
};

// By the mode's time, self or total, most first; ties by the other of the two, then by name.
void top_make(struct top *ret, const struct calltree *tree, const struct fold *fold,
              const struct store *store, struct reasons *reasons, const struct top_params *params);
void top_fini(struct top *top);

// ---- Flamegraph --------------------------------------------------------------------------------

struct flame_params {
    uint32_t max_depth; // 0: any. The root has depth 0
    double min_share;   // of the mode's whole time: smaller nodes are cut
    uint32_t max_nodes; // 0: any. The heaviest are kept, and the root always
    enum answer_mode mode;
    bool has_reason; // then all off-CPU numbers are of waits for `reason`
    enum event_reason reason;
    // The way to a node that somebody looks at, from a child of the root on, as far as there is
    // one: it is kept, whatever it weighs, and what lies below it is cut as if that node were the
    // root. Borrowed.
    const struct view_symbol *zoom;
    size_t n_zoom;
    bool unsorted; // nodes in any order, each behind its parent; else depth first, heaviest first
};

// A node and everything below it, where a name does not say "self".
struct flame_node {
    uint32_t parent;       // index into nodes, smaller than the node's own; of the root: 0
    uint32_t cut_children; // direct callees with samples (or waits: by mode) left out
    const struct function *function; // NULL for the root
    uint64_t on_cpu_ns;
    uint64_t self_on_cpu_ns;
    uint64_t self_samples;
    uint64_t total_samples;
    uint64_t self_off_ns;
    uint64_t off_ns;
    uint64_t waits;         // how many
    struct off_cpu off_cpu; // off_ns by reason
    uint64_t cut_samples;   // of all direct callees that are not shown
    uint64_t cut_off_ns;    // likewise
};

// Nodes that have nothing of the mode are not shown: in MODE_ON_CPU those that only wait.
struct flame {
    struct health health;
    uint64_t total_on_cpu_ns;
    struct off_cpu total_off_cpu;
    uint64_t n_nodes;    // with samples (or waits: by mode), before cutting; the root is one
    uint32_t zoom_depth; // how much there is of the way that was asked for
    VEC(struct flame_node)
    nodes; // 0 is the root, each node before its callees; siblings by the mode's time,
           // heaviest first, then by name
};

void flame_make(struct flame *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store, struct reasons *reasons,
                const struct flame_params *params);
void flame_fini(struct flame *flame);

// ---- Threads -----------------------------------------------------------------------------------

struct threads_entry {
    thread_id thread;
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
    struct off_cpu total_off_cpu; // of all of them, before the limit
    uint64_t total_runnable_ns;
    uint64_t n_threads;                // in this view, before the limit
    VEC(struct threads_entry) entries; // by on_cpu_ns, most first; then by tid
};

// A thread is listed when it has samples in the view, or lived at some time of it; those of other
// programs never. Limit 0: all.
void threads_make(struct threads_answer *ret, const struct calltree *tree, const struct fold *fold,
                  const struct store *store, struct reasons *reasons, size_t limit);
void threads_fini(struct threads_answer *threads);

// ---- Whole -------------------------------------------------------------------------------------

struct total {
    struct health health;
    uint64_t total_on_cpu_ns;
    struct off_cpu total_off_cpu;
    uint64_t total_runnable_ns;
};

void total_make(struct total *ret, const struct calltree *tree, const struct fold *fold,
                const struct store *store, struct reasons *reasons);

// ---- Diagnosis of names ------------------------------------------------------------------------

// One line per image that samples fell into, and per binary that has a frame in any stack.
struct image_report {
    image_id image;
    struct slice path;
    struct slice build_id;   // raw bytes
    const char *state;       // "ready", "loading", "failed", "anonymous"
    const char *note;        // "" when all is well
    const char *inline_note; // likewise, of inlined functions
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

// ---- Diagnosis of stacks -----------------------------------------------------------------------

// Stacks that end in the same binary for the same reason.
struct truncation_report {
    enum truncation truncation;
    image_id image;    // 0: nobody's
    struct slice path; // of the image; empty when nobody's
    uint64_t samples;
    uint64_t waits; // how many
};

// A thread some of whose stacks lack callers.
struct truncated_thread {
    thread_id thread;
    uint32_t tid;
    struct slice name;
    uint64_t samples;
    uint64_t truncated_samples;
};

struct truncations {
    VEC(struct truncation_report) places; // by samples, then waits, most first
    VEC(struct truncated_thread) threads; // by truncated_samples, most first
};

// At most `limit` of each; 0: all.
void truncations_make(struct truncations *ret, const struct calltree *tree, const struct fold *fold,
                      const struct store *store, size_t limit);
void truncations_fini(struct truncations *truncations);

// ---- Diagnosis of reasons ----------------------------------------------------------------------

// A function with waits that the table of reasons has no better name for than "other".
struct unexplained_wait {
    const char *function_name; // the one that waits; "[no stack]" when it is not known
    uint64_t off_ns;
    uint64_t waits; // how many
};

struct unexplained {
    VEC(struct unexplained_wait) waits; // by off_ns, most first
};

// Empty unless "other" is more than 5 % of all blocked time. Limit 0: all.
void unexplained_make(struct unexplained *ret, const struct calltree *tree, const struct fold *fold,
                      struct reasons *reasons, size_t limit);
void unexplained_fini(struct unexplained *unexplained);
