#include "query/now.h"

#include "base/text.h"
#include "query/fake_library.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 40, STARTED_NS = 1000 };

struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct reasons reasons;
    image_id kernel; // of names
    struct view view;
    struct now now;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(STARTED_NS, 0, 1);
    fake_library_init(&w->library);
    w->kernel = store_add_image(
        w->store, &(struct image_row){.kind = IMAGE_ROW_NAMED, .library = UINT32_MAX});
    names_init(&w->names, w->store, &w->library);
    reasons_init(&w->reasons, &w->names);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    now_fini(&w->now);
    view_fini(&w->view);
    reasons_fini(&w->reasons);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
    return 0;
}

static thread_id add_thread(struct world *w, uint32_t tid)
{
    return store_add_thread(w->store, PID, tid, 0, STARTED_NS, 0);
}

static stack_id push(struct world *w, stack_id caller, const char *name)
{
    bool cut = false;
    string_id off = strings_add(&w->store->strings, slice_of_text(name));
    frame_id frame = stacks_frame(&w->store->stacks,
                                  &(struct frame_row){.off = off, .image = w->kernel});
    return stacks_push(&w->store->stacks, caller, frame, &cut);
}

static void set_off(struct world *w, thread_id thread, uint64_t since_ns, stack_id stack,
                    uint8_t flags)
{
    store_set_off(w->store, thread,
                  &(struct thread_off){.since_ns = STARTED_NS + since_ns,
                                       .stack = stack,
                                       .reason = REASON_BY_STACK,
                                       .flags = flags});
}

static void set_time(struct world *w, uint64_t time_ns)
{
    atomic_store(&w->store->last_ns, STARTED_NS + time_ns);
}

static void refresh(struct world *w)
{
    names_refresh(&w->names, atomic_load(&w->store->stacks.n_frames));
}

static const struct now *make(struct world *w, const struct now_look *looks, size_t n_looks,
                              size_t limit)
{
    now_fini(&w->now);
    now_make(&w->now, w->store, &w->names, &w->reasons, &w->view, looks, n_looks, limit);
    return &w->now;
}

// A look that found a mutex.
static struct now_look has(uint32_t tid, uint32_t owner_tid)
{
    return (struct now_look){
        .pid = PID, .tid = tid, .waits = true, .object = "mutex", .owner_tid = owner_tid};
}

static uint32_t tid_of(const struct world *w, thread_id thread)
{
    return store_thread(w->store, thread)->tid;
}

// Deadlocks as text: "11 12, 20".
static void assert_deadlocks(const struct world *w, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    for (size_t i = 0; i < w->now.deadlocks.n; i++) {
        text_add(&text, i == 0 ? "" : ", ");
        for (size_t k = 0; k < w->now.deadlocks.at[i].threads.n; k++) {
            text_addf(&text, "%s%u", k == 0 ? "" : " ",
                      tid_of(w, w->now.deadlocks.at[i].threads.at[k]));
        }
    }
    assert_string_equal(text_get(&text), expected);
}

// Waits as text, in order, those in a deadlock marked: "12! 11! 13".
static void assert_waits(const struct world *w, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    for (size_t i = 0; i < w->now.waits.n; i++) {
        const struct now_wait *wait = &w->now.waits.at[i];
        text_addf(&text, "%s%u%s", i == 0 ? "" : " ", tid_of(w, wait->thread),
                  wait->in_deadlock ? "!" : "");
    }
    assert_string_equal(text_get(&text), expected);
}

// ---- Who waits for whom ------------------------------------------------------------------------

