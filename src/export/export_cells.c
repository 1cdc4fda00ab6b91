#include "export/export_cells.h"

#include "query/weights.h"

void export_cells_fini(struct export_cells *cells)
{
    vec_fini(&cells->at);
}

struct slice export_thread_name(const struct export *export, thread_id thread)
{
    const struct store *store = export->source->store;
    return strings_get(&store->strings, atomic_load(&store_thread(store, thread)->name));
}

// The tree has caught up: but a stack that it does not know is no reason to read beyond it.
static bool knows(const struct export *export, stack_id stack)
{
    return stack < export->source->tree->of_stack.n;
}

static node_id node_of(const struct export *export, stack_id stack)
{
    return export->source->tree->of_stack.at[stack];
}

// ---- Running -----------------------------------------------------------------------------------

// Rounding each share for itself would add up to something else: so the sums are rounded, and each
// gets the difference.
static void share_time(struct export_cells *cells, double total_ns, uint64_t n)
{
    uint64_t counted = 0;
    uint64_t given_ns = 0;
    for (size_t i = 0; i < cells->at.n; i++) {
        counted += cells->at.at[i].n;
        uint64_t until_ns = weights_round(total_ns * (double)counted / (double)n);
        cells->at.at[i].ns = until_ns - given_ns;
        given_ns = until_ns;
    }
}

void export_cells_running(struct export_cells *ret, const struct export *export, thread_id thread)
{
    const struct fold *fold = export->source->fold;
    const struct fold_thread *counted = &fold->threads.at[thread];
    vec_clear(&ret->at);
    if (fold->keep.threads.at[thread] == 0) {
        return;
    }
    struct cells_page page;
    for (uint32_t cursor = 0; cells_next_page(&counted->running, &cursor, &page);) {
        for (uint32_t i = 0; i < CELLS_PAGE; i++) {
            stack_id stack = page.n[i] == 0 ? 0 : places_stack(&fold->running, page.first + i);
            if (page.n[i] > 0 && knows(export, stack)) {
                vec_push(&ret->at, (struct export_cell){
                                       .stack = stack,
                                       .node = node_of(export, stack),
                                       .n = page.n[i],
                                   });
            }
        }
    }
    double total_ns = weights_thread_ns(fold, export->source->store, thread);
    if (counted->kept_samples > 0) {
        share_time(ret, total_ns, counted->kept_samples);
    } else if (weights_round(total_ns) > 0) {
        vec_push(&ret->at, (struct export_cell){.ns = weights_round(total_ns)});
    }
}

// ---- Waiting -----------------------------------------------------------------------------------

static void add_wait(struct export_cells *to, const struct export *export, const struct cell *cell)
{
    if (!knows(export, cell->stack)) {
        return;
    }
    struct reasons *reasons = export->source->reasons;
    stack_id stack = reasons_waiting_stack(reasons, cell->stack);
    vec_push(&to->at, (struct export_cell){
                          .stack = stack,
                          .node = node_of(export, stack),
                          .reason = weights_reason(export->source->tree, reasons, cell),
                          .n = cell->n,
                          .ns = cell->ns,
                      });
}

// The first one of `thread` or a later one.
static size_t find_open(const struct export *export, thread_id thread)
{
    size_t low = 0;
    size_t high = export->open.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (export->open.at[middle].thread < thread) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void export_cells_waiting(struct export_cells *ret, const struct export *export, thread_id thread)
{
    const struct fold *fold = export->source->fold;
    vec_clear(&ret->at);
    struct cells_page page;
    for (uint32_t cursor = 0; cells_next_page(&fold->threads.at[thread].waits, &cursor, &page);) {
        for (uint32_t i = 0; i < CELLS_PAGE; i++) {
            if (page.n[i] > 0) {
                struct cell cell = places_cell(&fold->waiting, page.first + i);
                cell.n = page.n[i];
                cell.ns = page.ns[i];
                add_wait(ret, export, &cell);
            }
        }
    }
    for (size_t i = find_open(export, thread);
         i < export->open.n && export->open.at[i].thread == thread; i++) {
        add_wait(ret, export, &export->open.at[i].cell);
    }
}

// ---- By function -------------------------------------------------------------------------------

static int compare_cells(const void *a, const void *b)
{
    const struct export_cell *x = a;
    const struct export_cell *y = b;
    if (x->node != y->node) {
        return x->node > y->node ? 1 : -1;
    }
    return (x->reason > y->reason) - (x->reason < y->reason);
}

void export_cells_merge(struct export_cells *cells)
{
    size_t n = 0;
    if (cells->at.n > 1) {
        qsort(cells->at.at, cells->at.n, sizeof *cells->at.at, compare_cells);
    }
    for (size_t i = 0; i < cells->at.n; i++) {
        struct export_cell *cell = &cells->at.at[i];
        if (n > 0 && compare_cells(&cells->at.at[n - 1], cell) == 0) {
            cells->at.at[n - 1].n += cell->n;
            cells->at.at[n - 1].ns += cell->ns;
        } else {
            cells->at.at[n++] = *cell;
        }
    }
    cells->at.n = n;
}
