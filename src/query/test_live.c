// Questions to a run that is being recorded, with threads that are born meanwhile and a table that
// arrives. With -Db_sanitize=thread this proves that queries read nothing that is not published.
//
// The second half is about time: at whatever moment the run is looked at, each thread's life is
// what it spent on a CPU, runnable and blocked, to the nanosecond.

#include "query/answers.h"
#include "query/fake_library.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N_SAMPLES = 100000, N_THREADS = 50, N_ADDED_PER_THREAD = N_SAMPLES / N_THREADS };

struct world {
    struct store *store;
    struct library library;
    image_id image;
};

static void *write_run(void *context)
{
    struct world *w = context;
    struct stacks *stacks = &w->store->stacks;
    bool cut = false;
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        if (i % N_ADDED_PER_THREAD == 0) {
            store_add_thread(w->store, 1, (uint32_t)i, 0, i, 0);
        }
        stack_id stack = STACK_ROOT;
        for (uint64_t depth = 0; depth < 8; depth++) {
            struct frame_row frame = {.off = hash_pair(i % 5000, depth) % 64, .image = w->image};
            stack = stacks_push(stacks, stack, stacks_frame(stacks, &frame), &cut);
        }
        store_add_sample(w->store, i, (thread_id)(i / N_ADDED_PER_THREAD), stack);
        if (i % 10 == 0) {
            store_add_interval(w->store, &(struct interval){.start_ns = i, .thread = 0});
            store_add_wakeup(w->store, &(struct wakeup){.time_ns = i, .wakee = 0});
        }
    }
    atomic_store(&w->store->ended_ns, N_SAMPLES);
    return NULL;
}

static void ask(const struct calltree *tree, const struct fold *fold, const struct store *store,
                struct reasons *reasons)
{
    struct top top;
    top_make(&top, tree, fold, store, reasons, &(struct top_params){0});
    uint64_t self = 0;
    for (size_t i = 0; i < top.entries.n; i++) {
        self += top.entries.at[i].self_samples;
        assert_true(top.entries.at[i].total_samples <= top.health.samples);
    }
    assert_int_equal(self, top.health.samples);
    top_fini(&top);

    struct flame flame;
    struct flame_params params = {.max_nodes = 100};
    flame_make(&flame, tree, fold, store, reasons, &params);
    assert_int_equal(flame.nodes.at[0].total_samples, flame.health.samples);
    flame_fini(&flame);

    struct threads_answer threads;
    threads_make(&threads, tree, fold, store, reasons, 0);
    uint64_t samples = 0;
    for (size_t i = 0; i < threads.entries.n; i++) {
        samples += threads.entries.at[i].samples;
    }
    assert_int_equal(samples, fold->n_samples);
    threads_fini(&threads);
}

static void publish_table(struct world *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &(struct symtab_segment){.size = 64});
    symtab_builder_add(builder, 0, 32, slice_of_text("low"), slice_of_text(""), SYMBOL_GLOBAL);
    symtab_builder_add(builder, 32, 32, slice_of_text("high"), slice_of_text(""), SYMBOL_GLOBAL);
    fake_library_publish(&w->library, 0, symtab_builder_finish(builder));
}

// Keeps asking until the run has ended; the table comes when half of it is there.
static void ask_until_the_end(struct world *w, struct calltree *tree, struct fold *fold)
{
    bool published = false;
    struct reasons reasons;
    reasons_init(&reasons, tree->names);
    for (bool ended = false; !ended;) {
        ended = atomic_load(&w->store->ended_ns) != 0;
        if (!published && (fold->n_samples > N_SAMPLES / 2 || ended)) {
            publish_table(w);
            published = true;
        }
        calltree_refresh(tree);
        while (!fold_advance(fold, w->store, tree->names, 1000)) {
        }
        fold_settle(fold, w->store, tree->names);
        calltree_refresh(tree);
        ask(tree, fold, w->store, &reasons);
    }
    reasons_fini(&reasons);
}

