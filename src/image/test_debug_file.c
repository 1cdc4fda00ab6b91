#include "image/debug_file.h"

#include "base/alloc.h"
#include "base/file.h"
#include "image/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// A directory with the root of a target, and another one of ours:
//
//     root/lib/libfixture.so     stripped; has a build-id, or a link to linked.debug instead
//     ours/                      what $STAX_DEBUG_PATH names
//     fixture.debug              its debug file, from where the tests put it into places
struct world {
    char *directory;
    char *inside; // …/root
    char *ours;
    char *debug;
    char *binary;
    struct image_root *root;
    struct elf_facts by_id;   // of the binary, without a link
    struct elf_facts by_link; // likewise, without a build-id
};

static struct elf_facts facts_of(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct elf_facts facts;
    assert_int_equal(elf_facts_read(fd, &facts, NULL), 0);
    return facts;
}

static uint32_t crc_of(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint32_t crc;
    assert_int_equal(debuglink_crc(fd, &crc), 0);
    return crc;
}

static int setup(void **state)
{
    struct world *world = NEW(struct world);
    *state = world;
    world->directory = directory_new();
    world->inside = path_join(world->directory, "root");
    world->ours = path_join(world->directory, "ours");
    world->debug = path_join(world->directory, "fixture.debug");
    world->binary = path_join(world->inside, "lib/libfixture.so");
    directory_make_for(world->binary);
    assert_int_equal(mkdir(world->ours, 0755), 0);
    world->root = image_root_open_directory(world->inside);
    CLEANUP(freep) char *original = path_of_code((void *)(uintptr_t)fixture_global);
    if (!strip_all(original, world->binary) || !keep_debug(original, world->debug)) {
        return 0; // needs_objcopy() says so
    }
    world->by_id = facts_of(world->binary);
    world->by_link = world->by_id;
    world->by_link.build_id.n = 0;
    snprintf(world->by_link.link.name, sizeof world->by_link.link.name, "linked.debug");
    world->by_link.link.crc = crc_of(world->debug);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    image_root_unref(world->root);
    directory_remove(world->directory);
    free(world->directory);
    free(world->inside);
    free(world->ours);
    free(world->debug);
    free(world->binary);
    free(world);
    return 0;
}

static struct world *needs_objcopy(void **state)
{
    struct world *world = *state;
    if (world->by_id.build_id.n == 0) {
        print_message("no objcopy here\n");
        skip();
    }
    return world;
}

static void place(const struct world *world, const char *path)
{
    directory_make_for(path);
    file_copy(world->debug, path);
}

struct outcome {
    char *path; // as it was found; NULL: it was not
    bool in_own_root;
    struct err err;
};

static struct outcome find(const struct world *world, const struct elf_facts *image,
                           const char *image_path, const char *debug_path)
{
    struct debug_search search = {
        .root = world->root, .image_path = image_path, .image = image, .debug_path = debug_path};
    struct outcome outcome = {0};
    CLEANUP(debug_file_close) struct debug_file file;
    if (debug_file_find(&search, &file, &outcome.err)) {
        assert_true(file.facts.has_symtab && file.facts.has_dwarf && file.fd >= 0);
        outcome.path = alloc_text(file.path, strlen(file.path));
        outcome.in_own_root = file.in_own_root;
    }
    return outcome;
}

static void assert_found(struct outcome outcome, bool in_own_root, const char *path)
{
    if (outcome.path == NULL) {
        fail_msg("%s was not found: %s", path, outcome.err.text);
    }
    assert_string_equal(outcome.path, path);
    assert_int_equal(outcome.in_own_root, in_own_root);
    free(outcome.path);
}

