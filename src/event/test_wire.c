#include "event/wire.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t kernel_part[] = {0xffffffff81000010, 0xffffffff81000020};
static const uint64_t user_part[] = {0x401000, 0x401100, 0x7f0000000123};
static const struct event_regs regs = {.arch = EVENT_ARCH_X86_64,
                                       .valid = 1 << 0 | 1 << 7 | 1 << 16,
                                       .at = {[0] = 1, [7] = 2, [16] = 3}};
static const uint8_t bytes[] = {0, 1, 2, 0, 255, '\n', 7, 8};

static struct event_stack full_stack(void)
{
    return (struct event_stack){
        .kernel = kernel_part,
        .user = user_part,
        .n_kernel = ARRAY_LEN(kernel_part),
        .n_user = ARRAY_LEN(user_part),
        .chain_cut = true,
        .regs = &regs,
        .copy = {bytes, sizeof bytes},
        .copy_cut = true,
    };
}

// One event of a kind, every field different from zero and from its neighbours.
static struct event event_of(enum event_kind kind)
{
    struct event e = {.kind = kind, .pid = 11, .tid = 12, .cpu = 13, .time_ns = 1400000000000000};
    switch (kind) {
    case EVENT_SAMPLE:
        e.sample.stack = full_stack();
        e.sample.weight_ns = 1111111;
        e.sample.counters = (struct event_counters){.valid = 0xd, .delta = {21, 0, 23, 24}};
        break;
    case EVENT_SWITCH_OUT:
        e.switch_out.stack = full_stack();
        e.switch_out.has_stack = e.switch_out.preempted = e.switch_out.has_reason = true;
        e.switch_out.reason = EVENT_REASON_CONNECT;
        break;
    case EVENT_WAKEUP:
        e.wakeup.wakee_pid = 31;
        e.wakeup.wakee_tid = 32;
        e.wakeup.interrupt = e.wakeup.waker_foreign = e.wakeup.has_stack = true;
        e.wakeup.stack = full_stack();
        e.wakeup.foreign_name = slice_of_text("sshd");
        break;
    case EVENT_WAIT_SEEN:
        e.wait_seen.since_ns = 33;
        e.wait_seen.place = slice_of_text("futex_do_wait");
        e.wait_seen.has_reason = true;
        e.wait_seen.reason = EVENT_REASON_SEMAPHORE;
        break;
    case EVENT_IMAGE_MAPPED:
        e.image_mapped.kind = EVENT_IMAGE_VDSO;
        e.image_mapped.start_addr = 41;
        e.image_mapped.size_bytes = 42;
        e.image_mapped.file_off = 43;
        e.image_mapped.device = 44;
        e.image_mapped.inode = 45;
        e.image_mapped.build_id = (struct event_build_id){.n = 3, .at = {4, 6, 47}};
        e.image_mapped.path = slice_of_text("/lib/a b\nc.so");
        break;
    case EVENT_IMAGE_UNMAPPED:
        e.image_unmapped.start_addr = 51;
        e.image_unmapped.size_bytes = 52;
        break;
    case EVENT_CODE_LOADED:
        e.code_loaded.addr = 61;
        e.code_loaded.size_bytes = 62;
        e.code_loaded.index = 63;
        e.code_loaded.name = slice_of_text("f(int)");
        e.code_loaded.code = (struct slice){bytes, 5};
        e.code_loaded.eh_frame = (struct slice){bytes + 2, 6};
        break;
    case EVENT_CODE_MOVED:
        e.code_moved.from_addr = 71;
        e.code_moved.to_addr = 72;
        e.code_moved.size_bytes = 73;
        e.code_moved.index = 74;
        break;
    case EVENT_EXEC:
        e.exec.name = slice_of_text("sh");
        break;
    case EVENT_THREAD_STARTED:
        e.thread_started.parent_tid = 81;
        break;
    case EVENT_PROCESS_FORKED:
        e.process_forked.parent_pid = 91;
        e.process_forked.parent_tid = 92;
        e.process_forked.recorded = true;
        e.process_forked.existed = true;
        e.process_forked.asleep = true;
        break;
    case EVENT_THREAD_NAMED:
        e.thread_named.name = slice_of_text("worker 7");
        break;
    case EVENT_LOST:
        e.lost.n = 101;
        e.lost.samples = true;
        break;
    case EVENT_THROTTLED:
        e.throttled.ended = true;
        break;
    case EVENT_SWITCH_IN:
    case EVENT_THREAD_EXITED:
    case EVENT_KIND_COUNT:
        break;
    }
    return e;
}

