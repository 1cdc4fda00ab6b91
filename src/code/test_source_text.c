// Source files: where they are looked for, what is never opened, and what of them is shown.

#include "code/source_text.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "code/rust_sources.h"
#include "image/debuginfod_cache.h"
#include "image/test_support.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct looking {
    char *home;      // ours
    char *container; // the root directory of a process, in it
    struct image_root *root;
    struct source_texts *texts;
    struct source_wish wish;
    struct source_maps maps;
    bool fetch;
    struct err why;
};

static void looking_init(struct looking *l)
{
    *l = (struct looking){.home = directory_new()};
    setenv("RUSTUP_HOME", l->home, 1);
    l->container = path_join(l->home, "container");
    assert_int_equal(mkdir(l->container, 0755), 0);
    l->root = image_root_open_directory(l->container);
    assert_non_null(l->root);
    l->texts = source_texts_new();
}

static void looking_fini(struct looking *l)
{
    source_texts_free(l->texts);
    image_root_unref(l->root);
    source_maps_fini(&l->maps);
    directory_remove(l->home);
    free(l->container);
    free(l->home);
}

static void write_text(const char *path, const char *text)
{
    directory_make_for(path);
    file_write(path, text, strlen(text));
}

// A file in our own folder; its path on the heap.
static char *add(struct looking *l, const char *name, const char *text)
{
    char *path = path_join(l->home, name);
    write_text(path, text);
    return path;
}

static struct source_file *find(struct looking *l, const char *path)
{
    l->wish.path = path;
    l->fetch = false;
    return source_texts_find(l->texts, &l->wish, &l->fetch, &l->why);
}

static void check_line(const struct source_file *file, uint32_t line, const char *expected)
{
    struct slice got = {0};
    assert_int_equal(source_file_line(file, line, &got), expected != NULL);
    if (expected != NULL) {
        assert_int_equal(got.n, strlen(expected));
        assert_memory_equal(got.data, expected, got.n);
    }
}

static void check_found(struct looking *l, const char *path, const char *first_line,
                        const char *note)
{
    struct source_file *file = find(l, path);
    if (file == NULL) {
        fail_msg("%s was not found: %s", path, l->why.text);
    }
    check_line(file, 1, first_line);
    assert_string_equal(source_file_note(file), note);
    assert_false(l->fetch);
    assert_string_equal(l->why.text, "");
}

static void check_refused(struct looking *l, const char *path, const char *why)
{
    assert_null(find(l, path));
    if (why[0] == 0 ? l->why.text[0] != 0 : strstr(l->why.text, why) == NULL) {
        fail_msg("%.80s: \"%s\" is not about \"%s\"", path, l->why.text, why);
    }
}

// ---- Lines -------------------------------------------------------------------------------------

static void test_lines(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *unix_path = add(&l, "unix.c", "one\n\n  three\n");
    struct source_file *file = find(&l, unix_path);
    assert_non_null(file);
    assert_string_equal(source_file_path(file), unix_path);
    assert_string_equal(source_file_note(file), "");
    check_line(file, 1, "one");
    check_line(file, 2, "");
    check_line(file, 3, "  three");
    check_line(file, 4, NULL);
    check_line(file, 0, NULL);
    check_line(file, UINT32_MAX, NULL);
    CLEANUP(freep)
    char *other_path = add(&l, "other.c", "\xef\xbb\xbfone\r\ntwo\rtwo\r\n\r\nfour\xff");
    file = find(&l, other_path);
    assert_non_null(file);
    check_line(file, 1, "one");
    check_line(file, 2, "two\rtwo");
    check_line(file, 3, "");
    check_line(file, 4, "four\xff");
    check_line(file, 5, NULL);
    CLEANUP(freep) char *newline_path = add(&l, "newline.c", "\n");
    file = find(&l, newline_path);
    assert_non_null(file);
    check_line(file, 1, "");
    check_line(file, 2, NULL);
    looking_fini(&l);
}

