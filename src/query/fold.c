#include "query/fold.h"

enum { FUNCTION_UNKNOWN, FUNCTION_KEPT, FUNCTION_EXCLUDED };

void fold_init(struct fold *fold, struct view *view)
{
    *fold = (struct fold){.view = *view};
    *view = (struct view){0};
}

void fold_fini(struct fold *fold)
{
    vec_fini(&fold->function_kept);
    vec_fini(&fold->stack_kept);
    vec_fini(&fold->thread_kept);
    vec_fini(&fold->by_thread);
    vec_fini(&fold->by_stack);
    view_fini(&fold->view);
}

// ---- What the view keeps -----------------------------------------------------------------------

static bool matches(const struct view_symbol *symbol, const struct function *function)
{
    return strcmp(symbol->function_name, function->name) == 0 &&
           (symbol->binary == NULL || strcmp(symbol->binary, function->binary) == 0);
}

static bool function_is_kept(struct fold *fold, const struct names *names, function_id function)
{
    vec_grow_zeroed(&fold->function_kept, (size_t)function + 1);
    uint8_t *kept = &fold->function_kept.at[function];
    if (*kept == FUNCTION_UNKNOWN) {
        *kept = FUNCTION_KEPT;
        for (size_t i = 0; i < fold->view.exclude.n; i++) {
            if (matches(&fold->view.exclude.at[i], names_function(names, function))) {
                *kept = FUNCTION_EXCLUDED;
            }
        }
    }
    return *kept == FUNCTION_KEPT;
}

// In the order of ids, so that a stack's caller has always been looked at.
static void judge_stacks(struct fold *fold, const struct store *store, const struct names *names,
                         uint32_t n_stacks)
{
    vec_reserve(&fold->stack_kept, n_stacks);
    if (fold->stack_kept.n == 0) {
        vec_push(&fold->stack_kept, 1); // the root
    }
    for (stack_id stack = (stack_id)fold->stack_kept.n; stack < n_stacks; stack++) {
        const struct stack_row *row = stacks_get(&store->stacks, stack);
        if (row->frame >= names->of_frame.n) {
            return; // newer than the names
        }
        bool kept = fold->stack_kept.at[row->caller] != 0 &&
                    function_is_kept(fold, names, names_of_frame(names, row->frame));
        vec_push(&fold->stack_kept, kept);
    }
}

static void judge_threads(struct fold *fold, const struct store *store, uint32_t n_threads)
{
    for (thread_id id = (thread_id)fold->thread_kept.n; id < n_threads; id++) {
        bool kept = !fold->view.has_tid || store_thread(store, id)->tid == fold->view.tid;
        vec_push(&fold->thread_kept, kept);
    }
}

static void start_over(struct fold *fold)
{
    fold->cursor = 0;
    fold->n_samples = 0;
    vec_clear(&fold->by_stack);
    vec_clear(&fold->by_thread);
    vec_clear(&fold->stack_kept);
    vec_clear(&fold->function_kept);
}

// ---- The pass ----------------------------------------------------------------------------------

static void count_all(struct fold *fold, const struct samples_span *span)
{
    uint64_t *by_stack = fold->by_stack.at;
    uint64_t *by_thread = fold->by_thread.at;
    for (size_t i = 0; i < span->n; i++) {
        by_stack[span->stack[i]]++;
        by_thread[span->thread[i]]++;
    }
    fold->n_samples += span->n;
}

// Without a branch, since which rows match is anybody's guess.
static void count_threads(struct fold *fold, const struct samples_span *span)
{
    const uint8_t *kept = fold->thread_kept.at;
    uint64_t *by_stack = fold->by_stack.at;
    uint64_t *by_thread = fold->by_thread.at;
    uint64_t n = 0;
    for (size_t i = 0; i < span->n; i++) {
        thread_id thread = span->thread[i];
        uint64_t one = kept[thread];
        by_stack[span->stack[i]] += one;
        by_thread[thread] += one;
        n += one;
    }
    fold->n_samples += n;
}

// Up to the first row whose stack is newer than the names. Returns how many that were.
static size_t count_kept(struct fold *fold, const struct samples_span *span)
{
    const uint8_t *kept = fold->thread_kept.at;
    size_t n_stacks = fold->stack_kept.n;
    for (size_t i = 0; i < span->n; i++) {
        thread_id thread = span->thread[i];
        stack_id stack = span->stack[i];
        if (stack >= n_stacks) {
            return i;
        }
        uint64_t one = kept[thread] & fold->stack_kept.at[stack];
        fold->by_stack.at[stack] += one;
        fold->by_thread.at[thread] += one;
        fold->n_samples += one;
    }
    return span->n;
}

static size_t count_span(struct fold *fold, const struct samples_span *span)
{
    if (fold->view.exclude.n > 0) {
        return count_kept(fold, span);
    }
    if (fold->view.has_tid) {
        count_threads(fold, span);
    } else {
        count_all(fold, span);
    }
    return span->n;
}

// Rows [cursor, end), all within the view's time. False when the names do not reach that far.
static bool count_rows(struct fold *fold, const struct samples *samples, uint64_t end)
{
    while (fold->cursor < end) {
        struct samples_span span;
        samples_pin(samples, fold->cursor, end, &span);
        size_t n = count_span(fold, &span);
        samples_unpin(samples, &span);
        fold->cursor += n;
        if (n < span.n) {
            return false;
        }
    }
    return true;
}

// Loads the lengths in the order in which a reader may: whatever a row names was there before it.
static uint64_t prepare(struct fold *fold, const struct store *store, const struct names *names)
{
    uint64_t n = atomic_load_explicit(&store->samples.n, memory_order_acquire);
    uint32_t n_stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire);
    uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    if (fold->view.exclude.n > 0) {
        if (fold->names_version != names->version) {
            start_over(fold);
            fold->names_version = names->version;
        }
        judge_stacks(fold, store, names, n_stacks);
    }
    if (!view_is_everything(&fold->view)) {
        judge_threads(fold, store, n_threads);
    }
    vec_grow_zeroed(&fold->by_stack, n_stacks);
    vec_grow_zeroed(&fold->by_thread, n_threads);
    return n;
}

bool fold_advance(struct fold *fold, const struct store *store, const struct names *names,
                  uint64_t max_rows)
{
    uint64_t n = prepare(fold, store, names);
    uint64_t end = n;
    if (fold->view.has_time_range) {
        struct view_window window = view_window(&fold->view, store);
        fold->cursor = MAX(fold->cursor, samples_find(&store->samples, n, window.start_ns));
        end = samples_find(&store->samples, n, window.end_ns);
    }
    uint64_t left = end > fold->cursor ? end - fold->cursor : 0;
    bool named = count_rows(fold, &store->samples, fold->cursor + MIN(left, max_rows));
    return left <= max_rows || !named;
}
