// Files that a JIT would write, read while they grow: first by one source, then by the thread.

#include "run/jit_reader.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// A root directory with a /tmp of its own. The target is this process.
struct world {
    char root_path[64];
    char map_path[128]; // of the perf map, seen from outside
    struct image_root *root;
    struct text seen; // events, as text
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    snprintf(w->root_path, sizeof w->root_path, "/tmp/test-jit-XXXXXX");
    assert_non_null(mkdtemp(w->root_path));
    char path[128];
    snprintf(path, sizeof path, "%s/tmp", w->root_path);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(w->map_path, sizeof w->map_path, "%s/tmp/perf-%d.map", w->root_path, getpid());
    w->root = image_root_open_directory(w->root_path);
    assert_non_null(w->root);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char path[128];
    unlink(w->map_path);
    snprintf(path, sizeof path, "%s/jit-7.dump", w->root_path);
    unlink(path);
    snprintf(path, sizeof path, "%s/tmp", w->root_path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(w->root_path), 0);
    image_root_unref(w->root);
    text_fini(&w->seen);
    free(w);
    return 0;
}

static void put_file(const char *path, int flags, const void *bytes, size_t n)
{
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, bytes, n), 0);
}

static void add_line(struct world *w, const char *line)
{
    put_file(w->map_path, O_APPEND, line, strlen(line));
}

static void note(void *context, const struct event *event)
{
    struct text *seen = context;
    assert_int_equal(event->kind, EVENT_CODE_LOADED);
    assert_int_equal(event->pid, getpid());
    text_addf(seen, "%.*s at %llu; ", (int)event->code_loaded.name.n, event->code_loaded.name.data,
              (unsigned long long)event->time_ns);
}

static struct jit_watch map_watch(const struct world *w)
{
    return (struct jit_watch){
        .kind = JIT_SOURCE_PERF_MAP, .pid = (uint32_t)getpid(), .root = w->root, .since_ns = 100};
}

static const char *look(struct world *w, struct jit_source *source, uint64_t now_ns)
{
    text_clear(&w->seen);
    assert_false(jit_source_look(source, now_ns, 1 << 20, note, &w->seen));
    return text_get(&w->seen);
}

static void test_a_map_has_times_by_its_looks(void **state)
{
    struct world *w = *state;
    CLEANUP(jit_source_fini) struct jit_source source;
    struct jit_watch watch = map_watch(w);
    jit_source_init(&source, &watch);
    assert_string_equal(look(w, &source, 200), ""); // not there yet
    add_line(w, "1000 10 a\n2000 10 b\n30");
    assert_string_equal(look(w, &source, 300), "a at 100; b at 100; ");
    assert_string_equal(look(w, &source, 400), "");
    add_line(w, "00 10 c\n1008 10 d\n"); // c is where nothing was; d takes the place of a
    assert_string_equal(look(w, &source, 500), "c at 100; d at 400; ");
    add_line(w, "1000 8 a\n");
    assert_string_equal(look(w, &source, 600), "a at 100; ");
    struct jit_report report;
    jit_source_report(&source, &report);
    assert_int_equal(report.codes, 5);
    assert_string_equal(report.note.text, "");
}

static void test_a_map_that_is_written_anew(void **state)
{
    struct world *w = *state;
    CLEANUP(jit_source_fini) struct jit_source source;
    struct jit_watch watch = map_watch(w);
    jit_source_init(&source, &watch);
    add_line(w, "1000 10 a\n2000 10 b\n4000 10 x\n");
    assert_string_equal(look(w, &source, 200), "a at 100; b at 100; x at 100; ");
    put_file(w->map_path, O_TRUNC, "1000 10 a\n2000 10 c\n", 20); // shrunk: the same file
    assert_string_equal(look(w, &source, 300), "c at 200; ");
    assert_int_equal(unlink(w->map_path), 0); // another file, and longer
    assert_string_equal(look(w, &source, 400), "");
    add_line(w, "1000 10 a\n2000 10 c\n3000 10 d\n5000 10 e\n1000 10 f\n");
    assert_string_equal(look(w, &source, 500), "d at 100; e at 100; f at 400; ");
    struct jit_report report;
    jit_source_report(&source, &report);
    assert_int_equal(report.skipped, 3); // a, and later a and c
}

