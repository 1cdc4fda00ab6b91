// What /proc says of waiting threads: its lines by tables, and threads of this process that wait
// for known things.

#include "capture/linux/look.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/linux/proc.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// ---- Parsers -----------------------------------------------------------------------------------

static void test_lines_of_syscall(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool taken;
        struct look_syscall want;
    } rows[] = {
        {"running\n", true, {.running = true}},
        {"-1 0x7ffc10 0x7fac20\n", true, {.sp_addr = 0x7ffc10, .pc_addr = 0x7fac20}},
        {"202 0x7f10 0x189 0x0 0x0 0x0 0xffffffff 0x7ffd98 0x7fe503\n",
         true,
         {.inside = true,
          .number = 202,
          .args = {0x7f10, 0x189, 0, 0, 0, 0xffffffff},
          .sp_addr = 0x7ffd98,
          .pc_addr = 0x7fe503}},
        {"0 0xffffffffffffffff 0x0 0x0 0x0 0x0 0x0 0x0 0x0",
         true,
         {.inside = true, .args = {UINT64_MAX}}},
        {"202 0x1ffffffffffffffff 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n", false, {0}},
        {"202 0x1 0x2 0x3 0x4 0x5 0x6 0x7\n", false, {0}},
        {"202 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8 0x9\n", false, {0}},
        {"-1 0x1\n", false, {0}},
        {"-2 0x1 0x2\n", false, {0}},
        {"20x 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n", false, {0}},
        {"202 0x1 0x 0x3 0x4 0x5 0x6 0x7 0x8\n", false, {0}},
        {"running 1\n", false, {0}},
        {"\n", false, {0}},
        {"", false, {0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct look_syscall got;
        if (look_syscall_parse(slice_of_text(rows[i].line), &got) != rows[i].taken) {
            fail_msg("%s", rows[i].line);
        }
        if (rows[i].taken) {
            assert_int_equal(got.running, rows[i].want.running);
            assert_int_equal(got.inside, rows[i].want.inside);
            assert_int_equal(got.number, rows[i].want.number);
            assert_memory_equal(got.args, rows[i].want.args, sizeof got.args);
            assert_int_equal(got.sp_addr, rows[i].want.sp_addr);
            assert_int_equal(got.pc_addr, rows[i].want.pc_addr);
        }
    }
}

static void test_places(void **state)
{
    (void)state;
    static const struct {
        const char *wchan;
        const char *place;
    } rows[] = {
        {"futex_wait_queue", "futex_wait_queue"},
        {"hrtimer_nanosleep\n", "hrtimer_nanosleep"},
        {"poll_schedule_timeout.constprop.0", "poll_schedule_timeout"},
        {"do_wait.part.0", "do_wait"},
        {"pipe_read.isra.0.cold", "pipe_read"},
        {"__do_sys_pause", "__do_sys_pause"},
        {".hidden", ".hidden"},
        {"0", ""},
        {"", ""},
        {"\n", ""},
        {"a\x1b[31mb", "a"},
        {"\xff\xfe", ""},
        {"a23456789b123456789c123456789d123456789e123456789f123456789g123456789",
         "a23456789b123456789c123456789d123456789e123456789f123456789g123"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char place[CAPTURE_PLACE_BYTES];
        look_place_parse(slice_of_text(rows[i].wchan), place);
        assert_string_equal(place, rows[i].place);
    }
}

static void test_numbers_in_other_namespaces(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        bool taken;
        uint32_t tid;
        uint32_t depth;
    } rows[] = {
        {"Name:\tx\nNSpid:\t100\nNSpgid:\t7\n", true, 100, 0},
        {"Name:\tx\nNSpid:\t100\t20\t3\nNSpgid:\t7\n", true, 3, 2},
        {"Name:\tNSpid:\nPid:\t7\n", false, 0, 0},
        {"Name:\tx\nNSpid:\t100", false, 0, 0},
        {"Name:\tx\nNSpid:\n1\n", false, 0, 0},
        {"Name:\tx\nNSpid:\t1 x\n", false, 0, 0},
        {"Name:\tx\nNSpid:\t0\n", false, 0, 0},
        {"Name:\tx\nNSpid:\t4294967297\n", false, 0, 0},
        {"", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t tid;
        uint32_t depth;
        if (look_status_parse(slice_of_text(rows[i].status), &tid, &depth) != rows[i].taken) {
            fail_msg("%s", rows[i].status);
        }
        if (rows[i].taken) {
            assert_int_equal(tid, rows[i].tid);
            assert_int_equal(depth, rows[i].depth);
        }
    }
}

// ---- Threads -----------------------------------------------------------------------------------

static struct {
    pthread_mutex_t held;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    sem_t semaphore;
    sem_t before_end;
    pthread_t joined;
    atomic_uint joined_tid;
    int pipe[2];
    bool done; // under mutex
    atomic_bool stop_spinning;
} world;

enum { WAITS_MUTEX, WAITS_CONDITION, WAITS_SEMAPHORE, WAITS_THREAD, WAITS_PIPE, N_WAITERS };

struct waiter {
    int what;
    pthread_t thread;
    atomic_uint tid;
};

static void *run_joined(void *context)
{
    (void)context;
    atomic_store(&world.joined_tid, (unsigned)gettid());
    while (sem_wait(&world.before_end) < 0) {
    }
    return NULL;
}

static void wait_for_condition(void)
{
    pthread_mutex_lock(&world.mutex);
    while (!world.done) {
        pthread_cond_wait(&world.condition, &world.mutex);
    }
    pthread_mutex_unlock(&world.mutex);
}

static void *run_waiter(void *context)
{
    struct waiter *w = context;
    char byte;
    atomic_store(&w->tid, (unsigned)gettid());
    if (w->what == WAITS_MUTEX) {
        pthread_mutex_lock(&world.held);
        pthread_mutex_unlock(&world.held);
    } else if (w->what == WAITS_CONDITION) {
        wait_for_condition();
    } else if (w->what == WAITS_SEMAPHORE) {
        while (sem_wait(&world.semaphore) < 0) {
        }
    } else if (w->what == WAITS_THREAD) {
        pthread_join(world.joined, NULL);
    } else {
        ASSERT(read(world.pipe[0], &byte, 1) == 1);
    }
    return NULL;
}

// Until what was found is `object` (and it waits): a thread may wait for something else on its way.
static struct capture_look look_until(uint32_t tid, enum capture_object object)
{
    uint64_t end_ns = clock_now_ns() + 30 * (uint64_t)NS_PER_S;
    struct capture_look look = {.pid = (uint32_t)getpid(), .tid = tid};
    do {
        capture_linux.look(&look, 1);
        if (look.waits && look.object == object) {
            return look;
        }
        poll(NULL, 0, 1);
    } while (clock_now_ns() < end_ns);
    fail_msg("thread %u: not a %s", tid, capture_object_name(object));
    return look;
}

static void wait_until_set(const atomic_uint *number)
{
    while (atomic_load(number) == 0) {
        poll(NULL, 0, 1);
    }
}

static void begin_world(struct waiter *waiters)
{
    pthread_mutex_init(&world.held, NULL);
    pthread_mutex_init(&world.mutex, NULL);
    pthread_cond_init(&world.condition, NULL);
    sem_init(&world.semaphore, 0, 0);
    sem_init(&world.before_end, 0, 0);
    assert_int_equal(pipe(world.pipe), 0);
    pthread_mutex_lock(&world.held);
    assert_int_equal(pthread_create(&world.joined, NULL, run_joined, NULL), 0);
    wait_until_set(&world.joined_tid);
    for (int i = 0; i < N_WAITERS; i++) {
        waiters[i].what = i;
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, run_waiter, &waiters[i]), 0);
        wait_until_set(&waiters[i].tid);
    }
}

