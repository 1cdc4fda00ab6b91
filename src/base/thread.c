#include "base/thread.h"

#include "base/base.h"

#include <signal.h>

int thread_start(pthread_t *ret, void *(*run)(void *context), void *context)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int number = pthread_create(ret, NULL, run, context);
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return number;
}

int thread_start_detached(void *(*run)(void *context), void *context)
{
    pthread_t thread;
    int number = thread_start(&thread, run, context);
    if (number == 0) {
        pthread_detach(thread);
    }
    return number;
}
