#include "unwind/walk.h"

#include "base/limits.h"
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

// ---- Helpers -----------------------------------------------------------------------------------

enum { RA = 16, RSP = 7, RBP = 6, RBX = 3, R12 = 12, LR = 30, SP = 31, PC = 32, X29 = 29 };

#define CODE(into) ((uint64_t)CODE_ADDR + (into))

static struct target target_x86(void)
{
    struct target t = {0};
    frames_cie(&t.frames, "zR", 0x1b, USUAL);
    set(&t, RSP, word_addr(0));
    return t;
}

static struct target target_arm(void)
{
    struct target t = {.frames.arch = UNWIND_AARCH64, .frames.code_align = 4};
    frames_cie(&t.frames, "zR", 0x1b, PROGRAM(0x0c, SP, 0));
    set(&t, SP, word_addr(0));
    return t;
}

// The usual: 0x100 has a frame of two words (one and the return address), 0x300 is _start.
static void add_usual(struct target *t)
{
    frames_fde(&t->frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16));
    frames_fde(&t->frames, CODE(0x300), 0x40, PROGRAM(0x07, 16));
}

// Walks, expects exactly these addresses, and that it ends so. Frees the target.
static void expect(struct target *t, enum unwind_end end, const uint64_t *addrs, size_t n)
{
    struct unwind_result result = walk(t);
    if (result.end != end || result.n != n || memcmp(t->addrs, addrs, n * sizeof *addrs) != 0) {
        for (uint32_t i = 0; i < result.n; i++) {
            print_message("%u: 0x%jx\n", i, (uintmax_t)t->addrs[i]);
        }
        fail_msg("ended with %d after %u frames", result.end, result.n);
    }
    target_fini(t);
}

#define EXPECT(t, end, ...)                                                                        \
    expect((t), (end), (const uint64_t[]){__VA_ARGS__},                                            \
           sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

// ---- By rules, x86-64 --------------------------------------------------------------------------

// A register that an inner function saved is what an outer one finds its frame by.
static void test_saved_registers_are_restored(void **state)
{
    (void)state;
    struct target t = target_x86();
    // Saves rbp and rbx; the next one's frame is found by rbp, the one after that by rbx.
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 24, OFFSET(RBP, 2), OFFSET(RBX, 3)));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0c, RBP, 16, OFFSET(RBP, 2)));
    frames_fde(&t.frames, CODE(0x280), 0x40, PROGRAM(0x0c, RBX, 8));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
    set(&t, RA, CODE(0x110));
    set(&t, RBX, 1);
    set(&t, RBP, 2);
    t.stack[0] = word_addr(20); // rbx
    t.stack[1] = word_addr(10); // rbp
    t.stack[2] = CODE(0x210);
    t.stack[10] = 0xbad;
    t.stack[11] = CODE(0x290);
    t.stack[20] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x210), CODE(0x290), CODE(0x310));
}

// All are found with the registers of before: here two change places.
static void test_registers_that_change_places(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x09, RBX, R12, 0x09, R12, RBX));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0c, RBX, 8));
    frames_fde(&t.frames, CODE(0x280), 0x40, PROGRAM(0x0c, R12, 8));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
    set(&t, RA, CODE(0x110));
    set(&t, RBX, word_addr(20));
    set(&t, R12, word_addr(10));
    t.stack[0] = CODE(0x210);
    t.stack[10] = CODE(0x290);
    t.stack[20] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x210), CODE(0x290), CODE(0x310));
}

// A function that ends with a call: the address behind belongs to the next one, or to nobody.
static void test_a_return_address_behind_the_function(void **state)
{
    (void)state;
    struct target t = target_x86();
    add_usual(&t);
    frames_fde(&t.frames, CODE(0x140), 0x40, PROGRAM(0x0e, 0x40)); // would lead astray
    set(&t, RA, CODE(0x100)); // its very first instruction, which is exact
    t.stack[1] = CODE(0x140);
    t.stack[3] = CODE(0x340); // the end of _start
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x100), CODE(0x140), CODE(0x340));
}

// and $-64, %rsp: where the frame began is then in memory.
static void test_a_realigned_stack(void **state)
{
    (void)state;
    struct target t = target_x86();
    // CFA = [rbp - 8]; rbp is saved at rbp; the return address is below the CFA.
    frames_fde(&t.frames, CODE(0x100), 0x40,
               PROGRAM(0x0f, 3, 0x76, 0x78, 0x06, 0x10, RBP, 2, 0x76, 0));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0c, RBP, 16, OFFSET(RBP, 2)));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
    set(&t, RA, CODE(0x110));
    set(&t, RBP, word_addr(9));
    t.stack[8] = word_addr(24);
    t.stack[9] = word_addr(30);
    t.stack[23] = CODE(0x210);
    t.stack[31] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x210), CODE(0x310));
}

// CFA = rsp + 8 + ((rip & 15) >= 11) * 8: whether the stub has pushed its number yet.
static void test_a_plt(void **state)
{
    (void)state;
    for (unsigned into = 0; into < 16; into++) {
        struct target t = target_x86();
        frames_fde(&t.frames, CODE(0x100), 0x40,
                   PROGRAM(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22));
        frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
        set(&t, RA, CODE(0x110) + into);
        t.stack[0] = into >= 11 ? 5 : CODE(0x308);
        t.stack[1] = into >= 11 ? CODE(0x308) : 5;
        EXPECT(&t, UNWIND_COMPLETE, CODE(0x110) + into, CODE(0x308));
    }
}

