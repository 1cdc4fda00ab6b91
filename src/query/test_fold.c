// A short run whose every nanosecond is known:
//
//     ns      0      100    200  230  300    400    500           700    900  1000
//     A (11)  ├ runs ┤ lock ┤ready┤ runs ┤ ready ┤ runs ┤ sleeps ─────────────── (not over)
//     B (12)         ├─────── runs ──────────────┤ reads a pipe ──┤ runs ┤ (ended)
//     C (13)         of another program: woke A, and was woken
//
//     samples of A   10 work · 20 work · 30 work · 40 take · 250 work · 450 main (called by work)
//
// A's first 1000 ns have 270 on a CPU and six samples: each stands for 45. B has no sample.

#include "base/text.h"
#include "query/answers.h"
#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STARTED_NS = 1000, SYMBOL_BYTES = 16, NO_REASON = REASON_BY_STACK };

static const char *const program[] = {"main", "work", "take", "doze", "serve", "odd", NULL};
static const char *const kernel[] = {"schedule",  "do_futex",     "hrtimer_nanosleep",
                                     "pipe_read", "strange_wait", NULL};

struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct fold fold;
    image_id program;
    image_id kernel;
    thread_id a;
    thread_id b;
    thread_id c;
};

// ---- The run -----------------------------------------------------------------------------------

static image_id add_image(struct world *w, enum image_row_kind kind, const char *path,
                          const char *const *functions)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &(struct symtab_segment){.size = 0x1000});
    for (uint64_t i = 0; functions[i] != NULL; i++) {
        symtab_builder_add(builder, i * SYMBOL_BYTES, SYMBOL_BYTES, slice_of_text(functions[i]),
                           slice_of_text(""), SYMBOL_GLOBAL);
    }
    enum image_kind library_kind = kind == IMAGE_ROW_KERNEL ? IMAGE_KERNEL : IMAGE_FILE;
    uint32_t id = fake_library_add(&w->library, library_kind);
    fake_library_publish(&w->library, id, symtab_builder_finish(builder));
    return store_add_image(
        w->store, &(struct image_row){.kind = kind,
                                      .path = strings_add(&w->store->strings, slice_of_text(path)),
                                      .library = id});
}

static bool find_function(const char *const *functions, struct slice name, uint64_t *ret_off)
{
    for (uint64_t i = 0; functions[i] != NULL; i++) {
        if (strlen(functions[i]) == name.n && memcmp(functions[i], name.data, name.n) == 0) {
            *ret_off = i * SYMBOL_BYTES;
            return true;
        }
    }
    return false;
}

// Of "main;work;…", from the outermost on.
static stack_id stack_of(struct world *w, const char *text)
{
    stack_id stack = STACK_ROOT;
    bool cut = false;
    while (*text != 0) {
        size_t n = strcspn(text, ";");
        struct slice name = {(const uint8_t *)text, n};
        struct frame_row frame = {.image = w->program};
        if (!find_function(program, name, &frame.off)) {
            frame.image = w->kernel;
            assert_true(find_function(kernel, name, &frame.off));
        }
        stack = stacks_push(&w->store->stacks, stack, stacks_frame(&w->store->stacks, &frame),
                            &cut);
        text += n + (text[n] == ';');
    }
    return stack;
}

static void add_stay(struct world *w, thread_id thread, uint64_t from_ns, uint64_t to_ns,
                     uint8_t reason, uint8_t flags, const char *stack)
{
    store_add_interval(w->store, &(struct interval){.start_ns = STARTED_NS + from_ns,
                                                    .duration_ns = to_ns - from_ns,
                                                    .reason = reason,
                                                    .flags = flags,
                                                    .thread = thread,
                                                    .stack = stack_of(w, stack)});
}

static void add_wakeup(struct world *w, uint64_t time_ns, thread_id wakee, thread_id waker)
{
    store_add_wakeup(
        w->store,
        &(struct wakeup){.time_ns = STARTED_NS + time_ns, .wakee = wakee, .waker = waker});
}

