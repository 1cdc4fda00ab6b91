#include "capture/linux/perf_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RING_BYTES = 64 };

// A ring in plain memory, and the kernel's side of it.
struct fixture {
    struct perf_event_mmap_page control;
    _Alignas(8) uint8_t data[RING_BYTES];
    struct perf_ring ring;
};

static void begin(struct fixture *f, uint64_t position)
{
    *f = (struct fixture){0};
    f->control.data_head = f->control.data_tail = position;
    perf_ring_init(&f->ring, &f->control, f->data, RING_BYTES);
}

// Writes a record of `size` bytes whose payload counts up from `seed`.
static void write_record(struct fixture *f, uint16_t size, uint8_t seed)
{
    uint8_t bytes[RING_BYTES];
    struct perf_event_header header = {.type = 1000u + seed, .size = size};
    memcpy(bytes, &header, sizeof header);
    for (size_t i = sizeof header; i < size; i++) {
        bytes[i] = (uint8_t)(seed + i);
    }
    for (size_t i = 0; i < size; i++) {
        f->data[(f->control.data_head + i) % RING_BYTES] = bytes[i];
    }
    f->control.data_head += size;
}

static void assert_record(const struct perf_event_header *record, uint16_t size, uint8_t seed)
{
    assert_non_null(record);
    assert_int_equal((uintptr_t)record % 8, 0);
    assert_int_equal(record->size, size);
    assert_int_equal(record->type, 1000u + seed);
    for (size_t i = sizeof *record; i < size; i++) {
        assert_int_equal(((const uint8_t *)record)[i], (uint8_t)(seed + i));
    }
}

// Every place in the buffer where a record can begin, and every length: the header wraps, the
// payload wraps, neither does.
static void test_wraps_at_every_offset(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 2 * RING_BYTES; at++) {
        for (uint16_t size = 8; size <= RING_BYTES; size++) {
            struct fixture f;
            begin(&f, at);
            write_record(&f, size, 7);
            perf_ring_look(&f.ring);
            assert_record(perf_ring_peek(&f.ring), size, 7);
            perf_ring_next(&f.ring);
            assert_null(perf_ring_peek(&f.ring));
            perf_ring_release(&f.ring);
            assert_int_equal(f.control.data_tail, at + size);
            assert_int_equal(f.ring.n_bad, 0);
            perf_ring_fini(&f.ring);
        }
    }
}

static void test_looks_at_the_record_behind(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < RING_BYTES * 2; at += 8) { // around the end in every way
        struct fixture f;
        begin(&f, at);
        write_record(&f, 24, 1);
        perf_ring_look(&f.ring);
        assert_record(perf_ring_peek(&f.ring), 24, 1);
        assert_null(perf_ring_peek_ahead(&f.ring));
        write_record(&f, 16, 2);
        assert_null(perf_ring_peek_ahead(&f.ring)); // not yet seen
        perf_ring_look(&f.ring);
        const struct perf_event_header *first = perf_ring_peek(&f.ring);
        assert_record(perf_ring_peek_ahead(&f.ring), 16, 2);
        assert_record(first, 24, 1); // and is still there
        perf_ring_next(&f.ring);
        assert_record(perf_ring_peek(&f.ring), 16, 2);
        assert_null(perf_ring_peek_ahead(&f.ring));
        assert_int_equal(f.ring.n_bad, 0);
        perf_ring_fini(&f.ring);
    }
}

static void test_positions_near_the_end_of_64_bits_work(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, UINT64_MAX - 15);
    write_record(&f, 24, 1);
    write_record(&f, 16, 2);
    perf_ring_look(&f.ring);
    assert_record(perf_ring_peek(&f.ring), 24, 1);
    f.ring.tail = f.ring.at; // the quarter rule is not what is tested here
    f.ring.at = f.ring.next;
    assert_record(perf_ring_peek(&f.ring), 16, 2);
    perf_ring_fini(&f.ring);
}

static void test_many_records_in_a_row(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    uint16_t sizes[] = {8, 24, 16, 40};
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t size = sizes[i % ARRAY_LEN(sizes)];
        write_record(&f, size, (uint8_t)i);
        perf_ring_look(&f.ring);
        assert_record(perf_ring_peek(&f.ring), size, (uint8_t)i);
        assert_record(perf_ring_peek(&f.ring), size, (uint8_t)i); // peeking takes nothing
        perf_ring_next(&f.ring);
        assert_true(f.control.data_head - f.control.data_tail <= RING_BYTES);
    }
    perf_ring_release(&f.ring);
    assert_int_equal(f.control.data_tail, f.control.data_head);
    perf_ring_fini(&f.ring);
}

static void test_only_what_the_last_look_saw(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    write_record(&f, 16, 1);
    perf_ring_look(&f.ring);
    write_record(&f, 16, 2);
    assert_record(perf_ring_peek(&f.ring), 16, 1);
    perf_ring_next(&f.ring);
    assert_null(perf_ring_peek(&f.ring));
    perf_ring_look(&f.ring);
    assert_record(perf_ring_peek(&f.ring), 16, 2);
    perf_ring_fini(&f.ring);
}

// The kernel gets room back during a long drain, not only at its end.
static void test_gives_room_back_by_quarters(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    for (uint8_t i = 0; i < 8; i++) {
        write_record(&f, 8, i);
    }
    perf_ring_look(&f.ring);
    for (uint8_t i = 0; i < 8; i++) {
        assert_record(perf_ring_peek(&f.ring), 8, i);
        perf_ring_next(&f.ring);
        assert_true(f.ring.at - f.control.data_tail <= RING_BYTES / 4);
    }
    perf_ring_fini(&f.ring);
}

static void test_nonsense_is_skipped_and_counted(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t size;     // that the header says
        uint16_t n_behind; // bytes that are there
    } rows[] = {
        {"size 0", 0, 32},
        {"size 7", 7, 32},
        {"longer than what is there", 40, 32},
        {"no whole header", 8, 4},
        {"longer than the ring", 128, 64},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        begin(&f, 24);
        struct perf_event_header header = {.type = 1, .size = rows[i].size};
        memcpy(f.data + 24, &header, sizeof header);
        f.control.data_head += rows[i].n_behind;
        perf_ring_look(&f.ring);
        if (perf_ring_peek(&f.ring) != NULL || f.ring.n_bad != 1) {
            fail_msg("%s was taken", rows[i].name);
        }
        perf_ring_release(&f.ring);
        assert_int_equal(f.control.data_tail, f.control.data_head);
        write_record(&f, 16, 3); // and it goes on behind it
        perf_ring_look(&f.ring);
        assert_record(perf_ring_peek(&f.ring), 16, 3);
        perf_ring_fini(&f.ring);
    }
}

static void test_a_head_beyond_the_ring_is_not_followed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    f.control.data_head = 3 * RING_BYTES;
    perf_ring_look(&f.ring);
    assert_null(perf_ring_peek(&f.ring));
    assert_int_equal(f.ring.n_bad, 1);
    perf_ring_fini(&f.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wraps_at_every_offset),
        cmocka_unit_test(test_looks_at_the_record_behind),
        cmocka_unit_test(test_positions_near_the_end_of_64_bits_work),
        cmocka_unit_test(test_many_records_in_a_row),
        cmocka_unit_test(test_only_what_the_last_look_saw),
        cmocka_unit_test(test_gives_room_back_by_quarters),
        cmocka_unit_test(test_nonsense_is_skipped_and_counted),
        cmocka_unit_test(test_a_head_beyond_the_ring_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
