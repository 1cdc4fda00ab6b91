#include "image/lines.h"

#include "base/alloc.h"
#include "base/file.h"
#include "image/elf_facts.h"
#include "image/test_inlines_fixture.h"
#include "image/test_support.h"

#include <dlfcn.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// ---- Helpers -----------------------------------------------------------------------------------

static struct lines *open_lines(const char *path, const _Atomic bool *stop)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct lines *lines = NULL;
    assert_int_equal(lines_open(fd, NULL, stop, &lines, NULL), 0);
    return lines;
}

static char *corpus_path(const char *name)
{
    const char *source = getenv("SOURCE_ROOT");
    CLEANUP(freep)
    char *folder = path_join(source == NULL ? "." : source, "tests/fuzz/corpus/fuzz_lines");
    return path_join(folder, name);
}

// The row that holds at `addr`; one without a file when it is not known.
static struct line_row row_at(struct lines *lines, uint64_t addr)
{
    struct line_rows rows = {0};
    lines_find(lines, addr, addr + 1, &rows);
    assert_true(rows.list.n <= 1);
    struct line_row row = rows.list.n == 1 ? rows.list.at[0] : (struct line_row){0};
    assert_true(rows.list.n == 0 || row.addr == addr);
    vec_fini(&rows.list);
    return row;
}

static uint64_t addr_in_fixture(void (*mark)(void))
{
    Dl_info info;
    assert_true(dladdr((void *)(uintptr_t)fixture_outer, &info) != 0);
    return (uint64_t)(uintptr_t)mark - (uint64_t)(uintptr_t)info.dli_fbase;
}

static struct lines *open_fixture(void)
{
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_outer);
    return open_lines(path, NULL);
}

// ---- What libdw says ---------------------------------------------------------------------------

struct expected {
    uint64_t addr;
    uint64_t order;
    bool is_end;
    const char *file;
    int line;
    int column;
};

struct oracle {
    int fd;
    Dwarf *dwarf;
    VEC(struct expected) rows; // of one unit
    size_t n_compared;
};

