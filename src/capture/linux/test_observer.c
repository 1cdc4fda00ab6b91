// Who is looked at, when, and in which order it is told: with looks that are made up, one that
// never returns, and real ones.

#include "capture/linux/observer.h"

#include "base/alloc.h"
#include "base/file.h"
#include "capture/linux/look.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { PID = 1000 };
static const uint64_t MS = NS_PER_MS;

// ---- Looks that are made up --------------------------------------------------------------------

enum { HANGING_TID = 666, RUNNING_TID = 500, SILENT_TID, GENERIC_TID, FICKLE_TID };

static atomic_uint n_looks;
static atomic_bool hanging;

static uint64_t fake_look(struct capture_look *look)
{
    if (look->tid == HANGING_TID) {
        atomic_store(&hanging, true);
        for (;;) {
            pause();
        }
    }
    snprintf(look->place, sizeof look->place, "%s",
             look->tid == SILENT_TID ? "" : "futex_wait_queue");
    look->waits = look->tid != RUNNING_TID;
    look->object = look->tid == SILENT_TID    ? CAPTURE_OBJECT_UNKNOWN
                   : look->tid == GENERIC_TID ? CAPTURE_OBJECT_LOCK
                   : look->tid == FICKLE_TID && atomic_load(&n_looks) % 2 == 0
                       ? CAPTURE_OBJECT_MUTEX
                       : CAPTURE_OBJECT_SEMAPHORE;
    uint64_t held_ns = look->waits ? clock_now_ns() : 0;
    atomic_fetch_add(&n_looks, 1);
    return held_ns;
}

struct seen {
    VEC(struct event) events;
    char last_place[CAPTURE_PLACE_BYTES];
};

static void sink(void *context, const struct event *event)
{
    struct seen *seen = context;
    if (event->kind == EVENT_WAIT_SEEN) {
        snprintf(seen->last_place, sizeof seen->last_place, "%.*s", (int)event->wait_seen.place.n,
                 (const char *)event->wait_seen.place.data);
    }
    if (seen->events.n > 0) {
        assert_true(event->time_ns >= vec_last(&seen->events)->time_ns);
    }
    vec_push(&seen->events, *event);
}

static void tell(struct observer *o, enum event_kind kind, uint32_t tid, uint64_t time_ns)
{
    struct event event = {.kind = kind, .pid = PID, .tid = tid, .time_ns = time_ns};
    observer_on_event(o, &event);
}

// Until the observer thread has answered all that it was asked.
static void collect_all(struct observer *o)
{
    while (o->n_out > 0) {
        observer_collect(o);
        poll(NULL, 0, 1);
    }
}

// A tick, its looks, and how many there were.
static unsigned tick(struct observer *o, uint64_t now_ns)
{
    unsigned before = atomic_load(&n_looks);
    observer_tick(o, now_ns, NULL);
    collect_all(o);
    return atomic_load(&n_looks) - before;
}

// ---- Tests -------------------------------------------------------------------------------------

static void test_a_wait_is_seen_once(void **state)
{
    (void)state;
    struct observer o;
    struct seen seen = {0};
    observer_init(&o, fake_look);
    uint64_t now_ns = clock_now_ns();
    tell(&o, EVENT_SWITCH_OUT, 10, now_ns);
    assert_int_equal(tick(&o, now_ns + 9 * MS), 0); // not long enough
    assert_int_equal(tick(&o, now_ns + 20 * MS), 1);
    assert_int_equal(tick(&o, now_ns + 3600 * (uint64_t)NS_PER_S), 0);
    uint64_t after_ns = clock_now_ns();
    observer_deliver(&o, now_ns, sink, &seen);
    assert_int_equal(seen.events.n, 0);
    observer_deliver(&o, after_ns, sink, &seen);
    assert_int_equal(seen.events.n, 1);
    const struct event *event = &seen.events.at[0];
    assert_int_equal(event->kind, EVENT_WAIT_SEEN);
    assert_int_equal(event->pid, PID);
    assert_int_equal(event->tid, 10);
    assert_true(now_ns <= event->wait_seen.since_ns);
    assert_true(event->wait_seen.since_ns <= event->time_ns);
    assert_true(event->time_ns <= after_ns);
    assert_true(event->wait_seen.has_reason);
    assert_int_equal(event->wait_seen.reason, EVENT_REASON_SEMAPHORE);
    assert_string_equal(seen.last_place, "futex_wait_queue");
    vec_fini(&seen.events);
    observer_fini(&o);
}

