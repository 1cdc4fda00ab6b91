// Names from outside of the image, as the library's readers see them arrive.

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "image/library.h"
#include "image/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct library library;
    char *directory;
    char *original; // the fixture, with symbols and DWARF
    char *binary;   // stripped
    char *debug;    // its debug file, found by nobody
    bool has_objcopy;
    struct build_id build_id;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void on_change(void *context)
{
    struct world *world = context;
    pthread_mutex_lock(&world->lock);
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static struct elf_facts facts_of(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct elf_facts facts;
    assert_int_equal(elf_facts_read(fd, &facts, NULL), 0);
    return facts;
}

static int setup(void **state)
{
    struct world *world = NEW(struct world);
    *state = world;
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);
    world->directory = directory_new();
    world->original = path_of_code((void *)(uintptr_t)fixture_global);
    world->binary = path_join(world->directory, "libfixture.so");
    world->debug = path_join(world->directory, "elsewhere");
    world->build_id = facts_of(world->original).build_id;
    world->has_objcopy = strip_all(world->original, world->binary) &&
                         keep_debug(world->original, world->debug);
    unsetenv("STAX_DEBUG_PATH");
    library_init(&world->library, on_change, world);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    library_fini(&world->library);
    unsetenv("STAX_DEBUG_PATH");
    directory_remove(world->directory);
    free(world->directory);
    free(world->original);
    free(world->binary);
    free(world->debug);
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->lock);
    free(world);
    return 0;
}

static struct world *needs_objcopy(void **state)
{
    struct world *world = *state;
    if (!world->has_objcopy) {
        print_message("no objcopy here\n");
        skip();
    }
    return world;
}

static void set_debug_path(struct world *world, const char *path)
{
    library_fini(&world->library);
    setenv("STAX_DEBUG_PATH", path, 1);
    library_init(&world->library, on_change, world);
}

static void await_generation(struct world *world, uint64_t generation)
{
    pthread_mutex_lock(&world->lock);
    while (atomic_load(&world->library.generation) < generation) {
        pthread_cond_wait(&world->changed, &world->lock);
    }
    pthread_mutex_unlock(&world->lock);
}

static struct image *load_with(struct world *world, const char *path, struct image_root *root)
{
    struct image_identity identity = {
        .kind = IMAGE_FILE, .path = slice_of_text(path), .mapped_unix_ns = clock_unix_ns()};
    uint32_t id = library_get(&world->library, &identity, root);
    uint64_t generation = atomic_load(&world->library.generation);
    library_want(&world->library, id);
    await_generation(world, generation + 1);
    return library_at(&world->library, id);
}

static struct image *load(struct world *world, const char *path)
{
    struct image_root *root = image_root_open_directory("/");
    struct image *image = load_with(world, path, root);
    image_root_unref(root);
    return image;
}

static const struct symbol *find_name(const struct symtab *symtab, const char *name)
{
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        if (strcmp(symtab_at(symtab, i)->name, name) == 0) {
            return symtab_at(symtab, i);
        }
    }
    return NULL;
}

static bool knows(const struct image *image, const char *name)
{
    return find_name(image_symtab(image), name) != NULL;
}

static void assert_note(const struct image *image, const char *part)
{
    if (strstr(image_note(image), part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", image_note(image), part);
    }
}

static void assert_opens_dwarf(const struct image *image)
{
    struct err err = {0};
    CLEANUP(closep) int fd = image_debug_open(image, &err);
    if (fd < 0) {
        fail_msg("%s", err.text);
    }
    struct elf_facts facts;
    assert_int_equal(elf_facts_read(fd, &facts, NULL), 0);
    assert_true(facts.has_dwarf);
}

static void assert_opens_nothing(const struct image *image, int error, const char *reason)
{
    struct err err = {0};
    assert_int_equal(image_debug_open(image, &err), error);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
    }
}

