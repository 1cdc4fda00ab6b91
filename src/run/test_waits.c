// Scripts of one thread's switches and wakeups, and the rows that come of them. They go through the
// pipeline: it decides which thread an event is about, and in which order.

#include "run/pipeline.h"

#include "base/limits.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// Scripts count in microseconds from the start, rows are compared in them.
enum { PID = 100, TID = 101, START_US = 1000 };

struct story {
    struct library library;
    struct store *store;
    struct pipeline *pipeline;
};

static void story_init(struct story *s)
{
    library_init(&s->library, NULL, NULL);
    s->store = store_new(START_US * 1000, 5000, 10);
    s->store->has_switches = true;
    s->pipeline = pipeline_new(s->store, &s->library);
}

static void story_fini(struct story *s)
{
    pipeline_free(s->pipeline);
    store_free(s->store);
    library_fini(&s->library);
}

static int begin(void **state)
{
    struct story *s = NEW(struct story);
    story_init(s);
    *state = s;
    return 0;
}

static int end(void **state)
{
    story_fini(*state);
    free(*state);
    return 0;
}

static void apply(struct story *s, uint64_t at_us, struct event event)
{
    event.time_ns = (START_US + at_us) * 1000;
    if (event.pid == 0) {
        event.pid = PID;
        event.tid = TID;
    }
    pipeline_apply(s->pipeline, &event);
}

// ---- What comes of it ---------------------------------------------------------------------------

// The name of its innermost function, or the address.
static void put_leaf(struct text *to, const struct store *store, stack_id stack)
{
    if (stack == STACK_ROOT) {
        text_addf(to, "root");
        return;
    }
    const struct frame_row *frame = stacks_get_frame(&store->stacks,
                                                     stacks_get(&store->stacks, stack)->frame);
    if (store_image(store, frame->image)->kind == IMAGE_ROW_NAMED) {
        struct slice name = strings_get(&store->strings, (string_id)frame->off);
        text_add_bytes(to, name.data, name.n);
    } else {
        text_addf(to, "%llx", (unsigned long long)frame->off);
    }
}

static void put_what(struct text *to, const struct store *store, stack_id stack, uint8_t flags,
                     uint8_t reason)
{
    text_addf(to, "%s%s%s", (flags & INTERVAL_RUNNABLE) != 0 ? " runnable" : "",
              (flags & INTERVAL_APPROXIMATE) != 0 ? " about" : "",
              (flags & INTERVAL_ENDED_BY_RUN) != 0 ? " end" : "");
    text_addf(to, " ");
    put_leaf(to, store, stack);
    if (reason != REASON_BY_STACK) {
        text_addf(to, " %s", event_reason_name((enum event_reason)reason));
    }
}

static long long in_us(uint64_t time_ns)
{
    assert_int_equal(time_ns % 1000, 0);
    return (long long)(time_ns / 1000) - START_US;
}

// All rows of a thread: "100-200 a, 200-250 runnable a".
static void check_rows(const struct store *store, thread_id thread, const char *name,
                       const char *wanted)
{
    CLEANUP(text_fini) struct text rows = {0};
    for (uint64_t i = 0; i < atomic_load(&store->intervals.n); i++) {
        struct interval row = intervals_get(&store->intervals, i);
        if (row.thread == thread) {
            text_addf(&rows, "%s%lld-%lld", rows.n > 0 ? ", " : "", in_us(row.start_ns),
                      in_us(row.start_ns + row.duration_ns));
            put_what(&rows, store, row.stack, row.flags, row.reason);
        }
    }
    if (strcmp(text_get(&rows), wanted) != 0) {
        fail_msg("%s:\n  wanted: %s\n  rows:   %s", name, wanted, text_get(&rows));
    }
}

#define CHECK_ROWS(s, thread, wanted) check_rows((s)->store, thread, __func__, wanted)

// ---- States -------------------------------------------------------------------------------------