static void test_long_lines_are_cut_between_characters(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    char text[LIMIT_SOURCE_LINE_BYTES + 8];
    static const struct {
        size_t start; // of a character of four bytes
        size_t shown;
    } cases[] = {
        {LIMIT_SOURCE_LINE_BYTES - 4, LIMIT_SOURCE_LINE_BYTES},
        {LIMIT_SOURCE_LINE_BYTES - 3, LIMIT_SOURCE_LINE_BYTES - 3},
        {LIMIT_SOURCE_LINE_BYTES - 1, LIMIT_SOURCE_LINE_BYTES - 1},
        {LIMIT_SOURCE_LINE_BYTES, LIMIT_SOURCE_LINE_BYTES},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = 0;
        memcpy(text + cases[i].start, "\xf0\x9f\xa6\x80", 4);
        CLEANUP(freep) char *path = add(&l, "long.c", text);
        struct source_file *file = find(&l, path);
        assert_non_null(file);
        struct slice got = {0};
        assert_true(source_file_line(file, 1, &got));
        assert_int_equal(got.n, cases[i].shown);
        unlink(path);
    }
    // Bytes that are no character at all are cut anywhere.
    memset(text, '\xbf', sizeof text - 1);
    CLEANUP(freep) char *path = add(&l, "noise.c", text);
    struct slice got = {0};
    assert_true(source_file_line(find(&l, path), 1, &got));
    assert_int_equal(got.n, LIMIT_SOURCE_LINE_BYTES);
    looking_fini(&l);
}

// ---- Places ------------------------------------------------------------------------------------

static void test_the_places_in_their_order(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *own = path_join(l.home, "src/a.c");
    CLEANUP(freep) char *inside = path_join(l.container, own);
    CLEANUP(freep) char *moved = path_join(l.home, "moved/a.c");
    CLEANUP(freep) char *from = path_join(l.home, "src");
    CLEANUP(freep) char *to = path_join(l.home, "moved");
    source_maps_add(&l.maps, from, to);
    write_text(moved, "moved");
    write_text(inside, "inside");
    write_text(own, "own");
    l.wish.maps = &l.maps;
    l.wish.root = l.root;
    check_found(&l, own, "moved", "");
    unlink(moved);
    check_found(&l, own, "inside", "");
    assert_string_equal(source_file_path(find(&l, own)), own);
    unlink(inside);
    check_found(&l, own, "own", "is a file of this machine: the process itself sees none");
    l.wish.root = NULL;
    check_found(&l, own, "own", "");
    CLEANUP(freep) char *roundabout = path_join(l.home, "src/../src/./a.c");
    check_found(&l, roundabout, "own", "");
    unlink(own);
    check_refused(&l, own, "");
    assert_false(l.fetch);
    looking_fini(&l);
}

static void test_relative_names_need_a_substitution(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *file = add(&l, "elf/a.c", "text");
    assert_int_equal(chdir(l.home), 0); // which is of no importance
    struct build_id id = {.n = 20};
    l.wish.build_id = &id;
    l.wish.maps = &l.maps;
    l.wish.root = l.root;
    check_refused(&l, "./elf/a.c", "elf/a.c is relative to a folder that the build hides");
    assert_false(l.fetch);
    source_maps_add(&l.maps, ".", l.home);
    check_found(&l, "./elf/a.c", "text", "");
    assert_string_equal(source_file_path(find(&l, "elf/a.c")), file);
    check_refused(&l, "./elf/b.c", "--source-path");
    assert_int_equal(chdir("/"), 0);
    looking_fini(&l);
}

static void test_our_own_root_is_not_looked_at_twice(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *own = add(&l, "a.c", "own");
    l.wish.root = image_root_open(1u << 30); // nobody: it becomes our own
    check_found(&l, own, "own", "");
    image_root_unref(l.wish.root);
    looking_fini(&l);
}

static void test_what_was_changed_later_is_said(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *path = add(&l, "a.c", "text");
    struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    l.wish.built_unix_ns = 1000ull * NS_PER_S;
    check_found(&l, path, "text", "");
    l.wish.built_unix_ns--;
    check_found(&l, path, "text", "was changed after the binary was built");
    l.wish.built_unix_ns = 0;
    check_found(&l, path, "text", "");
    looking_fini(&l);
}

