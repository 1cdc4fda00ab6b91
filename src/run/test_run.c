// The life of a run, with a backend that does what the test says.

#include "run/run.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

// ---- A backend by hand ------------------------------------------------------------------------

static struct {
    int open_error;     // what open() fails with; 0: it does not
    int drain_error;    // what drain() fails with
    uint64_t n_samples; // that the first drain delivers
    uint64_t n_waits;   // and so many waits after them
    bool ends;          // the target is gone after that
} script;

static const struct capture_backend script_backend;

static int script_open(const struct capture_request *request, struct capture **ret,
                       struct err *reterr)
{
    if (script.open_error != 0) {
        return err_set(reterr, script.open_error, "no such luck");
    }
    struct capture *capture = NEW(struct capture);
    capture->backend = &script_backend;
    capture->poll_fd = eventfd(1, EFD_CLOEXEC);
    capture->started_ns = clock_now_ns();
    capture->frequency_hz = request->frequency_hz;
    capture->abilities.at[CAPTURE_OFF_CPU].available = script.n_waits > 0;
    *ret = capture;
    return 0;
}

static int script_drain(struct capture *capture, bool final, event_sink_fn sink, void *context)
{
    (void) final;
    (void)capture;
    if (script.drain_error != 0) {
        return -script.drain_error;
    }
    const uint64_t user[] = {0x1000};
    for (; script.n_samples > 0; script.n_samples--) {
        struct event event = {.kind = EVENT_SAMPLE,
                              .pid = 7,
                              .tid = 7,
                              .time_ns = clock_now_ns(),
                              .sample = {.stack = {.user = user, .n_user = 1}}};
        sink(context, &event);
    }
    for (; script.n_waits > 0; script.n_waits--) {
        struct event event = {
            .kind = EVENT_SWITCH_OUT, .pid = 7, .tid = 7, .time_ns = clock_now_ns()};
        event.switch_out.has_stack = true;
        event.switch_out.stack = (struct event_stack){.user = user, .n_user = 1};
        sink(context, &event);
        sink(context, &(struct event){
                          .kind = EVENT_SWITCH_IN, .pid = 7, .tid = 7, .time_ns = clock_now_ns()});
    }
    return script.ends ? CAPTURE_E_ENDED : CAPTURE_OK;
}

static void script_stop(struct capture *capture)
{
    (void)capture;
}

static void script_close(struct capture *capture)
{
    close(capture->poll_fd);
    free(capture);
}

static const struct capture_backend script_backend = {.name = "script",
                                                      .open = script_open,
                                                      .drain = script_drain,
                                                      .stop = script_stop,
                                                      .close = script_close};

// ---- The test's side --------------------------------------------------------------------------

static struct library library;
static int changed_fd;

static void on_change(void *context)
{
    (void)context;
    uint64_t one = 1;
    assert_int_equal(write(changed_fd, &one, sizeof one), sizeof one);
}

static struct run *start(uint64_t time_limit_ns)
{
    struct run_params params = {.backend = &script_backend,
                                .request = {.pid = 7, .frequency_hz = 1000},
                                .label = alloc_text("test", 4),
                                .time_limit_ns = time_limit_ns,
                                .on_change = on_change};
    return run_new(1, params, &library);
}

static void wait_for(struct run *run, enum run_state state)
{
    while (run_state(run) != state) {
        uint64_t n;
        assert_int_equal(read(changed_fd, &n, sizeof n), sizeof n);
    }
}

