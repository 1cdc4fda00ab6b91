// Time is cut into 2^shift nanoseconds, so that a bucket is found by shifting, and the same run
// always has the same buckets, however often one looked while it grew. When it outgrows them, each
// pair of neighbours becomes one.
//
// All threads together have one *lane* of buckets for each kind of time. A stay touches its first
// and its last bucket, and for those between only says where they begin and end (a difference
// array): an hour costs as little as a millisecond.
//
//     stay              ├───────────────────────┤
//     part_ns        │ 3│  │  │  │  │  │  │  │ 2│
//     covered        │  │+1│  │  │  │  │  │  │-1│     whole buckets: the running sum
//
// Threads of their own have coarser lanes, made when there is something to count. A thread's stays
// do not overlap, so they can be counted bucket by bucket: all of them together touch each bucket
// about once. Nearly all stays end in the bucket in which the one before ended: that one is summed
// beside the lanes, which lie far apart in memory, and put into them when the next one begins.
//
// Stays that are not over are no rows. They are collected by the advance that has caught up, and
// put into a copy of the lanes when an answer is made.

#include "query/timeline.h"

#include "query/reason_cache.h"
#include "query/select.h"

enum kind { KIND_ON_CPU, KIND_RUNNABLE, KIND_WAITING, KINDS = KIND_WAITING + EVENT_REASON_COUNT };

_Static_assert(KIND_WAITING == KIND_RUNNABLE + 1, "judge() adds them up");
_Static_assert(INTERVAL_RUNNABLE == 1, "judge() makes a mask of it");

enum {
    COARSER_SHIFT = 2, // of a thread's buckets
    OWN_NOT_YET = 0,
    OWN_NEVER = UINT32_MAX, // there were TIMELINE_THREADS already
};

_Static_assert(TIMELINE_BUCKETS == TIMELINE_THREAD_BUCKETS << COARSER_SHIFT, "one in the other");

struct lane {
    uint64_t part_ns[TIMELINE_BUCKETS];
    int64_t covered[TIMELINE_BUCKETS + 1];
};

// A thread's own buckets.
struct own {
    uint64_t now; // the bucket that now_ns belongs to
    uint64_t now_ns[KINDS];
    uint64_t *ns[KINDS]; // TIMELINE_THREAD_BUCKETS each; NULL: all zero
};

struct tally {
    uint64_t samples_ns; // samples x weight
    uint64_t off_ns[2];  // blocked, runnable
    uint32_t own;        // index plus one, or OWN_…
};

// Times are relative to the window's start.
struct stay {
    thread_id thread;
    enum kind kind;
    uint64_t start_ns;
    uint64_t end_ns;
};

struct open_off {
    thread_id thread;
    struct thread_off off;
};

struct timeline {
    struct view view;
    struct keep keep;
    struct reason_cache reasons;
    bool begun;
    bool exact; // on-CPU time is what is left of life, not samples
    struct view_window window;
    uint64_t horizon_ns; // everything before it is counted
    uint32_t shift;
    uint64_t samples_cursor;
    uint64_t intervals_cursor;
    struct lane total[KINDS];
    VEC(struct tally) threads; // by thread_id
    VEC(struct own) owns;
    VEC(struct open_off) off; // by thread: what was seen last
    VEC(struct stay) open;    // in the window, not in the lanes; by thread
};

struct timeline *timeline_new(struct view *view)
{
    struct timeline *timeline = NEW(struct timeline);
    timeline->view = *view;
    *view = (struct view){0};
    return timeline;
}

static void free_owns(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->owns.n; i++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            free(timeline->owns.at[i].ns[kind]);
        }
    }
    vec_clear(&timeline->owns);
}

void timeline_free(struct timeline *timeline)
{
    if (timeline == NULL) {
        return;
    }
    free_owns(timeline);
    vec_fini(&timeline->open);
    vec_fini(&timeline->off);
    vec_fini(&timeline->owns);
    vec_fini(&timeline->threads);
    reason_cache_fini(&timeline->reasons);
    keep_fini(&timeline->keep);
    view_fini(&timeline->view);
    free(timeline);
}

static void start_over(struct timeline *timeline)
{
    timeline->samples_cursor = 0;
    timeline->intervals_cursor = 0;
    memset(timeline->total, 0, sizeof timeline->total);
    vec_clear(&timeline->threads);
    vec_clear(&timeline->open);
    free_owns(timeline);
}

