// What a browser costs the server: a page with a call tree (4 times a second), a table of functions
// and a timeline (twice), and a list of threads (once), all live, of a run of ten million samples.
// 32 threads at 900 Hz, stacks of about 30 frames from 60,000 different ones, drawn with the skew
// of real programs (Zipf), by each thread from its own part of them or, seldom, from all; each
// thread waits some 30 times a second. Prints `name value unit` lines: medians, CPU time of what
// the query thread does from the new rows to the JSON, and bytes of the messages.
//
// Lines that begin with `wall_` are of a page that shows the wall clock: with waits, and more to
// send. `cpu`: all that a page asks for in one second, of one CPU.

#include "image/library.h"
#include "run/run.h"
#include "server/answers.h"
#include "server/sent.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum {
    N_SAMPLES = 10000000,
    N_WAITS = 1000000,
    N_STACKS = 60000,
    N_WAITING_STACKS = 500,
    N_THREADS = 32,
    N_FUNCTIONS = 3000,
    SYMBOL_BYTES = 256,
    DEPTH = 30,
    TICK_MS = 250,
    TICK_SAMPLES = N_THREADS * 900 / 4,
    TICK_WAITS = TICK_SAMPLES / 30,
    TICKS = 40,
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
    struct run *run;
    struct analysis *analysis;
    stack_id *stacks;
    uint64_t now_ns;
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

// Frame 0 is the same in all: a main function, below which everything happens. The outer half has
// few ways, the inner ones part.
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

// The k-th hottest is taken in proportion to 1/k.
static stack_id any_stack(const struct world *w, thread_id thread)
{
    double u = (double)dice(1 << 30) / (1 << 30);
    uint64_t k = (uint64_t)exp(u * log(N_STACKS)) - 1;
    if (dice(8) > 0) {
        k = k / N_THREADS * N_THREADS + thread;
    }
    return w->stacks[MIN(k, (uint64_t)N_STACKS - 1)];
}

// Programs wait in few places, and in each for one reason.
static void add_wait(struct world *w)
{
    thread_id thread = (thread_id)dice(N_THREADS);
    uint64_t duration_ns = 1000 + dice(NS_PER_MS);
    uint64_t place = dice(N_WAITING_STACKS) * dice(N_WAITING_STACKS) / N_WAITING_STACKS;
    store_add_interval(w->store, &(struct interval){.start_ns = w->now_ns - duration_ns,
                                                    .duration_ns = duration_ns,
                                                    .reason = (uint8_t)(place % EVENT_REASON_COUNT),
                                                    .thread = thread,
                                                    .stack = w->stacks[place * 7]});
}

static void go_on(struct world *w, uint64_t n_samples, uint64_t n_waits)
{
    uint64_t step_ns = NS_PER_S / (N_THREADS * 900);
    for (uint64_t i = 0; i < n_samples; i++) {
        thread_id thread = (thread_id)dice(N_THREADS);
        w->now_ns += step_ns;
        store_add_sample(w->store, w->now_ns, thread, any_stack(w, thread));
        if (i * n_waits / n_samples != (i + 1) * n_waits / n_samples) {
            add_wait(w);
        }
    }
    atomic_store(&w->store->last_ns, w->now_ns);
}

static void on_inlined(void *context)
{
    (void)context;
}

static struct world *world_new(void)
{
    struct world *w = NEW(struct world);
    w->now_ns = NS_PER_S;
    w->store = store_new(w->now_ns, 0, NS_PER_S / 900);
    w->store->has_switches = true;
    w->stacks = NEW_ARRAY(stack_id, N_STACKS);
    library_init_saved(&w->library);
    struct image_identity identity = {.kind = IMAGE_FILE, .path = slice_of_text("/bin/program")};
    struct saved_names names = {.symtab = make_table(), .n_symbols = N_FUNCTIONS};
    struct image_row row = {.path = strings_add(&w->store->strings, identity.path),
                            .library = library_add_saved(&w->library, &identity, &names)};
    image_id image = store_add_image(w->store, &row);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        store_add_thread(w->store, 1, i + 1, 0, w->now_ns, 0);
    }
    for (size_t i = 0; i < N_STACKS; i++) {
        w->stacks[i] = make_stack(w->store, image);
    }
    w->run = NEW(struct run); // what answers look at
    w->run->store = w->store;
    w->run->library = &w->library;
    atomic_store(&w->run->state, RUN_RECORDING);
    w->analysis = analysis_new(w->run, on_inlined, NULL);
    go_on(w, N_SAMPLES, N_WAITS);
    return w;
}

