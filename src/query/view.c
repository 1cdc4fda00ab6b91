#include "query/view.h"

void view_fini(struct view *view)
{
    for (size_t i = 0; i < view->exclude.n; i++) {
        free(view->exclude.at[i].function_name);
        free(view->exclude.at[i].binary);
    }
    vec_fini(&view->exclude);
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : alloc_text(text, strlen(text));
}

void view_copy(struct view *to, const struct view *from)
{
    *to = *from;
    to->exclude.at = NULL;
    to->exclude.n = to->exclude.room = 0;
    for (size_t i = 0; i < from->exclude.n; i++) {
        vec_push(&to->exclude, (struct view_symbol){
                                   .function_name = copy_text(from->exclude.at[i].function_name),
                                   .binary = copy_text(from->exclude.at[i].binary),
                               });
    }
}

bool view_is_everything(const struct view *view)
{
    return !view->has_tid && !view->has_time_range && view->exclude.n == 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_exclude(const struct view *a, const struct view *b)
{
    if (a->exclude.n != b->exclude.n) {
        return false;
    }
    for (size_t i = 0; i < a->exclude.n; i++) {
        if (!same_text(a->exclude.at[i].function_name, b->exclude.at[i].function_name) ||
            !same_text(a->exclude.at[i].binary, b->exclude.at[i].binary)) {
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
    bool same_stacks = a->exclude.n == 0 || a->physical == b->physical;
    return same_tid && same_time && same_stacks && same_exclude(a, b);
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
