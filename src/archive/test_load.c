// Run files that somebody has damaged, by chance or on purpose: an error or a part of the run, in
// bounded time and memory, and whatever is missing is said.

#include "archive/load.h"

#include "archive/names_file.h"
#include "archive/spool.h"
#include "archive/test_support.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char *folder;
    char *path;
    struct random_run run;
    struct library library;
};

static int set_up(void **state)
{
    struct fixture *f = NEW(struct fixture);
    f->folder = folder_make();
    f->path = folder_path(f->folder, "a.stax");
    random_run_init(&f->run, 5);
    library_init(&f->library, NULL, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_free(f->run.store);
    library_fini(&f->library);
    folder_remove(f->folder);
    free(f->path);
    free(f);
    return 0;
}

static void save(struct fixture *f)
{
    struct facts facts = {0};
    struct err err = {0};
    facts_set_text(&facts, "label", "a run");
    if (spool_write_once(f->path, f->run.store, &f->library, NULL, &facts, NULL, &err) < 0) {
        fail_msg("%s", err.text);
    }
    facts_fini(&facts);
}

static void run_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s", sqlite3_errmsg(db));
    }
    sqlite3_close(db);
}

static void load(struct fixture *f, struct loaded_run *ret)
{
    struct err err = {0};
    if (archive_load(f->path, &f->library, 1 << 20, NULL, ret, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

// ---- Whole --------------------------------------------------------------------------------------

static void test_without_names_those_of_this_machine(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 20000);
    random_run_end(&f->run);
    save(f);
    run_sql(f, "DELETE FROM run WHERE id != 1");
    struct loaded_run loaded;
    load(f, &loaded);
    assert_string_equal(loaded.note.text, "");
    assert_false(loaded.was_recording);
    check_is_prefix(f->run.store, loaded.store, true);
    for (image_id i = 1; i < atomic_load(&loaded.store->images.n); i++) {
        const struct image_row *row = store_image(loaded.store, i);
        if (loaded.library == NULL && image_row_is_binary(row)) {
            assert_string_equal(library_at(&f->library, row->library)->path,
                                strings_get(&loaded.store->strings, row->path).data);
        }
    }
    loaded_run_fini(&loaded);
}

static void test_broken_off(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 1000);
    save(f);
    _Atomic bool stop = true;
    struct loaded_run loaded;
    struct err err = {0};
    assert_int_equal(archive_load(f->path, &f->library, 0, &stop, &loaded, &err), -ECANCELED);
}

static void test_facts_alone(void **state)
{
    struct fixture *f = *state;
    save(f);
    struct facts facts;
    struct err err = {0};
    assert_int_equal(archive_read_facts(f->path, &facts, &err), 0);
    assert_string_equal(facts_text(&facts, "label", ""), "a run");
    facts_fini(&facts);
    run_sql(f, "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 20000)"
               " INSERT INTO meta SELECT 'n' || n, zeroblob(100000) FROM i LIMIT 6000");
    assert_int_equal(archive_read_facts(f->path, &facts, &err), 0);
    assert_true(facts.list.n <= 4096);
    facts_fini(&facts);
    assert_int_equal(archive_read_facts("/nowhere", &facts, &err), -ENOENT);
}

// To look into: the file of that run, and of no other one.
static void test_names_of_the_right_run(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 100);
    save(f);
    struct run_file file;
    struct err err = {0};
    assert_int_equal(names_file_open(f->path, f->run.store, &file, &err), 0);
    run_file_close(&file);
    struct store *other = store_new(f->run.store->started_ns, f->run.store->started_unix_ns + 1, 1);
    assert_int_equal(names_file_open(f->path, other, &file, &err), -ESTALE);
    assert_non_null(strstr(err.text, "is another run's by now"));
    store_free(other);
    assert_int_equal(names_file_open("/nowhere", f->run.store, &file, &err), -ENOENT);
    run_sql(f, "DELETE FROM run");
    assert_int_equal(names_file_open(f->path, f->run.store, &file, &err), -ESTALE);
}

