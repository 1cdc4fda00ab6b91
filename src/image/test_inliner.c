#include "image/inliner.h"

#include "base/clock.h"
#include "image/library.h"
#include "image/test_inlines_fixture.h"
#include "image/test_support.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct library library;
    struct image_root *root;
    struct queue events; // one message per change and per answer
    struct inline_mailbox *mailbox;
    char *path; // of the fixture, or of a copy
    uint64_t base;
};

static void on_event(void *context)
{
    struct world *w = context;
    queue_push(&w->events, w);
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    queue_init(&w->events);
    library_init(&w->library, on_event, w);
    w->root = image_root_open((uint32_t)getpid());
    w->mailbox = inline_mailbox_new(on_event, w);
    w->path = path_of_code((void *)(uintptr_t)fixture_outer);
    Dl_info info;
    assert_true(dladdr((void *)(uintptr_t)fixture_outer, &info) != 0);
    w->base = (uint64_t)(uintptr_t)info.dli_fbase;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    inline_mailbox_close(w->mailbox);
    library_fini(&w->library);
    image_root_unref(w->root);
    while (queue_try_pop(&w->events) != NULL) {
    }
    queue_fini(&w->events);
    free(w->path);
    free(w);
    return 0;
}

static struct image *load(struct world *w, const char *path)
{
    struct image_identity identity = {
        .kind = IMAGE_FILE, .path = slice_of_text(path), .mapped_unix_ns = clock_unix_ns()};
    uint32_t id = library_get(&w->library, &identity, w->root);
    struct image *image = library_at(&w->library, id);
    library_want(&w->library, id);
    while (atomic_load(&image->state) != IMAGE_READY) {
        queue_pop(&w->events);
    }
    return image;
}

static struct inline_batch *batch_of(struct world *w, struct image *image,
                                     void (*const *marks)(void), uint32_t n)
{
    struct inline_batch *batch = inline_batch_new(image, w->mailbox);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t addr = (uint64_t)(uintptr_t)marks[i] - w->base;
        vec_push(&batch->at, (struct inline_address){.addr = addr, .mark = i});
    }
    return batch;
}

static struct inline_batch *await(struct world *w)
{
    struct inline_batch *batch;
    while ((batch = inline_mailbox_take(w->mailbox)) == NULL) {
        queue_pop(&w->events);
    }
    return batch;
}

static void (*const marks[])(void) = {mark_innermost, mark_alone, mark_middle, mark_innermost};

static void check_answer(const struct inline_batch *batch)
{
    assert_int_equal(batch->at.n, ARRAY_LEN(marks));
    assert_string_equal(batch->note.text, "");
    const struct inline_chain *chain = batch->at.at[0].chain;
    assert_int_equal(chain->n, 2);
    assert_string_equal(chain->at[0]->name, "middle");
    assert_string_equal(chain->at[1]->name, "innermost");
    assert_non_null(strstr(chain->calls[0].file, "src/image/test_inlines_fixture.c"));
    assert_ptr_equal(chain->calls[1].file, chain->calls[0].file);
    assert_true(chain->calls[0].line > chain->calls[1].line); // the caller stands below
    assert_true(chain->calls[1].line > 10);
    assert_null(batch->at.at[1].chain);
    assert_int_equal(batch->at.at[2].chain->n, 1);
    assert_ptr_equal(batch->at.at[2].chain->at[0], chain->at[0]); // functions are there once
    assert_ptr_equal(batch->at.at[3].chain, chain);               // and chains
    assert_int_equal(batch->at.at[3].mark, 3);
}

static void test_answers(void **state)
{
    struct world *w = *state;
    struct image *image = load(w, w->path);
    assert_true(image_has_dwarf(image));
    library_want_inlines(&w->library, batch_of(w, image, marks, ARRAY_LEN(marks)));
    struct inline_batch *batch = await(w);
    check_answer(batch);
    const struct inline_chain *chain = batch->at.at[0].chain;
    inline_batch_free(batch);
    uint64_t bytes = inliner_bytes(w->library.inliner);
    assert_true(bytes > 0);
    library_want_inlines(&w->library, batch_of(w, image, marks, ARRAY_LEN(marks)));
    batch = await(w);
    check_answer(batch);
    assert_ptr_equal(batch->at.at[0].chain, chain); // looked up once
    assert_int_equal(inliner_bytes(w->library.inliner), bytes);
    inline_batch_free(batch);
}

// Two askers at once: each gets its own.
static void test_two_mailboxes(void **state)
{
    struct world *w = *state;
    struct image *image = load(w, w->path);
    struct inline_mailbox *other = inline_mailbox_new(NULL, NULL);
    struct inline_batch *batch = batch_of(w, image, marks, ARRAY_LEN(marks));
    library_want_inlines(&w->library, batch);
    library_want_inlines(&w->library, inline_batch_new(image, other));
    library_want_inlines(&w->library, batch_of(w, image, marks, 1));
    assert_ptr_equal(await(w), batch);
    inline_batch_free(batch);
    inline_batch_free(await(w)); // so the one in between is back, too
    batch = inline_mailbox_take(other);
    assert_non_null(batch);
    assert_int_equal(batch->at.n, 0);
    inline_batch_free(batch);
    inline_mailbox_close(other);
}

// A file that was replaced since its symbols were read is not looked into.
static void test_a_file_that_has_changed(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) char *directory = directory_new();
    CLEANUP(freep) char *path = path_join(directory, "copy.so");
    file_copy(w->path, path);
    struct image *image = load(w, path);
    assert_true(image_has_dwarf(image));
    assert_int_equal(unlink(path), 0);
    file_copy(w->path, path);
    library_want_inlines(&w->library, batch_of(w, image, marks, ARRAY_LEN(marks)));
    struct inline_batch *batch = await(w);
    assert_true(batch->note.text[0] != 0);
    assert_null(batch->at.at[0].chain);
    inline_batch_free(batch);
    directory_remove(directory);
}

// What is under way when nobody wants it any more, in either order.
static void test_leaving(void **state)
{
    struct world *w = *state;
    struct image *image = load(w, w->path);
    for (int i = 0; i < 50; i++) {
        struct inline_mailbox *mailbox = inline_mailbox_new(NULL, NULL);
        struct inline_batch *batch = inline_batch_new(image, mailbox);
        vec_push(&batch->at, (struct inline_address){.addr = (uint64_t)i});
        library_want_inlines(&w->library, batch);
        inline_mailbox_close(mailbox);
    }
    for (int i = 0; i < 50; i++) {
        library_want_inlines(&w->library, batch_of(w, image, marks, ARRAY_LEN(marks)));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_two_mailboxes),
        TEST(test_a_file_that_has_changed),
        TEST(test_leaving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
