#include "cli/launch.h"

#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct launch start(const char *script)
{
    char *argv[] = {"/bin/sh", "-c", (char *)(uintptr_t)script, NULL};
    struct launch launch = LAUNCH_INIT;
    struct err err = {0};
    assert_int_equal(launch_suspended(&launch, argv, &err), 0);
    return launch;
}

static bool has_ended(const struct launch *launch, int timeout_ms)
{
    struct pollfd fd = {.fd = launch->pidfd, .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1;
}

static void test_runs_when_released_and_stays_until_reaped(void **state)
{
    (void)state;
    CLEANUP(launch_fini) struct launch launch = start("exit 42");
    assert_false(has_ended(&launch, 0));
    assert_int_equal(launch_release(&launch), 0);
    assert_true(has_ended(&launch, 10000));
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text stat = {0};
    text_addf(&path, "/proc/%d/stat", launch.pid);
    assert_int_equal(file_read(text_get(&path), 4096, &stat), 0);
    assert_int_equal(launch_reap(&launch), 42);
}

static void test_a_signal_becomes_a_status(void **state)
{
    (void)state;
    CLEANUP(launch_fini) struct launch launch = start("kill -TERM $$");
    assert_int_equal(launch_release(&launch), 0);
    assert_int_equal(launch_reap(&launch), 128 + SIGTERM);
}

static void test_what_cannot_be_executed(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int number;
    } rows[] = {
        {"/nonexistent/program", ENOENT},
        {"/", EACCES},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *argv[] = {(char *)(uintptr_t)rows[i].path, NULL};
        CLEANUP(launch_fini) struct launch launch = LAUNCH_INIT;
        struct err err = {0};
        assert_int_equal(launch_suspended(&launch, argv, &err), 0);
        assert_int_equal(launch_release(&launch), -rows[i].number);
        assert_true(has_ended(&launch, 10000));
        launch_reap(&launch);
    }
}

static void test_checks_as_exec_will_find_it(void **state)
{
    (void)state;
    setenv("PATH", "/nonexistent:/bin:/usr/bin", 1);
    assert_int_equal(launch_check("sh"), 0);
    assert_int_equal(launch_check("/bin/sh"), 0);
    assert_int_equal(launch_check("no-such-program"), -ENOENT);
    assert_int_equal(launch_check("/no/such/program"), -ENOENT);
    assert_int_equal(launch_check(""), -ENOENT);
    assert_int_equal(launch_check("/"), -EACCES);
    assert_int_equal(launch_check("/etc/passwd"), -EACCES);
    setenv("PATH", "/etc:/nonexistent", 1);
    assert_int_equal(launch_check("passwd"), -EACCES);
}

static void test_killed_before_it_began(void **state)
{
    (void)state;
    CLEANUP(launch_fini) struct launch launch = start("exit 0");
    launch_kill(&launch);
    assert_int_equal(launch.pid, 0);
}

static void test_nobody_left_to_release_it(void **state)
{
    (void)state;
    CLEANUP(launch_fini) struct launch launch = start("exit 0");
    closep(&launch.release_fd);
    assert_int_equal(launch_reap(&launch), 127);
}

// Every descriptor beyond the streams would be ours.
static void test_inherits_nothing(void **state)
{
    (void)state;
    CLEANUP(launch_fini)
    struct launch launch = start(
        "for f in /proc/$$/fd/*; do case $f in */0|*/1|*/2) ;; *) readlink $f | grep -q "
        "'^pipe' && exit 1 ;; esac; done; exit 0");
    assert_int_equal(launch_release(&launch), 0);
    assert_int_equal(launch_reap(&launch), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_when_released_and_stays_until_reaped),
        cmocka_unit_test(test_a_signal_becomes_a_status),
        cmocka_unit_test(test_what_cannot_be_executed),
        cmocka_unit_test(test_checks_as_exec_will_find_it),
        cmocka_unit_test(test_killed_before_it_began),
        cmocka_unit_test(test_nobody_left_to_release_it),
        cmocka_unit_test(test_inherits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
