// What rows cost in a run file: bytes per row and column, and the time to pack and unpack a row.
//
//     bench_codec          of an invented server
//     bench_codec TAP      of what `stax-server --tap TAP` wrote
//
// Prints `name value unit` lines; times are CPU times. The invented server has 32 threads. Half of
// them serve: they wait for a request, are woken by one of four others, wait for a CPU, and run for
// some tens of microseconds. The others compute. All are sampled by timers of their own CPU time
// that are late by a few hundred nanoseconds at most. Stacks are drawn with the skew of real
// programs (Zipf: the k-th hottest is taken in proportion to 1/k), by each thread from stacks of
// its kind.

#include "archive/codec.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "capture/capture.h"
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

enum {
    SAMPLES = 1000000,
    THREADS = 32,
    SERVING = 16,
    KINDS = 4,
    STACKS = 6000, // of each kind
    WAITING_STACKS = 10,
    PERIOD_NS = 1111111,
    LATE_NS = 400,
    RUN_NS = 40000, // these three: on average
    BLOCKED_NS = 400000,
    READY_NS = 12000,
    REPEATS = 3,
};

static void print(const char *table, const char *what, double value, const char *unit)
{
    printf("%-10s %-20s %10.3f %s\n", table, what, value, unit);
}

// ---- The invented server -----------------------------------------------------------------------

static uint64_t random_state = 1;

static uint64_t random_u64(void)
{
    random_state += 0x9e3779b97f4a7c15ULL;
    return hash_u64(random_state);
}

static double random_share(void) // in (0, 1]
{
    return (double)((random_u64() >> 11) + 1) / (double)(UINT64_C(1) << 53);
}

static uint64_t random_time(uint64_t mean_ns)
{
    return (uint64_t)(-log(random_share()) * (double)mean_ns);
}

static uint32_t random_rank(uint32_t n)
{
    return (uint32_t)pow((double)n, random_share()) - 1;
}

enum state { RUNS, BLOCKED, READY };

struct thread {
    enum state state;
    uint64_t since_ns;
    uint64_t until_ns;
    uint64_t sample_ns; // of CPU time that is left to the next sample
    stack_id waits_in;
};

struct server {
    struct store *store;
    stack_id stacks[KINDS * STACKS];
    struct thread threads[THREADS];
};

// Trees that grow where they have grown before. What a thread is found in is any node of them.
static void make_stacks(struct server *server)
{
    bool cut = false;
    for (size_t i = 0; i < ARRAY_LEN(server->stacks); i++) {
        struct frame_row frame = {.off = random_u64() % 2000000,
                                  .image = (image_id)(random_u64() % 8),
                                  .leaf = random_u64() % 2 == 0};
        size_t first = i / STACKS * STACKS;
        stack_id caller = i == first ? STACK_ROOT
                                     : server->stacks[first + random_u64() % (i - first)];
        frame_id id = stacks_frame(&server->store->stacks, &frame);
        server->stacks[i] = stacks_push(&server->store->stacks, caller, id, &cut);
    }
}

// The hottest stacks are not those that were met first.
static stack_id draw_stack(const struct server *server, size_t thread, uint32_t n)
{
    uint64_t rank = random_rank(n) * UINT64_C(2654435761) % STACKS;
    return server->stacks[thread % KINDS * STACKS + rank];
}

static void sample_until(struct server *server, size_t i, uint64_t until_ns)
{
    struct thread *thread = &server->threads[i];
    while (thread->since_ns + thread->sample_ns <= until_ns) {
        thread->since_ns += thread->sample_ns;
        store_add_sample(server->store, thread->since_ns, (thread_id)i,
                         draw_stack(server, i, STACKS));
        thread->sample_ns = PERIOD_NS + random_u64() % LATE_NS;
    }
}