static void assert_same_bytes(struct slice a, struct slice b)
{
    assert_int_equal(a.n, b.n);
    if (a.n > 0) {
        assert_memory_equal(a.data, b.data, a.n);
    }
}

static void assert_same_stack(const struct event_stack *a, const struct event_stack *b)
{
    assert_int_equal(a->n_kernel, b->n_kernel);
    assert_int_equal(a->n_user, b->n_user);
    for (uint32_t i = 0; i < a->n_kernel; i++) {
        assert_int_equal(a->kernel[i], b->kernel[i]);
    }
    for (uint32_t i = 0; i < a->n_user; i++) {
        assert_int_equal(a->user[i], b->user[i]);
    }
    assert_int_equal(a->chain_cut, b->chain_cut);
    assert_int_equal(a->regs == NULL, b->regs == NULL);
    if (a->regs != NULL) {
        assert_int_equal(a->regs->arch, b->regs->arch);
        assert_int_equal(a->regs->valid, b->regs->valid);
        assert_memory_equal(a->regs->at, b->regs->at, sizeof a->regs->at);
    }
    assert_same_bytes(a->copy, b->copy);
    assert_int_equal(a->copy_cut, b->copy_cut);
}

static void assert_same_mapping(const struct event *a, const struct event *b)
{
    assert_int_equal(a->image_mapped.kind, b->image_mapped.kind);
    assert_int_equal(a->image_mapped.start_addr, b->image_mapped.start_addr);
    assert_int_equal(a->image_mapped.size_bytes, b->image_mapped.size_bytes);
    assert_int_equal(a->image_mapped.file_off, b->image_mapped.file_off);
    assert_int_equal(a->image_mapped.device, b->image_mapped.device);
    assert_int_equal(a->image_mapped.inode, b->image_mapped.inode);
    assert_int_equal(a->image_mapped.build_id.n, b->image_mapped.build_id.n);
    assert_memory_equal(a->image_mapped.build_id.at, b->image_mapped.build_id.at,
                        EVENT_BUILD_ID_MAX);
    assert_same_bytes(a->image_mapped.path, b->image_mapped.path);
}

