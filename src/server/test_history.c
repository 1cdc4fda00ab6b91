// The directory of runs: what is in it, what is not ours, and what stands in the way.

#include "server/history.h"

#include "archive/test_support.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char *folder;
    struct history history;
};

static int set_up(void **state)
{
    struct fixture *f = NEW(struct fixture);
    f->folder = folder_make();
    unsetenv("STAX_KEEP_RUNS");
    unsetenv("STAX_KEEP_BYTES");
    history_init(&f->history, f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    history_fini(&f->history);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static void put(const struct fixture *f, const char *name)
{
    CLEANUP(freep) char *path = folder_path(f->folder, name);
    file_put(path, "x", 1);
}

// ---- Settings ----------------------------------------------------------------------------------

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } settings[] = {
        {"0", 0},
        {"123", 123},
        {"5K", 5 << 10},
        {"500M", 500 << 20},
        {"10G", UINT64_C(10) << 30},
        {"3T", UINT64_C(3) << 40},
        {"16777215T", UINT64_C(16777215) << 40},
        {"18446744073709551615", UINT64_MAX},
        // What makes no sense is as if nothing was said.
        {"", HISTORY_BYTES},
        {"-1", HISTORY_BYTES},
        {" 5", HISTORY_BYTES},
        {"+5", HISTORY_BYTES},
        {"M", HISTORY_BYTES},
        {"5m", HISTORY_BYTES},
        {"5MB", HISTORY_BYTES},
        {"5 M", HISTORY_BYTES},
        {"0x10", HISTORY_BYTES},
        {"16777216T", HISTORY_BYTES}, // 2^64
        {"18446744073709551616", HISTORY_BYTES},
        {"99999999999999999999999999", HISTORY_BYTES},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct history history;
        setenv("STAX_KEEP_BYTES", settings[i].text, 1);
        setenv("STAX_KEEP_RUNS", i % 2 == 0 ? "7" : "many", 1);
        history_init(&history, "");
        assert_int_equal(history.keep_bytes, settings[i].bytes);
        assert_int_equal(history.keep_runs, i % 2 == 0 ? 7 : HISTORY_RUNS);
        history_fini(&history);
    }
    unsetenv("STAX_KEEP_BYTES");
    unsetenv("STAX_KEEP_RUNS");
}

static void check_folder(const char *state_home, const char *home, const char *wanted)
{
    struct history history;
    state_home == NULL ? unsetenv("XDG_STATE_HOME") : setenv("XDG_STATE_HOME", state_home, 1);
    home == NULL ? unsetenv("HOME") : setenv("HOME", home, 1);
    history_init(&history, NULL);
    if (wanted == NULL) {
        assert_null(history.folder);
        assert_non_null(strstr(history.note.text, "in memory only"));
    } else {
        assert_string_equal(history.folder, wanted);
        assert_string_equal(history.note.text, "");
    }
    history_fini(&history);
}

static void test_which_folder(void **state)
{
    (void)state;
    check_folder("/s", "/h", "/s/stax/runs");
    check_folder(NULL, "/h", "/h/.local/state/stax/runs");
    check_folder("relative", "/h", "/h/.local/state/stax/runs"); // as the standard has it
    check_folder("", "/h", "/h/.local/state/stax/runs");
    check_folder(NULL, NULL, NULL);
    check_folder(NULL, "relative", NULL);
}

static void test_no_history(void **state)
{
    (void)state;
    struct history history;
    struct history_list list;
    struct run_file file;
    history_init(&history, "");
    assert_null(history.folder);
    assert_string_equal(history.note.text, "");
    history_scan(&history, &list);
    assert_int_equal(list.entries.n, 0);
    assert_int_equal(history_create(&history, 1, &file), 0);
    assert_string_equal(history.note.text, ""); // as it was wanted
    history_fini(&history);
}

// ---- What is in it -----------------------------------------------------------------------------

static void test_names_that_are_not_ours(void **state)
{
    struct fixture *f = *state;
    static const char *const others[] = {
        "0.stax",
        "01.stax",
        "-1.stax",
        "+1.stax",
        " 1.stax",
        "1 .stax",
        "1.stax~",
        "1.staxx",
        "1.STAX",
        "1",
        ".stax",
        "1.2.stax",
        "0x1.stax",
        "1e3.stax",
        "2147483648.stax",
        "4294967297.stax",
        "18446744073709551617.stax",
        "99999999999999999999999999999.stax",
        "3.stax-wal",
        "3.stax-shm",
        "\xff\xfe.stax",
        ".stax-save-1-2",
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        put(f, others[i]);
    }
    static const char *const ours[] = {"10.stax", "9.stax", "2147483647.stax", "1.stax"};
    static const uint32_t ids[] = {1, 9, 10, HISTORY_ID_MAX};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        put(f, ours[i]);
    }
    struct history_list list;
    history_scan(&f->history, &list);
    assert_int_equal(list.entries.n, ARRAY_LEN(ids));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_int_equal(list.entries.at[i].id, ids[i]);
        assert_true(history_list_has(&list, ids[i]));
    }
    assert_false(history_list_has(&list, 0));
    assert_false(history_list_has(&list, 2));
    vec_fini(&list.entries);
    assert_false(history_list_has(&list, 1));
}

