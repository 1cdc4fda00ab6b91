#pragma once

// The thread that reads and writes run files as a whole, since that takes its time: opening what
// is on the shelf, and saving.
//
//     loop ──filer_ask()──► [ jobs ] ──► filer thread ──► [ done ] ──loop_wake()──► loop
//
// One job after the other. A run that a job looks at is not forgotten meanwhile (kept_run.n_jobs).

#include "archive/load.h"
#include "base/queue.h"

struct loop;

enum filer_job_kind { FILER_LOAD, FILER_SAVE };

struct filer_job {
    enum filer_job_kind kind;
    uint32_t run;
    char *path; // owned
    struct library *library;

    // FILER_LOAD: the result, taken over by whoever takes the job. On the heap: it must not move.
    struct loaded_run *loaded;

    // FILER_SAVE
    struct store *store;
    struct run_file *names_from; // of a run with all its names in a file; else NULL
    struct facts facts;
    uint64_t connection; // who is told
    uint64_t ticket;
    uint64_t bytes; // of the file, once written

    int result; // 0 or a negative errno, with the reason
    struct err error;
};

void filer_job_free(struct filer_job *job); // accepts NULL

struct filer {
    struct loop *loop;
    struct queue asked;
    struct queue done;
    _Atomic bool leaving;
    pthread_t thread;
};

void filer_init(struct filer *filer, struct loop *loop);

// What is under way is broken off.
void filer_fini(struct filer *filer);

// Takes over the job.
void filer_ask(struct filer *filer, struct filer_job *job);

// The next job that is done, or NULL. The caller frees it.
struct filer_job *filer_take_done(struct filer *filer);
