// Known: threads that wait for a long time, until they are let go; for attaching to, and for asking
// about waits that are not over. Each of them waits once, from before the program says that it is
// ready until a byte (or end of file) comes on stdin:
//
//     held-mutex  lock     held-sem   semaphore    held-cond  lock
//     held-pipe   ipc      held-poll  readiness    held-sleep sleep (ended by a signal)
//
// and main waits for stdin. They tell how long they waited, by their own clock.
//
//     held

#include "waiting.h"

#include <poll.h>
#include <semaphore.h>
#include <signal.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static int pipe_fd[2];
static int poll_fd[2];
static volatile int let_go;

enum { N_HELD = 6 };
static volatile uint32_t tids[N_HELD];

static void about_to_wait(struct waiting *w, int i, const char *name, const char *reason)
{
    waiting_begin(w, name, reason);
    __atomic_store_n(&tids[i], w->tid, __ATOMIC_RELEASE);
    waiting_before(w);
}

static void *held_main(void *arg)
{
    struct waiting w;
    char byte;
    switch ((int)(intptr_t)arg) {
    case 0:
        about_to_wait(&w, 0, "held-mutex", "lock");
        pthread_mutex_lock(&mutex);
        break;
    case 1:
        about_to_wait(&w, 1, "held-sem", "semaphore");
        sem_wait(&sem);
        break;
    case 2:
        about_to_wait(&w, 2, "held-cond", "lock");
        pthread_mutex_lock(&cond_mutex);
        while (!let_go) {
            pthread_cond_wait(&cond, &cond_mutex);
        }
        pthread_mutex_unlock(&cond_mutex);
        break;
    case 3:
        about_to_wait(&w, 3, "held-pipe", "ipc");
        raw_syscall(SYS_read, pipe_fd[0], (long)&byte, 1);
        break;
    case 4:
        about_to_wait(&w, 4, "held-poll", "readiness");
        poll(&(struct pollfd){poll_fd[0], POLLIN, 0}, 1, -1);
        break;
    default:
        about_to_wait(&w, 5, "held-sleep", "sleep");
        nap(1000000 * MS);
    }
    waiting_after(&w);
    waiting_end(&w);
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    alarm(120); // no forgotten one stays
    sem_init(&sem, 0, 0);
    if (pipe2(pipe_fd, O_CLOEXEC) != 0 || pipe2(poll_fd, O_CLOEXEC) != 0) {
        return 99;
    }
    pthread_mutex_lock(&mutex);
    pthread_t threads[N_HELD];
    for (int i = 0; i < N_HELD; i++) {
        pthread_create(&threads[i], NULL, held_main, (void *)(intptr_t)i);
    }
    for (int i = 0; i < N_HELD; i++) {
        waiting_until_asleep(&tids[i]);
    }
    tell_ready();
    char byte;
    if (read(STDIN_FILENO, &byte, 1) < 0) {
        return 99;
    }
    pthread_mutex_unlock(&mutex);
    sem_post(&sem);
    pthread_mutex_lock(&cond_mutex);
    let_go = 1;
    pthread_mutex_unlock(&cond_mutex);
    pthread_cond_signal(&cond);
    if (write(pipe_fd[1], "x", 1) != 1 || write(poll_fd[1], "x", 1) != 1) {
        return 99;
    }
    pthread_kill(threads[N_HELD - 1], SIGUSR1);
    for (int i = 0; i < N_HELD; i++) {
        pthread_join(threads[i], NULL);
    }
    waiting_write();
    return 0;
}
