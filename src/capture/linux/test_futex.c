// Which object a futex belongs to: by tables, and by real objects of this process.

#include "capture/linux/futex.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "capture/linux/look.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { W = FUTEX_WAIT, B = FUTEX_WAIT_BITSET, PRIVATE = FUTEX_PRIVATE_FLAG };
#define WORD_ADDR UINT64_C(0x7f0000001030)

// ---- Tables ------------------------------------------------------------------------------------

enum { TIMEOUT = 1, IS_THREAD = 2, SECOND = 4, ODD = 8 };
enum {
    UNKNOWN = CAPTURE_OBJECT_UNKNOWN,
    MUTEX = CAPTURE_OBJECT_MUTEX,
    LOCK = CAPTURE_OBJECT_LOCK,
    CONDITION = CAPTURE_OBJECT_CONDITION,
    SEMAPHORE = CAPTURE_OBJECT_SEMAPHORE,
    THREAD = CAPTURE_OBJECT_THREAD,
};

struct row {
    const char *name;
    uint32_t op;
    uint32_t value;
    unsigned flags; // TIMEOUT it has one, IS_THREAD its value; where the word is: SECOND, ODD
    int object;
    uint32_t owner_tid;
    uint32_t words[16]; // [11] is the word that is waited for
};

static void check_row(const struct row *row)
{
    uint64_t addr = WORD_ADDR + (row->flags & SECOND) + (row->flags & ODD) / 4;
    struct futex_wait wait = {.addr = addr,
                              .op = row->op,
                              .value = row->value,
                              .timeout = (row->flags & TIMEOUT) != 0,
                              .value_is_thread = (row->flags & IS_THREAD) != 0,
                              .memory_addr = addr - FUTEX_BEFORE_BYTES,
                              .memory = {(const uint8_t *)row->words, sizeof row->words}};
    struct futex_object got;
    futex_classify(&wait, &got);
    if ((int)got.object != row->object || got.owner_tid != row->owner_tid) {
        fail_msg("%s: got %s of %u", row->name, capture_object_name(got.object), got.owner_tid);
    }
}

static void test_mutexes(void **state)
{
    (void)state;
    // clang-format off
    static const struct row rows[] = {
        {"normal", W | PRIVATE, 2, 0, MUTEX, 77, {[11] = 2, [13] = 77, [14] = 1}},
        {"adaptive, with a timeout", B | PRIVATE, 2, TIMEOUT, MUTEX, 77,
         {[11] = 2, [13] = 77, [14] = 1, [15] = 3}},
        {"the same by the wall clock", B | PRIVATE | FUTEX_CLOCK_REALTIME, 2, TIMEOUT, MUTEX, 77,
         {[11] = 2, [13] = 77, [14] = 1}},
        {"recursive, with waiters of its condition", W | PRIVATE, 2, 0, MUTEX, 4194304,
         {[11] = 2, [12] = 3, [13] = 4194304, [14] = 9, [15] = 1}},
        {"shared", W, 2, 0, MUTEX, 77, {[11] = 2, [13] = 77, [14] = 1, [15] = 128}},
        {"robust", W, 77 | FUTEX_WAITERS, 0, MUTEX, 77,
         {[11] = 77 | FUTEX_WAITERS, [14] = 1, [15] = 128 | 16}},
        {"priority ceiling", W | PRIVATE, 5 << 19 | 2, 0, MUTEX, 77,
         {[11] = 5 << 19 | 2, [13] = 77, [14] = 1, [15] = 64}},
        {"PI", FUTEX_LOCK_PI | PRIVATE, 0, 0, MUTEX, 77, {[11] = 77 | FUTEX_WAITERS}},
        {"PI of the second kind, died in", FUTEX_LOCK_PI2, 0, TIMEOUT, MUTEX, 77,
         {[11] = 77 | FUTEX_OWNER_DIED}},
        {"PI, owner unlocking", FUTEX_LOCK_PI | PRIVATE, 0, 0, MUTEX, 0, {0}},
        {"no owner yet", W | PRIVATE, 2, 0, LOCK, 0, {[11] = 2, [14] = 1}},
        {"unlocked by now", W | PRIVATE, 2, 0, LOCK, 0, {[11] = 0, [13] = 77, [14] = 1}},
        {"owner too large", W | PRIVATE, 2, 0, LOCK, 0, {[11] = 2, [13] = 4194305, [14] = 1}},
        {"owner but no user", W | PRIVATE, 2, 0, LOCK, 0, {[11] = 2, [13] = 77}},
        {"a kind that does not exist", W | PRIVATE, 2, 0, LOCK, 0,
         {[11] = 2, [13] = 77, [14] = 1, [15] = 0x400}},
        {"shared, waited for as private", W | PRIVATE, 2, 0, LOCK, 0,
         {[11] = 2, [13] = 77, [14] = 1, [15] = 128}},
        {"Rust: no timeout", B | PRIVATE, 2, 0, LOCK, 0, {[11] = 2, [13] = 77, [14] = 1}},
        {"stdio: a pointer where the owner would be", W | PRIVATE, 2, 0, LOCK, 0,
         {[11] = 2, [12] = 1, [13] = 0xf7d8a740, [14] = 0x7fff}},
        {"robust without waiters", W, 77, 0, LOCK, 0, {[11] = 77, [14] = 1, [15] = 128 | 16}},
        {"requeued to PI", FUTEX_WAIT_REQUEUE_PI | PRIVATE, 0, TIMEOUT, LOCK, 0, {0}},
        {"it wakes", FUTEX_WAKE | PRIVATE, 1, 0, UNKNOWN, 0, {0}},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(&rows[i]);
    }
}

