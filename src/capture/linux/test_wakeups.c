// Wakeups from made-up records in a ring that is just memory.

#include "base/alloc.h"
#include "base/vec.h"
#include "capture/linux/wakeups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { RING_BYTES = 1 << 16, PID = 100, A = 101, B = 102 };
enum { STRANGER = TIDS_LIMIT + 1, STRANGER_2 = TIDS_LIMIT + 2 }; // no such thread can be
enum { ALL_ID = 11, STACK_ID = 12, THREAD_ID = 10 };
enum { USER_ADDR = 0x5000, KERNEL_ADDR = 0x7000 };

static const struct waking_format format = {
    .flags_off = 2, .waker_tid_off = 4, .wakee_tid_off = 24};

struct seen {
    struct event event;
    uint64_t addr; // the first of the user's part, or else of the kernel's; 0 without a stack
    char name[FOREIGN_NAME_BYTES + 1];
};

struct fixture {
    struct perf_event_mmap_page control;
    uint8_t *data;
    struct perf_ring ring;
    struct perf_layouts layouts;
    struct tids tids;
    struct wakeups wakeups;
    VEC(struct seen) seen;
    uint32_t n_bad;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    f->data = NEW_ARRAY(uint8_t, RING_BYTES);
    perf_ring_init(&f->ring, &f->control, f->data, RING_BYTES);
    f->layouts.n = 3;
    f->layouts.at[0] = (struct perf_layout){.callchain = true, .max_stack = 127};
    f->layouts.at[1] = (struct perf_layout){.meaning = PERF_MEANS_WAKEUP, .raw = true};
    f->layouts.at[2] = (struct perf_layout){
        .meaning = PERF_MEANS_WAKEUP, .callchain = true, .raw = true, .max_stack = 127};
    map_set(&f->layouts.by_id, THREAD_ID, 0);
    map_set(&f->layouts.by_id, ALL_ID, 1);
    map_set(&f->layouts.by_id, STACK_ID, 2);
    tids_add(&f->tids, A, PID);
    tids_add(&f->tids, B, PID);
    wakeups_init(&f->wakeups, 1, &format, &f->tids, &f->layouts);
}

static void finish(struct fixture *f)
{
    wakeups_fini(&f->wakeups);
    tids_fini(&f->tids);
    perf_layouts_fini(&f->layouts);
    perf_ring_fini(&f->ring);
    vec_fini(&f->seen);
    free(f->data);
}

struct sample {
    uint64_t id; // of the event: with or without a stack
    uint32_t waker;
    uint32_t wakee;
    uint64_t time_ns;
    uint8_t flags;
    uint64_t addr;      // of the stack's user part
    uint32_t raw_bytes; // as the record claims; 0: the true number
};

struct bytes {
    _Alignas(8) uint8_t at[512];
    size_t n;
};

static void put(struct bytes *to, const void *bytes, size_t n)
{
    memcpy(to->at + to->n, bytes, n);
    to->n += n;
}

static void write_bytes(struct fixture *f, struct bytes *record, uint32_t type)
{
    struct perf_event_header header = {.type = type, .size = (uint16_t)record->n};
    memcpy(record->at, &header, sizeof header);
    for (size_t i = 0; i < record->n; i++) {
        f->data[(f->control.data_head + i) % RING_BYTES] = record->at[i];
    }
    f->control.data_head += record->n;
}

static void write_sample(struct fixture *f, struct sample sample)
{
    struct bytes record = {.n = sizeof(struct perf_event_header)};
    uint64_t ip = KERNEL_ADDR;
    uint32_t pid = tids_find(&f->tids, sample.waker);
    uint32_t who[] = {pid != 0 ? pid : sample.waker, sample.waker};
    uint32_t cpu[] = {3, 0};
    put(&record, &sample.id, sizeof sample.id);
    put(&record, &ip, sizeof ip);
    put(&record, who, sizeof who);
    put(&record, &sample.time_ns, sizeof sample.time_ns);
    put(&record, cpu, sizeof cpu);
    if (sample.id == STACK_ID) {
        uint64_t chain[] = {4, PERF_CONTEXT_KERNEL, KERNEL_ADDR, PERF_CONTEXT_USER, sample.addr};
        put(&record, chain, sizeof chain);
    }
    uint8_t raw[36] = {0};
    raw[2] = sample.flags;
    memcpy(raw + 4, &sample.waker, 4);
    memcpy(raw + 24, &sample.wakee, 4);
    uint32_t n = sample.raw_bytes != 0 ? sample.raw_bytes : sizeof raw;
    put(&record, &n, sizeof n);
    put(&record, raw, sizeof raw);
    write_bytes(f, &record, PERF_RECORD_SAMPLE);
}