// Threads 11 … 18 wait, longest first; 19 runs, 20 is runnable, 21 has ended.
static const struct owners_case {
    const char *name;
    struct {
        uint32_t tid;
        uint32_t owner_tid;
    } looks[8];
    const char *deadlocks;
    const char *waits;
} owners_cases[] = {
    {"nothing known", {{0}}, "", "11 12 13 14 15 16 17 18"},
    {"two mutexes", {{12, 14}, {14, 12}}, "12 14", "12! 14! 11 13 15 16 17 18"},
    {"three", {{15, 11}, {11, 13}, {13, 15}}, "11 13 15", "11! 13! 15! 12 14 16 17 18"},
    {"the other way round",
     {{15, 13}, {11, 15}, {13, 11}},
     "11 15 13",
     "11! 13! 15! 12 14 16 17 18"},
    {"a chain", {{11, 12}, {12, 13}, {13, 14}}, "", "11 12 13 14 15 16 17 18"},
    {"itself", {{13, 13}}, "13", "13! 11 12 14 15 16 17 18"},
    {"others wait for a cycle",
     {{11, 12}, {12, 13}, {13, 14}, {14, 13}, {18, 11}},
     "13 14",
     "13! 14! 11 12 15 16 17 18"},
    {"two cycles",
     {{11, 12}, {12, 11}, {17, 18}, {18, 17}},
     "11 12, 17 18",
     "11! 12! 17! 18! 13 14 15 16"},
    {"an owner that runs", {{11, 19}, {19, 11}}, "", "11 12 13 14 15 16 17 18"},
    {"an owner that is ready", {{11, 20}, {20, 11}}, "", "11 12 13 14 15 16 17 18"},
    {"an owner that has ended", {{11, 21}, {21, 11}}, "", "11 12 13 14 15 16 17 18"},
    {"an owner that never was",
     {{11, 4000000000U}, {4000000000U, 11}},
     "",
     "11 12 13 14 15 16 17 18"},
    {"looked at twice",
     {{11, 12}, {12, 11}, {11, 12}, {12, 11}},
     "11 12",
     "11! 12! 13 14 15 16 17 18"},
};

static void add_eleven_threads(struct world *w)
{
    for (uint32_t tid = 11; tid <= 21; tid++) {
        thread_id thread = add_thread(w, tid);
        if (tid <= 18) {
            set_off(w, thread, tid, STACK_ROOT, 0);
        }
    }
    set_off(w, 20 - 11, 20, STACK_ROOT, INTERVAL_RUNNABLE);
    atomic_store(&store_thread_mut(w->store, 21 - 11)->ended_ns, STARTED_NS + 30);
    set_time(w, 100);
}

static size_t take_looks(const struct owners_case *c, struct now_look *ret)
{
    size_t n = 0;
    while (n < ARRAY_LEN(c->looks) && c->looks[n].tid != 0) {
        ret[n] = has(c->looks[n].tid, c->looks[n].owner_tid);
        n++;
    }
    return n;
}

static void test_deadlocks(void **state)
{
    struct world *w = *state;
    add_eleven_threads(w);
    for (size_t i = 0; i < ARRAY_LEN(owners_cases); i++) {
        const struct owners_case *c = &owners_cases[i];
        struct now_look looks[ARRAY_LEN(c->looks)];
        const struct now *now = make(w, looks, take_looks(c, looks), 0);
        print_message("%s\n", c->name);
        assert_int_equal(now->n_waiting, 8);
        assert_int_equal(now->n_running, 1);
        assert_int_equal(now->n_runnable, 1);
        assert_deadlocks(w, c->deadlocks);
        assert_waits(w, c->waits);
    }
}

static void test_owner_states(void **state)
{
    struct world *w = *state;
    add_eleven_threads(w);
    static const struct {
        uint32_t owner_tid;
        enum now_state state;
    } cases[] = {{19, NOW_RUNNING}, {20, NOW_RUNNABLE}, {18, NOW_WAITING}, {21, NOW_ENDED}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct now_look look = has(11, cases[i].owner_tid);
        const struct now_wait *wait = &make(w, &look, 1, 1)->waits.at[0];
        assert_int_equal(tid_of(w, wait->owner), cases[i].owner_tid);
        assert_int_equal(wait->owner_state, cases[i].state);
        assert_ptr_equal(wait->look, &look);
    }
    struct now_look look = has(11, 4000000000U);
    assert_int_equal(make(w, &look, 1, 1)->waits.at[0].owner, THREAD_NONE);
    look = has(11, 0);
    assert_int_equal(make(w, &look, 1, 1)->waits.at[0].owner, THREAD_NONE);
    assert_string_equal(now_state_name(NOW_RUNNING), "running");
    assert_string_equal(now_state_name(NOW_ENDED), "ended");
}

