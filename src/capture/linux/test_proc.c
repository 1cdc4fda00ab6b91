#include "capture/linux/perf_open.h"
#include "capture/linux/proc.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static void test_maps_line_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool taken;
        bool executable;
        uint64_t start_addr;
        uint64_t end_addr;
        uint64_t file_off;
        uint64_t inode;
        const char *path;
    } rows[] = {
        {"55d0a000-55d0b000 r-xp 00001000 fd:01 1234                       /usr/bin/cat\n", true,
         true, 0x55d0a000, 0x55d0b000, 0x1000, 1234, "/usr/bin/cat"},
        {"7f00-8f00 rw-p 00000000 00:00 0 \n", true, false, 0x7f00, 0x8f00, 0, 0, ""},
        {"7f00-8f00 rw-p 00000000 00:00 0\n", true, false, 0x7f00, 0x8f00, 0, 0, ""},
        {"1000-2000 r-xp 0 00:00 0    [vdso]\n", true, true, 0x1000, 0x2000, 0, 0, "[vdso]"},
        {"1000-2000 rwxp 0 08:10 7  /tmp/a  b c.so\n", true, true, 0x1000, 0x2000, 0, 7,
         "/tmp/a  b c.so"},
        {"1000-2000 r-xs 0 08:10 7  /lib/x.so (deleted)\n", true, true, 0x1000, 0x2000, 0, 7,
         "/lib/x.so (deleted)"},
        {"1000-2000 r-xp 0 08:10 7  /lib/new\\012line\n", true, true, 0x1000, 0x2000, 0, 7,
         "/lib/new\nline"},
        {"1000-2000 r-xp 0 08:10 7  /lib/\\011tab", true, true, 0x1000, 0x2000, 0, 7,
         "/lib/\\011tab"},
        {"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n", true,
         true, 0xffffffffff600000, 0xffffffffff601000, 0, 0, "[vsyscall]"},
        {"2000-1000 r-xp 0 08:10 7 /x\n", false, false, 0, 0, 0, 0, ""},
        {"1000-2000 r-x 0 08:10 7 /x\n", false, false, 0, 0, 0, 0, ""},
        {"1000-2000 r-xp 0 0810 7 /x\n", false, false, 0, 0, 0, 0, ""},
        {"1000-20000000000000000 r-xp 0 08:10 7 /x\n", false, false, 0, 0, 0, 0, ""},
        {"1000 r-xp\n", false, false, 0, 0, 0, 0, ""},
        {"\n", false, false, 0, 0, 0, 0, ""},
        {"", false, false, 0, 0, 0, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reader from = reader_of(slice_of_text(rows[i].line));
        struct proc_mapping mapping;
        if (proc_maps_next(&from, &mapping) != rows[i].taken) {
            fail_msg("%s", rows[i].line);
        }
        if (!rows[i].taken) {
            continue;
        }
        CLEANUP(text_fini) struct text path = {0};
        proc_path_unescape(&path, mapping.path);
        assert_string_equal(text_get(&path), rows[i].path);
        assert_int_equal(mapping.executable, rows[i].executable);
        assert_int_equal(mapping.start_addr, rows[i].start_addr);
        assert_int_equal(mapping.end_addr, rows[i].end_addr);
        assert_int_equal(mapping.file_off, rows[i].file_off);
        assert_int_equal(mapping.inode, rows[i].inode);
        assert_false(proc_maps_next(&from, &mapping));
    }
}

static void test_a_line_that_is_none_is_skipped(void **state)
{
    (void)state;
    struct reader from = reader_of(slice_of_text("1000-2000 r-xp 0 fd:1 7 /a\nnonsense\n"
                                                 "3000-4000 r-xp 0 fd:2 8 /b\n"));
    struct proc_mapping mapping;
    assert_true(proc_maps_next(&from, &mapping));
    assert_int_equal(mapping.device, makedev(0xfd, 1));
    assert_true(proc_maps_next(&from, &mapping));
    assert_int_equal(mapping.start_addr, 0x3000);
    assert_false(proc_maps_next(&from, &mapping));
}

static void test_stat(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool taken;
        char state;
        bool kernel_thread;
        uint64_t cpu_ns;
        uint64_t children_cpu_ns;
    } rows[] = {
        {"7 (cat) S 1 7 7 34816 7 4194304 5 6 0 0 10 20 3 4 20 0 1 0 9 8 7\n", true, 'S', false,
         300, 70},
        {"7 (a) Z (b)) R 1 7 7 0 -1 2129984 5 6 0 0 0 0 0 0 20 0\n", true, 'R', true, 0, 0},
        {"7 () Z 1 7 7 0 -1 4 5 6 0 0 1 1 0 0 20\n", true, 'Z', false, 20, 0},
        {"7 (cat) S 1 7 7 34816 7 x 5 6 0 0 10 20 3 4 20\n", false, 0, false, 0, 0},
        {"7 (cat) S 1 7", false, 0, false, 0, 0},
        {"7 (cat)", false, 0, false, 0, 0},
        {"7 cat S 1", false, 0, false, 0, 0},
        {"", false, 0, false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proc_stat stat;
        if (proc_stat_parse(slice_of_text(rows[i].line), 10, &stat) != rows[i].taken) {
            fail_msg("%s", rows[i].line);
        }
        if (rows[i].taken) {
            assert_int_equal(stat.state, rows[i].state);
            assert_int_equal(stat.kernel_thread, rows[i].kernel_thread);
            assert_int_equal(stat.cpu_ns, rows[i].cpu_ns);
            assert_int_equal(stat.children_cpu_ns, rows[i].children_cpu_ns);
        }
    }
}