static void test_who_does_not_wait_is_left_alone(void **state)
{
    (void)state;
    struct observer o;
    observer_init(&o, fake_look);
    struct event preempted = {.kind = EVENT_SWITCH_OUT, .pid = PID, .tid = 1, .time_ns = 1};
    preempted.switch_out.preempted = true;
    observer_on_event(&o, &preempted);
    tell(&o, EVENT_SWITCH_OUT, 2, 1);
    tell(&o, EVENT_SWITCH_IN, 2, 2);
    tell(&o, EVENT_SWITCH_OUT, 3, 1);
    tell(&o, EVENT_THREAD_EXITED, 3, 2);
    tell(&o, EVENT_SWITCH_OUT, 4, 1);
    tell(&o, EVENT_EXEC, 4, 2);
    tell(&o, EVENT_SWITCH_OUT, 5, 1);
    tell(&o, EVENT_THREAD_STARTED, 5, 2);
    tell(&o, EVENT_SWITCH_IN, 6, 1);
    tell(&o, EVENT_SAMPLE, 7, 1);
    assert_int_equal(tick(&o, 1000 * MS), 0);
    assert_null(o.shared); // and no thread was started for it
    observer_fini(&o);
}

static void test_who_slept_before_is_looked_at(void **state)
{
    (void)state;
    struct observer o;
    observer_init(&o, fake_look);
    struct event event = {.kind = EVENT_THREAD_STARTED, .pid = PID, .time_ns = 1};
    event.thread_started.existed = true;
    for (uint32_t tid = 1; tid <= 4; tid++) {
        event.tid = tid;
        event.thread_started.asleep = tid % 2 == 0;
        observer_on_event(&o, &event);
    }
    assert_int_equal(tick(&o, 1000 * MS), 2);
    observer_fini(&o);
}

static void test_numbers_are_used_again(void **state)
{
    (void)state;
    struct observer o;
    observer_init(&o, fake_look);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t tid = 1; tid <= 50; tid++) {
            tell(&o, EVENT_SWITCH_OUT, tid, 1);
        }
        assert_int_equal(o.threads.n, 50);
        assert_int_equal(tick(&o, (round + 1) * 1000 * MS), 50);
        for (uint32_t tid = 50; tid >= 1; tid--) {
            tell(&o, EVENT_THREAD_EXITED, tid % 50 + 1, 1);
            tell(&o, EVENT_THREAD_EXITED, tid % 50 + 1, 1);
        }
        assert_int_equal(o.threads.n, 0);
    }
    observer_fini(&o);
}

// How often a thread is looked at in so many seconds that has a new wait every 20 ms.
static unsigned looks_at(uint32_t tid, uint64_t seconds)
{
    struct observer o;
    struct seen seen = {0};
    observer_init(&o, fake_look);
    unsigned n = 0;
    for (uint64_t ms = 0; ms < seconds * 1000; ms += 20) {
        uint64_t now_ns = NS_PER_S + ms * MS;
        tell(&o, EVENT_SWITCH_OUT, tid, now_ns);
        n += tick(&o, now_ns + 15 * MS);
        tell(&o, EVENT_SWITCH_IN, tid, now_ns + 16 * MS);
        observer_deliver(&o, clock_now_ns(), sink, &seen);
    }
    vec_fini(&seen.events);
    observer_fini(&o);
    return n;
}

