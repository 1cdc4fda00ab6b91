// The target of the benchmark of waiting: two threads on one CPU pass a byte to and fro through two
// pipes, as fast as they can. Every round trip is two waits, two wakeups and two switches.
//
// usage: pingpong SECONDS      prints `pingpong ROUND_TRIPS_PER_SECOND`

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int there[2];
static int back[2];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static void *answer(void *unused)
{
    char byte;
    while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {
    }
    return unused;
}

__attribute__((noinline)) static int ask(void)
{
    char byte = 1;
    return write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1;
}

int main(int argc, char **argv)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    pthread_t thread;
    if (argc != 2 || sched_setaffinity(0, sizeof one, &one) < 0 || pipe(there) < 0 ||
        pipe(back) < 0 || pthread_create(&thread, NULL, answer, NULL) != 0) {
        return 1;
    }
    uint64_t began_ns = now_ns();
    uint64_t end_ns = began_ns + (uint64_t)(atof(argv[1]) * 1e9);
    uint64_t trips = 0;
    uint64_t now = began_ns;
    while (now < end_ns) {
        for (int i = 0; i < 64; i++) {
            if (!ask()) {
                return 1;
            }
        }
        trips += 64;
        now = now_ns();
    }
    close(there[1]);
    pthread_join(thread, NULL);
    printf("pingpong %.0f\n", (double)trips * 1e9 / (double)(now - began_ns));
    return 0;
}
