// What the queries cost over ten million samples of a large program: 30,000 distinct stacks of
// about 30 frames in 3,000 functions, 64 threads, and a few stacks that take most of the time. Then
// over ten million waits of the same shape. Prints `name value unit` lines.
//
// Every thread is in every stack: so there are far more pairs of the two to be counted than a
// program of that size has. Lines that begin with `ordinary_` are of a smaller program, of which
// each thread does mostly something of its own.

#include "query/answers.h"
#include "query/fake_library.h"
#include "query/neighbors.h"

#include "base/clock.h"
#include "base/limits.h"

#include <stdio.h>
#include <unistd.h>

enum {
    N_SAMPLES = 10000000,
    N_WAITS = 10000000,
    DEPTH = 30,
    N_FUNCTIONS = 3000,
    SYMBOL_BYTES = 256,
    REPEATS = 5,
};

struct shape {
    const char *prefix; // of the printed names
    uint32_t n_threads;
    uint32_t n_stacks;
    bool separate;       // seven of eight samples of a thread are in stacks of its own
    uint64_t known_of_4; // waits of which it is known who ended them
};

static const struct shape worst = {"", 64, 30000, false, 4};
static const struct shape ordinary = {"ordinary_", 8, 3000, true, 3};

static uint64_t random_state = 1;

static uint64_t dice(uint64_t sides)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (random_state >> 33) % sides;
}

static void print(const struct shape *shape, const char *name, double value, const char *unit)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s%s", shape->prefix, name);
    printf("%-36s %10.2f %s\n", whole, value, unit);
}

static double ms_since(uint64_t start_ns)
{
    return (double)(clock_now_ns() - start_ns) / NS_PER_MS;
}

// Resident memory of this process.
static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

// ---- The run -----------------------------------------------------------------------------------

// A run with all that questions to it stand on.
struct world {
    const struct shape *shape;
    struct store *store;
    struct library library;
    stack_id *stacks;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct fold fold; // of everything
};

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

static void make_stacks(struct world *w)
{
    image_id image = store_add_image(
        w->store, &(struct image_row){
                      .path = strings_add(&w->store->strings, slice_of_text("/usr/bin/program")),
                      .library = fake_library_add(&w->library, IMAGE_FILE),
                  });
    fake_library_publish(&w->library, 0, make_table());
    for (uint32_t i = 0; i < w->shape->n_threads; i++) {
        store_add_thread(w->store, 1, i + 1, 0, 0, 0);
    }
    for (size_t i = 0; i < w->shape->n_stacks; i++) {
        w->stacks[i] = make_stack(w->store, image);
    }
}

// The product of two: small indices are the likely ones.
static stack_id any_stack(const struct world *w, thread_id thread)
{
    uint32_t n = w->shape->n_stacks;
    uint64_t few = dice(n);
    uint64_t one = few * dice(n) / n;
    if (w->shape->separate && dice(8) > 0) {
        one = one / w->shape->n_threads * w->shape->n_threads + thread;
    }
    return w->stacks[one];
}

static void add_samples(struct world *w)
{
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        thread_id thread = (thread_id)dice(w->shape->n_threads);
        store_add_sample(w->store, i * 100, thread, any_stack(w, thread));
    }
}

// Each followed by its thread being ready for a moment, as it is when wakeups are recorded.
static void add_waits(struct world *w)
{
    CLEANUP(freep) uint64_t *free_ns = NEW_ARRAY(uint64_t, w->shape->n_threads);
    for (uint64_t i = 1, rows = 0; rows < N_WAITS; i++) {
        thread_id thread = (thread_id)dice(w->shape->n_threads);
        uint64_t ready_ns = i * 1000;
        struct interval wait = {
            .start_ns = MAX(free_ns[thread], ready_ns > 50000 ? ready_ns - dice(50000) : 0),
            .thread = thread,
            .stack = any_stack(w, thread),
        };
        wait.reason = wait.stack % 2 == 0 ? REASON_BY_STACK
                                          : (uint8_t)(wait.stack % EVENT_REASON_COUNT);
        wait.duration_ns = ready_ns - wait.start_ns;
        store_add_interval(w->store, &wait);
        rows++;
        free_ns[thread] = ready_ns;
        if (w->shape->known_of_4 < 4 && dice(4) >= w->shape->known_of_4) {
            continue;
        }
        store_add_wakeup(w->store, &(struct wakeup){.time_ns = ready_ns, .wakee = thread});
        free_ns[thread] += 500;
        wait.start_ns = ready_ns;
        wait.duration_ns = free_ns[thread] - ready_ns;
        wait.flags = INTERVAL_RUNNABLE;
        store_add_interval(w->store, &wait);
        rows++;
    }
}

