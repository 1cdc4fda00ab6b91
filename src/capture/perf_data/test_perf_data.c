// The backend on files made by hand: each field where the format says it is, order by rounds, and
// what is refused.

#include "base/alloc.h"
#include "base/file.h"
#include "base/vec.h"
#include "capture/capture.h"
#include "capture/perf_data/perf_kernel.h"
#include "capture/perf_data/perf_roles.h"
#include "capture/perf_data/tracing_data.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { TYPE = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN };

// ---- Files
// ---------------------------------------------------------------------------------------

static void put_u32(struct text *to, uint32_t value)
{
    text_add_bytes(to, &value, sizeof value);
}

static void put_u64(struct text *to, uint64_t value)
{
    text_add_bytes(to, &value, sizeof value);
}

static void set_u64(struct text *text, size_t at, uint64_t value)
{
    memcpy(text->at + at, &value, sizeof value);
}

static void put_record(struct text *to, uint32_t type, uint16_t misc, const struct text *body)
{
    struct perf_event_header header = {
        .type = type, .misc = misc, .size = (uint16_t)(sizeof header + body->n)};
    text_add_bytes(to, &header, sizeof header);
    text_add_bytes(to, body->at, body->n);
}

static void put_sample(struct text *to, uint32_t tid, uint64_t time_ns, uint64_t ip)
{
    CLEANUP(text_fini) struct text body = {0};
    put_u64(&body, ip);
    put_u32(&body, 7);
    put_u32(&body, tid);
    put_u64(&body, time_ns);
    put_u64(&body, 3);
    put_u64(&body, PERF_CONTEXT_USER);
    put_u64(&body, ip);
    put_u64(&body, 0x2000);
    put_record(to, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER, &body);
}

static void put_trailer(struct text *body, uint32_t tid, uint64_t time_ns)
{
    put_u32(body, 7);
    put_u32(body, tid);
    put_u64(body, time_ns);
}

static void put_switch(struct text *to, uint32_t tid, uint64_t time_ns, uint16_t misc)
{
    CLEANUP(text_fini) struct text body = {0};
    put_trailer(&body, tid, time_ns);
    put_record(to, PERF_RECORD_SWITCH, misc, &body);
}

static void put_round(struct text *to)
{
    put_record(to, PERF_USER_FINISHED_ROUND, 0, &(struct text){0});
}

static struct perf_event_attr clock_attr(void)
{
    return (struct perf_event_attr){.type = PERF_TYPE_SOFTWARE,
                                    .size = sizeof(struct perf_event_attr),
                                    .config = PERF_COUNT_SW_CPU_CLOCK,
                                    .sample_freq = 1000,
                                    .freq = 1,
                                    .sample_type = TYPE,
                                    .sample_id_all = 1,
                                    .context_switch = 1};
}

// A file with one event and this data, whose attr takes up `attr_bytes` of its entry.
static void make_file(struct text *ret, const struct perf_event_attr *attr, size_t attr_bytes,
                      const struct text *data)
{
    uint64_t entry = attr_bytes + 2 * sizeof(uint64_t);
    text_clear(ret);
    text_add(ret, "PERFILE2");
    put_u64(ret, PERF_DATA_HEADER_BYTES);
    put_u64(ret, entry);
    put_u64(ret, PERF_DATA_HEADER_BYTES);
    put_u64(ret, entry);
    put_u64(ret, PERF_DATA_HEADER_BYTES + entry);
    put_u64(ret, data->n);
    for (int i = 0; i < 6; i++) {
        put_u64(ret, 0);
    }
    struct perf_event_attr sized = *attr;
    sized.size = (uint32_t)attr_bytes;
    text_add_bytes(ret, &sized, MIN(attr_bytes, sizeof sized));
    for (size_t i = sizeof sized; i < attr_bytes; i++) {
        text_add_char(ret, 0x55); // of a newer perf
    }
    put_u64(ret, 0);
    put_u64(ret, 0);
    text_add_bytes(ret, data->at, data->n);
}

// ---- What comes out
// ------------------------------------------------------------------------------

struct seen {
    VEC(struct event) events; // what they point at is gone
    struct err note;
    struct err error;
    int r;
};