static void test_files_that_are_refused(void **state)
{
    struct world *w = *state;
    struct jit_report report;
    struct jit_watch watch = map_watch(w);
    CLEANUP(jit_source_fini) struct jit_source source;
    jit_source_init(&source, &watch);
    assert_int_equal(mkfifo(w->map_path, 0600), 0); // opening it would wait for a writer
    assert_string_equal(look(w, &source, 200), "");
    jit_source_report(&source, &report);
    assert_non_null(strstr(report.note.text, "not a regular file"));
    unlink(w->map_path);
    add_line(w, "1000 10 a\n");
    source.started_unix_ns = clock_unix_ns() + NS_PER_S; // as if the process began later
    assert_string_equal(look(w, &source, 300), "");
    jit_source_report(&source, &report);
    assert_non_null(strstr(report.note.text, "older than the process"));
    source.started_unix_ns = 0;
    assert_string_equal(look(w, &source, 400), "a at 100; "); // what is mended is read
    jit_source_report(&source, &report);
    assert_string_equal(report.note.text, "");
}

static void test_a_file_of_another_user(void **state)
{
    struct world *w = *state;
    if (geteuid() != 0) {
        skip();
    }
    CLEANUP(jit_source_fini) struct jit_source source;
    struct jit_watch watch = map_watch(w);
    jit_source_init(&source, &watch);
    add_line(w, "1000 10 a\n");
    assert_int_equal(chown(w->map_path, 12345, 12345), 0);
    assert_string_equal(look(w, &source, 200), "");
    struct jit_report report;
    jit_source_report(&source, &report);
    assert_non_null(strstr(report.note.text, "another user (12345)"));
    source.uid = 12345; // the target's own
    assert_string_equal(look(w, &source, 300), "a at 100; ");
}

// A jitdump with one function that was loaded at that time.
static void put_dump(struct world *w, uint64_t time_ns, const char *name, struct stat *ret)
{
#if defined(__x86_64__)
    enum { MACHINE = 62 };
#else
    enum { MACHINE = 183 };
#endif
    uint32_t header[10] = {0x4a695444, 1, 40, MACHINE};
    uint32_t size = (uint32_t)(16 + 40 + strlen(name) + 1 + 1);
    uint32_t prefix[2] = {0, size};
    uint64_t fields[6] = {time_ns, 0, 0x1000, 0x1000, 1, 1};
    char path[128];
    snprintf(path, sizeof path, "%s/jit-7.dump", w->root_path);
    put_file(path, O_TRUNC, header, sizeof header);
    put_file(path, O_APPEND, prefix, sizeof prefix);
    put_file(path, O_APPEND, fields, sizeof fields);
    put_file(path, O_APPEND, name, strlen(name) + 1);
    put_file(path, O_APPEND, "\xc3", 1);
    assert_int_equal(stat(path, ret), 0);
}

static struct jit_watch dump_watch(const struct world *w, uint64_t inode)
{
    return (struct jit_watch){.kind = JIT_SOURCE_JITDUMP,
                              .pid = (uint32_t)getpid(),
                              .root = w->root,
                              .path = slice_of_text("/jit-7.dump"),
                              .inode = inode};
}

static void test_a_dump_is_the_file_that_was_mapped(void **state)
{
    struct world *w = *state;
    struct stat st;
    put_dump(w, 77, "f", &st);
    struct jit_watch watch = dump_watch(w, st.st_ino + 1);
    CLEANUP(jit_source_fini) struct jit_source other;
    jit_source_init(&other, &watch);
    assert_string_equal(look(w, &other, 200), "");
    struct jit_report report;
    jit_source_report(&other, &report);
    assert_non_null(strstr(report.note.text, "not the file that was mapped"));
    CLEANUP(jit_source_fini) struct jit_source source;
    watch.inode = st.st_ino;
    jit_source_init(&source, &watch);
    assert_string_equal(look(w, &source, 200), "f at 77; ");
    jit_source_report(&source, &report);
    assert_string_equal(report.path, "/jit-7.dump");
    assert_int_equal(report.codes, 1);
    put_file(w->map_path, 0, "", 0);
    put_dump(w, 78, "", &st); // cut off, and written anew, shorter
    assert_string_equal(look(w, &source, 300), "");
    jit_source_report(&source, &report);
    assert_non_null(strstr(report.note.text, "shorter"));
}