static int compare_expected(const void *a, const void *b)
{
    const struct expected *x = a;
    const struct expected *y = b;
    if (x->addr != y->addr) {
        return x->addr < y->addr ? -1 : 1;
    }
    if (x->is_end != y->is_end) { // one sequence ends where the next one begins
        return x->is_end ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void read_unit(struct oracle *oracle, Dwarf_Die *die)
{
    Dwarf_Lines *lines;
    size_t n;
    vec_clear(&oracle->rows);
    if (dwarf_getsrclines(die, &lines, &n) != 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        Dwarf_Line *line = dwarf_onesrcline(lines, i);
        struct expected row = {.order = i, .file = dwarf_linesrc(line, NULL, NULL)};
        assert_int_equal(dwarf_lineaddr(line, &row.addr), 0);
        assert_int_equal(dwarf_lineendsequence(line, &row.is_end), 0);
        assert_int_equal(dwarf_lineno(line, &row.line), 0);
        assert_int_equal(dwarf_linecol(line, &row.column), 0);
        vec_push(&oracle->rows, row);
    }
    if (n > 0) {
        qsort(oracle->rows.at, n, sizeof *oracle->rows.at, compare_expected);
    }
}

static bool is_in_unit(Dwarf_Die *die, uint64_t addr)
{
    return dwarf_haspc(die, addr) == 1;
}

// libdw leaves out where the compiler ran when that is not an absolute path.
static void check_path(const char *path, const char *expected)
{
    size_t n = strlen(path);
    size_t n_expected = strlen(expected);
    if (expected[0] != '/' && n > n_expected) {
        path += n - n_expected;
        assert_int_equal(path[-1], '/');
    }
    assert_string_equal(path, expected);
}

static void check_row(const struct line_row *row, const struct expected *expected)
{
    assert_int_equal(row->line, expected->line);
    assert_int_equal(row->column, expected->column);
    if (strcmp(expected->file, "???") == 0) {
        assert_null(row->file);
        return;
    }
    assert_non_null(row->file);
    check_path(row->file, expected->file);
}

static void compare_unit(struct oracle *oracle, struct lines *lines, Dwarf_Die *die)
{
    read_unit(oracle, die);
    for (size_t i = 0; i < oracle->rows.n; i++) {
        const struct expected *expected = &oracle->rows.at[i];
        bool is_last = i + 1 == oracle->rows.n || expected[1].addr != expected->addr;
        if (expected->is_end || !is_last || !is_in_unit(die, expected->addr)) {
            continue;
        }
        struct line_row row = row_at(lines, expected->addr);
        check_row(&row, expected);
        oracle->n_compared++;
    }
}

// Every row of every unit of a file; returns how many.
static size_t compare_with_libdw(const char *path)
{
    struct oracle oracle = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    assert_true(oracle.fd >= 0);
    oracle.dwarf = dwarf_begin(oracle.fd, DWARF_C_READ);
    assert_non_null(oracle.dwarf);
    struct lines *lines = open_lines(path, NULL);
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint8_t type;
    while (dwarf_get_units(oracle.dwarf, unit, &unit, NULL, &type, &die, NULL) == 0) {
        if (die.addr != NULL) {
            compare_unit(&oracle, lines, &die);
        }
    }
    struct err note;
    lines_note(lines, &note);
    assert_string_equal(note.text, "");
    lines_close(lines);
    vec_fini(&oracle.rows);
    dwarf_end(oracle.dwarf);
    close(oracle.fd);
    return oracle.n_compared;
}

static void test_kinds_of_dwarf(void **state)
{
    (void)state;
    static const char *const names[] = {"gcc_dwarf2",     "gcc_dwarf4", "gcc_dwarf5",
                                        "gcc_compressed", "gcc_zdebug", "gcc_m32",
                                        "clang_dwarf5",   "dwz"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(freep) char *path = corpus_path(names[i]);
        assert_true(compare_with_libdw(path) >= 4);
    }
}

static void test_fixture(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_outer);
    assert_true(compare_with_libdw(path) > 20);
}

// A distribution's own: thousands of units, in C and in assembler. NULL: it is not there.
static char *libc_debug_path(void)
{
    CLEANUP(freep) char *libc = path_of_code((void *)(uintptr_t)getpid);
    CLEANUP(closep) int fd = open(libc, O_RDONLY | O_CLOEXEC);
    struct elf_facts facts;
    assert_int_equal(elf_facts_read(fd, &facts, NULL), 0);
    char *path = build_id_path("/usr/lib/debug", &facts.build_id);
    if (access(path, R_OK) < 0) {
        free(TAKE(path));
    }
    return path;
}

static void test_libc(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = libc_debug_path();
    if (path == NULL) {
        skip(); // libc6-dbg is not installed
    }
    assert_true(compare_with_libdw(path) > 100000);
}

// ---- What another reader says -------------------------------------------------------------------

// Asks llvm-symbolizer about some addresses: of each, `file:line:column`, one per line.
static bool ask_llvm(const char *path, const uint64_t *addrs, size_t n, struct text *ret)
{
    CLEANUP(text_fini) struct text obj = {0};
    text_addf(&obj, "--obj=%s", path);
    VEC(char *) argv = {0};
    vec_push(&argv, (char *)(uintptr_t) "llvm-symbolizer");
    vec_push(&argv, obj.at);
    vec_push(&argv, (char *)(uintptr_t) "--no-inlines");
    vec_push(&argv, (char *)(uintptr_t) "--functions=none");
    for (size_t i = 0; i < n; i++) {
        struct text number = {0};
        text_addf(&number, "0x%" PRIx64, addrs[i]);
        vec_push(&argv, text_take(&number));
    }
    vec_push(&argv, NULL);
    bool ran = command_output(argv.at, ret);
    for (size_t i = 4; i < argv.n; i++) {
        free(argv.at[i]);
    }
    vec_fini(&argv);
    return ran;
}

static void put_row(struct text *to, const struct line_row *row)
{
    text_addf(to, "%s:%" PRIu32 ":%" PRIu32 "\n\n", row->file == NULL ? "??" : row->file, row->line,
              row->column);
}

static char *first_line(const char *text)
{
    return alloc_text(text, strcspn(text, "\n"));
}

// Answers of ours and of llvm-symbolizer. It may fold `./` and `../` in paths.
static void compare_answers(const char *ours, const char *theirs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *our_line = first_line(ours);
        CLEANUP(freep) char *their_line = first_line(theirs);
        const char *our_end = strrchr(our_line, '/');
        const char *their_end = strrchr(their_line, '/');
        assert_int_equal(our_end == NULL, their_end == NULL);
        assert_string_equal(our_end == NULL ? our_line : our_end,
                            our_end == NULL ? their_line : their_end);
        ours += strlen(our_line) + 2;
        theirs += strlen(their_line) + 2;
    }
}

static void compare_with_llvm(const char *path, const uint64_t *addrs, size_t n)
{
    struct lines *lines = open_lines(path, NULL);
    CLEANUP(text_fini) struct text ours = {0};
    CLEANUP(text_fini) struct text theirs = {0};
    for (size_t i = 0; i < n; i++) {
        struct line_row row = row_at(lines, addrs[i]);
        put_row(&ours, &row);
    }
    lines_close(lines);
    if (!ask_llvm(path, addrs, n, &theirs)) {
        skip();
    }
    compare_answers(text_get(&ours), text_get(&theirs), n);
}