static void test_lists_of_cpus(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool taken;
        size_t n;
        uint32_t last;
    } rows[] = {
        {"0\n", true, 1, 0},       {"0-3\n", true, 4, 3},          {"0-1,4,6-8\n", true, 6, 8},
        {"3", true, 1, 3},         {"0,2\n", true, 2, 2},          {"", false, 0, 0},
        {"\n", false, 0, 0},       {"3-1\n", false, 0, 0},         {"0-\n", false, 0, 0},
        {"0,\n", false, 0, 0},     {"1-2-3\n", false, 0, 0},       {"a\n", false, 0, 0},
        {"0-9999\n", false, 0, 0}, {"99999999999\n", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct perf_cpus cpus = {0};
        if (perf_cpus_parse(slice_of_text(rows[i].list), &cpus) != rows[i].taken) {
            fail_msg("%s", rows[i].list);
        }
        if (rows[i].taken) {
            assert_int_equal(cpus.list.n, rows[i].n);
            assert_int_equal(*vec_last(&cpus.list), rows[i].last);
        }
        vec_fini(&cpus.list);
    }
}

static void test_reads_about_itself(void **state)
{
    (void)state;
    uint32_t pid = (uint32_t)getpid();
    struct proc_stat stat;
    assert_int_equal(proc_stat(pid, &stat), 0);
    assert_false(stat.kernel_thread);
    assert_int_equal(stat.state, 'R');
    assert_int_equal(proc_stat(INT32_MAX, &stat), -ESRCH);

    struct proc_ids ids = {0};
    assert_int_equal(proc_threads(pid, &ids), 0);
    assert_int_equal(ids.list.n, 1);
    assert_int_equal(ids.list.at[0], pid);
    vec_fini(&ids.list);
    assert_int_equal(proc_threads(INT32_MAX, &ids), -ESRCH);

    CLEANUP(text_fini) struct text name = {0};
    assert_true(proc_name(pid, pid, &name));
    assert_string_equal(text_get(&name), "test_proc");
    uint32_t uid;
    assert_int_equal(proc_owner(pid, &uid), 0);
    assert_int_equal(uid, geteuid());
}

struct sleeper {
    int fd;
    _Atomic uint32_t tid;
};

static void *wait_for_byte(void *context)
{
    struct sleeper *sleeper = context;
    char byte;
    atomic_store(&sleeper->tid, (uint32_t)gettid());
    ssize_t n = read(sleeper->fd, &byte, 1);
    (void)n;
    return NULL;
}

static void test_who_sleeps_and_whose_thread_it_is(void **state)
{
    (void)state;
    uint32_t pid = (uint32_t)getpid();
    int fds[2];
    pthread_t thread;
    assert_int_equal(pipe(fds), 0);
    struct sleeper sleeper = {.fd = fds[0]};
    assert_int_equal(pthread_create(&thread, NULL, wait_for_byte, &sleeper), 0);
    while (atomic_load(&sleeper.tid) == 0) {
    }
    uint32_t tid = atomic_load(&sleeper.tid);
    while (!proc_is_asleep(pid, tid)) {
    }
    assert_false(proc_is_asleep(pid, pid)); // it asks
    assert_false(proc_is_asleep(pid, INT32_MAX));
    uint32_t process = 0;
    assert_true(proc_process_of(tid, &process));
    assert_int_equal(process, pid);
    assert_false(proc_process_of(INT32_MAX, &process));
    assert_int_equal(process, pid);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
}

static void test_finds_its_own_code_in_maps(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text maps = {0};
    assert_int_equal(proc_maps((uint32_t)getpid(), &maps), 0);
    struct reader from = reader_of(slice_of_text(text_get(&maps)));
    struct proc_mapping mapping;
    uint64_t here = (uint64_t)(uintptr_t)&test_finds_its_own_code_in_maps;
    int found = 0;
    while (proc_maps_next(&from, &mapping)) {
        found += mapping.executable && mapping.start_addr <= here && here < mapping.end_addr;
    }
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_line_by_line),
        cmocka_unit_test(test_a_line_that_is_none_is_skipped),
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_lists_of_cpus),
        cmocka_unit_test(test_reads_about_itself),
        cmocka_unit_test(test_who_sleeps_and_whose_thread_it_is),
        cmocka_unit_test(test_finds_its_own_code_in_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