static void test_names_of_dumps(void **state)
{
    (void)state;
    static const char *const good[] = {"/jit-1.dump", "/srv/app/jit-4711.dump"};
    static const char *const bad[] = {"",
                                      ".dump",
                                      "jit-1.dump",
                                      "/jit-.dump",
                                      "/jit-1.dumps",
                                      "/jit-1a.dump",
                                      "/jit1.dump",
                                      "/xjit-1.dump",
                                      "-1.dump",
                                      "1.dump",
                                      "/jit-1.dump (deleted)",
                                      "/it-1.dump"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(jit_reader_is_dump(slice_of_text(good[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(jit_reader_is_dump(slice_of_text(bad[i])));
    }
}

// ---- The thread --------------------------------------------------------------------------------

static void test_the_last_look_takes_all(void **state)
{
    struct world *w = *state;
    struct jit_reader *reader = jit_reader_new();
    struct jit_watch watch = map_watch(w);
    jit_reader_finish(reader, note, &w->seen); // nothing to wait for
    jit_reader_free(reader);
    reader = jit_reader_new();
    jit_reader_watch(reader, &watch);
    add_line(w, "1000 10 a\n");
    jit_reader_finish(reader, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "a at 100; ");
    struct jit_reports reports = {0};
    assert_true(jit_reader_report(reader, &reports));
    assert_int_equal(reports.list.n, 1);
    assert_int_equal(reports.list.at[0].codes, 1);
    assert_false(jit_reader_report(reader, &reports));
    vec_fini(&reports.list);
    assert_string_equal(reader->note.text, "");
    jit_reader_free(reader);
}

// Until something has been read, however long that takes.
static void collect_some(struct jit_reader *reader)
{
    while (reader->first_ready == reader->ready.n) {
        jit_reader_collect(reader);
        sched_yield();
    }
}

static void test_news_in_the_order_of_their_times(void **state)
{
    struct world *w = *state;
    struct stat st;
    put_dump(w, 50, "of the dump", &st);
    add_line(w, "1000 10 a\n");
    struct jit_reader *reader = jit_reader_new();
    struct jit_watch watch = map_watch(w);
    jit_reader_watch(reader, &watch);
    collect_some(reader);
    watch = dump_watch(w, st.st_ino);
    jit_reader_watch(reader, &watch);
    while (reader->ready.n < 2) {
        jit_reader_collect(reader);
        sched_yield();
    }
    jit_reader_deliver(reader, 49, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "");
    jit_reader_deliver(reader, 50, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "of the dump at 50; ");
    jit_reader_deliver(reader, 200, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "of the dump at 50; a at 100; ");
    text_clear(&w->seen);
    add_line(w, "2000 10 b\n"); // heard of without being asked for
    collect_some(reader);
    jit_reader_finish(reader, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "b at 100; ");
    jit_reader_free(reader);
}

static void test_what_claims_the_future_does_not_wait_for_it(void **state)
{
    struct world *w = *state;
    struct stat st;
    put_dump(w, UINT64_MAX, "f", &st);
    struct jit_reader *reader = jit_reader_new();
    struct jit_watch watch = dump_watch(w, st.st_ino);
    jit_reader_watch(reader, &watch);
    collect_some(reader);
    jit_reader_deliver(reader, 1, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "f at 18446744073709551615; ");
    jit_reader_free(reader);
}

static void test_an_exec_begins_anew(void **state)
{
    struct world *w = *state;
    add_line(w, "1000 10 a\n");
    struct jit_reader *reader = jit_reader_new();
    struct jit_watch watch = map_watch(w);
    jit_reader_watch(reader, &watch);
    collect_some(reader);
    jit_reader_deliver(reader, UINT64_MAX, note, &w->seen);
    watch.since_ns = 500;
    jit_reader_watch(reader, &watch);
    jit_reader_finish(reader, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "a at 100; a at 500; ");
    jit_reader_free(reader);
}

static void test_closing_does_not_wait(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 20; i++) {
        struct jit_reader *reader = jit_reader_new();
        struct jit_watch watch = map_watch(w);
        jit_reader_watch(reader, &watch);
        jit_reader_free(reader);
    }
    jit_reader_free(NULL);
}

static void test_sources_are_bounded(void **state)
{
    struct world *w = *state;
    struct jit_reader *reader = jit_reader_new();
    for (int i = 0; i < LIMIT_JIT_SOURCES; i++) {
        struct jit_watch watch = dump_watch(w, 1);
        jit_reader_watch(reader, &watch);
    }
    assert_string_equal(reader->note.text, "");
    add_line(w, "1000 10 a\n");
    struct jit_watch watch = map_watch(w);
    jit_reader_watch(reader, &watch);
    assert_non_null(strstr(reader->note.text, "more than"));
    jit_reader_finish(reader, note, &w->seen);
    assert_string_equal(text_get(&w->seen), "");
    jit_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_map_has_times_by_its_looks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_map_that_is_written_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_of_another_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dump_is_the_file_that_was_mapped, set_up, tear_down),
        cmocka_unit_test(test_names_of_dumps),
        cmocka_unit_test_setup_teardown(test_the_last_look_takes_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_news_in_the_order_of_their_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_claims_the_future_does_not_wait_for_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_exec_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closing_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sources_are_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
