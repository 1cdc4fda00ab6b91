// A run on its way into its file: what is in the file is the run as of one moment, whenever one
// looks, whatever happens to the process, the disk or the file.

#include "archive/spool.h"

#include "archive/load.h"
#include "archive/spool_writer.h"
#include "archive/test_support.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PERIOD_NS = 2 * NS_PER_MS };

struct fixture {
    char *folder;
    char *path;
    struct random_run run;
    struct library library;
    // What the spool has said.
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned n_changes;
    uint64_t n_facts;
};

static int set_up(void **state)
{
    struct fixture *f = NEW(struct fixture);
    f->folder = folder_make();
    f->path = folder_path(f->folder, "a.stax");
    random_run_init(&f->run, 1);
    library_init(&f->library, NULL, NULL);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_free(f->run.store);
    library_fini(&f->library);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    folder_remove(f->folder);
    free(f->path);
    free(f);
    return 0;
}

static void note_change(void *context)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->n_changes++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void put_facts(void *context, struct facts *facts)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->n_facts++;
    facts_set_number(facts, "n_facts", f->n_facts);
    facts_set_text(facts, "label", "python3 \xff train.py");
    if (f->n_facts > 2) {
        facts_set_number(facts, "huge", UINT64_MAX);
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static struct spool *start(struct fixture *f)
{
    struct err err = {0};
    struct spool_params params = {
        .store = f->run.store,
        .library = &f->library,
        .put_facts = put_facts,
        .on_change = note_change,
        .context = f,
        .period_ns = PERIOD_NS,
    };
    if (run_file_create(f->path, &params.file, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return spool_new(params);
}

// Until the spool has come around so many times more.
static void wait_rounds(struct fixture *f, uint64_t n)
{
    pthread_mutex_lock(&f->lock);
    uint64_t until = f->n_facts + n;
    while (f->n_facts < until) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

static void wait_done(struct fixture *f, struct spool *spool)
{
    pthread_mutex_lock(&f->lock);
    while (spool_state(spool) != SPOOL_DONE) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

// Until there is a note, or none.
static void wait_note(struct fixture *f, struct spool *spool, bool wanted, struct spool_report *ret)
{
    pthread_mutex_lock(&f->lock);
    for (;;) {
        spool_report(spool, ret);
        if ((ret->note.text[0] != 0) == wanted) {
            break;
        }
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

// Whatever is in the file is sound, and what the store has.
static void check_file(struct fixture *f, bool is_whole)
{
    struct loaded_run loaded;
    struct err err = {0};
    if (archive_load(f->path, &f->library, 0, NULL, &loaded, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(loaded.note.text, "");
    assert_int_equal(loaded.rows_missing, 0);
    check_is_prefix(f->run.store, loaded.store, is_whole);
    loaded_run_fini(&loaded);
}

static void check_integrity(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL), 0);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

// ---- While it is recorded -----------------------------------------------------------------------

struct writing {
    struct random_run *run;
    size_t n_events;
    _Atomic bool done;
};

static void *write_run(void *context)
{
    struct writing *writing = context;
    while (writing->n_events > 0) {
        random_run_go_on(writing->run, 100);
        writing->n_events -= 100;
    }
    random_run_end(writing->run);
    atomic_store(&writing->done, true);
    return NULL;
}

static void test_is_one_moment_at_every_commit(void **state)
{
    struct fixture *f = *state;
    struct run_file file;
    struct spool_writer writer;
    struct facts facts = {0};
    struct err err = {0};
    assert_int_equal(run_file_create(f->path, &file, &err), 0);
    assert_int_equal(spool_writer_init(&writer, &file, f->run.store, NULL, &err), 0);
    struct writing writing = {.run = &f->run, .n_events = 200000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_run, &writing), 0);
    for (bool done = false; !done;) {
        done = atomic_load(&writing.done);
        if (spool_writer_write(&writer, &facts, NULL, &err) < 0) {
            fail_msg("%s", err.text);
        }
        check_file(f, done);
    }
    pthread_join(thread, NULL);
    spool_writer_fini(&writer);
    run_file_close(&file);
    check_integrity(f->path);
}

// What came last is in the file, too, when nothing comes after it.
static void test_quiet_run(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 1000);
    store_add_sample(f->run.store, ++f->run.now_ns, 0, 0);
    struct spool *spool = start(f);
    wait_rounds(f, 3);
    struct loaded_run loaded;
    assert_int_equal(archive_load(f->path, &f->library, 0, NULL, &loaded, NULL), 0);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        assert_int_equal(store_rows(loaded.store, table), store_rows(f->run.store, table));
    }
    loaded_run_fini(&loaded);
    check_file(f, false);
    random_run_go_on(&f->run, 1);
    spool_free(spool);
    check_file(f, false);
}

// Few pieces, however often it is written; and when it is over, one.
static void test_pieces_are_merged(void **state)
{
    struct fixture *f = *state;
    struct run_file file;
    struct spool_writer writer;
    struct facts facts = {0};
    struct err err = {0};
    assert_int_equal(run_file_create(f->path, &file, &err), 0);
    assert_int_equal(spool_writer_init(&writer, &file, f->run.store, NULL, &err), 0);
    for (int i = 0; i < 300; i++) {
        random_run_go_on(&f->run, 1 + random_next(&f->run.random, 40));
        assert_int_equal(spool_writer_write(&writer, &facts, NULL, &err), 0);
        for (size_t k = 0; k < PACKED_TABLES; k++) {
            assert_true(writer.pieces[k].n <= 17);
        }
    }
    check_file(f, false);
    random_run_go_on(&f->run, 200);
    random_run_end(&f->run);
    assert_int_equal(spool_writer_write(&writer, &facts, NULL, &err), 0);
    for (size_t k = 0; k < ROW_TABLES; k++) {
        assert_true(writer.pieces[k].n == 1);
    }
    check_file(f, true);
    spool_writer_fini(&writer);
    run_file_close(&file);
}

static void test_from_start_to_end(void **state)
{
    struct fixture *f = *state;
    struct spool *spool = start(f);
    struct writing writing = {.run = &f->run, .n_events = 100000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_run, &writing), 0);
    wait_rounds(f, 3);
    assert_int_equal(spool_state(spool), SPOOL_WRITING);
    assert_true(run_file_is_owned(f->path));
    pthread_join(thread, NULL);
    spool_finish(spool);
    wait_done(f, spool);
    struct spool_report report;
    spool_report(spool, &report);
    assert_string_equal(report.note.text, "");
    assert_true(report.commits >= 2);
    assert_int_equal(report.behind_ns, 0);
    assert_true(report.cpu_ns > 0);
    uint64_t n_rows = 0;
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        n_rows += store_rows(f->run.store, table);
    }
    assert_int_equal(report.rows, n_rows);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(report.file_bytes, st.st_size);
    assert_false(run_file_is_owned(f->path));
    spool_free(spool);
    assert_int_equal(folder_count(f->folder), 1);
    check_file(f, true);
    check_integrity(f->path);
    struct facts facts;
    assert_int_equal(archive_read_facts(f->path, &facts, NULL), 0);
    assert_string_equal(facts_text(&facts, "label", ""), "python3 \xff train.py");
    assert_string_equal(facts_text(&facts, "stax_version", ""), STAX_VERSION);
    assert_int_equal(facts_number(&facts, "n_facts", 0), f->n_facts);
    assert_true(facts_number(&facts, "huge", 0) == UINT64_MAX);
    facts_fini(&facts);
}

// The program ends while the run goes on: what was there is in the file, which says so.
static void test_given_up(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 5000);
    struct spool *spool = start(f);
    spool_free(spool);
    struct loaded_run loaded;
    assert_int_equal(archive_load(f->path, &f->library, 0, NULL, &loaded, NULL), 0);
    assert_true(loaded.was_recording);
    assert_true(store_rows(loaded.store, ROW_SAMPLES) > 1000);
    check_is_prefix(f->run.store, loaded.store, false);
    loaded_run_fini(&loaded);
    assert_int_equal(folder_count(f->folder), 1);
    spool_free(NULL);
}

// ---- Killed -------------------------------------------------------------------------------------

// Its run is the one that the same seed makes here.
static void spool_until_killed(const char *path, uint64_t seed, int ready)
{
    struct random_run run;
    struct run_file file;
    struct spool_writer writer;
    struct facts facts = {0};
    random_run_init(&run, seed);
    ASSERT(run_file_create(path, &file, NULL) == 0);
    ASSERT(spool_writer_init(&writer, &file, run.store, NULL, NULL) == 0);
    for (;;) {
        random_run_go_on(&run, 300);
        ASSERT(spool_writer_write(&writer, &facts, NULL, NULL) == 0);
        ASSERT(write(ready, "x", 1) == 1);
    }
}

static pid_t start_child(const char *path, uint64_t seed, int *ret_ready)
{
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        spool_until_killed(path, seed, ready[1]);
    }
    close(ready[1]);
    *ret_ready = ready[0];
    return pid;
}

// Some commits later, and a moment.
static uint64_t kill_somewhen(pid_t pid, int ready, uint64_t *random)
{
    char byte;
    uint64_t n_commits = 1 + random_next(random, 10);
    for (uint64_t i = 0; i < n_commits; i++) {
        assert_int_equal(read(ready, &byte, 1), 1);
    }
    uint64_t until_ns = clock_now_ns() + random_next(random, 3 * NS_PER_MS);
    while (clock_now_ns() < until_ns) {
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(ready, &byte, 1) == 1) {
        n_commits++;
    }
    close(ready);
    return n_commits;
}

static void test_killed_at_any_moment(void **state)
{
    struct fixture *f = *state;
    uint64_t random = 7;
    for (uint64_t seed = 0; seed < 50; seed++) {
        int ready;
        pid_t pid = start_child(f->path, seed, &ready);
        uint64_t n_commits = kill_somewhen(pid, ready, &random);
        store_free(f->run.store);
        random_run_init(&f->run, seed);
        uint64_t at_least = 0;
        for (uint64_t i = 0; i < n_commits + 10; i++) {
            random_run_go_on(&f->run, 300);
            if (i + 1 == n_commits) {
                at_least = samples_find(&f->run.store->samples,
                                        store_rows(f->run.store, ROW_SAMPLES), f->run.now_ns);
            }
        }
        struct loaded_run loaded;
        assert_int_equal(archive_load(f->path, &f->library, 0, NULL, &loaded, NULL), 0);
        assert_true(loaded.was_recording);
        assert_true(store_rows(loaded.store, ROW_SAMPLES) >= at_least);
        loaded_run_fini(&loaded);
        check_file(f, false);
        check_integrity(f->path);
        check_file(f, false);
        unlink(f->path);
    }
}

// ---- No room ------------------------------------------------------------------------------------

static void test_no_room_for_a_while(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct spool *spool = start(f);
    wait_rounds(f, 2);
    struct rlimit small = {.rlim_cur = 200 << 10, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    random_run_go_on(&f->run, 50000);
    struct spool_report report;
    wait_note(f, spool, true, &report);
    assert_non_null(strstr(report.note.text, "in memory only"));
    assert_non_null(strstr(report.note.text, f->path));
    assert_non_null(strstr(report.note.text, strerror(EFBIG)));
    assert_non_null(strstr(report.note.text, "MiB"));
    assert_true(report.behind_ns > 0);
    check_file(f, false); // what was in it is in it
    wait_rounds(f, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    wait_note(f, spool, false, &report);
    random_run_end(&f->run);
    spool_finish(spool);
    wait_done(f, spool);
    spool_report(spool, &report);
    assert_string_equal(report.note.text, "");
    spool_free(spool);
    check_file(f, true);
    check_integrity(f->path);
}

// On a disk of its own. 77: we may not make one.
static int run_on_small_disk(struct fixture *f)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", f->folder, "tmpfs", 0, "size=2m") != 0) {
        return 77;
    }
    CLEANUP(freep) char *ballast = folder_path(f->folder, "ballast");
    library_init(&f->library, NULL, NULL);
    struct spool *spool = start(f);
    wait_rounds(f, 2);
    CLEANUP(freep) char *bytes = alloc_zeroed(2 << 20, 1);
    CLEANUP(closep) int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT(fd >= 0 && fd_write_all(fd, bytes, 2 << 20) == -ENOSPC);
    random_run_go_on(&f->run, 10000);
    struct spool_report report;
    wait_note(f, spool, true, &report);
    ASSERT(strstr(report.note.text, strerror(ENOSPC)) != NULL);
    check_file(f, false);
    wait_rounds(f, 2);
    ASSERT(unlink(ballast) == 0 && ftruncate(fd, 0) == 0);
    wait_note(f, spool, false, &report);
    random_run_end(&f->run);
    spool_finish(spool);
    wait_done(f, spool);
    spool_free(spool);
    check_file(f, true);
    check_integrity(f->path);
    return 0;
}

static void test_small_disk(void **state)
{
    struct fixture *f = *state;
    library_fini(&f->library); // threads do not survive a fork
    pid_t pid = fork();
    if (pid == 0) {
        _exit(run_on_small_disk(f));
    }
    int status;
    waitpid(pid, &status, 0);
    library_init(&f->library, NULL, NULL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("needs the right to mount a small disk\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_removed(void **state)
{
    struct fixture *f = *state;
    struct spool *spool = start(f);
    wait_rounds(f, 2);
    assert_int_equal(unlink(f->path), 0);
    struct spool_report report;
    wait_note(f, spool, true, &report);
    assert_non_null(strstr(report.note.text, "removed"));
    random_run_end(&f->run);
    spool_finish(spool);
    wait_done(f, spool); // it will never be there
    spool_report(spool, &report);
    assert_non_null(strstr(report.note.text, "removed"));
    assert_false(report.names_complete);
    spool_free(spool);
}

// ---- Rows that are dropped ----------------------------------------------------------------------

static void make_big_run(struct random_run *run)
{
    while (store_rows(run->store, ROW_SAMPLES) < 4 * COLUMN_CHUNK_ROWS) {
        run->now_ns += 10;
        uint64_t n = store_rows(run->store, ROW_SAMPLES);
        store_add_sample(run->store, run->now_ns, (thread_id)(n % 7 == 0), 0);
    }
    random_run_go_on(run, 1000);
}

static void check_big_run(const struct store *store, uint64_t first_ns)
{
    for (uint64_t row = 0; row < 4 * COLUMN_CHUNK_ROWS;) {
        struct samples_span span;
        samples_pin(&store->samples, row, 4 * COLUMN_CHUNK_ROWS, &span);
        for (size_t i = 0; i < span.n; i++) {
            assert_int_equal(span.time_ns[i], first_ns + (row + i) * 10);
            assert_int_equal(span.thread[i], (row + i) % 7 == 0);
        }
        samples_unpin(&store->samples, &span);
        row += span.n;
    }
}

static void test_rows_come_back(void **state)
{
    struct fixture *f = *state;
    store_add_thread(f->run.store, 1, 2, 0, 3, 0);
    struct spool *spool = start(f);
    struct pager pager = spool_pager(spool);
    store_set_pager(f->run.store, &pager, 1 << 20);
    uint64_t first_ns = f->run.now_ns + 10;
    make_big_run(&f->run);
    wait_rounds(f, 3);
    assert_true(store_paging(f->run.store).dropped >= 3);
    check_big_run(f->run.store, first_ns);
    random_run_end(&f->run);
    spool_finish(spool);
    wait_done(f, spool);
    check_big_run(f->run.store, first_ns);
    struct paging_counts counts = store_paging(f->run.store);
    assert_true(counts.read_back >= 3);
    assert_int_equal(counts.failed, 0);
    // From a file that has lost its name, too.
    assert_int_equal(rename(f->path, "/dev/null") == 0, false);
    assert_int_equal(unlink(f->path), 0);
    check_big_run(f->run.store, first_ns);
    assert_int_equal(store_paging(f->run.store).failed, 0);
    spool_free(spool);
}

// A loaded run keeps no more than its budget in memory either.
static void test_loaded_rows_come_back(void **state)
{
    struct fixture *f = *state;
    store_add_thread(f->run.store, 1, 2, 0, 3, 0);
    uint64_t first_ns = f->run.now_ns + 10;
    make_big_run(&f->run);
    struct facts facts = {0};
    assert_int_equal(spool_write_once(f->path, f->run.store, &f->library, NULL, &facts, NULL, NULL),
                     0);
    struct loaded_run loaded;
    assert_int_equal(archive_load(f->path, &f->library, 1 << 20, NULL, &loaded, NULL), 0);
    assert_true(store_paging(loaded.store).dropped >= 3);
    assert_true(store_paging(loaded.store).resident_bytes < (3 << 20));
    check_big_run(loaded.store, first_ns);
    assert_int_equal(store_paging(loaded.store).failed, 0);
    loaded_run_fini(&loaded);
}

// ---- Saving -------------------------------------------------------------------------------------

static void test_saved_while_it_is_recorded(void **state)
{
    struct fixture *f = *state;
    struct facts facts = {0};
    facts_set_text(&facts, "label", "saved");
    for (int i = 0; i < 3; i++) { // over itself
        random_run_go_on(&f->run, 3000);
        struct err err = {0};
        if (spool_write_once(f->path, f->run.store, &f->library, NULL, &facts, NULL, &err) < 0) {
            fail_msg("%s", err.text);
        }
        struct loaded_run loaded;
        assert_int_equal(archive_load(f->path, &f->library, 0, NULL, &loaded, NULL), 0);
        assert_false(loaded.was_recording); // it is over as far as this file is concerned
        assert_string_equal(facts_text(&loaded.facts, "label", ""), "saved");
        loaded_run_fini(&loaded);
        check_file(f, false);
        assert_int_equal(folder_count(f->folder), 1);
    }
    random_run_end(&f->run);
    assert_int_equal(spool_write_once(f->path, f->run.store, &f->library, NULL, &facts, NULL, NULL),
                     0);
    check_file(f, true);
    check_integrity(f->path);
    facts_fini(&facts);
}

static int save(struct fixture *f, const char *path, const _Atomic bool *stop, struct err *reterr)
{
    struct facts facts = {0};
    return spool_write_once(path, f->run.store, &f->library, NULL, &facts, stop, reterr);
}

static void test_what_saving_leaves_alone(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 1000);
    CLEANUP(freep) char *source = folder_path(f->folder, "main.c");
    struct err err = {0};
    file_put(source, "int main;", 9);
    assert_int_equal(save(f, source, NULL, &err), -EEXIST);
    assert_non_null(strstr(err.text, source));
    CLEANUP(text_fini) struct text text = {0};
    assert_int_equal(file_read(source, 100, &text), 0);
    assert_string_equal(text_get(&text), "int main;");
    assert_int_equal(save(f, f->folder, NULL, &err), -EEXIST);
    assert_int_equal(save(f, "/nowhere/at/all.stax", NULL, &err), -ENOENT);
    assert_non_null(strstr(err.text, "cannot save /nowhere/at/all.stax"));
    _Atomic bool stop = true;
    assert_int_equal(save(f, f->path, &stop, &err), -ECANCELED);
    assert_int_equal(folder_count(f->folder), 1);
    struct run_file file;
    assert_int_equal(run_file_create(f->path, &file, &err), 0);
    assert_int_equal(save(f, f->path, NULL, &err), -EBUSY);
    run_file_close(&file);
    assert_int_equal(save(f, f->path, NULL, &err), 0);
    assert_int_equal(folder_count(f->folder), 2);
}

static void test_saving_without_room(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 50000);
    assert_int_equal(save(f, f->path, NULL, NULL), 0);
    check_file(f, false);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = {.rlim_cur = 200 << 10, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct err err = {0};
    int r = save(f, f->path, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(r < 0);
    assert_non_null(strstr(err.text, f->path));
    assert_int_equal(folder_count(f->folder), 1);
    check_file(f, false); // the one from before
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_is_one_moment_at_every_commit),
        TEST(test_quiet_run),
        TEST(test_pieces_are_merged),
        TEST(test_from_start_to_end),
        TEST(test_given_up),
        TEST(test_killed_at_any_moment),
        TEST(test_no_room_for_a_while),
        TEST(test_small_disk),
        TEST(test_removed),
        TEST(test_rows_come_back),
        TEST(test_loaded_rows_come_back),
        TEST(test_saved_while_it_is_recorded),
        TEST(test_what_saving_leaves_alone),
        TEST(test_saving_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