// What docs/run-file.md tells people to type works.
static void test_documented_queries(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 1000);
    save(f);
    CLEANUP(text_fini) struct text page = {0};
    CLEANUP(freep) char *path = folder_path(getenv("SOURCE_ROOT"), "docs/run-file.md");
    assert_int_equal(file_read(path, 1 << 20, &page), 0);
    int n = 0;
    for (char *at = page.at; (at = strstr(at, "```sql\n")) != NULL; n++) {
        char *sql = at + strlen("```sql\n");
        at = strstr(sql, "```");
        assert_non_null(at);
        *at++ = 0;
        run_sql(f, sql);
    }
    assert_true(n >= 5);
    struct loaded_run loaded;
    load(f, &loaded);
    assert_string_equal(loaded.note.text, "");
    loaded_run_fini(&loaded);
}

// ---- Damaged ------------------------------------------------------------------------------------

// Samples only, of one thread, a nanosecond apart.
static void add_samples(struct random_run *run, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        store_add_sample(run->store, ++run->now_ns, 0, 0);
    }
    random_run_end(run);
}

static void check_missing(struct fixture *f, uint64_t n_missing, const char *note)
{
    struct loaded_run loaded;
    load(f, &loaded);
    assert_int_equal(loaded.rows_missing, n_missing);
    if (strstr(loaded.note.text, note) == NULL) {
        fail_msg("%s", loaded.note.text);
    }
    uint64_t n = store_rows(f->run.store, ROW_SAMPLES);
    assert_int_equal(store_rows(loaded.store, ROW_SAMPLES), n - n_missing);
    store_walk(loaded.store);
    assert_int_equal(store_paging(loaded.store).failed, 0);
    loaded_run_fini(&loaded);
}

static void test_damaged_rows_are_left_out(void **state)
{
    struct fixture *f = *state;
    add_samples(&f->run, 3 * COLUMN_CHUNK_ROWS + 100);
    save(f);
    check_missing(f, 0, "");
    run_sql(f, "UPDATE samples SET data = zeroblob(100) WHERE first = 65536");
    check_missing(f, 65536, "65536 samples");
    run_sql(f, "DELETE FROM samples WHERE first = 0");
    check_missing(f, 2 * 65536, "131072 samples");
    run_sql(f, "UPDATE samples SET n = 99 WHERE n = 100");
    check_missing(f, 2 * 65536 + 100, "131172 samples");
    run_sql(f, "UPDATE samples SET first = -1 WHERE first = 131072");
    check_missing(f, 3 * 65536 + 100, "196708 samples");
}

// What was sound when it was opened, and is another when it is read back, is not taken.
static void test_changed_behind_our_back(void **state)
{
    struct fixture *f = *state;
    add_samples(&f->run, 3 * COLUMN_CHUNK_ROWS);
    save(f);
    struct loaded_run loaded;
    load(f, &loaded);
    assert_true(store_paging(loaded.store).dropped > 0);
    run_sql(f, "UPDATE samples SET data = (SELECT data FROM samples WHERE first = 131072)");
    store_walk(loaded.store);
    assert_true(store_paging(loaded.store).failed > 0);
    loaded_run_fini(&loaded);
}

static void check_loads(struct fixture *f, const char *sql, const char *note)
{
    save(f);
    run_sql(f, sql);
    struct loaded_run loaded;
    load(f, &loaded);
    if (strstr(loaded.note.text, note) == NULL) {
        fail_msg("%s: %s", sql, loaded.note.text);
    }
    store_walk(loaded.store);
    loaded_run_fini(&loaded);
}

