// Known: the chain of calls at the end of which its time passes (unwind.h).
//
//     unwind KIND [MS=400] [END=spin]

#include "unwind.h"

#include <dlfcn.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

// A function of a chain: keeps something over the call, so that it needs a frame.
#define LINK(name, next)                                                                           \
    APART long name(long x);                                                                       \
    APART long name(long x)                                                                        \
    {                                                                                              \
        const long y = next(3 * x + 1);                                                            \
        AFTER_CALL();                                                                              \
        return y ^ x;                                                                              \
    }

static void keep(const void *p)
{
    __asm__ volatile("" ::"r"(p) : "memory");
}

// ---- Chains of calls ----

LINK(plain_10, stack_end)
LINK(plain_9, plain_10)
LINK(plain_8, plain_9)
LINK(plain_7, plain_8)
LINK(plain_6, plain_7)
LINK(plain_5, plain_6)
LINK(plain_4, plain_5)
LINK(plain_3, plain_4)
LINK(plain_2, plain_3)
LINK(plain_1, plain_2)

#define PLAIN "plain_1;plain_2;plain_3;plain_4;plain_5;plain_6;plain_7;plain_8;plain_9;plain_10"

// Functions that leave by jumping to the next one have no frame any more.
LINK(tail_5, stack_end)

APART long tail_4(long x);
APART long tail_4(long x)
{
    return tail_5(x + 4);
}

LINK(tail_3, tail_4)

APART long tail_2(long x);
APART long tail_2(long x)
{
    return tail_3(x + 2);
}

LINK(tail_1, tail_2)

// Recursion that can't be turned into a loop.
APART long recursive(long n);
APART long recursive(long n)
{
    const long y = n > 1 ? recursive(n - 1) : stack_end(n);
    AFTER_CALL();
    return y ^ n;
}

static long recursive_500(long x)
{
    return recursive(500) + x;
}

// More of them than a stack may have, in frames so small that a copy has them all.
APART long bottomless(long n);
APART long bottomless(long n)
{
    const long y = n > 1 ? bottomless(n - 1) : stack_end(n);
    AFTER_CALL();
    return y;
}

static long bottomless_2500(long x)
{
    return bottomless(2500) + x;
}

APART long pong(long n);

APART long ping(long n);
APART long ping(long n)
{
    const long y = pong(n - 1);
    AFTER_CALL();
    return y ^ n;
}

APART long pong(long n)
{
    const long y = n > 0 ? ping(n - 1) : stack_end(n);
    AFTER_CALL();
    return y + n;
}

#define TEN(two) two ";" two ";" two ";" two ";" two ";" two ";" two ";" two ";" two ";" two

static long mutual(long x)
{
    return ping(19) + x;
}

// ---- Frames ----

APART long grows_2(long n);
APART long grows_2(long n)
{
    char *room = __builtin_alloca((size_t)(n % 7 + 3) * 40);
    memset(room, 1, (size_t)(n % 7 + 3) * 40);
    keep(room);
    const long y = stack_end(n);
    keep(room);
    return y + n;
}

APART long grows_1(long n);
APART long grows_1(long n)
{
    volatile char room[n % 5 + 17];
    room[0] = room[n % 5 + 16] = 1;
    const long y = grows_2(n);
    return y + room[0];
}

// Touches every page: the kernel copies only what is there.
#define BIG(kb)                                                                                    \
    APART long big_##kb(long x);                                                                   \
    APART long big_##kb(long x)                                                                    \
    {                                                                                              \
        char room[(kb) << 10];                                                                     \
        memset(room, 1, sizeof room);                                                              \
        keep(room);                                                                                \
        const long y = stack_end(x);                                                               \
        keep(room);                                                                                \
        return y;                                                                                  \
    }

BIG(12)
BIG(24)
BIG(48)
BIG(100)

// The same without touching: in the middle of it the stack has no memory yet.
APART long untouched(long x);
APART long untouched(long x)
{
    char room[40 << 10];
    keep(room);
    const long y = stack_end(x);
    keep(room);
    return y;
}

// On x86-64 as if it had been called by code that does not align the stack.
#if defined(__x86_64__)
#define MOVES_STACK __attribute__((force_align_arg_pointer))
#else
#define MOVES_STACK
#endif

APART MOVES_STACK long aligned_2(long a, long b, long c, long d, long e, long f, long g, long h);
APART MOVES_STACK long aligned_2(long a, long b, long c, long d, long e, long f, long g, long h)
{
    _Alignas(64) long room[16] = {a, b, c, d, e, f, g, h};
    char *more = __builtin_alloca((size_t)(a % 9 + 1) * 24);
    *more = 1;
    keep(more);
    keep(room);
    const long y = stack_end(a + h);
    keep(room);
    return y + room[7] + g;
}

