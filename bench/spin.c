// The target of the overhead benchmark: two threads, a fixed amount of work, no system calls.
//
// usage: spin MILLIONS      prints `spin WALL_NS CPU_NS`
//
// The stacks are 30 frames deep: walking them is a part of what a profiler costs.

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 2, DEPTH = 24 };

static uint64_t rounds;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// The multiplication depends on the one before, so that the speed is that of the CPU's clock.
__attribute__((noinline)) static uint64_t work(uint64_t n, uint64_t x)
{
    for (uint64_t i = 0; i < n; i++) {
        x = x * 6364136223846793005 + 1442695040888963407;
    }
    return x;
}

// Not a tail call: every level keeps its frame.
__attribute__((noinline)) static uint64_t descend(int depth, uint64_t n, uint64_t x)
{
    return (depth == 0 ? work(n, x) : descend(depth - 1, n, x)) + 1;
}

static void *run(void *seed)
{
    uint64_t x = (uint64_t)(uintptr_t)seed;
    for (uint64_t i = 0; i < rounds; i++) {
        x = descend(DEPTH, 1000000, x);
    }
    return (void *)(uintptr_t)x; // used, so that the work stays
}

int main(int argc, char **argv)
{
    rounds = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (rounds == 0) {
        fprintf(stderr, "usage: spin MILLIONS\n");
        return 1;
    }
    uint64_t start_ns = now_ns(CLOCK_MONOTONIC);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, run, (void *)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("spin %" PRIu64 " %" PRIu64 "\n", now_ns(CLOCK_MONOTONIC) - start_ns,
           now_ns(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
