#include "store/row_check.h"

// What exists. One more than the largest that may be named.
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

static bool sample_is_sound(const struct row_block *block, size_t i, const struct bounds *bounds)
{
    return ((const thread_id *)block->columns[1])[i] < bounds->threads &&
           ((const stack_id *)block->columns[2])[i] < bounds->stacks;
}

static bool interval_is_sound(const struct row_block *block, size_t i, const struct bounds *bounds)
{
    uint64_t start_ns = ((const uint64_t *)block->columns[0])[i];
    uint64_t length = ((const uint64_t *)block->columns[1])[i];
    return start_ns <= ROW_TIME_MAX && row_check_stay((uint8_t)(length >> 8), (uint8_t)length) &&
           ((const thread_id *)block->columns[2])[i] < bounds->threads &&
           ((const stack_id *)block->columns[3])[i] < bounds->stacks;
}

static bool wakeup_is_sound(const struct row_block *block, size_t i, const struct bounds *bounds)
{
    thread_id waker = ((const thread_id *)block->columns[2])[i];
    stack_id stack = ((const stack_id *)block->columns[3])[i] & ~WAKEUP_APPROXIMATE;
    return ((const thread_id *)block->columns[1])[i] < bounds->threads &&
           (waker < bounds->threads || waker == THREAD_INTERRUPT) && stack < bounds->stacks;
}

static bool counter_is_sound(const struct row_block *block, size_t i, const struct bounds *bounds)
{
    const struct counter_row *row = &((const struct counter_row *)block->columns[0])[i];
    return row->sample < bounds->samples && row->valid >> COUNTER_COUNT == 0;
}

bool row_check(const struct store *store, const struct row_block *block, uint64_t lowest)
{
    static bool (*const are_sound[ROW_TABLES])(const struct row_block *, size_t,
                                               const struct bounds *) = {
        [ROW_SAMPLES] = sample_is_sound,
        [ROW_INTERVALS] = interval_is_sound,
        [ROW_WAKEUPS] = wakeup_is_sound,
        [ROW_COUNTERS] = counter_is_sound,
    };
    const struct bounds bounds = {
        .threads = atomic_load_explicit(&store->threads.n, memory_order_acquire),
        .stacks = atomic_load_explicit(&store->stacks.n_nodes, memory_order_acquire),
        .samples = atomic_load_explicit(&store->samples.n, memory_order_acquire),
    };
    for (size_t i = 0; i < block->n; i++) {
        uint64_t key = row_block_key(block, i);
        if (key < lowest || key > ROW_TIME_MAX || !are_sound[block->table](block, i, &bounds)) {
            return false;
        }
        lowest = key;
    }
    return true;
}