// ---- Lanes -------------------------------------------------------------------------------------

static inline void lane_add(struct lane *lane, uint32_t shift, uint64_t start_ns, uint64_t end_ns)
{
    uint64_t first = start_ns >> shift;
    uint64_t last = (end_ns - 1) >> shift;
    if (first == last) {
        lane->part_ns[first] += end_ns - start_ns;
    } else {
        lane->part_ns[first] += ((first + 1) << shift) - start_ns;
        lane->part_ns[last] += end_ns - (last << shift);
        lane->covered[first + 1]++;
        lane->covered[last]--;
    }
}

static void lane_fold(struct lane *lane, uint32_t shift)
{
    int64_t covered = 0;
    for (size_t i = 0; i < TIMELINE_BUCKETS; i++) {
        covered += lane->covered[i];
        uint64_t ns = lane->part_ns[i] + ((uint64_t)covered << shift);
        lane->part_ns[i] = 0;
        lane->part_ns[i / 2] += ns;
    }
    memset(lane->covered, 0, sizeof lane->covered);
}

static void own_put(struct own *own, enum kind kind, uint64_t bucket, uint64_t ns)
{
    if (own->ns[kind] == NULL) {
        own->ns[kind] = NEW_ARRAY(uint64_t, TIMELINE_THREAD_BUCKETS);
    }
    own->ns[kind][bucket] += ns;
}

static void own_move(struct own *own, uint64_t bucket)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        if (own->now_ns[kind] != 0) {
            own_put(own, (enum kind)kind, own->now, own->now_ns[kind]);
            own->now_ns[kind] = 0;
        }
    }
    own->now = bucket;
}

static inline void own_add(struct own *own, enum kind kind, uint32_t shift, uint64_t start_ns,
                           uint64_t end_ns)
{
    uint64_t first = start_ns >> shift;
    uint64_t last = (end_ns - 1) >> shift;
    if (last != own->now) {
        own_move(own, last);
    }
    if (first != last) {
        own_put(own, kind, first, ((first + 1) << shift) - start_ns);
        for (uint64_t i = first + 1; i < last; i++) {
            own_put(own, kind, i, UINT64_C(1) << shift);
        }
        start_ns = last << shift;
    }
    own->now_ns[kind] += end_ns - start_ns;
}

static void own_fold(uint64_t *ns)
{
    for (size_t i = 0; i < TIMELINE_THREAD_BUCKETS; i++) {
        uint64_t one = ns[i];
        ns[i] = 0;
        ns[i / 2] += one;
    }
}

static void fold_all(struct timeline *timeline)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        lane_fold(&timeline->total[kind], timeline->shift);
    }
    for (size_t i = 0; i < timeline->owns.n; i++) {
        own_move(&timeline->owns.at[i], 0);
        for (size_t kind = 0; kind < KINDS; kind++) {
            if (timeline->owns.at[i].ns[kind] != NULL) {
                own_fold(timeline->owns.at[i].ns[kind]);
            }
        }
    }
    timeline->shift++;
}

// NULL: there are too many.
static inline struct own *own_of(struct timeline *timeline, struct tally *tally)
{
    if (tally->own == OWN_NOT_YET) {
        if (timeline->owns.n == TIMELINE_THREADS) {
            tally->own = OWN_NEVER;
        } else {
            vec_push(&timeline->owns, (struct own){.now = 0});
            tally->own = (uint32_t)timeline->owns.n;
        }
    }
    return tally->own == OWN_NEVER ? NULL : &timeline->owns.at[tally->own - 1];
}

// ---- The window --------------------------------------------------------------------------------

static void begin(struct timeline *timeline, const struct store *store)
{
    timeline->begun = true;
    timeline->exact = store->has_switches && !view_has_symbols(&timeline->view);
    timeline->window = view_window(&timeline->view, store);
    timeline->window.start_ns = MAX(timeline->window.start_ns, store->started_ns);
}

// How much of the window there is so far. A sample at the horizon is in it, so it needs a bucket.
static uint64_t extent_ns(const struct timeline *timeline)
{
    const struct view_window *window = &timeline->window;
    uint64_t end_ns = timeline->horizon_ns + (timeline->exact ? 0 : 1);
    end_ns = MIN(end_ns, window->end_ns);
    return end_ns - MIN(window->start_ns, end_ns);
}

