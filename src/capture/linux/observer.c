#include "capture/linux/observer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/queue.h"
#include "base/thread.h"
#include "capture/linux/futex.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    GONE = MAP_NONE - 1, // in by_tid: it has ended
    MAP_TIDY_MIN = 1024,
};

struct observer_thread {
    uint32_t pid;
    uint32_t tid;
    bool off;             // it waits, as far as records tell
    bool seen;            // in this wait
    bool known;           // something was seen of it in some wait
    uint32_t wait;        // counts its waits
    uint64_t since_ns;    // of this wait
    uint64_t pending;     // number of the request that is out, 0: none
    uint64_t next_ns;     // not to be looked at before
    uint64_t distance_ns; // from the latest look to the next
    uint64_t answer;      // hash of the latest one
};

struct observation {
    uint64_t request;
    uint32_t wait; // of the thread
    uint64_t asked_ns;
    uint64_t since_ns;
    uint64_t held_ns; // 0: it does not wait
    struct capture_look look;
};

// What both threads hold; the last one frees it.
struct observer_shared {
    atomic_int n_holders;
    atomic_bool closed;
    _Atomic uint64_t busy_since_ns; // the look that goes on began then; 0: none does
    struct queue requests;
    struct queue results;
    observer_look_fn look;
};

static atomic_int n_observer_threads; // of this process

// ---- The observer thread -----------------------------------------------------------------------

static void free_all(struct queue *queue)
{
    for (void *message; (message = queue_try_pop(queue)) != NULL;) {
        free(message);
    }
    queue_fini(queue);
}

static void release(struct observer_shared *shared)
{
    if (atomic_fetch_sub(&shared->n_holders, 1) == 1) {
        free_all(&shared->requests);
        free_all(&shared->results);
        free(shared);
    }
}

static void *observe(void *context)
{
    struct observer_shared *shared = context;
    for (struct observation *o; (o = queue_pop(&shared->requests)) != NULL;) {
        if (!atomic_load(&shared->closed)) {
            o->since_ns = clock_now_ns();
            atomic_store(&shared->busy_since_ns, o->since_ns);
            o->held_ns = shared->look(&o->look);
            atomic_store(&shared->busy_since_ns, 0);
        }
        queue_push(&shared->results, o);
    }
    release(shared);
    atomic_fetch_sub(&n_observer_threads, 1);
    return NULL;
}

static void start(struct observer *observer, struct err *note)
{
    struct observer_shared *shared = NEW(struct observer_shared);
    atomic_init(&shared->n_holders, 2);
    shared->look = observer->look;
    queue_init(&shared->requests);
    queue_init(&shared->results);
    int number = EAGAIN;
    if (atomic_fetch_add(&n_observer_threads, 1) < OBSERVER_THREADS_MAX) {
        number = thread_start_detached(observe, shared);
    }
    if (number == 0) {
        observer->shared = shared;
        return;
    }
    atomic_fetch_sub(&n_observer_threads, 1);
    atomic_store(&shared->n_holders, 1);
    release(shared);
    observer->off = true;
    err_set(note, number,
            "no thread for looking at what threads wait for (%s): reasons of waits are told by "
            "stacks alone",
            strerror(number));
}

// ---- Who is off --------------------------------------------------------------------------------

static struct observer_thread *find(struct observer *observer, uint32_t tid)
{
    uint32_t index = map_find(&observer->by_tid, tid);
    return index >= GONE ? NULL : &observer->threads.at[index];
}

static void begin_wait(struct observer *observer, const struct event *event)
{
    struct observer_thread *thread = find(observer, event->tid);
    if (thread == NULL && observer->threads.n < LIMIT_THREADS) {
        map_set(&observer->by_tid, event->tid, (uint32_t)observer->threads.n);
        vec_push(&observer->threads, (struct observer_thread){.tid = event->tid});
        thread = vec_last(&observer->threads);
    }
    if (thread != NULL) {
        thread->pid = event->pid;
        thread->off = true;
        thread->seen = false;
        thread->wait++;
        thread->since_ns = event->time_ns;
    }
}

static void end_wait(struct observer *observer, uint32_t tid)
{
    struct observer_thread *thread = find(observer, tid);
    if (thread != NULL) {
        thread->off = false;
    }
}

// A map can't remove: once most of it is threads that have ended, it is made anew.
static void tidy(struct observer *observer)
{
    if (observer->by_tid.n < MAP_TIDY_MIN || observer->by_tid.n / 4 < observer->threads.n) {
        return;
    }
    map_fini(&observer->by_tid);
    for (size_t i = 0; i < observer->threads.n; i++) {
        map_set(&observer->by_tid, observer->threads.at[i].tid, (uint32_t)i);
    }
}

