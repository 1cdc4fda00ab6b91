#include "capture/perf/switches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RINGS = 2, TID = 7, OTHER = 8 };

static void hold(struct switches *switches, uint32_t ring, uint32_t tid, uint64_t addr)
{
    uint64_t kernel[] = {addr, addr + 1};
    uint64_t user[] = {addr + 2, addr + 3, addr + 4};
    struct event_stack stack = {
        .kernel = kernel, .n_kernel = 2, .user = user, .n_user = 3, .chain_cut = addr == 99};
    switches_hold(switches, ring, tid, &stack);
    memset(kernel, 0, sizeof kernel); // the ring takes its memory back
    memset(user, 0, sizeof user);
}

static struct event complete(struct switches *switches, uint32_t ring, uint32_t tid,
                             enum event_kind kind)
{
    struct event event = {.kind = kind, .tid = tid};
    switches_complete(switches, ring, tid, &event);
    return event;
}

static void test_a_stack_meets_its_switch(void **state)
{
    (void)state;
    struct switches switches;
    switches_init(&switches, RINGS);
    for (uint64_t addr = 98; addr <= 99; addr++) {
        hold(&switches, 1, TID, addr);
        struct event event = complete(&switches, 1, TID, EVENT_SWITCH_OUT);
        const struct event_stack *stack = &event.switch_out.stack;
        assert_true(event.switch_out.has_stack);
        assert_int_equal(stack->n_kernel, 2);
        assert_int_equal(stack->n_user, 3);
        assert_int_equal(stack->kernel[1], addr + 1);
        assert_int_equal(stack->user[2], addr + 4);
        assert_int_equal(stack->chain_cut, addr == 99);
        event = complete(&switches, 1, TID, EVENT_SWITCH_OUT); // once
        assert_false(event.switch_out.has_stack);
    }
    switches_fini(&switches);
}

// What may stand between a stack and a switch-out of the same thread.
static void test_what_comes_between(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t ring;
        uint32_t tid;
        enum event_kind kind;
        bool kept;
    } rows[] = {
        {"it came back", 0, TID, EVENT_SWITCH_IN, false},
        {"it ran", 0, TID, EVENT_SAMPLE, false},
        {"it ended", 0, TID, EVENT_THREAD_EXITED, false},
        {"it started another", 0, TID, EVENT_THREAD_STARTED, false},
        {"records are missing", 0, 0, EVENT_LOST, false},
        {"another thread left", 0, OTHER, EVENT_SWITCH_OUT, true},
        {"another thread came", 0, OTHER, EVENT_SWITCH_IN, true},
        {"another CPU's", 1, TID, EVENT_SWITCH_IN, true},
        {"another CPU lost records", 1, 0, EVENT_LOST, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct switches switches;
        switches_init(&switches, RINGS);
        hold(&switches, 0, TID, 98);
        struct event event = complete(&switches, rows[i].ring, rows[i].tid, rows[i].kind);
        if (rows[i].kind == EVENT_SWITCH_OUT) {
            assert_false(event.switch_out.has_stack);
        }
        event = complete(&switches, 0, TID, EVENT_SWITCH_OUT);
        if (event.switch_out.has_stack != rows[i].kept) {
            fail_msg("%s: %d", rows[i].name, event.switch_out.has_stack);
        }
        switches_fini(&switches);
    }
}

static void test_the_latest_stack_counts(void **state)
{
    (void)state;
    struct switches switches;
    switches_init(&switches, RINGS);
    hold(&switches, 0, OTHER, 50);
    hold(&switches, 0, TID, 60);
    assert_false(complete(&switches, 0, OTHER, EVENT_SWITCH_OUT).switch_out.has_stack);
    struct event event = complete(&switches, 0, TID, EVENT_SWITCH_OUT);
    assert_true(event.switch_out.has_stack);
    assert_int_equal(event.switch_out.stack.kernel[0], 60);
    switches_fini(&switches);
}

static void test_records_that_are_no_events(void **state)
{
    (void)state;
    struct switches switches;
    switches_init(&switches, RINGS);
    hold(&switches, 0, TID, 98);
    switches_drop(&switches, 0, OTHER);
    assert_true(complete(&switches, 0, TID, EVENT_SWITCH_OUT).switch_out.has_stack);
    for (uint32_t tid = 0; tid <= TID; tid += TID) {
        hold(&switches, 0, TID, 98);
        switches_drop(&switches, 0, tid);
        assert_false(complete(&switches, 0, TID, EVENT_SWITCH_OUT).switch_out.has_stack);
    }
    switches_fini(&switches);
}