static void test_every_byte_of_the_fixture(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_outer);
    static void (*const starts[])(void) = {fixture_outer, mark_cold, fixture_alone};
    uint64_t addrs[3 * 16];
    for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
        addrs[i] = addr_in_fixture(starts[i / 16]) + i % 16;
    }
    compare_with_llvm(path, addrs, ARRAY_LEN(addrs));
}

static void test_a_few_hundred_places_of_libc(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = libc_debug_path();
    if (path == NULL) {
        skip(); // libc6-dbg is not installed
    }
    Dl_info info;
    assert_true(dladdr((void *)(uintptr_t)getpid, &info) != 0);
    uint64_t somewhere = (uint64_t)(uintptr_t)getpid - (uint64_t)(uintptr_t)info.dli_fbase;
    uint64_t addrs[600];
    for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
        addrs[i] = somewhere + i * 997 - 300 * 997;
    }
    compare_with_llvm(path, addrs, ARRAY_LEN(addrs));
}

// ---- Ranges ------------------------------------------------------------------------------------

static void test_marks(void **state)
{
    (void)state;
    struct lines *lines = open_fixture();
    struct line_row inner = row_at(lines, addr_in_fixture(mark_innermost));
    struct line_row outer = row_at(lines, addr_in_fixture(mark_outer));
    assert_non_null(strstr(inner.file, "src/image/test_inlines_fixture.c"));
    assert_ptr_equal(inner.file, outer.file); // each path once
    assert_true(inner.line > 10 && inner.line < outer.line);
    lines_close(lines);
}

// A range says the same as its addresses one by one, and does not say it twice.
static void test_a_range(void **state)
{
    (void)state;
    struct lines *lines = open_fixture();
    uint64_t start = addr_in_fixture(fixture_outer);
    struct line_rows rows = {0};
    lines_find(lines, start - 32, start + 200, &rows);
    assert_true(rows.list.n > 5);
    size_t at = 0;
    for (uint64_t addr = start - 32; addr < start + 200; addr++) {
        while (at + 1 < rows.list.n && rows.list.at[at + 1].addr <= addr) {
            const struct line_row *row = &rows.list.at[++at];
            assert_true(row->file != row[-1].file || row->line != row[-1].line ||
                        row->column != row[-1].column);
        }
        struct line_row one = row_at(lines, addr);
        if (rows.list.at[at].addr <= addr) {
            assert_ptr_equal(rows.list.at[at].file, one.file);
            assert_int_equal(rows.list.at[at].line, one.line);
            assert_int_equal(rows.list.at[at].column, one.column);
        } else {
            assert_null(one.file);
        }
    }
    size_t n = rows.list.n; // more are added behind
    lines_find(lines, start, start + 1, &rows);
    assert_int_equal(rows.list.n, n + 1);
    vec_fini(&rows.list);
    lines_close(lines);
}

static void test_nowhere(void **state)
{
    (void)state;
    struct lines *lines = open_fixture();
    struct line_rows rows = {0};
    lines_find(lines, 0, 0x10, &rows);
    lines_find(lines, UINT64_MAX - 5, UINT64_MAX, &rows);
    lines_find(lines, 0x2000, 0x1000, &rows);
    uint64_t start = addr_in_fixture(fixture_outer);
    lines_find(lines, start, start, &rows);
    assert_int_equal(rows.list.n, 0);
    vec_fini(&rows.list);
    lines_close(lines);
}

// DIEs are elsewhere, lines are not; and where they are is not looked.
static void test_split(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = corpus_path("clang_split");
    struct lines *lines = open_lines(path, NULL);
    struct line_rows rows = {0};
    lines_find(lines, 0, 0x4000, &rows);
    assert_true(rows.list.n > 5);
    assert_non_null(strstr(rows.list.at[0].file, "f.c"));
    vec_fini(&rows.list);
    lines_close(lines);
}

static void test_stop(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_outer);
    _Atomic bool stop = false;
    struct lines *lines = open_lines(path, &stop);
    uint64_t addr = addr_in_fixture(mark_outer);
    assert_non_null(row_at(lines, addr).file);
    stop = true;
    assert_null(row_at(lines, addr).file);
    lines_close(lines);
}

static void test_refused(void **state)
{
    (void)state;
    struct lines *lines = NULL;
    struct err err;
    assert_int_equal(lines_open_bytes((struct slice){0}, &lines, &err), -ENOEXEC);
    assert_null(lines);
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)getpid); // libc is stripped
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(lines_open(fd, NULL, NULL, &lines, &err), -ENODATA);
    assert_string_equal(err.text, "has no DWARF (.debug_info)");
    lines_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_dwarf),
        cmocka_unit_test(test_fixture),
        cmocka_unit_test(test_libc),
        cmocka_unit_test(test_every_byte_of_the_fixture),
        cmocka_unit_test(test_a_few_hundred_places_of_libc),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_a_range),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
