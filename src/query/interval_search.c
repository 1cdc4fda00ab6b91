// Three parts: the pass over all rows, which has to be fast; the few rows about the horizon, where
// what the rows say and what the threads do now overlap; and the entries of the answer, for which
// more is looked up.
//
//     rows by their end   [first ····· settled)[settled ····· end)
//                          over before the      ended at it, or after it was chosen:
//                          horizon: the pass    clipped, unless the thread's open stay says it

#include "query/interval_search.h"

#include "query/select.h"

enum { EQUAL_TIMES_MAX = 4096 }; // wakeups of one moment that are looked through

#define ROW_NONE UINT64_MAX

void interval_search_init(struct interval_search *search, const struct view *view,
                          const struct interval_filter *filter)
{
    *search = (struct interval_search){.view = view, .filter = *filter};
}

void interval_search_fini(struct interval_search *search)
{
    vec_fini(&search->list.entries);
    vec_fini(&search->found);
    vec_fini(&search->open);
    reason_cache_fini(&search->reasons);
    keep_fini(&search->keep);
}

// ---- The best so far ---------------------------------------------------------------------------

static inline uint64_t score_of(enum interval_order order, uint64_t start_ns, uint64_t duration_ns)
{
    uint64_t score = order == INTERVALS_LONGEST ? duration_ns : start_ns;
    return order == INTERVALS_OLDEST ? ~score : score;
}

