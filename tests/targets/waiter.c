// Known: does nothing until told, for attaching to. Three threads exist from the start (main,
// early-0, early-1). Per byte on stdin:
//
//     w   the two early threads work in `early_work` for MS, and a new thread late-N in
//     `late_work`;
//         when all have finished, "done\n" is written to stdout
//     q   (or end of file) writes the truth and exits with status 7
//
//     waiter [MS=300]

#include "truth.h"

WORK(early_work)
WORK(late_work)

static uint64_t budget_ns;
static pthread_barrier_t go;
static pthread_barrier_t done;
static volatile int quit;

static void *early_main(void *arg)
{
    char name[16];
    snprintf(name, sizeof name, "early-%d", (int)(intptr_t)arg);
    pthread_setname_np(pthread_self(), name);
    for (;;) {
        pthread_barrier_wait(&go);
        if (quit) {
            break;
        }
        truth_add("early_work", early_work(budget_ns));
        pthread_barrier_wait(&done);
    }
    truth_add_thread(name);
    return NULL;
}

static void *late_main(void *arg)
{
    char name[16];
    snprintf(name, sizeof name, "late-%d", (int)(intptr_t)arg);
    pthread_setname_np(pthread_self(), name);
    truth_add("late_work", late_work(budget_ns));
    truth_add_thread(name);
    return NULL;
}

int main(int argc, char **argv)
{
    budget_ns = arg_ms(argc, argv, 1, 300);
    pthread_barrier_init(&go, NULL, 3);
    pthread_barrier_init(&done, NULL, 3);
    pthread_t early[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&early[i], NULL, early_main, (void *)(intptr_t)i);
    }
    tell_ready();
    char order = 'q';
    for (int n = 0; read(STDIN_FILENO, &order, 1) == 1 && order == 'w'; n++) {
        pthread_t late;
        pthread_barrier_wait(&go);
        pthread_create(&late, NULL, late_main, (void *)(intptr_t)n);
        pthread_barrier_wait(&done);
        pthread_join(late, NULL);
        if (write(STDOUT_FILENO, "done\n", 5) != 5) {
            break;
        }
    }
    quit = 1;
    pthread_barrier_wait(&go);
    for (int i = 0; i < 2; i++) {
        pthread_join(early[i], NULL);
    }
    truth_write();
    return 7;
}