static int set_up(void **state)
{
    (void)state;
    script.open_error = 0;
    script.drain_error = 0;
    script.n_samples = 0;
    script.n_waits = 0;
    script.ends = false;
    changed_fd = eventfd(0, EFD_CLOEXEC);
    library_init(&library, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    library_fini(&library);
    close(changed_fd);
    return 0;
}

static void test_records_until_the_target_is_gone(void **state)
{
    (void)state;
    script.n_samples = 5;
    script.ends = true;
    struct run *run = start(0);
    wait_for(run, RUN_STOPPED);
    assert_int_equal(atomic_load(&run->stop_reason), RUN_STOP_TARGET_EXITED);
    assert_int_equal(atomic_load(&run->store->samples.n), 5);
    assert_true(store_end_ns(run->store) >= run->started_ns);
    assert_true(atomic_load(&run->began));
    run_free(run);
}

// What the tap wrote, replayed, is the same run.
static void test_a_tap_has_it_all(void **state)
{
    (void)state;
    char path[] = "/tmp/test_run.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    script.n_samples = 5;
    script.n_waits = 100;
    script.ends = true;
    struct run_params params = {.backend = &script_backend,
                                .request = {.pid = 7, .frequency_hz = 1000},
                                .label = alloc_text("test", 4),
                                .tap_path = alloc_text(path, strlen(path)),
                                .on_change = on_change};
    struct run *run = run_new(1, params, &library);
    wait_for(run, RUN_STOPPED);
    assert_true(run->store->has_switches);
    assert_int_equal(atomic_load(&run->store->intervals.n), 100);
    params = (struct run_params){.backend = &capture_replay,
                                 .label = alloc_text("test", 4),
                                 .replay_path = alloc_text(path, strlen(path)),
                                 .on_change = on_change};
    struct run *again = run_new(2, params, &library);
    wait_for(again, RUN_STOPPED);
    assert_true(again->store->has_switches);
    assert_int_equal(atomic_load(&again->store->samples.n), 5);
    assert_int_equal(atomic_load(&again->store->intervals.n), 100);
    for (uint64_t i = 0; i < 100; i++) {
        struct interval one = intervals_get(&run->store->intervals, i);
        struct interval other = intervals_get(&again->store->intervals, i);
        assert_true(one.start_ns == other.start_ns && one.duration_ns == other.duration_ns &&
                    one.flags == other.flags && one.stack == other.stack);
    }
    run_free(again);
    run_free(run);
    unlink(path);
}

static void test_stops_when_asked(void **state)
{
    (void)state;
    struct run *run = start(0);
    wait_for(run, RUN_RECORDING);
    run_request_stop(run);
    wait_for(run, RUN_STOPPED);
    assert_int_equal(atomic_load(&run->stop_reason), RUN_STOP_USER);
    assert_false(atomic_load(&run->began));
    run_free(run);
}

static void test_stops_at_its_time_limit(void **state)
{
    (void)state;
    struct run *run = start(30 * NS_PER_MS);
    wait_for(run, RUN_STOPPED);
    assert_int_equal(atomic_load(&run->stop_reason), RUN_STOP_TIME_LIMIT);
    assert_true(clock_now_ns() - run->started_ns >= 30 * NS_PER_MS);
    run_free(run);
}

static void test_a_refused_capture_fails_with_its_reason(void **state)
{
    (void)state;
    script.open_error = EACCES;
    struct run *run = start(0);
    wait_for(run, RUN_FAILED);
    assert_string_equal(run->error.text, "no such luck");
    assert_int_equal(run->error_number, EACCES);
    assert_null(run->store);
    run_free(run);
}

static void test_a_broken_recorder_keeps_what_it_has(void **state)
{
    (void)state;
    script.drain_error = EIO;
    struct run *run = start(0);
    wait_for(run, RUN_STOPPED);
    assert_int_equal(atomic_load(&run->stop_reason), RUN_STOP_RECORDER_ERROR);
    assert_string_equal(run->error.text, strerror(EIO));
    assert_non_null(run->store);
    run_free(run);
}

static void test_freeing_ends_it(void **state)
{
    (void)state;
    struct run *run = start(0);
    run_free(run);
    run_free(NULL);
}

int main(void)
{
#define LIFE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LIFE(test_records_until_the_target_is_gone),
        LIFE(test_a_tap_has_it_all),
        LIFE(test_stops_when_asked),
        LIFE(test_stops_at_its_time_limit),
        LIFE(test_a_refused_capture_fails_with_its_reason),
        LIFE(test_a_broken_recorder_keeps_what_it_has),
        LIFE(test_freeing_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
