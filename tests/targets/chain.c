// Known: who wakes whom, how often, and from which function. Four threads in a line, N items:
//
//     A ── pass_to_b ──► B ── pass_to_c ──► C ── pass_to_d ──► D
//
// A naps MS milliseconds before each item; B, C and D wait for it at a pipe, and pass it on. So of
// each of these three every wait for an item is ended by the thread before it, in that function.
// Items come so slowly that the receiver waits already; `voluntary` of each thread tells.
//
//     chain [N=100] [MS=2]

#include "waiting.h"

static int n_items;
static uint64_t pace_ns;
static int pipes[3][2]; // into B, C and D

// Each of these makes its system call itself, so that the stack of the wakeup has it.
NOINLINE void pass_to_b(void);
NOINLINE void pass_to_b(void)
{
    raw_syscall(SYS_write, pipes[0][1], (long)"x", 1);
}

NOINLINE void pass_to_c(void);
NOINLINE void pass_to_c(void)
{
    raw_syscall(SYS_write, pipes[1][1], (long)"x", 1);
}

NOINLINE void pass_to_d(void);
NOINLINE void pass_to_d(void)
{
    raw_syscall(SYS_write, pipes[2][1], (long)"x", 1);
}

NOINLINE void receive(int fd);
NOINLINE void receive(int fd)
{
    char byte;
    if (raw_syscall(SYS_read, fd, (long)&byte, 1) != 1) {
        exit(99);
    }
}

static void *a_main(void *arg)
{
    struct waiting w;
    (void)arg;
    waiting_begin(&w, "A", "sleep");
    for (int i = 0; i < n_items; i++) {
        waiting_before(&w);
        nap(pace_ns);
        waiting_after(&w);
        pass_to_b();
    }
    waiting_end(&w);
    return NULL;
}

static void pass_on(const char *name, int from, void (*pass)(void))
{
    struct waiting w;
    waiting_begin(&w, name, "ipc");
    for (int i = 0; i < n_items; i++) {
        waiting_before(&w);
        receive(from);
        waiting_after(&w);
        if (pass) {
            pass();
        }
    }
    waiting_end(&w);
}

static void *b_main(void *arg)
{
    (void)arg;
    pass_on("B", pipes[0][0], pass_to_c);
    return NULL;
}

static void *c_main(void *arg)
{
    (void)arg;
    pass_on("C", pipes[1][0], pass_to_d);
    return NULL;
}

static void *d_main(void *arg)
{
    (void)arg;
    pass_on("D", pipes[2][0], NULL);
    return NULL;
}

int main(int argc, char **argv)
{
    n_items = arg_int(argc, argv, 1, 100);
    pace_ns = arg_ms(argc, argv, 2, 2);
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) != 0) {
            return 99;
        }
    }
    void *(*const mains[])(void *) = {d_main, c_main, b_main, a_main};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, mains[i], NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    waiting_write();
    return 0;
}
