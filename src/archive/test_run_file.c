// Who may open what, as what, and what is left behind. Everything that is not a run file is refused
// with a line that says why, and nothing ever hangs.

#include "archive/run_file.h"

#include "archive/test_support.h"
#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int make_folder(void **state)
{
    *state = folder_make();
    return 0;
}

static int remove_folder(void **state)
{
    folder_remove(*state);
    return 0;
}

static int64_t count_strings(struct run_file *file)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    struct err err = {0};
    assert_int_equal(run_file_prepare(file, "SELECT count(*) FROM strings", &statement, &err), 0);
    assert_int_equal(run_file_step(file, statement, &err), 1);
    return sqlite3_column_int64(statement, 0);
}

static void add_string(struct run_file *file)
{
    struct err err = {0};
    assert_int_equal(run_file_begin(file, &err), 0);
    assert_int_equal(run_file_run(file, "INSERT INTO strings(bytes) VALUES('text')", &err), 0);
    assert_int_equal(run_file_commit(file, &err), 0);
}

static void create(const char *path, struct run_file *ret)
{
    struct err err = {0};
    if (run_file_create(path, ret, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void test_is_owned_until_closed(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    struct run_file file;
    struct run_file other;
    struct err err = {0};
    create(path, &file);
    assert_true(run_file_is_owned(path));
    assert_int_equal(run_file_create(path, &other, &err), -EEXIST);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(run_file_adopt(path, &other, &err), -EBUSY);
    assert_int_equal(run_file_open(path, &other, &err), 0);
    run_file_close(&other);
    run_file_close(&file);
    run_file_close(&file);
    assert_int_equal(folder_count(*state), 1);
    assert_false(run_file_is_owned(path));
    assert_int_equal(run_file_adopt(path, &other, &err), 0);
    assert_true(run_file_is_owned(path));
    run_file_close(&other);
    assert_int_equal(folder_count(*state), 1);
}

static void test_is_read_while_it_is_written(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "odd ?name#100%.stax");
    struct run_file file;
    struct run_file reader;
    struct err err = {0};
    create(path, &file);
    add_string(&file);
    assert_int_equal(run_file_open(path, &reader, &err), 0);
    assert_int_equal(count_strings(&reader), 1);
    add_string(&file);
    assert_int_equal(count_strings(&reader), 2);
    assert_int_equal(run_file_run(&reader, "DELETE FROM strings", &err), -EROFS);
    assert_int_equal(run_file_settle(&file, NULL), -EBUSY); // who reads it still needs the journal
    run_file_close(&reader);
    assert_int_equal(run_file_settle(&file, &err), 0);
    assert_int_equal(folder_count(*state), 1);
    run_file_close(&file);
}

// A transaction that is not committed leaves nothing.
static void test_rolls_back(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    struct run_file file;
    create(path, &file);
    assert_int_equal(run_file_begin(&file, NULL), 0);
    assert_int_equal(run_file_run(&file, "INSERT INTO strings(bytes) VALUES(1)", NULL), 0);
    run_file_rollback(&file);
    run_file_rollback(&file);
    assert_int_equal(count_strings(&file), 0);
    run_file_close(&file);
}

// ---- Left behind --------------------------------------------------------------------------------

// By a process that is killed while it has the file, with two strings of which one is in the
// journal only.
static void leave_behind(const char *path)
{
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct run_file file;
        create(path, &file);
        add_string(&file);
        assert_int_equal(run_file_run(&file, "PRAGMA wal_checkpoint(TRUNCATE)", NULL), 0);
        add_string(&file);
        assert_int_equal(write(ready[1], "x", 1), 1);
        for (;;) {
            pause();
        }
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready[0]);
    close(ready[1]);
}

static void test_left_behind_is_read_and_left_alone(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    CLEANUP(freep) char *index = folder_path(*state, "a.stax-shm");
    leave_behind(path);
    assert_int_equal(unlink(index), 0); // a copy would not have it either
    assert_int_equal(folder_count(*state), 2);
    assert_false(run_file_is_owned(path));
    struct run_file file;
    struct run_file second;
    struct err err = {0};
    assert_int_equal(run_file_open(path, &file, &err), 0);
    assert_int_equal(count_strings(&file), 2);
    assert_int_equal(run_file_open(path, &second, &err), 0);
    assert_int_equal(count_strings(&second), 2);
    assert_false(run_file_is_owned(path));
    struct run_file owner;
    assert_int_equal(run_file_adopt(path, &owner, &err), -EBUSY); // it would pull the rug away
    assert_int_equal(count_strings(&file), 2);
    run_file_close(&second);
    run_file_close(&file);
    assert_int_equal(folder_count(*state), 2);
}

static void test_left_behind_is_adopted(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    leave_behind(path);
    struct run_file file;
    struct err err = {0};
    assert_int_equal(run_file_adopt(path, &file, &err), 0);
    assert_int_equal(count_strings(&file), 2);
    assert_int_equal(run_file_settle(&file, &err), 0);
    run_file_close(&file);
    assert_int_equal(folder_count(*state), 1);
}

// Somebody has copied the file, and not what lay beside it.
static void test_without_its_journal(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    CLEANUP(freep) char *journal = folder_path(*state, "a.stax-wal");
    CLEANUP(freep) char *index = folder_path(*state, "a.stax-shm");
    leave_behind(path);
    unlink(journal);
    unlink(index);
    struct run_file file;
    struct err err = {0};
    assert_int_equal(run_file_open(path, &file, &err), 0);
    assert_int_equal(count_strings(&file), 1);
    run_file_close(&file);
    assert_int_equal(folder_count(*state), 1);
}

// In a process of its own, as somebody who may only read. -1: we can't become one.
static int count_as_nobody(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct run_file file;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(100);
        }
        if (run_file_open(path, &file, NULL) < 0) {
            _exit(101);
        }
        int n = (int)count_strings(&file);
        run_file_close(&file);
        _exit(n);
    }
    int status;
    waitpid(pid, &status, 0);
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : 102;
    return result == 100 ? -1 : result;
}

