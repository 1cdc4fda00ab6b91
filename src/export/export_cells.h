#pragma once

// What one thread did, as a format needs it that knows no time: how often and how long it was in
// each stack, running and waiting.

#include "export/export.h"

struct export_cell {
    stack_id stack;           // of a wait: its leaf is the function that waits
    node_id node;             // of the tree: the same
    enum event_reason reason; // of a wait
    uint64_t n;               // samples, or waits
    uint64_t ns;
};

struct export_cells {
    VEC(struct export_cell) at;
};

void export_cells_fini(struct export_cells *cells); // a zeroed one is empty, and ready

// Kept samples of a thread, replacing what was there. `ns` is the share of the thread's time,
// rounded so that all of them together are what `stax threads` says. A thread of which nothing but
// its time is known has one cell with n = 0 in the empty stack.
void export_cells_running(struct export_cells *ret, const struct export *export, thread_id thread);

// Likewise its waits: those that are not over, too.
void export_cells_waiting(struct export_cells *ret, const struct export *export, thread_id thread);

// One cell per node (and reason), in their order.
void export_cells_merge(struct export_cells *cells);

// The thread's name, as bytes of the target.
struct slice export_thread_name(const struct export *export, thread_id thread);

// What stands in the place of a function for samples without any frame; and for time of threads
// that ran but were never sampled.
#define EXPORT_NO_STACK   "[no stack]"
#define EXPORT_NO_SAMPLES "[not sampled]"

// What to call a cell whose stack is empty.
static inline const char *export_empty_stack(const struct export_cell *cell)
{
    return cell->n == 0 ? EXPORT_NO_SAMPLES : EXPORT_NO_STACK;
}