static uint64_t cost_of_the_dice(const struct world *w)
{
    volatile uint64_t sink = 0;
    uint64_t start_ns = clock_now_ns();
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        thread_id thread = (thread_id)dice(w->shape->n_threads);
        sink = sink + thread + any_stack(w, thread);
    }
    return clock_now_ns() - start_ns;
}

static void bench_append(struct world *w)
{
    double resident_before = resident_bytes();
    uint64_t dice_ns = cost_of_the_dice(w);
    uint64_t start_ns = clock_now_ns();
    add_samples(w);
    uint64_t total_ns = clock_now_ns() - start_ns;
    double append_ns = (double)(total_ns > dice_ns ? total_ns - dice_ns : 1);
    print(w->shape, "append", N_SAMPLES / append_ns * 1000, "million samples/s");
    struct store_memory memory = store_memory(w->store);
    print(w->shape, "rows", (double)memory.rows_bytes / N_SAMPLES, "bytes/sample");
    print(w->shape, "resident", (resident_bytes() - resident_before) / N_SAMPLES, "bytes/sample");
    print(w->shape, "stack_tree", (double)memory.stacks_bytes / 1e6, "MB");
    print(w->shape, "stack_nodes", atomic_load(&w->store->stacks.n_nodes), "nodes");
}

// ---- The questions -----------------------------------------------------------------------------

// The best of several: what the work costs, not what else the machine does.
#define BEST_MS(statement)                                                                         \
    __extension__({                                                                                \
        double best_ms_ = 1e9;                                                                     \
        for (int repeat_ = 0; repeat_ < REPEATS; repeat_++) {                                      \
            uint64_t start_ns_ = clock_now_ns();                                                   \
            statement;                                                                             \
            best_ms_ = MIN(best_ms_, ms_since(start_ns_));                                         \
        }                                                                                          \
        best_ms_;                                                                                  \
    })

static void ask_top(struct world *w, enum answer_mode mode)
{
    struct top_params params = {.mode = mode, .limit = 20};
    struct top top;
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons, &params);
    ASSERT(top.entries.n == 20);
    top_fini(&top);
}

static void ask_flame(struct world *w, struct flame_params params)
{
    struct flame flame;
    flame_make(&flame, &w->tree, &w->fold, w->store, &w->reasons, &params);
    ASSERT(flame.nodes.n > 1);
    flame_fini(&flame);
}

// The one that the most stacks lead to.
static function_id busiest_function(const struct world *w)
{
    uint32_t *n = NEW_ARRAY(uint32_t, w->names.functions.n);
    function_id busiest = 0;
    for (node_id id = 1; id < w->tree.nodes.n; id++) {
        function_id function = w->tree.nodes.at[id].function;
        n[function]++;
        busiest = n[function] > n[busiest] ? function : busiest;
    }
    free(n);
    return busiest;
}

static void ask_neighbors(struct world *w, function_id function, struct flame_params params)
{
    struct neighbors neighbors;
    neighbors_make(&neighbors, &w->tree, &w->fold, w->store, &w->reasons, function, &params);
    ASSERT(neighbors.callers.nodes.at[0].total_samples > 0);
    neighbors_fini(&neighbors);
}

static void ask_threads(struct world *w)
{
    struct threads_answer threads;
    threads_make(&threads, &w->tree, &w->fold, w->store, &w->reasons, 0);
    ASSERT(threads.entries.n == w->shape->n_threads);
    threads_fini(&threads);
}

static void bench_answers(struct world *w)
{
    struct flame_params pruned = {.max_depth = 12, .min_share = 0.01};
    struct flame_params large = {.max_nodes = 50000};
    print(w->shape, "top", BEST_MS(ask_top(w, MODE_ON_CPU)), "ms");
    print(w->shape, "flame_depth_12_share_1", BEST_MS(ask_flame(w, pruned)), "ms");
    print(w->shape, "flame_50000_nodes", BEST_MS(ask_flame(w, large)), "ms");
    function_id busiest = busiest_function(w);
    print(w->shape, "neighbors_depth_12_share_1", BEST_MS(ask_neighbors(w, busiest, pruned)), "ms");
    print(w->shape, "neighbors_50000_nodes", BEST_MS(ask_neighbors(w, busiest, large)), "ms");
    print(w->shape, "threads", BEST_MS(ask_threads(w)), "ms");
    w->store->has_switches = true; // each thread's samples weigh differently now
    print(w->shape, "top_exact", BEST_MS(ask_top(w, MODE_ON_CPU)), "ms");
    print(w->shape, "flame_exact_depth_12_share_1", BEST_MS(ask_flame(w, pruned)), "ms");
    print(w->shape, "flame_exact_50000_nodes", BEST_MS(ask_flame(w, large)), "ms");
    print(w->shape, "threads_exact", BEST_MS(ask_threads(w)), "ms");
}

