// Small stories told as events, and what the store says afterwards.

#include "run/pipeline.h"

#include "base/limits.h"
#include "run/test_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 100, START_NS = 1000, WEIGHT_NS = 10 };

struct story {
    struct library library;
    struct store *store;
    struct pipeline *pipeline;
    uint64_t now_ns;
};

static int begin(void **state)
{
    struct story *s = NEW(struct story);
    library_init(&s->library, NULL, NULL);
    s->store = store_new(START_NS, 5000, WEIGHT_NS);
    s->pipeline = pipeline_new(s->store, &s->library);
    s->now_ns = START_NS;
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct story *s = *state;
    pipeline_free(s->pipeline);
    store_free(s->store);
    library_fini(&s->library);
    free(s);
    return 0;
}

static void apply(struct story *s, struct event event)
{
    if (event.time_ns == 0) {
        event.time_ns = ++s->now_ns;
    }
    pipeline_apply(s->pipeline, &event);
}

static void map_file(struct story *s, uint32_t pid, uint64_t addr, uint64_t off, const char *path)
{
    apply(s, (struct event){.kind = EVENT_IMAGE_MAPPED,
                            .pid = pid,
                            .tid = pid,
                            .image_mapped = {.kind = EVENT_IMAGE_FILE,
                                             .start_addr = addr,
                                             .size_bytes = 0x1000,
                                             .file_off = off,
                                             .device = 1,
                                             .inode = hash_bytes(path, strlen(path)),
                                             .path = slice_of_text(path)}});
}

// A sample with a user stack, leaf first.
static stack_id sample(struct story *s, uint32_t pid, uint32_t tid, const uint64_t *user,
                       uint32_t n)
{
    apply(s,
          (struct event){.kind = EVENT_SAMPLE,
                         .pid = pid,
                         .tid = tid,
                         .sample = {.stack = {.user = user, .n_user = n}, .weight_ns = WEIGHT_NS}});
    struct samples_span span;
    uint64_t n_samples = atomic_load(&s->store->samples.n);
    samples_pin(&s->store->samples, n_samples - 1, n_samples, &span);
    stack_id stack = span.stack[0];
    samples_unpin(&s->store->samples, &span);
    return stack;
}

static const struct frame_row *frame_of(struct story *s, stack_id stack)
{
    return stacks_get_frame(&s->store->stacks, stacks_get(&s->store->stacks, stack)->frame);
}

static stack_id caller_of(struct story *s, stack_id stack)
{
    return stacks_get(&s->store->stacks, stack)->caller;
}

static const char *image_of(struct story *s, stack_id stack)
{
    const struct image_row *image = store_image(s->store, frame_of(s, stack)->image);
    return (const char *)strings_get(&s->store->strings, image->path).data;
}

static const char *thread_name(struct story *s, thread_id thread)
{
    string_id name = atomic_load(&store_thread(s->store, thread)->name);
    return (const char *)strings_get(&s->store->strings, name).data;
}

static void test_addresses_become_frames(void **state)
{
    struct story *s = *state;
    map_file(s, PID, 0x10000, 0x400, "/bin/program");
    map_file(s, PID, 0x20000, 0, "/lib/library.so");
    const uint64_t user[] = {0x20010, 0x10105, 0x10205};
    stack_id leaf = sample(s, PID, PID, user, 3);
    assert_string_equal(image_of(s, leaf), "/lib/library.so");
    assert_int_equal(frame_of(s, leaf)->off, 0x10);
    assert_true(frame_of(s, leaf)->leaf);
    stack_id middle = caller_of(s, leaf);
    assert_string_equal(image_of(s, middle), "/bin/program");
    assert_int_equal(frame_of(s, middle)->off, 0x504); // inside of the call before 0x10105
    assert_false(frame_of(s, middle)->leaf);
    assert_int_equal(caller_of(s, caller_of(s, middle)), STACK_ROOT);
    // The same stack again is the same node; a new leaf is one more.
    uint32_t n = atomic_load(&s->store->stacks.n_nodes);
    assert_int_equal(sample(s, PID, PID, user, 3), leaf);
    assert_int_equal(atomic_load(&s->store->stacks.n_nodes), n);
    const uint64_t other[] = {0x20014, 0x10105, 0x10205};
    assert_int_equal(caller_of(s, sample(s, PID, PID, other, 3)), middle);
    assert_int_equal(atomic_load(&s->store->stacks.n_nodes), n + 1);
}

// Walks back from the leaf and compares every frame with the address that it was made from.
static void check_stack(struct story *s, stack_id stack, const uint64_t *user, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(frame_of(s, stack)->off, i == 0 ? user[0] : user[i] - 1);
        assert_int_equal(frame_of(s, stack)->leaf, i == 0);
        stack = caller_of(s, stack);
    }
    assert_int_equal(stack, STACK_ROOT);
}

// Whatever is remembered of earlier stacks, each comes out as it went in: of any depth, of many
// threads in turn, sharing outer frames or not, while the address space changes.
static void test_stacks_come_out_as_they_went_in(void **state)
{
    struct story *s = *state;
    enum { ROUNDS = 4000, THREADS = 100, DEEP = LIMIT_STACK_DEPTH, ADDRS = 7 };
    static uint64_t user[DEEP];
    uint32_t random = 1;
    uint32_t n = 0;
    for (int round = 0; round < ROUNDS; round++) {
        random = random * 1664525 + 1013904223;
        if (random >> 24 < 4) {
            map_file(s, PID, (uint64_t)(random >> 8 & 0xff) << 12 | 1ULL << 40, 0, "/lib/other.so");
        }
        n = random >> 28 == 0 ? DEEP : 1 + (random >> 16) % 40;
        uint32_t changed = 1 + (random >> 8) % n; // innermost frames
        for (uint32_t i = 0; i < changed; i++) {
            random = random * 1664525 + 1013904223;
            user[i] = 0x900000 + (random >> 16) % ADDRS * 16;
        }
        for (uint32_t i = changed; i < n; i++) {
            user[i] = user[i] == 0 ? 0x900008 : user[i];
        }
        uint32_t tid = PID + (random >> 20) % THREADS;
        check_stack(s, sample(s, PID, tid, user, n), user, n);
    }
}