static void add_sample(struct world *w, uint64_t time_ns, const char *stack)
{
    store_add_sample(w->store, STARTED_NS + time_ns, w->a, stack_of(w, stack));
}

static void add_threads(struct world *w)
{
    struct strings *strings = &w->store->strings;
    w->a = store_add_thread(w->store, 10, 11, 0, STARTED_NS,
                            strings_add(strings, slice_of_text("a")));
    w->b = store_add_thread(w->store, 10, 12, 0, STARTED_NS + 100,
                            strings_add(strings, slice_of_text("b")));
    w->c = store_add_foreign_thread(w->store, 20, 13, 0, STARTED_NS + 100,
                                    strings_add(strings, slice_of_text("c")));
}

static void add_rows(struct world *w)
{
    static const uint64_t working_at[] = {10, 20, 30};
    for (size_t i = 0; i < ARRAY_LEN(working_at); i++) {
        add_sample(w, working_at[i], "main;work");
    }
    add_sample(w, 40, "main;take");
    add_wakeup(w, 200, w->a, w->c);
    add_stay(w, w->a, 100, 200, REASON_BY_STACK, 0, "main;take;do_futex;schedule");
    add_stay(w, w->a, 200, 230, 0, INTERVAL_RUNNABLE, "main;take;do_futex;schedule");
    add_sample(w, 250, "main;work");
    add_stay(w, w->a, 300, 400, 0, INTERVAL_RUNNABLE, "main;work");
    add_sample(w, 450, "main;work;main");
    store_set_off(w->store, w->a,
                  &(struct thread_off){
                      .since_ns = STARTED_NS + 500,
                      .reason = REASON_BY_STACK,
                      .stack = stack_of(w, "main;doze;hrtimer_nanosleep;schedule"),
                  });
    add_wakeup(w, 650, w->c, w->b);
    add_stay(w, w->b, 400, 700, EVENT_REASON_IPC, INTERVAL_APPROXIMATE, "serve;pipe_read;schedule");
    add_wakeup(w, 800, w->b, w->c);
    atomic_store(&store_thread_mut(w->store, w->b)->ended_ns, STARTED_NS + 900);
    atomic_store(&w->store->last_ns, STARTED_NS + 1000);
}

static void end_run(struct world *w)
{
    add_stay(w, w->a, 500, 1000, REASON_BY_STACK, INTERVAL_ENDED_BY_RUN,
             "main;doze;hrtimer_nanosleep;schedule");
    store_set_off(w->store, w->a, NULL);
    atomic_store(&w->store->ended_ns, STARTED_NS + 1000);
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(STARTED_NS, 0, 7);
    w->store->has_switches = true;
    fake_library_init(&w->library);
    w->program = add_image(w, IMAGE_ROW_FILE, "/bin/program", program);
    w->kernel = add_image(w, IMAGE_ROW_KERNEL, "[kernel]", kernel);
    add_threads(w);
    add_rows(w);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    fold_fini(&w->fold);
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
    return 0;
}

static void catch_up(struct world *w)
{
    calltree_refresh(&w->tree);
    while (!fold_advance(&w->fold, w->store, &w->names, 3)) {
    }
    fold_settle(&w->fold, w->store, &w->names);
    calltree_refresh(&w->tree);
}

// ---- Views -------------------------------------------------------------------------------------

struct expected {
    const char *what;
    uint32_t tid; // 0: all
    uint64_t start_ns;
    uint64_t end_ns; // 0: all of the time
    const char *exclude;
    const char *only;
    const char *focus;
    uint64_t samples;
    uint64_t a_on_cpu_ns;
    uint64_t b_on_cpu_ns;
    uint64_t unsampled_ns;
    uint64_t lock_ns; // all by A
    uint64_t sleep_ns;
    uint64_t ipc_ns; // by B
    uint64_t runnable_ns;
    uint64_t approximate_ns;
    uint64_t wakeups; // of A and B
};

