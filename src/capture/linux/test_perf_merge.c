#include "base/vec.h"
#include "capture/linux/perf_merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RINGS = 5, RING_BYTES = 1 << 16 };

#define MS UINT64_C(1000000)

struct fixture {
    struct perf_event_mmap_page *controls;
    uint8_t *data;
    struct perf_ring rings[RINGS];
    struct perf_merge merge;
    VEC(uint64_t) delivered; // times
    VEC(uint32_t) from;      // the ring of each, as written into the record
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    f->controls = NEW_ARRAY(struct perf_event_mmap_page, RINGS);
    f->data = NEW_ARRAY(uint8_t, RINGS * RING_BYTES);
    for (size_t i = 0; i < RINGS; i++) {
        perf_ring_init(&f->rings[i], &f->controls[i], f->data + i * RING_BYTES, RING_BYTES);
    }
    perf_merge_init(&f->merge, f->rings, RINGS);
}

static void finish(struct fixture *f)
{
    perf_merge_fini(&f->merge);
    for (size_t i = 0; i < RINGS; i++) {
        perf_ring_fini(&f->rings[i]);
    }
    vec_fini(&f->delivered);
    vec_fini(&f->from);
    free(f->controls);
    free(f->data);
}

// A SWITCH record: nothing but the trailer. Its cpu says which ring it went into.
struct record {
    struct perf_event_header header;
    uint32_t pid, tid;
    uint64_t time_ns;
    uint32_t cpu, reserved;
    uint64_t id;
};

static void write_record(struct fixture *f, uint32_t ring, uint64_t time_ns)
{
    struct record record = {.header = {.type = PERF_RECORD_SWITCH, .size = sizeof record},
                            .time_ns = time_ns,
                            .cpu = ring};
    struct perf_event_mmap_page *control = &f->controls[ring];
    for (size_t i = 0; i < sizeof record; i++) {
        f->data[ring * RING_BYTES + (control->data_head + i) % RING_BYTES] = ((
            uint8_t *)&record)[i];
    }
    control->data_head += sizeof record;
}

static void deliver(void *context, const struct perf_event_header *record, uint64_t time_ns,
                    uint32_t ring)
{
    struct fixture *f = context;
    assert_ptr_equal(perf_ring_peek(&f->rings[ring]), record);
    struct perf_stamp stamp;
    assert_true(perf_record_stamp(record, &stamp));
    assert_int_equal(stamp.cpu, ring);
    vec_push(&f->delivered, time_ns);
    vec_push(&f->from, stamp.cpu);
}

static void drain(struct fixture *f, uint64_t now_ns, bool final)
{
    perf_merge_drain(&f->merge, now_ns, final, deliver, f);
}

static void assert_sorted(const struct fixture *f)
{
    for (size_t i = 1; i < f->delivered.n; i++) {
        assert_true(f->delivered.at[i - 1] <= f->delivered.at[i]);
    }
}

static void test_merges_by_time_across_rings(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    unsigned random = 1;
    uint64_t time_ns = 0;
    for (int i = 0; i < 4000; i++) {
        random = random * 1103515245 + 12345;
        time_ns += random >> 16 & 3; // ties, too
        write_record(&f, (random >> 20) % RINGS, time_ns);
    }
    drain(&f, 1, true);
    assert_int_equal(f.delivered.n, 4000);
    assert_sorted(&f);
    for (size_t i = 1; i < f.delivered.n; i++) { // of equal ones the lower ring comes first
        assert_true(f.delivered.at[i - 1] < f.delivered.at[i] || f.from.at[i - 1] <= f.from.at[i]);
    }
    for (size_t i = 0; i < RINGS; i++) { // all of it is given back
        assert_int_equal(f.controls[i].data_tail, f.controls[i].data_head);
    }
    finish(&f);
}

// A record that was stamped before a round but written only after it: had the round delivered all
// that it saw, this one would come too late.
static void test_holds_back_what_a_slow_writer_may_precede(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write_record(&f, 0, 10 * MS);
    write_record(&f, 0, 19 * MS);
    drain(&f, 20 * MS, false);
    assert_int_equal(f.delivered.n, 0); // nothing is older than a round before the first
    write_record(&f, 1, 18 * MS);       // stamped at 18, written after 20
    write_record(&f, 0, 25 * MS);
    drain(&f, 30 * MS, false);
    assert_int_equal(f.delivered.n, 3);
    assert_int_equal(f.delivered.at[1], 18 * MS);
    assert_int_equal(f.delivered.at[2], 19 * MS);
    drain(&f, 40 * MS, false);
    assert_int_equal(f.delivered.n, 4);
    assert_sorted(&f);
    finish(&f);
}

static void test_rounds_in_a_hurry_count_as_one(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    drain(&f, 10 * MS, false);
    write_record(&f, 0, 10 * MS + 5);
    drain(&f, 10 * MS + 10, false);
    drain(&f, 10 * MS + 20, false);
    assert_int_equal(f.delivered.n, 0);
    drain(&f, 12 * MS, false); // round of 10 ms is the one before: 10 ms + 5 is younger
    assert_int_equal(f.delivered.n, 0);
    drain(&f, 14 * MS, false);
    assert_int_equal(f.delivered.n, 1);
    finish(&f);
}

static void test_the_last_round_holds_nothing_back(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write_record(&f, 2, 50 * MS);
    write_record(&f, 3, 40 * MS);
    drain(&f, 50 * MS, true);
    assert_int_equal(f.delivered.n, 2);
    assert_sorted(&f);
    finish(&f);
}

// An interrupt writes between the stamp and the place of another record.
static void test_a_nested_record_keeps_its_place(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write_record(&f, 0, 10 * MS + 500);
    write_record(&f, 0, 10 * MS + 100);
    write_record(&f, 1, 10 * MS + 300);
    drain(&f, 50 * MS, true);
    assert_int_equal(f.delivered.n, 3);
    assert_sorted(&f);
    assert_int_equal(f.delivered.at[0], 10 * MS + 300);
    assert_int_equal(f.delivered.at[2], 10 * MS + 500);
    finish(&f);
}

static void test_a_record_that_is_truly_late_keeps_its_time(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write_record(&f, 0, 30 * MS);
    write_record(&f, 0, 10 * MS);
    drain(&f, 50 * MS, true);
    assert_int_equal(f.delivered.at[1], 10 * MS);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_by_time_across_rings),
        cmocka_unit_test(test_holds_back_what_a_slow_writer_may_precede),
        cmocka_unit_test(test_rounds_in_a_hurry_count_as_one),
        cmocka_unit_test(test_the_last_round_holds_nothing_back),
        cmocka_unit_test(test_a_nested_record_keeps_its_place),
        cmocka_unit_test(test_a_record_that_is_truly_late_keeps_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