static void take_step(struct story *s, const char *op, uint64_t at_us, uint64_t addr, uint32_t cpu)
{
    const struct event_stack stack = {.user = &addr, .n_user = addr != 0};
    struct event event = {.kind = EVENT_KIND_COUNT, .cpu = cpu};
    if (strcmp(op, "born") == 0 || strcmp(op, "asleep") == 0 || strcmp(op, "awake") == 0) {
        event.kind = EVENT_THREAD_STARTED;
        event.thread_started.existed = strcmp(op, "born") != 0;
        event.thread_started.asleep = strcmp(op, "asleep") == 0;
    } else if (strcmp(op, "out") == 0 || strcmp(op, "preempted") == 0) {
        event.kind = EVENT_SWITCH_OUT;
        event.switch_out.preempted = strcmp(op, "preempted") == 0;
        event.switch_out.has_stack = addr != 0;
        event.switch_out.stack = stack;
    } else if (strcmp(op, "in") == 0) {
        event.kind = EVENT_SWITCH_IN;
    } else if (strcmp(op, "sample") == 0) {
        event.kind = EVENT_SAMPLE;
        event.sample.stack = stack;
    } else if (strcmp(op, "woken") == 0) {
        event = (struct event){.kind = EVENT_WAKEUP, .pid = PID, .tid = TID};
        event.wakeup.interrupt = true;
        event.wakeup.wakee_pid = PID;
        event.wakeup.wakee_tid = TID;
    } else if (strcmp(op, "exit") == 0) {
        event.kind = EVENT_THREAD_EXITED;
    } else if (strcmp(op, "name") == 0) {
        event.kind = EVENT_THREAD_NAMED;
    }
    assert_int_not_equal(event.kind, EVENT_KIND_COUNT);
    apply(s, at_us, event);
}

// Steps of the thread TID: what, when, and the address of its stack and the CPU where that matters.
static void play(struct story *s, const char *steps)
{
    while (*steps != 0) {
        char op[16];
        unsigned long long at_us = 0;
        unsigned long long addr = 0;
        unsigned cpu = 0;
        assert_true(sscanf(steps, "%15s %llu %llx cpu%u", op, &at_us, &addr, &cpu) >= 2);
        take_step(s, op, at_us, addr, cpu);
        steps += strcspn(steps, ",");
        steps += *steps == ',';
    }
}