APART long aligned_1(long x);
APART long aligned_1(long x)
{
    _Alignas(128) long room[16] = {x};
    keep(room);
    const long y = aligned_2(x, 2, 3, 4, 5, 6, 7, 8);
    keep(room);
    return y + room[0];
}

// ---- Through libraries ----

APART int compares(const void *a, const void *b);
APART int compares(const void *a, const void *b)
{
    const long y = stack_end(*(const int *)a);
    AFTER_CALL();
    return y + *(const int *)b > 0;
}

APART long sorts(long x);
APART long sorts(long x)
{
    int pair[2] = {2, 1};
    qsort(pair, 2, sizeof *pair, compares);
    return pair[0] + x;
}

APART long searches(long x);
APART long searches(long x)
{
    void *(*volatile search)(const void *, const void *, size_t, size_t,
                             int (*)(const void *, const void *)) = bsearch;
    const int one = 1;
    const void *found = search(&one, &one, 1, sizeof one, compares);
    return found ? x : 0;
}

APART void once(void);
APART void once(void)
{
    stack_end(1);
    AFTER_CALL();
}

APART long begins_once(long x);
APART long begins_once(long x)
{
    static pthread_once_t flag = PTHREAD_ONCE_INIT;
    pthread_once(&flag, once);
    return x;
}

// Half of the time passes in the library and in the stub on the way there.
int labs_like(int x) __asm__("isalpha");

APART long crosses(long x);
APART long crosses(long x)
{
    const uint64_t start_ns = thread_cpu_ns();
    do {
        for (int i = 0; i < SPIN_CHUNK / 4; i++) {
            x += labs_like((int)x & 127);
        }
    } while (thread_cpu_ns() - start_ns < stack_budget_ns);
    return x;
}

APART long reads_clock(long x);
APART long reads_clock(long x)
{
    const uint64_t start_ns = thread_cpu_ns();
    do {
        for (int i = 0; i < 5000; i++) {
            struct timespec t;
            clock_gettime(CLOCK_MONOTONIC, &t);
            x += t.tv_nsec;
        }
    } while (thread_cpu_ns() - start_ns < stack_budget_ns);
    return x;
}

#define FROM_MAIN(name, next) LINK(name, next)
FROM_MAIN(calls_stub, crosses)
FROM_MAIN(calls_clock, reads_clock)

#if !defined(WITHOUT_PLUGIN)
APART long plugged(long x);
APART long plugged(long x)
{
    char path[4096] = "";
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    stack_must(n > 0, "readlink");
    strcpy(strrchr(path, '/'), "/libunwind_plug.so");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    long (*enter)(long, stack_fn) = library ? (long (*)(long, stack_fn))(uintptr_t)dlsym(
                                                  library, "plug_enter")
                                            : NULL;
    stack_must(enter != NULL, path);
    const long y = enter(x, stack_end);
    AFTER_CALL();
    return y;
}
#endif

// ---- Signals ----

static volatile sig_atomic_t handled;
static sigjmp_buf back;

APART void handles(int number);
APART void handles(int number)
{
    stack_end(number);
    handled = 1;
}

APART long interrupted(long x);
APART long interrupted(long x)
{
    while (!handled) {
        x = x * 31 + 7;
    }
    return x;
}

static void in_a_millisecond(int flags)
{
    struct sigaction action = {.sa_handler = handles, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 1000}}, NULL);
}

static UNUSED void mask_alarm(int how)
{
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(how, &alarm_only, NULL);
}

APART long gets_signal(long x);
APART long gets_signal(long x)
{
    in_a_millisecond(0);
    const long y = interrupted(x);
    AFTER_CALL();
    return y;
}

APART long raises(long x);
APART long raises(long x)
{
    struct sigaction action = {.sa_handler = handles};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return x;
}

static void use_stack(void *memory, size_t n)
{
    stack_must(sigaltstack(&(stack_t){.ss_sp = memory, .ss_size = n}, NULL) == 0, "sigaltstack");
}

#if !defined(__aarch64__) // a stack that a thread is given has 128 KB there, more than a copy
// A thread whose own stack begins where the stack of its handlers ends: a copy of the one goes on
// into the other.
enum { NEAR_BYTES = 24 << 10 };

APART void *near_main(void *room);
APART void *near_main(void *room)
{
    stack_tid = thread_id();
    use_stack(room, NEAR_BYTES);
    in_a_millisecond(SA_ONSTACK);
    mask_alarm(SIG_UNBLOCK);
    interrupted(1);
    AFTER_CALL();
    return room;
}

