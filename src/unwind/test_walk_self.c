// Walks of this very program, through libc and through signals, against backtrace() of libgcc.
//
//     chain of calls ──raise()──► handler: its registers are a sample of the chain
//                                    └──raise()──► handler of that: a sample beyond a signal frame
//
// A handler gets the registers of what it interrupted, as a sample has them, and the stack is
// copied from there on. The frames of backtrace(), from the interrupted instruction outwards, have
// to be ours.

#include "base/arch.h"
#include "unwind/test_elf.h"
#include "unwind/walk.h"

#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define NOINLINE __attribute__((noinline))

enum { MAX_FRAMES = 256, COPY_BYTES = 256 << 10, LEVELS = 24, ALT_STACK_BYTES = 128 << 10 };

// ---- What is mapped ----------------------------------------------------------------------------

struct object {
    uint64_t bias;
    struct test_elf elf;
    struct cfi_table *table;
};

static VEC(struct object) objects;

static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    const char *path = info->dlpi_name[0] != 0 ? info->dlpi_name : "/proc/self/exe";
    struct object object = {.bias = info->dlpi_addr};
    if (test_elf_open(&object.elf, path, ".eh_frame") == NULL) {
        struct cfi_facts facts;
        object.table = cfi_table_build(&object.elf.source, &facts);
        assert_int_equal(facts.n_bad, 0);
    } else { // the kernel's: code without rules, to which handlers return on AArch64
        for (int i = 0; i < info->dlpi_phnum; i++) {
            vec_push(&object.elf.segments,
                     (struct cfi_segment){.addr = info->dlpi_phdr[i].p_vaddr,
                                          .size_bytes = info->dlpi_phdr[i].p_memsz});
        }
    }
    vec_push(&objects, object);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    void *warm[1];
    backtrace(warm, 1); // loads libgcc, not in a handler
    dl_iterate_phdr(add_object, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < objects.n; i++) {
        cfi_table_free(objects.at[i].table);
        test_elf_close(&objects.at[i].elf);
    }
    vec_fini(&objects);
    return 0;
}

static struct unwind_code find(void *context, uint64_t addr)
{
    (void)context;
    for (size_t i = 0; i < objects.n; i++) {
        const struct object *object = &objects.at[i];
        for (size_t j = 0; j < object->elf.segments.n; j++) {
            const struct cfi_segment *segment = &object->elf.segments.at[j];
            uint64_t into = addr - object->bias - segment->addr;
            if (into < segment->size_bytes) {
                struct unwind_code code = {.owner = (uint32_t)i + 1, .is_code = true};
                code.table = object->table;
                code.rule = code.table == NULL
                                ? NULL
                                : cfi_table_find(code.table, segment->file_off + into);
                return code;
            }
        }
    }
    return (struct unwind_code){0};
}

// ---- A sample ----------------------------------------------------------------------------------

struct sample {
    struct unwind_regs regs;
    uint64_t pc;
    uint64_t sp;
    uint8_t copy[COPY_BYTES];
    size_t n_copied;
    void *frames[MAX_FRAMES]; // of backtrace() in the handler
    int n_frames;
};

static struct sample sample;

static void put_registers(const ucontext_t *from)
{
    struct unwind_regs *regs = &sample.regs;
#if defined __x86_64__
    static const int in_order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                   REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                   REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (unsigned i = 0; i < ARRAY_LEN(in_order); i++) {
        regs->at[i] = (uint64_t)from->uc_mcontext.gregs[in_order[i]];
    }
    regs->valid = (1ULL << ARRAY_LEN(in_order)) - 1;
    sample.pc = regs->at[16];
    sample.sp = regs->at[7];
#else
    memcpy(regs->at, from->uc_mcontext.regs, sizeof from->uc_mcontext.regs);
    regs->at[31] = sample.sp = from->uc_mcontext.sp;
    regs->at[32] = sample.pc = from->uc_mcontext.pc;
    regs->valid = (1ULL << UNWIND_REGS) - 1;
#endif
}

// By the kernel, as it comes: a sanitizer would not like it.
static void copy_stack(void)
{
    struct iovec local = {.iov_base = sample.copy, .iov_len = sizeof sample.copy};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)sample.sp, .iov_len = COPY_BYTES};
    ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    sample.n_copied = n > 0 ? (size_t)n : 0;
}

static void take_sample(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    put_registers(context);
    copy_stack();
    sample.n_frames = backtrace(sample.frames, MAX_FRAMES);
}

static void be_interrupted(int signal)
{
    (void)signal;
    raise(SIGUSR1);
}

static void handle(int flags_of_outer)
{
    struct sigaction inner = {.sa_sigaction = take_sample, .sa_flags = SA_SIGINFO};
    struct sigaction outer = {.sa_handler = be_interrupted, .sa_flags = flags_of_outer};
    assert_int_equal(sigaction(SIGUSR1, &inner, NULL), 0);
    assert_int_equal(sigaction(SIGUSR2, &outer, NULL), 0);
}

// ---- The chain ---------------------------------------------------------------------------------

static int go_deeper(int level);

static int wanted_signal;

static int through_qsort(const void *a, const void *b)
{
    (void)b;
    return go_deeper(*(const int *)a - 1);
}

static NOINLINE int by_libc(int level)
{
    int pair[2] = {level, level};
    qsort(pair, 2, sizeof pair[0], through_qsort);
    return pair[0];
}