static void test_conditions(void **state)
{
    (void)state;
    // Old: [1] wseq, [3] g1_start, [5] [6] g_refs, [10] wrefs, [11] [12] g_signals; all one less
    // for the second group. New: [3] wseq, [5] g1_start, [10] wrefs.
    // clang-format off
    static const struct row rows[] = {
        {"first group", B | PRIVATE, 0, 0, CONDITION, 0, {[1] = 2, [5] = 2, [10] = 8}},
        {"second group", B | PRIVATE, 0, SECOND, CONDITION, 0,
         {[0] = 3, [2] = 1, [5] = 2, [9] = 8}},
        {"shared, by the monotonic clock, with a timeout", B, 0, TIMEOUT, CONDITION, 0,
         {[1] = 9, [3] = 8, [5] = 3, [6] = 1, [10] = 8 | 3}},
        {"would be a semaphore too", B | PRIVATE, 0, 0, CONDITION, 0,
         {[1] = 2, [5] = 2, [10] = 8, [12] = 1}},
        {"glibc 2.41, first group, with signals before", B | PRIVATE, 5, 0, CONDITION, 0,
         {[1] = 0xffffffff, [3] = 14, [5] = 5, [10] = 16, [11] = 5}},
        {"glibc 2.41, second group", B | PRIVATE, 0, SECOND, CONDITION, 0, {[2] = 2, [9] = 8}},
        {"no waiters", B | PRIVATE, 0, 0, LOCK, 0, {[1] = 2, [5] = 2}},
        {"shared, waited for as private", B | PRIVATE, 0, 0, LOCK, 0,
         {[1] = 2, [5] = 2, [10] = 8 | 1}},
        {"more in groups than in all", B | PRIVATE, 0, 0, LOCK, 0, {[1] = 2, [5] = 4, [10] = 8}},
        {"begins after its end", B | PRIVATE, 0, 0, LOCK, 0,
         {[1] = 2, [3] = 8, [5] = 10, [10] = 40}},
        {"not aligned", B | PRIVATE, 0, ODD, LOCK, 0, {[1] = 2, [5] = 2, [10] = 8}},
        {"another operation", W | PRIVATE, 0, 0, LOCK, 0, {[1] = 2, [5] = 2, [10] = 8}},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(&rows[i]);
    }
}