// As glibc writes it: every register is in what the kernel pushed, at an offset of rsp.
static void add_signal_return(struct target *t, uint64_t addr)
{
    frames_cie(&t->frames, "zRS", 0x1b, USUAL);
    frames_fde(&t->frames, addr - 1, 0x10,
               PROGRAM(0x0f, 3, 0x77, 48, 0x06, 0x10, RBP, 2, 0x77, 40, 0x10, RA, 2, 0x77, 56));
}

// The interrupted instruction is exact: it may be the first of a function.
static void test_a_signal(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16)); // the handler
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0));        // was about to push rbp
    frames_fde(&t.frames, CODE(0x240), 0x40, PROGRAM(0x0c, RBP, 16, OFFSET(RBP, 2)));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
    add_signal_return(&t, CODE(0x400));
    set(&t, RA, CODE(0x110));
    set(&t, RBP, 0xbad);
    t.stack[1] = CODE(0x400);       // returns to the very first instruction
    t.stack[2 + 5] = word_addr(40); // rbp
    t.stack[2 + 6] = word_addr(30); // rsp
    t.stack[2 + 7] = CODE(0x200);   // rip
    t.stack[30] = CODE(0x250);
    t.stack[41] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x400), CODE(0x201), CODE(0x250), CODE(0x310));
}

// The handler had a stack of its own, and of the other there is no copy.
static void test_a_signal_on_another_stack(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0));
    add_signal_return(&t, CODE(0x400));
    t.cut = true; // which does not help
    set(&t, RA, CODE(0x404));
    t.stack[6] = 0x600000000000;
    t.stack[7] = CODE(0x204);
    EXPECT(&t, UNWIND_UNREADABLE, CODE(0x404), CODE(0x205));
}

// Signal frames may lead anywhere, also back to themselves.
static void test_a_signal_frame_of_itself(void **state)
{
    (void)state;
    struct target t = target_x86();
    add_signal_return(&t, CODE(0x400));
    set(&t, RA, CODE(0x404));
    t.stack[6] = word_addr(0);
    t.stack[7] = CODE(0x404);
    struct unwind_result result = walk(&t);
    assert_int_equal(result.end, UNWIND_TOO_DEEP);
    assert_int_equal(result.n, MAX_FRAMES);
    assert_int_equal(t.addrs[MAX_FRAMES - 1], CODE(0x405));
    target_fini(&t);
}

static void test_a_return_address_of_zero(void **state)
{
    (void)state;
    struct target t = target_x86();
    add_usual(&t);
    set(&t, RA, CODE(0x110));
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110));
}

// ---- How it ends -------------------------------------------------------------------------------

static void test_a_return_address_that_is_no_code(void **state)
{
    (void)state;
    struct target t = target_x86();
    add_usual(&t);
    set(&t, RA, CODE(0x110));
    t.stack[1] = 0x1234;
    struct unwind_result result = walk(&t);
    assert_int_equal(result.end, UNWIND_NO_CODE);
    assert_int_equal(result.n, 1);
    assert_int_equal(result.owner, 7); // whose rule led there
    target_fini(&t);
}

static void test_a_frame_beyond_the_copy(void **state)
{
    (void)state;
    for (int cut = 0; cut <= 1; cut++) {
        struct target t = target_x86();
        t.cut = cut != 0;
        frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 0x90, 0x20)); // 4 KB
        set(&t, RA, CODE(0x110));
        EXPECT(&t, cut ? UNWIND_TOO_SHORT : UNWIND_UNREADABLE, CODE(0x110));
    }
}

// Half of a word is none: the copy ends within the return address.
static void test_the_last_word_of_a_copy(void **state)
{
    (void)state;
    for (unsigned missing = 0; missing <= 9; missing += 3) {
        struct target t = target_x86();
        t.cut = true;
        add_usual(&t);
        set(&t, RA, CODE(0x110));
        set(&t, RSP, word_addr(0));
        t.stack[1] = CODE(0x308);
        t.table = frames_table(&t.frames, NULL);
        struct unwind_memory memory = {
            .start_addr = STACK_ADDR,
            .bytes = {.data = (const uint8_t *)t.stack, .n = 16 - missing},
            .cut = true};
        struct unwind_result result = unwind_walk(UNWIND_X86_64, &t.regs, &memory, find, &t,
                                                  t.addrs, MAX_FRAMES);
        assert_int_equal(result.end, missing == 0 ? UNWIND_COMPLETE : UNWIND_TOO_SHORT);
        target_fini(&t);
    }
}

static void test_memory_before_the_copy(void **state)
{
    (void)state;
    struct target t = target_x86();
    t.cut = true;
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, 0x05, RA, 4));
    set(&t, RA, CODE(0x110));
    EXPECT(&t, UNWIND_UNREADABLE, CODE(0x110));
}

static void test_without_a_copy(void **state)
{
    (void)state;
    struct target t = target_x86();
    add_usual(&t);
    set(&t, RA, CODE(0x110));
    t.table = frames_table(&t.frames, NULL);
    struct unwind_memory memory = {0};
    struct unwind_result result = unwind_walk(UNWIND_X86_64, &t.regs, &memory, find, &t, t.addrs,
                                              MAX_FRAMES);
    assert_int_equal(result.end, UNWIND_UNREADABLE);
    assert_int_equal(result.n, 1);
    target_fini(&t);
}