static NOINLINE int with_room(int level)
{
    char *room = __builtin_alloca((size_t)level * 50 + 1);
    memset(room, level, (size_t)level * 50 + 1);
    return go_deeper(level - 1) + room[level];
}

static NOINLINE int aligned(int level)
{
    _Alignas(64) volatile char room[128];
    room[level] = (char)level;
    return go_deeper(level - 1) + room[level];
}

static NOINLINE int go_deeper(int level)
{
    if (level == 0) {
        return raise(wanted_signal);
    }
    int (*const ways[])(int) = {by_libc, with_room, aligned};
    return ways[level % 3](level) + 1; // not a tail call
}

// ---- Tests -------------------------------------------------------------------------------------

static struct unwind_result walk(uint64_t *addrs)
{
    struct unwind_memory memory = {
        .start_addr = sample.sp,
        .bytes = {.data = sample.copy, .n = sample.n_copied},
    };
    enum unwind_arch arch = ARCH_IS_AARCH64 ? UNWIND_AARCH64 : UNWIND_X86_64;
    return unwind_walk(arch, &sample.regs, &memory, find, NULL, addrs, MAX_FRAMES);
}

// The frames of backtrace() from the interrupted instruction on. Of a caller that was itself
// interrupted it has the address, and we one more; and of what a handler returns to as well, where
// that has no rule.
static void assert_same_frames(const uint64_t *addrs, uint32_t n)
{
    int first = 0;
    while (first < sample.n_frames && (uint64_t)(uintptr_t)sample.frames[first] != sample.pc) {
        first++;
    }
    assert_int_equal(sample.n_frames - first, n);
    uint32_t n_interrupted = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t theirs = (uint64_t)(uintptr_t)sample.frames[(uint32_t)first + i];
        n_interrupted += addrs[i] == theirs + 1;
        assert_in_range(addrs[i], theirs, theirs + 1);
    }
    assert_true(n_interrupted <= (ARCH_IS_AARCH64 ? 2 : 1));
}

static void *run(void *signal)
{
    wanted_signal = *(int *)signal;
    go_deeper(LEVELS);
    return NULL;
}

static void expect_whole_stack(void)
{
    uint64_t addrs[MAX_FRAMES];
    struct unwind_result result = walk(addrs);
    assert_int_equal(result.end, UNWIND_COMPLETE);
    assert_int_equal(result.n_fp, 0);
    assert_true(result.n > 2 * LEVELS);
    assert_same_frames(addrs, result.n);
}

static int signals[] = {SIGUSR1, SIGUSR2}; // of a chain of calls; through a signal

static void test_a_chain_of_calls(void **state)
{
    (void)state;
    handle(0);
    run(&signals[0]);
    expect_whole_stack();
}

static void test_through_a_signal(void **state)
{
    (void)state;
    handle(0);
    run(&signals[1]);
    expect_whole_stack();
}

static void test_in_a_thread(void **state)
{
    (void)state;
    handle(0);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run, &signals[i]), 0);
        pthread_join(thread, NULL);
        expect_whole_stack();
    }
}

// Of the stack that was interrupted there is no copy: up to there the frames are right.
static void test_a_handler_on_another_stack(void **state)
{
    (void)state;
    void *bytes = NEW_ARRAY(char, ALT_STACK_BYTES);
    stack_t stack = {.ss_sp = bytes, .ss_size = ALT_STACK_BYTES};
    stack_t before;
    assert_int_equal(sigaltstack(&stack, &before), 0);
    handle(SA_ONSTACK);
    run(&signals[1]);
    // A copy that has all of the other stack, and no more.
    uint64_t end = (uint64_t)(uintptr_t)bytes + ALT_STACK_BYTES;
    assert_true(sample.sp < end && end - sample.sp < COPY_BYTES);
    sample.n_copied = MIN(sample.n_copied, (size_t)(end - sample.sp));
    uint64_t addrs[MAX_FRAMES];
    struct unwind_result result = walk(addrs);
    assert_int_equal(result.end, UNWIND_UNREADABLE);
    assert_in_range(result.n, 4, 12);
    sigaltstack(&before, NULL);
    free(bytes);
}

static void test_a_copy_that_is_too_short(void **state)
{
    (void)state;
    handle(0);
    run(&signals[0]);
    uint64_t whole[MAX_FRAMES];
    uint32_t n_whole = walk(whole).n;
    uint32_t n_before = 1;
    size_t n_copied = sample.n_copied;
    struct unwind_result result = {.end = UNWIND_UNREADABLE};
    for (size_t n = 0; n < n_copied && result.end != UNWIND_COMPLETE; n += 64) {
        uint64_t addrs[MAX_FRAMES];
        sample.n_copied = n;
        result = walk(addrs);
        assert_in_range(result.n, n_before, n_whole);
        assert_memory_equal(addrs, whole, result.n * sizeof whole[0]);
        assert_true(result.end == UNWIND_UNREADABLE || result.n == n_whole);
        n_before = result.n;
    }
    assert_int_equal(n_before, n_whole);
}

int main(void)
{
#if defined __SANITIZE_THREAD__
    // It delivers signals when it likes, with registers of its own.
    print_message("skipped: not with ThreadSanitizer, which calls handlers itself\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_of_calls),
        cmocka_unit_test(test_through_a_signal),
        cmocka_unit_test(test_in_a_thread),
        cmocka_unit_test(test_a_handler_on_another_stack),
        cmocka_unit_test(test_a_copy_that_is_too_short),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