// Every script ends at 1000 microseconds.
static const struct {
    const char *name;
    const char *steps;
    const char *rows;
    uint64_t n_unpaired;
} scripts[] = {
    {"leaves by itself and comes back", "sample 0, out 100 a, in 300", "100-300 a", 0},
    {"is preempted", "sample 0, preempted 100 a, in 300", "100-300 runnable a", 0},
    {"is woken, and waits for a CPU", "sample 0, out 100 a, woken 250, in 300",
     "100-250 a, 250-300 runnable a", 0},
    {"is woken twice", "sample 0, out 100 a, woken 250, woken 260, in 300",
     "100-250 a, 250-300 runnable a", 0},
    {"is woken while it runs or is ready",
     "sample 0, woken 50, preempted 100 a, woken 250, in 300, woken 400", "100-300 runnable a", 0},
    {"is woken at once", "sample 0, out 100 a, woken 100, in 150", "100-150 runnable a", 0},
    {"waits no time at all", "sample 0, out 100 a, woken 100, in 100", "", 0},
    {"leaves when the run ends", "sample 0, out 1000 a", "", 0},
    {"is born", "born 10, in 50, out 100 a, in 200", "10-50 runnable about [unknown], 100-200 a",
     0},
    {"is announced twice", "born 10, born 11, awake 12, in 50", "10-50 runnable about [unknown]",
     0},
    {"is born and never runs", "born 10", "10-1000 runnable about end [unknown]", 0},
    {"is born, and its coming to a CPU is lost", "born 10, out 50 a, in 70",
     "10-50 runnable about [unknown], 50-70 a", 1},
    {"slept before the recording, and comes back", "asleep 10, in 400", "10-400 about [unknown]",
     0},
    {"slept before the recording, and is woken", "asleep 10, woken 300, in 400",
     "10-300 about [unknown], 300-400 runnable about [unknown]", 0},
    {"seemed to sleep, but leaves first", "asleep 10, out 400 a, in 500", "400-500 a", 0},
    {"seemed to sleep, but is sampled first", "asleep 10, sample 300, out 400 a, in 500",
     "400-500 a", 0},
    {"sleeps all the time", "asleep 10", "10-1000 about end [unknown]", 0},
    {"was ready before the recording", "awake 10, in 400", "10-400 runnable about [unknown]", 0},
    {"ran before the recording", "awake 10, sample 100 b, out 400 a, in 500", "400-500 a", 0},
    {"ran before the recording, and leaves", "awake 10, out 400 a, in 500", "400-500 a", 0},
    {"nobody said how it began", "name 10, in 60", "10-60 about [unknown]", 0},
    {"first comes back", "in 10", "", 0},
    {"first is woken", "woken 10, in 30", "10-30 runnable about [unknown]", 0},
    {"comes back twice", "in 10, in 50, out 60 a, in 70", "60-70 a", 1},
    {"leaves twice", "sample 0, out 100 a, preempted 200 b, in 300",
     "100-200 a, 200-300 runnable b", 1},
    {"is sampled while it is off", "sample 0, out 100 a, sample 150 b, out 200 a, in 300",
     "100-150 a, 200-300 a", 1},
    {"is sampled a hair after it left", "sample 0, out 100 a, sample 103 b, in 300", "100-300 a",
     0},
    {"its switches are reported twice",
     "sample 0, out 100, out 101 a, in 300, in 302, out 400 a, out 400",
     "100-300 a, 400-1000 end a", 0},
    {"leaves another CPU at once", "sample 0, out 100 a, out 105 b cpu1, in 300",
     "100-105 a, 105-300 b", 1},
    {"exits while it is off",
     "sample 0, out 100 a, exit 200, in 300, out 400, woken 450, sample 500, exit 600", "100-200 a",
     0},
    {"exits, and is switched away from", "born 0, in 20, exit 200, out 200",
     "0-20 runnable about [unknown]", 0},
    {"its stays are open at the end", "sample 0, out 100 a, woken 400",
     "100-400 a, 400-1000 runnable end a", 0},
    {"times run backwards", "sample 500, out 400 a, in 300, out 600 a, woken 100, in 50", "", 0},
    {"times run backwards while it waits",
     "sample 500, out 400 a, woken 600, in 50, out 700, in 800", "500-600 a, 700-800 about a", 0},
    {"a late sample does not disturb", "sample 0, out 500 a, sample 400 b, in 600", "500-600 a", 0},
};

static void test_switches_become_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct story s;
        story_init(&s);
        play(&s, scripts[i].steps);
        pipeline_end(s.pipeline, (START_US + 1000) * 1000);
        check_rows(s.store, 0, scripts[i].name, scripts[i].rows);
        uint64_t n_unpaired = store_account(s.store, ACCOUNT_SWITCHES_UNPAIRED);
        if (n_unpaired != scripts[i].n_unpaired) {
            fail_msg("%s: %d unpaired", scripts[i].name, (int)n_unpaired);
        }
        struct thread_off off;
        assert_false(store_thread_off(s.store, 0, &off));
        assert_int_equal(atomic_load(&s.store->threads.n), 1);
        story_fini(&s);
    }
}