// Frames that lead inwards, to themselves, or to no place for a stack.
static void test_a_cfa_that_makes_no_sense(void **state)
{
    (void)state;
    static const uint64_t frames[] = {STACK_ADDR - 8,         // below
                                      STACK_ADDR,             // the same: it would never end
                                      STACK_ADDR + 8 * 8 + 4, // at half a word
                                      0,
                                      8,
                                      UINT64_MAX - 7 + 8};
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        struct target t = target_x86();
        add_usual(&t);
        frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0c, RBX, 0, OFFSET(RA, 0x7e)));
        set(&t, RA, CODE(0x110));
        set(&t, RBX, frames[i] + (i == 1 ? 16 : 0));
        t.stack[1] = CODE(0x210);
        EXPECT(&t, UNWIND_BAD_CFI, CODE(0x110), CODE(0x210));
    }
}

// The CFA grows, but what is said of the stack pointer does not.
static void test_a_stack_pointer_that_shrinks(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, 0x08, RSP)); // same_value
    set(&t, RA, CODE(0x110));
    t.stack[1] = CODE(0x112);
    struct unwind_result result = walk(&t);
    // Of the leaf it may be the same; of its caller no more.
    assert_int_equal(result.end, UNWIND_BAD_CFI);
    assert_int_equal(result.n, 2);
    target_fini(&t);
}

// x86-64 has no register for it: a rule that says "it is where it was" leads nowhere.
static void test_a_return_address_that_is_the_same(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, 0x08, RA));
    set(&t, RA, CODE(0x110));
    EXPECT(&t, UNWIND_BAD_CFI, CODE(0x110));
}

static void test_a_register_that_is_lost(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, 0x07, RBX));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0c, RBX, 8));
    set(&t, RA, CODE(0x110));
    set(&t, RBX, word_addr(10));
    t.stack[1] = CODE(0x210);
    EXPECT(&t, UNWIND_UNREADABLE, CODE(0x110), CODE(0x210));
}

// rcx is nobody's after a call, whatever it was in the leaf.
static void test_a_register_that_a_call_does_not_keep(void **state)
{
    (void)state;
    enum { RCX = 2 };
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0c, RCX, 8)); // of the leaf it is known
    set(&t, RA, CODE(0x110));
    set(&t, RCX, word_addr(3));
    t.stack[3] = CODE(0x112);
    EXPECT(&t, UNWIND_UNREADABLE, CODE(0x110), CODE(0x112));
}

// A register that can't be read is lost, but it may be that nobody needs it.
static void test_a_saved_register_that_is_unreadable(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, 0x10, RBX, 3, 0x77, 0x80, 0x7f));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
    set(&t, RA, CODE(0x110));
    t.stack[1] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x310));
}

static void test_a_vector_register(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0c, 40, 8));
    set(&t, RA, CODE(0x110));
    EXPECT(&t, UNWIND_UNREADABLE, CODE(0x110));
}

static void test_expressions_that_fail(void **state)
{
    (void)state;
    static const struct {
        uint8_t program[16];
        uint8_t n;
        enum unwind_end end;
    } bad[] = {
#define CFA_OF(...)                                                                                \
    {0x0f, sizeof((uint8_t[]){__VA_ARGS__}), __VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}) + 2
        {CFA_OF(0x2f, 0xfd, 0xff), UNWIND_BAD_CFI},             // a loop
        {CFA_OF(0x31, 0x12, 0x28, 0xfb, 0xff), UNWIND_BAD_CFI}, // one that fills the stack
        {CFA_OF(0x22), UNWIND_BAD_CFI},                         // nothing to add
        {CFA_OF(0x31, 0x22), UNWIND_BAD_CFI},                   // half of it
        {CFA_OF(0x13), UNWIND_BAD_CFI},                         // nothing to drop
        {CFA_OF(0x31, 0x13), UNWIND_BAD_CFI},                   // no result
        {CFA_OF(0x31, 0x30, 0x1b), UNWIND_BAD_CFI},             // divided by zero
        {CFA_OF(0x31, 0x30, 0x1d), UNWIND_BAD_CFI},
        {CFA_OF(0x31, 0x15, 1), UNWIND_BAD_CFI},                // nothing so deep to pick
        {CFA_OF(0x31, 0x2f, 0x10, 0), UNWIND_BAD_CFI},          // beyond its end
        {CFA_OF(0x2f, 0xf0, 0xff), UNWIND_BAD_CFI},             // before its start
        {CFA_OF(0x31, 0x28, 1), UNWIND_BAD_CFI},                // cut
        {CFA_OF(0x03, 0, 0, 0, 0, 0, 0, 0, 0), UNWIND_BAD_CFI}, // an address: not known here
        {CFA_OF(0x50), UNWIND_BAD_CFI},                         // a register as such
        {CFA_OF(0xe0), UNWIND_BAD_CFI},                         // a vendor's
        {CFA_OF(0x77, 0, 0x94, 9), UNWIND_BAD_CFI},             // 9 bytes of memory
        {CFA_OF(0x77, 0, 0x94, 0), UNWIND_BAD_CFI},
        {CFA_OF(0x72, 0, 0x12, 0x22), UNWIND_UNREADABLE}, // rdx, which is not known
        {CFA_OF(0x92, 0xff, 0x01, 0, 0x12, 0x22), UNWIND_UNREADABLE},
        {CFA_OF(0x30, 0x12, 0x06), UNWIND_UNREADABLE}, // address 0
        {CFA_OF(0x77, 0xf8, 0x03, 0x12, 0x06, 0x06), UNWIND_UNREADABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct target t = target_x86();
        frames_fde(&t.frames, CODE(0x100), 0x40, bad[i].program, bad[i].n);
        set(&t, RA, CODE(0x110));
        t.stack[WORDS - 1] = 16;
        EXPECT(&t, bad[i].end, CODE(0x110));
    }
}

