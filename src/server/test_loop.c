#include "server/loop.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct end {
    struct loop_fd io;
    struct loop *loop;
    struct end *other; // what its handler acts upon
    int n_read;
    int n_written;
    int n_closed;
};

static struct loop loop;
static _Atomic bool was_woken;

static void on_wake(void *user)
{
    (void)user; // also called when nobody woke it
    if (was_woken) {
        loop_stop(&loop);
    }
}

static void on_closed(struct loop_fd *io)
{
    CONTAINER_OF(io, struct end, io)->n_closed++;
}

static bool read_and_stop(struct loop_fd *io)
{
    struct end *end = CONTAINER_OF(io, struct end, io);
    char byte;
    assert_int_equal(read(io->fd, &byte, 1), 1);
    end->n_read++;
    loop_stop(end->loop);
    return true;
}

static int watch(struct end *end, bool (*on_readable)(struct loop_fd *io))
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    *end = (struct end){.loop = &loop,
                        .io = {.fd = pair[0], .on_readable = on_readable, .on_closed = on_closed}};
    assert_int_equal(loop_add(&loop, &end->io), 0);
    return pair[1];
}

static void run(void)
{
    loop.stopping = false;
    loop_run(&loop);
}

static int set_up(void **state)
{
    (void)state;
    was_woken = false;
    return loop_init(&loop, on_wake, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    loop_fini(&loop);
    return 0;
}

static void test_reads_what_arrives(void **state)
{
    (void)state;
    static struct end end;
    int peer = watch(&end, read_and_stop);
    assert_int_equal(write(peer, "ab", 2), 2);
    run();
    run();
    assert_int_equal(end.n_read, 2);
    close(peer);
    loop_fini(&loop);
    assert_int_equal(end.n_closed, 1);
}

static bool close_other_and_self(struct loop_fd *io)
{
    struct end *end = CONTAINER_OF(io, struct end, io);
    end->n_read++;
    loop_close_later(&end->other->io);
    return false;
}

static bool must_not_read(struct loop_fd *io)
{
    (void)io;
    fail_msg("a closed descriptor was read");
    return false;
}

static void stop_loop(struct loop_timer *timer)
{
    (void)timer;
    loop_stop(&loop);
}

static void test_a_handler_may_close_itself_and_its_neighbour(void **state)
{
    (void)state;
    static struct end one;
    static struct end two;
    struct loop_timer timer = {.on_time = stop_loop};
    int peer_one = watch(&one, close_other_and_self);
    int peer_two = watch(&two, must_not_read);
    one.other = &two;
    assert_int_equal(write(peer_one, "a", 1), 1);
    loop_timer_set(&loop, &timer, 20 * NS_PER_MS);
    run();
    assert_int_equal(one.n_closed, 1);
    assert_int_equal(two.n_closed, 1);
    close(peer_one);
    close(peer_two);
}

static bool write_and_stop(struct loop_fd *io)
{
    struct end *end = CONTAINER_OF(io, struct end, io);
    end->n_written++;
    loop_stop(end->loop);
    return true;
}

static void test_writes_only_when_it_wants_to(void **state)
{
    (void)state;
    static struct end end;
    int peer = watch(&end, read_and_stop);
    end.io.on_writable = write_and_stop;
    loop_want_write(&end.io);
    run();
    assert_int_equal(end.n_written, 1);
    assert_int_equal(write(peer, "a", 1), 1);
    run();
    assert_int_equal(end.n_written, 1);
    close(peer);
}

static bool hand_over(struct loop_fd *io)
{
    struct end *end = CONTAINER_OF(io, struct end, io);
    end->n_read++;
    loop_hand_over(io, &end->other->io);
    free(end);
    return true;
}

// What has arrived and was not read is the other's to read; the first one may be gone at once.
static void test_a_descriptor_can_be_handed_over(void **state)
{
    (void)state;
    static struct end second;
    struct end *first = NEW(struct end);
    int peer = watch(first, hand_over);
    second = (struct end){.loop = &loop,
                          .io = {.on_readable = read_and_stop,
                                 .on_writable = write_and_stop,
                                 .on_closed = on_closed}};
    first->other = &second;
    assert_int_equal(write(peer, "a", 1), 1);
    run();
    assert_int_equal(second.n_read, 1);
    loop_want_write(&second.io);
    run();
    assert_int_equal(second.n_written, 1);
    assert_int_equal(second.n_closed, 0);
    loop_fini(&loop);
    assert_int_equal(second.n_closed, 1);
    close(peer);
}

static void test_does_not_read_while_it_does_not_want_to(void **state)
{
    (void)state;
    static struct end end;
    struct loop_timer timer = {.on_time = stop_loop};
    int peer = watch(&end, read_and_stop);
    loop_want_read(&end.io, false);
    assert_int_equal(write(peer, "a", 1), 1);
    loop_timer_set(&loop, &timer, 20 * NS_PER_MS);
    run();
    assert_int_equal(end.n_read, 0);
    loop_want_read(&end.io, true);
    run();
    assert_int_equal(end.n_read, 1);
    close(peer);
}

static void test_timers_fire_once_and_not_early(void **state)
{
    (void)state;
    struct loop_timer timer = {.on_time = stop_loop};
    struct loop_timer cancelled = {.on_time = stop_loop};
    uint64_t start_ns = clock_now_ns();
    loop_timer_set(&loop, &cancelled, 1 * NS_PER_MS);
    loop_timer_cancel(&cancelled);
    loop_timer_set(&loop, &timer, 30 * NS_PER_MS);
    run();
    assert_true(clock_now_ns() - start_ns >= 30 * NS_PER_MS);
}

static void *wake(void *context)
{
    was_woken = true;
    loop_wake(context);
    return NULL;
}

static void test_another_thread_can_wake_it(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake, &loop), 0);
    run(); // returns only when on_wake() has been called since
    pthread_join(thread, NULL);
}

// Sets itself again and again, while another one that is set stays set.
struct again {
    struct loop_timer timer;
    int n_left;
};

static void fire_again(struct loop_timer *timer)
{
    struct again *again = CONTAINER_OF(timer, struct again, timer);
    if (--again->n_left == 0) {
        loop_stop(&loop);
    } else {
        loop_timer_set(&loop, timer, 5900000);
    }
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static void test_waiting_for_a_timer_costs_nothing(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    struct again again = {.timer = {.on_time = fire_again}, .n_left = ROUNDS};
    struct loop_timer later = {.on_time = stop_loop};
    uint64_t began_ns = clock_now_ns();
    uint64_t cpu_ns = thread_cpu_ns();
    loop_timer_set(&loop, &later, (uint64_t)3600 * NS_PER_S);
    loop_timer_set(&loop, &again.timer, 0);
    loop_run(&loop);
    assert_int_equal(again.n_left, 0);
    assert_true(clock_now_ns() - began_ns >= (uint64_t)(ROUNDS - 1) * 5900000);
    assert_true(thread_cpu_ns() - cpu_ns <
                (uint64_t)10 * NS_PER_MS); // not a look at the clock each µs
    loop_timer_cancel(&later);
}

int main(void)
{
#define LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LOOP(test_reads_what_arrives),
        LOOP(test_a_descriptor_can_be_handed_over),
        LOOP(test_a_handler_may_close_itself_and_its_neighbour),
        LOOP(test_writes_only_when_it_wants_to),
        LOOP(test_does_not_read_while_it_does_not_want_to),
        LOOP(test_timers_fire_once_and_not_early),
        LOOP(test_waiting_for_a_timer_costs_nothing),
        LOOP(test_another_thread_can_wake_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