static void write_switch(struct fixture *f, uint64_t time_ns)
{
    struct bytes record = {.n = sizeof(struct perf_event_header)};
    uint32_t who[] = {PID, A};
    uint32_t cpu[] = {3, 0};
    uint64_t id = THREAD_ID;
    put(&record, who, sizeof who);
    put(&record, &time_ns, sizeof time_ns);
    put(&record, cpu, sizeof cpu);
    put(&record, &id, sizeof id);
    write_bytes(f, &record, PERF_RECORD_SWITCH);
}

static void see(struct fixture *f, const struct event *event)
{
    struct seen seen = {.event = *event};
    const struct event_stack *stack = &event->wakeup.stack;
    assert_int_equal(event->wakeup.has_stack, stack->n_kernel + stack->n_user > 0);
    seen.addr = stack->n_user > 0 ? stack->user[0] : stack->n_kernel > 0 ? stack->kernel[0] : 0;
    memcpy(seen.name, event->wakeup.foreign_name.data, event->wakeup.foreign_name.n);
    vec_push(&f->seen, seen);
}

// Reads what is in the ring, as on_record() does it.
static void drain(struct fixture *f)
{
    const struct perf_event_header *record;
    perf_ring_look(&f->ring);
    while ((record = perf_ring_peek(&f->ring)) != NULL) {
        const struct perf_layout *layout = perf_layouts_find(&f->layouts, record);
        if (layout->meaning != PERF_MEANS_WAKEUP) {
            wakeups_interrupt(&f->wakeups, 0);
        } else {
            struct event event;
            enum perf_outcome outcome = wakeups_take(&f->wakeups, layout, record, &f->ring, 0, 77,
                                                     &event);
            f->n_bad += outcome == PERF_E_BAD;
            if (outcome == PERF_OK) {
                assert_int_equal(event.kind, EVENT_WAKEUP);
                assert_int_equal(event.time_ns, 77);
                assert_int_equal(event.cpu, 3);
                see(f, &event);
            }
        }
        perf_ring_next(&f->ring);
    }
    perf_ring_release(&f->ring);
}

static void test_who_wakes_whom(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t waker;
        uint32_t wakee;
        uint8_t flags;
        bool kept, interrupt, waker_foreign, wakee_foreign;
    } rows[] = {
        {"ours", A, B, 0, true, false, false, false},
        {"itself", A, A, 0, true, false, false, false},
        {"from outside", STRANGER, B, 0, true, false, true, false},
        {"to the outside", A, STRANGER, 0, true, false, false, true},
        {"strangers", STRANGER, STRANGER_2, 0, false, false, false, false},
        {"an interrupt in us", A, B, 0x08, true, true, false, false},
        {"an interrupt in us, of a stranger", A, STRANGER, 0x08, false, false, false, false},
        {"an interrupt in a stranger", STRANGER, B, 0x18, true, true, true, false},
        {"a softirq in us", A, B, 0x10, true, false, false, false},
        {"a softirq in the idle task", 0, B, 0x10, true, true, true, false},
        {"the idle task", 0, B, 0, true, true, true, false},
        {"the idle task, a stranger", 0, STRANGER, 0x10, false, false, false, false},
        {"other flags", A, B, 0x07, true, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int with_stack = 0; with_stack <= 1; with_stack++) {
            struct fixture f;
            begin(&f);
            struct sample sample = {.id = STACK_ID,
                                    .waker = rows[i].waker,
                                    .wakee = rows[i].wakee,
                                    .flags = rows[i].flags,
                                    .time_ns = 1000,
                                    .addr = USER_ADDR};
            if (with_stack) {
                write_sample(&f, sample);
            }
            sample.id = ALL_ID;
            write_sample(&f, sample);
            drain(&f);
            if (f.seen.n != rows[i].kept) {
                fail_msg("%s: %zu events", rows[i].name, f.seen.n);
            }
            if (rows[i].kept) {
                const struct seen *seen = &f.seen.at[0];
                const struct event *e = &seen->event;
                bool foreign = rows[i].waker_foreign || rows[i].interrupt;
                assert_int_equal(e->tid, rows[i].waker);
                assert_int_equal(e->pid, rows[i].waker_foreign ? rows[i].waker : PID);
                assert_int_equal(e->wakeup.wakee_tid, rows[i].wakee);
                assert_int_equal(e->wakeup.wakee_pid, rows[i].wakee_foreign ? STRANGER : PID);
                assert_int_equal(e->wakeup.interrupt, rows[i].interrupt);
                assert_int_equal(e->wakeup.waker_foreign, rows[i].waker_foreign);
                assert_int_equal(e->wakeup.wakee_foreign, rows[i].wakee_foreign);
                assert_string_equal(seen->name, ""); // nobody knows them
                assert_int_equal(seen->addr, !with_stack ? 0 : foreign ? KERNEL_ADDR : USER_ADDR);
            }
            finish(&f);
        }
    }
}