static const struct expected views[] = {
    {.what = "all",
     .samples = 6,
     .a_on_cpu_ns = 270,
     .b_on_cpu_ns = 500,
     .unsampled_ns = 500,
     .lock_ns = 100,
     .sleep_ns = 500,
     .ipc_ns = 300,
     .runnable_ns = 130,
     .approximate_ns = 300,
     .wakeups = 2},
    {.what = "A",
     .tid = 11,
     .samples = 6,
     .a_on_cpu_ns = 270,
     .lock_ns = 100,
     .sleep_ns = 500,
     .runnable_ns = 130,
     .wakeups = 1},
    {.what = "B",
     .tid = 12,
     .b_on_cpu_ns = 500,
     .unsampled_ns = 500,
     .ipc_ns = 300,
     .approximate_ns = 300,
     .wakeups = 1},
    {.what = "another program's", .tid = 13},
    {.what = "cuts three waits",
     .start_ns = 150,
     .end_ns = 450,
     .samples = 1,
     .a_on_cpu_ns = 120,
     .b_on_cpu_ns = 250,
     .unsampled_ns = 250,
     .lock_ns = 50,
     .ipc_ns = 50,
     .runnable_ns = 130,
     .approximate_ns = 50,
     .wakeups = 1},
    {.what = "within the waits",
     .start_ns = 600,
     .end_ns = 700,
     .sleep_ns = 100,
     .ipc_ns = 100,
     .approximate_ns = 100},
    {.what = "longer than the run", .start_ns = 950, .end_ns = 5000, .sleep_ns = 50},
    {.what = "empty", .start_ns = 550, .end_ns = 550},
    {.what = "before B", .start_ns = 0, .end_ns = 50, .samples = 4, .a_on_cpu_ns = 50},
    {.what = "without the lock",
     .exclude = "take",
     .samples = 5,
     .a_on_cpu_ns = 225,
     .b_on_cpu_ns = 500,
     .unsampled_ns = 500,
     .sleep_ns = 500,
     .ipc_ns = 300,
     .runnable_ns = 100,
     .approximate_ns = 300,
     .wakeups = 2},
    {.what = "without what called it all",
     .exclude = "main",
     .b_on_cpu_ns = 500,
     .unsampled_ns = 500,
     .ipc_ns = 300,
     .approximate_ns = 300,
     .wakeups = 2},
    {.what = "without the server",
     .exclude = "serve",
     .samples = 6,
     .a_on_cpu_ns = 270,
     .b_on_cpu_ns = 500,
     .unsampled_ns = 500,
     .lock_ns = 100,
     .sleep_ns = 500,
     .runnable_ns = 130,
     .wakeups = 2},
    {.what = "the lock only: of B's time on a CPU, nobody knows",
     .only = "take",
     .samples = 1,
     .a_on_cpu_ns = 45,
     .lock_ns = 100,
     .runnable_ns = 30,
     .wakeups = 2},
    {.what = "the server only: it was never sampled",
     .focus = "serve",
     .ipc_ns = 300,
     .approximate_ns = 300,
     .wakeups = 2},
    {.what = "main without the lock",
     .only = "main",
     .exclude = "take",
     .samples = 5,
     .a_on_cpu_ns = 225,
     .sleep_ns = 500,
     .runnable_ns = 100,
     .wakeups = 2},
    {.what = "the lock, called by main",
     .only = "main",
     .focus = "take",
     .samples = 1,
     .a_on_cpu_ns = 45,
     .lock_ns = 100,
     .runnable_ns = 30,
     .wakeups = 2},
    {.what = "nothing is both", .only = "serve", .focus = "take", .wakeups = 2},
};

static void begin_fold(struct world *w, const struct expected *expected)
{
    struct view view = {
        .has_tid = expected->tid != 0,
        .tid = expected->tid,
        .has_time_range = expected->end_ns != 0,
        .start_ns = expected->start_ns,
        .end_ns = expected->end_ns,
    };
    if (expected->exclude != NULL) {
        vec_push(&view.exclude, view_symbol_new(expected->exclude, NULL));
    }
    if (expected->only != NULL) {
        vec_push(&view.only, view_symbol_new(expected->only, NULL));
    }
    view.focus = view_symbol_new(expected->focus, NULL);
    fold_fini(&w->fold);
    fold_init(&w->fold, &view);
}