static void test_a_stack_deeper_than_ours_is_cut(void **state)
{
    (void)state;
    struct switches switches;
    switches_init(&switches, RINGS);
    uint64_t *addrs = calloc(LIMIT_STACK_DEPTH + 1, sizeof *addrs);
    struct event_stack stack = {.kernel = addrs,
                                .n_kernel = LIMIT_STACK_DEPTH + 1,
                                .user = addrs,
                                .n_user = LIMIT_STACK_DEPTH};
    switches_hold(&switches, 0, TID, &stack);
    struct event event = complete(&switches, 0, TID, EVENT_SWITCH_OUT);
    assert_int_equal(event.switch_out.stack.n_kernel, LIMIT_STACK_DEPTH);
    assert_int_equal(event.switch_out.stack.n_user, LIMIT_STACK_DEPTH);
    assert_true(event.switch_out.stack.chain_cut);
    free(addrs);
    switches_fini(&switches);
}

// Registers and a copy, of bytes that are their own number modulo 256, from memory that is gone
// afterwards.
static void hold_copy(struct switches *switches, uint32_t tid, uint64_t sp, size_t n)
{
    uint8_t *bytes = malloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)i;
    }
    struct event_regs regs = {.arch = EVENT_ARCH_X86_64, .valid = 1 << 7, .at = {[7] = sp}};
    struct event_stack stack = {
        .user = &sp, .n_user = 1, .regs = &regs, .copy = {bytes, n}, .copy_cut = n > 100};
    switches_hold(switches, 0, tid, &stack);
    regs.at[7] = 0;
    free(bytes);
}

static void assert_copy(struct switches *switches, uint32_t tid, uint64_t sp, size_t n)
{
    struct event event = complete(switches, 0, tid, EVENT_SWITCH_OUT);
    const struct event_stack *stack = &event.switch_out.stack;
    assert_true(event.switch_out.has_stack);
    assert_non_null(stack->regs);
    assert_int_equal(stack->regs->at[7], sp);
    assert_int_equal(stack->copy.n, n);
    assert_int_equal(stack->copy_cut, n > 100);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(stack->copy.data[i], (uint8_t)i);
    }
}

static void test_copies_are_kept(void **state)
{
    (void)state;
    static const size_t sizes[] = {8192, 0, 1, 65000, 8192};
    struct switches switches;
    switches_init(&switches, RINGS);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        hold_copy(&switches, TID, 0x7000 + i, sizes[i]);
        assert_copy(&switches, TID, 0x7000 + i, sizes[i]);
    }
    hold(&switches, 0, TID, 98); // one without leaves nothing of the one before
    struct event event = complete(&switches, 0, TID, EVENT_SWITCH_OUT);
    assert_null(event.switch_out.stack.regs);
    assert_int_equal(event.switch_out.stack.copy.n, 0);
    switches_fini(&switches);
}

static void test_of_two_the_longer_copy_is_kept(void **state)
{
    (void)state;
    struct switches switches;
    switches_init(&switches, RINGS);
    for (int longer_first = 0; longer_first <= 1; longer_first++) {
        hold_copy(&switches, TID, 1, longer_first ? 16384 : 8192);
        hold_copy(&switches, TID, 2, longer_first ? 8192 : 16384);
        assert_copy(&switches, TID, longer_first ? 1 : 2, 16384);
    }
    hold_copy(&switches, TID, 1, 16384); // another thread's is another matter
    hold_copy(&switches, OTHER, 2, 8192);
    assert_copy(&switches, OTHER, 2, 8192);
    hold_copy(&switches, TID, 1, 16384); // and so is one that is not waited for any more
    complete(&switches, 0, TID, EVENT_SWITCH_IN);
    hold_copy(&switches, TID, 2, 8192);
    assert_copy(&switches, TID, 2, 8192);
    switches_fini(&switches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stack_meets_its_switch),
        cmocka_unit_test(test_what_comes_between),
        cmocka_unit_test(test_the_latest_stack_counts),
        cmocka_unit_test(test_records_that_are_no_events),
        cmocka_unit_test(test_a_stack_deeper_than_ours_is_cut),
        cmocka_unit_test(test_copies_are_kept),
        cmocka_unit_test(test_of_two_the_longer_copy_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
