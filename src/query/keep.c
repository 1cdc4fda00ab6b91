#include "query/keep.h"

enum { FUNCTION_UNKNOWN, FUNCTION_KEPT, FUNCTION_EXCLUDED };

void keep_fini(struct keep *keep)
{
    vec_fini(&keep->functions);
    vec_fini(&keep->stacks);
    vec_fini(&keep->threads);
}

static bool matches(const struct view_symbol *symbol, const struct function *function)
{
    return strcmp(symbol->function_name, function->name) == 0 &&
           (symbol->binary == NULL || strcmp(symbol->binary, function->binary) == 0);
}

static bool function_is_kept(struct keep *keep, const struct view *view, const struct names *names,
                             function_id function)
{
    vec_grow_zeroed(&keep->functions, (size_t)function + 1);
    uint8_t *kept = &keep->functions.at[function];
    if (*kept == FUNCTION_UNKNOWN) {
        *kept = FUNCTION_KEPT;
        for (size_t i = 0; i < view->exclude.n; i++) {
            if (matches(&view->exclude.at[i], names_function(names, function))) {
                *kept = FUNCTION_EXCLUDED;
            }
        }
    }
    return *kept == FUNCTION_KEPT;
}

static bool frame_is_kept(struct keep *keep, const struct view *view, const struct names *names,
                          frame_id frame)
{
    if (!function_is_kept(keep, view, names, names_of_frame(names, frame))) {
        return false;
    }
    struct inlined_list inlined = names_inlined_at(names, frame);
    for (uint32_t i = 0; i < inlined.n && !view->physical; i++) {
        if (!function_is_kept(keep, view, names, inlined.at[i])) {
            return false;
        }
    }
    return true;
}

// In the order of ids, so that a stack's caller has always been looked at.
static void judge_stacks(struct keep *keep, const struct view *view, const struct store *store,
                         const struct names *names, uint32_t n_stacks)
{
    vec_reserve(&keep->stacks, n_stacks);
    if (keep->stacks.n == 0) {
        vec_push(&keep->stacks, 1); // the root
    }
    for (stack_id stack = (stack_id)keep->stacks.n; stack < n_stacks; stack++) {
        const struct stack_row *row = stacks_get(&store->stacks, stack);
        if (row->frame >= names->of_frame.n) {
            return; // newer than the names
        }
        bool kept = keep->stacks.at[row->caller] != 0 &&
                    frame_is_kept(keep, view, names, row->frame);
        vec_push(&keep->stacks, kept);
    }
}

static void keep_all_stacks(struct keep *keep, uint32_t n_stacks)
{
    size_t n = keep->stacks.n;
    if (n < n_stacks) {
        vec_grow_zeroed(&keep->stacks, n_stacks);
        memset(keep->stacks.at + n, 1, n_stacks - n);
    }
}

static void judge_threads(struct keep *keep, const struct view *view, const struct store *store,
                          uint32_t n_threads)
{
    for (thread_id id = (thread_id)keep->threads.n; id < n_threads; id++) {
        const struct thread_row *row = store_thread(store, id);
        bool kept = !row->foreign && (!view->has_tid || row->tid == view->tid);
        vec_push(&keep->threads, kept);
    }
}

bool keep_is_current(const struct keep *keep, const struct view *view, const struct names *names)
{
    return view->exclude.n == 0 ||
           (keep->names_version == names->version &&
            (view->physical || keep->inlined_version == names->inlined.version));
}

bool keep_refresh(struct keep *keep, const struct view *view, const struct store *store,
                  const struct names *names)
{
    uint32_t n_stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire);
    uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    judge_threads(keep, view, store, n_threads);
    if (view->exclude.n == 0) {
        keep_all_stacks(keep, n_stacks);
        return false;
    }
    bool start_over = !keep_is_current(keep, view, names);
    if (start_over) {
        keep->names_version = names->version;
        keep->inlined_version = names->inlined.version;
        vec_clear(&keep->stacks);
        vec_clear(&keep->functions);
    }
    judge_stacks(keep, view, store, names, n_stacks);
    return start_over;
}