static void world_free(struct world *w)
{
    analysis_free(w->analysis);
    library_fini(&w->library);
    store_free(w->store);
    free(w->run);
    free(w->stacks);
    free(w);
}

// ---- Panels ------------------------------------------------------------------------------------

struct panel {
    const char *name;
    enum question_kind kind;
    void (*answer)(struct text *to, struct analysis *analysis, const struct question *question);
    int every; // so many ticks
    struct question *question;
    double first_ms;
    size_t first_bytes;
    double ms[TICKS];
    size_t bytes[TICKS];
    size_t n;
};

// Of this thread: on a busy machine a tick costs no more.
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void panel_init(struct panel *panel, struct world *w, enum answer_mode mode)
{
    struct question *question = question_new(panel->kind, w->run);
    question->params.top = (struct top_params){.mode = mode, .limit = 200};
    question->params.flame = (struct flame_params){
        .mode = mode, .max_nodes = RPC_DEFAULT_LIVE_NODES, .min_share = 0};
    question->params.buckets = 400;
    question->params.threads = 20;
    question->sent = sent_new();
    question->kept = analysis_borrow(w->analysis, &question->view);
    analysis_want(question->kept, panel->kind);
    panel->question = question;
}

static void ask(struct panel *panel, struct world *w, double *ret_ms, size_t *ret_bytes)
{
    struct question *question = panel->question;
    uint64_t start_ns = cpu_ns();
    while (!analysis_advance(w->analysis, question->kept, false, UINT64_MAX)) {
    }
    question->result.n = 0;
    panel->answer(&question->result, w->analysis, question);
    *ret_ms = (double)(cpu_ns() - start_ns) / NS_PER_MS;
    *ret_bytes = question->result.n;
}

// ---- Figures -----------------------------------------------------------------------------------

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int compare_sizes(const void *a, const void *b)
{
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *prefix, const char *panel, const char *what, double value,
                  const char *unit)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s%s_%s", prefix, panel, what);
    printf("%-36s %10.2f %s\n", whole, value, unit);
}

static void tell(struct panel *panel, const char *prefix)
{
    qsort(panel->ms, panel->n, sizeof *panel->ms, compare_times);
    qsort(panel->bytes, panel->n, sizeof *panel->bytes, compare_sizes);
    print(prefix, panel->name, "tick", panel->ms[panel->n / 2], "ms");
    print(prefix, panel->name, "message", (double)panel->bytes[panel->n / 2] / 1000, "KB");
    print(prefix, panel->name, "first_message", (double)panel->first_bytes / 1000, "KB");
}

static void show_page(struct world *w, const char *prefix, enum answer_mode mode)
{
    struct panel panels[] = {
        {.name = "tree", .kind = QUESTION_LIVE_TREE, .answer = answer_live_tree, .every = 1},
        {.name = "top", .kind = QUESTION_LIVE_TOP, .answer = answer_live_top, .every = 2},
        {.name = "timeline",
         .kind = QUESTION_LIVE_TIMELINE,
         .answer = answer_live_timeline,
         .every = 2},
        {.name = "threads", .kind = QUESTION_THREADS, .answer = answer_threads, .every = 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(panels); i++) {
        panel_init(&panels[i], w, mode);
        ask(&panels[i], w, &panels[i].first_ms, &panels[i].first_bytes);
    }
    double sum_ms = 0;
    for (int tick = 0; tick < TICKS; tick++) {
        go_on(w, TICK_SAMPLES, TICK_WAITS);
        for (size_t i = 0; i < ARRAY_LEN(panels); i++) {
            struct panel *panel = &panels[i];
            if (tick % panel->every == 0) {
                ask(panel, w, &panel->ms[panel->n], &panel->bytes[panel->n]);
                sum_ms += panel->ms[panel->n++];
            }
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(panels); i++) {
        tell(&panels[i], prefix);
        analysis_release(w->analysis, panels[i].question->kept);
        question_free(panels[i].question);
    }
    print(prefix, "page", "cpu", 100 * sum_ms / (TICKS * TICK_MS), "%");
}

int main(void)
{
    struct world *w = world_new();
    show_page(w, "", MODE_ON_CPU);
    show_page(w, "wall_", MODE_WALL);
    world_free(w);
    return 0;
}