static void test_without_switches_there_is_none_of_it(void **state)
{
    struct story *s = *state;
    s->store->has_switches = false;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        play(s, scripts[i].steps);
    }
    pipeline_end(s->pipeline, 0);
    assert_int_equal(atomic_load(&s->store->intervals.n), 0);
    assert_int_equal(store_account(s->store, ACCOUNT_SWITCHES_UNPAIRED), 0);
    assert_int_equal(s->pipeline->waits.at.n, 0);
    assert_true(atomic_load(&s->store->wakeups.n) > 0);
}

// ---- Stays that are open ------------------------------------------------------------------------

static void check_off(struct story *s, const char *wanted)
{
    CLEANUP(text_fini) struct text what = {0};
    struct thread_off off;
    if (store_thread_off(s->store, 0, &off)) {
        text_addf(&what, "%lld-", in_us(off.since_ns));
        put_what(&what, s->store, off.stack, off.flags, off.reason);
    }
    assert_string_equal(text_get(&what), wanted);
}

static void test_open_stays_are_seen(void **state)
{
    static const struct {
        const char *step;
        const char *off;
    } steps[] = {
        {"born 10", "10- runnable about [unknown]"},
        {"in 20", ""},
        {"out 50 a", "50- a"},
        {"woken 60", "60- runnable a"},
        {"in 70", ""},
        {"preempted 100 b", "100- runnable b"},
        {"in 120", ""},
        {"out 150", "150- about a"}, // the last one of its kind
        {"in 160", ""},
        {"preempted 170", "170- runnable about b"},
        {"in 180", ""},
        {"out 190 c", "190- c"},
        {"exit 200", ""},
    };
    struct story *s = *state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        play(s, steps[i].step);
        check_off(s, steps[i].off);
    }
    assert_int_equal(atomic_load(&store_thread(s->store, 0)->ended_ns), (START_US + 200) * 1000);
}

// ---- Stacks -------------------------------------------------------------------------------------

static void test_a_stack_of_a_stay_that_was_as_long(void **state)
{
    struct story *s = *state;
    play(s, "sample 0 5, out 100, in 200"); // none yet: that of the last sample
    play(s, "out 1000 a, in 1020");         // 20 us
    play(s, "out 2000 b, in 22000");        // 20 ms
    play(s, "out 23000, in 23018");         // like the first
    play(s, "out 24000, in 44500");         // like the second
    play(s, "out 50000, in 150000");        // nearer to the second
    play(s, "preempted 151000, in 151020"); // none of this kind
    play(s, "out 160000, woken 180000, in 180010");
    play(s, "out 190000 c, in 190020"); // in place of the first
    play(s, "out 191000, in 191020");
    CHECK_ROWS(s, 0,
               "100-200 about 5, 1000-1020 a, 2000-22000 b, 23000-23018 about a, "
               "24000-44500 about b, 50000-150000 about b, 151000-151020 runnable about 5, "
               "160000-180000 about b, 180000-180010 runnable about b, 190000-190020 c, "
               "191000-191020 about c");
}

static void see(struct story *s, uint64_t since_us, uint64_t at_us, const char *place,
                enum event_reason reason)
{
    apply(s, at_us,
          (struct event){
              .kind = EVENT_WAIT_SEEN,
              .wait_seen = {.since_ns = (START_US + since_us) * 1000,
                            .place = slice_of_text(place),
                            .has_reason = reason != EVENT_REASON_COUNT,
                            .reason = reason != EVENT_REASON_COUNT ? reason : EVENT_REASON_IDLE}});
}

static const enum event_reason LOCK = EVENT_REASON_LOCK;
static const enum event_reason SEMAPHORE = EVENT_REASON_SEMAPHORE;
static const enum event_reason NONE = EVENT_REASON_COUNT; // not known

static void sample_in_kernel(struct story *s, uint64_t at_us)
{
    static const uint64_t user[] = {0x5};
    static const uint64_t kernel[] = {0xffffffff81000000};
    struct event event = {.kind = EVENT_SAMPLE};
    event.sample.stack = (struct event_stack){
        .user = user, .n_user = 1, .kernel = kernel, .n_kernel = 1};
    apply(s, at_us, event);
}

