#include "query/answers.h"
#include "query/select.h"

// Everything that is counted while the answer is made. `entries` has one per thread_id at first.
struct tally {
    const struct store *store;
    const struct fold *fold;
    struct view_window window;
    struct threads_answer *answer;
};

static uint64_t since_start(const struct store *store, uint64_t time_ns)
{
    return time_ns > store->started_ns ? time_ns - store->started_ns : 0;
}

static void describe_threads(const struct tally *tally, uint32_t n_threads)
{
    const struct store *store = tally->store;
    vec_grow_zeroed(&tally->answer->entries, n_threads);
    for (thread_id id = 0; id < n_threads; id++) {
        const struct thread_row *row = store_thread(store, id);
        struct threads_entry *entry = &tally->answer->entries.at[id];
        uint64_t ended_ns = atomic_load(&row->ended_ns);
        entry->pid = row->pid;
        entry->tid = row->tid;
        entry->name = strings_get(&store->strings, atomic_load(&row->name));
        entry->samples = id < tally->fold->by_thread.n ? tally->fold->by_thread.at[id] : 0;
        entry->on_cpu_ns = entry->samples * store->samples.weight_ns;
        entry->started_ns = since_start(store, row->started_ns);
        entry->ended_ns = ended_ns == 0 ? 0 : MAX(since_start(store, ended_ns), UINT64_C(1));
    }
}

// ---- Waiting -----------------------------------------------------------------------------------

static bool stack_is_excluded(const struct fold *fold, stack_id stack)
{
    return fold->view.exclude.n > 0 &&
           (stack >= fold->stack_kept.n || fold->stack_kept.at[stack] == 0);
}

static void add_interval(const struct tally *tally, const struct interval *interval)
{
    uint64_t start_ns = MAX(interval->start_ns, tally->window.start_ns);
    uint64_t end_ns = MIN(interval->start_ns + interval->duration_ns, tally->window.end_ns);
    if (start_ns >= end_ns || interval->thread >= tally->answer->entries.n ||
        stack_is_excluded(tally->fold, interval->stack)) {
        return;
    }
    struct threads_entry *entry = &tally->answer->entries.at[interval->thread];
    if ((interval->flags & INTERVAL_RUNNABLE) != 0) {
        entry->runnable_ns += end_ns - start_ns;
    } else {
        ASSERT(interval->reason < EVENT_REASON_COUNT);
        entry->off_cpu.ns[interval->reason] += end_ns - start_ns;
    }
}

// Rows are sorted by their end: one that ends late may have begun at any time, so there is no end
// to look for.
static void add_intervals(const struct tally *tally, uint64_t n)
{
    const struct intervals *intervals = &tally->store->intervals;
    for (uint64_t row = intervals_find(intervals, n, tally->window.start_ns); row < n;) {
        struct intervals_span span;
        intervals_pin(intervals, row, n, &span);
        for (size_t i = 0; i < span.n; i++) {
            struct interval interval = intervals_span_get(&span, i);
            add_interval(tally, &interval);
        }
        row += span.n;
        intervals_unpin(intervals, &span);
    }
}

static void add_wakeups(const struct tally *tally, uint64_t n)
{
    const struct wakeups *wakeups = &tally->store->wakeups;
    uint64_t end = wakeups_find(wakeups, n, tally->window.end_ns);
    for (uint64_t row = wakeups_find(wakeups, n, tally->window.start_ns); row < end;) {
        struct wakeups_span span;
        wakeups_pin(wakeups, row, end, &span);
        for (size_t i = 0; i < span.n; i++) {
            if (span.wakee[i] < tally->answer->entries.n) {
                tally->answer->entries.at[span.wakee[i]].wakeups++;
            }
        }
        row += span.n;
        wakeups_unpin(wakeups, &span);
    }
}

// ---- Listing -----------------------------------------------------------------------------------

static bool is_listed(const struct tally *tally, thread_id id, const struct threads_entry *entry)
{
    const struct view *view = &tally->fold->view;
    if (view->has_tid && entry->tid != view->tid) {
        return false;
    }
    const struct thread_row *row = store_thread(tally->store, id);
    bool began = row->started_ns < tally->window.end_ns;
    bool ended = entry->ended_ns != 0 && atomic_load(&row->ended_ns) <= tally->window.start_ns;
    return entry->samples > 0 || (began && !ended);
}

static void drop_unlisted(const struct tally *tally)
{
    struct threads_answer *answer = tally->answer;
    size_t n = 0;
    for (thread_id id = 0; id < answer->entries.n; id++) {
        if (is_listed(tally, id, &answer->entries.at[id])) {
            answer->entries.at[n++] = answer->entries.at[id];
        }
    }
    answer->entries.n = n;
    answer->n_threads = n;
}

static int compare_entries(const void *a, const void *b, void *context)
{
    (void)context;
    const struct threads_entry *x = a;
    const struct threads_entry *y = b;
    if (x->samples != y->samples) {
        return x->samples > y->samples ? -1 : 1;
    }
    if (x->tid != y->tid) {
        return x->tid < y->tid ? -1 : 1;
    }
    return x->started_ns < y->started_ns ? -1 : x->started_ns > y->started_ns;
}

void threads_make(struct threads_answer *ret, const struct fold *fold, const struct calltree *tree,
                  const struct store *store, size_t limit)
{
    *ret = (struct threads_answer){.health = health_make(tree, fold, store)};
    ret->total_on_cpu_ns = ret->health.samples * store->samples.weight_ns;
    struct tally tally = {
        .store = store, .fold = fold, .window = view_window(&fold->view, store), .answer = ret};
    // Rows before the threads that they name.
    uint64_t n_intervals = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
    uint64_t n_wakeups = atomic_load_explicit(&store->wakeups.n, memory_order_acquire);
    describe_threads(&tally, atomic_load_explicit(&store->threads.n, memory_order_acquire));
    add_intervals(&tally, n_intervals);
    add_wakeups(&tally, n_wakeups);
    drop_unlisted(&tally);
    size_t n = limit == 0 ? ret->entries.n : MIN(limit, ret->entries.n);
    select_first(ret->entries.at, ret->entries.n, sizeof *ret->entries.at, n, compare_entries,
                 NULL);
    ret->entries.n = n;
}

void threads_fini(struct threads_answer *threads)
{
    vec_fini(&threads->entries);
}
