// What the reason "other" consists of: where the table of reasons has gaps.

#include "query/select.h"
#include "query/weights.h"

// Beyond this share of all blocked time it is worth looking into.
static const double UNEXPLAINED_SHARE = 0.05;

static int compare_unexplained(const void *a, const void *b, void *context)
{
    (void)context;
    const struct unexplained_wait *x = a;
    const struct unexplained_wait *y = b;
    if (x->off_ns != y->off_ns) {
        return x->off_ns > y->off_ns ? -1 : 1;
    }
    return strcmp(x->function_name, y->function_name);
}

// By the name of the function that waits: a name that only /proc told, and the same from a stack,
// are one.
static struct unexplained_wait *entry_of(struct unexplained *answer, struct map *by_name,
                                         const char *name)
{
    uint64_t hash = hash_bytes(name, strlen(name));
    size_t cursor = 0;
    uint32_t at;
    while ((at = map_find_from(by_name, hash, &cursor)) != MAP_NONE) {
        if (strcmp(answer->waits.at[at].function_name, name) == 0) {
            return &answer->waits.at[at];
        }
    }
    map_add(by_name, hash, (uint32_t)answer->waits.n);
    vec_push(&answer->waits, (struct unexplained_wait){.function_name = name});
    return vec_last(&answer->waits);
}

void unexplained_make(struct unexplained *ret, const struct calltree *tree, const struct fold *fold,
                      struct reasons *reasons, size_t limit)
{
    *ret = (struct unexplained){0};
    struct map by_name = {0};
    uint64_t blocked_ns = 0;
    uint64_t other_ns = 0;
    struct fold_walk walk = {0};
    while (fold_next_place(fold, &walk)) {
        const struct cell *wait = &walk.cell;
        blocked_ns += wait->ns;
        if (weights_reason(tree, reasons, wait) != EVENT_REASON_OTHER) {
            continue;
        }
        other_ns += wait->ns;
        const struct function *leaf = NULL;
        if (wait->stack < tree->of_stack.n) {
            stack_id stack = reasons_waiting_stack(reasons, wait->stack);
            leaf = calltree_function(tree, tree->of_stack.at[stack]);
        }
        struct unexplained_wait *entry = entry_of(ret, &by_name,
                                                  leaf == NULL ? "[no stack]" : leaf->name);
        entry->off_ns += wait->ns;
        entry->waits += wait->n;
    }
    map_fini(&by_name);
    if ((double)other_ns <= UNEXPLAINED_SHARE * (double)blocked_ns) {
        vec_clear(&ret->waits);
    }
    size_t n = limit == 0 ? ret->waits.n : MIN(limit, ret->waits.n);
    select_first(ret->waits.at, ret->waits.n, sizeof *ret->waits.at, n, compare_unexplained, NULL);
    ret->waits.n = n;
}

void unexplained_fini(struct unexplained *unexplained)
{
    vec_fini(&unexplained->waits);
}
