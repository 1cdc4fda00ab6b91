#include "image/inlines.h"

#include "base/alloc.h"
#include "base/file.h"
#include "image/test_inlines_fixture.h"
#include "image/test_support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// ---- Helpers -----------------------------------------------------------------------------------

enum { FILE_BYTES_MAX = 1 << 20 };

static int open_file(const char *path, const struct image_root *root, struct inlines **ret,
                     struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return inlines_open(fd, root, NULL, ret, reterr);
}

// The files of the fuzzer are as good as any, and never change.
static char *corpus_path(const char *name)
{
    const char *source = getenv("SOURCE_ROOT");
    CLEANUP(freep)
    char *folder = path_join(source == NULL ? "." : source, "tests/fuzz/corpus/fuzz_inlines");
    return path_join(folder, name);
}

static struct inlines *open_corpus(const char *name, const struct image_root *root)
{
    CLEANUP(freep) char *path = corpus_path(name);
    struct inlines *inlines = NULL;
    assert_int_equal(open_file(path, root, &inlines, NULL), 0);
    return inlines;
}

static void put_chain(struct text *to, struct inlines *inlines, uint64_t addr)
{
    const struct inline_site *sites[LIMIT_INLINE_DEPTH];
    size_t n = inlines_find(inlines, addr, sites);
    for (size_t i = 0; i < n; i++) {
        text_addf(to, "%s%s", i > 0 ? " < " : "", sites[i]->name);
    }
}

// All chains of a file, in the order of addresses, each once in a row.
static char *all_chains(struct inlines *inlines, uint64_t start, uint64_t end)
{
    struct text all = {0};
    CLEANUP(text_fini) struct text last = {0};
    for (uint64_t addr = start; addr < end; addr++) {
        CLEANUP(text_fini) struct text chain = {0};
        put_chain(&chain, inlines, addr);
        if (strcmp(text_get(&chain), text_get(&last)) != 0) {
            text_addf(&all, "%s;", text_get(&chain));
        }
        text_clear(&last);
        text_add(&last, text_get(&chain));
    }
    return text_take(&all);
}

struct fixture {
    struct inlines *inlines;
    uint64_t base; // where it is mapped: its first segment is at address 0
};

static int setup(void **state)
{
    struct fixture *fixture = NEW(struct fixture);
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_outer);
    Dl_info info;
    assert_true(dladdr((void *)(uintptr_t)fixture_outer, &info) != 0);
    fixture->base = (uint64_t)(uintptr_t)info.dli_fbase;
    assert_int_equal(open_file(path, NULL, &fixture->inlines, NULL), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    inlines_close(fixture->inlines);
    free(fixture);
    return 0;
}

static void check_mark(const struct fixture *fixture, void (*mark)(void), const char *expected)
{
    CLEANUP(text_fini) struct text chain = {0};
    put_chain(&chain, fixture->inlines, (uint64_t)(uintptr_t)mark - fixture->base);
    assert_string_equal(text_get(&chain), expected);
}

// ---- What a compiler made ----------------------------------------------------------------------

static void test_chain(void **state)
{
    check_mark(*state, mark_innermost, "middle < innermost");
    check_mark(*state, mark_middle, "middle");
    check_mark(*state, mark_outer, "");
    check_mark(*state, mark_alone, "");
}

static void test_hot_and_cold(void **state)
{
    check_mark(*state, mark_hot, "split");
    check_mark(*state, mark_cold, "split");
}

static void test_nowhere(void **state)
{
    const struct fixture *fixture = *state;
    const struct inline_site *sites[LIMIT_INLINE_DEPTH];
    assert_int_equal(inlines_find(fixture->inlines, 0, sites), 0);
    assert_int_equal(inlines_find(fixture->inlines, UINT64_MAX, sites), 0);
    uint64_t data = (uint64_t)(uintptr_t)&fixture_number - fixture->base;
    assert_int_equal(inlines_find(fixture->inlines, data, sites), 0);
}

static void test_call_sites(void **state)
{
    const struct fixture *fixture = *state;
    const struct inline_site *sites[LIMIT_INLINE_DEPTH];
    uint64_t addr = (uint64_t)(uintptr_t)mark_innermost - fixture->base;
    assert_int_equal(inlines_find(fixture->inlines, addr, sites), 2);
    assert_int_equal(sites[0]->lang, SYMBOL_C);
    assert_false(sites[0]->is_linkage_name);
    for (size_t i = 0; i < 2; i++) {
        const char *file = inlines_call_file(fixture->inlines, sites[i]);
        assert_non_null(file);
        assert_non_null(strstr(file, "test_inlines_fixture.c"));
    }
    assert_true(sites[0]->call_line > sites[1]->call_line); // the caller stands below
    assert_true(sites[1]->call_line > 10);
}