static void test_semaphores_and_threads(void **state)
{
    (void)state;
    // clang-format off
    static const struct row rows[] = {
        {"semaphore", B | PRIVATE, 0, 0, SEMAPHORE, 0, {[12] = 1}},
        {"with a timeout", B | PRIVATE | FUTEX_CLOCK_REALTIME, 0, TIMEOUT, SEMAPHORE, 0,
         {[12] = 7}},
        {"shared", B, 0, 0, SEMAPHORE, 0, {[12] = 1, [13] = 128}},
        {"nobody waits", B | PRIVATE, 0, 0, LOCK, 0, {0}},
        {"shared, waited for as private", B | PRIVATE, 0, 0, LOCK, 0, {[12] = 1, [13] = 128}},
        {"private, waited for as shared", B, 0, 0, LOCK, 0, {[12] = 1}},
        {"posted by now", B | PRIVATE, 0, 0, LOCK, 0, {[11] = 1, [12] = 1}},
        {"too many waiters", B | PRIVATE, 0, 0, LOCK, 0, {[12] = 0x55555555}},
        {"Go: another operation", W | PRIVATE, 0, 0, LOCK, 0, {[12] = 1}},
        {"not aligned", B | PRIVATE, 0, SECOND, LOCK, 0, {[13] = 1}},
        {"join", B, 77, IS_THREAD, THREAD, 77, {[11] = 77}},
        {"join of glibc before 2.34", W, 77, IS_THREAD, THREAD, 77, {[11] = 77}},
        {"no such thread", B, 77, 0, LOCK, 0, {[11] = 77}},
        {"ended by now", B, 77, IS_THREAD, LOCK, 0, {[11] = 0}},
        {"a private word that is equal to a tid", B | PRIVATE, 77, IS_THREAD, LOCK, 0, {[11] = 77}},
        {"writer of a rwlock", B | PRIVATE, 3, 0, LOCK, 0, {[9] = 1, [10] = 2, [11] = 3}},
        {"writer that waits for readers", B | PRIVATE, 2, 0, LOCK, 0,
         {[9] = 8, [11] = 2, [12] = 1}},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(&rows[i]);
    }
}

static void test_no_more_is_said_than_the_memory_tells(void **state)
{
    (void)state;
    static const uint32_t words[16] = {[1] = 2, [5] = 2, [10] = 8, [12] = 1};
    static const struct {
        size_t skip; // bytes from the beginning
        size_t n;
        enum capture_object object;
    } rows[] = {
        {0, 64, CAPTURE_OBJECT_CONDITION}, {4, 60, CAPTURE_OBJECT_CONDITION},
        {8, 56, CAPTURE_OBJECT_SEMAPHORE}, {44, 12, CAPTURE_OBJECT_SEMAPHORE},
        {44, 11, CAPTURE_OBJECT_LOCK},     {44, 4, CAPTURE_OBJECT_LOCK},
        {44, 3, CAPTURE_OBJECT_UNKNOWN},   {0, 0, CAPTURE_OBJECT_UNKNOWN},
        {45, 19, CAPTURE_OBJECT_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct futex_wait wait = {
            .addr = WORD_ADDR,
            .op = B | PRIVATE,
            .memory_addr = WORD_ADDR - FUTEX_BEFORE_BYTES + rows[i].skip,
            .memory = {(const uint8_t *)words + rows[i].skip, rows[i].n},
        };
        struct futex_object got;
        futex_classify(&wait, &got);
        assert_int_equal(got.object, rows[i].object);
    }
    struct futex_wait pi = {.addr = WORD_ADDR, .op = FUTEX_LOCK_PI};
    struct futex_object got;
    futex_classify(&pi, &got);
    assert_int_equal(got.object, CAPTURE_OBJECT_MUTEX);
    assert_int_equal(got.owner_tid, 0);
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        enum capture_object object;
        bool told;
        enum event_reason reason;
    } rows[] = {
        {CAPTURE_OBJECT_MUTEX, true, EVENT_REASON_LOCK},
        {CAPTURE_OBJECT_CONDITION, true, EVENT_REASON_LOCK},
        {CAPTURE_OBJECT_SEMAPHORE, true, EVENT_REASON_SEMAPHORE},
        {CAPTURE_OBJECT_THREAD, true, EVENT_REASON_OTHER},
        {CAPTURE_OBJECT_LOCK, false, EVENT_REASON_LOCK},
        {CAPTURE_OBJECT_UNKNOWN, false, EVENT_REASON_OTHER},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum event_reason reason;
        assert_int_equal(futex_reason(rows[i].object, &reason), rows[i].told);
        assert_int_equal(reason, rows[i].reason);
    }
}

// ---- Real objects ------------------------------------------------------------------------------

