// Known: the time of three functions of each thread splits 50 : 30 : 20, in rounds of 20 ms, so
// that it is so at every moment and not only at the end.
//
//     shares [N_THREADS=1] [MS_PER_THREAD=1000]
//
// Stack: main (or thread_main) -> rounds -> share_50 | share_30 | share_20. With one thread, the
// main thread works; with more, threads named worker-0, worker-1, … and main only waits.

#include "truth.h"

WORK(share_50)
WORK(share_30)
WORK(share_20)

NOINLINE void rounds(uint64_t total_ns)
{
    for (uint64_t done_ns = 0; done_ns < total_ns;) {
        const uint64_t a = share_50(10 * MS);
        const uint64_t b = share_30(6 * MS);
        const uint64_t c = share_20(4 * MS);
        truth_add("share_50", a);
        truth_add("share_30", b);
        truth_add("share_20", c);
        done_ns += a + b + c;
    }
}

static uint64_t per_thread_ns;

static void *thread_main(void *arg)
{
    char name[16];
    snprintf(name, sizeof name, "worker-%d", (int)(intptr_t)arg);
    pthread_setname_np(pthread_self(), name);
    rounds(per_thread_ns);
    truth_add_thread(name);
    return NULL;
}

int main(int argc, char **argv)
{
    const int n_threads = arg_int(argc, argv, 1, 1);
    per_thread_ns = arg_ms(argc, argv, 2, 1000);
    tell_ready();
    if (n_threads <= 1) {
        rounds(per_thread_ns);
    } else {
        pthread_t threads[64];
        for (int i = 0; i < n_threads && i < 64; i++) {
            pthread_create(&threads[i], NULL, thread_main, (void *)(intptr_t)i);
        }
        for (int i = 0; i < n_threads && i < 64; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    truth_write();
    return 0;
}