static void ask_in_a_view(struct view view)
{
    struct world w = {.store = store_new(0, 0, 1)};
    fake_library_init(&w.library);
    w.image = store_add_image(
        w.store,
        &(struct image_row){.path = strings_add(&w.store->strings, slice_of_text("/bin/a")),
                            .library = fake_library_add(&w.library, IMAGE_FILE)});
    struct names names;
    struct calltree tree;
    struct fold fold;
    names_init(&names, w.store, &w.library);
    calltree_init(&tree, &names);
    bool everything = view_is_everything(&view);
    fold_init(&fold, &view);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_run, &w), 0);
    ask_until_the_end(&w, &tree, &fold);
    pthread_join(writer, NULL);
    assert_true(everything ? fold.n_samples == N_SAMPLES : fold.n_samples < N_SAMPLES);
    assert_string_equal(calltree_function(&tree, 1)->binary, "a");
    assert_true(calltree_function(&tree, 1)->resolved);
    fold_fini(&fold);
    calltree_fini(&tree);
    names_fini(&names);
    fake_library_fini(&w.library);
    store_free(w.store);
}

static void test_everything(void **state)
{
    (void)state;
    ask_in_a_view((struct view){0});
}

static void test_without_a_function(void **state)
{
    (void)state;
    struct view view = {0};
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("a+0x7", 5)});
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("low", 3)});
    ask_in_a_view(view);
}

// ---- Time --------------------------------------------------------------------------------------

enum { N_EVENTS = 100000, N_SLOTS = 7, EVENTS_NS = 1000, N_LIVES = N_EVENTS };

enum state { RUNNING, RUNNABLE, BLOCKED };

// What happens is decided by the time alone, so that the reader knows what the writer did.
struct life {
    enum state state;
    uint64_t since_ns;
    uint64_t of_state[BLOCKED + 1]; // ns, in the window, up to since_ns
    uint64_t kept_blocked_ns;       // in stacks that are not excluded
};

struct course {
    uint64_t time_ns;
    uint64_t start_ns; // the window
    uint64_t end_ns;
    thread_id in_slot[N_SLOTS];
    struct life *lives; // by thread_id
    thread_id n_lives;
};

enum happening { COMES_BACK, IS_PREEMPTED, BLOCKS, IS_WOKEN, IS_REPLACED };

static enum happening next_of(enum state state, uint64_t time_ns)
{
    uint64_t dice = hash_u64(time_ns + 99) % 16;
    switch (state) {
    case RUNNING:
        return dice == 0 ? IS_REPLACED : dice < 5 ? IS_PREEMPTED : BLOCKS;
    case RUNNABLE:
        return COMES_BACK;
    case BLOCKED:
        return dice < 4 ? COMES_BACK : IS_WOKEN;
    }
    return COMES_BACK;
}

static uint64_t slot_at(uint64_t time_ns)
{
    return hash_u64(time_ns) % N_SLOTS;
}

// The stack of a stay that begins now, as an offset in the image; new ones keep appearing.
static uint64_t place_at(uint64_t time_ns)
{
    return (time_ns / 5000 * 4 + time_ns % 4) % 64;
}

static bool is_excluded(uint64_t place)
{
    return place == 7;
}

static uint64_t overlap(const struct course *course, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t from = MAX(from_ns, course->start_ns);
    uint64_t to = MIN(to_ns, course->end_ns);
    return to > from ? to - from : 0;
}

// As of `time_ns`, which may lie within a stay.
static struct life life_until(const struct course *course, thread_id thread, uint64_t time_ns)
{
    struct life life = course->lives[thread];
    uint64_t ns = overlap(course, life.since_ns, time_ns);
    life.of_state[life.state] += ns;
    bool kept = life.state == BLOCKED && !is_excluded(place_at(life.since_ns));
    life.kept_blocked_ns += kept ? ns : 0;
    return life;
}

static enum happening course_step(struct course *course, thread_id *ret_thread,
                                  struct life *ret_before)
{
    uint64_t now_ns = ++course->time_ns;
    thread_id *in_slot = &course->in_slot[slot_at(now_ns)];
    thread_id thread = *in_slot;
    struct life *life = &course->lives[thread];
    enum happening happening = next_of(life->state, now_ns);
    *ret_thread = thread;
    *ret_before = *life;
    *life = life_until(course, thread, now_ns);
    life->since_ns = now_ns;
    switch (happening) {
    case COMES_BACK:
        life->state = RUNNING;
        break;
    case IS_PREEMPTED:
    case IS_WOKEN:
        life->state = RUNNABLE;
        break;
    case BLOCKS:
        life->state = BLOCKED;
        break;
    case IS_REPLACED:
        life->since_ns = UINT64_MAX; // nothing more comes
        *in_slot = course->n_lives++;
        course->lives[*in_slot] = (struct life){.state = RUNNING, .since_ns = now_ns};
        break;
    }
    return happening;
}