static void move_horizon(struct timeline *timeline, uint64_t horizon_ns)
{
    timeline->horizon_ns = MAX(timeline->horizon_ns, horizon_ns);
    uint64_t extent = extent_ns(timeline);
    while (extent > 0 && (extent - 1) >> timeline->shift >= TIMELINE_BUCKETS) {
        fold_all(timeline);
    }
}

// ---- Samples -----------------------------------------------------------------------------------

// The first one that cannot be judged yet ends it. Returns how many there were before it.
static size_t count_samples(struct timeline *timeline, const struct samples_span *span,
                            uint64_t weight_ns)
{
    const struct keep *keep = &timeline->keep;
    uint32_t shift = timeline->shift;
    for (size_t i = 0; i < span->n; i++) {
        thread_id thread = span->thread[i];
        if (!keep_knows_stack(keep, span->stack[i])) {
            return i;
        }
        if ((keep->threads.at[thread] & keep->stacks.at[span->stack[i]]) == 0) {
            continue;
        }
        uint64_t bucket = (span->time_ns[i] - timeline->window.start_ns) >> shift;
        timeline->total[KIND_ON_CPU].part_ns[bucket] += weight_ns;
        struct tally *tally = &timeline->threads.at[thread];
        tally->samples_ns += weight_ns;
        struct own *own = own_of(timeline, tally);
        if (own != NULL) {
            if (bucket >> COARSER_SHIFT != own->now) {
                own_move(own, bucket >> COARSER_SHIFT);
            }
            own->now_ns[KIND_ON_CPU] += weight_ns;
        }
    }
    return span->n;
}

// Up to the horizon. Takes what it looks at from *left; true when nothing is left to look at.
static bool advance_samples(struct timeline *timeline, const struct store *store, uint64_t n,
                            uint64_t *left)
{
    uint64_t end_ns = MIN(timeline->horizon_ns + 1, timeline->window.end_ns);
    uint64_t first = samples_find(&store->samples, n, timeline->window.start_ns);
    uint64_t last = samples_find(&store->samples, n, end_ns);
    timeline->samples_cursor = MAX(timeline->samples_cursor, first);
    while (timeline->samples_cursor<last && * left> 0) {
        struct samples_span span;
        uint64_t end = timeline->samples_cursor + MIN(last - timeline->samples_cursor, *left);
        samples_pin(&store->samples, timeline->samples_cursor, end, &span);
        size_t counted = count_samples(timeline, &span, store->samples.weight_ns);
        samples_unpin(&store->samples, &span);
        timeline->samples_cursor += counted;
        *left -= counted;
        if (counted < span.n) {
            return true;
        }
    }
    return timeline->samples_cursor >= last;
}

// ---- Intervals ---------------------------------------------------------------------------------

enum judgement { COUNTED, LEFT_OUT, NOT_YET };

// What a stay is to this view, and the part of it that lies in the window. `what` is its reason
// << 8 | flags.
static inline enum judgement judge(struct timeline *timeline, struct reasons *reasons,
                                   uint64_t start_ns, uint64_t duration_ns, uint32_t what,
                                   thread_id thread, stack_id stack, struct stay *ret)
{
    const struct keep *keep = &timeline->keep;
    const struct view_window *window = &timeline->window;
    uint64_t from_ns = MAX(start_ns, window->start_ns);
    uint64_t to_ns = MIN(start_ns + duration_ns, window->end_ns);
    if (from_ns >= to_ns || keep->threads.at[thread] == 0) {
        return LEFT_OUT;
    }
    if (!keep_knows_stack(keep, stack)) {
        return NOT_YET;
    }
    if (keep->stacks.at[stack] == 0) {
        return LEFT_OUT;
    }
    // Without a branch for the two kinds, which come at random.
    uint32_t blocked = (what & INTERVAL_RUNNABLE) - 1U; // all bits or none
    uint8_t reason = reason_cache_get(&timeline->reasons, reasons, (uint8_t)(what >> 8 & blocked),
                                      stack);
    enum judgement judgement = COUNTED;
    if (reason >= EVENT_REASON_COUNT) {
        reason = EVENT_REASON_OTHER;
        judgement = NOT_YET; // its stack is newer than the names
    }
    enum kind kind = (enum kind)(KIND_RUNNABLE + ((1U + reason) & blocked));
    *ret = (struct stay){thread, kind, from_ns - window->start_ns, to_ns - window->start_ns};
    return judgement;
}

