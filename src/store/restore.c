// A run that was written down once becomes a store again.
//
// Two kinds of references cannot be checked when they come, since what they name comes later: the
// process of an image, and the stacks that a thread's row names. They are looked at in the end, and
// what does not exist then is forgotten. What follows from rows is made anew from them, as the
// writer made it: the number of waits, of recorded threads, and the last wakeup of each thread.

#include "store/restore.h"

#include "base/limits.h"
#include "base/vec.h"
#include "store/restoring.h"
#include "store/row_check.h"

#include <stdlib.h>

enum {
    // The user's part, the kernel's, and what the recording adds: why callers are missing, and
    // where
    // in the kernel it waits.
    MAX_DEPTH = 2 * LIMIT_STACK_DEPTH + 8,
    MAX_BUILD_ID_BYTES = 20,
};

// Of one sample: so that no sum of them overflows.
#define MAX_WEIGHT_NS (ROW_TIME_MAX / COLUMN_MAX_ROWS)

struct restoring {
    VEC(uint16_t) depths; // of all stacks
    uint64_t string_bytes;
};

void restoring_free(struct restoring *restoring)
{
    if (restoring != NULL) {
        vec_fini(&restoring->depths);
        free(restoring);
    }
}

struct store *store_restore_new(const struct restore_params *params)
{
    struct store *store = store_new(MIN(params->started_ns, ROW_TIME_MAX), params->started_unix_ns,
                                    MIN(params->weight_ns, MAX_WEIGHT_NS));
    store->has_switches = params->has_switches;
    store->restoring = NEW(struct restoring);
    vec_push(&store->restoring->depths, 0);
    return store;
}

