#include "store/store.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "store/paging.h"
#include "store/restoring.h"

#include <stdlib.h>

const char *truncation_name(enum truncation truncation)
{
    static const char *const names[] = {
        [TRUNCATED_NO_UNWIND_INFO] = "no_unwind_info",
        [TRUNCATED_COPY_TOO_SHORT] = "copy_too_short",
        [TRUNCATED_UNREADABLE] = "unreadable",
        [TRUNCATED_BAD_UNWIND_INFO] = "bad_unwind_info",
        [TRUNCATED_LOST] = "lost",
        [TRUNCATED_TOO_DEEP] = "too_deep",
        [TRUNCATED_NOT_LOADED] = "not_loaded",
        [TRUNCATED_NOT_COPIED] = "not_copied",
    };
    ASSERT(truncation < TRUNCATION_COUNT);
    return names[truncation];
}

const char *account_name(enum account account)
{
    static const char *const names[ACCOUNT_COUNT] = {
        [ACCOUNT_SAMPLES_LOST] = "samples_lost",
        [ACCOUNT_RECORDS_LOST] = "records_lost",
        [ACCOUNT_LOST_REPORTS] = "lost_reports",
        [ACCOUNT_THROTTLES] = "throttles",
        [ACCOUNT_UNTHROTTLES] = "unthrottles",
        [ACCOUNT_OUT_OF_ORDER] = "out_of_order",
        [ACCOUNT_STACKS_EMPTY] = "stacks_empty",
        [ACCOUNT_STACKS_CUT] = "stacks_cut",
        [ACCOUNT_STACKS_TRUNCATED] = "stacks_truncated",
        [ACCOUNT_FRAMES] = "frames",
        [ACCOUNT_PLACES_UNMAPPED] = "places_unmapped",
        [ACCOUNT_SAMPLES_DROPPED] = "samples_dropped",
        [ACCOUNT_ROWS_DROPPED] = "rows_dropped",
        [ACCOUNT_JIT_CODES_DROPPED] = "jit_codes_dropped",
        [ACCOUNT_JIT_BYTES_DROPPED] = "jit_bytes_dropped",
        [ACCOUNT_SWITCHES_UNPAIRED] = "switches_unpaired",
        [ACCOUNT_ROWS_UNREADABLE] = "rows_unreadable",
    };
    ASSERT(account >= 0 && account < ACCOUNT_COUNT);
    return names[account];
}

// ---- Life --------------------------------------------------------------------------------------

static void init_columns(struct store *store)
{
    column_init(&store->threads.rows, sizeof(struct thread_row));
    column_init(&store->processes.rows, sizeof(struct process_row));
    column_init(&store->images.rows, sizeof(struct image_row));
    column_init(&store->codes.rows, sizeof(struct code_row));
}

struct store *store_new(uint64_t started_ns, uint64_t started_unix_ns, uint64_t weight_ns)
{
    struct store *store = NEW(struct store);
    store->started_ns = started_ns;
    store->started_unix_ns = started_unix_ns;
    store->samples.weight_ns = weight_ns;
    atomic_init(&store->last_ns, started_ns);
    store->paging = paging_new(store);
    init_columns(store);
    stacks_init(&store->stacks);
    strings_init(&store->strings);
    store_add_image(store, &(struct image_row){.kind = IMAGE_ROW_ANONYMOUS});
    return store;
}

static void fini_columns(struct store *store)
{
    column_fini(&store->codes.rows);
    column_fini(&store->images.rows);
    column_fini(&store->processes.rows);
    column_fini(&store->threads.rows);
}

void store_free(struct store *store)
{
    if (store == NULL) {
        return;
    }
    strings_fini(&store->strings);
    stacks_fini(&store->stacks);
    fini_columns(store);
    paging_free(store->paging);
    restoring_free(store->restoring);
    free(store);
}

// ---- What the ids stand for --------------------------------------------------------------------

