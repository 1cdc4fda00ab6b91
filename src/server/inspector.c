#include "server/inspector.h"

#include "base/clock.h"
#include "base/thread.h"

#include <pthread.h>

// What the loop and the threads share; whoever leaves last frees it.
struct inspector_shared {
    pthread_mutex_t lock; // of everything here, and of the fields of jobs that say so
    struct loop *loop;    // to be woken. NULL: it has gone
    uint32_t n_threads;   // that have not come back
};

// Belongs to its thread; the loop holds a pointer to it until it is done or abandoned.
struct inspection_job {
    struct inspector_shared *shared;
    void (*look)(struct capture_look *looks, size_t n);
    struct capture_look *looks; // rows below n_found are under the lock
    size_t n;
    size_t n_found; // under the lock
    bool done;      // under the lock: the thread has left it to the loop
    bool abandoned; // under the lock: the loop has left it to the thread
};

static void free_job(struct inspection_job *job)
{
    free(job->looks);
    free(job);
}

static void free_shared(struct inspector_shared *shared)
{
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

// ---- The thread -------------------------------------------------------------------------------

// Threads of one process, together: one that does not let itself be looked at holds up only those
// that come after it, and what was found before is of use.
static void look_at_process(struct inspection_job *job, size_t first, size_t n)
{
    struct capture_look *looks = NEW_ARRAY(struct capture_look, n);
    memcpy(looks, job->looks + first, n * sizeof *looks);
    job->look(looks, n);
    pthread_mutex_lock(&job->shared->lock);
    memcpy(job->looks + first, looks, n * sizeof *looks);
    job->n_found = first + n;
    pthread_mutex_unlock(&job->shared->lock);
    free(looks);
}

static bool is_abandoned(struct inspection_job *job)
{
    pthread_mutex_lock(&job->shared->lock);
    bool abandoned = job->abandoned;
    pthread_mutex_unlock(&job->shared->lock);
    return abandoned;
}

static void come_back(struct inspection_job *job)
{
    struct inspector_shared *shared = job->shared;
    pthread_mutex_lock(&shared->lock);
    shared->n_threads--;
    if (job->abandoned) {
        free_job(job);
    } else {
        job->done = true;
    }
    if (shared->loop != NULL) {
        loop_wake(shared->loop); // also when abandoned: there is a free place
    }
    bool last = shared->loop == NULL && shared->n_threads == 0;
    pthread_mutex_unlock(&shared->lock);
    if (last) {
        free_shared(shared);
    }
}

static void *inspector_thread(void *context)
{
    struct inspection_job *job = context;
    for (size_t first = 0; first < job->n && !is_abandoned(job);) {
        size_t n = 1;
        while (first + n < job->n && job->looks[first + n].pid == job->looks[first].pid) {
            n++;
        }
        look_at_process(job, first, n);
        first += n;
    }
    come_back(job);
    return NULL;
}

// ---- The loop ---------------------------------------------------------------------------------

static bool start_thread(struct inspection_job *job)
{
    return thread_start_detached(inspector_thread, job) == 0;
}

// Gives the inspection a thread of its own if there may be one.
static void start(struct inspector *inspector, struct inspection *inspection)
{
    struct inspector_shared *shared = inspector->shared;
    const struct question_looks *looks = &inspection->question->looks;
    pthread_mutex_lock(&shared->lock);
    bool may = shared->n_threads < INSPECTOR_THREADS;
    shared->n_threads += may;
    pthread_mutex_unlock(&shared->lock);
    if (!may) {
        return;
    }
    struct inspection_job *job = NEW(struct inspection_job);
    job->shared = shared;
    job->look = looks->look;
    job->n = looks->all.n;
    job->looks = NEW_ARRAY(struct capture_look, job->n);
    memcpy(job->looks, looks->all.at, job->n * sizeof *job->looks);
    if (start_thread(job)) {
        inspection->job = job;
        return;
    }
    pthread_mutex_lock(&shared->lock); // no thread to be had: its deadline will come
    shared->n_threads--;
    pthread_mutex_unlock(&shared->lock);
    free_job(job);
}

// Moves what was found so far into the question, and leaves the job to its thread unless that is
// through with it. False: it is still at work, and there is time.
static bool finish(struct inspector *inspector, struct inspection *inspection, bool late)
{
    struct question_looks *looks = &inspection->question->looks;
    struct inspection_job *job = inspection->job;
    if (job == NULL) {
        if (late) {
            vec_clear(&looks->all);
            err_set(&looks->note, EBUSY,
                    "what threads wait for was not looked up: earlier looks are not over yet");
        }
        return late;
    }
    pthread_mutex_lock(&inspector->shared->lock);
    bool done = job->done;
    if (done || late) {
        if (job->n_found < job->n) {
            err_set(&looks->note, ETIMEDOUT, "process %u did not let itself be looked at in time",
                    job->looks[job->n_found].pid);
        }
        memcpy(looks->all.at, job->looks, job->n_found * sizeof *looks->all.at);
        looks->all.n = job->n_found;
        job->abandoned = !done;
    }
    pthread_mutex_unlock(&inspector->shared->lock);
    if (done) {
        free_job(job);
    }
    return done || late;
}

static void handle_timer(struct loop_timer *timer)
{
    inspector_check(CONTAINER_OF(timer, struct inspector, timer));
}

void inspector_init(struct inspector *inspector, struct loop *loop,
                    void (*on_looked)(void *context, struct question *question), void *context)
{
    *inspector = (struct inspector){
        .loop = loop,
        .on_looked = on_looked,
        .context = context,
        .shared = NEW(struct inspector_shared),
        .timer = {.on_time = handle_timer},
    };
    ASSERT(pthread_mutex_init(&inspector->shared->lock, NULL) == 0);
    inspector->shared->loop = loop;
}

void inspector_fini(struct inspector *inspector)
{
    struct inspector_shared *shared = TAKE(inspector->shared);
    loop_timer_cancel(&inspector->timer);
    pthread_mutex_lock(&shared->lock);
    for (size_t i = 0; i < inspector->all.n; i++) {
        struct inspection_job *job = inspector->all.at[i].job;
        if (job != NULL && job->done) {
            free_job(job);
        } else if (job != NULL) {
            job->abandoned = true;
        }
    }
    shared->loop = NULL;
    bool last = shared->n_threads == 0;
    pthread_mutex_unlock(&shared->lock);
    if (last) {
        free_shared(shared);
    }
    for (size_t i = 0; i < inspector->all.n; i++) {
        question_free(inspector->all.at[i].question);
    }
    vec_fini(&inspector->all);
}

void inspector_ask(struct inspector *inspector, struct question *question)
{
    struct inspection inspection = {
        .question = question,
        .deadline_ns = clock_now_ns() + (uint64_t)INSPECTOR_PATIENCE_MS * NS_PER_MS,
    };
    ASSERT(question->looks.look != NULL && question->looks.all.n > 0);
    vec_push(&inspector->all, inspection);
    inspector_check(inspector);
}

void inspector_check(struct inspector *inspector)
{
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < inspector->all.n;) {
        struct inspection *inspection = &inspector->all.at[i];
        bool late = inspection->deadline_ns <= now_ns;
        if (inspection->job == NULL && !late) {
            start(inspector, inspection);
        }
        if (!finish(inspector, inspection, late)) {
            i++;
            continue;
        }
        struct question *question = inspection->question;
        vec_remove_at(&inspector->all, i);
        inspector->on_looked(inspector->context, question);
    }
    loop_timer_cancel(&inspector->timer);
    if (inspector->all.n > 0) { // the oldest is the first to be late
        uint64_t first_ns = inspector->all.at[0].deadline_ns;
        loop_timer_set(inspector->loop, &inspector->timer, first_ns - MIN(first_ns, now_ns));
    }
}
