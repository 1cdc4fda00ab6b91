#include "image/perf_map.h"

#include "base/limits.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void note(void *context, const struct perf_map_entry *entry)
{
    text_addf(context, "%llx+%llx [%.*s] ", (unsigned long long)entry->addr,
              (unsigned long long)entry->size_bytes, (int)MIN(entry->name.n, (size_t)100),
              entry->name.data);
}

static void feed(struct perf_map *map, const char *text, size_t n, size_t piece, struct text *seen)
{
    for (size_t at = 0; at < n; at += piece) {
        struct slice part = {(const uint8_t *)text + at, MIN(piece, n - at)};
        perf_map_feed(map, part, note, seen);
    }
}

static void test_lines_come_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const char text[] = "7f2c3a4011c0 5c JS:*update /srv/app.js:10:21\n"
                               "0x10 0X2 a b  c \n"
                               "DEADbeef 1 Ljava/lang/String;::hashCode\n";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        CLEANUP(perf_map_fini) struct perf_map map = {0};
        CLEANUP(text_fini) struct text seen = {0};
        feed(&map, text, strlen(text), piece, &seen);
        assert_string_equal(text_get(&seen), "7f2c3a4011c0+5c [JS:*update /srv/app.js:10:21] "
                                             "10+2 [a b  c ] "
                                             "deadbeef+1 [Ljava/lang/String;::hashCode] ");
        assert_int_equal(map.n_entries, 3);
        assert_int_equal(map.n_bad, 0);
        assert_false(perf_map_is_cut(&map));
    }
}

static void test_bad_lines_are_left_out(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        " ",
        "10",
        "10 ",
        "10 2",
        "10 2 ",
        "10 0 empty",
        "g 2 name",
        "10 g name",
        " 10 2 name",
        "10  2 name",
        "10000000000000000 2 name",
        "ffffffffffffffff 2 wraps",
        "0x 2 name",
        "-10 2 name",
        "10\t2\tname",
        "10 2\tname",
    };
    CLEANUP(perf_map_fini) struct perf_map map = {0};
    CLEANUP(text_fini) struct text seen = {0};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        feed(&map, lines[i], strlen(lines[i]), 3, &seen);
        feed(&map, "\n", 1, 1, &seen);
        assert_string_equal(text_get(&seen), "");
        assert_int_equal(map.n_bad, i + 1);
    }
    feed(&map, "10 2 x\n", 7, 7, &seen);
    assert_string_equal(text_get(&seen), "10+2 [x] ");
}

static void test_a_line_without_end_waits(void **state)
{
    (void)state;
    CLEANUP(perf_map_fini) struct perf_map map = {0};
    CLEANUP(text_fini) struct text seen = {0};
    feed(&map, "10 2 nam", 8, 8, &seen);
    assert_string_equal(text_get(&seen), "");
    assert_true(perf_map_is_cut(&map));
    feed(&map, "e\n20", 4, 4, &seen);
    assert_string_equal(text_get(&seen), "10+2 [name] ");
}

static void test_a_line_too_long_is_left_out(void **state)
{
    (void)state;
    size_t n = 4 * LIMIT_SYMBOL_BYTES;
    CLEANUP(freep) char *name = NEW_ARRAY(char, n);
    memset(name, 'x', n);
    const size_t pieces[] = {1000, n};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        CLEANUP(perf_map_fini) struct perf_map map = {0};
        CLEANUP(text_fini) struct text seen = {0};
        feed(&map, name, n, pieces[i], &seen); // the very first bytes
        assert_true(map.pending.room <= 2 * LIMIT_SYMBOL_BYTES + 128);
        feed(&map, "\n1 2 ", 5, 5, &seen);
        feed(&map, name, n, pieces[i], &seen);
        feed(&map, "\n10 2 good\n", 11, 11, &seen);
        assert_string_equal(text_get(&seen), "10+2 [good] ");
        assert_int_equal(map.n_bad, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_in_pieces_of_any_size),
        cmocka_unit_test(test_bad_lines_are_left_out),
        cmocka_unit_test(test_a_line_without_end_waits),
        cmocka_unit_test(test_a_line_too_long_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