// Each yields 16 more than rsp, by way of one operation.
static void test_operations(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t program[28];
        uint8_t n;
    } sums[] = {
        {"const1u", CFA_OF(0x77, 0, 0x08, 16, 0x22)},
        {"const1s", CFA_OF(0x77, 0, 0x09, 0xf0, 0x1c)},
        {"const2u", CFA_OF(0x77, 0, 0x0a, 16, 0, 0x22)},
        {"const2s", CFA_OF(0x77, 0, 0x0b, 0xf0, 0xff, 0x1c)},
        {"const4u", CFA_OF(0x77, 0, 0x0c, 16, 0, 0, 0, 0x22)},
        {"const4s", CFA_OF(0x77, 0, 0x0d, 0xf0, 0xff, 0xff, 0xff, 0x1c)},
        {"const8u", CFA_OF(0x77, 0, 0x0e, 16, 0, 0, 0, 0, 0, 0, 0, 0x22)},
        {"const8s", CFA_OF(0x77, 0, 0x0f, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1c)},
        {"constu", CFA_OF(0x77, 0, 0x10, 16, 0x22)},
        {"consts", CFA_OF(0x77, 0, 0x11, 0x70, 0x1c)},
        {"dup", CFA_OF(0x77, 0, 0x38, 0x12, 0x22, 0x22)},
        {"over", CFA_OF(0x40, 0x77, 0, 0x14, 0x22)},
        {"pick", CFA_OF(0x40, 0x30, 0x77, 0, 0x15, 2, 0x22)},
        {"swap", CFA_OF(0x77, 0x10, 0x30, 0x16)},
        {"rot", CFA_OF(0x77, 0, 0x30, 0x40, 0x17, 0x13, 0x22)},
        {"abs", CFA_OF(0x77, 0, 0x09, 0xf0, 0x19, 0x22)},
        {"and", CFA_OF(0x77, 0, 0x08, 0x17, 0x08, 0xf0, 0x1a, 0x22)},
        {"div", CFA_OF(0x77, 0, 0x09, 0xe0, 0x09, 0xfe, 0x1b, 0x22)},
        {"mod", CFA_OF(0x77, 0, 0x08, 48, 0x08, 32, 0x1d, 0x22)},
        {"mul", CFA_OF(0x77, 0, 0x34, 0x34, 0x1e, 0x22)},
        {"neg", CFA_OF(0x77, 0, 0x40, 0x1f, 0x1c)},
        {"not", CFA_OF(0x77, 0, 0x40, 0x20, 0x1c, 0x31, 0x1c)},
        {"or", CFA_OF(0x77, 0, 0x40, 0x30, 0x21, 0x22)},
        {"shl", CFA_OF(0x77, 0, 0x31, 0x34, 0x24, 0x22)},
        {"shr", CFA_OF(0x77, 0, 0x09, 0xff, 0x08, 60, 0x25, 0x31, 0x22, 0x22)},
        {"shra", CFA_OF(0x77, 0, 0x09, 0x80, 0x33, 0x26, 0x1c)},
        {"shl by too much", CFA_OF(0x77, 16, 0x31, 0x08, 64, 0x24, 0x22)},
        {"shr by too much", CFA_OF(0x77, 16, 0x31, 0x08, 64, 0x25, 0x22)},
        {"shra by too much", CFA_OF(0x77, 16, 0x31, 0x08, 200, 0x26, 0x22)},
        {"xor", CFA_OF(0x77, 0, 0x41, 0x31, 0x27, 0x22)},
        {"bra", CFA_OF(0x77, 16, 0x31, 0x28, 2, 0, 0x23, 1, 0x96)},
        {"bra not taken", CFA_OF(0x77, 8, 0x30, 0x28, 2, 0, 0x23, 8, 0x96)},
        {"skip", CFA_OF(0x77, 16, 0x2f, 2, 0, 0x23, 1, 0x96)},
        {"eq", CFA_OF(0x77, 0, 0x35, 0x35, 0x29, 0x34, 0x24, 0x22)},
        {"ge", CFA_OF(0x77, 0, 0x35, 0x35, 0x2a, 0x34, 0x24, 0x22)},
        {"gt", CFA_OF(0x77, 0, 0x35, 0x09, 0xff, 0x2b, 0x34, 0x24, 0x22)},
        {"le", CFA_OF(0x77, 0, 0x35, 0x35, 0x2c, 0x34, 0x24, 0x22)},
        {"lt", CFA_OF(0x77, 0, 0x09, 0xff, 0x35, 0x2d, 0x34, 0x24, 0x22)},
        {"ne", CFA_OF(0x77, 0, 0x35, 0x34, 0x2e, 0x34, 0x24, 0x22)},
        {"not eq", CFA_OF(0x77, 16, 0x35, 0x34, 0x29, 0x34, 0x24, 0x22)},
        {"bregx", CFA_OF(0x92, 7, 16, 0x96)},
        {"deref_size",
         CFA_OF(0x77, 0, 0x77, 32, 0x94, 2, 0x22, 0x08, 0xff, 0x1a, 0x12, 0x1c, 0x77, 16, 0x22)},
        {"deref", CFA_OF(0x77, 0, 0x77, 40, 0x06, 0x12, 0x13, 0x22)},
    };
    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        struct target t = target_x86();
        frames_fde(&t.frames, CODE(0x100), 0x40, sums[i].program, sums[i].n);
        frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
        set(&t, RA, CODE(0x110));
        t.stack[1] = CODE(0x310);
        t.stack[5] = 16;
        struct unwind_result result = walk(&t);
        if (result.end != UNWIND_COMPLETE || result.n != 2) {
            fail_msg("%s: %d, %u", sums[i].what, result.end, result.n);
        }
        target_fini(&t);
    }
}