static void assert_none(struct outcome outcome, const char *reason)
{
    if (outcome.path != NULL) {
        fail_msg("%s was found", outcome.path);
    }
    if (reason == NULL) {
        assert_string_equal(outcome.err.text, "");
    } else if (strstr(outcome.err.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", outcome.err.text, reason);
    }
}

static const char image_path[] = "/lib/libfixture.so";

// ---- Places ------------------------------------------------------------------------------------

// Puts the debug file where the target sees it, and finds it there and only there.
static void assert_place_inside(const struct world *world, const struct elf_facts *image,
                                const char *path, const char *debug_path)
{
    CLEANUP(text_fini) struct text whole = {0};
    text_addf(&whole, "%s%s", world->inside, path);
    assert_none(find(world, image, image_path, debug_path), NULL);
    place(world, text_get(&whole));
    assert_found(find(world, image, image_path, debug_path), false, path);
    assert_int_equal(unlink(text_get(&whole)), 0);
}

// The same in a directory of ours, `name` below it; the target has none of that name.
static void assert_place_outside(const struct world *world, const struct elf_facts *image,
                                 const char *name, const char *debug_path)
{
    CLEANUP(freep) char *path = path_join(world->ours, name);
    assert_none(find(world, image, image_path, debug_path), NULL);
    place(world, path);
    assert_found(find(world, image, image_path, debug_path), true, path);
    assert_int_equal(unlink(path), 0);
}

static void test_places_by_build_id(void **state)
{
    struct world *world = needs_objcopy(state);
    const struct elf_facts *image = &world->by_id;
    CLEANUP(freep) char *usual = build_id_path("/usr/lib/debug", &image->build_id);
    CLEANUP(freep) char *extra = build_id_path("/extra", &image->build_id);
    CLEANUP(freep) char *below = build_id_path("below", &image->build_id);
    CLEANUP(freep) char *below_ours = path_join(world->ours, "below");
    CLEANUP(freep) char *file = path_join(world->ours, "some.file");
    CLEANUP(text_fini) struct text list = {0};
    text_addf(&list, "::/no/such/directory:/dev/null:%s::", world->ours);
    assert_place_inside(world, image, usual, NULL);
    assert_place_inside(world, image, usual, "");
    assert_place_inside(world, image, extra, "/extra");
    assert_place_inside(world, image, "/extra/libfixture.so.debug", "/extra");
    assert_place_inside(world, image, "/extra/file", "/extra/file");
    assert_place_outside(world, image, below, below_ours);
    assert_place_outside(world, image, "libfixture.so.debug", world->ours);
    assert_place_outside(world, image, "libfixture.so.debug", text_get(&list));
    assert_place_outside(world, image, "some.file", file);
}

static void test_places_by_link(void **state)
{
    struct world *world = needs_objcopy(state);
    const struct elf_facts *image = &world->by_link;
    assert_place_inside(world, image, "/lib/linked.debug", NULL);
    assert_place_inside(world, image, "/lib/.debug/linked.debug", NULL);
    assert_place_inside(world, image, "/usr/lib/debug/lib/linked.debug", NULL);
    assert_place_inside(world, image, "/extra/lib/linked.debug", "/extra");
    assert_place_inside(world, image, "/extra/linked.debug", "/extra");
    assert_place_outside(world, image, "lib/linked.debug", world->ours);
    assert_place_outside(world, image, "linked.debug", world->ours);
    assert_place_outside(world, image, "libfixture.so.debug", world->ours); // its CRC is right
}

static void test_the_best_place_wins(void **state)
{
    struct world *world = needs_objcopy(state);
    struct elf_facts image = world->by_link;
    image.build_id = world->by_id.build_id;
    CLEANUP(freep) char *in_list = build_id_path("/extra", &image.build_id);
    CLEANUP(freep) char *outside = build_id_path(world->ours, &image.build_id);
    CLEANUP(freep) char *usual = build_id_path("/usr/lib/debug", &image.build_id);
    CLEANUP(text_fini) struct text list = {0};
    text_addf(&list, "/extra:%s", world->ours);
    const struct {
        const char *path;
        bool own;
    } places[] = {
        {in_list, false},
        {outside, true},
        {usual, false},
        {"/lib/linked.debug", false},
        {"/lib/.debug/linked.debug", false},
        {"/extra/lib/linked.debug", false},
        {"/usr/lib/debug/lib/linked.debug", false},
    };
    for (size_t i = ARRAY_LEN(places); i-- > 0;) { // from the worst to the best
        CLEANUP(text_fini) struct text whole = {0};
        text_addf(&whole, "%s%s", places[i].own ? "" : world->inside, places[i].path);
        place(world, text_get(&whole));
        assert_found(find(world, &image, image_path, text_get(&list)), places[i].own,
                     places[i].path);
    }
}

static void test_without_another_root_it_is_ours(void **state)
{
    struct world *world = needs_objcopy(state);
    image_root_unref(world->root);
    for (int named = 0; named < 2; named++) {
        world->root = named ? image_root_open_directory("/") : NULL;
        assert_place_outside(world, &world->by_id, "libfixture.so.debug", world->ours);
        CLEANUP(freep) char *beside = path_join(world->inside, "lib/linked.debug");
        place(world, beside);
        assert_found(find(world, &world->by_link, world->binary, NULL), true, beside);
        assert_int_equal(unlink(beside), 0);
        image_root_unref(TAKE(world->root));
    }
}

// ---- What does not count -----------------------------------------------------------------------

static void change_byte(const char *path, const void *of, size_t n)
{
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, (size_t)64 << 20, &bytes), 0);
    char *at = memmem(bytes.at, bytes.n, of, n);
    assert_non_null(at);
    at[0] = (char)(at[0] ^ 1);
    file_write(path, bytes.at, bytes.n);
}