static void test_a_wait_that_was_looked_at(void **state)
{
    struct story *s = *state;
    sample_in_kernel(s, 0);
    play(s, "out 100");
    see(s, 50, 150, "nonsense", NONE); // it did not wait yet
    see(s, 110, 150, "futex_wait", LOCK);
    check_off(s, "100- about futex_wait lock");
    play(s, "in 200");
    see(s, 110, 250, "nonsense", NONE); // it does not wait any more
    play(s, "out 300");
    see(s, 110, 310, "nonsense", NONE);     // it ran in between
    play(s, "in 400");                      // as long as the first one
    play(s, "out 10000, woken 30000");      // of any length: there is no other
    see(s, 20000, 30005, "nonsense", NONE); // ready by now
    play(s, "in 30010, out 40000");
    see(s, 40000, 50000, "", SEMAPHORE); // where is not known
    play(s, "in 60000");
    CHECK_ROWS(s, 0,
               "100-200 about futex_wait lock, 300-400 about futex_wait lock, "
               "10000-30000 about futex_wait lock, 30000-30010 runnable about futex_wait, "
               "40000-60000 about futex_wait semaphore");
}

static void test_a_place_is_a_frame_in_the_users_part(void **state)
{
    struct story *s = *state;
    sample_in_kernel(s, 0);
    play(s, "out 100");
    see(s, 110, 150, "futex_wait", NONE);
    play(s, "in 200");
    struct interval row = intervals_get(&s->store->intervals, 0);
    const struct stack_row *leaf = stacks_get(&s->store->stacks, row.stack);
    const struct frame_row *frame = stacks_get_frame(&s->store->stacks, leaf->frame);
    const struct image_row *image = store_image(s->store, frame->image);
    assert_int_equal(image->kind, IMAGE_ROW_NAMED);
    assert_int_equal(image->library, UINT32_MAX);
    assert_true(frame->leaf);
    assert_string_equal(strings_get(&s->store->strings, image->path).data, "[kernel]");
    CLEANUP(text_fini) struct text caller = {0};
    put_leaf(&caller, s->store, leaf->caller);
    assert_string_equal(text_get(&caller), "5");
    assert_int_equal(stacks_get(&s->store->stacks, leaf->caller)->caller, STACK_ROOT);
}

static void test_a_reason_is_remembered_with_its_stack(void **state)
{
    struct story *s = *state;
    play(s, "sample 0 5, out 100 a");
    see(s, 110, 150, "futex_wait", SEMAPHORE); // the stack is known: only the reason is news
    check_off(s, "100- a semaphore");
    play(s, "in 200, out 300 b, in 500, out 600 a, in 1600");
    play(s, "out 2000, in 3000");         // like the last one, whose reason was remembered
    play(s, "preempted 4000 a, in 4100"); // no wait
    play(s, "out 5000");
    see(s, 5000, 5100, "futex_wait", LOCK);
    play(s, "in 6000, out 7000, in 8000"); // exact stacks are not forgotten for that one
    CHECK_ROWS(s, 0,
               "100-200 a semaphore, 300-500 b, 600-1600 a semaphore, "
               "2000-3000 about a semaphore, 4000-4100 runnable a, "
               "5000-6000 about futex_wait lock, 7000-8000 about a semaphore");
}

// Where libraries keep no frame pointers, one thread's lock and another's semaphore share a stack.
static void test_a_reason_is_of_one_thread(void **state)
{
    struct story *s = *state;
    static const uint64_t user[] = {0xa};
    const struct event_stack stack = {.user = user, .n_user = 1};
    struct event other = {.pid = PID, .tid = TID + 1};
    play(s, "out 100 a");
    see(s, 110, 150, "futex_wait", SEMAPHORE);
    play(s, "in 200");
    other.kind = EVENT_SAMPLE;
    apply(s, 210, other);
    other.kind = EVENT_SWITCH_OUT;
    other.switch_out.has_stack = true;
    other.switch_out.stack = stack;
    apply(s, 300, other);
    other = (struct event){.kind = EVENT_SWITCH_IN, .pid = PID, .tid = TID + 1};
    apply(s, 400, other);
    play(s, "out 500 a, in 600");
    CHECK_ROWS(s, 0, "100-200 a semaphore, 500-600 a semaphore");
    CHECK_ROWS(s, 1, "300-400 a");
}