// ---- Found at once -----------------------------------------------------------------------------

// Same names at the same addresses and offsets as in the file before it was stripped.
static void assert_like_original(const struct world *world, const struct symtab *symtab)
{
    CLEANUP(closep) int fd = open(world->original, O_RDONLY | O_CLOEXEC);
    struct symtab *original = NULL;
    struct elf_facts facts;
    assert_int_equal(elf_symbols_read(fd, &original, &facts, NULL), 0);
    assert_int_equal(symtab_count(symtab), symtab_count(original));
    for (size_t i = 0; i < symtab_count(original); i++) {
        const struct symbol *expected = symtab_at(original, i);
        const struct symbol *got = symtab_at(symtab, i);
        uint64_t expected_off = 0;
        uint64_t got_off = 1;
        assert_string_equal(got->name, expected->name);
        assert_int_equal(got->addr, expected->addr);
        assert_int_equal(got->end, expected->end);
        assert_true(symtab_off_of_addr(original, expected->addr, &expected_off));
        assert_true(symtab_off_of_addr(symtab, expected->addr, &got_off));
        assert_int_equal(got_off, expected_off);
    }
    symtab_free(original);
}

static void test_a_debug_file_gives_names(void **state)
{
    struct world *world = needs_objcopy(state);
    set_debug_path(world, world->debug);
    const struct image *image = load(world, world->binary);
    assert_int_equal(image->state, IMAGE_READY);
    assert_string_equal(image_note(image), "");
    assert_like_original(world, image_symtab(image));
    assert_string_equal(image->debug->path, world->debug);
    assert_opens_dwarf(image);
    assert_int_equal(library_next_missing(&world->library), LIBRARY_NONE);
}

static void test_a_file_with_everything_is_its_own(void **state)
{
    struct world *world = *state;
    const struct image *image = load(world, world->original);
    assert_null(image->debug);
    assert_opens_dwarf(image);
    assert_int_equal(library_next_missing(&world->library), LIBRARY_NONE);
}

static void test_none_is_said(void **state)
{
    struct world *world = needs_objcopy(state);
    const struct image *image = load(world, world->binary);
    assert_true(knows(image, "fixture_global"));
    assert_false(knows(image, "fixture_local"));
    assert_note(image, "stripped: only its ");
    assert_note(image, "no debug file in STAX_DEBUG_PATH or /usr/lib/debug");
    assert_note(image, "-dbgsym package, or set DEBUGINFOD_URLS");
    assert_opens_nothing(image, -ENOENT, "has no debug information");
}

static void test_a_wrong_one_is_said(void **state)
{
    struct world *world = needs_objcopy(state);
    CLEANUP(freep) char *wrong = build_id_path(world->directory, &world->build_id);
    directory_make_for(wrong);
    file_write(wrong, "garbage", 7);
    set_debug_path(world, world->directory);
    const struct image *image = load(world, world->binary);
    assert_note(image, "stripped: only its ");
    assert_note(image, ".debug is not an ELF file");
    assert_null(image->debug);
}

// ---- Packed in the image -----------------------------------------------------------------------

static void add_debugdata(const struct world *world, const char *section)
{
    CLEANUP(text_fini) struct text option = {0};
    CLEANUP(text_fini) struct text output = {0};
    text_addf(&option, ".gnu_debugdata=%s", section);
    char *argv[] = {(char[]){"objcopy"}, (char[]){"--add-section"}, option.at, world->binary, NULL};
    assert_true(command_output(argv, &output));
}

static bool pack(const struct world *world, struct text *ret)
{
    char *argv[] = {(char[]){"xz"}, (char[]){"-9c"}, world->debug, NULL};
    return command_output(argv, ret);
}