static void test_threads_that_ended_take_no_room(void **state)
{
    (void)state;
    struct observer o;
    observer_init(&o, fake_look);
    enum { STAY = 100, COME_AND_GO = 100000 };
    for (uint32_t tid = 1; tid <= STAY; tid++) {
        tell(&o, EVENT_SWITCH_OUT, tid, 1);
    }
    for (uint32_t tid = STAY + 1; tid <= COME_AND_GO; tid++) {
        tell(&o, EVENT_SWITCH_OUT, tid, 1);
        tell(&o, EVENT_THREAD_EXITED, tid, 1);
    }
    assert_int_equal(o.threads.n, STAY);
    assert_true(o.by_tid.n <= 1024);
    for (uint32_t tid = 1; tid <= STAY; tid++) {
        tell(&o, EVENT_SWITCH_IN, tid, 2);
    }
    assert_int_equal(tick(&o, 1000 * MS), 0); // all were found again
    observer_fini(&o);
}

static void test_the_same_answer_is_asked_for_less_often(void **state)
{
    (void)state;
    // After 50, 100, 200, 400 ms; and from 6.4 s on after 4 s each.
    assert_int_equal(looks_at(SILENT_TID, 1), 5);
    assert_int_equal(looks_at(SILENT_TID, 20), 8 + 3);
    assert_int_equal(looks_at(RUNNING_TID, 1), 5);
    assert_in_range(looks_at(FICKLE_TID, 1), 16, 18);
}

static void test_no_more_than_a_bounded_number(void **state)
{
    (void)state;
    struct observer o;
    struct seen seen = {0};
    observer_init(&o, fake_look);
    enum { N = 6000 };
    for (uint32_t tid = 1; tid <= N; tid++) {
        tell(&o, EVENT_SWITCH_OUT, tid + 1000, 1);
    }
    unsigned n = tick(&o, 1000 * MS);
    assert_int_equal(n, OBSERVER_BURST);
    assert_int_equal(tick(&o, 1000 * MS), 0);
    n += tick(&o, 1010 * MS);
    assert_int_equal(n, OBSERVER_BURST + 10); // 1000 in a second
    for (uint64_t i = 1; i <= 10; i++) {
        n += tick(&o, (1010 + i * 100) * MS);
    }
    assert_int_equal(n, OBSERVER_HELD_MAX); // nobody has taken them
    for (uint64_t i = 1; i <= 200; i++) {   // each comes to its turn, and only once
        observer_deliver(&o, clock_now_ns(), sink, &seen);
        n += tick(&o, (10000 + i * 100) * MS);
    }
    assert_int_equal(n, N);
    vec_fini(&seen.events);
    observer_fini(&o);
}

static void test_unknown_threads_come_first(void **state)
{
    (void)state;
    struct observer o;
    struct seen seen = {0};
    observer_init(&o, fake_look);
    for (uint32_t tid = 1; tid <= 40; tid++) {
        tell(&o, EVENT_SWITCH_OUT, tid, 1);
    }
    assert_int_equal(tick(&o, 1000 * MS), 40);
    for (uint32_t tid = 1; tid <= 80; tid++) {
        tell(&o, EVENT_SWITCH_OUT, tid, 10000 * MS);
    }
    assert_int_equal(tick(&o, 10100 * MS), OBSERVER_BURST);
    observer_deliver(&o, clock_now_ns(), sink, &seen);
    assert_int_equal(seen.events.n, 40 + OBSERVER_BURST);
    for (size_t i = 40; i < seen.events.n; i++) {
        assert_int_equal(seen.events.at[i].tid > 40, i < 80);
    }
    vec_fini(&seen.events);
    observer_fini(&o);
}

static void test_nothing_is_told_that_is_not_known(void **state)
{
    (void)state;
    struct observer o;
    struct seen seen = {0};
    observer_init(&o, fake_look);
    tell(&o, EVENT_SWITCH_OUT, RUNNING_TID, 1);
    tell(&o, EVENT_SWITCH_OUT, SILENT_TID, 1);
    tell(&o, EVENT_SWITCH_OUT, GENERIC_TID, 1);
    assert_int_equal(tick(&o, 1000 * MS), 3);
    observer_deliver(&o, UINT64_MAX, sink, &seen);
    assert_int_equal(seen.events.n, 1); // its place, no more
    assert_int_equal(seen.events.at[0].tid, GENERIC_TID);
    assert_false(seen.events.at[0].wait_seen.has_reason);
    vec_fini(&seen.events);
    observer_fini(&o);
}

