// What rows cost in a run file: bytes per row and column, and the time to pack and unpack a row.
//
//     bench_codec          of an invented server
//     bench_codec TAP      of what `stax-server --tap TAP` wrote
//
// Prints `name value unit` lines; times are CPU times.

#include "invented.h"

#include "archive/codec.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "capture/capture.h"
#include "run/run.h"
#include "store/paging.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

enum { SAMPLES = 1000000, REPEATS = 3 };

static void print(const char *table, const char *what, double value, const char *unit)
{
    printf("%-10s %-20s %10.3f %s\n", table, what, value, unit);
}

// ---- Rows --------------------------------------------------------------------------------------

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

static struct store *invent(struct library *library)
{
    struct invented *server = invented_new(&invented_usual, library);
    struct store *store = invented_store(server);
    invented_go_on(server, UINT64_MAX, SAMPLES);
    invented_free(server);
    return store;
}

// Everything stays until the end of the program.
static struct store *replay(struct library *library, const char *path)
{
    changed_fd = eventfd(0, EFD_CLOEXEC);
    ASSERT(changed_fd >= 0);
    struct run *run = run_new(1,
                              (struct run_params){.backend = &capture_replay,
                                                  .label = alloc_text("bench", 5),
                                                  .replay_path = alloc_text(path, strlen(path)),
                                                  .on_change = on_change},
                              library);
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

struct cost {
    uint64_t bytes;
    uint64_t pack_ns;
    uint64_t unpack_ns;
};

// The rows of a chunk, copied: they are changed below.
static void get_block(const struct store *store, enum row_table table, uint64_t first,
                      struct row_block *ret)
{
    const struct row_layout *layout = row_layout(table);
    struct row_block rows;
    store_pin(store, table, first, store_rows(store, table), &rows);
    *ret = rows;
    for (size_t c = 0; c < layout->n_columns; c++) {
        ret->columns[c] = alloc_resize(NULL, rows.n, layout->row_bytes[c]);
        memcpy(ret->columns[c], rows.columns[c], rows.n * layout->row_bytes[c]);
    }
    store_unpin(store, &rows);
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

static void bench_parts(const struct store *store, enum row_table table, uint64_t bytes)
{
    const char *name = row_table_name(table);
    uint64_t n_rows = store_rows(store, table);
    double left = (double)bytes;
    double after[ROW_COLUMNS_MAX] = {0};
    for (uint64_t first = 0; first < n_rows; first += COLUMN_CHUNK_ROWS) {
        CLEANUP(block_fini) struct row_block block;
        get_block(store, table, first, &block);
        for (size_t p = 0; p < ROW_COLUMNS_MAX && parts[table][p].name != NULL; p++) {
            struct cost cost = {0};
            parts[table][p].drop(&block);
            measure(&block, &cost);
            after[p] += (double)cost.bytes;
        }
    }
    for (size_t p = 0; p < ROW_COLUMNS_MAX && parts[table][p].name != NULL; p++) {
        bool last = parts[table][p].drop == drop_nothing;
        print(name, parts[table][p].name, (last ? left : left - after[p]) / (double)n_rows,
              "bytes/row");
        left = after[p];
    }
}

// Returns the bytes of all rows.
static uint64_t bench_table(const struct store *store, enum row_table table)
{
    const char *name = row_table_name(table);
    uint64_t n_rows = store_rows(store, table);
    struct cost best = {.pack_ns = UINT64_MAX, .unpack_ns = UINT64_MAX};
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        struct cost cost = {0};
        for (uint64_t first = 0; first < n_rows; first += COLUMN_CHUNK_ROWS) {
            CLEANUP(block_fini) struct row_block block;
            get_block(store, table, first, &block);
            measure(&block, &cost);
        }
        best.bytes = cost.bytes;
        best.pack_ns = MIN(best.pack_ns, cost.pack_ns);
        best.unpack_ns = MIN(best.unpack_ns, cost.unpack_ns);
    }
    double n = (double)n_rows;
    print(name, "rows", n, "");
    if (n_rows > 0) {
        print(name, "all", (double)best.bytes / n, "bytes/row");
        bench_parts(store, table, best.bytes);
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
    bench_table(store, ROW_SAMPLES);
    uint64_t bytes = bench_table(store, ROW_INTERVALS);
    bytes += bench_table(store, ROW_WAKEUPS);
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
    static struct library library;
    library_init(&library, on_symbols, NULL);
    bench(argc > 1 ? replay(&library, argv[1]) : invent(&library));
    return 0;
}
