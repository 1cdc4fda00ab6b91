#pragma once

// The thread that makes listings: reading binaries, debug files and sources takes as long as a disk
// takes, and nobody may wait for one.
//
//     query thread ──lister_ask()──► [ asked ] ──► lister: listing_make() ──► on_done() ──►
//     lister_take()
//
// A job borrows its run: whoever frees one has to have all of its jobs back. One that a dead file
// system holds may never come back; then neither does the run's memory, and at the end the thread
// is left behind.

#include "base/queue.h"
#include "code/listing.h"

#include <pthread.h>

struct lister_job {
    struct listing_run run;
    struct listing_wish wish; // owned
    void *owner;              // the asker's own business
    struct listing *listing;  // the answer; owned until it is taken. NULL: it was stopped before
};

struct lister_job *lister_job_new(void);
void lister_job_free(struct lister_job *job); // accepts NULL

struct lister;

// `on_done` is called on the lister's thread when a job can be taken.
struct lister *lister_new(void (*on_done)(void *context), void *context);

// Ends the thread: what it is at is broken off, and jobs that it has not begun can be taken without
// a listing; on_done() is not called any more. False: it did not come back within `patience_ns`,
// and is left behind; what its job looks at must stay, and so must the lister.
bool lister_stop(struct lister *lister, uint64_t patience_ns);

// After that, when all jobs have been taken. Accepts NULL.
void lister_free(struct lister *lister);

// Takes over the job.
void lister_ask(struct lister *lister, struct lister_job *job);

// A job that is done, or NULL.
struct lister_job *lister_take(struct lister *lister);