static void test_what_comes_too_late_is_dropped(void **state)
{
    (void)state;
    struct observer o;
    struct seen seen = {0};
    observer_init(&o, fake_look);
    tell(&o, EVENT_SWITCH_OUT, 10, 1);
    observer_tick(&o, 1000 * MS, NULL);
    observer_deliver(&o, clock_now_ns() + 10 * (uint64_t)NS_PER_S, sink, &seen);
    collect_all(&o);
    observer_deliver(&o, UINT64_MAX, sink, &seen);
    assert_int_equal(seen.events.n, 0);
    observer_fini(&o);
}

static void test_a_look_that_never_returns(void **state)
{
    (void)state;
    struct observer o;
    struct err note = {0};
    struct seen seen = {0};
    observer_init(&o, fake_look);
    tell(&o, EVENT_SWITCH_OUT, HANGING_TID, 1);
    uint64_t now_ns = clock_now_ns();
    observer_tick(&o, now_ns, &note);
    while (!atomic_load(&hanging)) {
        poll(NULL, 0, 1);
    }
    tell(&o, EVENT_SWITCH_OUT, 10, now_ns);
    observer_tick(&o, now_ns + 100 * MS, &note);
    assert_string_equal(note.text, "");
    for (uint64_t s = 3; s < 100; s++) {
        observer_collect(&o);
        observer_deliver(&o, now_ns, sink, &seen);
        tell(&o, EVENT_SWITCH_OUT, (uint32_t)s, now_ns);
        observer_tick(&o, now_ns + s * NS_PER_S, &note);
    }
    assert_non_null(strstr(note.text, "has blocked for more than 2 s"));
    assert_int_equal(o.n_out, 2); // nobody else was sent after it
    assert_int_equal(seen.events.n, 0);
    uint64_t before_ns = clock_now_ns();
    observer_fini(&o);
    assert_true(clock_now_ns() - before_ns < 5 * (uint64_t)NS_PER_S);
}

static void test_threads_that_hang_are_bounded(void **state)
{
    (void)state;
    struct err note = {0};
    int n = 0;
    for (; n < 2 * OBSERVER_THREADS_MAX && note.text[0] == 0; n++) {
        struct observer o;
        observer_init(&o, fake_look);
        tell(&o, EVENT_SWITCH_OUT, HANGING_TID, 1);
        atomic_store(&hanging, false);
        observer_tick(&o, 1000 * MS, &note);
        while (note.text[0] == 0 && !atomic_load(&hanging)) {
            poll(NULL, 0, 1);
        }
        observer_fini(&o);
    }
    assert_true(n > 1 && n <= OBSERVER_THREADS_MAX + 1);
    assert_non_null(strstr(note.text, "no thread for looking"));
}

static void test_closing_with_looks_on_their_way(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct observer o;
        observer_init(&o, fake_look);
        for (uint32_t tid = 1; tid <= 64; tid++) {
            tell(&o, EVENT_SWITCH_OUT, tid, 1);
        }
        observer_tick(&o, 1000 * MS, NULL);
        if (round % 2 == 0) {
            observer_collect(&o);
        }
        observer_fini(&o);
    }
    struct observer zeroed = {0};
    observer_fini(&zeroed);
}

// ---- Real looks --------------------------------------------------------------------------------

static struct {
    pthread_mutex_t held;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    sem_t semaphore;
    bool done; // under mutex
} world;

enum { WAITS_MUTEX, WAITS_CONDITION, WAITS_SEMAPHORE, N_WAITERS };

struct waiter {
    int what;
    pthread_t thread;
    atomic_uint tid;
};

