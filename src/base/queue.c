#include "base/queue.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

void queue_init(struct queue *queue)
{
    *queue = (struct queue){0};
    ASSERT(pthread_mutex_init(&queue->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&queue->filled, NULL) == 0);
}

void queue_fini(struct queue *queue)
{
    ASSERT(queue->n == 0);
    free(queue->messages);
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
}

void queue_push(struct queue *queue, void *message)
{
    ASSERT(message != NULL);
    pthread_mutex_lock(&queue->lock);
    if (queue->n == queue->room) {
        size_t room = MAX(queue->room * 2, (size_t)16);
        void **messages = NEW_ARRAY(void *, room);
        for (size_t i = 0; i < queue->n; i++) {
            messages[i] = queue->messages[(queue->first + i) % queue->room];
        }
        free(queue->messages);
        queue->messages = messages;
        queue->room = room;
        queue->first = 0;
    }
    queue->messages[(queue->first + queue->n++) % queue->room] = message;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

static void *take_first(struct queue *queue)
{
    if (queue->n == 0) {
        return NULL;
    }
    void *message = queue->messages[queue->first];
    queue->first = (queue->first + 1) % queue->room;
    queue->n--;
    return message;
}

void *queue_try_pop(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    void *message = take_first(queue);
    pthread_mutex_unlock(&queue->lock);
    return message;
}

void *queue_pop(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->n == 0 && !queue->closed) {
        pthread_cond_wait(&queue->filled, &queue->lock);
    }
    void *message = take_first(queue);
    pthread_mutex_unlock(&queue->lock);
    return message;
}

void *queue_pop_until(struct queue *queue, uint64_t until_ns, bool *ret_closed)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / NS_PER_S),
        .tv_nsec = (long)(until_ns % NS_PER_S),
    };
    pthread_mutex_lock(&queue->lock);
    bool in_time = true;
    while (queue->n == 0 && !queue->closed && in_time) {
        if (until_ns == UINT64_MAX) {
            pthread_cond_wait(&queue->filled, &queue->lock);
        } else {
            in_time = pthread_cond_clockwait(&queue->filled, &queue->lock, CLOCK_MONOTONIC,
                                             &until) != ETIMEDOUT;
        }
    }
    void *message = take_first(queue);
    *ret_closed = message == NULL && queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return message;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}