// All expressions of a walk together have one budget.
static void test_the_budget_of_expressions(void **state)
{
    (void)state;
    struct target t = target_x86();
    // Its length in two bytes; many that do nothing; then rsp + 8, said awkwardly.
    enum { N = 1002 + 5 };
    uint8_t program[3 + N] = {0x0f, (N & 0x7f) | 0x80, N >> 7};
    static const uint8_t last[] = {0x77, 8, 0x12, 0x13, 0x96};
    memset(program + 3, 0x96, 1002);
    memcpy(program + 3 + 1002, last, sizeof last);
    frames_fde(&t.frames, CODE(0x100), 0x40, program, sizeof program);
    set(&t, RA, CODE(0x110));
    for (unsigned i = 0; i < WORDS; i++) {
        t.stack[i] = CODE(0x112);
    }
    struct unwind_result result = walk(&t);
    assert_int_equal(result.end, UNWIND_BAD_CFI);
    assert_int_equal(result.n, 1 + LIMIT_EXPRESSION_STEPS / (1002 + 4));
    target_fini(&t);
}

// Compared with the machine at its limits: the most negative number has no opposite.
static void test_the_most_negative_number(void **state)
{
    (void)state;
    static const uint8_t min[] = {0x0f, 0, 0, 0, 0, 0, 0, 0, 0x80};
    static const uint8_t ops[][3] = {{0x09, 0xff, 0x1b}, {0x1f, 0x96, 0x96}, {0x19, 0x96, 0x96}};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        struct target t = target_x86();
        uint8_t program[2 + sizeof min + 3] = {0x0f, sizeof min + 3};
        memcpy(program + 2, min, sizeof min);
        program[2] = 0x0e;
        memcpy(program + 2 + sizeof min, ops[i], 3);
        frames_fde(&t.frames, CODE(0x100), 0x40, program, sizeof program);
        set(&t, RA, CODE(0x110));
        EXPECT(&t, UNWIND_UNREADABLE, CODE(0x110)); // a CFA far away
    }
}

static void test_too_deep(void **state)
{
    (void)state;
    for (uint32_t max = 1; max <= 4; max++) {
        struct target t = target_x86();
        add_usual(&t);
        t.max = max;
        set(&t, RA, CODE(0x110));
        t.stack[1] = CODE(0x112);
        t.stack[3] = CODE(0x310);
        struct unwind_result result = walk(&t);
        assert_int_equal(result.end, max < 3 ? UNWIND_TOO_DEEP : UNWIND_COMPLETE);
        assert_int_equal(result.n, MIN(max, 3U));
        target_fini(&t);
    }
}

static void test_rules_that_are_not_read_yet(void **state)
{
    (void)state;
    struct target t = target_x86();
    add_usual(&t);
    t.pending_from = CODE(0x1000);
    set(&t, RA, CODE(0x110));
    set(&t, RBP, word_addr(8)); // is not followed
    t.stack[1] = CODE(0x1010);
    t.stack[9] = CODE(0x310);
    EXPECT(&t, UNWIND_PENDING, CODE(0x110), CODE(0x1010));
}

static void test_registers_that_are_not_known(void **state)
{
    (void)state;
    struct target t = {0};
    add_usual(&t);
    struct unwind_result result = walk(&t);
    assert_int_equal(result.end, UNWIND_UNREADABLE);
    assert_int_equal(result.n, 0);
    set(&t, RA, CODE(0x110));
    result = walk(&t);
    assert_int_equal(result.end, UNWIND_UNREADABLE);
    assert_int_equal(result.n, 1);
    target_fini(&t);
}

// ---- By the frame pointer ----------------------------------------------------------------------

// Code of a JIT between functions with rules.
static void test_a_frame_without_rules(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 24, OFFSET(RBP, 2)));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0c, RBP, 16, OFFSET(RBP, 2)));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
    set(&t, RA, CODE(0x110));
    set(&t, RBP, 1);
    t.stack[1] = word_addr(6);
    t.stack[2] = CODE(0x4010);
    t.stack[6] = word_addr(10);
    t.stack[7] = CODE(0x4020);
    t.stack[10] = word_addr(12);
    t.stack[11] = CODE(0x210);
    t.stack[13] = CODE(0x310);
    struct unwind_result result = walk(&t);
    assert_int_equal(result.end, UNWIND_COMPLETE);
    assert_int_equal(result.n, 5);
    assert_int_equal(result.n_fp, 2);
    assert_int_equal(t.addrs[2], CODE(0x4020));
    assert_int_equal(t.addrs[3], CODE(0x210));
    target_fini(&t);
}

