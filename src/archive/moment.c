#include "archive/moment.h"

void moment_init(struct moment *moment)
{
    *moment = (struct moment){.n_stacks = 1, .n_frames = 1, .n_images = 1, .n_strings = 1};
    vec_push(&moment->images_until_ns, 0);
}

void moment_fini(struct moment *moment)
{
    vec_fini(&moment->threads);
    vec_fini(&moment->processes);
    vec_fini(&moment->images_until_ns);
    vec_fini(&moment->codes_ended_ns);
    *moment = (struct moment){0};
}

static uint64_t load_u64(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_acquire);
}

static uint32_t load_u32(const _Atomic uint32_t *value)
{
    return atomic_load_explicit(value, memory_order_acquire);
}

// `horizon_ns` is the first time that does not belong to the moment: H, mostly. What is to come is
// not known yet: an end at that time or later has not happened.
static uint64_t end_before(uint64_t ended_ns, uint64_t horizon_ns)
{
    return ended_ns < horizon_ns ? ended_ns : 0;
}

// ---- Threads ------------------------------------------------------------------------------------

// Those that are not in `moment` yet, up to `n`; all of them when it is empty.
static void take_threads(struct moment *moment, const struct store *store, uint64_t horizon_ns)
{
    uint32_t n = load_u32(&store->threads.n);
    for (uint32_t i = (uint32_t)moment->threads.n; i < n; i++) {
        const struct thread_row *row = store_thread(store, i);
        struct thread_state state = {.name = load_u32(&row->name)};
        if (!store_thread_off(store, i, &state.off) || state.off.since_ns >= horizon_ns) {
            state.off = (struct thread_off){0};
        }
        // After `off`: whoever has ended has left the CPU before, and not the other way round.
        state.ended_ns = end_before(load_u64(&row->ended_ns), horizon_ns);
        vec_push(&moment->threads, state);
    }
}

// The rows from `first` on do not belong to the moment. Those of stays that began before say what
// their threads did then.
static void reopen_stays(struct moment *moment, const struct store *store, uint64_t first,
                         uint64_t end, uint64_t horizon_ns)
{
    for (uint64_t i = first; i < end; i++) {
        struct interval row = intervals_get(&store->intervals, i);
        struct thread_state *state = &moment->threads.at[row.thread];
        if (row.start_ns < horizon_ns && state->off.since_ns == 0) {
            state->off = (struct thread_off){
                .since_ns = row.start_ns,
                .stack = row.stack,
                .reason = row.reason,
                .flags = (uint8_t)(row.flags & ~INTERVAL_ENDED_BY_RUN),
            };
        }
    }
}

// ---- Rows ---------------------------------------------------------------------------------------

static void take_rows(struct moment *moment, const struct store *store, uint64_t horizon_ns)
{
    // Before the samples: they name them.
    uint64_t n_counters = load_u64(&store->counters.n);
    uint64_t n_samples = load_u64(&store->samples.n);
    uint64_t n_intervals = load_u64(&store->intervals.n);
    uint64_t n_wakeups = load_u64(&store->wakeups.n);
    uint64_t *rows = moment->rows;
    rows[ROW_SAMPLES] = n_samples;
    rows[ROW_INTERVALS] = n_intervals;
    rows[ROW_WAKEUPS] = n_wakeups;
    rows[ROW_COUNTERS] = n_counters;
    if (horizon_ns == UINT64_MAX) {
        return;
    }
    rows[ROW_SAMPLES] = samples_find(&store->samples, n_samples, horizon_ns);
    rows[ROW_WAKEUPS] = wakeups_find(&store->wakeups, n_wakeups, horizon_ns);
    rows[ROW_INTERVALS] = intervals_find(&store->intervals, n_intervals, horizon_ns - 1);
    take_threads(moment, store, horizon_ns); // that were added meanwhile: rows name them
    reopen_stays(moment, store, rows[ROW_INTERVALS], n_intervals, horizon_ns);
}

// Counters have no time: those of the samples that there are.
static void cut_counters(struct moment *moment, const struct store *store)
{
    uint64_t n = moment->rows[ROW_COUNTERS];
    moment->rows[ROW_COUNTERS] = table_find(&store->counters.table, n, moment->rows[ROW_SAMPLES]);
}

// ---- What rows name -----------------------------------------------------------------------------

static void take_codes(struct moment *moment, const struct store *store, uint64_t horizon_ns)
{
    uint32_t n = load_u32(&store->codes.n);
    vec_clear(&moment->codes_ended_ns);
    vec_reserve(&moment->codes_ended_ns, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t ended_ns = load_u64(&store_code(store, i)->ended_ns);
        vec_push(&moment->codes_ended_ns, end_before(ended_ns, horizon_ns));
    }
}

static void take_images(struct moment *moment, const struct store *store)
{
    moment->n_images = load_u32(&store->images.n);
    vec_clear(&moment->images_until_ns);
    vec_reserve(&moment->images_until_ns, moment->n_images);
    for (uint32_t i = 0; i < moment->n_images; i++) {
        vec_push(&moment->images_until_ns, load_u64(&store_image(store, i)->until_ns));
    }
}

static void take_processes(struct moment *moment, const struct store *store, uint64_t horizon_ns)
{
    uint32_t n = load_u32(&store->processes.n);
    vec_clear(&moment->processes);
    for (uint32_t i = 0; i < n; i++) {
        const struct process_row *row = store_process(store, i);
        struct process_state state = {
            .ended_ns = end_before(load_u64(&row->ended_ns), horizon_ns),
            .name = load_u32(&row->name),
            .main_image = load_u32(&row->main_image),
        };
        if (state.main_image >= moment->n_images) {
            state.main_image = IMAGE_NONE; // since it was added after images were counted
        }
        vec_push(&moment->processes, state);
    }
}

static void take_counts(struct moment *moment, const struct store *store)
{
    for (size_t i = 0; i < ACCOUNT_COUNT; i++) {
        moment->accounts[i] = atomic_load_explicit(&store->accounts[i], memory_order_relaxed);
    }
    for (size_t i = 0; i < STORE_EVENT_KINDS; i++) {
        moment->events[i] = atomic_load_explicit(&store->events[i], memory_order_relaxed);
    }
}

void moment_take(struct moment *moment, const struct store *store, uint64_t previous_ns)
{
    moment->ended_ns = load_u64(&store->ended_ns);
    moment->last_ns = load_u64(&store->last_ns);
    bool is_quiet = moment->last_ns == previous_ns;
    uint64_t horizon_ns = moment->ended_ns != 0 ? UINT64_MAX : moment->last_ns + is_quiet;
    vec_clear(&moment->threads);
    take_threads(moment, store, horizon_ns);
    take_rows(moment, store, horizon_ns);
    cut_counters(moment, store);
    moment->n_stacks = load_u32(&store->stacks.n_nodes);
    moment->n_frames = load_u32(&store->stacks.n_frames);
    take_codes(moment, store, horizon_ns);
    take_images(moment, store);
    take_processes(moment, store, horizon_ns);
    moment->n_strings = load_u32(&store->strings.n);
    take_counts(moment, store);
}