static void check_off_cpu(const struct off_cpu *got, uint64_t lock_ns, uint64_t ipc_ns,
                          uint64_t sleep_ns)
{
    assert_int_equal(got->ns[EVENT_REASON_LOCK], lock_ns);
    assert_int_equal(got->ns[EVENT_REASON_IPC], ipc_ns);
    assert_int_equal(got->ns[EVENT_REASON_SLEEP], sleep_ns);
    assert_int_equal(off_cpu_total(got), lock_ns + ipc_ns + sleep_ns);
}

static void check_health(const struct health *got, const struct expected *expected)
{
    assert_int_equal(got->samples, expected->samples);
    assert_int_equal(got->unsampled_ns, expected->unsampled_ns);
    assert_int_equal(got->blocked_ns, expected->lock_ns + expected->ipc_ns + expected->sleep_ns);
    assert_int_equal(got->approximate_blocked_ns, expected->approximate_ns);
    assert_false(got->estimated);
}

static void check_threads(struct world *w, const struct expected *e)
{
    struct threads_answer answer;
    threads_make(&answer, &w->tree, &w->fold, w->store, &w->reasons, 0);
    check_health(&answer.health, e);
    assert_int_equal(answer.total_on_cpu_ns, e->a_on_cpu_ns + e->b_on_cpu_ns);
    assert_int_equal(answer.total_runnable_ns, e->runnable_ns);
    check_off_cpu(&answer.total_off_cpu, e->lock_ns, e->ipc_ns, e->sleep_ns);
    uint64_t wakeups = 0;
    for (size_t i = 0; i < answer.entries.n; i++) {
        const struct threads_entry *entry = &answer.entries.at[i];
        wakeups += entry->wakeups;
        assert_true(entry->tid == 11 || entry->tid == 12);
        if (entry->tid == 11) {
            assert_int_equal(entry->on_cpu_ns, e->a_on_cpu_ns);
            assert_int_equal(entry->samples, e->samples);
            assert_int_equal(entry->runnable_ns, e->runnable_ns);
            check_off_cpu(&entry->off_cpu, e->lock_ns, 0, e->sleep_ns);
        } else {
            assert_int_equal(entry->on_cpu_ns, e->b_on_cpu_ns);
            check_off_cpu(&entry->off_cpu, 0, e->ipc_ns, 0);
        }
        assert_true(i == 0 || entry[-1].on_cpu_ns >= entry->on_cpu_ns);
    }
    assert_int_equal(wakeups, e->wakeups);
    threads_fini(&answer);
}

// Over all functions, what they have themselves is all of the sampled time. Each is rounded.
static void check_functions(struct world *w, const struct expected *e)
{
    struct top top;
    struct top_params params = {0};
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons, &params);
    check_health(&top.health, e);
    uint64_t self_ns = 0;
    for (size_t i = 0; i < top.entries.n; i++) {
        self_ns += top.entries.at[i].self_on_cpu_ns;
        assert_in_range(top.entries.at[i].total_on_cpu_ns, 0, e->a_on_cpu_ns);
    }
    assert_in_range(self_ns + top.entries.n / 2, e->a_on_cpu_ns,
                    e->a_on_cpu_ns + top.entries.n / 2 * 2);
    assert_int_equal(top.total_on_cpu_ns, e->a_on_cpu_ns + e->unsampled_ns);
    top_fini(&top);

    params.mode = MODE_OFF_CPU;
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons, &params);
    struct off_cpu self = {0};
    for (size_t i = 0; i < top.entries.n; i++) {
        for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
            self.ns[reason] += top.entries.at[i].self_off_cpu.ns[reason];
        }
    }
    check_off_cpu(&self, e->lock_ns, e->ipc_ns, e->sleep_ns);
    top_fini(&top);
}

static void check_view(struct world *w, const struct expected *expected)
{
    begin_fold(w, expected);
    catch_up(w);
    check_threads(w, expected);
    check_functions(w, expected);
    struct total total;
    total_make(&total, &w->tree, &w->fold, w->store, &w->reasons);
    check_health(&total.health, expected);
    assert_int_equal(total.total_on_cpu_ns, expected->a_on_cpu_ns + expected->b_on_cpu_ns);
    catch_up(w); // nothing is counted twice
    check_threads(w, expected);
}