static void test_other_builds_are_refused(void **state)
{
    struct world *world = needs_objcopy(state);
    const struct build_id *id = &world->by_id.build_id;
    CLEANUP(freep) char *inside = build_id_path(world->inside, id);
    CLEANUP(freep) char *ours = build_id_path(world->ours, id);
    place(world, inside);
    change_byte(inside, id->at, id->n);
    assert_none(find(world, &world->by_id, image_path, "/"), ".debug is of another build (other b");
    place(world, ours); // a wrong one does not hide a right one
    CLEANUP(text_fini) struct text list = {0};
    text_addf(&list, "/:%s", world->ours);
    assert_found(find(world, &world->by_id, image_path, text_get(&list)), true, ours);

    assert_none(find(world, &world->by_id, image_path, inside), NULL); // a file for another binary

    CLEANUP(freep) char *linked = path_join(world->inside, "lib/linked.debug");
    place(world, linked);
    change_byte(linked, "test_fixture.c", 14);
    assert_none(find(world, &world->by_link, image_path, NULL),
                "/lib/linked.debug is of another build (other CRC)");
    struct elf_facts nameless = world->by_link;
    nameless.link.name[0] = 0;
    CLEANUP(freep) char *named = path_join(world->ours, "libfixture.so.debug");
    place(world, named);
    assert_none(find(world, &nameless, image_path, world->ours), "has no build-id");
}

static void test_damaged_files_are_refused(void **state)
{
    struct world *world = needs_objcopy(state);
    CLEANUP(freep) char *path = build_id_path(world->ours, &world->by_id.build_id);
    place(world, path);
    assert_int_equal(truncate(path, 3000), 0);
    assert_none(find(world, &world->by_id, image_path, world->ours), ".debug is cut short");
    assert_int_equal(truncate(path, 0), 0);
    assert_none(find(world, &world->by_id, image_path, world->ours), ".debug is not an ELF file");
    file_copy(world->binary, path); // the right build, but stripped
    assert_none(find(world, &world->by_id, image_path, world->ours), NULL);
}

static void test_only_regular_files_are_opened(void **state)
{
    struct world *world = needs_objcopy(state);
    CLEANUP(freep) char *path = build_id_path(world->ours, &world->by_id.build_id);
    directory_make_for(path);
    assert_int_equal(mkfifo(path, 0600), 0); // opening it would wait for ever
    assert_none(find(world, &world->by_id, image_path, world->ours), NULL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_none(find(world, &world->by_id, image_path, world->ours), NULL);
    assert_none(find(world, &world->by_id, image_path, "/dev/zero:/dev/tty"), NULL);
}

// Links inside of the target's root stay there, however they are written.
static void test_nothing_leads_out_of_the_root(void **state)
{
    struct world *world = needs_objcopy(state);
    CLEANUP(freep) char *outside = path_join(world->ours, "linked.debug");
    CLEANUP(freep) char *inside = path_join(world->inside, "lib/linked.debug");
    place(world, outside);
    assert_int_equal(symlink(outside, inside), 0);
    assert_none(find(world, &world->by_link, image_path, NULL), NULL);
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(symlink("../../ours/linked.debug", inside), 0);
    assert_none(find(world, &world->by_link, image_path, NULL), NULL);
    assert_int_equal(unlink(inside), 0);

    place(world, inside); // found by its name, but not by a path that goes up
    assert_found(find(world, &world->by_link, image_path, NULL), false, "/lib/linked.debug");
    static const char *const paths[] = {"/lib/../lib/libfixture.so",
                                        "/../lib/libfixture.so",
                                        "lib/libfixture.so",
                                        "",
                                        "[heap]",
                                        "libfixture.so"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_none(find(world, &world->by_link, paths[i], NULL), NULL);
    }
}

static void test_build_ids_of_any_length(void **state)
{
    struct world *world = needs_objcopy(state);
    for (uint8_t n = 0; n < BUILD_ID_MAX; n++) {
        struct elf_facts image = world->by_id;
        image.build_id.n = n;
        CLEANUP(freep) char *path = build_id_path(world->ours, &image.build_id);
        place(world, path);
        assert_none(find(world, &image, image_path, world->ours),
                    n < 2 ? NULL : "is of another build");
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_places_by_build_id),
        TEST(test_places_by_link),
        TEST(test_the_best_place_wins),
        TEST(test_without_another_root_it_is_ours),
        TEST(test_other_builds_are_refused),
        TEST(test_damaged_files_are_refused),
        TEST(test_only_regular_files_are_opened),
        TEST(test_nothing_leads_out_of_the_root),
        TEST(test_build_ids_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