static void test_twice_in_one_line(void **state)
{
    const struct fixture *fixture = *state;
    const struct inline_site *first = NULL;
    bool other = false;
    uint64_t start = (uint64_t)(uintptr_t)fixture_twice - fixture->base;
    for (uint64_t addr = start; addr < start + 16; addr++) {
        const struct inline_site *sites[LIMIT_INLINE_DEPTH];
        if (inlines_find(fixture->inlines, addr, sites) == 1 &&
            strcmp(sites[0]->name, "number") == 0) {
            other |= first != NULL && first != sites[0] && first->call_line == sites[0]->call_line;
            first = first == NULL ? sites[0] : first;
        }
    }
    assert_non_null(first);
    assert_true(other);
}

static void test_deeper_than_the_limit(void **state)
{
    const struct fixture *fixture = *state;
    const struct inline_site *sites[LIMIT_INLINE_DEPTH];
    uint64_t addr = (uint64_t)(uintptr_t)mark_deepest - fixture->base;
    assert_int_equal(inlines_find(fixture->inlines, addr, sites), LIMIT_INLINE_DEPTH);
    for (int i = 0; i < LIMIT_INLINE_DEPTH; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "level_%d", 90 - i);
        assert_string_equal(sites[i]->name, expected);
    }
}

// ---- Files of others
// -----------------------------------------------------------------------------

// The same source through several compilers: what is inlined is the same, where is their business.
static void test_kinds_of_dwarf(void **state)
{
    (void)state;
    static const char *const names[] = {"gcc_dwarf2", "gcc_dwarf4", "gcc_dwarf5",  "gcc_compressed",
                                        "gcc_zdebug", "gcc_m32",    "clang_dwarf5"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct inlines *inlines = open_corpus(names[i], NULL);
        CLEANUP(freep) char *chains = all_chains(inlines, 0, 0x2000);
        assert_non_null(strstr(chains, "middle < deep;"));
        assert_non_null(strstr(chains, "middle;"));
        assert_null(strstr(chains, "deep < "));
        struct err note;
        inlines_note(inlines, &note);
        assert_string_equal(note.text, "");
        inlines_close(inlines);
    }
}

static void test_compressed_is_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"gcc_dwarf5", "gcc_compressed", "gcc_zdebug"};
    CLEANUP(freep) char *expected = NULL;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct inlines *inlines = open_corpus(names[i], NULL);
        CLEANUP(freep) char *chains = all_chains(inlines, 0, 0x2000);
        if (expected == NULL) {
            expected = TAKE(chains);
        } else {
            assert_string_equal(chains, expected);
        }
        inlines_close(inlines);
    }
}

static void test_lambda(void **state)
{
    (void)state;
    static const char *const names[] = {"gxx_lambda", "gxx_types"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct inlines *inlines = open_corpus(names[i], NULL);
        CLEANUP(freep) char *chains = all_chains(inlines, 0, 0x2000);
        assert_non_null(strstr(chains, "apply<outer(const n::s&)::<lambda()> > < operator()"));
        inlines_close(inlines);
    }
}

static void test_split_is_said(void **state)
{
    (void)state;
    struct inlines *inlines = open_corpus("clang_split", NULL);
    CLEANUP(freep) char *chains = all_chains(inlines, 0, 0x2000);
    assert_string_equal(chains, "");
    struct err note;
    inlines_note(inlines, &note);
    assert_non_null(strstr(note.text, "split DWARF"));
    inlines_close(inlines);
}

// ---- The alternate file
// --------------------------------------------------------------------------

struct alt_world {
    char *directory;
    char *folder; // usr/lib/debug/.dwz in it
    char *path;
    struct image_root *root;
};