// A tid that is used again: the one that lives counts, and of a dead pair the newer one.
static void test_tids_that_come_again(void **state)
{
    struct world *w = *state;
    thread_id waiter = add_thread(w, 11);
    set_off(w, waiter, 1, STACK_ROOT, 0);
    thread_id old = add_thread(w, 12);
    atomic_store(&store_thread_mut(w->store, old)->ended_ns, STARTED_NS + 2);
    thread_id young = add_thread(w, 12);
    thread_id other = store_add_thread(w->store, PID + 1, 12, 0, STARTED_NS, 0);
    set_time(w, 10);
    struct now_look look = has(11, 12);
    assert_int_equal(make(w, &look, 1, 0)->waits.at[0].owner, young);
    atomic_store(&store_thread_mut(w->store, young)->ended_ns, STARTED_NS + 3);
    assert_int_equal(make(w, &look, 1, 0)->waits.at[0].owner, young);
    assert_int_equal(w->now.waits.at[0].owner_state, NOW_ENDED);
    look.pid = PID + 1; // that one does not wait
    assert_null(make(w, &look, 1, 0)->waits.at[0].look);
    set_off(w, other, 4, STACK_ROOT, 0);
    look = (struct now_look){.pid = PID + 1, .tid = 12, .waits = true, .owner_tid = 11};
    make(w, &look, 1, 0);
    assert_int_equal(w->now.waits.at[1].thread, other);
    assert_int_equal(w->now.waits.at[1].owner, THREAD_NONE); // 11 is of another process
}

static void test_a_look_at_another_wait_is_ignored(void **state)
{
    struct world *w = *state;
    add_eleven_threads(w);
    struct now_look looks[] = {has(11, 12), has(12, 11)};
    looks[0].since_ns = STARTED_NS + 11;
    looks[1].since_ns = STARTED_NS + 12;
    make(w, looks, 2, 0);
    assert_deadlocks(w, "11 12");
    looks[1].since_ns = STARTED_NS + 9;
    make(w, looks, 2, 0);
    assert_deadlocks(w, "");
    looks[1].since_ns = 0;
    looks[1].waits = false;
    make(w, looks, 2, 0);
    assert_deadlocks(w, "");
    assert_ptr_equal(w->now.waits.at[0].look, &looks[0]);
    assert_null(w->now.waits.at[1].look);
}

// ---- What a wait says --------------------------------------------------------------------------

static void test_details(void **state)
{
    struct world *w = *state;
    thread_id waiter = add_thread(w, 11);
    thread_id waker = add_thread(w, 12);
    stack_id reading = push(w, push(w, STACK_ROOT, "vfs_read"), "pipe_read");
    stack_id writing = push(w, push(w, STACK_ROOT, "vfs_write"), "pipe_write");
    stack_id interrupt = push(w, push(w, STACK_ROOT, "asm_sysvec_call_function"), "hrtimer_wakeup");
    set_off(w, waiter, 20, push(w, reading, "schedule"), INTERVAL_APPROXIMATE);
    refresh(w);
    set_time(w, 50);
    const struct now_wait *wait = &make(w, NULL, 0, 0)->waits.at[0];
    assert_int_equal(w->now.time_ns, 50);
    assert_int_equal(wait->since_ns, 20);
    assert_int_equal(wait->duration_ns, 30);
    assert_int_equal(wait->reason, EVENT_REASON_IPC);
    assert_int_equal(wait->stack, reading);
    assert_true(slice_equal(wait->place, slice_of_text("pipe_read")));
    assert_true(wait->approximate);
    assert_false(wait->woken);
    assert_null(wait->look);
    store_add_wakeup(w->store, &(struct wakeup){.time_ns = STARTED_NS + 10,
                                                .wakee = waiter,
                                                .waker = waker,
                                                .stack = writing});
    set_time(w, 50);
    struct now_look look = {
        .pid = PID, .tid = 11, .waits = true, .place = slice_of_text("anon_pipe_read")};
    wait = &make(w, &look, 1, 0)->waits.at[0];
    assert_true(wait->woken);
    assert_int_equal(wait->waker, waker);
    assert_int_equal(wait->waker_stack, writing);
    assert_true(slice_equal(wait->place, slice_of_text("anon_pipe_read")));
    assert_int_equal(wait->reason, EVENT_REASON_IPC);
    store_add_wakeup(w->store, &(struct wakeup){.time_ns = STARTED_NS + 51,
                                                .wakee = waiter,
                                                .waker = waker,
                                                .stack = interrupt});
    assert_int_equal(make(w, NULL, 0, 0)->waits.at[0].waker, THREAD_INTERRUPT);
}

