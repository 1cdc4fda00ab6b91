// Names of source files, as debug information has them.

#include "code/source_path.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_normalized(const char *path, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    text_add(&text, "kept:");
    bool ok = source_path_normalize(path, &text);
    assert_int_equal(ok, expected != NULL);
    assert_int_equal(strncmp(text_get(&text), "kept:", 5), 0);
    assert_string_equal(text_get(&text) + 5, expected == NULL ? "" : expected);
}

static void test_normalize(void **state)
{
    (void)state;
    static const char *const paths[][2] = {
        {"/build/x/csu/../elf/./rtld.c", "/build/x/elf/rtld.c"},
        {"/a", "/a"},
        {"//a///b//", "/a/b"},
        {"/./a/.", "/a"},
        {"/a/b/..", "/a"},
        {"/a/..", "/"},
        {"/a/../b", "/b"},
        {"/a/b/../../c", "/c"},
        {"/", "/"},
        {"///", "/"},
        {"/...", "/..."},
        {"/..a/b..", "/..a/b.."},
        {"/.hidden/..x", "/.hidden/..x"},
        {"/a b/\xff.c", "/a b/\xff.c"},
        {"/..", NULL},
        {"/../etc/shadow", NULL},
        {"/a/../../etc/shadow", NULL},
        {"/a/./.././..", NULL},
        {"a.c", "a.c"},
        {"./elf/./rtld.c", "elf/rtld.c"},
        {"build/../src//a.c", "src/a.c"},
        {".", "."},
        {"a/..", "."},
        {"C:\\src\\a.c", "C:\\src\\a.c"},
        {"", NULL},
        {"../a.c", NULL},
        {"a/../../b", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        check_normalized(paths[i][0], paths[i][1]);
    }
}

static void test_a_path_without_end(void **state)
{
    (void)state;
    char path[5001] = "/";
    memset(path + 1, 'x', sizeof path - 2);
    check_normalized(path, NULL);
    path[LIMIT_NAME_BYTES] = 0;
    check_normalized(path, NULL);
    path[LIMIT_NAME_BYTES - 1] = 0;
    check_normalized(path, path);
    // What counts is what is left of it.
    memset(path, '/', 5000);
    check_normalized(path, "/");
}

static void check_substituted(const struct source_maps *maps, const char *path,
                              const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    bool ok = source_path_substitute(maps, path, &text);
    assert_int_equal(ok, expected != NULL);
    assert_string_equal(text_get(&text), expected == NULL ? "" : expected);
}

static void test_substitute(void **state)
{
    (void)state;
    CLEANUP(source_maps_fini) struct source_maps maps = {0};
    check_substituted(&maps, "/build/a.c", NULL);
    source_maps_add(&maps, "/build", "/mnt/me");
    source_maps_add(&maps, "/build/deep/", "/elsewhere/");
    source_maps_add(&maps, "/mnt/me", "/never/twice");
    source_maps_add(&maps, "/one.c", "/two.c");
    source_maps_add(&maps, "/up", "/../..");
    source_maps_add(&maps, "/rel", "src");
    source_maps_add(&maps, "/all", "/");
    source_maps_add(&maps, "", "/nothing");
    source_maps_add(&maps, "..", "/nothing");
    static const char *const paths[][2] = {
        {"/build/a.c", "/mnt/me/a.c"},
        {"/build", "/mnt/me"},
        {"/builder/a.c", NULL},
        {"/buil/a.c", NULL},
        {"/x/build/a.c", NULL},
        {"/build/deep/a.c", "/elsewhere/a.c"},
        {"/build/deeper/a.c", "/mnt/me/deeper/a.c"},
        {"/mnt/me/a.c", "/never/twice/a.c"},
        {"/one.c", "/two.c"},
        {"/up/etc/shadow", NULL},
        {"/rel/a.c", NULL},
        {"/all/a.c", "/a.c"},
        {"/other/a.c", NULL},
        {"src/a.c", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        check_substituted(&maps, paths[i][0], paths[i][1]);
    }
    // The root directory fits everything, and is the shortest.
    source_maps_add(&maps, "/", "/mnt");
    check_substituted(&maps, "/other/a.c", "/mnt/other/a.c");
    check_substituted(&maps, "/build/a.c", "/mnt/me/a.c");
    // Relative ones: of builds that hide their folder.
    check_substituted(&maps, "src/a.c", NULL);
    source_maps_add(&maps, ".", "/hidden");
    source_maps_add(&maps, "./src/", "/shown");
    check_substituted(&maps, "elf/a.c", "/hidden/elf/a.c");
    check_substituted(&maps, "src/a.c", "/shown/a.c");
    check_substituted(&maps, "/other/a.c", "/mnt/other/a.c");
    // The last one of the same FROM counts.
    source_maps_add(&maps, "/x/../build/", "/new");
    check_substituted(&maps, "/build/a.c", "/new/a.c");
}

static void test_copies_are_equal(void **state)
{
    (void)state;
    CLEANUP(source_maps_fini) struct source_maps a = {0};
    CLEANUP(source_maps_fini) struct source_maps b = {0};
    assert_true(source_maps_equal(&a, &b));
    source_maps_add(&a, "/a", "/b");
    assert_false(source_maps_equal(&a, &b));
    source_maps_copy(&b, &a);
    assert_true(source_maps_equal(&a, &b));
    source_maps_add(&b, "/a", "/c");
    assert_false(source_maps_equal(&a, &b));
    source_maps_add(&b, "/a", "/b");
    source_maps_add(&a, "/c", "/d");
    source_maps_add(&b, "/d", "/d");
    assert_false(source_maps_equal(&a, &b));
}

static void test_what_users_say_is_checked(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(source_map_check("/a", "/b/", &err), 0);
    assert_int_equal(source_map_check("./a", "/b/", &err), 0);
    assert_int_equal(source_map_check(".", "/", &err), 0);
    assert_true(source_map_check("../a", "/b", &err) < 0);
    assert_non_null(strstr(err.text, "\"../a\" can be no part"));
    assert_true(source_map_check("/a", "b", &err) < 0);
    assert_non_null(strstr(err.text, "\"b\" is not an absolute path"));
    assert_true(source_map_check("", "/b", &err) < 0);
    assert_true(source_map_check("/a", "", &err) < 0);
    assert_true(source_map_check("/a", "/..", &err) < 0);
}

#define HASH "82e1608dfa6e0b5569232559e3d385fea5a93112"

static void test_rust(void **state)
{
    (void)state;
    struct slice hash = {0};
    const char *rest = NULL;
    assert_true(source_path_of_rust("/rustc/" HASH "/library/core/src/mem/mod.rs", &hash, &rest));
    assert_int_equal(hash.n, 40);
    assert_memory_equal(hash.data, HASH, 40);
    assert_string_equal(rest, "library/core/src/mem/mod.rs");
    static const char *const others[] = {
        "",
        "/rustc",
        "/rustc/",
        "/rustc/" HASH,
        "/rustc/" HASH "/",
        "/rustc/" HASH "0/library/core/src/lib.rs",
        "/rustc/82e1608d/library/core/src/lib.rs",
        "/rustc/82E1608DFA6E0B5569232559E3D385FEA5A93112/library/core/src/lib.rs",
        "/x/rustc/" HASH "/library/core/src/lib.rs",
        "/rustc-1.63.0/library/core/src/lib.rs",
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(source_path_of_rust(others[i], &hash, &rest));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_a_path_without_end),
        cmocka_unit_test(test_substitute),
        cmocka_unit_test(test_copies_are_equal),
        cmocka_unit_test(test_what_users_say_is_checked),
        cmocka_unit_test(test_rust),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