static void test_kernel_frames_stand_inside_of_user_frames(void **state)
{
    struct story *s = *state;
    map_file(s, PID, 0x10000, 0, "/bin/program");
    const uint64_t user[] = {0x10010};
    const uint64_t kernel[] = {0xffffffff81000010, 0xffffffff81000105};
    apply(s,
          (struct event){
              .kind = EVENT_SAMPLE,
              .pid = PID,
              .tid = PID,
              .sample = {.stack = {.user = user, .n_user = 1, .kernel = kernel, .n_kernel = 2}}});
    stack_id leaf = (stack_id)atomic_load(&s->store->stacks.n_nodes) - 1;
    assert_string_equal(image_of(s, leaf), "[kernel]");
    assert_int_equal(frame_of(s, leaf)->off, 0xffffffff81000010);
    assert_int_equal(frame_of(s, caller_of(s, leaf))->off, 0xffffffff81000104);
    stack_id user_leaf = caller_of(s, caller_of(s, leaf));
    assert_string_equal(image_of(s, user_leaf), "/bin/program");
    assert_int_equal(frame_of(s, user_leaf)->off, 0x10);
}

static void test_an_address_is_resolved_by_time(void **state)
{
    struct story *s = *state;
    const uint64_t user[] = {0x10010};
    stack_id before = sample(s, PID, PID, user, 1);
    assert_int_equal(frame_of(s, before)->image, 0);
    assert_int_equal(store_account(s->store, ACCOUNT_PLACES_UNMAPPED), 1);
    map_file(s, PID, 0x10000, 0, "/lib/first.so");
    stack_id first = sample(s, PID, PID, user, 1);
    map_file(s, PID, 0x10000, 0, "/lib/second.so"); // dlclose and dlopen: the same place
    stack_id second = sample(s, PID, PID, user, 1);
    assert_string_equal(image_of(s, first), "/lib/first.so");
    assert_string_equal(image_of(s, second), "/lib/second.so");
    apply(s, (struct event){.kind = EVENT_IMAGE_UNMAPPED,
                            .pid = PID,
                            .tid = PID,
                            .image_unmapped = {.start_addr = 0x10000, .size_bytes = 0x1000}});
    assert_int_equal(sample(s, PID, PID, user, 1), before);
    assert_int_equal(store_account(s->store, ACCOUNT_PLACES_UNMAPPED), 1); // the same place
}

static void test_an_exec_replaces_everything(void **state)
{
    struct story *s = *state;
    const uint64_t user[] = {0x10010};
    map_file(s, PID, 0x10000, 0, "/bin/first");
    assert_string_equal(image_of(s, sample(s, PID, PID, user, 1)), "/bin/first");
    apply(s, (struct event){.kind = EVENT_EXEC,
                            .pid = PID,
                            .tid = PID,
                            .exec = {.name = slice_of_text("second")}});
    assert_int_equal(frame_of(s, sample(s, PID, PID, user, 1))->image, 0);
    map_file(s, PID, 0x10000, 0, "/bin/second");
    map_file(s, PID, 0x20000, 0, "/lib/ld.so");
    assert_string_equal(image_of(s, sample(s, PID, PID, user, 1)), "/bin/second");
    const struct process_row *process = store_process(s->store, 0);
    image_id main_image = atomic_load(&process->main_image);
    string_id path = store_image(s->store, main_image)->path;
    assert_string_equal(strings_get(&s->store->strings, path).data, "/bin/second");
    assert_string_equal(strings_get(&s->store->strings, atomic_load(&process->name)).data,
                        "second");
}

static void test_a_fork_copies_and_then_lives_alone(void **state)
{
    struct story *s = *state;
    const uint64_t user[] = {0x10010};
    map_file(s, PID, 0x10000, 0, "/bin/program");
    apply(s, (struct event){
                 .kind = EVENT_PROCESS_FORKED,
                 .pid = PID + 1,
                 .tid = PID + 1,
                 .process_forked = {.parent_pid = PID, .parent_tid = PID, .recorded = true}});
    assert_string_equal(image_of(s, sample(s, PID + 1, PID + 1, user, 1)), "/bin/program");
    map_file(s, PID + 1, 0x10000, 0, "/lib/child.so");
    assert_string_equal(image_of(s, sample(s, PID + 1, PID + 1, user, 1)), "/lib/child.so");
    assert_string_equal(image_of(s, sample(s, PID, PID, user, 1)), "/bin/program");
    // One that is not recorded leaves no trace.
    uint32_t n = atomic_load(&s->store->processes.n);
    apply(s, (struct event){
                 .kind = EVENT_PROCESS_FORKED,
                 .pid = PID + 2,
                 .tid = PID + 2,
                 .process_forked = {.parent_pid = PID, .parent_tid = PID, .recorded = false}});
    assert_int_equal(atomic_load(&s->store->processes.n), n);
}

static void test_a_tid_that_is_used_again_is_a_new_thread(void **state)
{
    struct story *s = *state;
    struct event started = {.kind = EVENT_THREAD_STARTED,
                            .pid = PID,
                            .tid = PID + 5,
                            .thread_started = {.parent_tid = PID}};
    struct event named = {.kind = EVENT_THREAD_NAMED,
                          .pid = PID,
                          .tid = PID + 5,
                          .thread_named = {.name = slice_of_text("worker")}};
    apply(s, (struct event){.kind = EVENT_THREAD_NAMED,
                            .pid = PID,
                            .tid = PID,
                            .thread_named = {.name = slice_of_text("main")}});
    apply(s, started);
    assert_string_equal(thread_name(s, 1), "main"); // inherited
    apply(s, named);
    assert_string_equal(thread_name(s, 1), "worker");
    apply(s, (struct event){.kind = EVENT_THREAD_EXITED, .pid = PID, .tid = PID + 5});
    assert_true(atomic_load(&store_thread(s->store, 1)->ended_ns) > 0);
    apply(s, started);
    assert_int_equal(atomic_load(&s->store->threads.n), 3);
    assert_string_equal(thread_name(s, 2), "main");
    assert_int_equal(atomic_load(&store_thread(s->store, 2)->ended_ns), 0);
    assert_string_equal(thread_name(s, 0), "main");
}