static void test_every_view_knows_its_times(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        print_message("  %s\n", views[i].what);
        check_view(w, &views[i]);
    }
}

// A wait that the end of the run has ended is as long as it was just before.
static void test_the_end_changes_nothing(void **state)
{
    struct world *w = *state;
    end_run(w);
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        print_message("  %s\n", views[i].what);
        check_view(w, &views[i]);
        assert_int_equal(w->fold.open.n, 0);
    }
}

static void test_a_wait_that_was_open_is_counted_once(void **state)
{
    struct world *w = *state;
    begin_fold(w, &views[0]);
    catch_up(w);
    assert_int_equal(w->fold.open.n, 1);
    uint64_t revision = w->fold.revision;
    catch_up(w);
    assert_int_equal(w->fold.revision, revision); // nothing has happened
    end_run(w);
    catch_up(w);
    assert_int_not_equal(w->fold.revision, revision);
    check_threads(w, &views[0]);
}

// ---- Functions ---------------------------------------------------------------------------------

static const struct top_entry *entry_of(const struct top *top, const char *name)
{
    for (size_t i = 0; i < top->entries.n; i++) {
        if (strcmp(top->entries.at[i].function->name, name) == 0) {
            return &top->entries.at[i];
        }
    }
    return NULL;
}

static void test_functions_share_their_threads_time(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name;
        uint64_t self_ns;
        uint64_t total_ns;
        uint64_t self_off_ns;
        uint64_t total_off_ns;
        uint64_t total_waits;
    } rows[] = {
        {"work", 180, 225, 0, 0, 0},
        {"main", 45, 270, 0, 600, 2}, // calls itself: once
        {"take", 45, 45, 0, 100, 1},
    };
    begin_fold(w, &views[0]);
    catch_up(w);
    struct top top;
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons, &(struct top_params){0});
    assert_int_equal(top.entries.n, ARRAY_LEN(rows)); // what only waits is not among them
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct top_entry *entry = &top.entries.at[i];
        assert_string_equal(entry->function->name, rows[i].name);
        assert_int_equal(entry->self_on_cpu_ns, rows[i].self_ns);
        assert_int_equal(entry->total_on_cpu_ns, rows[i].total_ns);
        assert_int_equal(off_cpu_total(&entry->self_off_cpu), rows[i].self_off_ns);
        assert_int_equal(off_cpu_total(&entry->total_off_cpu), rows[i].total_off_ns);
        assert_int_equal(entry->total_waits, rows[i].total_waits);
    }
    top_fini(&top);
}

static void test_functions_that_wait(void **state)
{
    struct world *w = *state;
    begin_fold(w, &views[0]);
    catch_up(w);
    static const char *const by_self[] = {"hrtimer_nanosleep", "pipe_read", "do_futex"};
    struct top top;
    struct top_params params = {.mode = MODE_OFF_CPU, .limit = ARRAY_LEN(by_self)};
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons, &params);
    assert_int_equal(top.n_functions, 7); // and their callers: main, take, doze, serve
    assert_int_equal(top.entries.n, ARRAY_LEN(by_self));
    for (size_t i = 0; i < ARRAY_LEN(by_self); i++) {
        assert_string_equal(top.entries.at[i].function->name, by_self[i]);
        assert_int_equal(top.entries.at[i].self_waits, 1);
    }
    top_fini(&top);

    static const char *const sleepers[] = {"hrtimer_nanosleep", "doze", "main"};
    params = (struct top_params){
        .sort = TOP_TOTAL, .mode = MODE_OFF_CPU, .has_reason = true, .reason = EVENT_REASON_SLEEP};
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons, &params);
    check_off_cpu(&top.total_off_cpu, 0, 0, 500);
    assert_int_equal(top.entries.n, ARRAY_LEN(sleepers));
    for (size_t i = 0; i < ARRAY_LEN(sleepers); i++) {
        assert_string_equal(top.entries.at[i].function->name, sleepers[i]);
        check_off_cpu(&top.entries.at[i].total_off_cpu, 0, 0, 500);
    }
    assert_int_equal(entry_of(&top, "main")->total_on_cpu_ns, 270);
    top_fini(&top);
}

