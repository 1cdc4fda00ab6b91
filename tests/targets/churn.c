// Known: threads that are born and die by the hundred. Four at a time, N in all, each named
// churn-NNN and working in `short_life` for the given CPU time; the truth has each thread's own
// time.
//
//     churn [N=500] [US_PER_THREAD=3500]

#include "truth.h"

WORK(short_life)

static uint64_t budget_ns;

static void *thread_main(void *arg)
{
    char name[16];
    snprintf(name, sizeof name, "churn-%03d", (int)(intptr_t)arg);
    pthread_setname_np(pthread_self(), name);
    truth_add("short_life", short_life(budget_ns));
    truth_add_thread(name);
    return NULL;
}

int main(int argc, char **argv)
{
    const int n = arg_int(argc, argv, 1, 500);
    budget_ns = arg_ms(argc, argv, 2, 3500) / 1000;
    tell_ready();
    pthread_t threads[4];
    for (int i = 0; i < n + 4; i++) {
        if (i >= 4) {
            pthread_join(threads[i % 4], NULL);
        }
        if (i < n && pthread_create(&threads[i % 4], NULL, thread_main, (void *)(intptr_t)i) != 0) {
            return 2;
        }
    }
    truth_write();
    return 0;
}