// The id of the next row, or UINT32_MAX when there are `limit` already.
static uint32_t next_id(const _Atomic uint32_t *n, uint32_t limit)
{
    uint32_t id = atomic_load_explicit(n, memory_order_relaxed);
    return id < limit ? id : UINT32_MAX;
}

static void publish(_Atomic uint32_t *n, uint32_t id)
{
    atomic_store_explicit(n, id + 1, memory_order_release);
}

static thread_id add_thread(struct store *store, const struct thread_row *thread, string_id name)
{
    thread_id id = next_id(&store->threads.n, LIMIT_THREADS);
    if (id == THREAD_NONE) {
        return THREAD_NONE;
    }
    struct thread_row *row = column_put(&store->threads.rows, id);
    row->pid = thread->pid;
    row->tid = thread->tid;
    row->process = thread->process;
    row->foreign = thread->foreign;
    row->started_ns = thread->started_ns;
    atomic_init(&row->ended_ns, 0);
    atomic_init(&row->name, name);
    atomic_init(&row->off_since_ns, 0);
    atomic_init(&row->off_what, 0);
    atomic_init(&row->last_stack, STACK_ROOT);
    atomic_init(&row->last_wakeup, 0);
    publish(&store->threads.n, id);
    return id;
}

thread_id store_add_thread(struct store *store, uint32_t pid, uint32_t tid, process_id process,
                           uint64_t started_ns, string_id name)
{
    struct thread_row row = {.pid = pid, .tid = tid, .process = process, .started_ns = started_ns};
    thread_id id = add_thread(store, &row, name);
    if (id != THREAD_NONE) {
        publish(&store->threads.n_recorded, store_count_threads(store));
    }
    return id;
}

thread_id store_add_foreign_thread(struct store *store, uint32_t pid, uint32_t tid,
                                   process_id process, uint64_t started_ns, string_id name)
{
    struct thread_row row = {
        .pid = pid, .tid = tid, .process = process, .foreign = true, .started_ns = started_ns};
    return add_thread(store, &row, name);
}

uint32_t store_count_threads(const struct store *store)
{
    return atomic_load_explicit(&store->threads.n_recorded, memory_order_acquire);
}

// One writer. `off_since_ns` is what readers look at first and last: a stay has its own. In between
// it is 0, so whoever reads `off_what` of the next stay cannot find the old time again; and whoever
// finds the time of a stay sees what was written before it.
void store_set_off(struct store *store, thread_id thread, const struct thread_off *off)
{
    struct thread_row *row = store_thread_mut(store, thread);
    uint64_t since_ns = atomic_load_explicit(&row->off_since_ns, memory_order_relaxed);
    if (off == NULL || off->since_ns != since_ns) {
        atomic_store_explicit(&row->off_since_ns, 0, memory_order_release);
    }
    if (off != NULL) {
        uint64_t what = (uint64_t)off->stack << 32 | (uint64_t)off->reason << 8 | off->flags;
        atomic_store_explicit(&row->off_what, what, memory_order_release);
        atomic_store_explicit(&row->off_since_ns, off->since_ns, memory_order_release);
    }
}

bool store_thread_off(const struct store *store, thread_id thread, struct thread_off *ret)
{
    const struct thread_row *row = store_thread(store, thread);
    for (;;) {
        uint64_t since_ns = atomic_load_explicit(&row->off_since_ns, memory_order_acquire);
        uint64_t what = atomic_load_explicit(&row->off_what, memory_order_acquire);
        if (since_ns == 0) {
            return false;
        }
        if (atomic_load_explicit(&row->off_since_ns, memory_order_acquire) == since_ns) {
            *ret = (struct thread_off){
                .since_ns = since_ns,
                .stack = (stack_id)(what >> 32),
                .reason = (uint8_t)(what >> 8),
                .flags = (uint8_t)what,
            };
            return true;
        }
    }
}