static void test_sources_that_came_from_servers(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    settings.cache_path = path_join(l.home, "cache");
    struct debuginfod_cache cache;
    assert_int_equal(debuginfod_cache_open(&cache, &settings, NULL), 0);
    struct build_id id = {.n = 20, .at = {1, 2, 3}};
    l.wish.build_id = &id;
    check_refused(&l, "/build/x/../a.c", "");
    assert_true(l.fetch); // somebody could be asked
    l.wish.cache_path = settings.cache_path;
    check_refused(&l, "/build/x/../a.c", "");
    struct debuginfod_part part;
    assert_int_equal(debuginfod_cache_begin(&cache, &id, &part, NULL), 0);
    assert_int_equal(write(part.fd, "text", 4), 4);
    CLEANUP(freep) char *stored = debuginfod_cache_finish(&cache, &id, "/build/a.c", &part, NULL);
    l.wish.built_unix_ns = 1; // it was fetched later than that
    check_found(&l, "/build/x/../a.c", "text", "");
    assert_string_equal(source_file_path(find(&l, "/build/a.c")), stored);
    check_refused(&l, "/build/b.c", "");
    id.at[0]++;
    check_refused(&l, "/build/a.c", "");
    id.n = DEBUGINFOD_ID_MIN - 1;
    check_refused(&l, "/build/a.c", "");
    assert_false(l.fetch);
    debuginfod_cache_close(&cache);
    debuginfod_settings_fini(&settings);
    looking_fini(&l);
}

// ---- Rust --------------------------------------------------------------------------------------

#define COMMIT "59807616e1fa2540724bfbac14d7976d7e4a3860"
#define NAMED  "/rustc/" COMMIT "/library/core/src/a.rs"

static void write_manifest(struct looking *l, const char *toolchain, const char *version)
{
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text manifest = {0};
    text_addf(&path, "%s/toolchains/%s/lib/rustlib/multirust-channel-manifest.toml", l->home,
              toolchain);
    text_addf(&manifest,
              "manifest-version = \"2\"\n[pkg.cargo]\nversion = \"0.1 (" COMMIT " 2026)\"\n"
              "[pkg.rust-src]\n%s\n[pkg.rust-src.target.\"*\"]\navailable = true\n",
              version);
    write_text(text_get(&path), text_get(&manifest));
}

static void write_library(struct looking *l, const char *toolchain)
{
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s/toolchains/%s/lib/rustlib/src/rust/library/core/src/a.rs", l->home,
              toolchain);
    write_text(text_get(&path), toolchain);
}

static void test_rust_of_the_very_commit(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    check_refused(&l, NAMED, "of commit 59807616e are not installed");
    write_library(&l, "unknown"); // nothing says what it is
    write_library(&l, "other");
    write_manifest(&l, "other", "version = \"1.94.0 (59807616f 2026-03-01)\"");
    write_manifest(&l, "bare", "version = \"1.95.0 (59807616e 2026-04-14)\""); // without rust-src
    check_refused(&l, NAMED, "rustup component add rust-src");
    write_manifest(&l, "right", "version = \"1.95.0 (59807616e 2026-04-14)\"");
    write_library(&l, "right");
    l.wish.built_unix_ns = 1;
    check_found(&l, NAMED, "right", "");
    // It is updated: another one now.
    write_manifest(&l, "right", "version = \"1.96.0 (0123456ab 2026-04-14)\"");
    check_refused(&l, NAMED, "not installed");
    looking_fini(&l);
}

static void check_manifest(const char *text, const char *expected)
{
    char commit[RUST_COMMIT_BYTES] = "";
    bool ok = rust_manifest_commit(slice_of_text(text), commit);
    assert_int_equal(ok, expected != NULL);
    if (expected != NULL) {
        assert_string_equal(commit, expected);
    }
}

static void test_manifests(void **state)
{
    (void)state;
    check_manifest("[pkg.rust-src]\nversion = \"1.95.0 (59807616e 2026-04-14)\"", "59807616e");
    check_manifest("[pkg.rust-src]\nversion = \"1.5 (5980761 x)\"\ngit_commit_hash = \"" COMMIT
                   "\"\n",
                   COMMIT);
    check_manifest("[pkg.rust-src]\ngit_commit_hash = \"" COMMIT "\"\nversion = \"1.5 (5980761)\"",
                   COMMIT);
    check_manifest("[pkg.rust-src]\nversion = \"1.95.0 (598076 2026)\"", NULL); // too few digits
    check_manifest("[pkg.rust-src]\nversion = \"1.95.0 (" COMMIT "0 2026)\"", NULL);
    check_manifest("[pkg.rust-src]\nversion = \"1.95.0\"", NULL);
    check_manifest("[pkg.rust-src]\nversion = \"1.95.0 (", NULL);
    check_manifest("[pkg.rust-src]\n[pkg.rustc]\nversion = \"1 (59807616e 2026)\"", NULL);
    check_manifest("[pkg.rustc]\nversion = \"1 (59807616e 2026)\"", NULL);
    check_manifest("version = \"1 (59807616e 2026)\"", NULL);
    check_manifest("[pkg.rust-src]", NULL);
    check_manifest("", NULL);
}

