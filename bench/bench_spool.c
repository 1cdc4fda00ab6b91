// What it costs to keep a run while it is recorded: the CPU time of the thread that writes it, by
// the clock on the wall, and the bytes of the file.
//
//     bench_spool FOLDER          both programs below, each for ten seconds, in real time
//     bench_spool FOLDER WHAT N   makes FOLDER/WHAT.stax at once, of N samples
//
// WHAT is `samples`, which only computes, at 100,000 samples/s; or `server`, which has waits and
// wakeups as well. Prints `name value unit` lines.

#include "invented.h"

#include "archive/spool.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

enum {
    SECONDS = 10,
    SAMPLES_PER_S = 100000,
    THREADS = 32,
    PACE_MS = 2, // as the capture thread drains its rings
};

struct program {
    const char *name;
    struct invented_shape shape;
};

static const struct program programs[] = {
    {"samples",
     {.n_threads = THREADS,
      .period_ns = (uint64_t)THREADS * NS_PER_S / SAMPLES_PER_S,
      .start_ns = NS_PER_S}},
    {"server",
     {.n_threads = THREADS, .n_serving = THREADS / 2, .period_ns = 1111111, .start_ns = NS_PER_S}},
};

static struct library library; // as long as the program
static int changed_fd;

static void on_symbols(void *context)
{
    (void)context;
}

static void on_change(void *context)
{
    (void)context;
    ASSERT(eventfd_write(changed_fd, 1) == 0);
}

static void print(const char *shape, const char *what, double value, const char *unit)
{
    char name[64];
    snprintf(name, sizeof name, "spool_%s_%s", shape, what);
    printf("%-32s %10.2f %s\n", name, value, unit);
    fflush(stdout);
}

static int complain(const struct err *why)
{
    fprintf(stderr, "error: %s\n", why->text);
    return 1;
}

// ---- While it is recorded ----------------------------------------------------------------------

// Lives in real time. CLOCK_MONOTONIC is its clock.
static void live(struct invented *server, uint64_t start_ns)
{
    uint64_t end_ns = start_ns + (uint64_t)SECONDS * NS_PER_S;
    for (uint64_t now_ns = start_ns; now_ns < end_ns; now_ns = clock_now_ns()) {
        invented_go_on(server, now_ns, UINT64_MAX);
        poll(NULL, 0, PACE_MS);
    }
    invented_go_on(server, end_ns, UINT64_MAX);
}

static void finish(struct spool *spool)
{
    spool_finish(spool);
    while (spool_state(spool) != SPOOL_DONE) {
        eventfd_t n;
        ASSERT(eventfd_read(changed_fd, &n) == 0);
    }
}

static void print_all(const char *shape, const struct store *store,
                      const struct spool_report *recording, const struct spool_report *done)
{
    double cpu_ns = (double)recording->cpu_ns;
    print(shape, "samples", (double)store_rows(store, ROW_SAMPLES) / SECONDS, "samples/s");
    print(shape, "rows", (double)recording->rows / SECONDS, "rows/s");
    print(shape, "cpu", 100 * cpu_ns / ((double)SECONDS * NS_PER_S), "% of one CPU");
    print(shape, "cpu_of_a_row", cpu_ns / (double)recording->rows, "ns");
    print(shape, "commits", (double)recording->commits / SECONDS, "commits/s");
    print(shape, "end", (double)(done->cpu_ns - recording->cpu_ns) / NS_PER_MS,
          "ms of CPU for names and lines, once");
}

static int bench(const char *folder, const struct program *program)
{
    CLEANUP(text_fini) struct text path = {0};
    struct err error = {0};
    struct run_file file;
    struct invented_shape shape = program->shape;
    shape.start_ns = clock_now_ns();
    text_addf(&path, "%s/%s.stax", folder, program->name);
    if (run_file_create(text_get(&path), &file, &error) < 0) {
        return complain(&error);
    }
    struct invented *server = invented_new(&shape, &library);
    struct store *store = invented_store(server);
    struct spool *spool = spool_new((struct spool_params){
        .file = file, .store = store, .library = &library, .on_change = on_change});
    struct spool_report recording;
    struct spool_report done;
    live(server, shape.start_ns);
    spool_report(spool, &recording);
    invented_end(server);
    finish(spool);
    spool_report(spool, &done);
    if (done.note.text[0] != 0) {
        return complain(&done.note);
    }
    print_all(program->name, store, &recording, &done);
    spool_free(spool);
    invented_free(server);
    store_free(store);
    return 0;
}

// ---- At once -----------------------------------------------------------------------------------

static int make(const char *folder, const struct program *program, uint64_t n_samples)
{
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(facts_fini) struct facts facts = {0};
    struct err error = {0};
    struct invented *server = invented_new(&program->shape, &library);
    struct store *store = invented_store(server);
    invented_go_on(server, UINT64_MAX, n_samples);
    invented_end(server);
    invented_free(server);
    facts_set_text(&facts, "label", program->name);
    facts_set_text(&facts, "stop_reason", "target_exited");
    facts_set_number(&facts, "frequency_hz", NS_PER_S / program->shape.period_ns);
    text_addf(&path, "%s/%s.stax", folder, program->name);
    if (spool_write_once(text_get(&path), store, &library, NULL, &facts, NULL, &error) < 0) {
        return complain(&error);
    }
    for (enum row_table table = 0; table < ROW_COUNTERS; table++) {
        print(program->name, row_table_name(table), (double)store_rows(store, table), "rows");
    }
    store_free(store);
    return 0;
}

int main(int argc, char **argv)
{
    int status = argc == 2 || argc == 4 ? 0 : 2;
    library_init(&library, on_symbols, NULL);
    changed_fd = eventfd(0, EFD_CLOEXEC);
    ASSERT(changed_fd >= 0);
    for (size_t i = 0; i < ARRAY_LEN(programs) && status == 0; i++) {
        if (argc == 2) {
            status = bench(argv[1], &programs[i]);
        } else if (strcmp(argv[2], programs[i].name) == 0) {
            status = make(argv[1], &programs[i], strtoull(argv[3], NULL, 10));
        }
    }
    library_fini(&library);
    if (status == 2) {
        fprintf(stderr, "usage: bench_spool FOLDER [samples|server N]\n");
    }
    return status;
}