static void test_memory_without_a_file_belongs_to_its_process(void **state)
{
    struct story *s = *state;
    const uint64_t user[] = {0x70010};
    image_id images[2];
    for (uint32_t i = 0; i < 2; i++) {
        apply(s, (struct event){.kind = EVENT_IMAGE_MAPPED,
                                .pid = PID + i,
                                .tid = PID + i,
                                .image_mapped = {.kind = EVENT_IMAGE_ANONYMOUS,
                                                 .start_addr = 0x70000,
                                                 .size_bytes = 0x1000,
                                                 .path = slice_of_text("//anon")}});
        stack_id stack = sample(s, PID + i, PID + i, user, 1);
        assert_int_equal(frame_of(s, stack)->off, 0x70010);
        images[i] = frame_of(s, stack)->image;
    }
    assert_int_not_equal(images[0], images[1]);
}

static struct event switch_out(bool preempted)
{
    return (struct event){.kind = EVENT_SWITCH_OUT,
                          .pid = PID,
                          .tid = PID,
                          .switch_out = {.preempted = preempted,
                                         .has_reason = !preempted,
                                         .reason = EVENT_REASON_LOCK}};
}

static void test_switches_become_intervals(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    struct event out = switch_out(false);
    out.time_ns = 2000;
    struct event in = {.kind = EVENT_SWITCH_IN, .pid = PID, .tid = PID, .time_ns = 2500};
    apply(s, out);
    apply(s, in);
    apply(s, in); // a second one closes nothing
    out = switch_out(true);
    out.time_ns = 3000;
    apply(s, out);
    pipeline_end(s->pipeline, 3400);
    assert_int_equal(atomic_load(&s->store->intervals.n), 2);
    struct interval wait = intervals_get(&s->store->intervals, 0);
    assert_int_equal(wait.start_ns, 2000);
    assert_int_equal(wait.duration_ns, 500);
    assert_int_equal(wait.reason, EVENT_REASON_LOCK);
    assert_int_equal(wait.flags, INTERVAL_APPROXIMATE);
    wait = intervals_get(&s->store->intervals, 1);
    assert_int_equal(wait.duration_ns, 400);
    assert_int_equal(wait.flags, INTERVAL_RUNNABLE | INTERVAL_APPROXIMATE | INTERVAL_ENDED_BY_RUN);
}

static void test_wakeups_know_both_sides(void **state)
{
    struct story *s = *state;
    struct event wakeup = {.kind = EVENT_WAKEUP,
                           .pid = PID,
                           .tid = PID,
                           .wakeup = {.wakee_pid = PID, .wakee_tid = PID + 1}};
    apply(s, wakeup);
    wakeup.wakeup.interrupt = true;
    apply(s, wakeup);
    assert_int_equal(atomic_load(&s->store->wakeups.n), 2);
    struct wakeup first = wakeups_get(&s->store->wakeups, 0);
    assert_int_equal(store_thread(s->store, first.wakee)->tid, PID + 1);
    assert_int_equal(store_thread(s->store, first.waker)->tid, PID);
    assert_int_equal(wakeups_get(&s->store->wakeups, 1).waker, THREAD_INTERRUPT);
}

// A wakeup of PID + 1 by PID, with this user stack of one frame, or none (0).
static struct wakeup wake(struct story *s, uint32_t wakee_tid, uint64_t user, uint64_t kernel)
{
    const struct event_stack stack = {
        .user = &user, .n_user = user != 0, .kernel = &kernel, .n_kernel = kernel != 0};
    apply(s, (struct event){.kind = EVENT_WAKEUP,
                            .pid = PID,
                            .tid = PID,
                            .wakeup = {.wakee_pid = PID,
                                       .wakee_tid = wakee_tid,
                                       .has_stack = user != 0 || kernel != 0,
                                       .stack = stack}});
    return wakeups_get(&s->store->wakeups, atomic_load(&s->store->wakeups.n) - 1);
}

static void test_a_wakeup_without_a_stack_gets_one_like_it(void **state)
{
    struct story *s = *state;
    struct wakeup none = wake(s, PID + 1, 0, 0);
    assert_int_equal(none.stack, STACK_ROOT);
    assert_false(none.approximate);
    struct wakeup first = wake(s, PID + 1, 0x10010, 0);
    assert_int_equal(frame_of(s, first.stack)->off, 0x10010);
    assert_false(first.approximate);
    struct wakeup second = wake(s, PID + 2, 0x10020, 0);
    struct wakeup like_first = wake(s, PID + 1, 0, 0); // of the same wakee
    assert_int_equal(like_first.stack, first.stack);
    assert_true(like_first.approximate);
    struct wakeup like_last = wake(s, PID + 3, 0, 0); // there is none of this wakee: the last one
    assert_int_equal(like_last.stack, second.stack);
    assert_true(like_last.approximate);
    uint64_t row = atomic_load(&store_thread(s->store, first.wakee)->last_wakeup);
    assert_int_equal(row, 4); // the fourth one, plus 1 for there being one
}

static struct event foreign_wakeup(uint32_t tid, bool is_waker, const char *name)
{
    struct event event = {
        .kind = EVENT_WAKEUP,
        .pid = is_waker ? tid : PID,
        .tid = is_waker ? tid : PID,
        .wakeup = {.wakee_pid = is_waker ? PID : tid,
                   .wakee_tid = is_waker ? PID : tid,
                   .waker_foreign = is_waker,
                   .wakee_foreign = !is_waker,
                   .foreign_name = slice_of_text(name)},
    };
    return event;
}