static void test_functions_of_the_wall_clock(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name;
        uint64_t total_ns; // on a CPU or off it
    } rows[] = {{"main", 870},  {"hrtimer_nanosleep", 500},
                {"doze", 500},  {"pipe_read", 300},
                {"serve", 300}, {"work", 225},
                {"take", 145},  {"do_futex", 100}};
    begin_fold(w, &views[0]);
    catch_up(w);
    struct top top;
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons,
             &(struct top_params){.sort = TOP_TOTAL, .mode = MODE_WALL});
    assert_int_equal(top.n_functions, ARRAY_LEN(rows));
    assert_int_equal(top.entries.n, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct top_entry *entry = &top.entries.at[i];
        assert_string_equal(entry->function->name, rows[i].name);
        assert_int_equal(entry->total_on_cpu_ns + off_cpu_total(&entry->total_off_cpu),
                         rows[i].total_ns);
    }
    top_fini(&top);
}

// A function that waits, and waits again deeper inside, counts once.
static void test_recursive_waits_count_once(void **state)
{
    struct world *w = *state;
    add_stay(w, w->b, 900, 1000, EVENT_REASON_IPC, 0, "serve;odd;serve;odd;pipe_read;schedule");
    begin_fold(w, &views[2]);
    catch_up(w);
    struct top top;
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons,
             &(struct top_params){.mode = MODE_OFF_CPU});
    check_off_cpu(&entry_of(&top, "serve")->total_off_cpu, 0, 400, 0);
    assert_int_equal(entry_of(&top, "serve")->total_waits, 2);
    check_off_cpu(&entry_of(&top, "odd")->total_off_cpu, 0, 100, 0);
    top_fini(&top);
}

// ---- Flamegraph --------------------------------------------------------------------------------

// "name on_cpu off, …" with a dot per level.
static void describe(struct text *to, const struct flame *flame)
{
    uint32_t depths[32] = {0};
    assert_true(flame->nodes.n < ARRAY_LEN(depths));
    for (size_t i = 0; i < flame->nodes.n; i++) {
        const struct flame_node *node = &flame->nodes.at[i];
        depths[i] = i == 0 ? 0 : depths[node->parent] + 1;
        for (uint32_t depth = 0; depth < depths[i]; depth++) {
            text_addf(to, ".");
        }
        text_addf(to, "%s %lu %lu", node->function == NULL ? "all" : node->function->name,
                  (unsigned long)node->on_cpu_ns, (unsigned long)node->off_ns);
        if (node->cut_children > 0 || node->cut_samples > 0 || node->cut_off_ns > 0) {
            text_addf(to, " cut %u: %lu, %lu", node->cut_children, (unsigned long)node->cut_samples,
                      (unsigned long)node->cut_off_ns);
        }
        text_addf(to, "\n");
    }
}

static void check_flame(struct world *w, struct flame_params params, const char *expected)
{
    struct flame flame;
    struct text text = {0};
    flame_make(&flame, &w->tree, &w->fold, w->store, &w->reasons, &params);
    describe(&text, &flame);
    assert_string_equal(text_get(&text), expected);
    assert_int_equal(flame.total_on_cpu_ns, 770);
    text_fini(&text);
    flame_fini(&flame);
}