static void leave(struct server *server, size_t i, uint64_t now_ns)
{
    struct thread *thread = &server->threads[i];
    thread->sample_ns -= now_ns - thread->since_ns;
    thread->state = BLOCKED;
    thread->waits_in = draw_stack(server, i, WAITING_STACKS);
    thread->until_ns = now_ns + random_time(BLOCKED_NS);
}

static void wake(struct server *server, size_t i, uint64_t now_ns)
{
    struct thread *thread = &server->threads[i];
    struct wakeup wakeup = {.time_ns = now_ns,
                            .wakee = (thread_id)i,
                            .waker = random_u64() % 4 == 0
                                         ? THREAD_INTERRUPT
                                         : (thread_id)((i + 1 + random_u64() % 4) % SERVING)};
    wakeup.stack = wakeup.waker == THREAD_INTERRUPT ? STACK_ROOT
                                                    : draw_stack(server, wakeup.waker, 8);
    store_add_wakeup(server->store, &wakeup);
    thread->state = READY;
    thread->until_ns = now_ns + random_time(READY_NS);
}

// The thread's next step, at its time.
static void step(struct server *server, size_t i)
{
    struct thread *thread = &server->threads[i];
    uint64_t now_ns = thread->until_ns;
    if (thread->state == RUNS) {
        sample_until(server, i, now_ns);
        if (i < SERVING && now_ns - thread->since_ns < thread->sample_ns) {
            leave(server, i, now_ns);
            thread->since_ns = now_ns;
            return;
        }
        thread->until_ns = thread->since_ns + thread->sample_ns;
        return;
    }
    struct interval interval = {.start_ns = thread->since_ns,
                                .duration_ns = now_ns - thread->since_ns,
                                .reason = thread->state == BLOCKED ? REASON_BY_STACK : 0,
                                .flags = thread->state == BLOCKED ? 0 : INTERVAL_RUNNABLE,
                                .thread = (thread_id)i,
                                .stack = thread->waits_in};
    store_add_interval(server->store, &interval);
    thread->since_ns = now_ns;
    if (thread->state == BLOCKED) {
        wake(server, i, now_ns);
    } else {
        thread->state = RUNS;
        thread->until_ns = now_ns + MIN(1 + random_time(RUN_NS), thread->sample_ns);
    }
}

static struct store *invent(void)
{
    struct server *server = NEW(struct server);
    uint64_t start_ns = UINT64_C(1) << 50;
    server->store = store_new(start_ns, 0, PERIOD_NS);
    make_stacks(server);
    for (size_t i = 0; i < THREADS; i++) {
        uint64_t sample_ns = 1 + random_u64() % PERIOD_NS;
        server->threads[i] = (struct thread){
            .since_ns = start_ns, .until_ns = start_ns + sample_ns, .sample_ns = sample_ns};
    }
    while (atomic_load(&server->store->samples.n) < SAMPLES) {
        size_t next = 0;
        for (size_t i = 1; i < THREADS; i++) {
            next = server->threads[i].until_ns < server->threads[next].until_ns ? i : next;
        }
        step(server, next);
    }
    struct store *store = server->store;
    free(server);
    return store;
}

// ---- A recorded one ----------------------------------------------------------------------------

static int changed_fd;

static void on_change(void *context)
{
    (void)context;
    ASSERT(eventfd_write(changed_fd, 1) == 0);
}

static void on_symbols(void *context)
{
    (void)context;
}

// Everything stays until the end of the program.
static struct store *replay(const char *path)
{
    static struct library library;
    library_init(&library, on_symbols, NULL);
    changed_fd = eventfd(0, EFD_CLOEXEC);
    ASSERT(changed_fd >= 0);
    struct run *run = run_new(1,
                              (struct run_params){.backend = &capture_replay,
                                                  .label = alloc_text("bench", 5),
                                                  .replay_path = alloc_text(path, strlen(path)),
                                                  .on_change = on_change},
                              &library);
    while (run_is_active(run)) {
        eventfd_t n;
        ASSERT(eventfd_read(changed_fd, &n) == 0);
    }
    if (run_state(run) != RUN_STOPPED) {
        fprintf(stderr, "%s\n", run->error.text);
        exit(1);
    }
    return run->store;
}

