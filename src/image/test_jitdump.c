#include "image/jitdump.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__x86_64__)
enum { MACHINE = 62, OTHER_MACHINE = 183 };
#else
enum { MACHINE = 183, OTHER_MACHINE = 62 };
#endif
enum { MAGIC = 0x4a695444, LOAD = 0, MOVE = 1, DEBUG_INFO = 2, CLOSE = 3, UNWINDING = 4 };

static void put_u32(struct text *to, uint32_t value)
{
    text_add_bytes(to, &value, sizeof value);
}

static void put_u64(struct text *to, uint64_t value)
{
    text_add_bytes(to, &value, sizeof value);
}

static void put_header(struct text *to, uint32_t magic, uint32_t version, uint32_t total,
                       uint32_t machine, uint64_t flags)
{
    put_u32(to, magic);
    put_u32(to, version);
    put_u32(to, total);
    put_u32(to, machine);
    put_u32(to, 0);
    put_u32(to, 4711);
    put_u64(to, 1);
    put_u64(to, flags);
}

static void put_good_header(struct text *to)
{
    put_header(to, MAGIC, 1, 40, MACHINE, 0);
}

static void put_prefix(struct text *to, uint32_t id, size_t total, uint64_t time)
{
    put_u32(to, id);
    put_u32(to, (uint32_t)total);
    put_u64(to, time);
}

// `size` is what the record claims; the code that follows has `n_code` bytes.
static void put_load(struct text *to, uint64_t time, uint64_t addr, uint64_t size, uint64_t index,
                     const char *name, size_t n_code)
{
    put_prefix(to, LOAD, 16 + 40 + strlen(name) + 1 + n_code, time);
    put_u32(to, 4711);
    put_u32(to, 4711);
    put_u64(to, addr);
    put_u64(to, addr);
    put_u64(to, size);
    put_u64(to, index);
    text_add_bytes(to, name, strlen(name) + 1);
    for (size_t i = 0; i < n_code; i++) {
        text_add_char(to, (char)('a' + i % 26));
    }
}

static void put_move(struct text *to, uint64_t time, uint64_t from, uint64_t addr, uint64_t size,
                     uint64_t index)
{
    put_prefix(to, MOVE, 16 + 48, time);
    put_u32(to, 4711);
    put_u32(to, 4711);
    put_u64(to, addr);
    put_u64(to, from);
    put_u64(to, addr);
    put_u64(to, size);
    put_u64(to, index);
}

// What was reported, as text.
static void note(void *context, const struct jitdump_record *r)
{
    struct text *to = context;
    if (r->kind == JITDUMP_MOVED) {
        text_addf(to, "move %d at %d: %x -> %x+%x; ", (int)r->index, (int)r->time_ns,
                  (unsigned)r->from_addr, (unsigned)r->addr, (unsigned)r->size_bytes);
        return;
    }
    text_addf(to, "load %d at %d: %x+%x %.*s code %.*s", (int)r->index, (int)r->time_ns,
              (unsigned)r->addr, (unsigned)r->size_bytes, (int)r->name.n, r->name.data,
              (int)r->code.n, r->code.data);
    if (r->eh_frame.n > 0) {
        text_addf(to, " frame %.*s", (int)r->eh_frame.n, r->eh_frame.data);
    }
    text_add(to, "; ");
}