static void see(void *context, const struct event *event)
{
    vec_push(&((struct seen *)context)->events, *event);
}

static void import(const struct text *file, struct seen *ret)
{
    CLEANUP(closep) int fd = memfd_create("perf.data", MFD_CLOEXEC);
    assert_true(fd >= 0 && fd_write_all(fd, file->at, file->n) == 0);
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct capture_request request = {.replay_path = path};
    struct capture *capture = NULL;
    vec_clear(&ret->events);
    ret->error = ret->note = (struct err){0};
    ret->r = capture_perf_data.open(&request, &capture, &ret->error);
    if (ret->r == 0) {
        while (capture_perf_data.drain(capture, false, see, ret) == CAPTURE_OK) {
        }
        ret->note = capture->note;
        capture_perf_data.close(capture);
    }
}

static void assert_kinds(const struct seen *seen, const enum event_kind *kinds, size_t n)
{
    assert_int_equal(seen->r, 0);
    assert_int_equal(seen->events.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(seen->events.at[i].kind, kinds[i]);
    }
}

// ---- Tests
// ---------------------------------------------------------------------------------------

static void test_rounds_are_sorted(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text data = {0};
    CLEANUP(text_fini) struct text file = {0};
    struct seen seen = {0};
    static const uint64_t times[] = {30, 50, 10, 40, 60, 20, 70, 55};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        put_sample(&data, 8, times[i], 0x1000 + i);
        if (i % 3 == 2) {
            put_round(&data);
        }
    }
    struct perf_event_attr attr = clock_attr();
    make_file(&file, &attr, sizeof attr, &data);
    import(&file, &seen);
    assert_int_equal(seen.r, 0);
    assert_int_equal(seen.events.n, ARRAY_LEN(times));
    for (size_t i = 1; i < seen.events.n; i++) {
        assert_true(seen.events.at[i - 1].time_ns < seen.events.at[i].time_ns);
    }
    vec_fini(&seen.events);
}

static void test_attrs_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {PERF_ATTR_SIZE_VER0, PERF_ATTR_SIZE_VER3,
                                   sizeof(struct perf_event_attr),
                                   sizeof(struct perf_event_attr) + 64};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(text_fini) struct text data = {0};
        CLEANUP(text_fini) struct text file = {0};
        struct seen seen = {0};
        struct perf_event_attr attr = clock_attr();
        put_sample(&data, 8, 5, 0x1234);
        make_file(&file, &attr, sizes[i], &data);
        import(&file, &seen);
        assert_kinds(&seen, (enum event_kind[]){EVENT_SAMPLE}, 1);
        const struct event *sample = &seen.events.at[0];
        assert_int_equal(sample->sample.stack.n_user, 2);
        assert_int_equal(sample->sample.stack.n_kernel, 0);
        assert_int_equal(sample->sample.weight_ns, 1000000);
        assert_int_equal(sample->tid, 8);
        vec_fini(&seen.events);
    }
}

static void test_switches_and_nobodys(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text data = {0};
    CLEANUP(text_fini) struct text file = {0};
    struct seen seen = {0};
    put_switch(&data, 8, 10, PERF_RECORD_MISC_SWITCH_OUT);
    put_switch(&data, 8, 20, 0);
    put_switch(&data, 8, 30, PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT);
    struct perf_event_attr attr = clock_attr();
    make_file(&file, &attr, sizeof attr, &data);
    import(&file, &seen);
    assert_kinds(&seen, (enum event_kind[]){EVENT_SWITCH_OUT, EVENT_SWITCH_IN, EVENT_SWITCH_OUT},
                 3);
    assert_false(seen.events.at[0].switch_out.preempted);
    assert_true(seen.events.at[2].switch_out.preempted);
    vec_fini(&seen.events);
}

static void test_cut_and_unfinished(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text data = {0};
    CLEANUP(text_fini) struct text file = {0};
    struct seen seen = {0};
    struct perf_event_attr attr = clock_attr();
    put_sample(&data, 8, 5, 0x1000);
    put_sample(&data, 8, 6, 0x1000);
    make_file(&file, &attr, sizeof attr, &data);
    file.n -= 4;
    import(&file, &seen);
    assert_int_equal(seen.events.n, 1);
    assert_non_null(strstr(seen.note.text, "cut off"));
    file.n += 4;
    set_u64(&file, 48, 0); // the size of the data: perf has not ended
    import(&file, &seen);
    assert_int_equal(seen.events.n, 2);
    assert_string_equal(seen.note.text, "");
    vec_fini(&seen.events);
}