static void test_the_object_says_why(void **state)
{
    struct world *w = *state;
    thread_id waiter = add_thread(w, 11);
    set_off(w, waiter, 1, push(w, STACK_ROOT, "futex_wait"), 0);
    thread_id idle = add_thread(w, 12);
    set_off(w, idle, 2, push(w, STACK_ROOT, "io_wq_worker"), 0);
    refresh(w);
    set_time(w, 5);
    static const struct {
        const char *object;
        enum event_reason reason;
    } cases[] = {
        {"", EVENT_REASON_LOCK},          {NULL, EVENT_REASON_LOCK},
        {"mutex", EVENT_REASON_LOCK},     {"lock", EVENT_REASON_LOCK},
        {"condition", EVENT_REASON_LOCK}, {"semaphore", EVENT_REASON_SEMAPHORE},
        {"thread", EVENT_REASON_OTHER},   {"what?", EVENT_REASON_LOCK},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct now_look looks[] = {has(11, 0), has(12, 0)};
        looks[0].object = looks[1].object = cases[i].object;
        make(w, looks, 2, 0);
        assert_int_equal(w->now.waits.at[0].reason, cases[i].reason);
        assert_int_equal(w->now.waits.at[1].reason, EVENT_REASON_IDLE);
    }
}

// Frames that came after the names were refreshed are left out, and the wait says so.
static void test_stacks_newer_than_names(void **state)
{
    struct world *w = *state;
    thread_id waiter = add_thread(w, 11);
    stack_id outer = push(w, STACK_ROOT, "vfs_read");
    refresh(w);
    set_off(w, waiter, 1, push(w, outer, "pipe_read"), 0);
    set_time(w, 5);
    const struct now_wait *wait = &make(w, NULL, 0, 0)->waits.at[0];
    assert_int_equal(wait->stack, outer);
    assert_true(wait->approximate);
    refresh(w);
    wait = &make(w, NULL, 0, 0)->waits.at[0];
    assert_int_not_equal(wait->stack, outer);
    assert_false(wait->approximate);
}

static void test_where_the_owner_is(void **state)
{
    struct world *w = *state;
    thread_id waiter = add_thread(w, 11);
    thread_id owner = add_thread(w, 12);
    stack_id sleeping = push(w, STACK_ROOT, "do_nanosleep");
    stack_id sampled = push(w, STACK_ROOT, "compute");
    refresh(w);
    set_off(w, waiter, 1, STACK_ROOT, 0);
    assert_true(store_add_sample(w->store, STARTED_NS + 2, owner, sampled));
    atomic_store(&store_thread_mut(w->store, owner)->last_stack, sampled);
    set_time(w, 5);
    struct now_look look = has(11, 12);
    assert_int_equal(make(w, &look, 1, 0)->waits.at[0].owner_stack, sampled);
    set_off(w, owner, 4, push(w, sleeping, "schedule"), 0);
    refresh(w);
    assert_int_equal(make(w, &look, 1, 0)->waits.at[0].owner_stack, sleeping);
}

// ---- Which waits -------------------------------------------------------------------------------

