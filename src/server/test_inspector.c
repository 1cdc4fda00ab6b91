#include "server/inspector.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// Processes by number: what happens to who looks at them. Others let themselves be looked at.
enum { HOSTILE_PID = 13, OTHER_HOSTILE_PID = 14, FIRST_PID = 5, LAST_PID = 99 };

// A look at a hostile process ends when the test says so; at the end of a test all must be over, so
// that none disturbs the next one.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool released;
static int n_stuck;

static struct loop loop;
static struct inspector inspector;
static int n_wanted; // questions after which the loop ends
static VEC(struct question *) looked;

static void look(struct capture_look *looks, size_t n)
{
    bool hostile = looks[0].pid == HOSTILE_PID || looks[0].pid == OTHER_HOSTILE_PID;
    pthread_mutex_lock(&lock);
    n_stuck += hostile;
    pthread_cond_broadcast(&changed);
    while (hostile && !released) {
        pthread_cond_wait(&changed, &lock);
    }
    n_stuck -= hostile;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(looks[i].pid, looks[0].pid); // one process at a time
        looks[i].waits = true;
        snprintf(looks[i].place, sizeof looks[i].place, "wait_%u", looks[i].tid);
    }
}

static void on_wake(void *user)
{
    inspector_check(user);
}

static void on_looked(void *context, struct question *question)
{
    assert_ptr_equal(context, &inspector);
    vec_push(&looked, question);
    if ((int)looked.n == n_wanted) {
        loop_stop(&loop);
    }
}

// Nothing may call into the inspector before it is there: the loop may wake without cause.
static int set_up(void **state)
{
    (void)state;
    pthread_mutex_lock(&lock);
    released = false;
    pthread_mutex_unlock(&lock);
    n_wanted = 0;
    int r = loop_init(&loop, on_wake, &inspector);
    inspector_init(&inspector, &loop, on_looked, &inspector);
    return r;
}

static void release(void)
{
    pthread_mutex_lock(&lock);
    released = true;
    pthread_cond_broadcast(&changed);
    while (n_stuck > 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < looked.n; i++) {
        question_free(looked.at[i]);
    }
    vec_fini(&looked);
    inspector_fini(&inspector);
    loop_fini(&loop);
    release();
    return 0;
}

static void run_until(int n)
{
    n_wanted = n;
    loop.stopping = (int)looked.n >= n;
    loop_run(&loop);
    assert_int_equal(looked.n, n);
}

// Asks for two threads of each process.
static struct question *ask(const uint32_t *pids, size_t n)
{
    struct question *question = question_new(QUESTION_NOW, NULL);
    question->looks.look = look;
    for (uint32_t i = 0; i < 2 * n; i++) {
        uint32_t pid = pids[i / 2];
        vec_push(&question->looks.all, (struct capture_look){.pid = pid, .tid = 10 * pid + i % 2});
    }
    inspector_ask(&inspector, question);
    return question;
}

#define ASK(...)                                                                                   \
    ask((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void wait_until_stuck(int n)
{
    pthread_mutex_lock(&lock);
    while (n_stuck < n) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static uint64_t deadline_after(uint64_t start_ns)
{
    return start_ns + (uint64_t)INSPECTOR_PATIENCE_MS * NS_PER_MS;
}

static void test_finds_what_is_there(void **state)
{
    (void)state;
    struct question *question = ASK(LAST_PID, FIRST_PID);
    run_until(1);
    assert_ptr_equal(looked.at[0], question);
    const struct question_looks *looks = &question->looks;
    assert_string_equal(looks->note.text, "");
    assert_int_equal(looks->all.n, 4);
    const uint32_t tids[] = {990, 991, 50, 51};
    for (size_t i = 0; i < ARRAY_LEN(tids); i++) {
        char place[CAPTURE_PLACE_BYTES];
        snprintf(place, sizeof place, "wait_%u", tids[i]);
        assert_int_equal(looks->all.at[i].tid, tids[i]);
        assert_true(looks->all.at[i].waits);
        assert_string_equal(looks->all.at[i].place, place);
    }
}

static void test_answers_in_turn_when_there_are_many(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 10; i++) {
        ASK(i);
    }
    run_until(10);
    for (size_t i = 0; i < 10; i++) {
        assert_string_equal(looked.at[i]->looks.note.text, "");
        assert_int_equal(looked.at[i]->looks.all.n, 2);
    }
}

// The processes that come before the hostile one were looked at, and that is not lost.
static void test_a_hostile_process_costs_no_more_than_the_time_limit(void **state)
{
    (void)state;
    uint64_t start_ns = clock_now_ns();
    struct question *question = ASK(FIRST_PID, HOSTILE_PID, LAST_PID);
    run_until(1);
    assert_true(clock_now_ns() >= deadline_after(start_ns));
    const struct question_looks *looks = &question->looks;
    assert_string_equal(looks->note.text, "process 13 did not let itself be looked at in time");
    assert_int_equal(looks->all.n, 2);
    assert_int_equal(looks->all.at[0].pid, FIRST_PID);
    assert_true(looks->all.at[1].waits);
}

static void test_one_stuck_thread_holds_up_nobody(void **state)
{
    (void)state;
    struct question *stuck = ASK(HOSTILE_PID);
    wait_until_stuck(1);
    struct question *other = ASK(FIRST_PID);
    run_until(2);
    assert_ptr_equal(looked.at[0], other);
    assert_string_equal(other->looks.note.text, "");
    assert_int_equal(other->looks.all.n, 2);
    assert_ptr_equal(looked.at[1], stuck);
    assert_int_equal(stuck->looks.all.n, 0);
}

static void test_no_more_threads_are_lost_than_there_may_be(void **state)
{
    (void)state;
    ASK(HOSTILE_PID);
    ASK(OTHER_HOSTILE_PID);
    struct question *late = ASK(FIRST_PID);
    wait_until_stuck(2);
    run_until(3);
    assert_ptr_equal(looked.at[2], late);
    assert_int_equal(late->looks.all.n, 0);
    assert_string_equal(late->looks.note.text,
                        "what threads wait for was not looked up: earlier looks are not over yet");
    wait_until_stuck(INSPECTOR_THREADS); // and they still are

    release(); // and from then on there is a place again
    struct question *next = ASK(FIRST_PID);
    run_until(4);
    assert_ptr_equal(looked.at[3], next);
    assert_string_equal(next->looks.note.text, "");
    assert_int_equal(next->looks.all.n, 2);
}

static void test_it_ends_at_once_whatever_is_under_way(void **state)
{
    (void)state;
    ASK(HOSTILE_PID);
    ASK(FIRST_PID);
    ASK(OTHER_HOSTILE_PID);
    ASK(LAST_PID);
    wait_until_stuck(1);
    // The last test: some may only be on their way. tear_down() frees the inspector and the loop
    // first, and lets the threads go on after that.
}

int main(void)
{
#define INSPECTOR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        INSPECTOR(test_finds_what_is_there),
        INSPECTOR(test_answers_in_turn_when_there_are_many),
        INSPECTOR(test_a_hostile_process_costs_no_more_than_the_time_limit),
        INSPECTOR(test_one_stuck_thread_holds_up_nobody),
        INSPECTOR(test_no_more_threads_are_lost_than_there_may_be),
        INSPECTOR(test_it_ends_at_once_whatever_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
