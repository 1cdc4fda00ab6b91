#include "base/base.h"
#include "capture/perf/tracepoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COMMON                                                                                     \
    "name: sched_waking\n"                                                                         \
    "ID: 375\n"                                                                                    \
    "format:\n"                                                                                    \
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                         \
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                         \
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"                 \
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"                                     \
    "\n"                                                                                           \
    "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"

static const char usual[] = COMMON "\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
                                   "\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
                                   "\n"
                                   "print fmt: \"comm=%s pid=%d\", REC->comm, REC->pid\n";

static void test_fields_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        const char *name;
        bool found;
        uint32_t off;
        uint32_t size_bytes;
    } rows[] = {
        {usual, "pid", true, 24, 4},
        {usual, "common_pid", true, 4, 4},
        {usual, "comm", true, 8, 16},
        {usual, "common_flags", true, 2, 1},
        {usual, "flags", false, 0, 0},
        {usual, "common", false, 0, 0},
        {usual, "", false, 0, 0},
        {"", "pid", false, 0, 0},
        {"field:int pid;offset:1;size:2", "pid", true, 1, 2},
        {"field:int pid ;offset:1;size:2", "pid", false, 0, 0},
        {"field:int pid; offset:65535; size:4;", "pid", true, 65535, 4},
        {"field:int pid; offset:65536; size:4;", "pid", false, 0, 0},
        {"field:int pid; offset:99999999999; size:4;", "pid", false, 0, 0},
        {"field:int pid; offset:-1; size:4;", "pid", false, 0, 0},
        {"field:int pid; offset:; size:4;", "pid", false, 0, 0},
        {"field:int pid; size:4; offset:1;", "pid", false, 0, 0},
        {"field:int pid", "pid", false, 0, 0},
        {"int pid; offset:1; size:4;", "pid", false, 0, 0},
        {"field:[16]; offset:1; size:4;", "pid", false, 0, 0},
        {"field:int pid; offset:x; size:4;\nfield:int pid; offset:2; size:4;", "pid", true, 2, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tracepoint_field field = {0};
        bool found = tracepoint_find_field(slice_of_text(rows[i].format), rows[i].name, &field);
        if (found != rows[i].found || field.off != rows[i].off ||
            field.size_bytes != rows[i].size_bytes) {
            fail_msg("row %zu: %s: %d %u %u", i, rows[i].name, found, field.off, field.size_bytes);
        }
    }
}

static void test_the_fields_of_a_wakeup(void **state)
{
    (void)state;
    struct waking_format format;
    assert_true(waking_format_parse(slice_of_text(usual), &format));
    assert_int_equal(format.flags_off, 2);
    assert_int_equal(format.waker_tid_off, 4);
    assert_int_equal(format.wakee_tid_off, 24);
    assert_false(waking_format_parse(slice_of_text(COMMON), &format));
    assert_false(
        waking_format_parse(slice_of_text(COMMON "field:long pid; offset:24; size:8;"), &format));
}

// Whatever the description says, nothing is read beyond the bytes.
static void test_bytes_that_are_too_short(void **state)
{
    (void)state;
    struct waking_format format;
    struct waking waking;
    assert_true(waking_format_parse(slice_of_text(usual), &format));
    uint8_t raw[28] = {0};
    raw[2] = 0x18;
    raw[4] = 7;
    raw[24] = 9;
    for (size_t n = 0; n <= sizeof raw; n++) {
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, raw, n);
        bool read = waking_parse(&format, (struct slice){copy, n}, &waking);
        assert_int_equal(read, n == sizeof raw);
        free(copy);
    }
    assert_int_equal(waking.flags, TRACEPOINT_HARD_INTERRUPT | TRACEPOINT_SOFT_INTERRUPT);
    assert_int_equal(waking.waker_tid, 7);
    assert_int_equal(waking.wakee_tid, 9);
    format.wakee_tid_off = UINT32_MAX;
    assert_false(waking_parse(&format, (struct slice){raw, sizeof raw}, &waking));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_by_name),
        cmocka_unit_test(test_the_fields_of_a_wakeup),
        cmocka_unit_test(test_bytes_that_are_too_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
