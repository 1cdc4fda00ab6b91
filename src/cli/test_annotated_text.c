#include "cli/annotated_text.h"

#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static json_t *line(int address, int self, int total)
{
    char text[24];
    snprintf(text, sizeof text, "0x%x", (unsigned)address);
    return json_pack("{s:s s:s s:i s:i s:i s:i s:i}", "address", text, "text", "nop",
                     "self_samples", self, "self_on_cpu_ns", self * 1000000, "total_samples", total,
                     "total_on_cpu_ns", total * 1000000, "total_off_cpu_ns", 0);
}

static json_t *answer_with(json_t *lines)
{
    return json_pack("{s:s s:s s:s s:s s:I s:I s:i s:i s:i s:i s:s s:o}", "function_name", "f",
                     "binary", "b", "language", "c", "base_address", "0x10", "total_on_cpu_ns",
                     (json_int_t)20000000, "n_lines", (json_int_t)json_array_size(lines),
                     "self_samples", 8, "self_on_cpu_ns", 8000000, "function_samples", 10,
                     "function_on_cpu_ns", 10000000, "origin", "missing", "lines", lines);
}

static json_t *header(const char *file, int number, const char *text)
{
    return json_pack("{s:s s:i s:s*}", "file", file, "line", number, "text", text);
}

static void check(json_t *answer, const struct annotated_look *look, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    annotated_put(&text, answer, look);
    const char *rows = strstr(text_get(&text), "instruction\n");
    assert_string_equal(rows == NULL ? text_get(&text) : rows + strlen("instruction\n"), expected);
    json_decref(answer);
}

static void test_numbers(void **state)
{
    (void)state;
    json_t *lines = json_array();
    json_array_append_new(lines, line(0x10, 8, 8));
    json_array_append_new(lines, line(0x11, 0, 2));
    json_array_append_new(lines, line(0x12, 0, 0));
    check(answer_with(lines), &(struct annotated_look){0},
          "  80.0         8        8.0        .  0x10                nop\n"
          "     .         .          .     20.0  0x11                nop\n"
          "     .         .          .        .  0x12                nop\n");
}

static void test_cold_stretches(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        json_t *lines = json_array();
        for (int i = 0; i < 30; i++) {
            json_array_append_new(lines, line(0x100 + i, i == 20 ? 10 : 0, i == 20 ? 10 : 0));
        }
        json_t *answer = answer_with(lines);
        CLEANUP(text_fini) struct text text = {0};
        annotated_put(&text, answer, &(struct annotated_look){.all = all == 1});
        bool start = strstr(text_get(&text), "… 17 instructions without samples\n") != NULL;
        bool end = strstr(text_get(&text), "… 6 instructions without samples\n") != NULL;
        assert_int_equal(start, all == 0);
        assert_int_equal(end, all == 0);
        assert_int_equal(strstr(text_get(&text), "  0x100 ") != NULL, all == 1);
        assert_non_null(strstr(text_get(&text), "  0x111 "));
        json_decref(answer);
    }
}

static void test_sources(void **state)
{
    (void)state;
    json_t *lines = json_array();
    for (int i = 0; i < 6; i++) {
        json_array_append_new(lines, line(0x10 + i, 1, 1));
    }
    json_object_set_new(json_array_get(lines, 0), "source_header",
                        header("/a/x.c", 3, "  one\x1b;"));
    json_object_set_new(json_array_get(lines, 1), "source_header", header("/a/x.c", 4, NULL));
    json_object_set_new(json_array_get(lines, 1), "inlined",
                        json_pack("[{s:s s:s s:i} {s:s}]", "function_name", "g", "call_file",
                                  "/a/x.c", "call_line", 7, "function_name", "h"));
    json_object_set_new(json_array_get(lines, 2), "inlined", json_array());
    json_object_set_new(json_array_get(lines, 3), "source_header", header("/b/x.c", 5, "two"));
    json_object_set_new(json_array_get(lines, 4), "source_header", header("/a/x.c", 6, "three"));
    json_object_set_new(json_array_get(lines, 5), "source_header", header("", 0, NULL));
    CLEANUP(text_fini) struct text expected = {0};
    static const char *const heads[] = {"/a/x.c:3    one\\x1b;",
                                        "x.c:4  (inlined from g at x.c:7 > h)",
                                        "x.c:4",
                                        "/b/x.c:5  two",
                                        "/a/x.c:6  three",
                                        "(no line is known)"};
    for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
        text_addf(&expected, "%s\n  10.0         1        1.0        .  0x1%u                nop\n",
                  heads[i], i);
    }
    check(answer_with(lines), &(struct annotated_look){0}, text_get(&expected));
}

static void test_what_is_missing(void **state)
{
    (void)state;
    json_t *bare = json_array();
    json_array_append_new(bare, line(0, 8, 8));
    json_object_set_new(json_array_get(bare, 0), "text", json_string(""));
    json_t *answer = answer_with(bare);
    json_object_set_new(answer, "n_lines", json_integer(4));
    json_object_set_new(answer, "cut_self_samples", json_integer(2));
    check(answer, &(struct annotated_look){0},
          "  80.0         8        8.0        .  ?                   (its code is not to be had)\n"
          "3 more instructions, with 2 samples, are not shown (--json pages through them)\n");
    json_t *notes = json_pack("[{s:s s:s}]", "about", "code", "text", "it is \x07 gone");
    answer = answer_with(json_array());
    json_object_set_new(answer, "notes", notes);
    check(answer, &(struct annotated_look){0},
          "f (b) at 0x10, c\n"
          "8 samples in it, 8.0 ms (40.0 % of the view); 10 with what it calls, 10.0 ms (50.0 %)\n"
          "no code\n"
          "note: it is \\x07 gone\n");
    check(
        json_object(), &(struct annotated_look){0}, // what no server says
        " () at \n0 samples in it, 0.0 ms (- % of the view); 0 with what it calls, 0.0 ms (- %)\n\n"
        "no samples in it\n");
}

static void test_versions_of_a_jit(void **state)
{
    (void)state;
    json_t *lines = json_array();
    json_array_append_new(lines, line(0x10, 8, 8));
    json_t *answer = answer_with(lines);
    json_object_set_new(answer, "versions",
                        json_pack("[{s:s s:i s:i s:i s:i}]", "address", "0x10", "first_line", 0,
                                  "n_lines", 1, "loaded_ns", 1500000000, "self_samples", 8));
    check(answer, &(struct annotated_look){0},
          "version 1 of 1, at 0x10, made after 1.5 s: 8 samples\n"
          "  80.0         8        8.0        .  0x10                nop\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),           cmocka_unit_test(test_cold_stretches),
        cmocka_unit_test(test_sources),           cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_versions_of_a_jit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