enum { MAX_RECORDS = 8 };

// Two samples of one wakeup, among others: which stacks the wakeups get.
static void test_pairs_in_either_order(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct sample samples[MAX_RECORDS]; // id THREAD_ID: a switch
        uint64_t addrs[MAX_RECORDS];        // of the wakeups that come of it
        uint32_t n;
    } rows[] = {
        {"stack first", {{STACK_ID, A, B, 10, 0, 1, 0}, {ALL_ID, A, B, 11, 0, 0, 0}}, {1}, 1},
        {"stack second", {{ALL_ID, A, B, 10, 0, 0, 0}, {STACK_ID, A, B, 11, 0, 1, 0}}, {1}, 1},
        {"first, twice",
         {{STACK_ID, A, B, 10, 0, 1, 0},
          {ALL_ID, A, B, 11, 0, 0, 0},
          {STACK_ID, A, B, 12, 0, 2, 0},
          {ALL_ID, A, B, 13, 0, 0, 0}},
         {1, 2},
         2},
        {"second, twice",
         {{ALL_ID, A, B, 10, 0, 0, 0},
          {STACK_ID, A, B, 11, 0, 1, 0},
          {ALL_ID, A, B, 12, 0, 0, 0},
          {STACK_ID, A, B, 13, 0, 2, 0}},
         {1, 2},
         2},
        {"first, then none",
         {{STACK_ID, A, B, 10, 0, 1, 0}, {ALL_ID, A, B, 11, 0, 0, 0}, {ALL_ID, A, B, 12, 0, 0, 0}},
         {1, 0},
         2},
        {"second, then none",
         {{ALL_ID, A, B, 10, 0, 0, 0}, {STACK_ID, A, B, 11, 0, 1, 0}, {ALL_ID, A, B, 12, 0, 0, 0}},
         {1, 0},
         2},
        {"another wakee's, first",
         {{STACK_ID, A, A, 10, 0, 1, 0}, {ALL_ID, A, B, 11, 0, 0, 0}, {ALL_ID, A, A, 12, 0, 0, 0}},
         {0, 0},
         2},
        {"another waker's, second",
         {{ALL_ID, A, B, 10, 0, 0, 0}, {STACK_ID, B, B, 11, 0, 1, 0}, {ALL_ID, B, B, 12, 0, 0, 0}},
         {0, 1},
         2},
        {"a later wakeup's",
         {{ALL_ID, A, B, 10, 0, 0, 0}, {STACK_ID, A, B, 50000, 0, 1, 0}},
         {0},
         1},
        {"a switch between, first",
         {{STACK_ID, A, B, 10, 0, 1, 0},
          {THREAD_ID, A, 0, 11, 0, 0, 0},
          {ALL_ID, A, B, 12, 0, 0, 0}},
         {0},
         1},
        {"a switch between, second",
         {{ALL_ID, A, B, 10, 0, 0, 0},
          {THREAD_ID, A, 0, 11, 0, 0, 0},
          {STACK_ID, A, B, 12, 0, 1, 0}},
         {0},
         1},
        {"a stranger's between, first",
         {{STACK_ID, A, B, 10, 0, 1, 0},
          {ALL_ID, STRANGER, STRANGER, 11, 0, 0, 0},
          {ALL_ID, A, B, 12, 0, 0, 0}},
         {0},
         1},
        {"a stranger's stack between, first",
         {{STACK_ID, A, B, 10, 0, 1, 0},
          {STACK_ID, STRANGER, STRANGER, 11, 0, 9, 0},
          {ALL_ID, A, B, 12, 0, 0, 0}},
         {0},
         1},
        {"a stack alone", {{STACK_ID, A, B, 10, 0, 1, 0}}, {0}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        begin(&f);
        for (size_t k = 0; k < MAX_RECORDS && rows[i].samples[k].id != 0; k++) {
            if (rows[i].samples[k].id == THREAD_ID) {
                write_switch(&f, rows[i].samples[k].time_ns);
            } else {
                write_sample(&f, rows[i].samples[k]);
            }
        }
        drain(&f);
        if (f.seen.n != rows[i].n) {
            fail_msg("%s: %zu events", rows[i].name, f.seen.n);
        }
        for (size_t k = 0; k < f.seen.n; k++) {
            if (f.seen.at[k].addr != rows[i].addrs[k]) {
                fail_msg("%s: event %zu has %llu", rows[i].name, k,
                         (unsigned long long)f.seen.at[k].addr);
            }
        }
        finish(&f);
    }
}