static void test_a_waker_on_its_way_out(void **state)
{
    struct story *s = *state;
    const uint64_t user[] = {0x10010};
    sample(s, PID, PID + 1, user, 1);
    apply(s, (struct event){.kind = EVENT_THREAD_EXITED, .pid = PID, .tid = PID + 1});
    struct event event = {.kind = EVENT_WAKEUP,
                          .pid = PID + 1,
                          .tid = PID + 1,
                          .wakeup = {.wakee_pid = PID,
                                     .wakee_tid = PID,
                                     .has_stack = true,
                                     .stack = {.user = user, .n_user = 1}}};
    apply(s, event);
    assert_int_equal(wakeups_get(&s->store->wakeups, 0).waker, 0);
    assert_int_equal(frame_of(s, wakeups_get(&s->store->wakeups, 0).stack)->off, 0x10010);
    assert_int_equal(atomic_load(&s->store->processes.n), 1);
    assert_int_equal(atomic_load(&s->store->threads.n), 2);
}

static void test_other_programs_are_no_threads_of_the_run(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    const uint64_t user[] = {0x10010};
    const uint64_t kernel[] = {0xffffffff81000010};
    sample(s, PID, PID, user, 1);
    struct event event = foreign_wakeup(9000, true, "cron");
    event.wakeup.has_stack = true;
    event.wakeup.stack = (struct event_stack){
        .user = user, .n_user = 1, .kernel = kernel, .n_kernel = 1};
    apply(s, event);
    apply(s, foreign_wakeup(9000, false, "cron")); // the same one
    apply(s, foreign_wakeup(9000, true, "at"));    // its number is used again
    struct wakeup by = wakeups_get(&s->store->wakeups, 0);
    assert_int_equal(by.wakee, 0);
    assert_int_equal(frame_of(s, by.stack)->off, kernel[0]);
    assert_int_equal(caller_of(s, by.stack), STACK_ROOT); // addresses of a user we do not know
    const struct thread_row *cron = store_thread(s->store, by.waker);
    assert_true(cron->foreign);
    assert_int_equal(cron->tid, 9000);
    assert_string_equal(thread_name(s, by.waker), "cron");
    string_id name = atomic_load(&store_process(s->store, cron->process)->name);
    assert_string_equal(strings_get(&s->store->strings, name).data, "cron");
    struct wakeup of = wakeups_get(&s->store->wakeups, 1);
    assert_int_equal(of.wakee, by.waker);
    assert_int_equal(of.waker, 0);
    assert_string_equal(thread_name(s, wakeups_get(&s->store->wakeups, 2).waker), "at");
    assert_int_equal(atomic_load(&s->store->threads.n), 3);
    assert_int_equal(store_count_threads(s->store), 1);
    // A recorded thread that gets the same tid is another one.
    sample(s, PID, 9000, user, 1);
    assert_int_equal(store_count_threads(s->store), 2);
    pipeline_end(s->pipeline, 0);
    for (uint64_t i = 0; i < atomic_load(&s->store->intervals.n); i++) {
        thread_id thread = intervals_get(&s->store->intervals, i).thread;
        assert_false(store_thread(s->store, thread)->foreign);
    }
}

static void test_other_programs_are_bounded(void **state)
{
    struct story *s = *state;
    for (uint32_t i = 0; i < LIMIT_FOREIGN_THREADS + 50; i++) {
        apply(s, foreign_wakeup(10000 + i, true, "other"));
    }
    thread_id last = wakeups_get(&s->store->wakeups, LIMIT_FOREIGN_THREADS + 49).waker;
    assert_string_equal(thread_name(s, last), "[others]");
    assert_true(store_thread(s->store, last)->foreign);
    apply(s, foreign_wakeup(10007, true, "other")); // one that is known
    struct wakeup known = wakeups_get(&s->store->wakeups, LIMIT_FOREIGN_THREADS + 50);
    assert_int_equal(store_thread(s->store, known.waker)->tid, 10007);
    assert_int_equal(atomic_load(&s->store->threads.n), LIMIT_FOREIGN_THREADS + 2);
    assert_int_equal(store_count_threads(s->store), 1);
}

static void test_interrupts_have_no_user(void **state)
{
    struct story *s = *state;
    const uint64_t user[] = {0x10010};
    const uint64_t kernel[] = {0xffffffff81000010};
    struct event event = {.kind = EVENT_WAKEUP,
                          .pid = PID,
                          .tid = PID,
                          .wakeup = {
                              .wakee_pid = PID,
                              .wakee_tid = PID + 1,
                              .interrupt = true,
                              .has_stack = true,
                              .stack = {.user = user, .n_user = 1, .kernel = kernel, .n_kernel = 1},
                          }};
    apply(s, event);
    struct wakeup wakeup = wakeups_get(&s->store->wakeups, 0);
    assert_int_equal(wakeup.waker, THREAD_INTERRUPT);
    assert_int_equal(caller_of(s, wakeup.stack), STACK_ROOT);
    event.wakeup.has_stack = false; // those of others say nothing about it
    apply(s, event);
    assert_int_equal(wakeups_get(&s->store->wakeups, 1).stack, STACK_ROOT);
    // The idle loop does nothing by itself, and it does not wait.
    event.wakeup.interrupt = false;
    event.pid = event.tid = 0;
    apply(s, event);
    assert_int_equal(wakeups_get(&s->store->wakeups, 2).waker, THREAD_INTERRUPT);
    event.wakeup.wakee_tid = 0;
    apply(s, event);
    assert_int_equal(atomic_load(&s->store->wakeups.n), 3);
    assert_int_equal(atomic_load(&s->store->threads.n), 1);
}

// ---- Stacks that are walked --------------------------------------------------------------------

static const uint64_t PROGRAM_ADDR = 0x10000;

static uint64_t in(unsigned function)
{
    return rules_pc(PROGRAM_ADDR, function);
}

// The program of test_rules.h.
static void map_program(struct story *s)
{
    map_file(s, PID, PROGRAM_ADDR, CODE_OFF, "/bin/program");
    image_id image = atomic_load(&s->store->images.n) - 1;
    struct image *known = library_at(&s->library, store_image(s->store, image)->library);
    atomic_store(&known->cfi, rules_table());
    atomic_store(&known->cfi_state, IMAGE_READY);
}