static void test_the_backend_may_know_the_reason(void **state)
{
    struct story *s = *state;
    play(s, "sample 0 5");
    apply(s, 100,
          (struct event){.kind = EVENT_SWITCH_OUT,
                         .switch_out = {.has_reason = true, .reason = EVENT_REASON_LOCK}});
    play(s, "in 200");
    CHECK_ROWS(s, 0, "100-200 about 5 lock");
}

static void test_looking_at_nobody(void **state)
{
    struct story *s = *state;
    see(s, 0, 10, "futex_wait", NONE);
    assert_int_equal(atomic_load(&s->store->threads.n), 0);
    play(s, "out 100 a, exit 200");
    see(s, 100, 300, "futex_wait", LOCK);
    CHECK_ROWS(s, 0, "100-200 a");
    assert_int_equal(s->pipeline->waits.at.at[0].reasons.n, 0);
}

static void test_places_are_bounded(void **state)
{
    struct story *s = *state;
    play(s, "asleep 0");
    char name[32];
    for (int i = 0; i < LIMIT_PLACES + 100; i++) {
        snprintf(name, sizeof name, "place_%d", i);
        see(s, 0, 1, name, NONE);
    }
    uint32_t n_strings = atomic_load(&s->store->strings.n);
    see(s, 0, 1, "one_more", NONE);
    assert_int_equal(atomic_load(&s->store->strings.n), n_strings);
    assert_int_equal(s->pipeline->waits.place_by_hash.n, LIMIT_PLACES);
    see(s, 0, 1, "place_7", NONE); // those that are known go on
    play(s, "in 2");
    CHECK_ROWS(s, 0, "0-2 about place_7");
}

static void test_reasons_are_bounded(void **state)
{
    struct story *s = *state;
    play(s, "sample 0");
    for (uint32_t i = 0; i < LIMIT_REASONED_STACKS + 100; i++) {
        take_step(s, "out", 1 + i * 100, 0x1000 + i, 0);
        see(s, 1 + i * 100, 1 + i * 100, "", LOCK);
        take_step(s, "in", 1 + i * 100 + 50, 0, 0);
    }
    assert_int_equal(s->pipeline->waits.at.at[0].reasons.n, LIMIT_REASONED_STACKS);
}

// ---- Every nanosecond of a life -----------------------------------------------------------------

enum { LIVES = 12, EVENTS = 3000 };

struct model {
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t off_ns[2]; // blocked, runnable
    uint64_t last_end_ns;
};

static uint64_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return *random >> 33;
}

// Adds up what the rows say, and checks that those of a thread lie in its life, one after another.
static void add_up(const struct store *store, struct model *models)
{
    uint64_t last_end_ns = 0;
    for (uint64_t i = 0; i < atomic_load(&store->intervals.n); i++) {
        struct interval row = intervals_get(&store->intervals, i);
        const struct thread_row *thread = store_thread(store, row.thread);
        struct model *model = &models[row.thread];
        uint64_t end_ns = row.start_ns + row.duration_ns;
        uint64_t ended_ns = atomic_load(&thread->ended_ns);
        assert_true(end_ns >= last_end_ns);
        assert_true(row.start_ns >= model->last_end_ns && row.start_ns >= thread->started_ns);
        assert_true(ended_ns == 0 || end_ns <= ended_ns);
        assert_true(row.stack < atomic_load(&store->stacks.n_nodes) && row.stack != STACK_ROOT);
        assert_true(row.reason < EVENT_REASON_COUNT || row.reason == REASON_BY_STACK);
        last_end_ns = model->last_end_ns = end_ns;
        model->off_ns[(row.flags & INTERVAL_RUNNABLE) != 0] += row.duration_ns;
    }
}