static void end_world(struct waiter *waiters)
{
    pthread_mutex_unlock(&world.held);
    pthread_mutex_lock(&world.mutex);
    world.done = true;
    pthread_cond_signal(&world.condition);
    pthread_mutex_unlock(&world.mutex);
    sem_post(&world.semaphore);
    sem_post(&world.before_end);
    assert_int_equal(write(world.pipe[1], "x", 1), 1);
    for (int i = 0; i < N_WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
    }
    close(world.pipe[0]);
    close(world.pipe[1]);
}

static void test_what_threads_wait_for(void **state)
{
    (void)state;
    static struct waiter waiters[N_WAITERS];
    begin_world(waiters);
    static const struct {
        enum capture_object object;
        const void *addr;
        size_t n; // the address is within so many bytes
    } want[N_WAITERS] = {
        [WAITS_MUTEX] = {CAPTURE_OBJECT_MUTEX, &world.held, 1},
        [WAITS_CONDITION] = {CAPTURE_OBJECT_CONDITION, &world.condition, sizeof world.condition},
        [WAITS_SEMAPHORE] = {CAPTURE_OBJECT_SEMAPHORE, &world.semaphore, 1},
        [WAITS_THREAD] = {CAPTURE_OBJECT_THREAD, NULL, SIZE_MAX},
        [WAITS_PIPE] = {CAPTURE_OBJECT_UNKNOWN, NULL, 1},
    };
    struct capture_look looks[N_WAITERS];
    for (int i = 0; i < N_WAITERS; i++) {
        looks[i] = look_until(atomic_load(&waiters[i].tid), want[i].object);
        assert_true(looks[i].object_addr - (uint64_t)(uintptr_t)want[i].addr < want[i].n);
        assert_string_equal(looks[i].not_details.text, "");
    }
    assert_int_equal(looks[WAITS_MUTEX].owner_tid, gettid());
    assert_int_equal(looks[WAITS_CONDITION].owner_tid, 0);
    assert_int_equal(looks[WAITS_SEMAPHORE].owner_tid, 0);
    assert_int_equal(looks[WAITS_THREAD].owner_tid, atomic_load(&world.joined_tid));
    // Where the kernel tells at all, it is a function for futexes, and another one for the pipe.
    if (looks[WAITS_MUTEX].place[0] != 0) {
        assert_non_null(strstr(looks[WAITS_MUTEX].place, "futex"));
        assert_string_equal(looks[WAITS_SEMAPHORE].place, looks[WAITS_MUTEX].place);
        assert_string_not_equal(looks[WAITS_PIPE].place, looks[WAITS_MUTEX].place);
    }
    // All at once say the same.
    struct capture_look again[N_WAITERS];
    memcpy(again, looks, sizeof again);
    capture_linux.look(again, N_WAITERS);
    for (int i = 0; i < N_WAITERS; i++) {
        assert_int_equal(again[i].object, looks[i].object);
        assert_int_equal(again[i].object_addr, looks[i].object_addr);
        assert_int_equal(again[i].owner_tid, looks[i].owner_tid);
    }
    end_world(waiters);
}