static inline void count_stay(struct timeline *timeline, const struct stay *stay)
{
    uint32_t shift = timeline->shift;
    lane_add(&timeline->total[stay->kind], shift, stay->start_ns, stay->end_ns);
    struct tally *tally = &timeline->threads.at[stay->thread];
    tally->off_ns[stay->kind == KIND_RUNNABLE] += stay->end_ns - stay->start_ns;
    struct own *own = own_of(timeline, tally);
    if (own != NULL) {
        own_add(own, stay->kind, shift + COARSER_SHIFT, stay->start_ns, stay->end_ns);
    }
}

// As count_samples().
static size_t count_intervals(struct timeline *timeline, struct reasons *reasons,
                              const struct intervals_span *span)
{
    for (size_t i = 0; i < span->n; i++) {
        struct stay stay;
        enum judgement judgement = judge(timeline, reasons, span->start_ns[i],
                                         span->length[i] >> 16, (uint16_t)span->length[i],
                                         span->thread[i], span->stack[i], &stay);
        if (judgement == NOT_YET) {
            return i;
        }
        if (judgement == COUNTED) {
            count_stay(timeline, &stay);
        }
    }
    return span->n;
}

// As advance_samples(). Rows that end at the horizon are left to settle().
static bool advance_intervals(struct timeline *timeline, const struct store *store,
                              struct reasons *reasons, uint64_t n, uint64_t *left)
{
    const struct intervals *intervals = &store->intervals;
    uint64_t before_ns = timeline->horizon_ns - (timeline->horizon_ns > 0);
    uint64_t first = intervals_find(intervals, n, timeline->window.start_ns);
    uint64_t last = intervals_find(intervals, n, before_ns);
    timeline->intervals_cursor = MAX(timeline->intervals_cursor, MIN(first, last));
    while (timeline->intervals_cursor<last && * left> 0) {
        struct intervals_span span;
        uint64_t end = timeline->intervals_cursor + MIN(last - timeline->intervals_cursor, *left);
        intervals_pin(intervals, timeline->intervals_cursor, end, &span);
        size_t counted = count_intervals(timeline, reasons, &span);
        intervals_unpin(intervals, &span);
        timeline->intervals_cursor += counted;
        *left -= counted;
        if (counted < span.n) {
            return true;
        }
    }
    return timeline->intervals_cursor >= last;
}

// ---- Stays that are not over -------------------------------------------------------------------

static void collect_off(struct timeline *timeline, const struct store *store)
{
    vec_clear(&timeline->off);
    uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    for (thread_id thread = 0; thread < n_threads; thread++) {
        struct open_off open = {.thread = thread};
        if (store_thread_off(store, thread, &open.off) &&
            open.off.since_ns < timeline->horizon_ns) {
            vec_push(&timeline->off, open);
        }
    }
}

static const struct open_off *off_of(const struct timeline *timeline, thread_id thread)
{
    size_t low = 0;
    size_t high = timeline->off.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (timeline->off.at[middle].thread < thread) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < timeline->off.n && timeline->off.at[low].thread == thread;
    return found ? &timeline->off.at[low] : NULL;
}

// Up to the horizon. One whose stack is newer than the names is shown as `other` for now; unless
// the view has symbols: then it may not be kept.
static void add_open(struct timeline *timeline, struct reasons *reasons, struct interval interval)
{
    if (interval.start_ns >= timeline->horizon_ns) {
        return;
    }
    uint64_t duration_ns = MIN(interval.duration_ns, timeline->horizon_ns - interval.start_ns);
    uint32_t what = (uint32_t)interval.reason << 8 | interval.flags;
    struct stay stay = {.end_ns = 0};
    judge(timeline, reasons, interval.start_ns, duration_ns, what, interval.thread, interval.stack,
          &stay);
    if (stay.end_ns > 0) {
        vec_push(&timeline->open, stay);
    }
}