static void forget(struct observer *observer, uint32_t tid)
{
    struct observer_thread *thread = find(observer, tid);
    if (thread == NULL) {
        return;
    }
    *thread = vec_pop(&observer->threads);
    if (thread->tid != tid) {
        map_set(&observer->by_tid, thread->tid, (uint32_t)(thread - observer->threads.at));
    }
    map_set(&observer->by_tid, tid, GONE);
    tidy(observer);
}

void observer_on_event(struct observer *observer, const struct event *event)
{
    switch (event->kind) {
    case EVENT_SWITCH_OUT:
        if (event->switch_out.preempted) {
            end_wait(observer, event->tid);
        } else {
            begin_wait(observer, event);
        }
        return;
    case EVENT_SWITCH_IN:
        end_wait(observer, event->tid);
        return;
    case EVENT_THREAD_STARTED:
        if (event->thread_started.existed && event->thread_started.asleep) {
            begin_wait(observer, event);
        } else {
            forget(observer, event->tid); // of the same number
        }
        return;
    case EVENT_PROCESS_FORKED:
        if (event->process_forked.recorded && event->process_forked.existed &&
            event->process_forked.asleep) {
            begin_wait(observer, event);
        }
        return;
    case EVENT_EXEC: // another program: what its thread did before says nothing
    case EVENT_THREAD_EXITED:
        forget(observer, event->tid);
        return;
    case EVENT_SAMPLE:
    case EVENT_WAKEUP:
    case EVENT_WAIT_SEEN:
    case EVENT_IMAGE_MAPPED:
    case EVENT_IMAGE_UNMAPPED:
    case EVENT_CODE_LOADED:
    case EVENT_CODE_MOVED:
    case EVENT_THREAD_NAMED:
    case EVENT_LOST:
    case EVENT_THROTTLED:
    case EVENT_KIND_COUNT:
        return;
    }
}

// ---- What was found ----------------------------------------------------------------------------

// The same answer as last time, as far as it is delivered.
static uint64_t hash_of(const struct observation *o)
{
    uint64_t place = hash_bytes(o->look.place, sizeof o->look.place);
    return hash_pair(place, o->held_ns == 0 ? UINT64_MAX : (uint64_t)o->look.object);
}

static void note_answer(struct observer *observer, const struct observation *o)
{
    struct observer_thread *thread = find(observer, o->look.tid);
    if (thread == NULL || thread->pending != o->request) { // another one of the same number
        return;
    }
    uint64_t answer = hash_of(o);
    bool again = thread->distance_ns != 0 && answer == thread->answer;
    thread->pending = 0;
    thread->answer = answer;
    thread->distance_ns = again ? MIN(2 * thread->distance_ns, OBSERVER_DISTANCE_MAX_NS)
                                : OBSERVER_DISTANCE_MIN_NS;
    thread->next_ns = o->asked_ns + thread->distance_ns;
    thread->known = thread->known || o->held_ns != 0;
    thread->seen = thread->seen || (o->held_ns != 0 && o->wait == thread->wait);
}

static bool tells_something(const struct observation *o)
{
    enum event_reason reason;
    return o->held_ns != 0 && (o->look.place[0] != 0 || futex_reason(o->look.object, &reason));
}

void observer_collect(struct observer *observer)
{
    if (observer->n_out == 0) {
        return;
    }
    for (struct observation *o; (o = queue_try_pop(&observer->shared->results)) != NULL;) {
        observer->n_out--;
        note_answer(observer, o);
        // The observer thread may have been delayed between looking and telling.
        if (tells_something(o) && o->held_ns >= observer->delivered_ns) {
            vec_push(&observer->ready, o);
        } else {
            free(o);
        }
    }
}

static void deliver(const struct observation *o, event_sink_fn sink, void *context)
{
    struct event event = {
        .kind = EVENT_WAIT_SEEN,
        .pid = o->look.pid,
        .tid = o->look.tid,
        .time_ns = o->held_ns,
        .wait_seen = {.since_ns = o->since_ns, .place = slice_of_text(o->look.place)}};
    event.wait_seen.has_reason = futex_reason(o->look.object, &event.wait_seen.reason);
    sink(context, &event);
}

void observer_deliver_found(struct observer *observer, uint64_t until_ns, event_sink_fn sink,
                            void *context)
{
    while (observer->first_ready < observer->ready.n &&
           observer->ready.at[observer->first_ready]->held_ns <= until_ns) {
        struct observation *o = observer->ready.at[observer->first_ready++];
        deliver(o, sink, context);
        free(o);
    }
    if (observer->first_ready == observer->ready.n) {
        observer->first_ready = 0;
        vec_clear(&observer->ready);
    }
}