static void bench_off_cpu_answers(struct world *w)
{
    struct flame_params large = {.max_nodes = 50000, .mode = MODE_OFF_CPU};
    uint64_t start_ns = clock_now_ns();
    ask_top(w, MODE_OFF_CPU);
    print(w->shape, "off_cpu_first_top", ms_since(start_ns), "ms"); // finds the reasons
    print(w->shape, "off_cpu_top", BEST_MS(ask_top(w, MODE_OFF_CPU)), "ms");
    print(w->shape, "off_cpu_flame_50000_nodes", BEST_MS(ask_flame(w, large)), "ms");
    print(w->shape, "off_cpu_threads", BEST_MS(ask_threads(w)), "ms");
}

static void fold_once(const struct store *store, struct names *names, const struct view *view)
{
    struct view copy;
    view_copy(&copy, view);
    struct fold fold;
    fold_init(&fold, &copy);
    ASSERT(fold_advance(&fold, store, names, UINT64_MAX));
    ASSERT(fold.n_samples + fold.blocked_ns > 0);
    fold_settle(&fold, store, names);
    fold_fini(&fold);
}

static void bench_folds(struct world *w)
{
    const struct store *store = w->store;
    struct names *names = &w->names;
    struct view all = {0};
    struct view tid = {.has_tid = true, .tid = 7};
    struct view half = {.has_time_range = true, .start_ns = 1, .end_ns = N_SAMPLES * 50ULL};
    struct view exclude = {0};
    struct view only = {0};
    vec_push(&exclude.exclude, view_symbol_new(names->functions.at[9].name, NULL));
    for (size_t i = 0; i < LIMIT_EXCLUDED_SYMBOLS; i++) {
        vec_push(&only.only, view_symbol_new(names->functions.at[9 + i].name, NULL));
    }
    print(w->shape, "fold_everything", BEST_MS(fold_once(store, names, &all)), "ms");
    print(w->shape, "fold_one_thread", BEST_MS(fold_once(store, names, &tid)), "ms");
    print(w->shape, "fold_half_the_time", BEST_MS(fold_once(store, names, &half)), "ms");
    print(w->shape, "fold_without_one_function", BEST_MS(fold_once(store, names, &exclude)), "ms");
    print(w->shape, "fold_only_256_functions", BEST_MS(fold_once(store, names, &only)), "ms");
    view_fini(&exclude);
    view_fini(&only);
}

// ---- The whole ---------------------------------------------------------------------------------

static void world_init(struct world *w, const struct shape *shape)
{
    *w = (struct world){
        .shape = shape,
        .store = store_new(0, 0, 1000000),
        .stacks = NEW_ARRAY(stack_id, shape->n_stacks),
    };
    fake_library_init(&w->library);
    make_stacks(w);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    struct view view = {0};
    fold_init(&w->fold, &view);
}

static void world_fini(struct world *w)
{
    fold_fini(&w->fold);
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    free(w->stacks);
    fake_library_fini(&w->library);
    store_free(w->store);
}

static void fold_everything(struct world *w)
{
    fold_advance(&w->fold, w->store, &w->names, UINT64_MAX);
    fold_settle(&w->fold, w->store, &w->names);
}

static void bench_samples(const struct shape *shape)
{
    struct world w;
    world_init(&w, shape);
    bench_append(&w);
    uint64_t start_ns = clock_now_ns();
    calltree_refresh(&w.tree);
    print(shape, "calltree", ms_since(start_ns), "ms");
    print(shape, "calltree_nodes", (double)w.tree.nodes.n, "nodes");
    bench_folds(&w);
    fold_everything(&w);
    bench_answers(&w);
    world_fini(&w);
}

static void bench_waits(const struct shape *shape)
{
    struct world w;
    world_init(&w, shape);
    w.store->has_switches = true;
    add_waits(&w);
    calltree_refresh(&w.tree);
    struct view all = {0};
    struct view half = {.has_time_range = true, .start_ns = 1, .end_ns = N_WAITS * 250ULL};
    print(shape, "off_cpu_fold_everything", BEST_MS(fold_once(w.store, &w.names, &all)), "ms");
    print(shape, "off_cpu_fold_half_the_time", BEST_MS(fold_once(w.store, &w.names, &half)), "ms");
    fold_everything(&w);
    bench_off_cpu_answers(&w);
    world_fini(&w);
}

int main(void)
{
    bench_samples(&worst);
    bench_waits(&worst);
    bench_samples(&ordinary);
    bench_waits(&ordinary);
    return 0;
}