static struct course course_new(uint64_t start_ns, uint64_t end_ns)
{
    struct course course = {
        .time_ns = EVENTS_NS,
        .start_ns = start_ns,
        .end_ns = end_ns,
        .lives = NEW_ARRAY(struct life, N_LIVES),
        .n_lives = N_SLOTS,
    };
    for (thread_id i = 0; i < N_SLOTS; i++) {
        course.in_slot[i] = i;
        course.lives[i] = (struct life){.state = RUNNING, .since_ns = EVENTS_NS};
    }
    return course;
}

static stack_id stack_at(struct world *w, uint64_t time_ns)
{
    struct frame_row frame = {.off = place_at(time_ns), .image = w->image};
    bool cut = false;
    return stacks_push(&w->store->stacks, STACK_ROOT, stacks_frame(&w->store->stacks, &frame),
                       &cut);
}

static void end_stay(struct world *w, thread_id thread, const struct life *before, uint64_t now_ns)
{
    struct interval interval = {
        .start_ns = before->since_ns,
        .duration_ns = now_ns - before->since_ns,
        .reason = REASON_BY_STACK,
        .flags = before->state == RUNNABLE ? INTERVAL_RUNNABLE : 0,
        .thread = thread,
        .stack = stack_at(w, before->since_ns),
    };
    store_add_interval(w->store, &interval);
}

static void begin_stay(struct world *w, thread_id thread, bool runnable, uint64_t now_ns)
{
    store_set_off(w->store, thread,
                  &(struct thread_off){.since_ns = now_ns,
                                       .stack = stack_at(w, now_ns),
                                       .reason = REASON_BY_STACK,
                                       .flags = runnable ? INTERVAL_RUNNABLE : 0});
}

static void write_happening(struct world *w, enum happening happening, thread_id thread,
                            const struct life *before, uint64_t now_ns)
{
    switch (happening) {
    case COMES_BACK:
        end_stay(w, thread, before, now_ns);
        store_set_off(w->store, thread, NULL);
        break;
    case IS_WOKEN:
        end_stay(w, thread, before, now_ns);
        store_add_wakeup(w->store, &(struct wakeup){.time_ns = now_ns, .wakee = thread});
        begin_stay(w, thread, true, now_ns);
        break;
    case IS_PREEMPTED:
        begin_stay(w, thread, true, now_ns);
        break;
    case BLOCKS:
        begin_stay(w, thread, false, now_ns);
        break;
    case IS_REPLACED:
        atomic_store(&store_thread_mut(w->store, thread)->ended_ns, now_ns);
        store_add_thread(w->store, 1, (uint32_t)now_ns, 0, now_ns, 0);
        break;
    }
}

static void *write_course(void *context)
{
    struct world *w = context;
    struct course course = course_new(0, UINT64_MAX);
    for (uint64_t i = 0; i < N_EVENTS; i++) {
        thread_id thread;
        struct life before;
        enum happening happening = course_step(&course, &thread, &before);
        // Whether the clock moves on first makes no difference.
        if (i % 3 == 0) {
            atomic_store(&w->store->last_ns, course.time_ns);
        }
        write_happening(w, happening, thread, &before, course.time_ns);
        atomic_store(&w->store->last_ns, course.time_ns);
    }
    for (size_t i = 0; i < N_SLOTS; i++) {
        const struct life *life = &course.lives[course.in_slot[i]];
        if (life->state != RUNNING) {
            end_stay(w, course.in_slot[i], life, course.time_ns);
            store_set_off(w->store, course.in_slot[i], NULL);
        }
    }
    atomic_store(&w->store->ended_ns, course.time_ns);
    free(course.lives);
    return NULL;
}

struct times {
    VEC(uint64_t) blocked_ns; // by thread_id
};

static void sum_waits(struct times *ret, const struct fold *fold)
{
    vec_grow_zeroed(&ret->blocked_ns, fold->threads.n);
    for (thread_id id = 0; id < fold->threads.n; id++) {
        struct cells_page page;
        for (uint32_t cursor = 0; cells_next_page(&fold->threads.at[id].waits, &cursor, &page);) {
            for (size_t i = 0; i < CELLS_PAGE; i++) {
                ret->blocked_ns.at[id] += page.ns[i];
            }
        }
    }
    for (size_t i = 0; i < fold->open.n; i++) {
        ret->blocked_ns.at[fold->open.at[i].thread] += fold->open.at[i].cell.ns;
    }
}

