// Known: N threads (main is one of them) that work in `endless` until the process is told to end:
// SIGTERM makes it write its truth and exit 0. It also ends by itself after a minute of CPU time
// per thread, so that no forgotten one burns on.
//
//     forever [N_THREADS=1]

#include "truth.h"

#include <signal.h>

WORK(endless)

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
    (void)signal;
    stop = 1;
}

static void *thread_main(void *arg)
{
    (void)arg;
    while (!stop && thread_cpu_ns() < 60000 * MS) {
        truth_add("endless", endless(1 * MS));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const int n_threads = arg_int(argc, argv, 1, 1);
    signal(SIGTERM, on_term);
    signal(SIGINT, SIG_IGN); // a Ctrl-C is for the recorder
    pthread_t threads[64];
    for (int i = 1; i < n_threads && i < 64; i++) {
        pthread_create(&threads[i], NULL, thread_main, NULL);
    }
    tell_ready();
    thread_main(NULL);
    for (int i = 1; i < n_threads && i < 64; i++) {
        pthread_join(threads[i], NULL);
    }
    truth_write();
    return 0;
}