process_id store_add_process(struct store *store, uint32_t pid, uint32_t parent_pid,
                             uint64_t started_ns, string_id name)
{
    process_id id = next_id(&store->processes.n, LIMIT_PROCESSES);
    if (id == PROCESS_NONE) {
        return PROCESS_NONE;
    }
    struct process_row *row = column_put(&store->processes.rows, id);
    row->pid = pid;
    row->parent_pid = parent_pid;
    row->started_ns = started_ns;
    atomic_init(&row->ended_ns, 0);
    atomic_init(&row->name, name);
    atomic_init(&row->main_image, IMAGE_NONE);
    publish(&store->processes.n, id);
    return id;
}

image_id store_add_image(struct store *store, const struct image_row *image)
{
    image_id id = next_id(&store->images.n, LIMIT_IMAGES);
    if (id == IMAGE_NONE) {
        return IMAGE_NONE;
    }
    *(struct image_row *)column_put(&store->images.rows, id) = *image;
    publish(&store->images.n, id);
    return id;
}

uint32_t store_add_code(struct store *store, const struct code_row *code)
{
    uint32_t id = next_id(&store->codes.n, LIMIT_JIT_CODES);
    if (id == CODE_NONE) {
        return CODE_NONE;
    }
    *(struct code_row *)column_put(&store->codes.rows, id) = *code;
    publish(&store->codes.n, id);
    return id;
}

const struct thread_row *store_thread(const struct store *store, thread_id thread)
{
    return column_at(&store->threads.rows, thread);
}

const struct process_row *store_process(const struct store *store, process_id process)
{
    return column_at(&store->processes.rows, process);
}

const struct image_row *store_image(const struct store *store, image_id image)
{
    return column_at(&store->images.rows, image);
}

const struct code_row *store_code(const struct store *store, uint32_t code)
{
    return column_at(&store->codes.rows, code);
}

struct thread_row *store_thread_mut(struct store *store, thread_id thread)
{
    return column_put(&store->threads.rows, thread);
}

struct process_row *store_process_mut(struct store *store, process_id process)
{
    return column_put(&store->processes.rows, process);
}

struct image_row *store_image_mut(struct store *store, image_id image)
{
    return column_put(&store->images.rows, image);
}

struct code_row *store_code_mut(struct store *store, uint32_t code)
{
    return column_put(&store->codes.rows, code);
}

// ---- Accounts ----------------------------------------------------------------------------------

// There is one writer: a locked addition per record would be for nothing.
static void bump(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

void store_count_event(struct store *store, uint32_t kind)
{
    ASSERT(kind < STORE_EVENT_KINDS);
    bump(&store->events[kind], 1);
}

void store_count(struct store *store, enum account account, uint64_t more)
{
    bump(&store->accounts[account], more);
}

uint64_t store_account(const struct store *store, enum account account)
{
    return atomic_load_explicit(&store->accounts[account], memory_order_relaxed);
}

uint64_t store_end_ns(const struct store *store)
{
    uint64_t ended_ns = atomic_load_explicit(&store->ended_ns, memory_order_acquire);
    return ended_ns != 0 ? ended_ns : atomic_load_explicit(&store->last_ns, memory_order_acquire);
}

static uint64_t rows_bytes(const struct store *store)
{
    return store_paging(store).resident_bytes;
}

static uint64_t ids_bytes(const struct store *store)
{
    return column_bytes(&store->threads.rows, atomic_load(&store->threads.n)) +
           column_bytes(&store->processes.rows, atomic_load(&store->processes.n)) +
           column_bytes(&store->images.rows, atomic_load(&store->images.n)) +
           column_bytes(&store->codes.rows, atomic_load(&store->codes.n));
}

struct store_memory store_memory(const struct store *store)
{
    struct store_memory memory = {
        .rows_bytes = rows_bytes(store),
        .stacks_bytes = stacks_bytes(&store->stacks),
    };
    uint64_t slots_bytes = ROW_TABLES * COLUMN_CHUNKS * sizeof(struct table_slot);
    memory.total_bytes = sizeof *store + slots_bytes + memory.rows_bytes + memory.stacks_bytes +
                         strings_bytes(&store->strings) + ids_bytes(store);
    return memory;
}