// ---- What is never opened ----------------------------------------------------------------------

static void test_paths_that_name_nothing(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    char path[5001] = "/";
    memset(path + 1, 'x', sizeof path - 2);
    check_refused(&l, path, "names no file");
    check_refused(&l, "", "names no file");
    check_refused(&l, "../a.c", "../a.c names no file");
    check_refused(&l, "/a/../../etc/passwd", "names no file");
    // Short enough, but no file system has such a name.
    path[LIMIT_NAME_BYTES - 1] = 0;
    check_refused(&l, path, "too long");
    looking_fini(&l);
}

static void test_only_regular_files_are_opened(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    // Whoever opens a FIFO for reading waits for a writer, unless they take care.
    CLEANUP(freep) char *fifo = path_join(l.home, "fifo.c");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    check_refused(&l, fifo, "is not a regular file");
    CLEANUP(freep) char *link = path_join(l.home, "link.c");
    assert_int_equal(symlink(fifo, link), 0);
    check_refused(&l, link, "is not a regular file");
    check_refused(&l, l.home, "is not a regular file");
    check_refused(&l, "/", "is not a regular file");
    check_refused(&l, "/dev/null", "is not a regular file");
    check_refused(&l, "/dev/zero", "is not a regular file");
    CLEANUP(freep) char *loop = path_join(l.home, "loop.c");
    assert_int_equal(symlink(loop, loop), 0);
    check_refused(&l, loop, "cannot read");
    looking_fini(&l);
}

static void test_what_the_kernel_makes_up_is_no_source(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    check_refused(&l, "/proc/version", "is not a regular file");
    check_refused(&l, "/proc/sys/kernel/ostype", "is not a regular file");
    CLEANUP(freep) char *link = path_join(l.home, "link.c");
    assert_int_equal(symlink("/proc/version", link), 0);
    check_refused(&l, link, "is not a regular file");
    if (access("/sys/kernel/uevent_seqnum", F_OK) == 0) {
        check_refused(&l, "/sys/kernel/uevent_seqnum", "is not a regular file");
    }
    looking_fini(&l);
}

static void test_symlinks_of_a_container_stay_inside(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *secret = add(&l, "secret", "secret");
    CLEANUP(freep) char *link = path_join(l.container, "src/a.c");
    directory_make_for(link);
    l.wish.root = l.root;
    assert_int_equal(symlink(secret, link), 0);
    check_refused(&l, "/src/a.c", "");
    unlink(link);
    assert_int_equal(symlink("../../../../../../../secret", link), 0);
    check_refused(&l, "/src/a.c", "");
    unlink(link);
    assert_int_equal(symlink("../../secret", link), 0);
    check_refused(&l, "/src/a.c", "");
    CLEANUP(freep) char *inside = path_join(l.container, "secret");
    write_text(inside, "its own");
    check_found(&l, "/src/a.c", "its own", "");
    looking_fini(&l);
}

static void test_files_that_are_no_text(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *binary = path_join(l.home, "binary.c");
    file_write(binary, "int\0x;\n", 7);
    check_refused(&l, binary, "is not a text");
    CLEANUP(freep) char *empty = add(&l, "empty.c", "");
    check_refused(&l, empty, "is empty");
    // 1 GB of nothing costs the first piece of it.
    CLEANUP(freep) char *sparse = add(&l, "sparse.c", "int x;\n");
    assert_int_equal(truncate(sparse, 1 << 30), 0);
    uint64_t start_ns = clock_now_ns();
    check_refused(&l, sparse, "is not a text");
    assert_true(clock_now_ns() - start_ns < 5ull * NS_PER_S);
    // The next place may do better.
    CLEANUP(freep) char *inside = path_join(l.container, empty);
    write_text(inside, "text");
    l.wish.root = l.root;
    check_found(&l, empty, "text", "");
    CLEANUP(freep) char *bad = path_join(l.container, "bad.c");
    assert_int_equal(mkfifo(bad, 0600), 0);
    check_refused(&l, "/bad.c", "is not a regular file");
    looking_fini(&l);
}

