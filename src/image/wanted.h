#pragma once

// What a worker of the library has still to do. An image that somebody waits for goes first, then
// the hottest, and of equally hot ones the one that has waited longest: a program of a hundred
// libraries has names for the two that matter after two files. Any thread puts in, one takes out.

#include "base/vec.h"

#include <pthread.h>
#include <stdbool.h>

struct image;

struct wanted_job {
    struct image *image;
    char *debug_file; // a debug file that has arrived for it, owned; NULL: the image itself
};

struct wanted {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    VEC(struct wanted_job) jobs; // oldest first
    bool closed;
};

void wanted_init(struct wanted *wanted);

// Frees what was not taken out any more.
void wanted_fini(struct wanted *wanted);

// Takes over `debug_file`, which may be NULL.
void wanted_push(struct wanted *wanted, struct image *image, char *debug_file);

// Waits for a job. False once it is closed, whatever is left.
bool wanted_pop(struct wanted *wanted, struct wanted_job *ret);

void wanted_close(struct wanted *wanted);