static void test_views_and_limits(void **state)
{
    struct world *w = *state;
    add_eleven_threads(w);
    struct now_look looks[] = {has(13, 14), has(14, 13)};
    make(w, looks, 2, 3);
    assert_waits(w, "13! 14! 11");
    assert_int_equal(w->now.n_waiting, 8);
    w->view.has_tid = true;
    w->view.tid = 14;
    make(w, looks, 2, 0);
    assert_waits(w, "14!");
    assert_deadlocks(w, "13 14");
    assert_int_equal(w->now.n_running, 0);
    w->view.tid = 12;
    make(w, looks, 2, 0);
    assert_waits(w, "12");
    assert_deadlocks(w, "");
    w->view = (struct view){.has_time_range = true, .end_ns = 13};
    make(w, NULL, 0, 0);
    assert_waits(w, "11 12");
    w->view = (struct view){.has_time_range = true, .start_ns = 101, .end_ns = 200};
    make(w, NULL, 0, 0);
    assert_waits(w, "");
}

static void test_excluded_functions(void **state)
{
    struct world *w = *state;
    set_off(w, add_thread(w, 11), 1, push(w, STACK_ROOT, "do_nanosleep"), 0);
    set_off(w, add_thread(w, 12), 1, push(w, STACK_ROOT, "pipe_read"), 0);
    refresh(w);
    set_time(w, 5);
    struct view_symbol symbol = {.function_name = alloc_text("pipe_read", 9)};
    vec_push(&w->view.exclude, symbol);
    make(w, NULL, 0, 0);
    assert_waits(w, "11");
}

static void test_ties_foreign_threads_and_the_future(void **state)
{
    struct world *w = *state;
    set_off(w, add_thread(w, 15), 1, STACK_ROOT, 0);
    set_off(w, add_thread(w, 14), 1, STACK_ROOT, 0);
    thread_id foreign = add_thread(w, 13);
    store_thread_mut(w->store, foreign)->foreign = true;
    set_off(w, foreign, 1, STACK_ROOT, 0);
    set_off(w, add_thread(w, 12), 6, STACK_ROOT, 0); // after the moment
    set_off(w, add_thread(w, 11), 5, STACK_ROOT, 0); // just now
    set_time(w, 5);
    make(w, NULL, 0, 0);
    assert_waits(w, "14 15 11");
    assert_int_equal(w->now.n_running, 1);
    assert_int_equal(w->now.waits.at[2].duration_ns, 0);
}

static void test_a_run_that_is_over(void **state)
{
    struct world *w = *state;
    add_eleven_threads(w);
    atomic_store(&w->store->ended_ns, STARTED_NS + 100);
    struct now_look looks[] = {has(11, 12), has(12, 11)};
    make(w, looks, 2, 0);
    assert_int_equal(w->now.time_ns, 100);
    assert_int_equal(w->now.n_waiting + w->now.n_running, 0);
    assert_int_equal(w->now.waits.n + w->now.deadlocks.n, 0);
    thread_id picked[4];
    assert_int_equal(now_pick(w->store, &w->view, picked, 4), 0);
}

static void test_pick(void **state)
{
    struct world *w = *state;
    thread_id picked[16];
    assert_int_equal(now_pick(w->store, &w->view, picked, 16), 0);
    add_eleven_threads(w);
    assert_int_equal(now_pick(w->store, &w->view, picked, 3), 3);
    assert_int_equal(tid_of(w, picked[0]), 11);
    assert_int_equal(tid_of(w, picked[2]), 13);
    w->view.has_tid = true;
    w->view.tid = 17;
    assert_int_equal(now_pick(w->store, &w->view, picked, 16), 8);
    assert_int_equal(tid_of(w, picked[0]), 17);
    assert_int_equal(tid_of(w, picked[1]), 11);
    assert_int_equal(now_pick(w->store, &w->view, picked, 0), 0);
}