static void test_an_unreadable_file(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *path = add(&l, "a.c", "text");
    assert_int_equal(chmod(path, 0), 0);
    bool is_root = geteuid() == 0;
    if (is_root && seteuid(65534) != 0) {
        skip();
    }
    check_refused(&l, path, "Permission denied");
    if (is_root) {
        assert_int_equal(seteuid(0), 0);
    }
    looking_fini(&l);
}

static void test_a_file_that_is_too_large_is_read_in_part(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    size_t n = LIMIT_SOURCE_FILE_BYTES + 100;
    CLEANUP(freep) char *text = alloc_resize(NULL, n, 1);
    memset(text, '\n', n);
    CLEANUP(freep) char *path = path_join(l.home, "large.c");
    file_write(path, text, n);
    struct source_file *file = find(&l, path);
    assert_non_null(file);
    assert_string_equal(source_file_note(file), "is read up to 16 MiB only");
    check_line(file, LIMIT_SOURCE_FILE_BYTES, "");
    check_line(file, LIMIT_SOURCE_FILE_BYTES + 1, NULL);
    looking_fini(&l);
}

// ---- What is kept ------------------------------------------------------------------------------

static void test_a_file_that_changes_is_read_anew(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    CLEANUP(freep) char *path = add(&l, "a.c", "one\ntwo");
    check_found(&l, path, "one", "");
    struct source_file *kept = find(&l, path);
    assert_ptr_equal(find(&l, path), kept); // not read again
    assert_int_equal(truncate(path, 2), 0);
    struct source_file *file = find(&l, path);
    assert_non_null(file);
    check_line(file, 1, "on");
    check_line(file, 2, NULL);
    // Another file in its place.
    CLEANUP(freep) char *other = add(&l, "b.c", "other");
    assert_int_equal(rename(other, path), 0);
    check_found(&l, path, "other", "");
    unlink(path);
    check_refused(&l, path, "");
    looking_fini(&l);
}

static void test_many_files(void **state)
{
    (void)state;
    struct looking l;
    looking_init(&l);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LIMIT_SOURCE_FILES + 10; i++) {
            char name[16];
            snprintf(name, sizeof name, "%d.c", i);
            CLEANUP(freep) char *path = round == 0 ? add(&l, name, name) : path_join(l.home, name);
            check_found(&l, path, name, "");
        }
    }
    // So do their bytes count: each of these pushes the others out.
    size_t n = LIMIT_SOURCE_FILE_BYTES;
    CLEANUP(freep) char *text = alloc_resize(NULL, n, 1);
    memset(text, '\n', n);
    for (int i = 0; i < 3; i++) {
        CLEANUP(freep) char *path = path_join(l.home, i == 0 ? "x" : i == 1 ? "y" : "z");
        file_write(path, text, n);
        check_found(&l, path, "", "");
    }
    looking_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_lines_are_cut_between_characters),
        cmocka_unit_test(test_the_places_in_their_order),
        cmocka_unit_test(test_relative_names_need_a_substitution),
        cmocka_unit_test(test_our_own_root_is_not_looked_at_twice),
        cmocka_unit_test(test_what_was_changed_later_is_said),
        cmocka_unit_test(test_sources_that_came_from_servers),
        cmocka_unit_test(test_rust_of_the_very_commit),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_paths_that_name_nothing),
        cmocka_unit_test(test_only_regular_files_are_opened),
        cmocka_unit_test(test_what_the_kernel_makes_up_is_no_source),
        cmocka_unit_test(test_symlinks_of_a_container_stay_inside),
        cmocka_unit_test(test_files_that_are_no_text),
        cmocka_unit_test(test_an_unreadable_file),
        cmocka_unit_test(test_a_file_that_is_too_large_is_read_in_part),
        cmocka_unit_test(test_a_file_that_changes_is_read_anew),
        cmocka_unit_test(test_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