static void test_flames_of_both_modes(void **state)
{
    struct world *w = *state;
    begin_fold(w, &views[0]);
    catch_up(w);
    check_flame(w, (struct flame_params){0},
                "all 270 900 cut 0: 0, 300\n"
                ".main 270 600 cut 0: 0, 500\n"
                "..work 225 0\n"
                "...main 45 0\n"
                "..take 45 100 cut 0: 0, 100\n");
    check_flame(w, (struct flame_params){.mode = MODE_OFF_CPU},
                "all 270 900\n"
                ".main 270 600 cut 0: 5, 0\n"
                "..doze 0 500\n"
                "...hrtimer_nanosleep 0 500\n"
                "..take 45 100\n"
                "...do_futex 0 100\n"
                ".serve 0 300\n"
                "..pipe_read 0 300\n");
    check_flame(w,
                (struct flame_params){
                    .mode = MODE_OFF_CPU, .has_reason = true, .reason = EVENT_REASON_LOCK},
                "all 270 100\n"
                ".main 270 100 cut 0: 5, 0\n"
                "..take 45 100\n"
                "...do_futex 0 100\n");
    check_flame(w, (struct flame_params){.mode = MODE_OFF_CPU, .min_share = 0.2, .max_depth = 2},
                "all 270 900\n"
                ".main 270 600 cut 1: 6, 100\n"
                "..doze 0 500 cut 1: 0, 500\n"
                ".serve 0 300\n"
                "..pipe_read 0 300\n");
    check_flame(w, (struct flame_params){.mode = MODE_WALL},
                "all 270 900\n"
                ".main 270 600\n"
                "..doze 0 500\n"
                "...hrtimer_nanosleep 0 500\n"
                "..work 225 0\n"
                "...main 45 0\n"
                "..take 45 100\n"
                "...do_futex 0 100\n"
                ".serve 0 300\n"
                "..pipe_read 0 300\n");
    check_flame(w, (struct flame_params){.max_nodes = 3},
                "all 270 900 cut 0: 0, 300\n"
                ".main 270 600 cut 1: 1, 600\n"
                "..work 225 0 cut 1: 1, 0\n");
}

// ---- What "other" consists of ------------------------------------------------------------------

static void test_unexplained_waits_are_named(void **state)
{
    struct world *w = *state;
    struct unexplained unexplained;
    begin_fold(w, &views[0]);
    catch_up(w);
    unexplained_make(&unexplained, &w->tree, &w->fold, &w->reasons, 0);
    assert_int_equal(unexplained.waits.n, 0);
    add_stay(w, w->b, 900, 940, NO_REASON, 0, "serve;strange_wait;schedule"); // 4.3 %
    add_stay(w, w->b, 940, 945, NO_REASON, 0, "");
    catch_up(w);
    unexplained_make(&unexplained, &w->tree, &w->fold, &w->reasons, 0);
    assert_int_equal(unexplained.waits.n, 0);
    unexplained_fini(&unexplained);
    add_stay(w, w->b, 945, 960, NO_REASON, 0, "main;strange_wait;schedule");
    catch_up(w);
    unexplained_make(&unexplained, &w->tree, &w->fold, &w->reasons, 0);
    assert_int_equal(unexplained.waits.n, 2);
    assert_string_equal(unexplained.waits.at[0].function_name, "strange_wait");
    assert_int_equal(unexplained.waits.at[0].off_ns, 55);
    assert_int_equal(unexplained.waits.at[0].waits, 2);
    assert_string_equal(unexplained.waits.at[1].function_name, "[no stack]");
    assert_int_equal(unexplained.waits.at[1].off_ns, 5);
    unexplained_fini(&unexplained);
    unexplained_make(&unexplained, &w->tree, &w->fold, &w->reasons, 1);
    assert_int_equal(unexplained.waits.n, 1);
    unexplained_fini(&unexplained);
}

// ---- Corners -----------------------------------------------------------------------------------

// Without switches there are only samples, whatever else is there.
static void test_estimates(void **state)
{
    struct world *w = *state;
    w->store->has_switches = false;
    begin_fold(w, &views[0]);
    catch_up(w);
    struct threads_answer threads;
    threads_make(&threads, &w->tree, &w->fold, w->store, &w->reasons, 0);
    assert_true(threads.health.estimated);
    assert_int_equal(threads.health.unsampled_ns, 0);
    assert_int_equal(threads.total_on_cpu_ns, 6 * 7);
    assert_int_equal(threads.entries.at[0].on_cpu_ns, 6 * 7);
    assert_int_equal(threads.entries.at[1].on_cpu_ns, 0);
    threads_fini(&threads);
}

