// Known: N threads that nap K times for MS milliseconds each, all at the same time.
//
//     sleepers [N=1000] [K=5] [MS=40]

#include "waiting.h"

static int n_naps;
static uint64_t nap_ns;

static void *sleeper_main(void *arg)
{
    struct waiting w;
    (void)arg;
    waiting_begin(&w, "sleeper", "sleep");
    for (int i = 0; i < n_naps; i++) {
        waiting_before(&w);
        nap(nap_ns);
        waiting_after(&w);
    }
    waiting_end(&w);
    return NULL;
}

int main(int argc, char **argv)
{
    const int n = arg_int(argc, argv, 1, 1000);
    n_naps = arg_int(argc, argv, 2, 5);
    nap_ns = arg_ms(argc, argv, 3, 40);
    pthread_t *threads = (pthread_t *)calloc((size_t)n, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    int started = 0;
    while (threads && started < n &&
           pthread_create(&threads[started], &small, sleeper_main, NULL) == 0) {
        started++;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
    waiting_write();
    return started == n ? 0 : 98;
}