// Everything about all threads, as of the horizon. Waits in stacks that are newer than the names
// are not known to be kept, until all is over.
static void check_times(struct course *course, const struct fold *fold, const struct store *store,
                        bool all_named)
{
    struct times times = {0};
    sum_waits(&times, fold);
    while (course->time_ns < fold->horizon_ns) {
        thread_id thread;
        struct life before;
        course_step(course, &thread, &before);
    }
    assert_true(fold->threads.n >= course->n_lives - 1); // the last one began at the horizon
    for (thread_id id = 0; id < MIN(fold->threads.n, (size_t)course->n_lives); id++) {
        struct life life = life_until(course, id, fold->horizon_ns);
        const struct fold_thread *got = &fold->threads.at[id];
        assert_int_equal(fold_on_cpu_ns(fold, store, id), life.of_state[RUNNING]);
        assert_int_equal(got->off_ns, life.of_state[RUNNABLE] + life.of_state[BLOCKED]);
        if (fold->view.exclude.n == 0) {
            assert_int_equal(got->runnable_ns, life.of_state[RUNNABLE]);
            assert_int_equal(times.blocked_ns.at[id], life.of_state[BLOCKED]);
        } else if (all_named) {
            assert_int_equal(times.blocked_ns.at[id], life.kept_blocked_ns);
        }
    }
    vec_fini(&times.blocked_ns);
}

static size_t look_until_the_end(struct world *w, struct calltree *tree, struct fold *fold)
{
    struct course course = fold->view.has_time_range
                               ? course_new(fold->view.start_ns, fold->view.end_ns)
                               : course_new(0, UINT64_MAX);
    struct reasons reasons;
    reasons_init(&reasons, tree->names);
    size_t n_looks = 0;
    for (bool ended = false; !ended; n_looks++) {
        ended = atomic_load(&w->store->ended_ns) != 0;
        calltree_refresh(tree);
        while (!fold_advance(fold, w->store, tree->names, 1000)) {
        }
        fold_settle(fold, w->store, tree->names);
        calltree_refresh(tree);
        check_times(&course, fold, w->store, ended);
        struct total total;
        total_make(&total, tree, fold, w->store, &reasons);
        assert_int_equal(off_cpu_total(&total.total_off_cpu), total.health.blocked_ns);
        assert_int_equal(total.total_on_cpu_ns, total.health.unsampled_ns);
    }
    reasons_fini(&reasons);
    free(course.lives);
    return n_looks;
}

static void look_in_a_view(struct view view)
{
    struct world w = {.store = store_new(0, 0, 1)};
    w.store->has_switches = true;
    fake_library_init(&w.library);
    w.image = store_add_image(
        w.store,
        &(struct image_row){.path = strings_add(&w.store->strings, slice_of_text("/bin/a")),
                            .library = fake_library_add(&w.library, IMAGE_FILE)});
    for (uint32_t i = 0; i < N_SLOTS; i++) {
        store_add_thread(w.store, 1, i + 1, 0, EVENTS_NS, 0);
    }
    atomic_store(&w.store->last_ns, EVENTS_NS);
    struct names names;
    struct calltree tree;
    struct fold fold;
    names_init(&names, w.store, &w.library);
    calltree_init(&tree, &names);
    fold_init(&fold, &view);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_course, &w), 0);
    size_t n_looks = look_until_the_end(&w, &tree, &fold);
    pthread_join(writer, NULL);
    assert_true(n_looks >= 1);
    assert_int_equal(fold.horizon_ns, EVENTS_NS + N_EVENTS);
    assert_int_equal(fold.open.n, 0);
    assert_int_equal(fold.intervals_cursor, atomic_load(&w.store->intervals.n));
    fold_fini(&fold);
    calltree_fini(&tree);
    names_fini(&names);
    fake_library_fini(&w.library);
    store_free(w.store);
}

static void test_times_add_up_at_any_moment(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        look_in_a_view((struct view){0});
    }
}

static void test_times_add_up_in_a_window(void **state)
{
    (void)state;
    look_in_a_view((struct view){
        .has_time_range = true,
        .start_ns = EVENTS_NS + N_EVENTS / 4,
        .end_ns = EVENTS_NS + N_EVENTS / 2,
    });
}

static void test_times_add_up_without_a_function(void **state)
{
    (void)state;
    struct view view = {0};
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("a+0x7", 5)});
    look_in_a_view(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_without_a_function),
        cmocka_unit_test(test_times_add_up_at_any_moment),
        cmocka_unit_test(test_times_add_up_in_a_window),
        cmocka_unit_test(test_times_add_up_without_a_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