// ---- Measuring ---------------------------------------------------------------------------------

struct rows {
    const struct store *store;
    enum row_table table;
    uint64_t n;
};

struct cost {
    uint64_t bytes;
    uint64_t pack_ns;
    uint64_t unpack_ns;
};

// The rows of a chunk, copied: they are changed below.
static void get_block(const struct rows *rows, uint64_t first, struct row_block *ret)
{
    const struct row_layout *layout = row_layout(rows->table);
    struct row_block pinned;
    store_pin(rows->store, rows->table, first, rows->n, &pinned);
    *ret = (struct row_block){.table = rows->table, .first = first, .n = pinned.n};
    for (size_t c = 0; c < layout->n_columns; c++) {
        size_t bytes = pinned.n * layout->row_bytes[c];
        ret->columns[c] = alloc_resize(NULL, bytes, 1);
        memcpy(ret->columns[c], pinned.columns[c], bytes);
    }
    store_unpin(rows->store, &pinned);
}

static void block_fini(struct row_block *block)
{
    for (size_t c = 0; c < ROW_COLUMNS_MAX; c++) {
        free(block->columns[c]);
    }
}

static void measure(struct row_block *block, struct cost *cost)
{
    CLEANUP(text_fini) struct text packed = {0};
    uint64_t start_ns = clock_thread_cpu_ns();
    codec_put_rows(&packed, block);
    uint64_t packed_ns = clock_thread_cpu_ns();
    ASSERT(codec_parse_rows((struct slice){(uint8_t *)packed.at, packed.n}, block) == 0);
    cost->bytes += packed.n;
    cost->pack_ns += packed_ns - start_ns;
    cost->unpack_ns += clock_thread_cpu_ns() - packed_ns;
}

// What is taken away from the rows, one after the other: each is as large as what is then saved.
struct part {
    const char *name;
    void (*drop)(struct row_block *block);
};

static void drop_u64(struct row_block *block)
{
    memset(block->columns[0], 0, block->n * sizeof(uint64_t));
}

static void drop_times(struct row_block *block)
{
    drop_u64(block);
    uint64_t *lengths = block->columns[1];
    for (size_t i = 0; i < block->n; i++) {
        lengths[i] &= 0xffff;
    }
}

static void drop_lengths(struct row_block *block)
{
    memset(block->columns[1], 0, block->n * sizeof(uint64_t));
}

static void drop_third(struct row_block *block)
{
    memset(block->columns[2], 0, block->n * sizeof(uint32_t));
}

static void drop_fourth(struct row_block *block)
{
    memset(block->columns[3], 0, block->n * sizeof(uint32_t));
}

static void drop_nothing(struct row_block *block)
{
    (void)block;
}

static const struct part parts[ROW_TABLES][ROW_COLUMNS_MAX] = {
    [ROW_SAMPLES] = {{"time", drop_u64}, {"stack", drop_third}, {"thread", drop_nothing}},
    [ROW_INTERVALS] = {{"start, length", drop_times},
                       {"stack", drop_fourth},
                       {"reason, flags", drop_lengths},
                       {"thread", drop_nothing}},
    [ROW_WAKEUPS] = {{"time", drop_u64},
                     {"stack", drop_fourth},
                     {"waker", drop_third},
                     {"wakee", drop_nothing}},
};