// A sample in LEAF with this copy of its stack, and this chain.
static stack_id sample_copy(struct story *s, uint32_t tid, const uint64_t *words, size_t n,
                            const uint64_t *chain, uint32_t n_chain)
{
    const uint64_t kernel[] = {0xffffffff81000010};
    struct event_regs regs = rules_regs(in(RULES_LEAF));
    apply(s, (struct event){.kind = EVENT_SAMPLE,
                            .pid = PID,
                            .tid = tid,
                            .sample = {.stack = {.kernel = kernel,
                                                 .n_kernel = 1,
                                                 .user = chain,
                                                 .n_user = n_chain,
                                                 .regs = n > 0 ? &regs : NULL,
                                                 .copy = rules_copy(words, n),
                                                 .copy_cut = true}}});
    return atomic_load(
        &store_thread(s->store, map_find(&s->pipeline->live.by_tid, tid))->last_stack);
}

// From the kernel's frame outwards: the user's addresses, and below them nothing, or a marker.
static void check_walked(struct story *s, stack_id stack, const uint64_t *user, uint32_t n,
                         bool is_marked, uint64_t marker_off)
{
    assert_string_equal(image_of(s, stack), "[kernel]");
    stack = caller_of(s, stack);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(frame_of(s, stack)->off,
                         (i == 0 ? user[0] : user[i] - 1) - PROGRAM_ADDR + CODE_OFF);
        stack = caller_of(s, stack);
    }
    if (is_marked) {
        assert_int_equal(store_image(s->store, frame_of(s, stack)->image)->kind,
                         IMAGE_ROW_TRUNCATED);
        assert_int_equal(frame_of(s, stack)->off, marker_off);
        assert_false(frame_of(s, stack)->leaf);
        stack = caller_of(s, stack);
    }
    assert_int_equal(stack, STACK_ROOT);
}

static void test_a_stack_without_its_callers_is_marked(void **state)
{
    struct story *s = *state;
    map_program(s);
    image_id program = atomic_load(&s->store->images.n) - 1;
    const uint64_t words[] = {0, in(RULES_MIDDLE), 0, in(RULES_START)};
    const uint64_t whole[] = {in(RULES_LEAF), in(RULES_MIDDLE), in(RULES_START)};
    uint64_t too_short = truncation_off(TRUNCATED_COPY_TOO_SHORT, program);
    uint64_t no_info = truncation_off(TRUNCATED_NO_UNWIND_INFO, program);
    // The same addresses with and without, by turns: nothing that is remembered mixes them up.
    for (int i = 0; i < 3; i++) {
        check_walked(s, sample_copy(s, PID, words, 4, NULL, 0), whole, 3, false, 0);
        check_walked(s, sample_copy(s, PID, words, 3, NULL, 0), whole, 2, true, too_short);
        stack_id by_chain = sample_copy(s, PID, words, 0, whole, 2);
        // LEAF keeps no frame pointer: what the chain says of its caller may be a caller further
        // out.
        check_walked(s, by_chain, whole, 1, true, truncation_off(TRUNCATED_NOT_COPIED, 0));
        // A walk of one step less, and the chain that goes on where it ends, but not to the end.
        const uint64_t up_to_none[] = {0, in(RULES_NONE)};
        const uint64_t chain[] = {in(RULES_LEAF), in(RULES_NONE), in(RULES_NONE)};
        check_walked(s, sample_copy(s, PID, up_to_none, 2, chain, 3), chain, 3, true, no_info);
    }
    assert_int_equal(store_account(s->store, ACCOUNT_STACKS_TRUNCATED), 9);
    assert_int_equal(store_account(s->store, ACCOUNT_FRAMES), 3 * (4 + 3 + 2 + 4));
    uint32_t n_images = 0;
    for (image_id i = 0; i < atomic_load(&s->store->images.n); i++) {
        n_images += store_image(s->store, i)->kind == IMAGE_ROW_TRUNCATED;
    }
    assert_int_equal(n_images, 1);
}

static void test_a_cut_chain_is_marked(void **state)
{
    struct story *s = *state;
    map_file(s, PID, 0x10000, 0, "/bin/program");
    const uint64_t user[] = {0x10010, 0x10020};
    stack_id plain = sample(s, PID, PID, user, 2);
    apply(s, (struct event){.kind = EVENT_SAMPLE,
                            .pid = PID,
                            .tid = PID,
                            .sample = {.stack = {.user = user, .n_user = 2, .chain_cut = true}}});
    stack_id cut = atomic_load(&store_thread(s->store, 0)->last_stack);
    assert_int_not_equal(cut, plain);
    stack_id marker = caller_of(s, caller_of(s, cut));
    assert_int_equal(frame_of(s, marker)->off, truncation_off(TRUNCATED_TOO_DEEP, 0));
    assert_int_equal(caller_of(s, marker), STACK_ROOT);
    assert_int_equal(sample(s, PID, PID, user, 2), plain);
    assert_int_equal(store_account(s->store, ACCOUNT_STACKS_TRUNCATED), 1);
}

// Whose copies were too short is told once for each thread, and there is an end to it.
static void test_short_copies_are_remembered(void **state)
{
    struct story *s = *state;
    map_program(s);
    const uint64_t words[] = {0, in(RULES_MIDDLE), 0, in(RULES_START)};
    for (int i = 0; i < 2; i++) {
        sample_copy(s, PID, words, 4, NULL, 0);
        sample_copy(s, PID + 1, words, 3, NULL, 0);
        sample_copy(s, PID + 2, words, 2, NULL, 0);
    }
    assert_int_equal(s->pipeline->stacks.short_tids.n, 2);
    assert_int_equal(s->pipeline->stacks.short_tids.at[0], PID + 1);
    assert_int_equal(s->pipeline->stacks.short_tids.at[1], PID + 2);
    for (uint32_t i = 0; i < LIMIT_DEEP_THREADS * 2; i++) {
        sample_copy(s, PID + i, words, 2, NULL, 0);
    }
    assert_int_equal(s->pipeline->stacks.short_tids.n, LIMIT_DEEP_THREADS);
}