static void make_folder(const char *directory, const char *name)
{
    CLEANUP(freep) char *path = path_join(directory, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static struct alt_world alt_world_new(void)
{
    struct alt_world w = {.directory = directory_new()};
    make_folder(w.directory, "usr");
    make_folder(w.directory, "usr/lib");
    make_folder(w.directory, "usr/lib/debug");
    make_folder(w.directory, "usr/lib/debug/.dwz");
    w.folder = path_join(w.directory, "usr/lib/debug/.dwz");
    w.path = path_join(w.folder, "common.debug");
    w.root = image_root_open_directory(w.directory);
    assert_non_null(w.root);
    return w;
}

static void alt_world_free(struct alt_world *w)
{
    image_root_unref(w->root);
    directory_remove(w->directory);
    free(w->directory);
    free(w->folder);
    free(w->path);
}

static void check_without_alternate(const struct alt_world *w)
{
    struct inlines *inlines = open_corpus("dwz", w->root);
    CLEANUP(freep) char *chains = all_chains(inlines, 0, 0x1000);
    assert_non_null(strstr(chains, "[inlined] < [inlined]"));
    struct err note;
    inlines_note(inlines, &note);
    assert_non_null(strstr(note.text, "dwz"));
    inlines_close(inlines);
}

static void test_alternate_file(void **state)
{
    (void)state;
    struct alt_world w = alt_world_new();
    check_without_alternate(&w);
    CLEANUP(freep) char *alternate = corpus_path("dwz_alternate");
    file_copy(alternate, w.path);
    struct inlines *inlines = open_corpus("dwz", w.root);
    CLEANUP(freep) char *chains = all_chains(inlines, 0, 0x1000);
    assert_non_null(strstr(chains, "shared_between_files < shared_between_files_deep"));
    struct err note;
    inlines_note(inlines, &note);
    assert_string_equal(note.text, "");
    inlines_close(inlines);
    alt_world_free(&w);
}

// Opening a FIFO would wait for ever; one of another build would give wrong names.
static void test_alternate_that_is_none(void **state)
{
    (void)state;
    struct alt_world w = alt_world_new();
    assert_int_equal(mkfifo(w.path, 0644), 0);
    check_without_alternate(&w);
    assert_int_equal(unlink(w.path), 0);
    CLEANUP(freep) char *other = corpus_path("gcc_dwarf5");
    file_copy(other, w.path);
    check_without_alternate(&w);
    file_write(w.path, "no", 2);
    check_without_alternate(&w);
    alt_world_free(&w);
}

// ---- What is refused
// -----------------------------------------------------------------------------

static void test_refused(void **state)
{
    (void)state;
    struct inlines *inlines = NULL;
    struct err err;
    assert_int_equal(inlines_open_bytes((struct slice){0}, &inlines, &err), -ENOEXEC);
    assert_null(inlines);
    assert_int_equal(open_file("/dev/null", NULL, &inlines, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "not a regular file"));
    CLEANUP(freep) char *alternate = corpus_path("dwz_alternate");
    assert_int_equal(open_file(alternate, NULL, &inlines, &err), -ENOEXEC);
}

static void test_without_dwarf(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)getpid); // libc is stripped
    struct inlines *inlines = NULL;
    struct err err;
    assert_int_equal(open_file(path, NULL, &inlines, &err), -ENODATA);
    assert_string_equal(err.text, "has no DWARF (.debug_info)");
}

// A section that says that it becomes a terabyte.
static void test_claims_of_compressed_sections(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = corpus_path("gcc_compressed");
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, FILE_BYTES_MAX, &bytes), 0);
    Elf64_Ehdr header;
    memcpy(&header, bytes.at, sizeof header);
    for (size_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;
        memcpy(&section, bytes.at + header.e_shoff + i * sizeof section, sizeof section);
        if ((section.sh_flags & SHF_COMPRESSED) != 0) {
            Elf64_Chdr *claim = (Elf64_Chdr *)(void *)(bytes.at + section.sh_offset);
            uint64_t size = 1ULL << 40;
            memcpy(&claim->ch_size, &size, sizeof size);
        }
    }
    struct slice all = {.data = (const uint8_t *)bytes.at, .n = bytes.n};
    struct inlines *inlines = NULL;
    struct err err;
    assert_int_equal(inlines_open_bytes(all, &inlines, &err), -EFBIG);
}

static void test_stop(void **state)
{
    (void)state;
    _Atomic bool stop = true;
    CLEANUP(freep) char *path = corpus_path("gcc_dwarf5");
    struct inlines *inlines = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(inlines_open(fd, NULL, &stop, &inlines, NULL), 0);
    CLEANUP(freep) char *chains = all_chains(inlines, 0, 0x2000);
    assert_string_equal(chains, "");
    inlines_close(inlines);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chain),
        TEST(test_hot_and_cold),
        TEST(test_nowhere),
        TEST(test_call_sites),
        TEST(test_twice_in_one_line),
        TEST(test_deeper_than_the_limit),
        cmocka_unit_test(test_kinds_of_dwarf),
        cmocka_unit_test(test_compressed_is_the_same),
        cmocka_unit_test(test_lambda),
        cmocka_unit_test(test_split_is_said),
        cmocka_unit_test(test_alternate_file),
        cmocka_unit_test(test_alternate_that_is_none),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_without_dwarf),
        cmocka_unit_test(test_claims_of_compressed_sections),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
