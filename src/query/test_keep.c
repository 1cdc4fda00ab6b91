// Which stacks a view keeps, when names come, and whatever bytes they are.

#include "query/keep.h"

#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FUNCTIONS = 600, FUNCTION_BYTES = 0x10 };

struct world {
    struct store *store;
    struct library library;
    struct names names;
    image_id program;
    stack_id stacks[FUNCTIONS]; // main below each of them
};

static stack_id push(struct world *w, stack_id caller, uint64_t off)
{
    bool cut = false;
    struct frame_row frame = {.off = off, .image = w->program};
    return stacks_push(&w->store->stacks, caller, stacks_frame(&w->store->stacks, &frame), &cut);
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1);
    fake_library_init(&w->library);
    w->program = store_add_image(
        w->store,
        &(struct image_row){.path = strings_add(&w->store->strings, slice_of_text("/bin/pr\xe9g")),
                            .library = fake_library_add(&w->library, IMAGE_FILE)});
    for (size_t i = 0; i < FUNCTIONS; i++) {
        w->stacks[i] = push(w, push(w, STACK_ROOT, i * FUNCTION_BYTES), 0);
    }
    names_init(&w->names, w->store, &w->library);
    names_refresh(&w->names, atomic_load(&w->store->stacks.n_frames));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
    return 0;
}

static const char *name_of(size_t function, char text[16])
{
    snprintf(text, 16, function == 1 ? "caf\xe9" : "f%zu", function);
    return text;
}

static void publish(struct world *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(
        builder, &(struct symtab_segment){.size = FUNCTIONS * FUNCTION_BYTES, .executable = true});
    for (size_t i = 0; i < FUNCTIONS; i++) {
        char name[16];
        symtab_builder_add(builder, i * FUNCTION_BYTES, FUNCTION_BYTES,
                           slice_of_text(name_of(i, name)), slice_of_text(""), SYMBOL_GLOBAL);
    }
    fake_library_publish(&w->library, 0, symtab_builder_finish(builder));
    names_refresh(&w->names, atomic_load(&w->store->stacks.n_frames));
}

// Those from `first` on, `n` of them, are kept, and no others.
static void check(const struct world *w, const struct keep *keep, size_t first, size_t n)
{
    for (size_t i = 1; i < FUNCTIONS; i++) {
        if (keep->stacks.at[w->stacks[i]] != (i >= first && i < first + n)) {
            fail_msg("stack %zu, of %zu from %zu on", i, n, first);
        }
    }
}

static void test_names_that_come_late(void **state)
{
    struct world *w = *state;
    struct view view = {.focus = view_symbol_new("f7", NULL)};
    struct keep keep = {0};
    keep_refresh(&keep, &view, w->store, &w->names);
    check(w, &keep, 0, 0);
    assert_false(keep_refresh(&keep, &view, w->store, &w->names));
    publish(w);
    assert_false(keep_is_current(&keep, &view, &w->names));
    assert_true(keep_refresh(&keep, &view, w->store, &w->names));
    check(w, &keep, 7, 1);
    keep_fini(&keep);
    view_fini(&view);
}

static void test_many_symbols(void **state)
{
    struct world *w = *state;
    publish(w);
    struct view view = {0};
    for (size_t i = 0; i < 512; i++) {
        char name[16];
        const char *binary = i % 2 == 0 ? NULL : "pr\\xe9g";
        vec_push(i < 256 ? &view.only : &view.exclude,
                 view_symbol_new(name_of(i < 256 ? 10 + i : 20 + i, name), binary));
    }
    vec_push(&view.exclude, view_symbol_new("f265", "other"));
    struct keep keep = {0};
    keep_refresh(&keep, &view, w->store, &w->names);
    check(w, &keep, 10, 256);
    keep_fini(&keep);
    view_fini(&view);
}

// As answers show it, and not as it is.
static void test_a_name_that_is_no_text(void **state)
{
    struct world *w = *state;
    publish(w);
    static const struct {
        const char *name;
        const char *binary;
        size_t n;
    } rows[] = {
        {"caf\\xe9", NULL, 1},
        {"caf\\xe9", "pr\\xe9g", 1},
        {"caf\\xe9", "pr\\xe8g", 0},
        {"caf\\xe9", "pr\\xe9", 0},
        {"caf\\xe", NULL, 0},
        {"caf", NULL, 0},
        {"", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct view view = {.focus = view_symbol_new(rows[i].name, rows[i].binary)};
        struct keep keep = {0};
        keep_refresh(&keep, &view, w->store, &w->names);
        check(w, &keep, 1, rows[i].n);
        keep_fini(&keep);
        view_fini(&view);
    }
}

static void test_what_has_no_stack(void **state)
{
    struct world *w = *state;
    publish(w);
    for (int kind = 0; kind < 3; kind++) {
        struct view view = {0};
        if (kind == 0) {
            vec_push(&view.exclude, view_symbol_new("f0", NULL));
        } else if (kind == 1) {
            vec_push(&view.only, view_symbol_new("f0", NULL));
        } else {
            view.focus = view_symbol_new("f0", NULL);
        }
        struct keep keep = {0};
        keep_refresh(&keep, &view, w->store, &w->names);
        assert_int_equal(keep.stacks.at[STACK_ROOT], kind == 0);
        check(w, &keep, 0, kind == 0 ? 0 : FUNCTIONS); // f0 is below all of them
        keep_fini(&keep);
        view_fini(&view);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_that_come_late),
        TEST(test_many_symbols),
        TEST(test_a_name_that_is_no_text),
        TEST(test_what_has_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