static void test_waits_and_wakers_are_walked_too(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    map_program(s);
    const uint64_t words[] = {0, in(RULES_START)};
    struct event_regs regs = rules_regs(in(RULES_LEAF));
    struct event_stack stack = {.regs = &regs, .copy = rules_copy(words, 2)};
    struct event out = switch_out(false);
    out.switch_out.has_stack = true;
    out.switch_out.stack = stack;
    apply(s, out);
    struct event wakeup = {
        .kind = EVENT_WAKEUP,
        .pid = PID,
        .tid = PID,
        .wakeup = {.wakee_pid = PID, .wakee_tid = PID + 1, .has_stack = true, .stack = stack}};
    apply(s, wakeup);
    stack_id by_waker = wakeups_get(&s->store->wakeups, 0).stack;
    apply(s, (struct event){.kind = EVENT_SWITCH_IN, .pid = PID, .tid = PID});
    stack_id waited = intervals_get(&s->store->intervals, 0).stack;
    assert_int_equal(waited, by_waker);
    assert_int_equal(frame_of(s, caller_of(s, waited))->off,
                     in(RULES_START)-1 - PROGRAM_ADDR + CODE_OFF);
    assert_int_equal(caller_of(s, caller_of(s, waited)), STACK_ROOT);
    // What an interrupt found there is not its own.
    wakeup.wakeup.interrupt = true;
    apply(s, wakeup);
    assert_int_equal(wakeups_get(&s->store->wakeups, 1).stack, STACK_ROOT);
    assert_int_equal(store_account(s->store, ACCOUNT_STACKS_TRUNCATED), 0); // samples only
}

static void apply_simple(struct story *s, enum event_kind kind, uint32_t pid, uint32_t tid)
{
    apply(s, (struct event){.kind = kind, .pid = pid, .tid = tid});
}

static void check_life(struct story *s, thread_id thread, uint32_t tid, uint64_t started_ns,
                       uint64_t ended_ns)
{
    const struct thread_row *row = store_thread(s->store, thread);
    assert_int_equal(row->tid, tid);
    assert_int_equal(row->started_ns, started_ns);
    assert_int_equal(atomic_load(&row->ended_ns), ended_ns);
}

static void check_interval(struct story *s, uint64_t row, thread_id thread, uint64_t start_ns,
                           uint64_t end_ns)
{
    struct interval interval = intervals_get(&s->store->intervals, row);
    assert_int_equal(interval.thread, thread);
    assert_int_equal(interval.start_ns, start_ns);
    assert_int_equal(interval.start_ns + interval.duration_ns, end_ns);
}

static struct event exec_of(uint32_t pid, uint64_t time_ns, const char *name)
{
    return (struct event){.kind = EVENT_EXEC,
                          .pid = pid,
                          .tid = pid,
                          .time_ns = time_ns,
                          .exec = {.name = slice_of_text(name)}};
}

static void test_a_launched_program_begins_with_its_exec(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    apply(s, exec_of(PID, 2000, "program"));
    check_life(s, 0, PID, 2000, 0);
    assert_string_equal(thread_name(s, 0), "program");
    struct thread_off off;
    assert_false(store_thread_off(s->store, 0, &off));
    pipeline_end(s->pipeline, 9000);
    assert_int_equal(atomic_load(&s->store->intervals.n), 0); // it ran
}

static void test_an_exec_ends_the_other_threads(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    apply(s, exec_of(PID, 2000, "program"));
    for (uint32_t i = 1; i <= 3; i++) {
        s->now_ns = 2999;
        apply_simple(s, EVENT_THREAD_STARTED, PID, PID + i);
        apply_simple(s, EVENT_SWITCH_IN, PID, PID + i);
    }
    s->now_ns = 3999;
    apply_simple(s, EVENT_SWITCH_OUT, PID, PID + 1);
    apply_simple(s, EVENT_THREAD_EXITED, PID, PID + 2);
    uint64_t n = atomic_load(&s->store->intervals.n);
    apply(s, exec_of(PID, 30000, "next"));
    check_life(s, 0, PID, 2000, 0); // it called exec itself
    check_life(s, 1, PID + 1, 3000, 30000);
    check_life(s, 2, PID + 2, 3001, 4001);
    check_life(s, 3, PID + 3, 3001, 30000);
    assert_int_equal(atomic_load(&s->store->intervals.n), n + 1);
    check_interval(s, n, 1, 4000, 30000);
    assert_int_equal(atomic_load(&s->store->threads.n), 4);
    assert_string_equal(thread_name(s, 0), "next");
}

// The first thread is gone, another one calls exec: it gets the number of the first one, and its
// own one never ends by itself.
static void test_an_exec_by_another_thread(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    const uint64_t user[] = {0x10010};
    apply(s, exec_of(PID, 2000, "program"));
    s->now_ns = 2999;
    apply_simple(s, EVENT_THREAD_STARTED, PID, PID + 1);
    apply_simple(s, EVENT_SWITCH_IN, PID, PID + 1);
    s->now_ns = 3999;
    apply_simple(s, EVENT_THREAD_EXITED, PID, PID);
    sample(s, PID, PID, user, 1); // late ones of it
    apply_simple(s, EVENT_SWITCH_OUT, PID, PID);
    assert_int_equal(atomic_load(&s->store->threads.n), 2);
    assert_true(atomic_load(&store_process(s->store, 0)->ended_ns) != 0);
    apply(s, exec_of(PID, 30000, "next"));
    check_life(s, 0, PID, 2000, 4000);
    check_life(s, 1, PID + 1, 3000, 30000);
    check_life(s, 2, PID, 30000, 0);
    assert_string_equal(thread_name(s, 2), "next");
    assert_int_equal(atomic_load(&store_process(s->store, 0)->ended_ns), 0);
    s->now_ns = 39999;
    apply_simple(s, EVENT_SWITCH_OUT, PID, PID);
    apply_simple(s, EVENT_THREAD_EXITED, PID, PID);
    uint64_t n = atomic_load(&s->store->intervals.n);
    check_interval(s, n - 1, 2, 40000, 40001);
    check_life(s, 2, PID, 30000, 40001);
    assert_int_equal(atomic_load(&s->store->threads.n), 3);
}