static uint32_t published(const _Atomic uint32_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static void publish(_Atomic uint32_t *n)
{
    atomic_store_explicit(n, published(n) + 1, memory_order_release);
}

// ---- What the ids stand for --------------------------------------------------------------------

bool store_restore_string(struct store *store, struct slice bytes)
{
    struct restoring *restoring = store->restoring;
    ASSERT(restoring != NULL);
    if (published(&store->strings.n) >= LIMIT_STRINGS ||
        bytes.n > LIMIT_STRING_BYTES - restoring->string_bytes) {
        return false;
    }
    restoring->string_bytes += bytes.n;
    strings_append(&store->strings, bytes);
    return true;
}

static bool has_string(const struct store *store, string_id id)
{
    return id < published(&store->strings.n);
}

bool store_restore_image(struct store *store, const struct image_row *row)
{
    ASSERT(store->restoring != NULL);
    return row->kind >= 0 && row->kind <= IMAGE_ROW_TRUNCATED && has_string(store, row->path) &&
           has_string(store, row->build_id) &&
           strings_get(&store->strings, row->build_id).n <= MAX_BUILD_ID_BYTES &&
           store_add_image(store, row) != IMAGE_NONE;
}

static bool life_is_sound(uint64_t started_ns, uint64_t ended_ns)
{
    return started_ns <= ROW_TIME_MAX && ended_ns <= ROW_TIME_MAX;
}

bool store_restore_process(struct store *store, const struct process_row *row)
{
    ASSERT(store->restoring != NULL);
    image_id image = atomic_load(&row->main_image);
    if (!life_is_sound(row->started_ns, atomic_load(&row->ended_ns)) ||
        !has_string(store, atomic_load(&row->name)) ||
        (image != IMAGE_NONE && image >= published(&store->images.n)) ||
        published(&store->processes.n) >= LIMIT_PROCESSES) {
        return false;
    }
    *(struct process_row *)column_put(&store->processes.rows,
                                      published(&store->processes.n)) = *row;
    publish(&store->processes.n);
    return true;
}

bool store_restore_thread(struct store *store, const struct thread_row *row)
{
    ASSERT(store->restoring != NULL);
    uint64_t off_what = atomic_load(&row->off_what);
    thread_id id = published(&store->threads.n);
    if (!life_is_sound(row->started_ns, atomic_load(&row->ended_ns)) ||
        !has_string(store, atomic_load(&row->name)) ||
        row->process >= published(&store->processes.n) ||
        atomic_load(&row->off_since_ns) > ROW_TIME_MAX || (off_what >> 16 & 0xffff) != 0 ||
        !row_check_stay((uint8_t)(off_what >> 8), (uint8_t)off_what) || id >= LIMIT_THREADS) {
        return false;
    }
    struct thread_row *thread = column_put(&store->threads.rows, id);
    *thread = *row;
    atomic_store(&thread->last_wakeup, 0);
    publish(&store->threads.n);
    if (!row->foreign) {
        publish(&store->threads.n_recorded);
    }
    return true;
}

bool store_restore_code(struct store *store, const struct code_row *row)
{
    ASSERT(store->restoring != NULL);
    return row->process < published(&store->processes.n) && has_string(store, row->name) &&
           has_string(store, row->code) && row->size_bytes <= UINT64_MAX - row->addr &&
           store_add_code(store, row) != CODE_NONE;
}

// ---- Stacks ------------------------------------------------------------------------------------

// In some images offsets are no places but words: see enum image_row_kind.
static bool off_is_sound(const struct store *store, const struct frame_row *row)
{
    switch (store_image(store, row->image)->kind) {
    case IMAGE_ROW_NAMED:
        return row->off < published(&store->strings.n);
    case IMAGE_ROW_TRUNCATED:
        return row->off >> 32 < TRUNCATION_COUNT &&
               (image_id)row->off < published(&store->images.n);
    case IMAGE_ROW_FILE:
    case IMAGE_ROW_VDSO:
    case IMAGE_ROW_ANONYMOUS:
    case IMAGE_ROW_KERNEL:
        break;
    }
    return true;
}

bool store_restore_frame(struct store *store, const struct frame_row *row)
{
    ASSERT(store->restoring != NULL);
    if (row->image >= published(&store->images.n) || !off_is_sound(store, row) ||
        published(&store->stacks.n_frames) >= LIMIT_FRAMES) {
        return false;
    }
    stacks_append_frame(&store->stacks, row);
    return true;
}

bool store_restore_node(struct store *store, const struct stack_row *row)
{
    struct restoring *restoring = store->restoring;
    ASSERT(restoring != NULL);
    uint32_t n_nodes = published(&store->stacks.n_nodes);
    if (row->caller >= n_nodes || row->frame >= published(&store->stacks.n_frames) ||
        restoring->depths.at[row->caller] >= MAX_DEPTH || n_nodes >= LIMIT_STACK_NODES) {
        return false;
    }
    vec_push(&restoring->depths, (uint16_t)(restoring->depths.at[row->caller] + 1));
    stacks_append(&store->stacks, row);
    return true;
}

// ---- Accounts ----------------------------------------------------------------------------------

void store_restore_account(struct store *store, enum account account, uint64_t n)
{
    ASSERT(store->restoring != NULL);
    if (account >= 0 && account < ACCOUNT_COUNT) {
        atomic_store(&store->accounts[account], n);
    }
}

void store_restore_event_count(struct store *store, uint32_t kind, uint64_t n)
{
    ASSERT(store->restoring != NULL);
    if (kind < STORE_EVENT_KINDS) {
        atomic_store(&store->events[kind], n);
    }
}

// ---- Rows --------------------------------------------------------------------------------------

struct target {
    struct table *table;
    _Atomic uint64_t *n;
};

static struct target target_of(struct store *store, enum row_table table)
{
    const struct target targets[ROW_TABLES] = {
        [ROW_SAMPLES] = {&store->samples.table, &store->samples.n},
        [ROW_INTERVALS] = {&store->intervals.table, &store->intervals.n},
        [ROW_WAKEUPS] = {&store->wakeups.table, &store->wakeups.n},
        [ROW_COUNTERS] = {&store->counters.table, &store->counters.n},
    };
    return targets[table];
}

bool store_rows_are_sound(const struct store *store, const struct row_block *block)
{
    if (block->table >= ROW_TABLES) {
        return false;
    }
    uint64_t n = store_rows(store, block->table);
    return block->first == n && block->n <= COLUMN_MAX_ROWS - n &&
           row_check(store, block, store_table(store, block->table)->last_key);
}

static void count_waits(struct store *store, const struct row_block *block)
{
    const uint64_t *lengths = block->columns[1];
    uint64_t n_waits = 0;
    for (size_t i = 0; i < block->n; i++) {
        n_waits += (lengths[i] & INTERVAL_RUNNABLE) == 0;
    }
    atomic_fetch_add_explicit(&store->intervals.n_waits, n_waits, memory_order_relaxed);
}

static void note_wakeups(struct store *store, const struct row_block *block)
{
    const thread_id *wakees = block->columns[1];
    for (size_t i = 0; i < block->n; i++) {
        atomic_store_explicit(&store_thread_mut(store, wakees[i])->last_wakeup,
                              block->first + i + 1, memory_order_relaxed);
    }
}

bool store_restore_rows(struct store *store, const struct row_block *block)
{
    ASSERT(store->restoring != NULL);
    if (!store_rows_are_sound(store, block)) {
        return false;
    }
    struct target target = target_of(store, block->table);
    table_add_block(target.table, block);
    if (block->table == ROW_INTERVALS) {
        count_waits(store, block);
    } else if (block->table == ROW_WAKEUPS) {
        note_wakeups(store, block);
    }
    atomic_store_explicit(target.n, block->first + block->n, memory_order_release);
    return true;
}

// ---- The end -----------------------------------------------------------------------------------

static void settle_images(struct store *store)
{
    for (image_id id = 0; id < published(&store->images.n); id++) {
        struct image_row *row = store_image_mut(store, id);
        if (row->process >= published(&store->processes.n) && row->process != 0) {
            row->process = PROCESS_NONE;
        }
    }
}

static void settle_threads(struct store *store)
{
    uint32_t n_stacks = published(&store->stacks.n_nodes);
    for (thread_id id = 0; id < published(&store->threads.n); id++) {
        struct thread_row *row = store_thread_mut(store, id);
        if (atomic_load(&row->last_stack) >= n_stacks) {
            atomic_store(&row->last_stack, STACK_ROOT);
        }
        uint64_t off_what = atomic_load(&row->off_what);
        if (off_what >> 32 >= n_stacks) {
            atomic_store(&row->off_what, (uint32_t)off_what);
        }
    }
}

static uint64_t newest_row_ns(const struct store *store)
{
    uint64_t newest_ns = MAX(store->samples.table.last_key, store->intervals.table.last_key);
    return MAX(newest_ns, store->wakeups.table.last_key);
}

void store_restore_end(struct store *store, uint64_t last_ns)
{
    ASSERT(store->restoring != NULL);
    settle_images(store);
    settle_threads(store);
    restoring_free(store->restoring);
    store->restoring = NULL;
    uint64_t end_ns = MAX(MIN(last_ns, ROW_TIME_MAX), newest_row_ns(store));
    end_ns = MAX(end_ns, MAX(store->started_ns, UINT64_C(1))); // 0 would mean that it goes on
    atomic_store_explicit(&store->last_ns, end_ns, memory_order_release);
    atomic_store_explicit(&store->ended_ns, end_ns, memory_order_release);
}