static void assert_refused(const struct text *file, const char *needle)
{
    struct seen seen = {0};
    import(file, &seen);
    assert_int_equal(seen.r, -EINVAL);
    if (strstr(seen.error.text, needle) == NULL) {
        fail_msg("'%s' does not say '%s'", seen.error.text, needle);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text data = {0};
    CLEANUP(text_fini) struct text file = {0};
    struct perf_event_attr attr = clock_attr();
    put_sample(&data, 8, 5, 0x1000);
    make_file(&file, &attr, sizeof attr, &(struct text){0});
    assert_refused(&file, "no records");
    attr.sample_type &= ~(uint64_t)PERF_SAMPLE_TIME;
    make_file(&file, &attr, sizeof attr, &data);
    assert_refused(&file, "no records"); // none of them has a time
    attr = clock_attr();
    attr.sample_freq = 0;
    attr.context_switch = 0;
    make_file(&file, &attr, sizeof attr, &data);
    assert_refused(&file, "no samples of CPU time");
    attr = clock_attr();
    CLEANUP(text_fini) struct text traced = {0};
    put_record(&traced, PERF_USER_AUXTRACE_INFO, 0, &(struct text){0});
    make_file(&file, &attr, sizeof attr, &traced);
    assert_refused(&file, "AUXTRACE");
}

static void test_weights(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        uint64_t config;
        bool freq;
        uint64_t period;
        uint64_t weight_ns;
        const char *note;
    } cases[] = {
        {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, true, 4000, 250000, ""},
        {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, false, 777, 777, ""},
        {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, true, 100, 10000000, "1/100 s"},
        {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false, 1000000, 1000000, "1000000"},
        {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, true, 100, 10000000, "instructions"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct perf_event_attr attr = clock_attr();
        attr.type = cases[i].type;
        attr.config = cases[i].config;
        attr.freq = cases[i].freq;
        attr.sample_period = cases[i].period;
        struct perf_data_events events = {0};
        struct perf_roles roles;
        assert_true(perf_data_events_add(
            &events, (struct slice){(const uint8_t *)&attr, sizeof attr}, (struct slice){0}));
        assert_int_equal(
            perf_roles_choose(&events, (struct slice){0}, EVENT_ARCH_X86_64, false, &roles, NULL),
            0);
        assert_int_equal(roles.weight_ns, cases[i].weight_ns);
        assert_non_null(strstr(roles.note.text, cases[i].note));
        perf_roles_fini(&roles);
        perf_data_events_fini(&events);
    }
}

static void put_sized(struct text *to, const char *bytes)
{
    put_u64(to, strlen(bytes));
    text_add(to, bytes);
}

static void test_tracing_data(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text bytes = {0};
    text_add_bytes(&bytes, "\x17\x08\x44tracing0.6\0\0\x08\0\x10\0\0header_page\0", 32);
    put_sized(&bytes, "x");
    text_add_bytes(&bytes, "header_event\0", 13);
    put_sized(&bytes, "yy");
    put_u32(&bytes, 0);
    put_u32(&bytes, 1);
    text_add_bytes(&bytes, "sched\0", 6);
    put_u32(&bytes, 2);
    put_sized(&bytes, "name: sched_wakeup\nID: 12\nformat:\n");
    put_sized(&bytes, "name: sched_switch\nID: 123\nformat:\n");
    struct slice whole = {(const uint8_t *)bytes.at, bytes.n};
    struct tracing_point point;
    assert_true(tracing_data_find(whole, 123, &point));
    assert_true(slice_equal(point.name, slice_of_text("sched_switch")));
    assert_true(slice_equal(point.system, slice_of_text("sched")));
    assert_false(tracing_data_find(whole, 1, &point));
    for (size_t n = 0; n < whole.n; n++) {
        assert_false(tracing_data_find((struct slice){whole.data, n}, 123, &point));
    }
}

static void test_registers_of_any_mask(void **state)
{
    (void)state;
    struct perf_regs regs;
    // As perf asks for them on x86-64: with flags and segments.
    assert_true(perf_regs_of_mask(EVENT_ARCH_X86_64, 0xff0fff, &regs));
    assert_int_equal(regs.n, 20);
    assert_int_equal(regs.valid, perf_regs_x86_64.valid);
    uint64_t values[20];
    for (uint64_t i = 0; i < ARRAY_LEN(values); i++) {
        values[i] = 100 + i;
    }
    struct event_regs converted;
    perf_regs_convert(&regs, (struct slice){(const uint8_t *)values, sizeof values}, &converted);
    assert_int_equal(converted.at[0], 100);  // rax
    assert_int_equal(converted.at[7], 107);  // rsp
    assert_int_equal(converted.at[16], 108); // rip
    assert_int_equal(converted.at[8], 112);  // r8, behind flags, cs and ss
    assert_true(perf_regs_of_mask(EVENT_ARCH_X86_64, UINT64_MAX, &regs));
    assert_int_equal(regs.n, 64);
    assert_true(perf_regs_of_mask(EVENT_ARCH_AARCH64, perf_regs_aarch64.mask, &regs));
    assert_memory_equal(regs.dwarf, perf_regs_aarch64.dwarf, perf_regs_aarch64.n);
}

static void test_kernel(void **state)
{
    (void)state;
    static const uint8_t notes[] = {6,   0,   0, 0, 2, 0, 0,   0,   9,   0, 0, 0, 'L', 'i', 'n',
                                    'u', 'x', 0, 0, 0, 1, 2,   0,   0,   4, 0, 0, 0,   3,   0,
                                    0,   0,   3, 0, 0, 0, 'G', 'N', 'U', 0, 7, 8, 9,   0};
    struct event_build_id id = perf_kernel_build_id((struct slice){notes, sizeof notes});
    assert_int_equal(id.n, 3);
    assert_memory_equal(id.at, ((uint8_t[]){7, 8, 9}), 3);
    struct perf_kernel kernel = {0};
    perf_kernel_read_mapping(&kernel, slice_of_text("[kernel.kallsyms]_text"), 0x1234);
    assert_string_equal(kernel.symbol, "_text");
    struct err why;
    kernel = (struct perf_kernel){.osrelease = "0.0.1"};
    assert_false(perf_kernel_is_ours(&kernel, &why));
    assert_non_null(strstr(why.text, "0.0.1"));
    assert_true(perf_kernel_is_ours(&(struct perf_kernel){0}, &why));
}

// ---- Mutations
// -----------------------------------------------------------------------------------

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void test_mutations(void **state)
{
    (void)state;
    static const char *const names[] = {"fp", "dwarf", "packed", "pipe", "tracepoints"};
    uint64_t dice = 20240;
    const char *root = getenv("SOURCE_ROOT");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(text_fini) struct text path = {0};
        CLEANUP(text_fini) struct text whole = {0};
        text_addf(&path, "%s/tests/fuzz/corpus/fuzz_perf_data/%s", root == NULL ? "." : root,
                  names[i]);
        assert_int_equal(file_read(text_get(&path), 1 << 20, &whole), 0);
        struct seen seen = {0};
        size_t n_opened = 0;
        for (int k = 0; k < 400; k++) {
            CLEANUP(text_fini) struct text mutated = {0};
            text_add_bytes(&mutated, whole.at, whole.n);
            for (uint64_t m = next_random(&dice) % 8; m > 0; m--) {
                mutated.at[next_random(&dice) % mutated.n] = (char)next_random(&dice);
            }
            mutated.n = k % 3 == 0 ? next_random(&dice) % mutated.n : mutated.n;
            import(&mutated, &seen);
            n_opened += seen.r == 0;
            assert_true(seen.r == 0 || seen.error.text[0] != 0);
        }
        assert_in_range(n_opened, 50, 399);
        vec_fini(&seen.events);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds_are_sorted),
        cmocka_unit_test(test_attrs_of_any_size),
        cmocka_unit_test(test_switches_and_nobodys),
        cmocka_unit_test(test_cut_and_unfinished),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_tracing_data),
        cmocka_unit_test(test_registers_of_any_mask),
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
