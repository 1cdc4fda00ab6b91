// What the queries cost over ten million samples of a program of ordinary shape: 30,000 distinct
// stacks of about 30 frames in 3,000 functions, 64 threads, and a few stacks that take most of the
// time. Prints `name value unit` lines.

#include "query/answers.h"
#include "query/fake_library.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum {
    N_SAMPLES = 10000000,
    N_STACKS = 30000,
    DEPTH = 30,
    N_FUNCTIONS = 3000,
    N_THREADS = 64,
    SYMBOL_BYTES = 256,
    REPEATS = 5,
};

static uint64_t random_state = 1;

static uint64_t dice(uint64_t sides)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (random_state >> 33) % sides;
}

static void print(const char *name, double value, const char *unit)
{
    printf("%-32s %10.2f %s\n", name, value, unit);
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

static void make_stacks(struct store *store, struct library *library, stack_id *stacks)
{
    image_id image = store_add_image(
        store, &(struct image_row){
                   .path = strings_add(&store->strings, slice_of_text("/usr/bin/program")),
                   .library = fake_library_add(library, IMAGE_FILE),
               });
    fake_library_publish(library, 0, make_table());
    for (uint32_t i = 0; i < N_THREADS; i++) {
        store_add_thread(store, 1, i + 1, 0, 0, 0);
    }
    for (size_t i = 0; i < N_STACKS; i++) {
        stacks[i] = make_stack(store, image);
    }
}

static void add_samples(struct store *store, const stack_id *stacks)
{
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        uint64_t few = dice(N_STACKS); // the product of two: small indices are the likely ones
        store_add_sample(store, i * 100, (thread_id)dice(N_THREADS),
                         stacks[few * dice(N_STACKS) / N_STACKS]);
    }
}

static uint64_t cost_of_the_dice(const stack_id *stacks)
{
    volatile uint64_t sink = 0;
    uint64_t start_ns = clock_now_ns();
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        uint64_t few = dice(N_STACKS);
        sink += dice(N_THREADS) + stacks[few * dice(N_STACKS) / N_STACKS];
    }
    return clock_now_ns() - start_ns;
}

static void bench_append(struct store *store, const stack_id *stacks)
{
    double resident_before = resident_bytes();
    uint64_t dice_ns = cost_of_the_dice(stacks);
    uint64_t start_ns = clock_now_ns();
    add_samples(store, stacks);
    uint64_t total_ns = clock_now_ns() - start_ns;
    double append_ns = (double)(total_ns > dice_ns ? total_ns - dice_ns : 1);
    print("append", N_SAMPLES / append_ns * 1000, "million samples/s");
    struct store_memory memory = store_memory(store);
    print("rows", (double)memory.rows_bytes / N_SAMPLES, "bytes/sample");
    print("resident", (resident_bytes() - resident_before) / N_SAMPLES, "bytes/sample");
    print("stack_tree", (double)memory.stacks_bytes / 1e6, "MB");
    print("stack_nodes", atomic_load(&store->stacks.n_nodes), "nodes");
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

static void ask_top(const struct calltree *tree, const struct fold *fold, const struct store *store)
{
    struct top top;
    top_make(&top, tree, fold, store, TOP_SELF, 20);
    ASSERT(top.entries.n == 20);
    top_fini(&top);
}

static void ask_flame(const struct calltree *tree, const struct fold *fold,
                      const struct store *store, struct flame_params params)
{
    struct flame flame;
    flame_make(&flame, tree, fold, store, &params);
    ASSERT(flame.nodes.n > 1);
    flame_fini(&flame);
}

static void ask_threads(const struct calltree *tree, const struct fold *fold,
                        const struct store *store)
{
    struct threads_answer threads;
    threads_make(&threads, fold, tree, store, 0);
    ASSERT(threads.entries.n == N_THREADS);
    threads_fini(&threads);
}

static void bench_answers(const struct calltree *tree, const struct fold *fold,
                          const struct store *store)
{
    struct flame_params pruned = {.max_depth = 12, .min_share = 0.01};
    struct flame_params large = {.max_nodes = 50000};
    print("top", BEST_MS(ask_top(tree, fold, store)), "ms");
    print("flame_depth_12_share_1", BEST_MS(ask_flame(tree, fold, store, pruned)), "ms");
    print("flame_50000_nodes", BEST_MS(ask_flame(tree, fold, store, large)), "ms");
    print("threads", BEST_MS(ask_threads(tree, fold, store)), "ms");
}

static void fold_once(const struct store *store, struct names *names, const struct view *view)
{
    struct view copy;
    view_copy(&copy, view);
    struct fold fold;
    fold_init(&fold, &copy);
    ASSERT(fold_advance(&fold, store, names, UINT64_MAX));
    ASSERT(fold.n_samples > 0);
    fold_fini(&fold);
}

static void bench_folds(const struct store *store, struct names *names)
{
    struct view all = {0};
    struct view tid = {.has_tid = true, .tid = 7};
    struct view half = {.has_time_range = true, .start_ns = 1, .end_ns = N_SAMPLES * 50ULL};
    struct view exclude = {0};
    vec_push(&exclude.exclude, (struct view_symbol){
                                   .function_name = alloc_text(names->functions.at[9].name,
                                                               strlen(names->functions.at[9].name)),
                               });
    print("fold_everything", BEST_MS(fold_once(store, names, &all)), "ms");
    print("fold_one_thread", BEST_MS(fold_once(store, names, &tid)), "ms");
    print("fold_half_the_time", BEST_MS(fold_once(store, names, &half)), "ms");
    print("fold_without_one_function", BEST_MS(fold_once(store, names, &exclude)), "ms");
    view_fini(&exclude);
}

int main(void)
{
    struct store *store = store_new(0, 0, 1000000);
    struct library library;
    fake_library_init(&library);
    stack_id *stacks = NEW_ARRAY(stack_id, N_STACKS);
    make_stacks(store, &library, stacks);
    bench_append(store, stacks);

    struct names names;
    struct calltree tree;
    names_init(&names, store, &library);
    calltree_init(&tree, &names);
    uint64_t start_ns = clock_now_ns();
    calltree_refresh(&tree);
    print("calltree", ms_since(start_ns), "ms");
    print("calltree_nodes", (double)tree.nodes.n, "nodes");
    bench_folds(store, &names);
    struct view view = {0};
    struct fold fold;
    fold_init(&fold, &view);
    fold_advance(&fold, store, &names, UINT64_MAX);
    bench_answers(&tree, &fold, store);

    fold_fini(&fold);
    calltree_fini(&tree);
    names_fini(&names);
    free(stacks);
    fake_library_fini(&library);
    store_free(store);
    return 0;
}