// Negative when `a` comes first.
static int compare_found(const void *first, const void *second, void *context)
{
    (void)context;
    const struct interval_found *a = first;
    const struct interval_found *b = second;
    if (a->score != b->score) {
        return a->score > b->score ? -1 : 1;
    }
    if (a->interval.start_ns != b->interval.start_ns) {
        return a->interval.start_ns < b->interval.start_ns ? -1 : 1;
    }
    if (a->interval.thread != b->interval.thread) {
        return a->interval.thread < b->interval.thread ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

static void swap_found(struct interval_search *search, size_t i, size_t j)
{
    struct interval_found kept = search->found.at[i];
    search->found.at[i] = search->found.at[j];
    search->found.at[j] = kept;
}

static bool is_worse(const struct interval_search *search, size_t i, size_t j)
{
    return compare_found(&search->found.at[i], &search->found.at[j], NULL) > 0;
}

static void rise(struct interval_search *search, size_t i)
{
    while (i > 0 && is_worse(search, i, (i - 1) / 2)) {
        swap_found(search, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void sink(struct interval_search *search, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
            if (child < search->found.n && is_worse(search, child, worst)) {
                worst = child;
            }
        }
        if (worst == i) {
            return;
        }
        swap_found(search, i, worst);
        i = worst;
    }
}

// What a wait has to reach to be looked at more closely.
static uint64_t score_wanted(const struct interval_search *search)
{
    if (search->found.n < search->filter.limit) {
        return 0;
    }
    return search->filter.limit == 0 ? UINT64_MAX : search->found.at[0].score;
}

static void offer(struct interval_search *search, const struct interval_found *found)
{
    if (search->found.n < search->filter.limit) {
        vec_push(&search->found, *found);
        rise(search, search->found.n - 1);
    } else if (search->found.n > 0 && compare_found(found, &search->found.at[0], NULL) < 0) {
        search->found.at[0] = *found;
        sink(search, 0);
    }
}

// ---- The pass ----------------------------------------------------------------------------------

// What the pass looks at for each row, beside the row itself. As a local variable it stays in
// registers.
struct pass {
    struct interval_search *search;
    struct reasons *reasons;
    bool has_time_range;
    struct view_window window; // if it has
    struct interval_filter filter;
    const uint8_t *threads;
    const uint8_t *stacks; // NULL: all are kept
    size_t n_stacks;
    uint32_t wanted_reasons; // a bit for each
    uint64_t wanted;         // score_wanted()
};

static struct pass begin_pass(struct interval_search *search, const struct store *store,
                              struct reasons *reasons)
{
    return (struct pass){
        .search = search,
        .reasons = reasons,
        .has_time_range = search->view->has_time_range,
        .window = view_window(search->view, store),
        .filter = search->filter,
        .threads = search->keep.threads.at,
        .stacks = view_has_symbols(search->view) ? search->keep.stacks.at : NULL,
        .n_stacks = search->keep.stacks.n,
        .wanted_reasons = search->filter.has_reason ? UINT32_C(1) << search->filter.reason : ~0U,
        .wanted = score_wanted(search),
    };
}

// Returns what is wanted from now on.
static uint64_t offer_row(struct interval_search *search, const struct interval *interval,
                          uint64_t row, bool open)
{
    struct interval_found found = {
        .score = score_of(search->filter.order, interval->start_ns, interval->duration_ns),
        .row = row,
        .interval = *interval,
        .open = open || (interval->flags & INTERVAL_ENDED_BY_RUN) != 0,
    };
    offer(search, &found);
    return score_wanted(search);
}

// How much of a stay lies in the view's time. All stays that are looked at lie in the run: so a
// view without a time range need not know when they were.
static inline uint64_t time_in_view(const struct pass *pass, uint64_t start_ns,
                                    uint64_t duration_ns)
{
    if (!pass->has_time_range) {
        return duration_ns;
    }
    uint64_t from_ns = MAX(start_ns, pass->window.start_ns);
    uint64_t to_ns = MIN(start_ns + duration_ns, pass->window.end_ns);
    return from_ns < to_ns ? to_ns - from_ns : 0;
}

// 1: a wait of the view that is long enough, whatever its reason; else 0. Every second row or so
// is, at random: so all is worked out for each, without a branch.
static inline uint32_t is_wait(const struct pass *pass, uint64_t start_ns, uint64_t duration_ns,
                               uint8_t flags, thread_id thread, stack_id stack)
{
    uint32_t is = pass->threads[thread];
    if (pass->stacks != NULL) {
        is &= stack < pass->n_stacks ? pass->stacks[stack] : 0;
    }
    is &= (flags & INTERVAL_RUNNABLE) == 0;
    is &= duration_ns >= pass->filter.min_ns;
    is &= time_in_view(pass, start_ns, duration_ns) > 0;
    return is;
}

// What a pass has summed, beside the best waits.
struct sums {
    uint64_t n;
    uint64_t ns[REASON_BY_STACK + 1];
};

// Counts such a wait if its reason is asked for; true if it may be one of the best. As is_wait().
static inline bool count_wait(const struct pass *pass, struct sums *sums, uint64_t start_ns,
                              uint64_t duration_ns, uint8_t reason, stack_id stack)
{
    reason = reason_cache_get(&pass->search->reasons, pass->reasons, reason, stack) &
             REASON_BY_STACK;
    uint64_t matches = pass->wanted_reasons >> reason & 1;
    sums->ns[reason] += time_in_view(pass, start_ns, duration_ns) & -matches;
    sums->n += matches;
    uint64_t score = score_of(pass->filter.order, start_ns, duration_ns);
    return (matches & (score >= pass->wanted)) != 0;
}

static void add_up(struct interval_search *search, const struct sums *sums)
{
    search->list.n_intervals += sums->n;
    for (size_t i = 0; i < ARRAY_LEN(sums->ns); i++) {
        search->sum_ns[i] += sums->ns[i];
    }
}

enum { BLOCK_ROWS = 256 };

static size_t find_waits(const struct pass *pass, const struct intervals_span *span, size_t first,
                         size_t end, uint32_t *ret)
{
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
        ret[n] = (uint32_t)i;
        n += is_wait(pass, span->start_ns[i], span->length[i] >> 16, (uint8_t)span->length[i],
                     span->thread[i], span->stack[i]);
    }
    return n;
}

static void count_waits(struct pass *pass, struct sums *sums, const struct intervals_span *span,
                        const uint32_t *waits, size_t n)
{
    for (size_t wait = 0; wait < n; wait++) {
        size_t i = waits[wait];
        if (count_wait(pass, sums, span->start_ns[i], span->length[i] >> 16,
                       (uint8_t)(span->length[i] >> 8), span->stack[i])) {
            struct interval interval = intervals_span_get(span, i);
            pass->wanted = offer_row(pass->search, &interval, span->first + i, false);
        }
    }
}

// In blocks, whose waits are found first: what is done for each of them is done for no other row.
static void look_at_span(struct pass *pass, const struct intervals_span *span)
{
    uint32_t waits[BLOCK_ROWS];
    struct sums sums = {0};
    for (size_t first = 0; first < span->n; first += BLOCK_ROWS) {
        size_t n = find_waits(pass, span, first, MIN(first + BLOCK_ROWS, span->n), waits);
        count_waits(pass, &sums, span, waits, n);
    }
    add_up(pass->search, &sums);
}

// The rows are gone through in blocks: towards the end, or from there when the newest are wanted,
// so that the first block has most of them already.
static void look_at_rows(struct pass *pass, const struct intervals *intervals, uint64_t n)
{
    struct interval_search *search = pass->search;
    bool backwards = search->filter.order == INTERVALS_NEWEST;
    while (n > 0) {
        uint64_t first = search->first + search->looked_at;
        uint64_t end = first + n;
        if (backwards) {
            end = search->settled - search->looked_at;
            uint64_t chunk = (end - 1) / COLUMN_CHUNK_ROWS * COLUMN_CHUNK_ROWS;
            first = MAX(end - MIN(n, end), chunk);
        }
        struct intervals_span span;
        intervals_pin(intervals, first, end, &span);
        look_at_span(pass, &span);
        intervals_unpin(intervals, &span);
        search->looked_at += span.n;
        n -= span.n;
    }
}

// ---- About the horizon -------------------------------------------------------------------------

static const struct interval_open *open_of(const struct interval_search *search, thread_id thread)
{
    size_t low = 0;
    size_t high = search->open.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (search->open.at[middle].thread < thread) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < search->open.n && search->open.at[low].thread == thread;
    return found ? &search->open.at[low] : NULL;
}

static void look_at_one(struct pass *pass, struct interval interval, uint64_t row, bool open)
{
    struct sums sums = {0};
    if (is_wait(pass, interval.start_ns, interval.duration_ns, interval.flags, interval.thread,
                interval.stack) != 0 &&
        count_wait(pass, &sums, interval.start_ns, interval.duration_ns, interval.reason,
                   interval.stack)) {
        pass->wanted = offer_row(pass->search, &interval, row, open);
    }
    add_up(pass->search, &sums);
}

// Rows that end at the horizon or later. Where the thread was seen off, its open stay says it.
static void look_at_late_rows(struct pass *pass, const struct intervals *intervals)
{
    struct interval_search *search = pass->search;
    for (uint64_t row = search->settled; row < search->end; row++) {
        struct interval interval = intervals_get(intervals, row);
        const struct interval_open *open = open_of(search, interval.thread);
        if (interval.start_ns >= search->horizon_ns ||
            (open != NULL && interval.start_ns >= open->off.since_ns)) {
            continue;
        }
        uint64_t left_ns = search->horizon_ns - interval.start_ns;
        bool clipped = interval.duration_ns > left_ns;
        interval.duration_ns = MIN(interval.duration_ns, left_ns);
        look_at_one(pass, interval, row, clipped);
    }
}

static void look_at_open_stays(struct pass *pass)
{
    const struct interval_search *search = pass->search;
    for (size_t i = 0; i < search->open.n; i++) {
        const struct interval_open *open = &search->open.at[i];
        struct interval interval = {
            .start_ns = open->off.since_ns,
            .duration_ns = search->horizon_ns - open->off.since_ns,
            .reason = open->off.reason,
            .flags = open->off.flags,
            .thread = open->thread,
            .stack = open->off.stack,
        };
        look_at_one(pass, interval, ROW_NONE, true);
    }
}

// ---- The search --------------------------------------------------------------------------------

static void start_over(struct interval_search *search)
{
    search->looked_at = 0;
    vec_clear(&search->found);
    memset(search->sum_ns, 0, sizeof search->sum_ns);
    search->list.n_intervals = 0;
}

// In the order that store_thread_off() asks for.
static void begin(struct interval_search *search, const struct store *store)
{
    search->begun = true;
    search->horizon_ns = store_end_ns(store);
    uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    for (thread_id thread = 0; thread < n_threads; thread++) {
        struct interval_open open = {.thread = thread};
        if (store_thread_off(store, thread, &open.off) && open.off.since_ns < search->horizon_ns) {
            vec_push(&search->open, open);
        }
    }
    search->end = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
    uint64_t start_ns = view_window(search->view, store).start_ns;
    uint64_t before_ns = search->horizon_ns - (search->horizon_ns > 0);
    search->settled = intervals_find(&store->intervals, search->end, before_ns);
    search->first = MIN(intervals_find(&store->intervals, search->end, start_ns), search->settled);
}

bool interval_search_advance(struct interval_search *search, const struct store *store,
                             const struct names *names, struct reasons *reasons, uint64_t max_rows)
{
    if (search->done) {
        return true;
    }
    if (!search->begun) {
        begin(search, store);
    }
    bool renamed = keep_refresh(&search->keep, search->view, store, names);
    uint32_t n_stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire);
    if (reason_cache_refresh(&search->reasons, reasons, n_stacks) || renamed) {
        start_over(search);
    }
    struct pass pass = begin_pass(search, store, reasons);
    uint64_t left = search->settled - search->first - search->looked_at;
    look_at_rows(&pass, &store->intervals, MIN(left, max_rows));
    search->done = left <= max_rows;
    if (search->done) {
        look_at_late_rows(&pass, &store->intervals);
        look_at_open_stays(&pass);
    }
    return search->done;
}

// ---- The entries -------------------------------------------------------------------------------

static bool find_wakeup(const struct wakeups *wakeups, uint64_t time_ns, thread_id wakee,
                        struct wakeup *ret)
{
    uint64_t n = atomic_load_explicit(&wakeups->n, memory_order_acquire);
    uint64_t row = wakeups_find(wakeups, n, time_ns);
    for (uint64_t i = 0; i < EQUAL_TIMES_MAX && row + i < n; i++) {
        *ret = wakeups_get(wakeups, row + i);
        if (ret->time_ns != time_ns) {
            return false;
        }
        if (ret->wakee == wakee) {
            return true;
        }
    }
    return false;
}

static void add_waker(struct interval_entry *entry, const struct interval *interval,
                      const struct store *store, const struct names *names, struct reasons *reasons)
{
    struct wakeup wakeup;
    if (entry->open || !find_wakeup(&store->wakeups, interval->start_ns + interval->duration_ns,
                                    interval->thread, &wakeup)) {
        return;
    }
    entry->woken = true;
    entry->waker = wakeup.waker;
    entry->waker_approximate = wakeup.approximate;
    if (names_cover_stack(names, wakeup.stack)) {
        entry->waker_stack = wakeup.stack;
        if (reasons_is_interrupt(reasons, wakeup.stack)) {
            entry->waker = THREAD_INTERRUPT;
        }
    }
}

static struct interval_entry make_entry(const struct interval_found *found,
                                        const struct store *store, const struct names *names,
                                        struct reasons *reasons)
{
    const struct interval *interval = &found->interval;
    bool covered = names_cover_stack(names, interval->stack);
    struct interval_entry entry = {
        .thread = interval->thread,
        .start_ns = interval->start_ns - MIN(interval->start_ns, store->started_ns),
        .duration_ns = interval->duration_ns,
        .reason = EVENT_REASON_OTHER,
        .approximate = !covered || (interval->flags & INTERVAL_APPROXIMATE) != 0,
        .open = found->open,
        .stack = covered ? reasons_waiting_stack(reasons, interval->stack) : STACK_ROOT,
    };
    if (covered || interval->reason != REASON_BY_STACK) {
        entry.reason = reasons_of(reasons, interval->reason, interval->stack);
    }
    add_waker(&entry, interval, store, names, reasons);
    return entry;
}

// ---- How long an entry was then ready ----------------------------------------------------------

// The stay that follows a wait is the next row of its thread: one pass over the rows behind the
// first entry finds those of all entries, and ends as soon as none is missing.
struct follow {
    struct interval_search *search;
    VEC(uint32_t) by_row;   // entries that are rows, in their order
    VEC(uint32_t) awaiting; // by thread: entry plus one
    size_t n_awaiting;
};

static int compare_rows(const void *first, const void *second, void *context)
{
    const struct interval_search *search = context;
    uint64_t a = search->found.at[*(const uint32_t *)first].row;
    uint64_t b = search->found.at[*(const uint32_t *)second].row;
    return a < b ? -1 : a > b;
}

static void give_runnable(struct interval_search *search, uint32_t entry, uint64_t start_ns,
                          uint64_t end_ns)
{
    const struct interval *wait = &search->found.at[entry].interval;
    if (start_ns == wait->start_ns + wait->duration_ns && start_ns < search->horizon_ns) {
        search->list.entries.at[entry].runnable_ns = MIN(end_ns, search->horizon_ns) - start_ns;
    }
}

static void follow_span(struct follow *follow, const struct intervals_span *span)
{
    uint32_t *awaiting = follow->awaiting.at;
    for (size_t i = 0; i < span->n && follow->n_awaiting > 0; i++) {
        uint32_t entry = awaiting[span->thread[i]];
        if (entry == 0) {
            continue;
        }
        awaiting[span->thread[i]] = 0;
        follow->n_awaiting--;
        struct interval row = intervals_span_get(span, i);
        if ((row.flags & INTERVAL_RUNNABLE) != 0) {
            give_runnable(follow->search, entry - 1, row.start_ns, row.start_ns + row.duration_ns);
        }
    }
}

static void follow_rows(struct follow *follow, const struct intervals *intervals, uint64_t row,
                        uint64_t end)
{
    while (row < end && follow->n_awaiting > 0) {
        struct intervals_span span;
        intervals_pin(intervals, row, end, &span);
        follow_span(follow, &span);
        intervals_unpin(intervals, &span);
        row += span.n;
    }
}

// Those that are ready and still wait for a CPU.
static void follow_open_stays(struct follow *follow)
{
    const struct interval_search *search = follow->search;
    for (size_t i = 0; i < search->open.n; i++) {
        const struct interval_open *open = &search->open.at[i];
        uint32_t entry = follow->awaiting.at[open->thread];
        if (entry != 0 && (open->off.flags & INTERVAL_RUNNABLE) != 0) {
            give_runnable(follow->search, entry - 1, open->off.since_ns, search->horizon_ns);
        }
    }
}

static void add_runnable(struct interval_search *search, const struct intervals *intervals)
{
    struct follow follow = {.search = search};
    for (size_t i = 0; i < search->found.n; i++) {
        if (search->found.at[i].row != ROW_NONE && !search->found.at[i].open) {
            vec_push(&follow.by_row, (uint32_t)i);
        }
    }
    if (follow.by_row.n > 0) {
        vec_grow_zeroed(&follow.awaiting, search->keep.threads.n);
        qsort_r(follow.by_row.at, follow.by_row.n, sizeof(uint32_t), compare_rows, search);
        for (size_t i = 0; i < follow.by_row.n; i++) {
            uint32_t entry = follow.by_row.at[i];
            const struct interval_found *found = &search->found.at[entry];
            uint32_t *awaiting = &follow.awaiting.at[found->interval.thread];
            follow.n_awaiting += *awaiting == 0;
            *awaiting = entry + 1;
            uint64_t end = i + 1 < follow.by_row.n ? search->found.at[follow.by_row.at[i + 1]].row
                                                   : search->end;
            follow_rows(&follow, intervals, found->row + 1, end);
        }
        follow_open_stays(&follow);
    }
    vec_fini(&follow.awaiting);
    vec_fini(&follow.by_row);
}

// ---- The answer --------------------------------------------------------------------------------

static void add_sums(struct interval_search *search)
{
    struct interval_list *list = &search->list;
    memset(&list->by_reason, 0, sizeof list->by_reason);
    list->total_ns = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(search->sum_ns); i++) {
        // Those whose stack has no names yet are among the others.
        uint32_t reason = i < EVENT_REASON_COUNT ? i : (uint32_t)EVENT_REASON_OTHER;
        list->by_reason.ns[reason] += search->sum_ns[i];
        list->total_ns += search->sum_ns[i];
    }
}

const struct interval_list *interval_search_make(struct interval_search *search,
                                                 const struct store *store,
                                                 const struct names *names, struct reasons *reasons)
{
    add_sums(search);
    select_first(search->found.at, search->found.n, sizeof(struct interval_found), search->found.n,
                 compare_found, NULL);
    vec_clear(&search->list.entries);
    for (size_t i = 0; i < search->found.n; i++) {
        vec_push(&search->list.entries, make_entry(&search->found.at[i], store, names, reasons));
    }
    add_runnable(search, &store->intervals);
    return &search->list;
}