static void test_a_forked_child_waits_for_its_first_turn(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    struct event forked = {
        .kind = EVENT_PROCESS_FORKED,
        .pid = PID + 1,
        .tid = PID + 1,
        .time_ns = 20000,
        .process_forked = {.parent_pid = PID, .parent_tid = PID, .recorded = true}};
    apply(s, forked);
    apply(s, forked); // by another set of kernel events
    assert_int_equal(atomic_load(&s->store->threads.n), 1);
    s->now_ns = 20499;
    apply_simple(s, EVENT_SWITCH_IN, PID + 1, PID + 1);
    check_interval(s, 0, 0, 20000, 20500);
    assert_int_equal(intervals_get(&s->store->intervals, 0).flags,
                     INTERVAL_RUNNABLE | INTERVAL_APPROXIMATE);
    // The pid is used again, and the end of its last user was lost.
    s->now_ns = 49999;
    apply_simple(s, EVENT_SWITCH_OUT, PID + 1, PID + 1);
    forked.time_ns = 70000;
    apply(s, forked);
    check_life(s, 0, PID + 1, 20000, 70000);
    check_life(s, 1, PID + 1, 70000, 0);
    check_interval(s, 1, 0, 50000, 70000);
    assert_int_equal(store_thread(s->store, 1)->process, 2);
}

static void test_a_child_that_existed(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    for (uint32_t i = 1; i <= 2; i++) {
        struct event existed = {.kind = EVENT_PROCESS_FORKED,
                                .pid = PID + i,
                                .tid = PID + i,
                                .time_ns = 20000,
                                .process_forked = {.parent_pid = PID,
                                                   .parent_tid = PID,
                                                   .recorded = true,
                                                   .existed = true,
                                                   .asleep = i == 1}};
        apply(s, existed);
    }
    s->now_ns = 49999;
    apply_simple(s, EVENT_SWITCH_IN, PID + 1, PID + 1);
    apply_simple(s, EVENT_SWITCH_IN, PID + 2, PID + 2);
    check_interval(s, 0, 0, 20000, 50000);
    check_interval(s, 1, 1, 20000, 50001);
    assert_int_equal(intervals_get(&s->store->intervals, 0).flags, INTERVAL_APPROXIMATE);
    assert_int_equal(intervals_get(&s->store->intervals, 1).flags,
                     INTERVAL_APPROXIMATE | INTERVAL_RUNNABLE);
}

static void test_a_tid_moves_to_another_process(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    const uint64_t user[] = {0x10010};
    sample(s, PID, PID + 5, user, 1);
    s->now_ns = 20000;
    sample(s, PID + 1, PID + 5, user, 1); // its end was lost
    check_life(s, 0, PID + 5, 1001, 20001);
    check_life(s, 1, PID + 5, 20001, 0);
}

static void test_a_flood_of_tids(void **state)
{
    struct story *s = *state;
    s->store->has_switches = true;
    for (uint32_t i = 0; i < LIMIT_THREADS - 3; i++) {
        store_add_thread(s->store, 1, i, 0, START_NS, 0);
    }
    for (uint64_t tid = 1; tid != 0 && tid < UINT64_C(1) << 32; tid = tid * 5 / 4 + 1) {
        apply_simple(s, EVENT_SWITCH_OUT, (uint32_t)tid, (uint32_t)tid);
        apply_simple(s, EVENT_SWITCH_IN, (uint32_t)tid, (uint32_t)tid);
        apply_simple(s, EVENT_THREAD_NAMED, (uint32_t)tid, (uint32_t)tid);
        apply(s, exec_of((uint32_t)tid, 0, "program"));
        apply(s, foreign_wakeup((uint32_t)tid, true, "other"));
        wake(s, (uint32_t)tid, 0x10, 0);
        apply_simple(s, EVENT_THREAD_EXITED, (uint32_t)tid, (uint32_t)tid);
    }
    assert_int_equal(atomic_load(&s->store->threads.n), LIMIT_THREADS);
}

static void test_jit_code_has_a_life(void **state)
{
    struct story *s = *state;
    apply(s, (struct event){
                 .kind = EVENT_CODE_LOADED,
                 .pid = PID,
                 .tid = PID,
                 .code_loaded = {
                     .addr = 0x5000, .size_bytes = 64, .index = 9, .name = slice_of_text("hot")}});
    apply(s, (struct event){
                 .kind = EVENT_CODE_MOVED,
                 .pid = PID,
                 .tid = PID,
                 .code_moved = {
                     .from_addr = 0x5000, .to_addr = 0x6000, .size_bytes = 64, .index = 9}});
    assert_int_equal(atomic_load(&s->store->codes.n), 2);
    assert_true(atomic_load(&store_code(s->store, 0)->ended_ns) > 0);
    assert_int_equal(store_code(s->store, 1)->addr, 0x6000);
    assert_int_equal(store_code(s->store, 1)->name, store_code(s->store, 0)->name);
    assert_int_equal(atomic_load(&store_code(s->store, 1)->ended_ns), 0);
}

static void test_losses_are_counted(void **state)
{
    struct story *s = *state;
    apply(s, (struct event){.kind = EVENT_LOST, .lost = {.n = 5, .samples = true}});
    apply(s, (struct event){.kind = EVENT_LOST, .lost = {.n = 7}});
    apply(s, (struct event){.kind = EVENT_THROTTLED});
    apply(s, (struct event){.kind = EVENT_THROTTLED, .throttled = {.ended = true}});
    assert_int_equal(store_account(s->store, ACCOUNT_SAMPLES_LOST), 5);
    assert_int_equal(store_account(s->store, ACCOUNT_RECORDS_LOST), 7);
    assert_int_equal(store_account(s->store, ACCOUNT_LOST_REPORTS), 2);
    assert_int_equal(store_account(s->store, ACCOUNT_THROTTLES), 1);
    assert_int_equal(store_account(s->store, ACCOUNT_UNTHROTTLES), 1);
}