static void bench_parts(const struct rows *rows, uint64_t bytes)
{
    double left = (double)bytes;
    double after[ROW_COLUMNS_MAX] = {0};
    for (uint64_t first = 0; first < rows->n; first += COLUMN_CHUNK_ROWS) {
        CLEANUP(block_fini) struct row_block block;
        get_block(rows, first, &block);
        for (size_t p = 0; p < ROW_COLUMNS_MAX && parts[rows->table][p].name != NULL; p++) {
            struct cost cost = {0};
            parts[rows->table][p].drop(&block);
            measure(&block, &cost);
            after[p] += (double)cost.bytes;
        }
    }
    for (size_t p = 0; p < ROW_COLUMNS_MAX && parts[rows->table][p].name != NULL; p++) {
        bool last = parts[rows->table][p].drop == drop_nothing;
        print(row_table_name(rows->table), parts[rows->table][p].name,
              (last ? left : left - after[p]) / (double)rows->n, "bytes/row");
        left = after[p];
    }
}

// Returns the bytes of all rows.
static uint64_t bench_rows(const struct store *store, enum row_table table)
{
    const struct rows own = {.store = store, .table = table, .n = store_rows(store, table)};
    const struct rows *rows = &own;
    const char *name = row_table_name(table);
    struct cost best = {.pack_ns = UINT64_MAX, .unpack_ns = UINT64_MAX};
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        struct cost cost = {0};
        for (uint64_t first = 0; first < rows->n; first += COLUMN_CHUNK_ROWS) {
            CLEANUP(block_fini) struct row_block block;
            get_block(rows, first, &block);
            measure(&block, &cost);
        }
        best.bytes = cost.bytes;
        best.pack_ns = MIN(best.pack_ns, cost.pack_ns);
        best.unpack_ns = MIN(best.unpack_ns, cost.unpack_ns);
    }
    double n = (double)rows->n;
    print(name, "rows", n, "");
    if (rows->n > 0) {
        print(name, "all", (double)best.bytes / n, "bytes/row");
        bench_parts(rows, best.bytes);
        print(name, "pack", (double)best.pack_ns / n, "ns/row");
        print(name, "unpack", (double)best.unpack_ns / n, "ns/row");
    }
    return best.bytes;
}

static void bench_tree(const struct stacks *stacks)
{
    uint64_t bytes = 0;
    uint32_t n_frames = atomic_load(&stacks->n_frames);
    for (uint32_t first = 0; first < n_frames; first += COLUMN_CHUNK_ROWS) {
        CLEANUP(text_fini) struct text packed = {0};
        codec_put_frames(&packed, stacks_get_frame(stacks, first),
                         MIN(n_frames - first, (uint32_t)COLUMN_CHUNK_ROWS));
        bytes += packed.n;
    }
    print("frames", "rows", n_frames, "");
    print("frames", "all", (double)bytes / n_frames, "bytes/row");
    bytes = 0;
    uint32_t n_nodes = atomic_load(&stacks->n_nodes);
    for (uint32_t first = 0; first < n_nodes; first += COLUMN_CHUNK_ROWS) {
        CLEANUP(text_fini) struct text packed = {0};
        codec_put_nodes(&packed, stacks_get(stacks, first), first,
                        MIN(n_nodes - first, (uint32_t)COLUMN_CHUNK_ROWS));
        bytes += packed.n;
    }
    print("nodes", "rows", n_nodes, "");
    print("nodes", "all", (double)bytes / n_nodes, "bytes/row");
}

static void bench(const struct store *store)
{
    const struct intervals *intervals = &store->intervals;
    bench_rows(store, ROW_SAMPLES);
    uint64_t bytes = bench_rows(store, ROW_INTERVALS);
    bytes += bench_rows(store, ROW_WAKEUPS);
    bench_tree(&store->stacks);
    if (intervals->n > 0) {
        print("waiting", "intervals, wakeups", (double)bytes / (double)intervals->n,
              "bytes/interval");
        print("waiting", "intervals, wakeups", (double)bytes / (double)intervals->n_waits,
              "bytes/wait");
    }
}

int main(int argc, char **argv)
{
    struct store *store = argc > 1 ? replay(argv[1]) : invent();
    bench(store);
    return 0;
}
