#pragma once

// Threads of ours. None of them takes signals: these are for the thread that `main` began with,
// whose signalfd must be the one that gets them.

#include <pthread.h>

// 0, or a positive errno of pthread_create(3).
int thread_start(pthread_t *ret, void *(*run)(void *context), void *context);

// The same for one that nobody will join.
int thread_start_detached(void *(*run)(void *context), void *context);