static void assert_same_fields(const struct event *a, const struct event *b)
{
    switch (a->kind) {
    case EVENT_SAMPLE:
        assert_same_stack(&a->sample.stack, &b->sample.stack);
        assert_int_equal(a->sample.weight_ns, b->sample.weight_ns);
        assert_int_equal(a->sample.counters.valid, b->sample.counters.valid);
        assert_memory_equal(a->sample.counters.delta, b->sample.counters.delta,
                            sizeof a->sample.counters.delta);
        break;
    case EVENT_SWITCH_OUT:
        assert_same_stack(&a->switch_out.stack, &b->switch_out.stack);
        assert_int_equal(a->switch_out.has_stack, b->switch_out.has_stack);
        assert_int_equal(a->switch_out.preempted, b->switch_out.preempted);
        assert_int_equal(a->switch_out.has_reason, b->switch_out.has_reason);
        assert_int_equal(a->switch_out.reason, b->switch_out.reason);
        break;
    case EVENT_WAKEUP:
        assert_int_equal(a->wakeup.wakee_pid, b->wakeup.wakee_pid);
        assert_int_equal(a->wakeup.wakee_tid, b->wakeup.wakee_tid);
        assert_int_equal(a->wakeup.interrupt, b->wakeup.interrupt);
        assert_int_equal(a->wakeup.waker_foreign, b->wakeup.waker_foreign);
        assert_int_equal(a->wakeup.wakee_foreign, b->wakeup.wakee_foreign);
        assert_int_equal(a->wakeup.has_stack, b->wakeup.has_stack);
        assert_same_stack(&a->wakeup.stack, &b->wakeup.stack);
        assert_same_bytes(a->wakeup.foreign_name, b->wakeup.foreign_name);
        break;
    case EVENT_WAIT_SEEN:
        assert_int_equal(a->wait_seen.since_ns, b->wait_seen.since_ns);
        assert_same_bytes(a->wait_seen.place, b->wait_seen.place);
        assert_int_equal(a->wait_seen.has_reason, b->wait_seen.has_reason);
        assert_int_equal(a->wait_seen.reason, b->wait_seen.reason);
        break;
    case EVENT_IMAGE_MAPPED:
        assert_same_mapping(a, b);
        break;
    case EVENT_IMAGE_UNMAPPED:
        assert_int_equal(a->image_unmapped.start_addr, b->image_unmapped.start_addr);
        assert_int_equal(a->image_unmapped.size_bytes, b->image_unmapped.size_bytes);
        break;
    case EVENT_CODE_LOADED:
        assert_int_equal(a->code_loaded.addr, b->code_loaded.addr);
        assert_int_equal(a->code_loaded.size_bytes, b->code_loaded.size_bytes);
        assert_int_equal(a->code_loaded.index, b->code_loaded.index);
        assert_same_bytes(a->code_loaded.name, b->code_loaded.name);
        assert_same_bytes(a->code_loaded.code, b->code_loaded.code);
        assert_same_bytes(a->code_loaded.eh_frame, b->code_loaded.eh_frame);
        break;
    case EVENT_CODE_MOVED:
        assert_int_equal(a->code_moved.from_addr, b->code_moved.from_addr);
        assert_int_equal(a->code_moved.to_addr, b->code_moved.to_addr);
        assert_int_equal(a->code_moved.size_bytes, b->code_moved.size_bytes);
        assert_int_equal(a->code_moved.index, b->code_moved.index);
        break;
    case EVENT_EXEC:
        assert_same_bytes(a->exec.name, b->exec.name);
        break;
    case EVENT_THREAD_STARTED:
        assert_int_equal(a->thread_started.parent_tid, b->thread_started.parent_tid);
        break;
    case EVENT_PROCESS_FORKED:
        assert_int_equal(a->process_forked.parent_pid, b->process_forked.parent_pid);
        assert_int_equal(a->process_forked.parent_tid, b->process_forked.parent_tid);
        assert_int_equal(a->process_forked.recorded, b->process_forked.recorded);
        assert_int_equal(a->process_forked.existed, b->process_forked.existed);
        assert_int_equal(a->process_forked.asleep, b->process_forked.asleep);
        break;
    case EVENT_THREAD_NAMED:
        assert_same_bytes(a->thread_named.name, b->thread_named.name);
        break;
    case EVENT_LOST:
        assert_int_equal(a->lost.n, b->lost.n);
        assert_int_equal(a->lost.samples, b->lost.samples);
        break;
    case EVENT_THROTTLED:
        assert_int_equal(a->throttled.ended, b->throttled.ended);
        break;
    case EVENT_SWITCH_IN:
    case EVENT_THREAD_EXITED:
    case EVENT_KIND_COUNT:
        break;
    }
}

static struct reader reader_of_text(const struct text *text)
{
    return reader_of((struct slice){(const uint8_t *)text->at, text->n});
}

static void test_every_kind_survives_a_round_trip(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text stream = {0};
    CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
    wire_put_header(&stream, &(struct wire_header){.frequency_hz = 997, .switches = true});
    assert_int_equal(stream.n, WIRE_HEADER_BYTES);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        struct event e = event_of((enum event_kind)kind);
        wire_put(&stream, &e);
    }
    struct reader from = reader_of_text(&stream);
    struct wire_header header;
    assert_int_equal(wire_parse_header(&from, &header, NULL), 0);
    assert_int_equal(header.frequency_hz, 997);
    assert_true(header.switches);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        struct event expected = event_of((enum event_kind)kind);
        struct event got;
        assert_int_equal(wire_parse(&from, &scratch, &got), WIRE_OK);
        assert_int_equal(got.kind, expected.kind);
        assert_int_equal(got.pid, expected.pid);
        assert_int_equal(got.tid, expected.tid);
        assert_int_equal(got.cpu, expected.cpu);
        assert_int_equal(got.time_ns, expected.time_ns);
        assert_same_fields(&expected, &got);
    }
    struct event none;
    assert_int_equal(wire_parse(&from, &scratch, &none), WIRE_E_END);
}