static long signal_near(long x)
{
    char *room = mmap(NULL, 2 * NEAR_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);
    stack_must(room != MAP_FAILED, "mmap");
    memset(room, 1, 2 * NEAR_BYTES); // only what is there is copied
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    stack_must(pthread_attr_setstack(&attributes, room + NEAR_BYTES, NEAR_BYTES) == 0, "setstack");
    mask_alarm(SIG_BLOCK);
    pthread_t thread;
    stack_must(pthread_create(&thread, &attributes, near_main, room) == 0, "pthread_create");
    pthread_join(thread, NULL);
    return x;
}

#endif

// It lies elsewhere: a copy of it does not have the interrupted frames.
APART long signal_far(long x);
APART long signal_far(long x)
{
    void *room = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_must(room != MAP_FAILED, "mmap");
    use_stack(room, 64 << 10);
    in_a_millisecond(SA_ONSTACK);
    const long y = interrupted(x);
    AFTER_CALL();
    return y;
}

void asm_faults(void);

APART void handles_fault(int number);
APART void handles_fault(int number)
{
    stack_end(number);
    siglongjmp(back, 1);
}

// The interrupted instruction is the first of its function: one less would be another function.
APART long faults(long x);
APART long faults(long x)
{
    struct sigaction action = {.sa_handler = handles_fault};
    sigaction(SIGILL, &action, NULL);
    if (sigsetjmp(back, 1) == 0) {
        asm_faults();
        AFTER_CALL();
    }
    return x;
}

// ---- Jumps between stacks ----

static ucontext_t main_context, other_context;

APART void coroutine(void);
APART void coroutine(void)
{
    stack_end(1);
    AFTER_CALL();
}

APART long switches(long x);
APART long switches(long x)
{
    const size_t n = 64 << 10;
    void *room = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_must(room != MAP_FAILED && getcontext(&other_context) == 0, "context");
    other_context.uc_stack = (stack_t){.ss_sp = room, .ss_size = n};
    other_context.uc_link = &main_context;
    makecontext(&other_context, coroutine, 0);
    swapcontext(&main_context, &other_context);
    return x;
}

APART long jumps_deep(long n);
APART long jumps_deep(long n)
{
    if (n == 0) {
        siglongjmp(back, 1);
    }
    const long y = jumps_deep(n - 1);
    AFTER_CALL();
    return y + n;
}

// Most of its time in frames that come and go, a part of it after them.
APART long returns_twice(long x);
APART long returns_twice(long x)
{
    const uint64_t start_ns = thread_cpu_ns();
    do {
        for (volatile int i = 0; i < 2000; i++) {
            if (sigsetjmp(back, 0) == 0) {
                jumps_deep(8);
            }
        }
    } while (thread_cpu_ns() - start_ns < stack_budget_ns);
    return x;
}

// ---- Threads ----

APART void *thread_main(void *arg);
APART void *thread_main(void *arg)
{
    stack_tid = thread_id();
    plain_1(1);
    AFTER_CALL();
    return arg;
}

