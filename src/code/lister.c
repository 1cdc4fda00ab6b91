#include "code/lister.h"

#include "base/clock.h"
#include "base/thread.h"

struct lister {
    struct queue asked;
    struct queue done;
    struct queue ended; // one message, when the thread has left its work
    void (*on_done)(void *context);
    void *context;
    _Atomic bool stop; // what is being made is broken off
    pthread_t thread;
};

struct lister_job *lister_job_new(void)
{
    return NEW(struct lister_job);
}

void lister_job_free(struct lister_job *job)
{
    if (job != NULL) {
        listing_wish_fini(&job->wish);
        listing_unref(job->listing);
        free(job);
    }
}

static void *lister_thread(void *context)
{
    struct lister *lister = context;
    struct listing_tools *tools = listing_tools_new(&lister->stop);
    for (struct lister_job *job; (job = queue_pop(&lister->asked)) != NULL;) {
        bool stopped = atomic_load(&lister->stop);
        if (!stopped) {
            job->listing = listing_make(tools, &job->run, &job->wish);
        }
        queue_push(&lister->done, job);
        if (!stopped) {
            lister->on_done(lister->context);
        }
    }
    listing_tools_free(tools);
    queue_push(&lister->ended, lister);
    return NULL;
}

struct lister *lister_new(void (*on_done)(void *context), void *context)
{
    struct lister *lister = NEW(struct lister);
    lister->on_done = on_done;
    lister->context = context;
    queue_init(&lister->asked);
    queue_init(&lister->done);
    queue_init(&lister->ended);
    ASSERT(thread_start(&lister->thread, lister_thread, lister) == 0);
    return lister;
}

bool lister_stop(struct lister *lister, uint64_t patience_ns)
{
    bool is_closed;
    atomic_store(&lister->stop, true);
    queue_close(&lister->asked);
    if (queue_pop_until(&lister->ended, clock_now_ns() + patience_ns, &is_closed) == NULL) {
        return false;
    }
    pthread_join(lister->thread, NULL);
    return true;
}

void lister_free(struct lister *lister)
{
    if (lister != NULL) {
        queue_fini(&lister->asked);
        queue_fini(&lister->done);
        queue_fini(&lister->ended);
        free(lister);
    }
}

void lister_ask(struct lister *lister, struct lister_job *job)
{
    queue_push(&lister->asked, job);
}

struct lister_job *lister_take(struct lister *lister)
{
    return queue_try_pop(&lister->done);
}