// A pause takes the samples, and nothing else.
static void test_a_pause_takes_samples_only(void **state)
{
    struct story *s = *state;
    struct pauses pauses = {0};
    const uint64_t user[] = {0x10010};
    s->store->has_switches = true;
    s->pipeline->pauses = &pauses;
    sample(s, PID, PID, user, 1);
    struct event dropped = {.kind = EVENT_SAMPLE,
                            .pid = PID,
                            .tid = PID + 1,
                            .time_ns = 2500,
                            .sample = {.stack = {.user = user, .n_user = 1}}};
    struct event out = switch_out(false);
    out.time_ns = 2600;
    struct event in = {.kind = EVENT_SWITCH_IN, .pid = PID, .tid = PID, .time_ns = 2900};
    assert_true(pauses_set(&pauses, true, 2000));
    assert_true(pauses_set(&pauses, false, 3000));
    apply(s, dropped);
    apply(s, out);
    apply(s, in);
    assert_int_equal(atomic_load(&s->store->samples.n), 1);
    assert_int_equal(pauses_dropped(&pauses), 1);
    assert_int_equal(atomic_load(&s->store->threads.n), 2);
    assert_int_equal(atomic_load(&s->store->intervals.n), 1);
    assert_int_equal(intervals_get(&s->store->intervals, 0).duration_ns, 300);
    assert_int_equal(store_account(s->store, ACCOUNT_SAMPLES_DROPPED), 0);
    dropped.time_ns = 3000;
    apply(s, dropped);
    assert_int_equal(atomic_load(&s->store->samples.n), 2);
}

static void test_time_never_runs_backwards(void **state)
{
    struct story *s = *state;
    const uint64_t user[] = {0x10010};
    s->now_ns = 9000;
    sample(s, PID, PID, user, 1);
    struct event late = {.kind = EVENT_SAMPLE,
                         .pid = PID,
                         .tid = PID,
                         .time_ns = 8000,
                         .sample = {.stack = {.user = user, .n_user = 1}}};
    apply(s, late);
    assert_int_equal(store_account(s->store, ACCOUNT_OUT_OF_ORDER), 1);
    struct samples_span span;
    samples_pin(&s->store->samples, 0, 2, &span);
    assert_int_equal(span.time_ns[0], span.time_ns[1]);
    samples_unpin(&s->store->samples, &span);
}

static uint64_t heat_of(const struct story *s, const char *path)
{
    for (uint32_t i = 0; i < s->library.n; i++) {
        const struct image *image = library_at(&s->library, i);
        if (strcmp(image->path, path) == 0) {
            return atomic_load(&image->heat);
        }
    }
    return UINT64_MAX;
}

static void test_the_library_learns_what_is_hot(void **state)
{
    struct story *s = *state;
    map_file(s, PID, 0x10000, 0, "/bin/a");
    map_file(s, PID, 0x20000, 0, "/lib/b");
    const uint64_t in_a[] = {0x10010};
    const uint64_t in_b_from_a[] = {0x20010, 0x10010};
    const uint64_t nowhere[] = {0x900000};
    for (int i = 0; i < 3; i++) {
        sample(s, PID, PID, in_b_from_a, 2);
    }
    sample(s, PID, PID, in_a, 1);
    sample(s, PID, PID, nowhere, 1);
    sample(s, PID, PID, NULL, 0);
    assert_int_equal(heat_of(s, "/lib/b"), 0); // not with each sample
    pipeline_flush(s->pipeline);
    assert_int_equal(heat_of(s, "/lib/b"), 3); // innermost frames count, callers don't
    assert_int_equal(heat_of(s, "/bin/a"), 1);
    pipeline_flush(s->pipeline);
    assert_int_equal(heat_of(s, "/lib/b"), 3);
    for (int i = 0; i < 2 * HEAT_SAMPLES; i++) {
        sample(s, PID, PID, in_a, 1);
    }
    pipeline_flush(s->pipeline);
    assert_int_equal(heat_of(s, "/bin/a"), 1 + HEAT_SAMPLES);
}

int main(void)
{
#define STORY(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(test_addresses_become_frames),
        STORY(test_stacks_come_out_as_they_went_in),
        STORY(test_kernel_frames_stand_inside_of_user_frames),
        STORY(test_an_address_is_resolved_by_time),
        STORY(test_an_exec_replaces_everything),
        STORY(test_a_fork_copies_and_then_lives_alone),
        STORY(test_a_tid_that_is_used_again_is_a_new_thread),
        STORY(test_memory_without_a_file_belongs_to_its_process),
        STORY(test_switches_become_intervals),
        STORY(test_wakeups_know_both_sides),
        STORY(test_a_wakeup_without_a_stack_gets_one_like_it),
        STORY(test_a_waker_on_its_way_out),
        STORY(test_other_programs_are_no_threads_of_the_run),
        STORY(test_other_programs_are_bounded),
        STORY(test_interrupts_have_no_user),
        STORY(test_a_stack_without_its_callers_is_marked),
        STORY(test_a_cut_chain_is_marked),
        STORY(test_short_copies_are_remembered),
        STORY(test_waits_and_wakers_are_walked_too),
        STORY(test_a_launched_program_begins_with_its_exec),
        STORY(test_an_exec_ends_the_other_threads),
        STORY(test_an_exec_by_another_thread),
        STORY(test_a_forked_child_waits_for_its_first_turn),
        STORY(test_a_child_that_existed),
        STORY(test_a_tid_moves_to_another_process),
        STORY(test_a_flood_of_tids),
        STORY(test_jit_code_has_a_life),
        STORY(test_losses_are_counted),
        STORY(test_a_pause_takes_samples_only),
        STORY(test_time_never_runs_backwards),
        STORY(test_the_library_learns_what_is_hot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
