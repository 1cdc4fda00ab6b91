// Known: when a thread works and when it waits. The thread "phases" works in `busy_phase` for MS
// milliseconds of wall time, naps for as long, and so on, N phases in all. The truth has where each
// of them begins, in nanoseconds from the thread's first instruction.
//
//     phases [MS=1000] [N=4]

#include "waiting.h"

enum { PHASES_MAX = 64 };

WORK(busy_phase)

static int n_phases;
static uint64_t phase_ns;
static uint64_t began_ns[PHASES_MAX + 1];

static void *phases_main(void *arg)
{
    struct waiting w;
    (void)arg;
    const uint64_t start_ns = waiting_now_ns();
    waiting_begin(&w, "phases", "sleep");
    for (int i = 0; i < n_phases; i++) {
        began_ns[i] = waiting_now_ns() - start_ns;
        if (i % 2) {
            waiting_before(&w);
            nap(phase_ns);
            waiting_after(&w);
        } else {
            while (waiting_now_ns() - start_ns - began_ns[i] < phase_ns) {
                truth_add("busy_phase", busy_phase(MS));
            }
        }
    }
    began_ns[n_phases] = waiting_now_ns() - start_ns;
    waiting_end(&w);
    return NULL;
}

int main(int argc, char **argv)
{
    phase_ns = arg_ms(argc, argv, 1, 1000);
    n_phases = arg_int(argc, argv, 2, 4);
    n_phases = n_phases < 1 ? 1 : n_phases > PHASES_MAX ? PHASES_MAX : n_phases;
    pthread_t thread;
    pthread_create(&thread, NULL, phases_main, NULL);
    tell_ready();
    pthread_join(thread, NULL);
    char extra[32 * (PHASES_MAX + 2)] = ", \"phases\": [";
    for (int i = 0; i <= n_phases; i++) {
        const size_t n = strlen(extra);
        snprintf(extra + n, sizeof extra - n, "%s%llu", i ? ", " : "",
                 (unsigned long long)began_ns[i]);
    }
    const size_t end = strlen(extra);
    snprintf(extra + end, sizeof extra - end, "]");
    waiting_write_extra(extra);
    return 0;
}