static void test_packed_symbols(void **state)
{
    struct world *world = needs_objcopy(state);
    CLEANUP(text_fini) struct text packed = {0};
    if (!pack(world, &packed)) {
        print_message("no xz here\n");
        skip();
    }
    CLEANUP(freep) char *section = path_join(world->directory, "debugdata.xz");
    file_write(section, packed.at, packed.n);
    add_debugdata(world, section);
    const struct image *image = load(world, world->binary);
    assert_string_equal(image_note(image), "");
    assert_like_original(world, image_symtab(image));
    assert_null(image->debug);
    assert_int_equal(library_next_missing(&world->library), LIBRARY_NONE);
}

static void test_packed_symbols_that_are_damaged(void **state)
{
    struct world *world = needs_objcopy(state);
    CLEANUP(text_fini) struct text packed = {0};
    if (!pack(world, &packed)) {
        print_message("no xz here\n");
        skip();
    }
    CLEANUP(freep) char *section = path_join(world->directory, "debugdata.xz");
    file_write(section, packed.at, packed.n / 2);
    add_debugdata(world, section);
    const struct image *image = load(world, world->binary);
    assert_true(knows(image, "fixture_global"));
    assert_note(image, "its .gnu_debugdata is cut short");
    assert_int_not_equal(library_next_missing(&world->library), LIBRARY_NONE);
}

// ---- Fetched later -----------------------------------------------------------------------------

static void test_a_debug_file_arrives(void **state)
{
    struct world *world = needs_objcopy(state);
    const struct image *image = load(world, world->binary);
    const struct symtab *before = image_symtab(image);
    const char *note = image_note(image);
    uint32_t id = library_next_missing(&world->library);
    assert_int_equal(id, image->id);
    assert_memory_equal(&image->file_build_id, &world->build_id, sizeof world->build_id);
    uint64_t generation = world->library.generation;
    library_add_debug_file(&world->library, id, world->debug);
    await_generation(world, generation + 1);
    assert_ptr_not_equal(image_symtab(image), before);
    assert_like_original(world, image_symtab(image));
    assert_string_equal(image_note(image), "");
    assert_opens_dwarf(image);
    assert_non_null(find_name(before, "fixture_global")); // whoever reads them still may
    assert_non_null(strstr(note, "is stripped"));
    library_missing_again(&world->library, id);
    assert_int_equal(library_next_missing(&world->library), LIBRARY_NONE);
}

static void test_a_wrong_one_arrives(void **state)
{
    struct world *world = needs_objcopy(state);
    const struct image *image = load(world, world->binary);
    const struct symtab *before = image_symtab(image);
    CLEANUP(freep) char *garbage = path_join(world->directory, "garbage");
    CLEANUP(freep) char *gone = path_join(world->directory, "gone");
    file_write(garbage, "garbage", 7);
    const struct {
        const char *path;
        const char *reason;
    } rows[] = {{garbage, "/garbage is not an ELF file"},
                {gone, "No such file"},
                {world->directory, "is not a regular file"},
                {world->binary, "is stripped as well"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t generation = world->library.generation;
        library_add_debug_file(&world->library, image->id, rows[i].path);
        await_generation(world, generation + 1);
        assert_note(image, rows[i].reason);
        assert_ptr_equal(image_symtab(image), before);
    }
    assert_opens_nothing(image, -ENOENT, "has no debug information");

    // A good one, and once more a bad one: which changes nothing, not even the note.
    uint64_t generation = world->library.generation;
    library_add_debug_file(&world->library, image->id, world->debug);
    library_add_debug_file(&world->library, image->id, garbage);
    library_add_debug_file(&world->library, image->id, world->debug);
    await_generation(world, generation + 2);
    assert_string_equal(image_note(image), "");
    assert_opens_dwarf(image);
}

static void test_the_hottest_is_missed_first(void **state)
{
    struct world *world = needs_objcopy(state);
    struct image *images[3];
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        char name[16];
        snprintf(name, sizeof name, "lib%zu.so", i);
        CLEANUP(freep) char *path = path_join(world->directory, name);
        file_copy(world->binary, path);
        images[i] = load(world, path);
    }
    load(world, world->original); // lacks nothing
    library_heat(&world->library, images[1]->id, 10);
    library_heat(&world->library, images[2]->id, 6);
    library_heat(&world->library, images[2]->id, 6);
    assert_int_equal(library_next_missing(&world->library), images[2]->id);
    assert_int_equal(library_next_missing(&world->library), images[1]->id);
    library_missing_again(&world->library, images[2]->id);
    assert_int_equal(library_next_missing(&world->library), images[2]->id);
    assert_int_equal(library_next_missing(&world->library), images[0]->id);
    assert_int_equal(library_next_missing(&world->library), LIBRARY_NONE);
}