static void *run_waiter(void *context)
{
    struct waiter *w = context;
    atomic_store(&w->tid, (unsigned)gettid());
    if (w->what == WAITS_MUTEX) {
        pthread_mutex_lock(&world.held);
        pthread_mutex_unlock(&world.held);
    } else if (w->what == WAITS_CONDITION) {
        pthread_mutex_lock(&world.mutex);
        while (!world.done) {
            pthread_cond_wait(&world.condition, &world.mutex);
        }
        pthread_mutex_unlock(&world.mutex);
    } else {
        while (sem_wait(&world.semaphore) < 0) {
        }
    }
    return NULL;
}

static struct waiter waiters[N_WAITERS];
static atomic_int found[N_WAITERS];

static uint64_t remembering_look(struct capture_look *look)
{
    uint64_t held_ns = look_at(look);
    for (int i = 0; i < N_WAITERS && held_ns != 0; i++) {
        if (atomic_load(&waiters[i].tid) == look->tid) {
            atomic_store(&found[i], (int)look->object);
        }
    }
    return held_ns;
}

static void begin_world(void)
{
    pthread_mutex_init(&world.held, NULL);
    pthread_mutex_init(&world.mutex, NULL);
    pthread_cond_init(&world.condition, NULL);
    sem_init(&world.semaphore, 0, 0);
    pthread_mutex_lock(&world.held);
    for (int i = 0; i < N_WAITERS; i++) {
        waiters[i].what = i;
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, run_waiter, &waiters[i]), 0);
        while (atomic_load(&waiters[i].tid) == 0) {
            poll(NULL, 0, 1);
        }
    }
}

static void end_world(void)
{
    pthread_mutex_unlock(&world.held);
    pthread_mutex_lock(&world.mutex);
    world.done = true;
    pthread_cond_signal(&world.condition);
    pthread_mutex_unlock(&world.mutex);
    sem_post(&world.semaphore);
    for (int i = 0; i < N_WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
    }
}

static void test_living_threads_are_told_apart(void **state)
{
    (void)state;
    static const enum event_reason want[N_WAITERS] = {
        [WAITS_MUTEX] = EVENT_REASON_LOCK,
        [WAITS_CONDITION] = EVENT_REASON_LOCK,
        [WAITS_SEMAPHORE] = EVENT_REASON_SEMAPHORE,
    };
    begin_world();
    struct observer o;
    struct seen seen = {0};
    observer_init(&o, remembering_look);
    uint64_t began_ns = clock_now_ns();
    for (int i = 0; i < N_WAITERS; i++) {
        struct event event = {.kind = EVENT_SWITCH_OUT,
                              .pid = (uint32_t)getpid(),
                              .tid = atomic_load(&waiters[i].tid),
                              .time_ns = began_ns};
        observer_on_event(&o, &event);
    }
    // One that had not gone to sleep yet is looked at again.
    while (seen.events.n < N_WAITERS && clock_now_ns() - began_ns < 30 * (uint64_t)NS_PER_S) {
        poll(NULL, 0, 1);
        observer_collect(&o);
        uint64_t now_ns = clock_now_ns();
        observer_deliver(&o, now_ns, sink, &seen);
        observer_tick(&o, now_ns, NULL);
    }
    assert_int_equal(seen.events.n, N_WAITERS);
    for (int i = 0; i < N_WAITERS; i++) {
        const struct event *event = &seen.events.at[i];
        for (int k = 0; k < N_WAITERS; k++) {
            if (event->tid == atomic_load(&waiters[k].tid)) {
                assert_true(event->wait_seen.has_reason);
                assert_int_equal(event->wait_seen.reason, want[k]);
            }
        }
    }
    assert_int_equal(atomic_load(&found[WAITS_MUTEX]), CAPTURE_OBJECT_MUTEX);
    assert_int_equal(atomic_load(&found[WAITS_CONDITION]), CAPTURE_OBJECT_CONDITION);
    assert_int_equal(atomic_load(&found[WAITS_SEMAPHORE]), CAPTURE_OBJECT_SEMAPHORE);
    vec_fini(&seen.events);
    observer_fini(&o);
    end_world();
}