static void test_what_is_no_regular_file(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *folder = folder_path(f->folder, "1.stax");
    CLEANUP(freep) char *fifo = folder_path(f->folder, "2.stax");
    CLEANUP(freep) char *link_to = folder_path(f->folder, "3.stax");
    CLEANUP(freep) char *nowhere = folder_path(f->folder, "4.stax");
    put(f, "precious");
    CLEANUP(freep) char *precious = folder_path(f->folder, "precious");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink(precious, link_to), 0);
    assert_int_equal(symlink("/nowhere/at/all", nowhere), 0);
    struct history_list list;
    history_scan(&f->history, &list);
    assert_int_equal(list.entries.n, 0);
    // They stand in the way of a new file, which is another one then.
    struct run_file file;
    assert_int_equal(history_create(&f->history, 1, &file), 5);
    run_file_close(&file);
    struct stat st;
    assert_int_equal(stat(precious, &st), 0);
    assert_int_equal(st.st_size, 1);
    assert_int_equal(rmdir(folder), 0); // folder_remove() removes files
}

// ---- Creating ----------------------------------------------------------------------------------

static void test_creating_and_removing(void **state)
{
    struct fixture *f = *state;
    struct run_file first;
    struct run_file second;
    assert_int_equal(history_create(&f->history, 7, &first), 7);
    assert_int_equal(history_create(&f->history, 7, &second), 8); // as another server would
    struct stat st;
    CLEANUP(freep) char *path = history_path(&f->history, 7);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    struct history_list list;
    history_scan(&f->history, &list);
    assert_int_equal(list.entries.n, 2);
    assert_true(list.entries.at[0].bytes > 0);
    vec_fini(&list.entries);
    run_file_close(&first);
    run_file_close(&second);
    history_remove(path);
    CLEANUP(freep) char *other = history_path(&f->history, 8);
    history_remove(other);
    history_remove(other); // which is not there
    assert_int_equal(folder_count(f->folder), 0);
}

static void test_folders_are_made(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *deep = folder_path(f->folder, "a//b/c/");
    struct history history;
    struct run_file file;
    struct stat st;
    history_init(&history, deep);
    assert_int_equal(history_create(&history, 1, &file), 1);
    run_file_close(&file);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    // And again, when they have gone.
    CLEANUP(freep) char *path = history_path(&history, 1);
    history_remove(path);
    static const char *const parts[] = {"a/b/c", "a/b", "a"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        CLEANUP(freep) char *part = folder_path(f->folder, parts[i]);
        assert_int_equal(rmdir(part), 0);
    }
    struct history_list list;
    history_scan(&history, &list);
    assert_int_equal(list.entries.n, 0);
    assert_int_equal(history_create(&history, 1, &file), 1);
    run_file_close(&file);
    history_remove(path);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        CLEANUP(freep) char *part = folder_path(f->folder, parts[i]);
        assert_int_equal(rmdir(part), 0);
    }
    history_fini(&history);
}

static void test_what_stands_in_the_way(void **state)
{
    struct fixture *f = *state;
    put(f, "file");
    static const char *const ways[] = {"file", "file/below"};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        CLEANUP(freep) char *way = folder_path(f->folder, ways[i]);
        struct history history;
        struct run_file file;
        history_init(&history, way);
        assert_int_equal(history_create(&history, 1, &file), 0);
        assert_non_null(strstr(history.note.text, "in memory only"));
        assert_non_null(strstr(history.note.text, way));
        history_fini(&history);
    }
    // The note goes when it works again.
    err_set(&f->history.note, 0, "no");
    struct run_file file;
    assert_int_equal(history_create(&f->history, 1, &file), 1);
    assert_string_equal(f->history.note.text, "");
    run_file_close(&file);
}

static void test_the_last_number(void **state)
{
    struct fixture *f = *state;
    put(f, "2147483647.stax");
    struct run_file file;
    assert_int_equal(history_create(&f->history, HISTORY_ID_MAX, &file), 0);
    assert_non_null(strstr(f->history.note.text, "2147483647.stax"));
    assert_int_equal(folder_count(f->folder), 1);
    assert_int_equal(history_create(&f->history, HISTORY_ID_MAX - 1, &file), HISTORY_ID_MAX - 1);
    run_file_close(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_settings),
        TEST(test_which_folder),
        TEST(test_no_history),
        TEST(test_names_that_are_not_ours),
        TEST(test_what_is_no_regular_file),
        TEST(test_creating_and_removing),
        TEST(test_folders_are_made),
        TEST(test_what_stands_in_the_way),
        TEST(test_the_last_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
