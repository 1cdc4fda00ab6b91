#include "capture/linux/deep.h"

#include "base/limits.h"

void deep_fini(struct deep *deep)
{
    vec_fini(&deep->threads);
    *deep = (struct deep){0};
}

// Where the thread stands, or would.
static size_t place_of(const struct deep *deep, uint32_t tid)
{
    size_t low = 0;
    size_t high = deep->threads.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (deep->threads.at[middle].tid < tid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct deep_thread *find(const struct deep *deep, uint32_t tid)
{
    size_t at = place_of(deep, tid);
    bool found = at < deep->threads.n && deep->threads.at[at].tid == tid;
    return found ? &deep->threads.at[at] : NULL;
}

static void remove_at(struct deep *deep, size_t at)
{
    deep->n_due -= deep->threads.at[at].due;
    vec_remove_at(&deep->threads, at);
}

// Those that have only asked make room for others, the one first that did so longest ago.
static bool make_room(struct deep *deep)
{
    if (deep->threads.n < LIMIT_DEEP_THREADS) {
        return true;
    }
    size_t oldest = SIZE_MAX;
    for (size_t i = 0; i < deep->threads.n; i++) {
        const struct deep_thread *thread = &deep->threads.at[i];
        if (thread->level == 0 && !thread->due &&
            (oldest == SIZE_MAX || thread->asked_ns < deep->threads.at[oldest].asked_ns)) {
            oldest = i;
        }
    }
    if (oldest == SIZE_MAX) {
        deep->full = true;
        return false;
    }
    remove_at(deep, oldest);
    return true;
}

static struct deep_thread *add(struct deep *deep, uint32_t tid, uint32_t pid)
{
    if (!make_room(deep)) {
        return NULL;
    }
    size_t at = place_of(deep, tid);
    vec_insert_at(&deep->threads, at, (struct deep_thread){.tid = tid, .pid = pid});
    return &deep->threads.at[at];
}

void deep_ask(struct deep *deep, uint32_t tid, uint32_t pid, uint64_t time_ns)
{
    if (deep->top_level == 0) {
        return;
    }
    struct deep_thread *thread = find(deep, tid);
    if (thread == NULL) {
        thread = add(deep, tid, pid);
    }
    // What was recorded before the latest step may well have been too short.
    if (thread == NULL || thread->due || thread->level >= deep->top_level ||
        time_ns < thread->since_ns[thread->level]) {
        return;
    }
    if (thread->n_asks == 0 || time_ns - thread->asked_ns > DEEP_WINDOW_NS) {
        thread->n_asks = 0;
        thread->asked_ns = time_ns;
    }
    thread->due = ++thread->n_asks >= DEEP_ASKS;
    deep->n_due += thread->due;
}

struct deep_thread *deep_take_due(struct deep *deep)
{
    for (size_t i = 0; i < deep->threads.n && deep->n_due > 0; i++) {
        struct deep_thread *thread = &deep->threads.at[i];
        if (thread->due) {
            thread->due = false;
            thread->n_asks = 0;
            deep->n_due--;
            return thread;
        }
    }
    return NULL;
}

void deep_step(struct deep_thread *thread, uint64_t time_ns)
{
    ASSERT(thread->level + 1 < DEEP_LEVELS);
    thread->since_ns[++thread->level] = time_ns;
}

void deep_give_up(struct deep *deep)
{
    deep->top_level = 0;
    deep->n_due = 0;
    for (size_t i = 0; i < deep->threads.n; i++) {
        deep->threads.at[i].due = false;
    }
}

bool deep_counts_among(const struct deep *deep, uint32_t tid, uint32_t pid, uint32_t level,
                       uint64_t time_ns)
{
    const struct deep_thread *thread = find(deep, tid);
    if (thread == NULL || thread->pid != pid) {
        return level == 0;
    }
    uint32_t counting = thread->level;
    while (counting > 0 && time_ns < thread->since_ns[counting]) {
        counting--;
    }
    return level == counting;
}

bool deep_end(struct deep *deep, uint32_t tid)
{
    struct deep_thread *thread = find(deep, tid);
    if (thread == NULL) {
        return false;
    }
    bool had_steps = thread->level > 0;
    remove_at(deep, (size_t)(thread - deep->threads.at));
    return had_steps;
}

uint32_t deep_find_of(const struct deep *deep, uint32_t pid)
{
    for (size_t i = 0; i < deep->threads.n; i++) {
        if (deep->threads.at[i].pid == pid) {
            return deep->threads.at[i].tid;
        }
    }
    return 0;
}