// Many threads in one long chain that ends in a cycle, and hostile owners besides.
static void test_many(void **state)
{
    struct world *w = *state;
    enum { MANY = 50000 };
    struct now_look *looks = NEW_ARRAY(struct now_look, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        set_off(w, add_thread(w, i + 1), i + 1, STACK_ROOT, 0);
        looks[i] = has(i + 1, i + 1 < MANY ? i + 2 : MANY / 2);
    }
    set_time(w, MANY + 1);
    make(w, looks, MANY, 10);
    assert_int_equal(w->now.deadlocks.n, 1);
    assert_int_equal(w->now.deadlocks.at[0].threads.n, MANY / 2 + 1);
    assert_int_equal(w->now.n_waiting, MANY);
    assert_int_equal(tid_of(w, w->now.waits.at[0].thread), MANY / 2);
    for (uint32_t i = 0; i < MANY; i++) {
        looks[i].owner_tid = (uint32_t)hash_u64(i) % (2 * MANY);
    }
    make(w, looks, MANY, 10);
    uint64_t members = 0;
    for (size_t i = 0; i < w->now.deadlocks.n; i++) {
        members += w->now.deadlocks.at[i].threads.n;
    }
    assert_true(members <= MANY);
    free(looks);
}

// ---- While a run goes on -----------------------------------------------------------------------

struct writer {
    struct world *world;
    _Atomic bool stop;
};

// Each thread is off, is woken, and comes back; the time moves on.
static void *write_on(void *context)
{
    struct writer *writer = context;
    struct world *w = writer->world;
    for (uint64_t i = 1; !atomic_load(&writer->stop) && i < 200000; i++) {
        uint64_t time_ns = 100 + i * 10;
        thread_id thread = (thread_id)(i % 8);
        stack_id stack = push(w, STACK_ROOT, i % 3 == 0 ? "pipe_read" : "futex_wait");
        set_off(w, thread, time_ns, stack, 0);
        store_add_wakeup(w->store, &(struct wakeup){.time_ns = STARTED_NS + time_ns + 1,
                                                    .wakee = thread,
                                                    .waker = (thread + 1) % 8,
                                                    .stack = stack});
        if (i % 5 == 0) {
            store_add_interval(w->store, &(struct interval){.start_ns = STARTED_NS + time_ns,
                                                            .duration_ns = 2,
                                                            .thread = thread,
                                                            .reason = REASON_BY_STACK,
                                                            .stack = stack});
            store_set_off(w->store, thread, NULL);
        }
        if (i % 1000 == 0 && i < 100000) {
            add_thread(w, (uint32_t)(1000 + i));
        }
        set_time(w, time_ns + 2);
    }
    return NULL;
}

static void test_a_run_that_goes_on(void **state)
{
    struct world *w = *state;
    struct now_look looks[8];
    for (uint32_t i = 0; i < 8; i++) {
        add_thread(w, 11 + i);
        looks[i] = has(11 + i, 11 + (i + 1) % 8);
    }
    struct writer writer = {.world = w};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
    for (int i = 0; i < 300; i++) {
        refresh(w);
        const struct now *now = make(w, looks, 8, 5);
        assert_true(now->waits.n <= 5 && now->n_waiting <= 8);
        for (size_t k = 0; k < now->waits.n; k++) {
            const struct now_wait *wait = &now->waits.at[k];
            assert_true(wait->since_ns + wait->duration_ns == now->time_ns);
            assert_true(wait->reason == EVENT_REASON_IPC || wait->reason == EVENT_REASON_LOCK);
        }
        thread_id picked[8];
        assert_true(now_pick(w->store, &w->view, picked, 8) <= 8);
    }
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_deadlocks),
        TEST(test_owner_states),
        TEST(test_tids_that_come_again),
        TEST(test_a_look_at_another_wait_is_ignored),
        TEST(test_details),
        TEST(test_the_object_says_why),
        TEST(test_stacks_newer_than_names),
        TEST(test_where_the_owner_is),
        TEST(test_views_and_limits),
        TEST(test_excluded_functions),
        TEST(test_ties_foreign_threads_and_the_future),
        TEST(test_a_run_that_is_over),
        TEST(test_pick),
        TEST(test_many),
        TEST(test_a_run_that_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
