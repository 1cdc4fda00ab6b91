// What attach_wants() makes of records, with threads and events that exist only on paper.

#include "capture/linux/attach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 100, OPENER = 101, SUSPECT = 102, CHILD = 103 };
enum { OPENER_ID = 1, SUSPECT_ID = 2 }; // of the events that were opened for them

struct fixture {
    struct perf_set set;
    struct attach attach;
};

static void add(struct fixture *f, uint32_t tid, uint64_t id, bool suspect)
{
    uint32_t index = (uint32_t)f->attach.threads.n;
    vec_push(&f->attach.threads,
             (struct attach_thread){.tid = tid, .pid = PID, .announced = true, .suspect = suspect});
    map_set(&f->attach.by_tid, tid, index);
    vec_push(&f->set.events, (struct perf_event_fd){.fd = -1, .tid = tid, .id = id});
    if (suspect) {
        map_set(&f->attach.suspect_by_id, id, index);
        f->attach.n_suspects++;
    }
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    attach_init(&f->attach, &f->set, PID, false);
    add(f, OPENER, OPENER_ID, false);
    add(f, SUSPECT, SUSPECT_ID, true);
}

static void finish(struct fixture *f)
{
    attach_fini(&f->attach);
    vec_fini(&f->set.events);
}

// A record that `tid` wrote by the event `id`, about `about`.
static bool wants(struct fixture *f, enum event_kind kind, uint32_t tid, uint64_t id,
                  uint32_t about)
{
    struct {
        struct perf_event_header header;
        uint32_t pid, tid;
        uint64_t time_ns;
        uint32_t cpu, reserved;
        uint64_t id;
    } record = {.header = {.type = PERF_RECORD_SWITCH, .size = sizeof record},
                .pid = PID,
                .tid = tid,
                .id = id};
    struct event event = {.kind = kind, .pid = PID, .tid = about};
    return attach_wants(&f->attach, &record.header, &event);
}

static size_t n_events_of(const struct fixture *f, uint32_t tid)
{
    size_t n = 0;
    for (size_t i = 0; i < f->set.events.n; i++) {
        n += f->set.events.at[i].tid == tid;
    }
    return n;
}

static void test_a_suspect_that_has_not_inherited_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    for (int i = 0; i < 3; i++) {
        assert_true(wants(&f, EVENT_SAMPLE, SUSPECT, SUSPECT_ID, SUSPECT));
        assert_true(wants(&f, EVENT_SAMPLE, OPENER, OPENER_ID, OPENER));
    }
    assert_int_equal(n_events_of(&f, SUSPECT), 1);
    finish(&f);
}

static void test_a_suspect_that_has_inherited_loses_its_events(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(wants(&f, EVENT_SAMPLE, SUSPECT, SUSPECT_ID, SUSPECT)); // nobody can know yet
    assert_true(wants(&f, EVENT_SAMPLE, SUSPECT, OPENER_ID, SUSPECT));
    assert_int_equal(n_events_of(&f, SUSPECT), 0);
    assert_int_equal(n_events_of(&f, OPENER), 1);
    assert_false(wants(&f, EVENT_SAMPLE, SUSPECT, SUSPECT_ID, SUSPECT)); // still in the ring
    assert_false(wants(&f, EVENT_SAMPLE, CHILD, SUSPECT_ID, CHILD));     // inherited from them
    assert_true(wants(&f, EVENT_SAMPLE, SUSPECT, OPENER_ID, SUSPECT));
    finish(&f);
}

static void test_a_thread_starts_once(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    // We have told of it already; the number may be used again later.
    assert_false(wants(&f, EVENT_THREAD_STARTED, OPENER, OPENER_ID, OPENER));
    assert_true(wants(&f, EVENT_THREAD_EXITED, OPENER, OPENER_ID, OPENER));
    assert_true(wants(&f, EVENT_THREAD_STARTED, SUSPECT, SUSPECT_ID, OPENER));
    finish(&f);
}

static void test_a_number_that_is_used_again_is_a_new_thread(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(wants(&f, EVENT_THREAD_EXITED, SUSPECT, SUSPECT_ID, SUSPECT));
    assert_true(wants(&f, EVENT_THREAD_STARTED, OPENER, OPENER_ID, SUSPECT));
    // It inherits from OPENER, which is no news about the one that had the number before.
    assert_true(wants(&f, EVENT_SAMPLE, SUSPECT, OPENER_ID, SUSPECT));
    finish(&f);
}

static void test_a_suspects_child_is_told_once(void **state)
{
    (void)state;
    for (int own_first = 0; own_first <= 1; own_first++) {
        struct fixture f;
        begin(&f);
        uint64_t ids[] = {own_first ? SUSPECT_ID : OPENER_ID, own_first ? OPENER_ID : SUSPECT_ID};
        assert_true(wants(&f, EVENT_THREAD_STARTED, SUSPECT, ids[0], CHILD));
        assert_false(wants(&f, EVENT_THREAD_STARTED, SUSPECT, ids[1], CHILD));
        assert_int_equal(n_events_of(&f, SUSPECT), 0);
        finish(&f);
    }
}

// What closed events have written is still in the rings: it must not be taken for garbage, nor its
// ids be kept for ever.
static void test_ids_of_closed_events_are_known_until_they_are_read(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    map_set(&f.set.layouts.by_id, OPENER_ID, 0);
    map_set(&f.set.layouts.by_id, SUSPECT_ID, 1);
    perf_set_forget_closed(&f.set, UINT64_MAX); // nothing was closed
    assert_int_equal(f.set.layouts.by_id.n, 2);
    perf_set_remove_thread(&f.set, SUSPECT);
    assert_int_equal(map_find(&f.set.layouts.by_id, SUSPECT_ID), 1);
    perf_set_forget_closed(&f.set, f.set.closed_ns);
    assert_int_equal(map_find(&f.set.layouts.by_id, SUSPECT_ID), 1);
    perf_set_forget_closed(&f.set, f.set.closed_ns + 1);
    assert_int_equal(map_find(&f.set.layouts.by_id, SUSPECT_ID), MAP_NONE);
    assert_int_equal(map_find(&f.set.layouts.by_id, OPENER_ID), 0);
    map_fini(&f.set.layouts.by_id);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_suspect_that_has_not_inherited_is_kept),
        cmocka_unit_test(test_a_suspect_that_has_inherited_loses_its_events),
        cmocka_unit_test(test_a_thread_starts_once),
        cmocka_unit_test(test_a_number_that_is_used_again_is_a_new_thread),
        cmocka_unit_test(test_a_suspects_child_is_told_once),
        cmocka_unit_test(test_ids_of_closed_events_are_known_until_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