// ---- Whom to look at ---------------------------------------------------------------------------

static bool is_due(const struct observer_thread *thread, uint64_t now_ns)
{
    return thread->off && !thread->seen && thread->pending == 0 && now_ns >= thread->next_ns &&
           now_ns >= thread->since_ns && now_ns - thread->since_ns >= OBSERVER_WAIT_NS;
}

// False: the observer thread can't be had.
static bool request(struct observer *observer, struct observer_thread *thread, uint64_t now_ns,
                    struct err *note)
{
    if (observer->shared == NULL) {
        start(observer, note);
    }
    if (observer->off) {
        return false;
    }
    struct observation *o = NEW(struct observation);
    o->request = thread->pending = ++observer->n_requests;
    o->wait = thread->wait;
    o->asked_ns = now_ns;
    o->look.pid = thread->pid;
    o->look.tid = thread->tid;
    observer->n_out++;
    queue_push(&observer->shared->requests, o);
    return true;
}

// How many threads may be looked at now.
static size_t allowance(struct observer *observer, uint64_t now_ns)
{
    static const uint64_t cost_ns = NS_PER_S / OBSERVER_RATE_HZ;
    if (now_ns > observer->last_tick_ns) {
        uint64_t gained_ns = MIN(now_ns - observer->last_tick_ns, cost_ns * OBSERVER_BURST);
        observer->allowed_ns = MIN(observer->allowed_ns + gained_ns, cost_ns * OBSERVER_BURST);
        observer->last_tick_ns = now_ns;
    }
    size_t held = observer->n_out + observer->ready.n - observer->first_ready;
    size_t room = held < OBSERVER_HELD_MAX ? OBSERVER_HELD_MAX - held : 0;
    return MIN(MIN((size_t)(observer->allowed_ns / cost_ns), room), (size_t)OBSERVER_BURST);
}

static size_t request_some(struct observer *observer, bool known, size_t limit, uint64_t now_ns,
                           struct err *note)
{
    size_t n = 0;
    size_t n_threads = observer->threads.n;
    for (size_t i = 0; i < MIN(n_threads, (size_t)OBSERVER_SCAN) && n < limit; i++) {
        struct observer_thread *thread =
            &observer->threads.at[(observer->next_scanned + i) % n_threads];
        if (thread->known != known || !is_due(thread, now_ns)) {
            continue;
        }
        if (!request(observer, thread, now_ns, note)) {
            break;
        }
        n++;
    }
    return n;
}

// Whether a look goes on that has taken too long already.
static bool hangs(struct observer *observer, uint64_t now_ns, struct err *note)
{
    uint64_t since_ns = observer->shared == NULL ? 0
                                                 : atomic_load(&observer->shared->busy_since_ns);
    if (since_ns == 0 || now_ns < since_ns || now_ns - since_ns < OBSERVER_HANG_NS) {
        return false;
    }
    if (!observer->hung) {
        observer->hung = true;
        err_set(note, ETIMEDOUT,
                "reading the memory of the target has blocked for more than %u s: as long as it "
                "does, reasons of waits are told by stacks alone",
                (unsigned)(OBSERVER_HANG_NS / NS_PER_S));
    }
    return true;
}

void observer_tick(struct observer *observer, uint64_t now_ns, struct err *note)
{
    if (observer->off || hangs(observer, now_ns, note) || observer->threads.n == 0) {
        return;
    }
    size_t limit = allowance(observer, now_ns);
    size_t n = request_some(observer, false, limit, now_ns, note);
    n += request_some(observer, true, limit - n, now_ns, note);
    observer->allowed_ns -= n * (NS_PER_S / OBSERVER_RATE_HZ);
    observer->next_scanned = (observer->next_scanned + OBSERVER_SCAN) % observer->threads.n;
}

// ---- Life --------------------------------------------------------------------------------------

void observer_init(struct observer *observer, observer_look_fn look)
{
    *observer = (struct observer){.look = look};
}

void observer_fini(struct observer *observer)
{
    if (observer->shared != NULL) {
        atomic_store(&observer->shared->closed, true);
        queue_close(&observer->shared->requests);
        release(observer->shared);
    }
    for (size_t i = observer->first_ready; i < observer->ready.n; i++) {
        free(observer->ready.at[i]);
    }
    vec_fini(&observer->ready);
    vec_fini(&observer->threads);
    map_fini(&observer->by_tid);
    *observer = (struct observer){0};
}