static void test_ends_of_frame_pointers(void **state)
{
    (void)state;
    static const struct {
        uint64_t fp;
        uint64_t ra;
        enum unwind_end end;
        bool cut;
    } ends[] = {
        {0, 0, UNWIND_NO_CFI, false}, // on top of the stack that says nothing
        {STACK_ADDR + 32, 0, UNWIND_COMPLETE, false},
        {STACK_ADDR + 32, 0x1234, UNWIND_NO_CFI, false}, // does not return to code
        {STACK_ADDR + 33, CODE(0x310), UNWIND_NO_CFI, false},
        {STACK_ADDR + 36, CODE(0x310), UNWIND_NO_CFI, false},
        {STACK_ADDR - 8, CODE(0x310), UNWIND_NO_CFI, false},
        {STACK_ADDR + 8 * WORDS - 8, CODE(0x310), UNWIND_NO_CFI, false},
        {STACK_ADDR + 8 * WORDS - 8, CODE(0x310), UNWIND_TOO_SHORT, true},
        {STACK_ADDR + 0x4000, 0, UNWIND_TOO_SHORT, true},
        {STACK_ADDR + 0x4000, 0, UNWIND_NO_CFI, false},
        {STACK_ADDR + 0x20000, 0, UNWIND_NO_CFI, true}, // no copy goes so far
        {UINT64_MAX - 7, 0, UNWIND_NO_CFI, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct target t = target_x86();
        t.cut = ends[i].cut;
        set(&t, RA, CODE(0x4010));
        set(&t, RBP, ends[i].fp);
        t.stack[5] = ends[i].ra;
        struct unwind_result result = walk(&t);
        if (result.end != ends[i].end || result.n != 1 || result.n_fp > 1) {
            fail_msg("%zu: %d, %u, %u", i, result.end, result.n, result.n_fp);
        }
        target_fini(&t);
    }
}

// A list of frames that leads back to its start: each has to be further out.
static void test_frame_pointers_in_a_circle(void **state)
{
    (void)state;
    struct target t = target_x86();
    set(&t, RA, CODE(0x4010));
    set(&t, RBP, word_addr(4));
    t.stack[4] = word_addr(8);
    t.stack[5] = CODE(0x4020);
    t.stack[8] = word_addr(4);
    t.stack[9] = CODE(0x4030);
    EXPECT(&t, UNWIND_NO_CFI, CODE(0x4010), CODE(0x4020), CODE(0x4030));
}

// After such a step nothing is known but the frame pointer and the stack pointer.
static void test_registers_after_a_frame_without_rules(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0c, RBX, 16));
    set(&t, RA, CODE(0x4010));
    set(&t, RBP, word_addr(4));
    set(&t, RBX, word_addr(10));
    t.stack[5] = CODE(0x210);
    EXPECT(&t, UNWIND_UNREADABLE, CODE(0x4010), CODE(0x210));
}

static void test_a_frame_pointer_that_is_lost(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, 0x07, RBP));
    set(&t, RA, CODE(0x110));
    set(&t, RBP, word_addr(8));
    t.stack[1] = CODE(0x4010);
    t.stack[9] = CODE(0x4020);
    EXPECT(&t, UNWIND_NO_CFI, CODE(0x110), CODE(0x4010));
}

// Whatever is on the stack, it ends, and nothing outside of code comes out of it.
static void test_garbage(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int round = 0; round < 20000; round++) {
        struct target t = round % 2 == 0 ? target_x86() : target_arm();
        bool arm = round % 2 != 0;
        frames_fde(&t.frames, CODE(0x100), 0x100,
                   PROGRAM(0x0e, 16, ADVANCE(8), 0x0e, 32, ADVANCE(8), 0x0d, RBP, ADVANCE(8), 0x0f,
                           3, 0x76, 0x78, 0x06));
        add_signal_return(&t, CODE(0x400));
        for (unsigned i = 0; i < WORDS; i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            uint64_t dice = seed >> 33;
            t.stack[i] = dice % 4 == 0   ? CODE(0x100 + dice % 0x140)
                         : dice % 4 == 1 ? CODE(0x400 + dice % 16)
                         : dice % 4 == 2 ? word_addr((unsigned)(dice % (WORDS + 4)))
                                         : seed;
        }
        for (unsigned i = 0; i < UNWIND_REGS; i++) {
            set(&t, i, t.stack[i]);
        }
        set(&t, arm ? PC : RA, CODE(0x100 + seed % 0x40));
        set(&t, arm ? SP : RSP, word_addr(0));
        t.cut = seed % 3 == 0;
        struct unwind_result result = walk(&t);
        assert_in_range(result.n, 1, MAX_FRAMES);
        for (uint32_t i = 1; i < result.n; i++) {
            assert_in_range(t.addrs[i], CODE_ADDR, CODE_ADDR + CODE_BYTES);
        }
        target_fini(&t);
    }
}

// ---- AArch64 -----------------------------------------------------------------------------------

// A leaf that uses no stack returns by x30, and its caller's frame begins where its own does.
static void test_arm_leaf(void **state)
{
    (void)state;
    struct target t = target_arm();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0e, 32, OFFSET(X29, 4), OFFSET(LR, 3)));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, LR));
    set(&t, PC, CODE(0x110));
    set(&t, LR, CODE(0x210));
    t.stack[1] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x210), CODE(0x310));
}

// Stubs and the vdso have no rules, and return by x30 as well: 0x100 has a frame of two words,
// 0x200 one of four that begins with its record.
static struct target target_arm_without_rules(void)
{
    struct target t = target_arm();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, OFFSET(LR, 2)));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0e, 32, OFFSET(X29, 4), OFFSET(LR, 3)));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, LR));
    set(&t, PC, CODE(0x4010));
    return t;
}

static void test_arm_leaf_without_rules(void **state)
{
    (void)state;
    struct target t = target_arm_without_rules();
    set(&t, LR, CODE(0x110) | 0x7a55000000000000); // signed
    set(&t, X29, word_addr(4));                    // of somebody further out
    t.stack[0] = CODE(0x210);
    t.stack[3] = CODE(0x310);
    t.stack[5] = CODE(0x318);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x4010), CODE(0x110), CODE(0x210), CODE(0x310));
}

// It has moved the stack pointer, nobody knows how far.
static void test_arm_leaf_that_uses_the_stack(void **state)
{
    (void)state;
    struct target t = target_arm_without_rules();
    set(&t, LR, CODE(0x110));
    set(&t, X29, 1);
    t.stack[0] = CODE(0x4000); // is there, but nobody returns to it
    t.stack[2] = CODE(0x210);
    EXPECT(&t, UNWIND_NO_CFI, CODE(0x4010), CODE(0x110));
    t = target_arm_without_rules();
    set(&t, LR, CODE(0x210));
    set(&t, X29, word_addr(6)); // but its caller's frame pointer tells
    t.stack[1] = 17;
    t.stack[7] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x4010), CODE(0x210), CODE(0x310));
}

