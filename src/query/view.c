#include "query/view.h"

void view_symbol_fini(struct view_symbol *symbol)
{
    free(TAKE(symbol->function_name));
    free(TAKE(symbol->binary));
}

void view_symbols_fini(view_symbols *symbols)
{
    for (size_t i = 0; i < symbols->n; i++) {
        view_symbol_fini(&symbols->at[i]);
    }
    vec_fini(symbols);
}

void view_fini(struct view *view)
{
    view_symbols_fini(&view->exclude);
    view_symbols_fini(&view->only);
    view_symbol_fini(&view->focus);
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : alloc_text(text, strlen(text));
}

struct view_symbol view_symbol_new(const char *function_name, const char *binary)
{
    return (struct view_symbol){
        .function_name = copy_text(function_name),
        .binary = copy_text(binary),
    };
}

void view_symbols_copy(view_symbols *to, const view_symbols *from)
{
    *to = (view_symbols){0};
    for (size_t i = 0; i < from->n; i++) {
        vec_push(to, view_symbol_new(from->at[i].function_name, from->at[i].binary));
    }
}

void view_copy(struct view *to, const struct view *from)
{
    *to = *from;
    view_symbols_copy(&to->exclude, &from->exclude);
    view_symbols_copy(&to->only, &from->only);
    to->focus = view_symbol_new(from->focus.function_name, from->focus.binary);
}

bool view_keeps_no_stack(const struct view *view)
{
    return view->only.n == 0 && view->focus.function_name == NULL;
}

bool view_has_symbols(const struct view *view)
{
    return view->exclude.n > 0 || !view_keeps_no_stack(view);
}

bool view_is_everything(const struct view *view)
{
    return !view->has_tid && !view->has_time_range && !view_has_symbols(view);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_symbol(const struct view_symbol *a, const struct view_symbol *b)
{
    return same_text(a->function_name, b->function_name) && same_text(a->binary, b->binary);
}

static bool same_symbols(const view_symbols *a, const view_symbols *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!same_symbol(&a->at[i], &b->at[i])) {
            return false;
        }
    }
    return true;
}

bool view_equal(const struct view *a, const struct view *b)
{
    bool same_tid = a->has_tid == b->has_tid && (!a->has_tid || a->tid == b->tid);
    bool same_time = a->has_time_range == b->has_time_range &&
                     (!a->has_time_range || (a->start_ns == b->start_ns && a->end_ns == b->end_ns));
    bool same_stacks = !view_has_symbols(a) || a->physical == b->physical;
    return same_tid && same_time && same_stacks && same_symbols(&a->exclude, &b->exclude) &&
           same_symbols(&a->only, &b->only) && same_symbol(&a->focus, &b->focus);
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

struct view_window view_window(const struct view *view, const struct store *store)
{
    if (!view->has_time_range) {
        return (struct view_window){.start_ns = 0, .end_ns = UINT64_MAX};
    }
    return (struct view_window){
        .start_ns = add_saturated(store->started_ns, view->start_ns),
        .end_ns = add_saturated(store->started_ns, MAX(view->start_ns, view->end_ns)),
    };
}