static void test_damaged_dictionaries(void **state)
{
    static const struct {
        const char *sql;
        const char *note;
    } cases[] = {
        {"DELETE FROM strings WHERE id = 3", "1 strings"},
        {"DELETE FROM strings WHERE id > 3", ""},
        {"UPDATE strings SET bytes = NULL", ""},
        {"UPDATE strings SET id = id + 5000000 WHERE id > 3", "1 strings"},
        {"DELETE FROM images WHERE id = 1", "1 images"},
        {"UPDATE images SET kind = 'nonsense' WHERE id = 1", "1 images"},
        {"UPDATE images SET path = 4000000000, build_id = -1, process = -7", ""},
        {"UPDATE processes SET main_image = 70000 WHERE id = 0", "1 processes"},
        {"DELETE FROM processes", "threads"},
        {"UPDATE threads SET process = 70000 WHERE id = 0", "1 threads"},
        {"UPDATE threads SET off_stack = 70000000, off_since_ns = 5", ""},
        {"UPDATE threads SET off_reason = 99, off_flags = 1000", "threads"},
        {"DELETE FROM threads WHERE id = 0", "1 threads"},
        {"DELETE FROM threads", "samples"},
        {"UPDATE threads SET ended_ns = -1 WHERE id = 0", "1 threads"},
        {"UPDATE codes SET size_bytes = -1 WHERE id = 0", "1 functions of JITs"},
        {"UPDATE frames SET data = x'00'", "frames"},
        {"UPDATE stacks SET data = x'00'", "stacks"},
        {"DELETE FROM stacks", "samples"},
        {"UPDATE stacks SET n = -1", "stacks"},
        {"DELETE FROM accounts; DELETE FROM events", ""},
        {"UPDATE accounts SET n = 'much'; UPDATE events SET n = NULL", ""},
        {"UPDATE run SET samples = -1", "samples"},
        {"UPDATE run SET last_ns = -1, ended_ns = -1, weight_ns = -1, started_ns = -1", ""},
    };
    struct fixture *f = *state;
    random_run_go_on(&f->run, 10000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_loads(f, cases[i].sql, cases[i].note);
    }
}

static void test_no_run_at_all(void **state)
{
    struct fixture *f = *state;
    save(f);
    run_sql(f, "DELETE FROM run");
    struct loaded_run loaded;
    struct err err = {0};
    assert_int_equal(archive_load(f->path, &f->library, 0, NULL, &loaded, &err), -EBADMSG);
    assert_non_null(strstr(err.text, f->path));
}

// ---- By chance ----------------------------------------------------------------------------------

enum { N_VARIANTS = 500 };

static void change_bytes(struct text *bytes, uint64_t *random)
{
    uint64_t n = 1 + random_next(random, 8);
    for (uint64_t i = 0; i < n; i++) {
        // Mostly the beginnings of pages, where their structure is.
        uint64_t at = random_next(random, bytes->n);
        if (random_next(random, 3) == 0) {
            at = at / 4096 * 4096 + random_next(random, 16);
        }
        bytes->at[MIN(at, bytes->n - 1)] ^= (char)(1 + random_next(random, 255));
    }
}

static void test_variants(void **state)
{
    struct fixture *f = *state;
    random_run_go_on(&f->run, 3000);
    save(f);
    CLEANUP(text_fini) struct text sound = {0};
    assert_int_equal(file_read(f->path, 1 << 30, &sound), 0);
    uint64_t random = 11;
    int n_loaded = 0;
    int n_whole = 0;
    uint64_t longest_ns = 0;
    for (int i = 0; i < N_VARIANTS; i++) {
        CLEANUP(text_fini) struct text bytes = {0};
        text_add_bytes(&bytes, sound.at, sound.n);
        if (i % 4 != 0) {
            change_bytes(&bytes, &random);
        }
        size_t n = i % 4 < 2 ? random_next(&random, sound.n) : sound.n;
        file_put(f->path, bytes.at, n);
        uint64_t before_ns = clock_thread_cpu_ns();
        struct loaded_run loaded;
        struct err err = {0};
        if (archive_load(f->path, &f->library, 1 << 20, NULL, &loaded, &err) == 0) {
            store_walk(loaded.store);
            n_loaded++;
            n_whole += loaded.note.text[0] == 0;
            loaded_run_fini(&loaded);
        } else {
            assert_true(err.text[0] != 0);
        }
        longest_ns = MAX(longest_ns, clock_thread_cpu_ns() - before_ns);
    }
    print_message("%d of %d loaded, %d without a note; the longest took %.0f ms\n", n_loaded,
                  N_VARIANTS, n_whole, (double)longest_ns / NS_PER_MS);
    assert_in_range(n_loaded, N_VARIANTS / 10, N_VARIANTS - N_VARIANTS / 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_names_those_of_this_machine),
        TEST(test_broken_off),
        TEST(test_facts_alone),
        TEST(test_names_of_the_right_run),
        TEST(test_documented_queries),
        TEST(test_damaged_rows_are_left_out),
        TEST(test_changed_behind_our_back),
        TEST(test_damaged_dictionaries),
        TEST(test_no_run_at_all),
        TEST(test_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