// ---- Opening it again --------------------------------------------------------------------------

static void test_dwarf_that_has_changed_is_refused(void **state)
{
    struct world *world = needs_objcopy(state);
    set_debug_path(world, world->debug);
    const struct image *image = load(world, world->binary);
    assert_opens_dwarf(image);
    file_copy(world->original, world->debug);
    assert_opens_nothing(image, -ESTALE, "is another file by now");
    assert_int_equal(unlink(world->debug), 0);
    assert_opens_nothing(image, -ENOENT, "No such file");

    CLEANUP(freep) char *path = path_join(world->directory, "whole.so");
    file_copy(world->original, path);
    image = load(world, path);
    assert_opens_dwarf(image);
    assert_int_equal(truncate(path, 5000), 0);
    assert_opens_nothing(image, -ESTALE, "");
}

// In a container: the debug file is one of its own.
static void test_dwarf_inside_of_a_root(void **state)
{
    struct world *world = needs_objcopy(state);
    CLEANUP(freep) char *inside = path_join(world->directory, "root");
    CLEANUP(freep) char *library = path_join(inside, "lib/libfixture.so");
    CLEANUP(freep) char *below = path_join(inside, "usr/lib/debug");
    CLEANUP(freep) char *debug = build_id_path(below, &world->build_id);
    directory_make_for(library);
    directory_make_for(debug);
    file_copy(world->binary, library);
    file_copy(world->debug, debug);
    struct image_root *root = image_root_open_directory(inside);
    const struct image *image = load_with(world, "/lib/libfixture.so", root);
    image_root_unref(root);
    assert_string_equal(image_note(image), "");
    assert_like_original(world, image_symtab(image));
    assert_opens_dwarf(image);
}

// Each root is a descriptor; those beyond the limit are let go when the image has been read.
static void test_too_many_roots(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < LIMIT_KEPT_ROOTS + 2; i++) {
        char name[16];
        snprintf(name, sizeof name, "root%d", i);
        CLEANUP(freep) char *inside = path_join(world->directory, name);
        CLEANUP(freep) char *library = path_join(inside, "fixture");
        directory_make_for(library);
        file_copy(world->original, library);
        struct image_root *root = image_root_open_directory(inside);
        const struct image *image = load_with(world, "/fixture", root);
        image_root_unref(root);
        assert_int_equal(image->keeps_root, i < LIMIT_KEPT_ROOTS);
        if (i < LIMIT_KEPT_ROOTS) {
            assert_opens_dwarf(image);
        } else {
            assert_opens_nothing(image, -ESTALE, "can't be reached any more");
        }
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_debug_file_gives_names),
        TEST(test_a_file_with_everything_is_its_own),
        TEST(test_none_is_said),
        TEST(test_a_wrong_one_is_said),
        TEST(test_packed_symbols),
        TEST(test_packed_symbols_that_are_damaged),
        TEST(test_a_debug_file_arrives),
        TEST(test_a_wrong_one_arrives),
        TEST(test_the_hottest_is_missed_first),
        TEST(test_dwarf_that_has_changed_is_refused),
        TEST(test_dwarf_inside_of_a_root),
        TEST(test_too_many_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
