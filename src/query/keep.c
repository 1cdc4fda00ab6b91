// What a stack has on it is the sum of what its frames have: a few bits, which a callee takes over
// from its caller. From these, whether it is kept:
//
//     stack   main ─ parse ─ malloc        exclude {free}   only {parse, print}   focus main
//     marks   FOCUS   FOCUS|ONLY  ─►  kept: not EXCLUDED, and ONLY, and FOCUS, as far as asked for

#include "query/keep.h"

#include "base/text.h"

enum {
    MARK_EXCLUDED = 1,
    MARK_ONLY = 2,
    MARK_FOCUS = 4,
    MARK_LOOKED_AT = 8, // of a function: its other marks are known
};

void keep_fini(struct keep *keep)
{
    vec_fini(&keep->functions);
    vec_fini(&keep->stacks);
    vec_fini(&keep->marks);
    vec_fini(&keep->threads);
    vec_fini(&keep->symbols);
    map_fini(&keep->by_name);
}

// ---- Symbols -----------------------------------------------------------------------------------

static uint64_t hash_name(const char *name)
{
    return hash_bytes(name, strlen(name));
}

static void add_symbol(struct keep *keep, const struct view_symbol *symbol, uint8_t mark)
{
    map_add(&keep->by_name, hash_name(symbol->function_name), (uint32_t)keep->symbols.n);
    vec_push(&keep->symbols, (struct keep_symbol){.symbol = *symbol, .mark = mark});
}

static void index_symbols(struct keep *keep, const struct view *view)
{
    if (keep->symbols.n > 0) {
        return; // a keep knows one view
    }
    for (size_t i = 0; i < view->exclude.n; i++) {
        add_symbol(keep, &view->exclude.at[i], MARK_EXCLUDED);
    }
    for (size_t i = 0; i < view->only.n; i++) {
        add_symbol(keep, &view->only.at[i], MARK_ONLY);
    }
    if (view->focus.function_name != NULL) {
        add_symbol(keep, &view->focus, MARK_FOCUS);
    }
}

// Names are as answers show them: bytes that are not UTF-8 stand there as text.
static const char *shown(const char *name, struct text *scratch)
{
    size_t n = strlen(name);
    if (utf8_is_whole(name, n)) {
        return name;
    }
    text_add_utf8(scratch, name, n);
    return text_get(scratch);
}

static uint8_t find_marks(const struct keep *keep, const struct function *function)
{
    CLEANUP(text_fini) struct text scratch = {0};
    uint64_t hash = hash_name(shown(function->name, &scratch));
    size_t cursor = 0;
    uint32_t found;
    uint8_t marks = 0;
    while ((found = map_find_from(&keep->by_name, hash, &cursor)) != MAP_NONE) {
        const struct view_symbol *symbol = &keep->symbols.at[found].symbol;
        if (function_is(function, symbol->function_name, symbol->binary)) {
            marks |= keep->symbols.at[found].mark;
        }
    }
    return marks;
}

// ---- Stacks ------------------------------------------------------------------------------------

static uint8_t marks_of_function(struct keep *keep, const struct names *names, function_id function)
{
    vec_grow_zeroed(&keep->functions, (size_t)function + 1);
    uint8_t *marks = &keep->functions.at[function];
    if (*marks == 0) {
        *marks = MARK_LOOKED_AT | find_marks(keep, names_function(names, function));
    }
    return *marks;
}

static uint8_t marks_of_frame(struct keep *keep, const struct view *view, const struct names *names,
                              frame_id frame)
{
    uint8_t marks = marks_of_function(keep, names, names_of_frame(names, frame));
    struct inlined_list inlined = names_inlined_at(names, frame);
    for (uint32_t i = 0; i < inlined.n && !view->physical; i++) {
        marks |= marks_of_function(keep, names, inlined.at[i]);
    }
    return marks;
}

static bool is_kept(const struct view *view, uint8_t marks)
{
    return (marks & MARK_EXCLUDED) == 0 && (view->only.n == 0 || (marks & MARK_ONLY) != 0) &&
           (view->focus.function_name == NULL || (marks & MARK_FOCUS) != 0);
}

static void push_stack(struct keep *keep, const struct view *view, uint8_t marks)
{
    vec_push(&keep->marks, marks);
    vec_push(&keep->stacks, is_kept(view, marks));
}

// In the order of ids, so that a stack's caller has always been looked at.
static void judge_stacks(struct keep *keep, const struct view *view, const struct store *store,
                         const struct names *names, uint32_t n_stacks)
{
    vec_reserve(&keep->stacks, n_stacks);
    vec_reserve(&keep->marks, n_stacks);
    if (keep->stacks.n == 0) {
        push_stack(keep, view, 0); // the root
    }
    for (stack_id stack = (stack_id)keep->stacks.n; stack < n_stacks; stack++) {
        const struct stack_row *row = stacks_get(&store->stacks, stack);
        if (row->frame >= names->of_frame.n) {
            return; // newer than the names
        }
        uint8_t of_callers = keep->marks.at[row->caller];
        push_stack(keep, view, of_callers | marks_of_frame(keep, view, names, row->frame));
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
    return !view_has_symbols(view) ||
           (keep->names_version == names->version &&
            (view->physical || keep->inlined_version == names->inlined.version));
}

bool keep_refresh(struct keep *keep, const struct view *view, const struct store *store,
                  const struct names *names)
{
    uint32_t n_stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire);
    uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    judge_threads(keep, view, store, n_threads);
    if (!view_has_symbols(view)) {
        keep_all_stacks(keep, n_stacks);
        return false;
    }
    bool start_over = !keep_is_current(keep, view, names);
    if (start_over) {
        keep->names_version = names->version;
        keep->inlined_version = names->inlined.version;
        vec_clear(&keep->stacks);
        vec_clear(&keep->marks);
        vec_clear(&keep->functions);
    }
    index_symbols(keep, view);
    judge_stacks(keep, view, store, names, n_stacks);
    return start_over;
}