static int compare_stays(const void *first, const void *second)
{
    const struct stay *a = first;
    const struct stay *b = second;
    if (a->thread != b->thread) {
        return a->thread < b->thread ? -1 : 1;
    }
    return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

// Rows behind the cursor, as far as they lie before the horizon, unless the open stay of their
// thread says it; then the open stays.
static void settle(struct timeline *timeline, const struct store *store, struct reasons *reasons,
                   uint64_t n)
{
    vec_clear(&timeline->open);
    for (uint64_t row = timeline->intervals_cursor; row < n; row++) {
        struct interval interval = intervals_get(&store->intervals, row);
        const struct open_off *open = off_of(timeline, interval.thread);
        if (open == NULL || interval.start_ns < open->off.since_ns) {
            add_open(timeline, reasons, interval);
        }
    }
    for (size_t i = 0; i < timeline->off.n; i++) {
        const struct open_off *open = &timeline->off.at[i];
        struct interval interval = {
            .start_ns = open->off.since_ns,
            .duration_ns = timeline->horizon_ns - open->off.since_ns,
            .reason = open->off.reason,
            .flags = open->off.flags,
            .thread = open->thread,
            .stack = open->off.stack,
        };
        add_open(timeline, reasons, interval);
    }
    if (timeline->open.n > 0) {
        qsort(timeline->open.at, timeline->open.n, sizeof(struct stay), compare_stays);
    }
}

// ---- Advancing ---------------------------------------------------------------------------------

// What rows name was there before them.
static void refresh(struct timeline *timeline, const struct store *store, const struct names *names,
                    struct reasons *reasons)
{
    uint32_t n_stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire);
    bool renamed = keep_refresh(&timeline->keep, &timeline->view, store, names);
    if (reason_cache_refresh(&timeline->reasons, reasons, n_stacks) || renamed) {
        start_over(timeline);
    }
    vec_grow_zeroed(&timeline->threads, timeline->keep.threads.n);
}

bool timeline_advance(struct timeline *timeline, const struct store *store,
                      const struct names *names, struct reasons *reasons, uint64_t max_rows)
{
    if (!timeline->begun) {
        begin(timeline, store);
    }
    // In this order: see store_thread_off().
    move_horizon(timeline, store_end_ns(store));
    collect_off(timeline, store);
    uint64_t n_samples = atomic_load_explicit(&store->samples.n, memory_order_acquire);
    uint64_t n_intervals = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
    refresh(timeline, store, names, reasons);
    uint64_t left = max_rows;
    bool whole = timeline->exact || advance_samples(timeline, store, n_samples, &left);
    whole = advance_intervals(timeline, store, reasons, n_intervals, &left) && whole;
    if (whole) {
        settle(timeline, store, reasons, n_intervals);
    }
    return whole;
}

// ---- The answer: how it is laid out ------------------------------------------------------------

struct answer {
    const struct timeline *timeline;
    const struct store *store;
    struct timeline_answer *ret;
    uint64_t group;     // buckets of a lane that are one of the answer
    struct lane *total; // KINDS: a copy, with lives and open stays in it
    size_t open_at;     // of timeline->open, while going through all threads
};

static void lay_out(struct answer *answer, size_t n_buckets, size_t n_threads)
{
    const struct timeline *timeline = answer->timeline;
    uint64_t extent = extent_ns(timeline);
    uint64_t used = extent == 0 ? 0 : ((extent - 1) >> timeline->shift) + 1;
    uint64_t most = n_threads == 0 ? TIMELINE_BUCKETS : TIMELINE_THREAD_BUCKETS;
    uint64_t wanted = MIN(MAX((uint64_t)n_buckets, UINT64_C(1)), most);
    answer->group = MAX((used + wanted - 1) / wanted, UINT64_C(1));
    if (n_threads > 0) {
        uint64_t finest = 1 << COARSER_SHIFT;
        answer->group = (answer->group + finest - 1) / finest * finest;
    }
    struct timeline_answer *ret = answer->ret;
    ret->bucket_ns = answer->group << timeline->shift;
    ret->start_ns = timeline->window.start_ns - answer->store->started_ns;
    uint64_t end_ns = MIN(timeline->window.end_ns, timeline->horizon_ns);
    ret->end_ns = MAX(end_ns, timeline->window.start_ns) - answer->store->started_ns;
    vec_grow_zeroed(&ret->buckets, (used + answer->group - 1) / answer->group);
}

static uint64_t *bucket_field(struct timeline_bucket *bucket, size_t kind)
{
    if (kind == KIND_ON_CPU) {
        return &bucket->on_cpu_ns;
    }
    return kind == KIND_RUNNABLE ? &bucket->runnable_ns : &bucket->off_cpu.ns[kind - KIND_WAITING];
}