static long in_thread(long x)
{
    pthread_t thread;
    stack_must(pthread_create(&thread, NULL, thread_main, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
    return x;
}

APART int clone_main(void *arg);
APART int clone_main(void *arg)
{
    stack_tid = thread_id();
    plain_1(1);
    __atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
    return 0;
}

// A thread that libc knows nothing of. It shares its maker's storage, who therefore does nothing.
static long in_clone(long x)
{
    const size_t n = 256 << 10;
    int done = 0;
    char *room = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_must(room != MAP_FAILED, "mmap");
    stack_must(
        clone(clone_main, room + n,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
              &done) > 0,
        "clone");
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        stack_nap();
    }
    return x;
}

// ---- Assembly, and code at run time ----

typedef long (*through_fn)(long x, stack_fn next);

long asm_saves(long x, stack_fn next);
long asm_fp(long x, stack_fn next);
long asm_bare(long x, stack_fn next);
long asm_decoy(long x, stack_fn next);
long asm_spin(long n);
long asm_link(long n);
long asm_spin_zero(long n);
extern char asm_fp_end[], asm_bare_end[];

#define THROUGH(name, function)                                                                    \
    APART long name(long x);                                                                       \
    APART long name(long x)                                                                        \
    {                                                                                              \
        const long y = function(x, stack_end);                                                     \
        AFTER_CALL();                                                                              \
        return y + x;                                                                              \
    }

THROUGH(to_cfi, asm_saves)
THROUGH(to_fp, asm_fp)
THROUGH(to_bare, asm_bare)
THROUGH(to_decoy, asm_decoy)

#define SPINS(name, function)                                                                      \
    APART long name(long x);                                                                       \
    APART long name(long x)                                                                        \
    {                                                                                              \
        const uint64_t start_ns = thread_cpu_ns();                                                 \
        do {                                                                                       \
            x += function(16 * SPIN_CHUNK);                                                        \
        } while (thread_cpu_ns() - start_ns < stack_budget_ns);                                    \
        return x;                                                                                  \
    }

SPINS(to_spin, asm_spin)
SPINS(to_spin_zero, asm_spin_zero)
#if defined(__aarch64__)
SPINS(to_link, asm_link)
#endif

// A copy of the function in memory of its own.
static long made(long x, through_fn function, const char *end)
{
    const char *begin = (const char *)(uintptr_t)function;
    char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_must(code != MAP_FAILED, "mmap");
    memcpy(code, begin, (size_t)(end - begin));
    __builtin___clear_cache(code, code + 4096);
    stack_must(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
    return ((through_fn)(uintptr_t)code)(x, stack_end);
}

APART long made_fp(long x);
APART long made_fp(long x)
{
    const long y = made(x, asm_fp, asm_fp_end);
    AFTER_CALL();
    return y;
}

APART long made_bare(long x);
APART long made_bare(long x)
{
    const long y = made(x, asm_bare, asm_bare_end);
    AFTER_CALL();
    return y;
}

// ---- All of them ----

static const struct stack_kind kinds[] = {
    {"plain", plain_1, PLAIN ";END", 0, NULL, false},
    {"tail", tail_1, "tail_1;tail_3;tail_5;END", 0, NULL, false},
    {"recursion", recursive_500, "recursive_500;recursive*500;END", 0, NULL, false},
    {"bottomless", bottomless_2500, "bottomless_2500;bottomless*2500;END", 1000, "too_deep", false},
    {"mutual", mutual, "mutual;" TEN("ping;pong") ";END", 0, NULL, false},
    {"alloca", grows_1, "grows_1;grows_2;END", 0, NULL, false},
    {"big_12", big_12, "big_12;END", 0, NULL, false},
    {"big_24", big_24, "big_24;END", 0, NULL, false},
    {"big_48", big_48, "big_48;END", 0, NULL, false},
    {"big_100", big_100, "big_100;END", 2, "copy_too_short", false},
    {"untouched", untouched, "untouched;END", 2, "copy_too_short|unreadable", false},
    {"qsort", sorts, "sorts;compares;END", 0, NULL, false},
    {"bsearch", searches, "searches;compares;END", 0, NULL, false},
    {"once", begins_once, "begins_once;once;END", 0, NULL, false},
    {"stub", calls_stub, "calls_stub;crosses", 4, NULL, false},
    {"vdso", calls_clock, "calls_clock;reads_clock", 4, NULL, false},
#if !defined(WITHOUT_PLUGIN)
    {"plugin", plugged, "plugged;plug_enter;END", 0, NULL, false},
#endif
    {"signal", gets_signal, "gets_signal;interrupted;handles;END", 0, NULL, false},
    {"raise", raises, "raises;handles;END", 0, NULL, false},
#if !defined(__aarch64__)
    {"signal_near", signal_near, "near_main;interrupted;handles;END", 0, NULL, true},
#endif
    {"signal_far", signal_far, "signal_far;interrupted;handles;END", 2, "unreadable", false},
    {"coroutine", switches, "coroutine;END", 0, NULL, true},
    {"longjmp", returns_twice, "returns_twice;jumps_deep*9", 3, NULL, false},
    {"thread", in_thread, "thread_main;" PLAIN ";END", 0, NULL, true},
    {"clone", in_clone, "clone_main;" PLAIN ";END", 0, NULL, true},
    {"fault", faults, "faults;asm_faults;handles_fault;END", 0, NULL, false},
    {"aligned", aligned_1, "aligned_1;aligned_2;END", 0, NULL, false},
    {"asm_cfi", to_cfi, "to_cfi;asm_saves;asm_cfi;END", 0, NULL, false},
    {"asm_fp", to_fp, "to_fp;asm_fp;END", 0, NULL, false},
    {"asm_bare", to_bare, "to_bare;asm_bare;END", 2, "no_unwind_info", false},
    {"asm_decoy", to_decoy, "to_decoy;asm_decoy;END", 2, "no_unwind_info", false},
    {"asm_leaf", to_spin, "to_spin;asm_spin", 1, "no_unwind_info", false},
    {"asm_zero", to_spin_zero, "to_spin_zero;asm_spin_zero", 1, "no_unwind_info", false},
    {"made_fp", made_fp, "made_fp;END", 0, NULL, false},
    {"made_bare", made_bare, "made_bare;END", 1, "no_unwind_info", false},
#if defined(__aarch64__)
    {"asm_link", to_link, "to_link;asm_link", 3, NULL, false},
#endif
};

int main(int argc, char **argv)
{
    return stack_main(argc, argv, kinds, sizeof kinds / sizeof *kinds);
}