// Rows behind one whose stack is too new have to wait; others do not.
static void test_names_that_are_late_hold_up_no_one_else(void **state)
{
    struct world *w = *state;
    enum { N = 10 };
    static const struct expected without = {.exclude = "odd"};
    begin_fold(w, &without);
    catch_up(w);
    for (uint64_t i = 0; i < N; i++) {
        add_wakeup(w, 1000 + i, w->b, w->c);
        add_stay(w, w->b, 1000 + i, 1000 + i + 1, EVENT_REASON_IPC, 0, "serve;odd;pipe_read");
    }
    bool done = false;
    for (uint64_t i = 0; i < 2 * N && !done; i++) {
        done = fold_advance(&w->fold, w->store, &w->names, 3);
    }
    assert_true(done);
    assert_int_equal(w->fold.threads.at[w->b].wakeups, 1 + N);
    assert_int_equal(w->fold.threads.at[w->b].off_ns, 300);
    fold_settle(&w->fold, w->store, &w->names); // needs no name to know how long it was
    assert_int_equal(w->fold.threads.at[w->b].off_ns, 300 + N);
    assert_int_equal(w->fold.blocked_ns, 400);
    catch_up(w);
    assert_int_equal(w->fold.threads.at[w->b].off_ns, 300 + N);
    assert_int_equal(w->fold.intervals_cursor, atomic_load(&w->store->intervals.n));
}

// Cells, against plain arrays.
static void test_cells_count_what_was_counted(void **state)
{
    (void)state;
    enum { N_STACKS = 3000, N_REASONS = 3, N_ROWS = 20000 };
    struct places places = {0};
    struct cells cells = {0};
    uint64_t *n = NEW_ARRAY(uint64_t, N_STACKS * N_REASONS * 2);
    uint64_t *ns = NEW_ARRAY(uint64_t, N_STACKS * N_REASONS * 2);
    for (uint64_t i = 0; i < N_ROWS; i++) {
        uint64_t dice = hash_u64(i);
        stack_id stack = (stack_id)(dice % N_STACKS * (dice >> 40) % N_STACKS);
        uint8_t reason = (uint8_t)((dice >> 20) % N_REASONS * 7);
        bool approximate = (dice >> 30) % 2 == 0;
        uint32_t place = places_get(&places, cells_place_key(stack, reason, approximate));
        // Another thread has seen the others first.
        if (i % 4 != 0) {
            continue;
        }
        uint32_t at = cells_at(&cells, place, true);
        cells.n.at[at]++;
        cells.ns.at[at] += i;
        size_t plain = ((size_t)stack * N_REASONS + reason / 7) * 2 + approximate;
        n[plain]++;
        ns[plain] += i;
    }
    struct cells_page page;
    for (uint32_t cursor = 0; cells_next_page(&cells, &cursor, &page);) {
        for (size_t i = 0; i < CELLS_PAGE; i++) {
            if (page.first + i >= places.at.n) {
                assert_int_equal(page.n[i], 0);
                continue;
            }
            struct cell cell = places_cell(&places, page.first + i);
            size_t plain = ((size_t)cell.stack * N_REASONS + cell.reason / 7) * 2 +
                           cell.approximate;
            assert_int_equal(page.n[i], n[plain]);
            assert_int_equal(page.ns[i], ns[plain]);
            n[plain] = 0;
        }
    }
    for (size_t i = 0; i < N_STACKS * N_REASONS * 2; i++) {
        assert_int_equal(n[i], 0);
    }
    free(n);
    free(ns);
    cells_fini(&cells);
    places_fini(&places);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_every_view_knows_its_times),
        TEST(test_the_end_changes_nothing),
        TEST(test_a_wait_that_was_open_is_counted_once),
        TEST(test_functions_share_their_threads_time),
        TEST(test_functions_that_wait),
        TEST(test_functions_of_the_wall_clock),
        TEST(test_recursive_waits_count_once),
        TEST(test_flames_of_both_modes),
        TEST(test_unexplained_waits_are_named),
        TEST(test_estimates),
        TEST(test_names_that_are_late_hold_up_no_one_else),
        cmocka_unit_test(test_cells_count_what_was_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