// x30 is what is left of a call: the frame pointer is better.
static void test_arm_link_of_a_call_that_is_over(void **state)
{
    (void)state;
    struct target t = target_arm_without_rules();
    set(&t, LR, CODE(0x4008));
    set(&t, X29, word_addr(0));
    t.stack[0] = word_addr(4);
    t.stack[1] = CODE(0x210);
    t.stack[5] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x4010), CODE(0x210), CODE(0x310));
    t = target_arm_without_rules();
    set(&t, LR, CODE(0x210)); // the same as in its own frame
    set(&t, X29, word_addr(2));
    t.stack[1] = CODE(0x318); // where a leaf's caller would have it
    t.stack[2] = word_addr(6);
    t.stack[3] = CODE(0x210);
    t.stack[7] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x4010), CODE(0x210), CODE(0x310));
}

// Where a frame ends is not known from where its record is.
static void test_arm_frame_pointers(void **state)
{
    (void)state;
    struct target t = target_arm_without_rules();
    set(&t, X29, word_addr(0)); // locals up to word 4, then the frame of 0x200
    t.stack[0] = word_addr(5);
    t.stack[1] = CODE(0x210);
    t.stack[3] = CODE(0x318); // as if its frame began at word 2
    t.stack[6] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x4010), CODE(0x210), CODE(0x310));
    t = target_arm_without_rules();
    set(&t, X29, word_addr(0)); // the record is the last of its frame; 0x100 has none
    t.stack[0] = 1;
    t.stack[1] = CODE(0x110);
    t.stack[2] = CODE(0x310);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x4010), CODE(0x110), CODE(0x310));
    t = target_arm_without_rules();
    set(&t, X29, word_addr(0)); // it was not, and nothing tells where 0x100 has its own
    t.stack[0] = 1;
    t.stack[1] = CODE(0x110);
    t.stack[2] = 17;
    t.stack[4] = CODE(0x310);
    EXPECT(&t, UNWIND_NO_CFI, CODE(0x4010), CODE(0x110));
}

// The copy ends before the frame of which nothing is known for certain.
static void test_arm_a_guess_beyond_the_copy(void **state)
{
    (void)state;
    struct target t = target_arm_without_rules();
    set(&t, SP, word_addr(WORDS));
    set(&t, LR, CODE(0x110));
    set(&t, X29, 1);
    t.cut = true;
    EXPECT(&t, UNWIND_TOO_SHORT, CODE(0x4010), CODE(0x110));
}

// The rules of its caller are still being read.
static void test_arm_leaf_of_a_caller_that_is_not_read(void **state)
{
    (void)state;
    struct target t = target_arm_without_rules();
    set(&t, LR, CODE(0x5010));
    t.pending_from = CODE(0x5000);
    EXPECT(&t, UNWIND_PENDING, CODE(0x4010), CODE(0x5010));
}

// Only a leaf may: of its caller it would go on forever.
static void test_arm_a_frame_of_itself(void **state)
{
    (void)state;
    struct target t = target_arm();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0));
    set(&t, PC, CODE(0x110));
    set(&t, LR, CODE(0x114));
    EXPECT(&t, UNWIND_BAD_CFI, CODE(0x110), CODE(0x114));
}

// The upper bits of a return address may be a signature of it.
static void test_arm_signed_addresses(void **state)
{
    (void)state;
    struct target t = target_arm();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x2d));
    frames_fde(&t.frames, CODE(0x200), 0x40,
               PROGRAM(0x2d, 0x0e, 32, OFFSET(X29, 4), OFFSET(LR, 3)));
    set(&t, PC, CODE(0x110));
    set(&t, LR, CODE(0x210) | 0x7a55000000000000);
    set(&t, X29, word_addr(4));
    t.stack[0] = word_addr(10);
    t.stack[1] = CODE(0x4010) | 0x0081000000000000; // has no rules
    t.stack[11] = CODE(0x4020) | 0x1234000000000000;
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x210), CODE(0x4010), CODE(0x4020));
}

// What the kernel pushes for a handler, whose return has no rules.
static void test_arm_signal(void **state)
{
    (void)state;
    enum { FRAME_WORD = 2, X0_WORD = FRAME_WORD + 39, N_WORDS = 100 };
    static uint64_t stack[N_WORDS];
    struct target t = target_arm();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16, OFFSET(X29, 2), OFFSET(LR, 1)));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0)); // a leaf that was interrupted
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, LR));
    set(&t, PC, CODE(0x110));
    set(&t, X29, word_addr(0));
    stack[0] = word_addr(80); // the handler's record leads to that of the kernel
    stack[1] = CODE(0x4000);  // __kernel_rt_sigreturn
    stack[X0_WORD + X29] = stack[80] = 0x5555;
    stack[X0_WORD + LR] = stack[81] = CODE(0x310);
    stack[X0_WORD + SP] = word_addr(90);
    stack[X0_WORD + PC] = CODE(0x200);
    struct unwind_memory memory = {.start_addr = STACK_ADDR,
                                   .bytes = {.data = (const uint8_t *)stack, .n = sizeof stack}};
    t.table = frames_table(&t.frames, NULL);
    struct unwind_result result = unwind_walk(UNWIND_AARCH64, &t.regs, &memory, find, &t, t.addrs,
                                              MAX_FRAMES);
    assert_int_equal(result.end, UNWIND_COMPLETE);
    assert_int_equal(result.n, 4);
    assert_int_equal(t.addrs[1], CODE(0x4001)); // one less is that function
    assert_int_equal(t.addrs[2], CODE(0x201));
    assert_int_equal(t.addrs[3], CODE(0x310));
    stack[81] ^= 8; // not what the kernel would have written: an ordinary record
    result = unwind_walk(UNWIND_AARCH64, &t.regs, &memory, find, &t, t.addrs, MAX_FRAMES);
    assert_int_equal(result.n, 3);
    assert_int_equal(result.n_fp, 1);
    assert_int_equal(t.addrs[2], CODE(0x318));
    target_fini(&t);
}

