// What exports cost: a million samples and 300,000 waits, of a small program, and of one with many
// threads that are all over the place, so that almost every sample is a stack of its own. For each
// format: time, bytes, the longest slice (as long others wait for an answer), and how much memory
// it took while it went on. Prints `name value unit` lines.

#include "export/export.h"
#include "query/fake_library.h"

#include "base/clock.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    N_SAMPLES = 1000000,
    N_WAITS = 300000,
    DEPTH = 30,
    N_FUNCTIONS = 3000,
    SYMBOL_BYTES = 256,
    SLICE_ROWS = 512, // as in server/exporter.c
};

struct shape {
    const char *name;
    uint32_t n_threads;
    uint32_t n_stacks;
};

struct world {
    struct store *store;
    struct library library;
    stack_id *stacks;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct fold fold;
};

static uint64_t random_state = 1;

static uint64_t dice(uint64_t sides)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (random_state >> 33) % sides;
}

static double resident_mb(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

// ---- The run -----------------------------------------------------------------------------------

static struct symtab *make_table(void)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(
        builder, &(struct symtab_segment){.size = N_FUNCTIONS * SYMBOL_BYTES, .executable = true});
    for (uint32_t i = 0; i < N_FUNCTIONS; i++) {
        char name[64];
        snprintf(name, sizeof name, "_Zsome::space::function_%u(int, char*)", i);
        symtab_builder_add(builder, i * SYMBOL_BYTES, SYMBOL_BYTES, slice_of_text(name),
                           slice_of_text(""), SYMBOL_GLOBAL);
    }
    return symtab_builder_finish(builder);
}

// A stack that leaves a known one somewhere on the way, as the paths of a program do.
static stack_id make_stack(struct store *store, image_id image)
{
    stack_id stack = STACK_ROOT;
    uint64_t path = 0;
    bool cut = false;
    uint64_t depth = DEPTH - 10 + dice(20);
    for (uint64_t i = 0; i < depth; i++) {
        path = hash_pair(path, dice(i % 3 == 0 ? 2 : 1) + (i > depth - 4 ? dice(20) : 0));
        uint64_t off = path % N_FUNCTIONS * SYMBOL_BYTES + path / 7 % 4 * 16;
        struct frame_row frame = {.off = off, .image = image, .leaf = i + 1 == depth};
        stack = stacks_push(&store->stacks, stack, stacks_frame(&store->stacks, &frame), &cut);
    }
    return stack;
}

static void add_rows(struct world *w, const struct shape *shape)
{
    CLEANUP(freep) uint64_t *since_ns = NEW_ARRAY(uint64_t, shape->n_threads);
    for (uint64_t i = 1; i <= N_SAMPLES; i++) {
        thread_id thread = (thread_id)dice(shape->n_threads);
        store_add_sample(w->store, i * 1000, thread, w->stacks[dice(shape->n_stacks)]);
        if (i % (N_SAMPLES / N_WAITS) == 0) {
            thread = (thread_id)dice(shape->n_threads);
            store_add_interval(w->store,
                               &(struct interval){.start_ns = since_ns[thread],
                                                  .duration_ns = i * 1000 - since_ns[thread],
                                                  .reason = (uint8_t)dice(EVENT_REASON_COUNT),
                                                  .thread = thread,
                                                  .stack = w->stacks[dice(shape->n_stacks)]});
            since_ns[thread] = i * 1000;
        }
    }
}

static void world_init(struct world *w, const struct shape *shape)
{
    struct view all = {0};
    *w = (struct world){.store = store_new(1, 0, 1000)};
    w->store->has_switches = true;
    w->stacks = NEW_ARRAY(stack_id, shape->n_stacks);
    fake_library_init(&w->library);
    image_id image = store_add_image(
        w->store, &(struct image_row){
                      .path = strings_add(&w->store->strings, slice_of_text("/usr/bin/program")),
                      .library = fake_library_add(&w->library, IMAGE_FILE),
                  });
    fake_library_publish(&w->library, 0, make_table());
    string_id name = strings_add(&w->store->strings, slice_of_text("worker"));
    for (uint32_t i = 0; i < shape->n_threads; i++) {
        store_add_thread(w->store, 1, i + 1, 0, 1, name);
    }
    for (size_t i = 0; i < shape->n_stacks; i++) {
        w->stacks[i] = make_stack(w->store, image);
    }
    add_rows(w, shape);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    fold_init(&w->fold, &all);
    calltree_refresh(&w->tree);
    fold_advance(&w->fold, w->store, &w->names, UINT64_MAX);
    fold_settle(&w->fold, w->store, &w->names);
    calltree_refresh(&w->tree);
}

static void world_fini(struct world *w)
{
    fold_fini(&w->fold);
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w->stacks);
}

// ---- The exports -------------------------------------------------------------------------------

static void print(const struct shape *shape, const char *format, const char *what, double value,
                  const char *unit)
{
    char name[64];
    snprintf(name, sizeof name, "export_%s_%s_%s", shape->name, format, what);
    printf("%-40s %10.2f %s\n", name, value, unit);
}

static void bench(struct world *w, const struct shape *shape, const struct export_format *format)
{
    struct export_source source = {
        .store = w->store,
        .names = &w->names,
        .tree = &w->tree,
        .fold = &w->fold,
        .reasons = &w->reasons,
        .label = "program",
        .pid = 1,
        .frequency_hz = 900,
    };
    int fd = memfd_create("export", MFD_CLOEXEC);
    ASSERT(fd >= 0);
    struct export export;
    double before_mb = resident_mb();
    double most_mb = before_mb;
    uint64_t longest_ns = 0;
    uint64_t start_ns = clock_now_ns();
    uint64_t slice_ns = start_ns;
    export_init(&export, format, &source, false, fd);
    int r;
    for (uint64_t i = 0; (r = export_advance(&export, SLICE_ROWS)) == 1; i++) {
        uint64_t now_ns = clock_now_ns();
        longest_ns = MAX(longest_ns, now_ns - slice_ns);
        most_mb = i % 64 == 0 ? MAX(most_mb, resident_mb()) : most_mb;
        slice_ns = clock_now_ns();
    }
    ASSERT(r == 0);
    uint64_t total_ns = clock_now_ns() - start_ns;
    most_mb = MAX(most_mb, resident_mb());
    export_fini(&export);
    struct stat st;
    ASSERT(fstat(fd, &st) == 0);
    close(fd);
    print(shape, format->name, "time", (double)total_ns / NS_PER_MS, "ms");
    print(shape, format->name, "longest_slice", (double)longest_ns / NS_PER_MS, "ms");
    print(shape, format->name, "file", (double)st.st_size / (1 << 20), "MB");
    print(shape, format->name, "memory", most_mb - before_mb, "MB");
}

int main(void)
{
    static const struct shape shapes[] = {{"ordinary", 8, 3000}, {"wide", 64, 30000}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct world w;
        world_init(&w, &shapes[i]);
        for (size_t k = 0; export_formats[k] != NULL; k++) {
            bench(&w, &shapes[i], export_formats[k]);
        }
        world_fini(&w);
    }
    return 0;
}
