// Which stacks lack their callers: where they end, and whose they are.

#include "query/answers.h"
#include "query/select.h"

static int compare_places(const void *a, const void *b, void *context)
{
    (void)context;
    const struct truncation_report *x = a;
    const struct truncation_report *y = b;
    if (x->samples != y->samples) {
        return x->samples > y->samples ? -1 : 1;
    }
    if (x->waits != y->waits) {
        return x->waits > y->waits ? -1 : 1;
    }
    uint64_t x_off = truncation_off(x->truncation, x->image);
    uint64_t y_off = truncation_off(y->truncation, y->image);
    return x_off < y_off ? -1 : x_off > y_off;
}

static int compare_threads(const void *a, const void *b, void *context)
{
    (void)context;
    const struct truncated_thread *x = a;
    const struct truncated_thread *y = b;
    if (x->truncated_samples != y->truncated_samples) {
        return x->truncated_samples > y->truncated_samples ? -1 : 1;
    }
    return x->thread < y->thread ? -1 : x->thread > y->thread;
}

// NULL: the stack is whole, or newer than the tree.
static const struct function *truncation_of(const struct calltree *tree, stack_id stack)
{
    return stack < tree->of_stack.n ? calltree_truncation(tree, tree->of_stack.at[stack]) : NULL;
}

// The report about this reason and image; there are few of them.
static struct truncation_report *report_of(struct truncations *ret, const struct function *marker,
                                           const struct store *store)
{
    image_id image = (image_id)marker->key; // the lower half: truncation_off()
    for (size_t i = 0; i < ret->places.n; i++) {
        struct truncation_report *known = &ret->places.at[i];
        if (known->truncation == marker->truncation && known->image == image) {
            return known;
        }
    }
    struct truncation_report report = {.truncation = marker->truncation, .image = image};
    if (image != 0 && image < atomic_load_explicit(&store->images.n, memory_order_acquire)) {
        report.path = strings_get(&store->strings, store_image(store, image)->path);
    }
    vec_push(&ret->places, report);
    return vec_last(&ret->places);
}

static void count_places(struct truncations *ret, const struct calltree *tree,
                         const struct fold *fold, const struct store *store)
{
    for (size_t i = 0; i < fold->running.at.n; i++) {
        const struct function *marker = truncation_of(tree, places_stack(&fold->running, i));
        if (marker != NULL && fold->running.n.at[i] > 0) {
            report_of(ret, marker, store)->samples += fold->running.n.at[i];
        }
    }
    for (size_t i = 0; i < fold->waiting.at.n; i++) {
        const struct function *marker = truncation_of(tree, places_stack(&fold->waiting, i));
        if (marker != NULL && fold->waiting.n.at[i] > 0) {
            report_of(ret, marker, store)->waits += fold->waiting.n.at[i];
        }
    }
}

static uint64_t count_truncated(const struct calltree *tree, const struct fold *fold,
                                const struct cells *running)
{
    uint64_t n = 0;
    uint32_t cursor = 0;
    struct cells_page page;
    while (cells_next_page(running, &cursor, &page)) {
        for (uint32_t i = 0; i < CELLS_PAGE && page.first + i < fold->running.at.n; i++) {
            bool truncated = page.n[i] > 0 &&
                             truncation_of(tree, places_stack(&fold->running, page.first + i));
            n += truncated ? page.n[i] : 0;
        }
    }
    return n;
}

static void count_threads(struct truncations *ret, const struct calltree *tree,
                          const struct fold *fold, const struct store *store)
{
    for (thread_id id = 0; id < fold->threads.n; id++) {
        uint64_t n = count_truncated(tree, fold, &fold->threads.at[id].running);
        if (n == 0) {
            continue;
        }
        const struct thread_row *row = store_thread(store, id);
        vec_push(&ret->threads, (struct truncated_thread){
                                    .thread = id,
                                    .tid = row->tid,
                                    .name = strings_get(&store->strings, atomic_load(&row->name)),
                                    .samples = fold->threads.at[id].kept_samples,
                                    .truncated_samples = n,
                                });
    }
}

void truncations_make(struct truncations *ret, const struct calltree *tree, const struct fold *fold,
                      const struct store *store, size_t limit)
{
    *ret = (struct truncations){0};
    count_places(ret, tree, fold, store);
    count_threads(ret, tree, fold, store);
    size_t n = limit == 0 ? ret->places.n : MIN(limit, ret->places.n);
    select_first(ret->places.at, ret->places.n, sizeof *ret->places.at, n, compare_places, NULL);
    ret->places.n = n;
    n = limit == 0 ? ret->threads.n : MIN(limit, ret->threads.n);
    select_first(ret->threads.at, ret->threads.n, sizeof *ret->threads.at, n, compare_threads,
                 NULL);
    ret->threads.n = n;
}

void truncations_fini(struct truncations *truncations)
{
    vec_fini(&truncations->places);
    vec_fini(&truncations->threads);
}