static void test_a_stream_cut_anywhere_is_cut_or_ends(void **state)
{
    (void)state;
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        CLEANUP(text_fini) struct text stream = {0};
        CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
        struct event e = event_of((enum event_kind)kind);
        wire_put(&stream, &e);
        for (size_t n = 0; n < stream.n; n++) {
            struct reader from = reader_of((struct slice){(const uint8_t *)stream.at, n});
            struct event got;
            assert_int_equal(wire_parse(&from, &scratch, &got), n == 0 ? WIRE_E_END : WIRE_E_CUT);
            assert_int_equal(from.at, 0);
        }
    }
}

// An event whose length says one byte less, or more, than its fields need is not ours.
static void test_a_wrong_length_is_bad(void **state)
{
    (void)state;
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        for (int off_by = -1; off_by <= 1; off_by += 2) {
            CLEANUP(text_fini) struct text stream = {0};
            CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
            struct event e = event_of((enum event_kind)kind);
            wire_put(&stream, &e);
            uint32_t length = (uint32_t)((int)stream.n - 4 + off_by);
            memcpy(stream.at, &length, sizeof length);
            text_add_char(&stream, 0);
            struct reader from = reader_of_text(&stream);
            struct event got;
            assert_int_equal(wire_parse(&from, &scratch, &got), WIRE_E_BAD);
            assert_int_equal(from.at, 0);
        }
    }
}

// Offsets into an event: 4 length, 1 kind, 12 ids, 8 time, then the fields.
enum { FIELDS_AT = 25 };

static void test_values_that_mean_nothing_are_bad(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum event_kind kind;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"kind", EVENT_SAMPLE, 4, EVENT_KIND_COUNT},
        {"bool", EVENT_THROTTLED, FIELDS_AT, 2},
        {"depth of a stack", EVENT_SAMPLE, FIELDS_AT + 2, 1},
        {"image kind", EVENT_IMAGE_MAPPED, FIELDS_AT, EVENT_IMAGE_KERNEL + 1},
        {"build-id length", EVENT_IMAGE_MAPPED, FIELDS_AT + 41, EVENT_BUILD_ID_MAX + 1},
        {"length of a name", EVENT_THREAD_NAMED, FIELDS_AT + 2, 1},
        {"length of an event", EVENT_THREAD_NAMED, 3, 0x7f},
        {"architecture", EVENT_SAMPLE, FIELDS_AT + 8 + 5 * 8 + 1, EVENT_ARCH_AARCH64 + 1},
        {"register", EVENT_SAMPLE, FIELDS_AT + 8 + 5 * 8 + 2 + 7, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text stream = {0};
        CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
        struct event e = event_of(rows[i].kind);
        wire_put(&stream, &e);
        stream.at[rows[i].at] = (char)rows[i].value;
        struct reader from = reader_of_text(&stream);
        struct event got;
        if (wire_parse(&from, &scratch, &got) != WIRE_E_BAD) {
            fail_msg("%s was taken", rows[i].name);
        }
    }
}

static void test_a_header_of_something_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {{"magic", 0, 'S'},
                {"version", 8, WIRE_VERSION + 1},
                {"frequency", 15, 0x7f},
                {"switches", 16, 2}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text stream = {0};
        wire_put_header(&stream, &(struct wire_header){.frequency_hz = 900});
        stream.at[rows[i].at] = (char)rows[i].value;
        struct reader from = reader_of_text(&stream);
        struct err err = {0};
        struct wire_header header = {0};
        assert_int_equal(wire_parse_header(&from, &header, &err), -EINVAL);
        assert_true(err.text[0] != 0);
        assert_int_equal(header.frequency_hz, 0);
    }
    struct reader empty = reader_of((struct slice){0});
    struct wire_header header;
    assert_int_equal(wire_parse_header(&empty, &header, NULL), -EINVAL);
}