// More than a ring holds, so that pairs lie around its end in every way.
static void test_a_storm(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (uint64_t i = 1; i <= 20000; i++) {
        bool first = i % 3 == 0;
        bool second = i % 3 == 1;
        uint64_t time_ns = i * 100000;
        if (first) {
            write_sample(&f, (struct sample){STACK_ID, A, B, time_ns, 0, i, 0});
        }
        write_sample(&f, (struct sample){ALL_ID, A, B, time_ns + 1, 0, 0, 0});
        if (second) {
            write_sample(&f, (struct sample){STACK_ID, A, B, time_ns + 2, 0, i, 0});
        }
        write_sample(&f, (struct sample){ALL_ID, STRANGER, STRANGER_2, time_ns + 3, 0, 0, 0});
        if (i % 50 == 0) {
            drain(&f);
        }
    }
    drain(&f);
    assert_int_equal(f.seen.n, 20000);
    for (uint64_t i = 1; i <= 20000; i++) {
        assert_int_equal(f.seen.at[i - 1].addr, i % 3 == 2 ? 0 : i);
    }
    assert_int_equal(f.wakeups.foreign.threads.n, 0); // nobody looked for a stranger's name
    finish(&f);
}

static void test_raw_bytes_that_make_no_sense(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 27, 37, 1000, INT32_MAX, UINT32_MAX - 3, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (uint64_t id = ALL_ID; id <= STACK_ID; id++) {
            struct fixture f;
            begin(&f);
            write_sample(&f, (struct sample){id, A, B, 10, 0, 1, sizes[i]});
            write_sample(&f, (struct sample){ALL_ID, A, B, 11, 0, 0, 0});
            drain(&f);
            assert_int_equal(f.n_bad, 1);
            assert_int_equal(f.seen.n, 1);
            assert_int_equal(f.seen.at[0].addr, 0);
            finish(&f);
        }
    }
}

// pthread_join() is woken by a thread that has told of its end already.
static void test_the_last_act_of_a_thread(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write_sample(&f, (struct sample){ALL_ID, A, B, 10, 0, 0, 0});
    tids_end(&f.tids, A, 9);
    drain(&f);
    assert_int_equal(f.seen.n, 1);
    assert_false(f.seen.at[0].event.wakeup.waker_foreign);
    write_sample(&f, (struct sample){ALL_ID, B, A, 11, 0, 0, 0});
    drain(&f);
    assert_true(f.seen.at[1].event.wakeup.wakee_foreign); // nobody wakes it any more
    finish(&f);
}

static void test_strangers_are_looked_up_once_and_bounded(void **state)
{
    (void)state;
    struct foreign foreign = {0};
    uint32_t self = (uint32_t)getpid();
    struct foreign_thread thread = foreign_find(&foreign, self);
    assert_int_equal(thread.pid, self);
    assert_memory_equal(thread.name, "test_wakeups", thread.n);
    assert_int_equal(thread.n, strlen("test_wakeups"));
    for (uint32_t i = 0; i < LIMIT_FOREIGN_THREADS + 100; i++) {
        thread = foreign_find(&foreign, STRANGER + i % (LIMIT_FOREIGN_THREADS + 50));
        assert_int_equal(thread.n, 0);
        assert_int_equal(thread.pid, STRANGER + i % (LIMIT_FOREIGN_THREADS + 50));
    }
    assert_int_equal(foreign.threads.n, LIMIT_FOREIGN_THREADS);
    foreign_fini(&foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_wakes_whom),
        cmocka_unit_test(test_pairs_in_either_order),
        cmocka_unit_test(test_a_storm),
        cmocka_unit_test(test_raw_bytes_that_make_no_sense),
        cmocka_unit_test(test_the_last_act_of_a_thread),
        cmocka_unit_test(test_strangers_are_looked_up_once_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