// Waits on a word of memory that is then taken away, and whose pager never answers.
struct trap {
    uint32_t *word;
    atomic_uint tid;
    pthread_t thread;
    int pager_fd;
};

static void *wait_on_word(void *context)
{
    struct trap *trap = context;
    atomic_store(&trap->tid, (unsigned)gettid());
    syscall(SYS_futex, trap->word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    return NULL;
}

// False where a userfaultfd is not permitted.
static bool open_trap(struct trap *trap)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    trap->pager_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    struct uffdio_api api = {.api = UFFD_API};
    trap->word = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(trap->word, MAP_FAILED);
    struct uffdio_register range = {
        .range = {.start = (uintptr_t)trap->word, .len = page_bytes},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    *trap->word = 1;
    if (trap->pager_fd < 0 || ioctl(trap->pager_fd, UFFDIO_API, &api) < 0) {
        closep(&trap->pager_fd);
        munmap(trap->word, page_bytes);
        return false;
    }
    assert_int_equal(pthread_create(&trap->thread, NULL, wait_on_word, trap), 0);
    struct capture_look look = {.pid = (uint32_t)getpid()};
    do {
        poll(NULL, 0, 1);
        look.tid = atomic_load(&trap->tid);
        look_at(&look);
    } while (look.object_addr != (uintptr_t)trap->word);
    assert_int_equal(ioctl(trap->pager_fd, UFFDIO_REGISTER, &range), 0);
    assert_int_equal(madvise(trap->word, page_bytes, MADV_DONTNEED), 0);
    return true;
}

static void test_memory_that_never_comes(void **state)
{
    (void)state;
    struct trap trap = {0};
    if (!open_trap(&trap)) {
        skip();
    }
    struct observer o;
    struct err note = {0};
    observer_init(&o, look_at);
    struct event event = {.kind = EVENT_SWITCH_OUT,
                          .pid = (uint32_t)getpid(),
                          .tid = atomic_load(&trap.tid),
                          .time_ns = 1};
    observer_on_event(&o, &event);
    uint64_t now_ns = clock_now_ns();
    observer_tick(&o, now_ns, &note);
    struct pollfd asked = {.fd = trap.pager_fd, .events = POLLIN};
    bool trapped = poll(&asked, 1, 30000) == 1 && asked.revents == POLLIN;
    observer_tick(&o, now_ns + 3 * (uint64_t)NS_PER_S, &note);
    observer_collect(&o);
    uint32_t n_out = o.n_out;
    observer_fini(&o); // at once
    // Before any assertion, since a thread in the trap can't be stopped by a sanitizer.
    closep(&trap.pager_fd);
    syscall(SYS_futex, trap.word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    pthread_join(trap.thread, NULL);
    munmap(trap.word, (size_t)sysconf(_SC_PAGESIZE));
    assert_true(trapped);
    assert_int_equal(n_out, 1);
    assert_non_null(strstr(note.text, "has blocked"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wait_is_seen_once),
        cmocka_unit_test(test_who_does_not_wait_is_left_alone),
        cmocka_unit_test(test_who_slept_before_is_looked_at),
        cmocka_unit_test(test_numbers_are_used_again),
        cmocka_unit_test(test_threads_that_ended_take_no_room),
        cmocka_unit_test(test_the_same_answer_is_asked_for_less_often),
        cmocka_unit_test(test_no_more_than_a_bounded_number),
        cmocka_unit_test(test_unknown_threads_come_first),
        cmocka_unit_test(test_nothing_is_told_that_is_not_known),
        cmocka_unit_test(test_what_comes_too_late_is_dropped),
        cmocka_unit_test(test_closing_with_looks_on_their_way),
        cmocka_unit_test(test_living_threads_are_told_apart),
        cmocka_unit_test(test_memory_that_never_comes),
        cmocka_unit_test(test_a_look_that_never_returns),
        cmocka_unit_test(test_threads_that_hang_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
