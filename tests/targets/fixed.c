// Known: a fixed amount of work, split into functions, whose order and sizes vary from round to
// round; the same work every time it is run, however fast the machine is.
//
//     fixed [ROUNDS=500] [--slow-b PCT] [--threads N] [--memory KIB=16]
//
// Of some 2 ms per round, fixed_b has 45 %, fixed_a 20 %, fixed_memory (which depends on the
// caches, the more the larger its memory) and fixed_c 13 % each and fixed_kernel (which is mostly
// system calls) 5 %, roughly. With --slow-b fixed_b does PCT % more. Stack: main (or thread_main)
// -> rounds -> fixed_*; with threads, these are called pool-1, pool-2, …, and have the rounds
// shared out among them.
//
// Built twice, as `fixed` and `fixed_moved`: there the same functions stand elsewhere.

#include "truth.h"

#ifdef MOVED
NOINLINE void fixed_padding(void);
NOINLINE void fixed_padding(void)
{
    __asm__ volatile(".skip 8256, 0x90");
}
#endif

enum { CHUNK = 1000, MEMORY_BYTES = 64 << 20 };

static uint8_t memory[MEMORY_BYTES];
static unsigned memory_bytes = 16 << 10;
static unsigned slow_b_pct;
static unsigned n_rounds;
static unsigned n_threads;

#define FIXED(name, salt)                                                                          \
    NOINLINE void name(unsigned n);                                                                \
    NOINLINE void name(unsigned n)                                                                 \
    {                                                                                              \
        uint64_t x = n;                                                                            \
        for (unsigned i = 0; i < n * CHUNK; i++) {                                                 \
            x = x * UINT64_C(6364136223846793005) + (salt);                                        \
            __asm__ volatile("" : "+r"(x));                                                        \
        }                                                                                          \
    }

FIXED(fixed_a, 11)
FIXED(fixed_b, 22)
FIXED(fixed_c, 33)

NOINLINE void fixed_memory(unsigned n);
NOINLINE void fixed_memory(unsigned n)
{
    uint64_t at = n;
    for (unsigned i = 0; i < n * CHUNK / 2; i++) {
        at = (at * UINT64_C(6364136223846793005) + 44 + memory[(at >> 30) & (memory_bytes - 1)]);
    }
    memory[at & (memory_bytes - 1)] = 1; // every byte stays what it was
}

NOINLINE void fixed_kernel(int zero, unsigned n);
NOINLINE void fixed_kernel(int zero, unsigned n)
{
    char buffer[4096];
    for (unsigned i = 0; i < n; i++) {
        if (read(zero, buffer, sizeof buffer) != sizeof buffer) {
            abort();
        }
    }
}

NOINLINE void rounds(unsigned first, unsigned end);
NOINLINE void rounds(unsigned first, unsigned end)
{
    const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    uint64_t random = first;
    for (unsigned round = first; round < end; round++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        const unsigned much = 50 + (unsigned)(random >> 33) % 101; // per cent
        fixed_a(400 * much / 100);
        fixed_b((900 * much / 100) * (100 + slow_b_pct) / 100);
        fixed_c(250 * (200 - much) / 100);
        fixed_memory(300 * (200 - much) / 100);
        fixed_kernel(zero, 300 * much / 100);
    }
    close(zero);
}

static void *thread_main(void *arg)
{
    const unsigned i = (unsigned)(uintptr_t)arg;
    char name[16];
    snprintf(name, sizeof name, "pool-%u", i + 1);
    pthread_setname_np(pthread_self(), name);
    rounds(n_rounds / n_threads * i, n_rounds / n_threads * (i + 1));
    return NULL;
}

int main(int argc, char **argv)
{
    n_rounds = (unsigned)arg_int(argc, argv, 1, 500);
    for (int i = 2; i + 1 < argc; i += 2) {
        const unsigned value = (unsigned)arg_int(argc, argv, i + 1, 0);
        if (strcmp(argv[i], "--slow-b") == 0) {
            slow_b_pct = value;
        } else if (strcmp(argv[i], "--threads") == 0) {
            n_threads = value < 64 ? value : 64;
        } else if (strcmp(argv[i], "--memory") == 0) {
            while (memory_bytes < value << 10 && memory_bytes < MEMORY_BYTES) {
                memory_bytes *= 2; // a power of two
            }
        }
    }
    memset(memory, 1, memory_bytes);
    tell_ready();
    if (n_threads == 0) {
        rounds(0, n_rounds);
        return 0;
    }
    pthread_t threads[64];
    for (unsigned i = 0; i < n_threads; i++) {
        pthread_create(&threads[i], NULL, thread_main, (void *)(uintptr_t)i);
    }
    for (unsigned i = 0; i < n_threads; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