// As they come from a kernel: all registers of a machine, and the longest copy that fits a record.
static void test_whole_stacks_of_both_machines_survive(void **state)
{
    (void)state;
    static const struct event_regs whole[] = {
        {.arch = EVENT_ARCH_X86_64, .valid = (UINT64_C(1) << 17) - 1},
        {.arch = EVENT_ARCH_AARCH64, .valid = (UINT64_C(1) << 33) - 1},
    };
    CLEANUP(freep) uint8_t *copy = NEW_ARRAY(uint8_t, UINT16_MAX);
    for (size_t i = 0; i < UINT16_MAX; i++) {
        copy[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        CLEANUP(text_fini) struct text stream = {0};
        CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
        struct event_regs all = whole[i];
        for (unsigned k = 0; k < EVENT_REGS_MAX; k++) {
            all.at[k] = all.valid >> k & 1 ? UINT64_C(0x7f0000000000) + k : 0;
        }
        struct event event = {.kind = EVENT_SWITCH_OUT, .switch_out.has_stack = true};
        event.switch_out.stack.regs = &all;
        event.switch_out.stack.copy = (struct slice){copy, 65528};
        wire_put(&stream, &event);
        struct reader from = reader_of_text(&stream);
        struct event got;
        assert_int_equal(wire_parse(&from, &scratch, &got), WIRE_OK);
        assert_same_stack(&got.switch_out.stack, &event.switch_out.stack);
        assert_false(got.switch_out.stack.copy_cut);
    }
}

// What is too long is cut by put, so that the rest of a stream stays readable.
static void test_too_much_is_cut_and_still_parses(void **state)
{
    (void)state;
    CLEANUP(freep) uint64_t *deep = NEW_ARRAY(uint64_t, LIMIT_STACK_DEPTH + 1);
    CLEANUP(freep) char *large = NEW_ARRAY(char, WIRE_CODE_MAX_BYTES + 1);
    CLEANUP(text_fini) struct text stream = {0};
    CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
    struct event sample = {.kind = EVENT_SAMPLE};
    sample.sample.stack.user = deep;
    sample.sample.stack.n_user = LIMIT_STACK_DEPTH + 1;
    sample.sample.stack.copy = (struct slice){(uint8_t *)large, WIRE_COPY_MAX_BYTES + 1};
    wire_put(&stream, &sample);
    struct event code = {.kind = EVENT_CODE_LOADED};
    code.code_loaded.name = (struct slice){(uint8_t *)large, WIRE_CODE_MAX_BYTES + 1};
    code.code_loaded.code = code.code_loaded.eh_frame = code.code_loaded.name;
    wire_put(&stream, &code);

    struct reader from = reader_of_text(&stream);
    struct event got;
    assert_int_equal(wire_parse(&from, &scratch, &got), WIRE_OK);
    assert_int_equal(got.sample.stack.n_user, LIMIT_STACK_DEPTH);
    assert_true(got.sample.stack.chain_cut);
    assert_int_equal(got.sample.stack.copy.n, WIRE_COPY_MAX_BYTES);
    assert_true(got.sample.stack.copy_cut);
    assert_int_equal(wire_parse(&from, &scratch, &got), WIRE_OK);
    assert_int_equal(got.code_loaded.name.n, LIMIT_SYMBOL_BYTES);
    assert_int_equal(got.code_loaded.code.n, 0);
    assert_int_equal(got.code_loaded.eh_frame.n, 0);
    assert_int_equal(wire_parse(&from, &scratch, &got), WIRE_E_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_survives_a_round_trip),
        cmocka_unit_test(test_a_stream_cut_anywhere_is_cut_or_ends),
        cmocka_unit_test(test_a_wrong_length_is_bad),
        cmocka_unit_test(test_values_that_mean_nothing_are_bad),
        cmocka_unit_test(test_a_header_of_something_else_is_refused),
        cmocka_unit_test(test_whole_stacks_of_both_machines_survive),
        cmocka_unit_test(test_too_much_is_cut_and_still_parses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
