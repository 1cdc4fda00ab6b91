// Known: threads that wait when something ends them. Four threads "blocked-0" … "blocked-3" wait
// (for a mutex, a semaphore, a pipe, in a nap); when all do, MS milliseconds pass, and then:
//
//     exit      main calls exit(5)
//     kill      main kills the process with SIGKILL
//     exec      main executes the program anew (`after`)
//     exec_thread   the thread "other" does: it becomes the process's main thread
//     leader    main ends its own thread; "other" lets the four go after another MS, and the last
//               one ends the process with status 5
//     after     what was executed: one thread, that naps MS milliseconds and exits 6
//
// Before the end it writes when each of the four began to wait and when the end comes, in
// nanoseconds of the monotonic clock: {"blocked": {"blocked-0": {"tid": …, "since_ns": …}, …},
// "end_ns": …}; `after` writes {"began_ns": …, "end_ns": …}.
//
//     blocked_exit exit|kill|exec|exec_thread|leader|after [MS=150]

#include "waiting.h"

#include <semaphore.h>
#include <signal.h>

enum { N_BLOCKED = 4 };

static const char *how;
static char **arguments;
static uint64_t pace_ns;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t sem;
static int pipe_fd[2];
static volatile uint32_t tids[N_BLOCKED];
static uint64_t since_ns[N_BLOCKED];
static pthread_t threads[N_BLOCKED];

static void *blocked_main(void *arg)
{
    const int i = (int)(intptr_t)arg;
    char name[16], byte;
    snprintf(name, sizeof name, "blocked-%d", i);
    pthread_setname_np(pthread_self(), name);
    since_ns[i] = waiting_now_ns();
    __atomic_store_n(&tids[i], thread_id(), __ATOMIC_RELEASE);
    switch (i) {
    case 0:
        pthread_mutex_lock(&mutex);
        break;
    case 1:
        sem_wait(&sem);
        break;
    case 2:
        raw_syscall(SYS_read, pipe_fd[0], (long)&byte, 1);
        break;
    default:
        nap(1000000 * MS);
    }
    return NULL;
}

static void write_truth(void)
{
    char extra[1024] = ", \"blocked\": {";
    for (int i = 0; i < N_BLOCKED; i++) {
        const size_t n = strlen(extra);
        snprintf(extra + n, sizeof extra - n, "%s\"blocked-%d\": {\"tid\": %u, \"since_ns\": %llu}",
                 i ? ", " : "", i, tids[i], (unsigned long long)since_ns[i]);
    }
    const size_t n = strlen(extra);
    snprintf(extra + n, sizeof extra - n, "}, \"end_ns\": %llu",
             (unsigned long long)waiting_now_ns());
    truth_write_extra(extra);
}

static void execute_after(void)
{
    char *const argv[] = {arguments[0], "after", arguments[1] ? arguments[2] : NULL, NULL};
    char self[4096] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) > 0) {
        write_truth();
        execv(self, argv);
    }
    exit(99);
}

static void on_signal(int number)
{
    (void)number;
}

static void *other_main(void *arg)
{
    pthread_setname_np(pthread_self(), "other");
    nap(pace_ns);
    if (strcmp(how, "exec_thread") == 0) {
        execute_after();
    }
    pthread_join(*(pthread_t *)arg, NULL); // main is gone for good
    nap(pace_ns);
    write_truth();
    pthread_mutex_unlock(&mutex);
    sem_post(&sem);
    if (write(pipe_fd[1], "x", 1) != 1) {
        exit(99);
    }
    pthread_kill(threads[3], SIGUSR1);
    for (int i = 0; i < N_BLOCKED; i++) {
        pthread_join(threads[i], NULL);
    }
    exit(5);
}

static int after_main(void)
{
    const uint64_t began_ns = waiting_now_ns();
    nap(pace_ns);
    char extra[128];
    snprintf(extra, sizeof extra, ", \"began_ns\": %llu, \"end_ns\": %llu",
             (unsigned long long)began_ns, (unsigned long long)waiting_now_ns());
    truth_write_extra(extra);
    return 6;
}

// In the mode `leader` it is not main that holds the mutex: a mutex belongs to its thread.
static void take_and_start(void)
{
    sem_init(&sem, 0, 0);
    if (pipe2(pipe_fd, O_CLOEXEC) != 0) {
        exit(99);
    }
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < N_BLOCKED; i++) {
        pthread_create(&threads[i], NULL, blocked_main, (void *)(intptr_t)i);
    }
    for (int i = 0; i < N_BLOCKED; i++) {
        waiting_until_asleep(&tids[i]);
    }
}

static void *starter_main(void *main_thread)
{
    take_and_start();
    tell_ready();
    return other_main(main_thread);
}

int main(int argc, char **argv)
{
    static pthread_t self, other;
    how = argc > 1 ? argv[1] : "exit";
    arguments = argv;
    pace_ns = arg_ms(argc, argv, 2, 150);
    self = pthread_self();
    if (strcmp(how, "after") == 0) {
        return after_main();
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    alarm(120); // no forgotten one stays
    if (strcmp(how, "leader") == 0) {
        pthread_create(&other, NULL, starter_main, &self);
        pthread_exit(NULL);
    }
    take_and_start();
    if (strcmp(how, "exec_thread") == 0) {
        pthread_create(&other, NULL, other_main, &self);
    }
    tell_ready();
    if (strcmp(how, "exec_thread") == 0) {
        pthread_join(other, NULL); // never returns: the exec ends this thread
    }
    nap(pace_ns);
    if (strcmp(how, "exec") == 0) {
        execute_after();
    }
    write_truth();
    if (strcmp(how, "kill") == 0) {
        kill(getpid(), SIGKILL);
        pause();
    }
    exit(5);
}
