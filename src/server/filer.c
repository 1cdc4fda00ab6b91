#include "server/filer.h"

#include "archive/spool.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/thread.h"
#include "server/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

void filer_job_free(struct filer_job *job)
{
    if (job == NULL) {
        return;
    }
    if (job->loaded != NULL) {
        loaded_run_fini(job->loaded);
        free(job->loaded);
    }
    facts_fini(&job->facts);
    free(job->path);
    free(job);
}

static uint64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void do_job(struct filer *filer, struct filer_job *job)
{
    switch (job->kind) {
    case FILER_LOAD:
        job->loaded = NEW(struct loaded_run);
        job->result = archive_load(job->path, job->library, LIMIT_RESIDENT_BYTES, &filer->leaving,
                                   job->loaded, &job->error);
        if (job->result < 0) {
            free(TAKE(job->loaded));
        }
        break;
    case FILER_SAVE:
        job->result = spool_write_once(job->path, job->store, job->library, job->names_from,
                                       &job->facts, &filer->leaving, &job->error);
        job->bytes = job->result < 0 ? 0 : file_bytes(job->path);
        break;
    }
}

static void *filer_thread(void *context)
{
    struct filer *filer = context;
    for (struct filer_job *job; (job = queue_pop(&filer->asked)) != NULL;) {
        if (atomic_load(&filer->leaving)) {
            job->result = err_set(&job->error, ECANCELED, "the server is leaving");
        } else {
            do_job(filer, job);
        }
        queue_push(&filer->done, job);
        loop_wake(filer->loop);
    }
    return NULL;
}

void filer_init(struct filer *filer, struct loop *loop)
{
    filer->loop = loop;
    atomic_init(&filer->leaving, false);
    queue_init(&filer->asked);
    queue_init(&filer->done);
    ASSERT(thread_start(&filer->thread, filer_thread, filer) == 0);
}

void filer_fini(struct filer *filer)
{
    atomic_store(&filer->leaving, true);
    queue_close(&filer->asked);
    pthread_join(filer->thread, NULL);
    for (struct filer_job *job; (job = queue_try_pop(&filer->done)) != NULL;) {
        filer_job_free(job);
    }
    queue_fini(&filer->asked);
    queue_fini(&filer->done);
}

void filer_ask(struct filer *filer, struct filer_job *job)
{
    queue_push(&filer->asked, job);
}

struct filer_job *filer_take_done(struct filer *filer)
{
    return queue_try_pop(&filer->done);
}
