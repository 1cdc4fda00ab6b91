// What it costs to say where in a function the samples are, and which function somebody means:
// what each tick of a subscription to annotated code does. 100,000 distinct stacks of about 30
// frames in 3,000 functions, 64 threads. Prints `name value unit` lines: the median, in
// CPU time.
//
// Every thread is in every stack, as in bench_query.c: there are as many pairs of the two as there
// can be. Lines that begin with `ordinary_`: each thread does mostly something of its own.

#include "query/fake_library.h"
#include "query/find_function.h"
#include "query/function_heat.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

enum {
    N_SAMPLES = 10000000,
    N_STACKS = 100000,
    N_THREADS = 64,
    DEPTH = 30,
    N_FUNCTIONS = 3000,
    SYMBOL_BYTES = 256,
    REPEATS = 9,
};

static uint64_t random_state = 1;

static uint64_t dice(uint64_t sides)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (random_state >> 33) % sides;
}

struct world {
    struct store *store;
    struct library library;
    stack_id *stacks;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct fold fold;
};

// ---- The run -----------------------------------------------------------------------------------

static struct symtab *make_table(void)
{
    struct symtab_builder *builder = symtab_builder_new();
    struct symtab_segment code = {.size = N_FUNCTIONS * SYMBOL_BYTES, .executable = true};
    symtab_builder_add_segment(builder, &code);
    for (uint32_t i = 0; i < N_FUNCTIONS; i++) {
        char name[64];
        snprintf(name, sizeof name, "_Zsome::space::function_%u(int, char*)", i);
        symtab_builder_add(builder, i * SYMBOL_BYTES, SYMBOL_BYTES, slice_of_text(name),
                           slice_of_text(""), SYMBOL_GLOBAL);
    }
    return symtab_builder_finish(builder);
}

// Frame 0 is the same in all: a main function, below which everything happens.
static stack_id make_stack(struct store *store, image_id image)
{
    stack_id stack = STACK_ROOT;
    uint64_t path = 0;
    bool cut = false;
    uint64_t depth = DEPTH - 10 + dice(20);
    for (uint64_t i = 0; i < depth; i++) {
        path = hash_pair(path, dice(i % 3 == 0 ? 2 : 1) + (i > depth - 4 ? dice(40) : 0));
        uint64_t function = i == 0 ? 0 : path % N_FUNCTIONS;
        uint64_t off = function * SYMBOL_BYTES + path / 7 % 4 * 16;
        struct frame_row frame = {.off = off, .image = image, .leaf = i + 1 == depth};
        stack = stacks_push(&store->stacks, stack, stacks_frame(&store->stacks, &frame), &cut);
    }
    return stack;
}

// The product of two: small indices are the likely ones.
static stack_id any_stack(const struct world *w, thread_id thread, bool separate)
{
    uint64_t few = dice(N_STACKS);
    uint64_t one = few * dice(N_STACKS) / N_STACKS;
    if (separate && dice(8) > 0) {
        one = one / N_THREADS * N_THREADS + thread;
    }
    return w->stacks[MIN(one, (uint64_t)N_STACKS - 1)];
}

static struct world *world_new(bool separate)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1000);
    w->store->has_switches = true;
    w->stacks = NEW_ARRAY(stack_id, N_STACKS);
    fake_library_init(&w->library);
    struct image_row row = {.path = strings_add(&w->store->strings, slice_of_text("/bin/program")),
                            .library = fake_library_add(&w->library, IMAGE_FILE)};
    image_id image = store_add_image(w->store, &row);
    fake_library_publish(&w->library, 0, make_table());
    for (uint32_t i = 0; i < N_THREADS; i++) {
        store_add_thread(w->store, 1, i + 1, 0, 0, 0);
    }
    for (size_t i = 0; i < N_STACKS; i++) {
        w->stacks[i] = make_stack(w->store, image);
    }
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        thread_id thread = (thread_id)dice(N_THREADS);
        store_add_sample(w->store, i * 100, thread, any_stack(w, thread, separate));
    }
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    struct view view = {0};
    fold_init(&w->fold, &view);
    calltree_refresh(&w->tree);
    while (!fold_advance(&w->fold, w->store, &w->names, UINT64_MAX)) {
    }
    fold_settle(&w->fold, w->store, &w->names);
    return w;
}

static void world_free(struct world *w)
{
    fold_fini(&w->fold);
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w->stacks);
    free(w);
}

// ---- Questions ---------------------------------------------------------------------------------

// Of this thread: on a busy machine a tick costs no more.
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *prefix, const char *name, double *ms)
{
    char whole[64];
    qsort(ms, REPEATS, sizeof *ms, compare_times);
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    printf("%-36s %10.2f ms\n", whole, ms[REPEATS / 2]);
}

static function_id measure_find(struct world *w, const char *prefix, const char *what,
                                const struct function_target *target, enum find_order order)
{
    double ms[REPEATS];
    function_id id = FUNCTION_NONE;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start_ns = cpu_ns();
        struct found_functions found;
        find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons, target, order);
        id = found.fit.at[0].id;
        found_functions_fini(&found);
        ms[i] = (double)(cpu_ns() - start_ns) / NS_PER_MS;
    }
    print(prefix, what, ms);
    return id;
}

static void measure_heat(struct world *w, const char *prefix, const char *what, function_id id)
{
    double ms[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start_ns = cpu_ns();
        struct function_heat heat;
        function_heat_make(&heat, &w->tree, &w->fold, w->store, &w->reasons, id);
        function_heat_fini(&heat);
        ms[i] = (double)(cpu_ns() - start_ns) / NS_PER_MS;
    }
    print(prefix, what, ms);
}

static void measure(const char *prefix, bool separate)
{
    struct world *w = world_new(separate);
    struct function_target everything = {.name = (char *)(uintptr_t) "function_0("};
    struct function_target any = {.name = (char *)(uintptr_t) "function"};
    printf("%-36s %10zu stacks in %zu places of calls\n", "stacks", w->fold.running.at.n,
           w->tree.of_stack.n);
    function_id main_id = measure_find(w, prefix, "find_by_name", &everything, FIND_BY_TOTAL);
    function_id hot_id = measure_find(w, prefix, "find_hottest", &any, FIND_BY_SELF);
    struct function_target by_address = {.address = names_function(&w->names, hot_id)->addr + 1};
    measure_find(w, prefix, "find_by_address", &by_address, FIND_BY_SELF);
    measure_heat(w, prefix, "heat_of_hottest", hot_id);
    measure_heat(w, prefix, "heat_of_outermost", main_id);
    world_free(w);
}

int main(void)
{
    measure("", false);
    measure("ordinary_", true);
    return 0;
}