static void *spin(void *context)
{
    atomic_store((atomic_uint *)context, (unsigned)gettid());
    while (!atomic_load(&world.stop_spinning)) {
    }
    return NULL;
}

static void test_who_runs_or_is_gone_does_not_wait(void **state)
{
    (void)state;
    pthread_t thread;
    static atomic_uint tid;
    assert_int_equal(pthread_create(&thread, NULL, spin, &tid), 0);
    wait_until_set(&tid);
    struct capture_look look = {.pid = (uint32_t)getpid(), .tid = atomic_load(&tid)};
    assert_int_equal(look_at(&look), 0);
    assert_false(look.waits);
    atomic_store(&world.stop_spinning, true);
    pthread_join(thread, NULL);
    struct capture_look gone[] = {
        {.pid = INT32_MAX, .tid = INT32_MAX, .waits = true, .owner_tid = 7},
        {.pid = (uint32_t)getpid(), .tid = (uint32_t)getppid(), .waits = true},
        {.pid = (uint32_t)getpid(), .tid = (uint32_t)gettid(), .waits = true},
    };
    look_threads(gone, ARRAY_LEN(gone));
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        assert_false(gone[i].waits);
        assert_int_equal(gone[i].owner_tid, 0);
    }
}

// Of a child that is not ours to look into any more: what is missing has a reason that names it.
static void test_says_what_is_not_permitted(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip(); // only root can become somebody who may not
    }
    pid_t target = fork();
    if (target == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            pause();
        }
    }
    pid_t looker = fork();
    if (looker == 0) {
        struct capture_look look = {.pid = (uint32_t)target, .tid = (uint32_t)target};
        struct capture_ability_state ability;
        bool good = setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;
        uint64_t end_ns = clock_now_ns() + 30 * (uint64_t)NS_PER_S;
        do {
            look_at(&look);
        } while (!look.waits && clock_now_ns() < end_ns);
        look_probe_process((uint32_t)target, &ability);
        good = good && look.waits && look.object == CAPTURE_OBJECT_UNKNOWN &&
               strstr(look.not_details.text, "belongs to uid 0") != NULL && !ability.available &&
               strcmp(ability.reason.text, look.not_details.text) == 0;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(looker, &status, 0), looker);
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_abilities(void **state)
{
    (void)state;
    struct capture_ability_state general;
    look_probe(&general);
    assert_int_equal(general.available, general.reason.text[0] == 0);
    struct capture_ability_state own; // a process may always look at itself
    look_probe_process((uint32_t)getpid(), &own);
    assert_true(own.available);
    assert_string_equal(own.reason.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_syscall),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_numbers_in_other_namespaces),
        cmocka_unit_test(test_what_threads_wait_for),
        cmocka_unit_test(test_who_runs_or_is_gone_does_not_wait),
        cmocka_unit_test(test_says_what_is_not_permitted),
        cmocka_unit_test(test_abilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
