// Known: two threads that wait for each other for ever, and one that waits for a sleeper:
//
//     "dead-a"  has mutex A, wants B    ┐ a deadlock
//     "dead-b"  has mutex B, wants A    ┘
//     "holder"  has mutex C, and naps (in the function `holds_and_naps`)
//     "waiter"  wants C
//     "innocent" naps, and has nothing
//
// The program tells that it is ready when all of them wait. On SIGTERM it writes the tids and the
// addresses of the mutexes, and exits 0. It also ends by itself after two minutes.
//
//     deadlock [undumpable]      with it, other processes of the same user may not look into this
//     one

#include "waiting.h"

#include <signal.h>
#include <sys/prctl.h>

static pthread_mutex_t mutex_a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutex_b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutex_c = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t each_has_one;

enum { DEAD_A, DEAD_B, HOLDER, WAITER, INNOCENT, N_ROLES };
static const char *const names[N_ROLES] = {"dead-a", "dead-b", "holder", "waiter", "innocent"};
static volatile uint32_t tids[N_ROLES]; // set just before the thread begins to wait for good

static void about_to_wait(int role)
{
    __atomic_store_n(&tids[role], thread_id(), __ATOMIC_RELEASE);
}

NOINLINE void wants(int role, pthread_mutex_t *mutex);
NOINLINE void wants(int role, pthread_mutex_t *mutex)
{
    about_to_wait(role);
    pthread_mutex_lock(mutex);
    exit(99); // nobody gives it away
}

NOINLINE void holds_and_naps(int role);
NOINLINE void holds_and_naps(int role)
{
    about_to_wait(role);
    for (;;) {
        nap(1000000 * MS);
    }
}

static void *role_main(void *arg)
{
    const int role = (int)(intptr_t)arg;
    pthread_setname_np(pthread_self(), names[role]);
    switch (role) {
    case DEAD_A:
        pthread_mutex_lock(&mutex_a);
        pthread_barrier_wait(&each_has_one);
        wants(role, &mutex_b);
        break;
    case DEAD_B:
        pthread_mutex_lock(&mutex_b);
        pthread_barrier_wait(&each_has_one);
        wants(role, &mutex_a);
        break;
    case HOLDER:
        pthread_mutex_lock(&mutex_c);
        pthread_barrier_wait(&each_has_one);
        holds_and_naps(role);
        break;
    case WAITER:
        pthread_barrier_wait(&each_has_one);
        wants(role, &mutex_c);
        break;
    default:
        holds_and_naps(role);
    }
    return NULL;
}

static void tell_ready_and_hide(int hide)
{
    if (hide) {
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    tell_ready();
}

int main(int argc, char **argv)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    alarm(120);
    pthread_barrier_init(&each_has_one, NULL, N_ROLES - 1);
    for (int role = 0; role < N_ROLES; role++) {
        pthread_t thread;
        pthread_create(&thread, NULL, role_main, (void *)(intptr_t)role);
    }
    for (int role = 0; role < N_ROLES; role++) {
        waiting_until_asleep(&tids[role]);
    }
    tell_ready_and_hide(argc > 1 && strcmp(argv[1], "undumpable") == 0);
    int number;
    sigwait(&set, &number);
    char extra[512];
    snprintf(extra, sizeof extra,
             ", \"tids\": {\"dead-a\": %u, \"dead-b\": %u, \"holder\": %u, \"waiter\": %u, "
             "\"innocent\": %u}, \"mutexes\": {\"a\": \"%p\", \"b\": \"%p\", \"c\": \"%p\"}",
             tids[DEAD_A], tids[DEAD_B], tids[HOLDER], tids[WAITER], tids[INNOCENT],
             (void *)&mutex_a, (void *)&mutex_b, (void *)&mutex_c);
    truth_write_extra(extra);
    _exit(number == SIGTERM ? 0 : 97);
}
