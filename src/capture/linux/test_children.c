#include "capture/linux/children.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_parses_stat_lines(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *line;
        bool good;
        uint64_t own;
        uint64_t children;
    } rows[] = {
        {"plain", "7 (cat) S 1 7 7 0 -1 4194304 9 0 0 0 10 20 3 4 20 0 1 0", true, 30, 7},
        {"command with parentheses", "7 (a) b) R 1 2) S 1 7 7 0 -1 4 9 0 0 0 1 2 3 4 20 0", true, 3,
         7},
        {"too short", "7 (cat) S 1 7 7 0 -1 4194304 9 0 0 0 10 20 3", false, 0, 0},
        {"no command", "7 cat S 1", false, 0, 0},
        {"empty", "", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stat_times times = {0};
        bool good = stat_times_parse(slice_of_text(rows[i].line), &times);
        if (good != rows[i].good || times.own_ticks != rows[i].own ||
            times.children_ticks != rows[i].children) {
            fail_msg("%s: %d %lu %lu", rows[i].name, good, (unsigned long)times.own_ticks,
                     (unsigned long)times.children_ticks);
        }
    }
}

static void burn(uint64_t cpu_ns)
{
    uint64_t start_ns = clock_thread_cpu_ns();
    while (clock_thread_cpu_ns() - start_ns < cpu_ns) {
    }
}

static void test_counts_living_and_waited_for_children(void **state)
{
    (void)state;
    enum { BURN_MS = 200 };
    struct children children;
    children_init(&children, (uint32_t)getpid());
    int ready[2];
    int leave[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte = 0;
        burn((uint64_t)BURN_MS * NS_PER_MS);
        ssize_t n = write(ready[1], &byte, 1);
        n = read(leave[0], &byte, 1);
        _exit(n == 1 ? 0 : 1);
    }
    children_add(&children, (uint32_t)pid);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    uint64_t living_ns = children_cpu_ns(&children, true);
    assert_in_range(living_ns / NS_PER_MS, BURN_MS - 50, BURN_MS * 3);
    assert_int_equal(write(leave[1], &byte, 1), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    uint64_t waited_ns = children_cpu_ns(&children, true);
    assert_true(waited_ns >= living_ns);
    assert_int_equal(children.pids.n, 0);
    // What was waited for before does not count for the next one.
    children_fini(&children);
    children_init(&children, (uint32_t)getpid());
    assert_int_equal(children_cpu_ns(&children, true), 0);
    children_fini(&children);
    close(ready[0]);
    close(ready[1]);
    close(leave[0]);
    close(leave[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses_stat_lines),
        cmocka_unit_test(test_counts_living_and_waited_for_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