// Waits for one thing until it is let go, which sets `done`.
struct waiter {
    void (*wait)(struct waiter *waiter);
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    pthread_rwlock_t rwlock;
    sem_t semaphore;
    pthread_t thread;
    pthread_t to_join;
    bool done;
    atomic_uint tid;
    atomic_uint joined_tid;
};

static struct timespec far_away(void)
{
    return (struct timespec){.tv_sec = (time_t)(clock_now_ns() / NS_PER_S) + 1000};
}

static void wait_for_mutex(struct waiter *w)
{
    pthread_mutex_lock(&w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

static void wait_for_mutex_for_some_time(struct waiter *w)
{
    struct timespec until = {.tv_sec = (time_t)(clock_unix_ns() / NS_PER_S) + 1000};
    pthread_mutex_timedlock(&w->mutex, &until);
    pthread_mutex_unlock(&w->mutex);
}

static void wait_for_condition(struct waiter *w)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->done) {
        pthread_cond_wait(&w->condition, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void wait_for_condition_for_some_time(struct waiter *w)
{
    struct timespec until = far_away();
    pthread_mutex_lock(&w->mutex);
    while (!w->done) {
        pthread_cond_clockwait(&w->condition, &w->mutex, CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void wait_for_semaphore(struct waiter *w)
{
    while (sem_wait(&w->semaphore) < 0) {
    }
}

static void wait_for_semaphore_for_some_time(struct waiter *w)
{
    struct timespec until = far_away();
    while (sem_clockwait(&w->semaphore, CLOCK_MONOTONIC, &until) < 0) {
    }
}

static void wait_for_read_lock(struct waiter *w)
{
    pthread_rwlock_rdlock(&w->rwlock);
    pthread_rwlock_unlock(&w->rwlock);
}

static void wait_for_write_lock(struct waiter *w)
{
    pthread_rwlock_wrlock(&w->rwlock);
    pthread_rwlock_unlock(&w->rwlock);
}

static void wait_for_thread(struct waiter *w)
{
    pthread_join(w->to_join, NULL);
}

static void *run_waiter(void *context)
{
    struct waiter *w = context;
    atomic_store(&w->tid, (unsigned)gettid());
    w->wait(w);
    return NULL;
}

static void *run_joined(void *context)
{
    struct waiter *w = context;
    atomic_store(&w->joined_tid, (unsigned)gettid());
    wait_for_semaphore(w);
    return NULL;
}

struct kind {
    const char *name;
    void (*wait)(struct waiter *waiter);
    enum capture_object object;
    bool shared; // between processes
    int robust;
    int protocol;
    int type;
};

static void make(struct waiter *w, const struct kind *kind)
{
    int shared = kind->shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
    pthread_mutexattr_t mutex_attributes;
    pthread_mutexattr_init(&mutex_attributes);
    pthread_mutexattr_setpshared(&mutex_attributes, shared);
    pthread_mutexattr_settype(&mutex_attributes, kind->type);
    pthread_mutexattr_setrobust(&mutex_attributes, kind->robust);
    pthread_mutexattr_setprotocol(&mutex_attributes, kind->protocol);
    assert_int_equal(pthread_mutex_init(&w->mutex, &mutex_attributes), 0);
    pthread_mutexattr_destroy(&mutex_attributes);
    pthread_condattr_t condition_attributes;
    pthread_condattr_init(&condition_attributes);
    pthread_condattr_setpshared(&condition_attributes, shared);
    pthread_cond_init(&w->condition, &condition_attributes);
    pthread_condattr_destroy(&condition_attributes);
    sem_init(&w->semaphore, kind->shared, 0);
    pthread_rwlock_init(&w->rwlock, NULL);
    w->wait = kind->wait;
}

static bool holds_mutex(const struct kind *kind)
{
    return kind->object == CAPTURE_OBJECT_MUTEX;
}

static void start(struct waiter *w, const struct kind *kind)
{
    make(w, kind);
    if (holds_mutex(kind)) {
        pthread_mutex_lock(&w->mutex);
    }
    if (kind->object == CAPTURE_OBJECT_THREAD) {
        assert_int_equal(pthread_create(&w->to_join, NULL, run_joined, w), 0);
    }
    if (kind->wait == wait_for_read_lock) {
        pthread_rwlock_wrlock(&w->rwlock);
    } else {
        pthread_rwlock_rdlock(&w->rwlock);
    }
    assert_int_equal(pthread_create(&w->thread, NULL, run_waiter, w), 0);
}

static void let_go(struct waiter *w, const struct kind *kind)
{
    if (!holds_mutex(kind)) {
        pthread_mutex_lock(&w->mutex);
    }
    w->done = true;
    pthread_cond_broadcast(&w->condition);
    pthread_mutex_unlock(&w->mutex);
    pthread_rwlock_unlock(&w->rwlock);
    sem_post(&w->semaphore);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->condition);
    pthread_rwlock_destroy(&w->rwlock);
    sem_destroy(&w->semaphore);
}

static bool is_within(const struct waiter *w, uint64_t addr)
{
    return addr - (uint64_t)(uintptr_t)w < sizeof *w;
}

// A library, or a sanitizer, may have locks of its own on the way.
static bool is_the_one(const struct waiter *w, const struct kind *kind,
                       const struct look_syscall *call)
{
    uint32_t joined_tid = atomic_load(&w->joined_tid);
    return kind->object == CAPTURE_OBJECT_THREAD
               ? joined_tid != 0 && (uint32_t)call->args[2] == joined_tid
               : is_within(w, call->args[0]);
}

// The system call of the waiter, once it waits for the right thing.
static struct look_syscall wait_until_it_waits(const struct waiter *w, const struct kind *kind)
{
    for (uint64_t end_ns = clock_now_ns() + 30 * (uint64_t)NS_PER_S; clock_now_ns() < end_ns;) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%u/syscall", atomic_load(&w->tid));
        CLEANUP(text_fini) struct text text = {0};
        struct look_syscall call;
        if (file_read(path, 4096, &text) == 0 &&
            look_syscall_parse(slice_of_text(text_get(&text)), &call) && call.inside &&
            call.number == SYS_futex && is_the_one(w, kind, &call)) {
            return call;
        }
        poll(NULL, 0, 1);
    }
    fail_msg("%s: it never waits", kind->name);
    return (struct look_syscall){0};
}

static void check_kind(const struct kind *kind)
{
    struct waiter *w = NEW(struct waiter);
    start(w, kind);
    struct look_syscall call = wait_until_it_waits(w, kind);
    struct futex_wait wait = {.addr = call.args[0],
                              .op = (uint32_t)call.args[1],
                              .value = (uint32_t)call.args[2],
                              .timeout = call.args[3] != 0,
                              .memory_addr = call.args[0] - FUTEX_BEFORE_BYTES};
    wait.memory = (struct slice){(const uint8_t *)(uintptr_t)wait.memory_addr,
                                 FUTEX_BEFORE_BYTES + FUTEX_AFTER_BYTES};
    wait.value_is_thread = futex_may_join(&wait) && wait.value == atomic_load(&w->joined_tid);
    struct futex_object got;
    futex_classify(&wait, &got);
    uint32_t owner = kind->object == CAPTURE_OBJECT_MUTEX    ? (uint32_t)gettid()
                     : kind->object == CAPTURE_OBJECT_THREAD ? atomic_load(&w->joined_tid)
                                                             : 0;
    if (got.object != kind->object || got.owner_tid != owner) {
        print_error("%s: got %s of %u\n", kind->name, capture_object_name(got.object),
                    got.owner_tid);
    }
    assert_int_equal(got.object, kind->object);
    assert_int_equal(got.owner_tid, owner);
    let_go(w, kind);
    free(w);
}

static void test_real_objects(void **state)
{
    (void)state;
    static const struct kind kinds[] = {
        {"mutex", wait_for_mutex, CAPTURE_OBJECT_MUTEX, false, 0, 0, PTHREAD_MUTEX_NORMAL},
        {"recursive", wait_for_mutex, CAPTURE_OBJECT_MUTEX, false, 0, 0, PTHREAD_MUTEX_RECURSIVE},
        {"error-checking", wait_for_mutex, CAPTURE_OBJECT_MUTEX, false, 0, 0,
         PTHREAD_MUTEX_ERRORCHECK},
        {"adaptive", wait_for_mutex, CAPTURE_OBJECT_MUTEX, false, 0, 0, PTHREAD_MUTEX_ADAPTIVE_NP},
        {"shared", wait_for_mutex, CAPTURE_OBJECT_MUTEX, true, 0, 0, 0},
        {"robust", wait_for_mutex, CAPTURE_OBJECT_MUTEX, false, PTHREAD_MUTEX_ROBUST, 0, 0},
        {"robust, shared, for some time", wait_for_mutex_for_some_time, CAPTURE_OBJECT_MUTEX, true,
         PTHREAD_MUTEX_ROBUST, 0, 0},
        {"PI", wait_for_mutex, CAPTURE_OBJECT_MUTEX, false, 0, PTHREAD_PRIO_INHERIT, 0},
        {"PI for some time", wait_for_mutex_for_some_time, CAPTURE_OBJECT_MUTEX, false, 0,
         PTHREAD_PRIO_INHERIT, 0},
        {"PI, robust", wait_for_mutex, CAPTURE_OBJECT_MUTEX, false, PTHREAD_MUTEX_ROBUST,
         PTHREAD_PRIO_INHERIT, 0},
        {"mutex for some time", wait_for_mutex_for_some_time, CAPTURE_OBJECT_MUTEX, false, 0, 0, 0},
        {"condition", wait_for_condition, CAPTURE_OBJECT_CONDITION, false, 0, 0, 0},
        {"shared condition", wait_for_condition, CAPTURE_OBJECT_CONDITION, true, 0, 0, 0},
        {"condition for some time", wait_for_condition_for_some_time, CAPTURE_OBJECT_CONDITION,
         false, 0, 0, 0},
        {"semaphore", wait_for_semaphore, CAPTURE_OBJECT_SEMAPHORE, false, 0, 0, 0},
        {"shared semaphore", wait_for_semaphore, CAPTURE_OBJECT_SEMAPHORE, true, 0, 0, 0},
        {"semaphore for some time", wait_for_semaphore_for_some_time, CAPTURE_OBJECT_SEMAPHORE,
         false, 0, 0, 0},
        {"thread", wait_for_thread, CAPTURE_OBJECT_THREAD, false, 0, 0, 0},
        {"reader", wait_for_read_lock, CAPTURE_OBJECT_LOCK, false, 0, 0, 0},
        {"writer", wait_for_write_lock, CAPTURE_OBJECT_LOCK, false, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        check_kind(&kinds[i]);
    }
}

// A condition variable changes the group that waiters go to each time that all have been woken.
static void test_both_groups_of_a_condition(void **state)
{
    (void)state;
    static const struct kind kind = {
        "condition", wait_for_condition, CAPTURE_OBJECT_CONDITION, false, 0, 0, 0};
    struct waiter *w = NEW(struct waiter);
    make(w, &kind);
    unsigned groups = 0;
    for (int round = 0; round < 4; round++) {
        w->done = false;
        assert_int_equal(pthread_create(&w->thread, NULL, run_waiter, w), 0);
        struct look_syscall call;
        do { // the mutex comes first
            call = wait_until_it_waits(w, &kind);
        } while (call.args[0] == (uint64_t)(uintptr_t)&w->mutex);
        struct futex_wait wait = {.addr = call.args[0],
                                  .op = (uint32_t)call.args[1],
                                  .value = (uint32_t)call.args[2],
                                  .memory_addr = call.args[0] - FUTEX_BEFORE_BYTES};
        wait.memory = (struct slice){(const uint8_t *)(uintptr_t)wait.memory_addr,
                                     FUTEX_BEFORE_BYTES + FUTEX_AFTER_BYTES};
        struct futex_object got;
        futex_classify(&wait, &got);
        assert_int_equal(got.object, CAPTURE_OBJECT_CONDITION);
        groups |= 1U << (wait.addr % 8 / 4);
        pthread_mutex_lock(&w->mutex);
        w->done = true;
        pthread_cond_signal(&w->condition);
        pthread_mutex_unlock(&w->mutex);
        pthread_join(w->thread, NULL);
    }
    assert_int_equal(groups, 3);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutexes),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_semaphores_and_threads),
        cmocka_unit_test(test_no_more_is_said_than_the_memory_tells),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_real_objects),
        cmocka_unit_test(test_both_groups_of_a_condition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