static void test_read_only_folder(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    CLEANUP(freep) char *journal = folder_path(*state, "a.stax-wal");
    CLEANUP(freep) char *index = folder_path(*state, "a.stax-shm");
    leave_behind(path);
    unlink(index);
    chmod(path, 0444);
    chmod(journal, 0444);
    chmod(*state, 0555);
    int n = count_as_nobody(path);
    chmod(*state, 0755);
    if (n < 0) {
        skip();
    }
    assert_int_equal(n, 2);
}

// ---- Not run files ------------------------------------------------------------------------------

static void check_refused(const char *path, int number, const char *why)
{
    struct run_file file;
    struct err err = {0};
    assert_int_equal(run_file_open(path, &file, &err), -number);
    if (strstr(err.text, why) == NULL || strstr(err.text, path) == NULL) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(run_file_adopt(path, &file, &err), -number);
    assert_false(run_file_is_owned(path));
}

static void test_other_things_are_refused(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a");
    check_refused(path, ENOENT, "No such file");
    file_put(path, "", 0);
    check_refused(path, EBADMSG, "empty");
    file_put(path, "#include <stdio.h>\n", 19);
    check_refused(path, EBADMSG, "not a run file");
    assert_int_equal(truncate(path, (off_t)1 << 40), 0); // most of it is not there
    check_refused(path, EBADMSG, "not a run file");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_refused(path, EBADMSG, "not a regular file");
    struct run_file file;
    struct err err = {0};
    assert_int_equal(run_file_open(*state, &file, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(run_file_open("/dev/zero", &file, &err), -EBADMSG);
    assert_int_equal(run_file_create("/nowhere/at/all.stax", &file, &err), -ENOENT);
}

// Any database, as people make them.
static void make_database(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_other_databases_are_refused(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    make_database(path, "CREATE TABLE strings(id, bytes)");
    check_refused(path, EBADMSG, "not a run file");
    make_database(path, "PRAGMA application_id=0x73746178; PRAGMA user_version=1");
    check_refused(path, EBADMSG, "not those of a run");
    make_database(path, "PRAGMA user_version=0");
    check_refused(path, EBADMSG, "of no version");
    make_database(path, "PRAGMA user_version=7");
    check_refused(path, EPROTO, "format 7");
    make_database(path, "CREATE TABLE meta(name, value);"
                        "INSERT INTO meta VALUES('stax_version', '9.8.7')");
    check_refused(path, EPROTO, "9.8.7");
}

// Exactly our tables: nothing that computes, nothing beside.
static void test_more_than_our_tables_is_refused(void **state)
{
    static const char *const additions[] = {
        "CREATE VIEW a AS SELECT 1",
        "CREATE TRIGGER a AFTER INSERT ON strings BEGIN DELETE FROM samples; END",
        "CREATE INDEX a ON strings(bytes)",
        "CREATE TABLE a(x)",
        "ALTER TABLE strings ADD COLUMN x DEFAULT 1",
        "DROP TABLE strings; CREATE VIEW strings AS SELECT 1 AS id, zeroblob(1000000000) AS bytes",
        "DROP TABLE samples",
    };
    for (size_t i = 0; i < ARRAY_LEN(additions); i++) {
        CLEANUP(freep) char *path = folder_path(*state, "a.stax");
        struct run_file file;
        create(path, &file);
        assert_int_equal(run_file_settle(&file, NULL), 0);
        run_file_close(&file);
        make_database(path, additions[i]);
        check_refused(path, EBADMSG, "not those of a run");
        unlink(path);
    }
}

static void test_too_many_tables_take_no_time(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    CLEANUP(text_fini) struct text sql = {0};
    text_add(&sql, "BEGIN; PRAGMA application_id=0x73746178; PRAGMA user_version=1;");
    for (int i = 0; i < 3000; i++) {
        text_addf(&sql, "CREATE TABLE t%d(a);", i);
    }
    text_add(&sql, "COMMIT");
    make_database(path, text_get(&sql));
    struct run_file file;
    struct err err = {0};
    assert_int_equal(run_file_open(path, &file, &err), -EBADMSG);
}

// ---- Descriptors --------------------------------------------------------------------------------

static bool others_may_write(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, O_RDWR);
        // The bytes that SQLite locks while it reads (sqlite.org/lockingv3.html).
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510};
        _exit(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 ? 1 : 0);
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

// SQLite's locks are still there when somebody in the same process has looked at the file.
static void test_looking_does_not_unlock(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    struct run_file file;
    struct run_file reader;
    create(path, &file);
    add_string(&file);
    assert_false(others_may_write(path));
    assert_true(run_file_is_owned(path));
    assert_int_equal(run_file_open(path, &reader, NULL), 0);
    run_file_close(&reader);
    assert_int_equal(run_file_adopt(path, &reader, NULL), -EBUSY);
    assert_false(others_may_write(path));
    run_file_close(&file);
    assert_true(others_may_write(path));
}

static size_t count_descriptors(void)
{
    return folder_count("/proc/self/fd");
}

static void test_no_descriptors_are_lost(void **state)
{
    CLEANUP(freep) char *path = folder_path(*state, "a.stax");
    size_t before = count_descriptors();
    struct run_file file;
    struct run_file reader;
    create(path, &file);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run_file_open(path, &reader, NULL), 0);
        run_file_close(&reader);
        run_file_is_owned(path);
    }
    run_file_close(&file);
    assert_int_equal(count_descriptors(), before);
    make_database(path, "PRAGMA user_version=7");
    assert_int_equal(run_file_open(path, &reader, NULL), -EPROTO);
    assert_int_equal(run_file_adopt(path, &reader, NULL), -EPROTO);
    assert_int_equal(count_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_is_owned_until_closed),
        TEST(test_is_read_while_it_is_written),
        TEST(test_rolls_back),
        TEST(test_left_behind_is_read_and_left_alone),
        TEST(test_left_behind_is_adopted),
        TEST(test_without_its_journal),
        TEST(test_read_only_folder),
        TEST(test_other_things_are_refused),
        TEST(test_other_databases_are_refused),
        TEST(test_more_than_our_tables_is_refused),
        TEST(test_too_many_tables_take_no_time),
        TEST(test_looking_does_not_unlock),
        TEST(test_no_descriptors_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
