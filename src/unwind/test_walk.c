#include "unwind/walk.h"

#include "unwind/test_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { STACK_ADDR = 0x7ff000, WORDS = 64, MAX_FRAMES = 16 };

// A target: code at CODE_ADDR, of which everything but the rules is "code"; and a stack.
struct target {
    struct frames frames;
    struct cfi_table *table;
    struct unwind_regs regs;
    uint64_t stack[WORDS];
    bool cut;
    uint64_t pending_from; // 0: nothing
    uint64_t addrs[MAX_FRAMES];
    uint32_t max;
};

static struct unwind_code find(void *context, uint64_t addr)
{
    struct target *target = context;
    struct unwind_code code = {.owner = 7};
    code.is_code = addr >= CODE_ADDR && addr < CODE_ADDR + CODE_BYTES;
    if (code.is_code && target->table != NULL) {
        code.table = target->table;
        code.rule = cfi_table_find(target->table, addr - CODE_ADDR + CODE_OFF);
    }
    code.pending = target->pending_from != 0 && addr >= target->pending_from;
    return code;
}

static void set(struct target *target, unsigned reg, uint64_t value)
{
    target->regs.at[reg] = value;
    target->regs.valid |= 1ULL << reg;
}

static uint64_t word_addr(unsigned n)
{
    return STACK_ADDR + 8ULL * n;
}

static struct unwind_result walk(struct target *target)
{
    if (target->table == NULL) {
        target->table = frames_table(&target->frames, NULL);
    }
    struct unwind_memory memory = {
        .start_addr = STACK_ADDR,
        .bytes = {.data = (const uint8_t *)target->stack, .n = sizeof target->stack},
        .cut = target->cut,
    };
    return unwind_walk(target->frames.arch, &target->regs, &memory, find, target, target->addrs,
                       target->max != 0 ? target->max : MAX_FRAMES);
}

static void target_fini(struct target *target)
{
    frames_fini(&target->frames);
    cfi_table_free(target->table);
}

// Two functions without frame pointers, and _start.
static void test_three_frames(void **state)
{
    (void)state;
    struct target t = {0};
    frames_cie(&t.frames, "zR", 0x1b, USUAL);
    frames_fde(&t.frames, CODE_ADDR + 0x100, 0x40, PROGRAM(ADVANCE(1), 0x0e, 32, OFFSET(3, 2)));
    frames_fde(&t.frames, CODE_ADDR + 0x200, 0x40, PROGRAM(0x0e, 16));
    frames_fde(&t.frames, CODE_ADDR + 0x300, 0x40, PROGRAM(0x07, 16));
    set(&t, 16, CODE_ADDR + 0x110);
    set(&t, 7, word_addr(0));
    t.stack[3] = CODE_ADDR + 0x205;
    t.stack[5] = CODE_ADDR + 0x340; // the call was its last instruction
    struct unwind_result result = walk(&t);
    assert_int_equal(result.end, UNWIND_COMPLETE);
    assert_int_equal(result.n, 3);
    assert_int_equal(result.n_fp, 0);
    assert_int_equal(result.owner, 7);
    assert_int_equal(t.addrs[0], CODE_ADDR + 0x110);
    assert_int_equal(t.addrs[1], CODE_ADDR + 0x205);
    assert_int_equal(t.addrs[2], CODE_ADDR + 0x340);
    target_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