static int feed(struct jitdump *dump, const struct text *bytes, size_t piece, struct text *seen,
                struct err *err)
{
    for (size_t at = 0; at < bytes->n; at += piece) {
        struct slice part = {(const uint8_t *)bytes->at + at, MIN(piece, bytes->n - at)};
        int r = jitdump_feed(dump, part, note, seen, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void put_story(struct text *file)
{
    put_good_header(file);
    put_load(file, 10, 0x1000, 3, 1, "one", 3);
    put_prefix(file, UNWINDING, 16 + 24 + 5, 11);
    put_u64(file, 5);
    put_u64(file, 2);
    put_u64(file, 0);
    text_add(file, "EHFxx");
    put_load(file, 12, 0x2000, 2, 2, "two of them", 2);
    put_prefix(file, DEBUG_INFO, 16 + 16, 13);
    put_u64(file, 0x1000);
    put_u64(file, 0);
    put_move(file, 14, 0x1000, 0x3000, 3, 1);
    put_prefix(file, 77, 16 + 4, 15);
    text_add(file, "????");
    put_load(file, 5, 0x4000, 1, 3, "late", 1);
}

static const char story[] = "load 1 at 10: 1000+3 one code abc; "
                            "load 2 at 12: 2000+2 two of them code ab frame EHF; "
                            "move 1 at 14: 1000 -> 3000+3; load 3 at 5: 4000+1 late code a; ";

static void test_records_come_in_pieces_of_any_size(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text file = {0};
    put_story(&file);
    for (size_t piece = 1; piece <= file.n; piece++) {
        CLEANUP(text_fini) struct text seen = {0};
        CLEANUP(jitdump_fini) struct jitdump dump = {0};
        assert_int_equal(feed(&dump, &file, piece, &seen, NULL), 0);
        assert_string_equal(text_get(&seen), story);
        assert_int_equal(dump.n_loaded, 3);
        assert_int_equal(dump.n_moved, 1);
        assert_int_equal(dump.n_skipped, 2);
        assert_int_equal(dump.n_bad, 0);
        assert_int_equal(dump.n_backwards, 1);
        assert_false(jitdump_is_cut(&dump));
        assert_int_equal(dump.pid, 4711);
    }
}

static void test_what_is_cut_waits(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text file = {0};
    put_good_header(&file);
    size_t first = file.n;
    put_load(&file, 10, 0x1000, 3, 1, "one", 3);
    for (size_t n = 1; n < file.n; n++) {
        CLEANUP(text_fini) struct text seen = {0};
        CLEANUP(jitdump_fini) struct jitdump dump = {0};
        struct slice part = {(const uint8_t *)file.at, n};
        assert_int_equal(jitdump_feed(&dump, part, note, &seen, NULL), 0);
        assert_string_equal(text_get(&seen), "");
        assert_int_equal(jitdump_is_cut(&dump), n != first);
    }
}

static void expect_refused(const struct text *file, const char *why)
{
    CLEANUP(text_fini) struct text seen = {0};
    CLEANUP(jitdump_fini) struct jitdump dump = {0};
    struct err err = {0};
    assert_true(feed(&dump, file, file->n, &seen, &err) < 0);
    assert_non_null(strstr(err.text, why));
    assert_true(dump.closed);
    assert_string_equal(text_get(&seen), "");
    err.text[0] = 0;
    assert_int_equal(feed(&dump, file, file->n, &seen, &err), 0); // it is said once
    assert_string_equal(text_get(&seen), "");
    assert_string_equal(err.text, "");
}

static void test_headers_that_are_refused(void **state)
{
    (void)state;
    struct {
        uint32_t magic, version, total, machine;
        uint64_t flags;
        const char *why;
    } cases[] = {
        {0x4454694a, 0x01000000, 40, MACHINE, 0, "byte order"},
        {0x12345678, 1, 40, MACHINE, 0, "is not a jitdump"},
        {MAGIC, 2, 40, MACHINE, 0, "version"},
        {MAGIC, 1, 40, OTHER_MACHINE, 0, "processor"},
        {MAGIC, 1, 40, MACHINE, 1, "counter"},
        {MAGIC, 1, 39, MACHINE, 0, "shorter"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(text_fini) struct text file = {0};
        put_header(&file, cases[i].magic, cases[i].version, cases[i].total, cases[i].machine,
                   cases[i].flags);
        put_load(&file, 10, 0x1000, 3, 1, "one", 3);
        expect_refused(&file, cases[i].why);
    }
}

static void test_a_longer_header_is_skipped(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text file = {0};
    CLEANUP(text_fini) struct text seen = {0};
    CLEANUP(jitdump_fini) struct jitdump dump = {0};
    put_header(&file, MAGIC, 1, 44, MACHINE, 2);
    text_add(&file, "more");
    put_load(&file, 10, 0x1000, 1, 1, "one", 1);
    assert_int_equal(feed(&dump, &file, 7, &seen, NULL), 0);
    assert_string_equal(text_get(&seen), "load 1 at 10: 1000+1 one code a; ");
}

static void test_sizes_that_lie(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text file = {0};
    CLEANUP(text_fini) struct text seen = {0};
    CLEANUP(jitdump_fini) struct jitdump dump = {0};
    put_good_header(&file);
    put_load(&file, 10, 0x1000, 4, 1, "more code than there is", 3);
    put_load(&file, 11, 0x1000, 2, 2, "less", 3);
    put_load(&file, 12, 0x1000, UINT64_MAX, 3, "wraps", 3);
    put_load(&file, 13, 0x1000, 0, 4, "empty", 0);
    put_load(&file, 14, UINT64_MAX - 1, 3, 5, "beyond the end", 3);
    put_prefix(&file, LOAD, 16, 15); // nothing in it
    put_prefix(&file, LOAD, 16 + 44, 16);
    for (int i = 0; i < 44; i++) { // a name without an end
        text_add_char(&file, 'x');
    }
    put_move(&file, 17, 1, UINT64_MAX, 2, 1);
    put_prefix(&file, UNWINDING, 16 + 24, 18);
    put_u64(&file, 1);
    put_u64(&file, 0);
    put_u64(&file, 0);
    put_load(&file, 19, 0x1000, 1, 6, "good", 1);
    assert_int_equal(feed(&dump, &file, file.n, &seen, NULL), 0);
    assert_string_equal(text_get(&seen), "load 6 at 19: 1000+1 good code a; ");
    assert_int_equal(dump.n_bad, 9);
}

static void test_a_record_too_short_ends_the_file(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text file = {0};
    CLEANUP(text_fini) struct text seen = {0};
    CLEANUP(jitdump_fini) struct jitdump dump = {0};
    put_good_header(&file);
    put_load(&file, 10, 0x1000, 1, 1, "one", 1);
    put_prefix(&file, LOAD, 15, 11);
    put_load(&file, 12, 0x1000, 1, 2, "two", 1);
    struct err err = {0};
    assert_true(feed(&dump, &file, file.n, &seen, &err) < 0);
    assert_non_null(strstr(err.text, "shorter"));
    assert_string_equal(text_get(&seen), "load 1 at 10: 1000+1 one code a; ");
}

static void test_a_record_too_long_is_skipped(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text file = {0};
    CLEANUP(text_fini) struct text seen = {0};
    CLEANUP(jitdump_fini) struct jitdump dump = {0};
    put_good_header(&file);
    size_t n = JITDUMP_RECORD_MAX_BYTES + 1;
    put_prefix(&file, LOAD, n, 11);
    CLEANUP(freep) char *filler = alloc_zeroed(1, n - 16);
    text_add_bytes(&file, filler, n - 16);
    put_load(&file, 12, 0x1000, 1, 2, "two", 1);
    assert_int_equal(feed(&dump, &file, 100000, &seen, NULL), 0);
    assert_string_equal(text_get(&seen), "load 2 at 12: 1000+1 two code a; ");
    assert_int_equal(dump.n_skipped, 1);
    assert_true(dump.pending.room < 300000); // it was not collected
}

static void test_nothing_follows_a_close(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text file = {0};
    CLEANUP(text_fini) struct text seen = {0};
    CLEANUP(jitdump_fini) struct jitdump dump = {0};
    put_good_header(&file);
    put_prefix(&file, CLOSE, 16, 11);
    put_load(&file, 12, 0x1000, 1, 2, "two", 1);
    assert_int_equal(feed(&dump, &file, 9, &seen, NULL), 0);
    assert_string_equal(text_get(&seen), "");
    assert_false(jitdump_is_cut(&dump));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_come_in_pieces_of_any_size),
        cmocka_unit_test(test_what_is_cut_waits),
        cmocka_unit_test(test_headers_that_are_refused),
        cmocka_unit_test(test_a_longer_header_is_skipped),
        cmocka_unit_test(test_sizes_that_lie),
        cmocka_unit_test(test_a_record_too_short_ends_the_file),
        cmocka_unit_test(test_a_record_too_long_is_skipped),
        cmocka_unit_test(test_nothing_follows_a_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
