#include "store/row_check.h"

// One more than the largest that may be named.
struct bounds {
    uint32_t threads;
    uint32_t stacks;
    uint64_t samples;
};

bool row_check_stay(uint8_t reason, uint8_t flags)
{
    const uint8_t known = INTERVAL_RUNNABLE | INTERVAL_APPROXIMATE | INTERVAL_ENDED_BY_RUN;
    return (reason < STORE_REASONS || reason == REASON_BY_STACK) && (flags & ~known) == 0;
}

// Column by column, and without leaving a loop early: the compiler then looks at several rows at a
// time. Almost all rows are sound.

static bool are_below(const uint32_t *ids, size_t n, uint32_t limit)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        all &= ids[i] < limit;
    }
    return all;
}

static bool ascend(const uint64_t *times, size_t n, uint64_t lowest)
{
    bool all = n == 0 || (times[0] >= lowest && times[n - 1] <= ROW_TIME_MAX);
    for (size_t i = 1; i < n; i++) {
        all &= times[i] >= times[i - 1];
    }
    return all;
}

static bool samples_are_sound(const struct row_block *block, const struct bounds *bounds,
                              uint64_t lowest)
{
    return ascend(block->columns[0], block->n, lowest) &&
           are_below(block->columns[1], block->n, bounds->threads) &&
           are_below(block->columns[2], block->n, bounds->stacks);
}

static bool intervals_are_sound(const struct row_block *block, const struct bounds *bounds,
                                uint64_t lowest)
{
    const uint64_t *starts = block->columns[0];
    const uint64_t *lengths = block->columns[1];
    bool all = true;
    for (size_t i = 0; i < block->n; i++) {
        uint64_t end_ns = starts[i] + (lengths[i] >> 16); // no overflow that is not found
        all &= starts[i] <= ROW_TIME_MAX && end_ns <= ROW_TIME_MAX && end_ns >= lowest;
        all &= row_check_stay((uint8_t)(lengths[i] >> 8), (uint8_t)lengths[i]);
        lowest = end_ns;
    }
    return all && are_below(block->columns[2], block->n, bounds->threads) &&
           are_below(block->columns[3], block->n, bounds->stacks);
}

static bool wakeups_are_sound(const struct row_block *block, const struct bounds *bounds,
                              uint64_t lowest)
{
    const thread_id *wakers = block->columns[2];
    const stack_id *stacks = block->columns[3];
    bool all = true;
    for (size_t i = 0; i < block->n; i++) {
        all &= wakers[i] < bounds->threads || wakers[i] == THREAD_INTERRUPT;
        all &= (stacks[i] & ~WAKEUP_APPROXIMATE) < bounds->stacks;
    }
    return all && ascend(block->columns[0], block->n, lowest) &&
           are_below(block->columns[1], block->n, bounds->threads);
}

static bool counters_are_sound(const struct row_block *block, const struct bounds *bounds,
                               uint64_t lowest)
{
    const struct counter_row *rows = block->columns[0];
    bool all = true;
    for (size_t i = 0; i < block->n; i++) {
        all &= rows[i].sample >= lowest && rows[i].sample < bounds->samples &&
               rows[i].valid >> COUNTER_COUNT == 0;
        lowest = rows[i].sample;
    }
    return all;
}

bool row_check(const struct store *store, const struct row_block *block, uint64_t lowest)
{
    static bool (*const are_sound[ROW_TABLES])(const struct row_block *, const struct bounds *,
                                               uint64_t) = {
        [ROW_SAMPLES] = samples_are_sound,
        [ROW_INTERVALS] = intervals_are_sound,
        [ROW_WAKEUPS] = wakeups_are_sound,
        [ROW_COUNTERS] = counters_are_sound,
    };
    const struct bounds bounds = {
        .threads = atomic_load_explicit(&store->threads.n, memory_order_acquire),
        .stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire),
        .samples = atomic_load_explicit(&store->samples.n, memory_order_acquire),
    };
    ASSERT(block->table < ROW_TABLES);
    return are_sound[block->table](block, &bounds, lowest);
}