// Adds a stay to buckets of the answer.
static void spread(const struct answer *answer, struct timeline_bucket *buckets,
                   const struct stay *stay)
{
    uint64_t bucket_ns = answer->ret->bucket_ns;
    for (uint64_t start_ns = stay->start_ns; start_ns < stay->end_ns;) {
        uint64_t bucket = start_ns / bucket_ns;
        uint64_t part_ns = MIN(bucket_ns - start_ns % bucket_ns, stay->end_ns - start_ns);
        *bucket_field(&buckets[bucket], stay->kind) += part_ns;
        start_ns += part_ns;
    }
}

// Until here on_cpu_ns is all of life, where that is how it is known.
static void subtract_off(const struct answer *answer, struct timeline_bucket *bucket)
{
    if (!answer->timeline->exact) {
        return;
    }
    uint64_t off_ns = bucket->runnable_ns;
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        off_ns += bucket->off_cpu.ns[i];
    }
    bucket->on_cpu_ns -= MIN(off_ns, bucket->on_cpu_ns);
}

// ---- Threads -----------------------------------------------------------------------------------

// The part of a thread's life that is in the window so far; empty when it did not live then.
static struct stay life_of(const struct answer *answer, thread_id thread)
{
    const struct timeline *timeline = answer->timeline;
    const struct thread_row *row = store_thread(answer->store, thread);
    uint64_t window_ns = timeline->window.start_ns;
    uint64_t end_ns = MIN(timeline->window.end_ns, timeline->horizon_ns);
    uint64_t ended_ns = atomic_load_explicit(&row->ended_ns, memory_order_acquire);
    end_ns = ended_ns == 0 ? end_ns : MIN(end_ns, ended_ns);
    uint64_t start_ns = MAX(row->started_ns, window_ns);
    struct stay life = {.thread = thread, .kind = KIND_ON_CPU};
    if (start_ns < end_ns) {
        life.start_ns = start_ns - window_ns;
        life.end_ns = end_ns - window_ns;
    }
    return life;
}

static void add_lane(const struct answer *answer, const struct stay *stay)
{
    lane_add(&answer->total[stay->kind], answer->timeline->shift, stay->start_ns, stay->end_ns);
}

static void add_thread(struct answer *answer, thread_id thread)
{
    const struct timeline *timeline = answer->timeline;
    const struct tally *tally = &timeline->threads.at[thread];
    struct stay life = life_of(answer, thread);
    uint64_t off_ns[2] = {tally->off_ns[0], tally->off_ns[1]};
    while (answer->open_at < timeline->open.n &&
           timeline->open.at[answer->open_at].thread <= thread) {
        const struct stay *stay = &timeline->open.at[answer->open_at++];
        off_ns[stay->kind == KIND_RUNNABLE] += stay->end_ns - stay->start_ns;
    }
    uint64_t life_ns = life.end_ns - life.start_ns;
    uint64_t both_ns = off_ns[0] + off_ns[1];
    if (life_ns == 0 && both_ns == 0 && tally->samples_ns == 0) {
        return;
    }
    if (timeline->exact && life_ns > 0) {
        add_lane(answer, &life);
    }
    answer->ret->n_threads++;
    if (tally->own != OWN_NEVER) {
        uint64_t left_ns = life_ns - MIN(both_ns, life_ns);
        vec_push(&answer->ret->threads,
                 (struct timeline_thread){
                     .thread = thread,
                     .on_cpu_ns = timeline->exact ? left_ns : tally->samples_ns,
                     .blocked_ns = off_ns[0],
                 });
    }
}

static int compare_threads(const void *first, const void *second, void *context)
{
    const struct store *store = context;
    const struct timeline_thread *a = first;
    const struct timeline_thread *b = second;
    if (a->on_cpu_ns != b->on_cpu_ns) {
        return a->on_cpu_ns > b->on_cpu_ns ? -1 : 1;
    }
    uint32_t tid_a = store_thread(store, a->thread)->tid;
    uint32_t tid_b = store_thread(store, b->thread)->tid;
    if (tid_a != tid_b) {
        return tid_a < tid_b ? -1 : 1;
    }
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static size_t first_open(const struct timeline *timeline, thread_id thread)
{
    size_t low = 0;
    size_t high = timeline->open.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (timeline->open.at[middle].thread < thread) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void add_own(const struct answer *answer, const struct own *own,
                    struct timeline_bucket *buckets)
{
    uint64_t group = answer->group >> COARSER_SHIFT;
    size_t n = MIN(answer->ret->buckets.n * group, (size_t)TIMELINE_THREAD_BUCKETS);
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; own->ns[kind] != NULL && i < n; i++) {
            *bucket_field(&buckets[i / group], kind) += own->ns[kind][i];
        }
        if (own->now_ns[kind] != 0) {
            *bucket_field(&buckets[own->now / group], kind) += own->now_ns[kind];
        }
    }
}