// ---- All of them -------------------------------------------------------------------------------

// ---- What the targets of the end-to-end tests have shown ----------------------------------------

// makecontext() pushes the address of a function as that of the return: no call stands before it.
static void test_a_stack_made_by_hand(void **state)
{
    (void)state;
    struct target t = target_x86();
    frames_fde(&t.frames, CODE(0x100), 0x40, PROGRAM(0x0e, 16));
    frames_fde(&t.frames, CODE(0x200), 0x40, PROGRAM(0x0e, 16));
    set(&t, RA, CODE(0x110));
    t.stack[1] = CODE(0x200);
    t.stack[3] = CODE(0x110);                              // is not looked at
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x201)); // one less is that function
}

// longjmp() has the registers of its caller in a buffer anywhere, and its CFA there.
static void test_a_cfa_that_is_not_on_the_stack(void **state)
{
    (void)state;
    struct target t = target_x86();
    // CFA: rdi. rsp is in r8, the return address in rdx, rbx in the buffer.
    frames_fde(&t.frames, CODE(0x100), 0x40,
               PROGRAM(0x0c, 5, 0, 0x09, RSP, 8, 0x09, RA, 1, OFFSET(RBX, 0)));
    frames_fde(&t.frames, CODE(0x300), 0x40, PROGRAM(0x07, RA));
    set(&t, RA, CODE(0x110));
    set(&t, 5, 0x1000); // below the stack, and not copied
    set(&t, 8, word_addr(4));
    set(&t, 1, CODE(0x310));
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x310));
}

// On top of the stack it is a number like any other; of a caller it is the end.
static void test_a_frame_pointer_of_zero(void **state)
{
    (void)state;
    struct target t = target_x86();
    set(&t, RA, CODE(0x510));
    set(&t, RBP, 0);
    EXPECT(&t, UNWIND_NO_CFI, CODE(0x510));
    t = target_x86();
    add_usual(&t);
    set(&t, RA, CODE(0x110));
    set(&t, RBP, 0);
    t.stack[1] = CODE(0x510);
    EXPECT(&t, UNWIND_COMPLETE, CODE(0x110), CODE(0x510));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_frames),
        cmocka_unit_test(test_saved_registers_are_restored),
        cmocka_unit_test(test_registers_that_change_places),
        cmocka_unit_test(test_a_return_address_behind_the_function),
        cmocka_unit_test(test_a_realigned_stack),
        cmocka_unit_test(test_a_plt),
        cmocka_unit_test(test_a_signal),
        cmocka_unit_test(test_a_stack_made_by_hand),
        cmocka_unit_test(test_a_cfa_that_is_not_on_the_stack),
        cmocka_unit_test(test_a_frame_pointer_of_zero),
        cmocka_unit_test(test_a_signal_on_another_stack),
        cmocka_unit_test(test_a_signal_frame_of_itself),
        cmocka_unit_test(test_a_return_address_of_zero),
        cmocka_unit_test(test_a_return_address_that_is_no_code),
        cmocka_unit_test(test_a_frame_beyond_the_copy),
        cmocka_unit_test(test_the_last_word_of_a_copy),
        cmocka_unit_test(test_memory_before_the_copy),
        cmocka_unit_test(test_without_a_copy),
        cmocka_unit_test(test_a_cfa_that_makes_no_sense),
        cmocka_unit_test(test_a_stack_pointer_that_shrinks),
        cmocka_unit_test(test_a_return_address_that_is_the_same),
        cmocka_unit_test(test_a_register_that_is_lost),
        cmocka_unit_test(test_a_register_that_a_call_does_not_keep),
        cmocka_unit_test(test_a_saved_register_that_is_unreadable),
        cmocka_unit_test(test_a_vector_register),
        cmocka_unit_test(test_expressions_that_fail),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_the_budget_of_expressions),
        cmocka_unit_test(test_the_most_negative_number),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_rules_that_are_not_read_yet),
        cmocka_unit_test(test_registers_that_are_not_known),
        cmocka_unit_test(test_a_frame_without_rules),
        cmocka_unit_test(test_ends_of_frame_pointers),
        cmocka_unit_test(test_frame_pointers_in_a_circle),
        cmocka_unit_test(test_registers_after_a_frame_without_rules),
        cmocka_unit_test(test_a_frame_pointer_that_is_lost),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_arm_leaf),
        cmocka_unit_test(test_arm_leaf_without_rules),
        cmocka_unit_test(test_arm_leaf_that_uses_the_stack),
        cmocka_unit_test(test_arm_link_of_a_call_that_is_over),
        cmocka_unit_test(test_arm_frame_pointers),
        cmocka_unit_test(test_arm_a_guess_beyond_the_copy),
        cmocka_unit_test(test_arm_leaf_of_a_caller_that_is_not_read),
        cmocka_unit_test(test_arm_a_frame_of_itself),
        cmocka_unit_test(test_arm_signed_addresses),
        cmocka_unit_test(test_arm_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
