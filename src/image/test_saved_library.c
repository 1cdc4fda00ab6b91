#include "image/library.h"

#include "base/limits.h"
#include "base/text.h"
#include "image/saved_inlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct symtab_segment text_segment = {
    .file_off = 0x1000, .size = 0x1000, .addr = 0x401000, .executable = true};

static struct symtab *table(const char *name)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &text_segment);
    assert_true(symtab_builder_add(builder, 0x401100, 0x80, slice_of_text(name), (struct slice){0},
                                   SYMBOL_GLOBAL));
    return symtab_builder_finish(builder);
}

static struct saved_inlines *inlined(const char *name, uint64_t addr)
{
    struct saved_inlines *inlines = saved_inlines_new();
    assert_true(saved_inlines_add_function(inlines, slice_of_text(name), false, SYMBOL_C));
    assert_true(saved_inlines_add_chain(
        inlines, addr, &(struct saved_inline){.call_file = SAVED_INLINES_NO_FILE}, 1));
    saved_inlines_finish(inlines);
    return inlines;
}

static const struct image_identity identity = {
    .kind = IMAGE_FILE,
    .path = {.data = (const uint8_t *)"/opt/app", .n = 8},
    .build_id = {.n = 2, .at = {1, 2}},
};

static void test_names_are_there_at_once(void **state)
{
    (void)state;
    struct library library;
    library_init_saved(&library);
    struct saved_names names = {.symtab = table("f"), .n_symbols = 77, .build_id = {.n = 1}};
    err_set(&names.note, 0, "is stripped");
    uint32_t id = library_add_saved(&library, &identity, &names);
    assert_int_equal(id, 0);
    assert_null(names.symtab); // taken over
    const struct image *image = library_at(&library, id);
    assert_int_equal(atomic_load(&image->state), IMAGE_READY);
    assert_string_equal(image->path, "/opt/app");
    assert_string_equal(image_note(image), "is stripped");
    assert_int_equal(image->file_build_id.n, 1);
    assert_int_equal(image_symbol_count(image), 77);
    assert_false(image_has_dwarf(image));
    assert_string_equal(symtab_find(image_symtab(image), 0x401110)->name, "f");
    library_fini(&library);
}

static void test_an_image_without_names(void **state)
{
    (void)state;
    struct library library;
    library_init_saved(&library);
    struct saved_names none = {0};
    err_set(&none.note, 0, "was deleted");
    const struct image *image = library_at(&library, library_add_saved(&library, &identity, &none));
    assert_int_equal(atomic_load(&image->state), IMAGE_FAILED);
    assert_null(image_symtab(image));
    assert_string_equal(image_note(image), "was deleted");
    assert_int_equal(image_symbol_count(image), 0);
    library_fini(&library);
}

// Whoever treats all libraries alike may want, wait for and heat what is there, or never will be.
static void test_nothing_more_comes(void **state)
{
    (void)state;
    struct library library;
    library_init_saved(&library);
    struct saved_names ready = {.symtab = table("f"), .has_dwarf = true};
    struct saved_names failed = {0};
    library_add_saved(&library, &identity, &ready);
    library_add_saved(&library, &identity, &failed);
    for (uint32_t id = 0; id < 2; id++) {
        const struct image *image = library_at(&library, id);
        int before = atomic_load(&image->state);
        library_want(&library, id);
        library_want_cfi(&library, id);
        library_heat(&library, id, 5);
        assert_true(library_await_symbols(&library, id, 0));
        assert_true(library_await_cfi(&library, id, 0));
        assert_int_equal(atomic_load(&image->state), before);
        assert_null(image_cfi(image));
        struct err err = {0};
        assert_true(image_debug_open(image, &err) < 0); // not even the file of that path, here
        assert_true(err.text[0] != 0);
    }
    assert_int_equal(library_next_missing(&library), LIBRARY_NONE);
    library_fini(&library);
}

static void count_answer(void *context)
{
    ++*(int *)context;
}

static struct inline_batch *ask(struct library *library, uint32_t image,
                                struct inline_mailbox *mailbox, uint64_t addr)
{
    struct inline_batch *batch = inline_batch_new(library_at(library, image), mailbox);
    vec_push(&batch->at, (struct inline_address){.addr = addr, .mark = 7});
    library_want_inlines(library, batch);
    return inline_mailbox_take(mailbox);
}

static void test_inlined_functions_come_at_once(void **state)
{
    (void)state;
    struct library library;
    library_init_saved(&library);
    struct saved_names some = {.symtab = table("f"), .inlines = inlined("g", 0x401110)};
    err_set(&some.inline_note, 0, "has split DWARF");
    struct saved_names none = {.symtab = table("f"), .has_dwarf = true};
    library_add_saved(&library, &identity, &some);
    library_add_saved(&library, &identity, &none);
    assert_true(image_has_dwarf(library_at(&library, 0))); // so that somebody asks
    assert_true(image_has_dwarf(library_at(&library, 1)));

    int n_answers = 0;
    struct inline_mailbox *mailbox = inline_mailbox_new(count_answer, &n_answers);
    struct inline_batch *batch = ask(&library, 0, mailbox, 0x401110);
    assert_int_equal(n_answers, 1);
    assert_string_equal(batch->note.text, "has split DWARF");
    assert_int_equal(batch->at.at[0].mark, 7);
    assert_string_equal(batch->at.at[0].chain->at[0]->name, "g");
    inline_batch_free(batch);
    batch = ask(&library, 0, mailbox, 0x40110f);
    assert_null(batch->at.at[0].chain);
    inline_batch_free(batch);
    batch = ask(&library, 1, mailbox, 0x401110);
    assert_null(batch->at.at[0].chain);
    assert_string_equal(batch->note.text, "");
    inline_batch_free(batch);
    assert_int_equal(n_answers, 3);

    // The asker is gone: nobody is told, nothing leaks.
    struct inline_batch *late = inline_batch_new(library_at(&library, 0), mailbox);
    inline_mailbox_close(mailbox);
    library_want_inlines(&library, late);
    assert_int_equal(n_answers, 3);
    library_fini(&library);
}

static void test_too_many(void **state)
{
    (void)state;
    struct library library;
    library_init_saved(&library);
    for (uint32_t i = 0; i < LIMIT_LOADED_IMAGES + 1; i++) {
        struct saved_names names = {.symtab = table("f")};
        uint32_t id = library_add_saved(&library, &identity, &names);
        assert_int_equal(id, MIN(i, (uint32_t)LIMIT_LOADED_IMAGES - 1));
        assert_null(names.symtab);
    }
    const struct image *last = library_at(&library, LIMIT_LOADED_IMAGES - 1);
    assert_int_equal(atomic_load(&last->state), IMAGE_FAILED);
    assert_string_equal(last->path, "[too many files]");
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_there_at_once),
        cmocka_unit_test(test_an_image_without_names),
        cmocka_unit_test(test_nothing_more_comes),
        cmocka_unit_test(test_inlined_functions_come_at_once),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