// Any events at all: whatever they say, rows make sense.
static void test_rows_make_sense_whatever_comes(void **state)
{
    (void)state;
    static struct model models[LIVES * EVENTS];
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct story s;
        story_init(&s);
        uint64_t random = seed;
        uint64_t at_us = 0;
        for (int i = 0; i < EVENTS; i++) {
            at_us += next_random(&random) % 30;
            uint64_t late_us = next_random(&random) % 8 == 0 ? next_random(&random) % 100 : 0;
            uint64_t stack = next_random(&random) % 4;
            uint32_t tid = PID + (uint32_t)(next_random(&random) % LIVES);
            const struct event_stack of = {.user = &stack, .n_user = stack != 0};
            struct event event = {.kind = (enum event_kind)(next_random(&random) % EVENT_LOST),
                                  .pid = next_random(&random) % 20 == 0 ? PID + 1 : PID,
                                  .tid = tid,
                                  .cpu = next_random(&random) % 2};
            uint64_t bits = next_random(&random);
            if (event.kind == EVENT_IMAGE_MAPPED) {
                event.image_mapped.path = slice_of_text("/bin/program");
            } else if (event.kind == EVENT_SAMPLE) {
                event.sample.stack = of;
            } else if (event.kind == EVENT_SWITCH_OUT) {
                event.switch_out.stack = of;
                event.switch_out.has_stack = bits % 2;
                event.switch_out.preempted = bits / 2 % 2;
            } else if (event.kind == EVENT_WAKEUP) {
                event.wakeup.wakee_pid = PID;
                event.wakeup.wakee_tid = PID + (uint32_t)(bits % LIVES);
                event.wakeup.waker_foreign = bits / 16 % 4 == 0;
            } else if (event.kind == EVENT_WAIT_SEEN) {
                event.wait_seen.since_ns = bits % (at_us * 1000 + 1) + START_US * 1000;
                event.wait_seen.place = slice_of_text(bits % 2 == 0 ? "here" : "there");
            } else if (event.kind == EVENT_THREAD_STARTED) {
                event.thread_started.existed = bits % 2;
                event.thread_started.asleep = bits / 2 % 2;
            } else if (event.kind == EVENT_PROCESS_FORKED) {
                event.pid = event.tid;
                event.process_forked.parent_pid = PID;
                event.process_forked.recorded = true;
            }
            apply(&s, at_us > late_us ? at_us - late_us : 0, event);
        }
        pipeline_end(s.pipeline, (START_US + at_us + 5) * 1000);
        memset(models, 0, sizeof models);
        add_up(s.store, models);
        story_fini(&s);
    }
}

// What a scheduler would do with some threads, of which every nanosecond is known.
struct life {
    enum wait_state doing;
    uint64_t since_us;
    bool alive;
    thread_id thread;
    struct model model;
};

static void spend(struct life *life, uint64_t at_us, enum wait_state next)
{
    if (life->doing != WAIT_ON_CPU) {
        life->model.off_ns[life->doing == WAIT_RUNNABLE] += (at_us - life->since_us) * 1000;
    }
    life->doing = next;
    life->since_us = at_us;
}