static void add_buckets(const struct answer *answer, struct timeline_thread *thread)
{
    const struct timeline *timeline = answer->timeline;
    size_t n = answer->ret->buckets.n;
    vec_grow_zeroed(&thread->buckets, n);
    uint32_t number = timeline->threads.at[thread->thread].own;
    if (number != OWN_NOT_YET) {
        add_own(answer, &timeline->owns.at[number - 1], thread->buckets.at);
    }
    for (size_t i = first_open(timeline, thread->thread);
         i < timeline->open.n && timeline->open.at[i].thread == thread->thread; i++) {
        spread(answer, thread->buckets.at, &timeline->open.at[i]);
    }
    struct stay life = life_of(answer, thread->thread);
    if (timeline->exact) {
        spread(answer, thread->buckets.at, &life);
    }
    for (size_t i = 0; i < n; i++) {
        subtract_off(answer, &thread->buckets.at[i]);
    }
}

// All of them are gone through for the sums; the busiest are kept.
static void add_threads(struct answer *answer, size_t n_threads)
{
    const struct timeline *timeline = answer->timeline;
    struct timeline_answer *ret = answer->ret;
    for (thread_id thread = 0; thread < timeline->threads.n; thread++) {
        if (timeline->keep.threads.at[thread] != 0) {
            add_thread(answer, thread);
        }
    }
    size_t shown = MIN(n_threads, ret->threads.n);
    select_first(ret->threads.at, ret->threads.n, sizeof(struct timeline_thread), shown,
                 compare_threads, (void *)(uintptr_t)answer->store);
    ret->threads.n = shown;
    for (size_t i = 0; i < shown; i++) {
        add_buckets(answer, &ret->threads.at[i]);
    }
}

// ---- All threads together ----------------------------------------------------------------------

static void add_bucket(struct timeline_bucket *to, const struct timeline_bucket *from)
{
    to->on_cpu_ns += from->on_cpu_ns;
    to->runnable_ns += from->runnable_ns;
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        to->off_cpu.ns[i] += from->off_cpu.ns[i];
    }
}

static void sum_lanes(const struct answer *answer)
{
    const struct timeline *timeline = answer->timeline;
    struct timeline_answer *ret = answer->ret;
    for (size_t kind = 0; kind < KINDS; kind++) {
        int64_t covered = 0;
        for (size_t i = 0; i < TIMELINE_BUCKETS && i / answer->group < ret->buckets.n; i++) {
            covered += answer->total[kind].covered[i];
            *bucket_field(&ret->buckets.at[i / answer->group],
                          kind) += answer->total[kind].part_ns[i] +
                                   ((uint64_t)covered << timeline->shift);
        }
    }
    for (size_t i = 0; i < ret->buckets.n; i++) {
        subtract_off(answer, &ret->buckets.at[i]);
        add_bucket(&ret->total, &ret->buckets.at[i]);
    }
}

void timeline_make(struct timeline_answer *ret, struct timeline *timeline,
                   const struct store *store, size_t n_buckets, size_t n_threads)
{
    *ret = (struct timeline_answer){0};
    struct answer answer = {.timeline = timeline, .store = store, .ret = ret};
    answer.total = NEW_ARRAY(struct lane, KINDS);
    memcpy(answer.total, timeline->total, sizeof timeline->total);
    lay_out(&answer, n_buckets, n_threads);
    for (size_t i = 0; i < timeline->open.n; i++) {
        add_lane(&answer, &timeline->open.at[i]);
    }
    add_threads(&answer, n_threads);
    sum_lanes(&answer);
    free(answer.total);
}

void timeline_answer_fini(struct timeline_answer *answer)
{
    for (size_t i = 0; i < answer->threads.n; i++) {
        vec_fini(&answer->threads.at[i].buckets);
    }
    vec_fini(&answer->threads);
    vec_fini(&answer->buckets);
}
