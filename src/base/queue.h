#pragma once

// Messages from any thread to one: first in, first out, pointers whose ownership travels along.
// The only place where threads of this program wait for each other; everything else is published
// by one atomic store.

#include "base/base.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    void **messages; // a ring of `room` slots
    size_t first;
    size_t n;
    size_t room;
    bool closed;
};

void queue_init(struct queue *queue);

// The queue is empty by now: what is left is the owner's to pop and free before.
void queue_fini(struct queue *queue);

void queue_push(struct queue *queue, void *message);

// The oldest message; NULL when there is none.
void *queue_try_pop(struct queue *queue);

// Waits for a message. NULL once the queue is closed and empty.
void *queue_pop(struct queue *queue);

// Waits for a message until that moment (CLOCK_MONOTONIC; UINT64_MAX: for ever). NULL when none has
// come, or the queue is closed and empty: `*ret_closed` says so.
void *queue_pop_until(struct queue *queue, uint64_t until_ns, bool *ret_closed);

// Ends the waiting of queue_pop(). Messages that are in it can still be taken out.
void queue_close(struct queue *queue);