static void live(struct story *s, struct life *life, uint32_t tid, uint64_t at_us, uint64_t chance)
{
    uint64_t stack = 0xa + chance % 3;
    struct event event = {.pid = PID, .tid = tid};
    if (!life->alive) {
        *life = (struct life){.alive = true, .thread = atomic_load(&s->store->threads.n)};
        life->model.started_ns = (START_US + at_us) * 1000;
        life->since_us = at_us;
        event.kind = EVENT_THREAD_STARTED;
        spend(life, at_us, WAIT_RUNNABLE);
    } else if (chance % 97 == 0) {
        event.kind = EVENT_THREAD_EXITED;
        spend(life, at_us, WAIT_ENDED);
        life->alive = false;
    } else if (life->doing == WAIT_ON_CPU) {
        event.kind = EVENT_SWITCH_OUT;
        event.switch_out.preempted = chance / 4 % 2;
        event.switch_out.has_stack = chance / 8 % 2;
        event.switch_out.stack = (struct event_stack){.user = &stack, .n_user = 1};
        spend(life, at_us, event.switch_out.preempted ? WAIT_RUNNABLE : WAIT_BLOCKED);
    } else if (life->doing == WAIT_BLOCKED && chance % 3 != 0) {
        event = (struct event){.kind = EVENT_WAKEUP, .pid = 1, .tid = 1};
        event.wakeup.wakee_pid = PID;
        event.wakeup.wakee_tid = tid;
        event.wakeup.interrupt = true;
        spend(life, at_us, WAIT_RUNNABLE);
    } else {
        event.kind = EVENT_SWITCH_IN;
        spend(life, at_us, WAIT_ON_CPU);
    }
    apply(s, at_us, event);
}

static void check_life(const struct store *store, const struct model *models,
                       const struct life *life)
{
    const struct thread_row *row = store_thread(store, life->thread);
    assert_int_equal(row->started_ns, life->model.started_ns);
    assert_int_equal(models[life->thread].off_ns[0], life->model.off_ns[0]);
    assert_int_equal(models[life->thread].off_ns[1], life->model.off_ns[1]);
}

static void test_times_are_those_of_the_scheduler(void **state)
{
    (void)state;
    static struct model models[EVENTS];
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct story s;
        story_init(&s);
        struct life lives[LIVES] = {0};
        VEC(struct life) ended = {0};
        uint64_t random = seed;
        uint64_t at_us = 0;
        for (int i = 0; i < EVENTS; i++) {
            at_us += 11 + next_random(&random) % 300;
            uint32_t number = (uint32_t)(next_random(&random) % LIVES);
            bool alive = lives[number].alive;
            live(&s, &lives[number], PID + number, at_us, next_random(&random));
            if (alive && !lives[number].alive) {
                vec_push(&ended, lives[number]);
            }
        }
        at_us += 100;
        pipeline_end(s.pipeline, (START_US + at_us) * 1000);
        memset(models, 0, sizeof models);
        add_up(s.store, models);
        for (size_t i = 0; i < LIVES; i++) {
            if (lives[i].alive) {
                spend(&lives[i], at_us, WAIT_ENDED);
                check_life(s.store, models, &lives[i]);
            }
        }
        for (size_t i = 0; i < ended.n; i++) {
            check_life(s.store, models, &ended.at[i]);
        }
        assert_int_equal(store_account(s.store, ACCOUNT_SWITCHES_UNPAIRED), 0);
        vec_fini(&ended);
        story_fini(&s);
    }
}

int main(void)
{
#define STORY(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switches_become_rows),
        STORY(test_without_switches_there_is_none_of_it),
        STORY(test_open_stays_are_seen),
        STORY(test_a_stack_of_a_stay_that_was_as_long),
        STORY(test_a_wait_that_was_looked_at),
        STORY(test_a_place_is_a_frame_in_the_users_part),
        STORY(test_a_reason_is_remembered_with_its_stack),
        STORY(test_a_reason_is_of_one_thread),
        STORY(test_the_backend_may_know_the_reason),
        STORY(test_looking_at_nobody),
        STORY(test_places_are_bounded),
        STORY(test_reasons_are_bounded),
        cmocka_unit_test(test_rows_make_sense_whatever_comes),
        cmocka_unit_test(test_times_are_those_of_the_scheduler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
