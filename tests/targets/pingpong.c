// Known: how many round trips a byte makes between two threads over two pipes in so many seconds.
// Each of them costs two waits and two wakeups, so this is the worst load for a recorder of
// switches, and what benchmarks measure. With `pin` both threads share one CPU.
//
//     pingpong [SECONDS=1] [pin]

#include "waiting.h"

#include <sched.h>

static int there[2];
static int back[2];

static void *pong_main(void *arg)
{
    struct waiting w;
    char byte;
    (void)arg;
    waiting_begin(&w, "pong", "ipc");
    while (read(there[0], &byte, 1) == 1) {
        w.waits++;
        if (write(back[1], &byte, 1) != 1) {
            exit(99);
        }
    }
    waiting_end(&w);
    return NULL;
}

static void pin_to_one_cpu(void)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof all, &all) != 0) {
        exit(99);
    }
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        exit(99);
    }
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    if (argc > 2 && strcmp(argv[2], "pin") == 0) {
        pin_to_one_cpu(); // the other thread inherits it
    }
    if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) {
        return 99;
    }
    pthread_t pong;
    pthread_create(&pong, NULL, pong_main, NULL);
    struct waiting w;
    waiting_begin(&w, "ping", "ipc");
    const uint64_t start_ns = waiting_now_ns();
    const uint64_t end_ns = start_ns + (uint64_t)(seconds * 1e9);
    uint64_t now_ns = start_ns;
    char byte = 'x';
    while (now_ns < end_ns) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
            return 99;
        }
        w.waits++;
        now_ns = waiting_now_ns();
    }
    waiting_end(&w);
    close(there[1]);
    pthread_join(pong, NULL);
    char extra[128];
    snprintf(extra, sizeof extra, ", \"round_trips\": %llu, \"round_trips_per_s\": %.0f",
             (unsigned long long)w.waits, (double)w.waits * 1e9 / (double)(now_ns - start_ns));
    waiting_write_extra(extra);
    return 0;
}
