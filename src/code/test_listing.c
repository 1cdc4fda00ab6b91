#include "code/lister.h"
#include "code/listing.h"

#include "base/clock.h"
#include "base/limits.h"
#include "image/test_inlines_fixture.h"
#include "image/test_support.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

// A run whose only binary is a shared library of this very process.
struct world {
    struct store *store;
    struct library library;
    struct image_root *root;
    struct listing_tools *tools;
    char *path;
    image_id image;
    uint64_t bias;
    struct listing_run run;
};

static uint64_t address_of(void (*code)(void))
{
    return (uint64_t)(uintptr_t)code;
}

static string_id add_string(struct world *w, const char *text)
{
    return strings_add(&w->store->strings, slice_of_text(text));
}

static image_id add_file(struct world *w, const char *path)
{
    struct image_identity identity = {
        .kind = IMAGE_FILE, .path = slice_of_text(path), .mapped_unix_ns = clock_unix_ns()};
    uint32_t id = library_get(&w->library, &identity, w->root);
    library_want(&w->library, id);
    assert_true(library_await_symbols(&w->library, id, clock_now_ns() + (uint64_t)60 * NS_PER_S));
    struct image_row row = {
        .kind = IMAGE_ROW_FILE, .path = add_string(w, path), .library = id, .load_bias = w->bias};
    return store_add_image(w->store, &row);
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    Dl_info info;
    assert_true(dladdr((void *)(uintptr_t)fixture_outer, &info) != 0);
    w->store = store_new(1, 1, 1);
    library_init(&w->library, NULL, NULL);
    w->root = image_root_open((uint32_t)getpid());
    w->tools = listing_tools_new(NULL);
    w->path = path_of_code((void *)(uintptr_t)fixture_outer);
    w->bias = (uint64_t)(uintptr_t)info.dli_fbase;
    w->image = add_file(w, w->path);
    w->run = (struct listing_run){.store = w->store, .library = &w->library};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    listing_tools_free(w->tools);
    store_free(w->store);
    library_fini(&w->library);
    image_root_unref(w->root);
    free(w->path);
    free(w);
    return 0;
}

static struct listing_wish wish_for(struct world *w, uint64_t addr, uint64_t end)
{
    struct listing_wish wish = {
        .image = w->image, .bias = w->bias, .arch = ARCH_HERE, .source = true};
    vec_push(&wish.ranges, (struct listing_range){.addr = addr, .end = end, .code = CODE_NONE});
    return wish;
}

// The range of the function's symbol.
static struct listing_wish wish_for_function(struct world *w, void (*code)(void))
{
    const struct image *image = library_at(&w->library, store_image(w->store, w->image)->library);
    const struct symbol *symbol = symtab_find(image_symtab(image), address_of(code) - w->bias);
    assert_non_null(symbol);
    return wish_for(w, symbol->addr + w->bias, symbol->end + w->bias);
}

static struct listing *make(struct world *w, struct listing_wish wish)
{
    struct listing *listing = listing_make(w->tools, &w->run, &wish);
    listing_wish_fini(&wish);
    return listing;
}

static void check_partition(const struct listing *listing)
{
    for (size_t p = 0; p < listing->parts.n; p++) {
        const struct listing_part *part = &listing->parts.at[p];
        uint64_t addr = part->range.addr;
        for (uint32_t i = part->first; i < part->first + part->n; i++) {
            const struct listing_line *line = &listing->lines.at[i];
            assert_int_equal(line->instruction.addr, addr);
            assert_true(line->instruction.n_bytes > 0 && line->text[0] != 0);
            for (uint32_t byte = 0; byte < line->instruction.n_bytes; byte++) {
                assert_int_equal(listing_line_at(listing, part->range.code, addr + byte), i);
            }
            addr += line->instruction.n_bytes;
        }
        assert_int_equal(listing_line_at(listing, part->range.code, addr), LISTING_NONE);
    }
}

static bool mentions(const struct listing *listing, const char *text)
{
    for (size_t i = 0; i < listing->lines.n; i++) {
        if (strstr(listing->lines.at[i].text, text) != NULL) {
            return true;
        }
    }
    return false;
}

// ---- A binary ----------------------------------------------------------------------------------

static void test_function_of_a_file(void **state)
{
    struct world *w = *state;
    struct listing *listing = make(w, wish_for_function(w, fixture_outer));
    assert_int_equal(listing->origin, CODE_OF_FILE);
    assert_string_equal(listing->path, w->path);
    assert_string_equal(listing->code_note.text, "");
    assert_string_equal(listing->line_note.text, "");
    assert_int_equal(listing->parts.n, 1);
    assert_true(listing->lines.n > 2);
    check_partition(listing);
    assert_memory_equal(listing->bytes.at, (void *)(uintptr_t)fixture_outer, listing->bytes.n);
    assert_int_equal(listing_line_at(listing, CODE_NONE, address_of(fixture_outer) - 1),
                     LISTING_NONE);
    assert_int_equal(listing_line_at(listing, 7, address_of(fixture_outer)), LISTING_NONE);
    listing_unref(listing);
}

static void test_lines_and_what_is_inlined(void **state)
{
    struct world *w = *state;
    struct listing *listing = make(w, wish_for_function(w, fixture_outer));
    uint32_t at = listing_line_at(listing, CODE_NONE, address_of(mark_innermost));
    assert_true(at != LISTING_NONE);
    const struct listing_line *line = &listing->lines.at[at];
    assert_true(line->source != LISTING_NONE);
    assert_non_null(strstr(listing->sources.at[line->source].file, "test_inlines_fixture.c"));
    assert_true(line->chain != LISTING_NONE);
    const struct listing_chain *chain = &listing->chains.at[line->chain];
    assert_int_equal(chain->n, 2);
    assert_string_equal(listing->inlined.at[chain->first].function_name, "middle");
    assert_string_equal(listing->inlined.at[chain->first + 1].function_name, "innermost");
    assert_true(listing->inlined.at[chain->first].call_line > 0);
    at = listing_line_at(listing, CODE_NONE, address_of(mark_outer));
    assert_int_equal(listing->lines.at[at].chain, LISTING_NONE);
    listing_unref(listing);
}

static void test_without_sources(void **state)
{
    struct world *w = *state;
    struct listing_wish wish = wish_for_function(w, fixture_outer);
    wish.source = false;
    struct listing *listing = make(w, wish);
    assert_int_equal(listing->sources.n, 0);
    assert_true(listing->chains.n > 0);
    listing_unref(listing);
}

static void test_sources_elsewhere(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) char *folder = directory_new();
    CLEANUP(freep) char *file = path_join(folder, "test_inlines_fixture.c");
    CLEANUP(text_fini) struct text text = {0};
    for (int i = 1; i < 2000; i++) {
        text_addf(&text, "this is line %d\n", i);
    }
    file_write(file, text.at, text.n);
    struct listing *plain = make(w, wish_for_function(w, fixture_outer));
    const char *known = plain->sources.at[0].file;
    CLEANUP(freep) char *from = alloc_text(known, (size_t)(strrchr(known, '/') - known));
    struct listing_wish wish = wish_for_function(w, fixture_outer);
    source_maps_add(&wish.maps, from, folder);
    struct listing *listing = make(w, wish);
    for (size_t i = 0; i < listing->sources.n; i++) {
        const struct listing_source *source = &listing->sources.at[i];
        CLEANUP(text_fini) struct text expected = {0};
        text_addf(&expected, "this is line %u", source->line);
        assert_non_null(source->text);
        assert_string_equal(source->text, text_get(&expected));
    }
    listing_unref(listing);
    listing_unref(plain);
    directory_remove(folder);
}

static void test_size_that_lies(void **state)
{
    struct world *w = *state;
    uint64_t addr = address_of(fixture_outer);
    struct listing *listing = make(w, wish_for(w, addr, addr + (UINT64_C(4) << 30)));
    assert_true(listing->bytes.n > 0 && listing->bytes.n <= LIMIT_LISTING_BYTES);
    assert_non_null(strstr(listing->code_note.text, "4294967296 bytes"));
    check_partition(listing);
    listing_unref(listing);
}

static void test_outside_of_the_file(void **state)
{
    struct world *w = *state;
    uint64_t addr = w->bias + (UINT64_C(1) << 40);
    struct listing *listing = make(w, wish_for(w, addr, addr + 16));
    assert_int_equal(listing->origin, CODE_MISSING);
    assert_int_equal(listing->lines.n, 0);
    assert_true(listing->code_note.text[0] != 0);
    listing_unref(listing);
}

// What is there now is not what ran.
static void test_changed_file(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) char *folder = directory_new();
    CLEANUP(freep) char *copy = path_join(folder, "copy.so");
    file_copy(w->path, copy);
    w->image = add_file(w, copy);
    struct listing *before = make(w, wish_for_function(w, fixture_outer));
    assert_true(before->lines.n > 0);
    file_write(copy, "something else", 14);
    struct listing *after = make(w, wish_for_function(w, fixture_outer));
    assert_int_equal(after->origin, CODE_MISSING);
    assert_int_equal(after->lines.n, 0);
    assert_true(strstr(after->code_note.text, "another file") != NULL ||
                strstr(after->code_note.text, "has changed") != NULL);
    listing_unref(before);
    listing_unref(after);
    directory_remove(folder);
}

static void test_machine_that_nobody_knows(void **state)
{
    struct world *w = *state;
    struct listing_wish wish = wish_for_function(w, fixture_outer);
    wish.arch = ARCH_UNKNOWN;
    struct listing *listing = make(w, wish);
    assert_int_equal(listing->origin, CODE_MISSING);
    assert_true(listing->code_note.text[0] != 0);
    listing_unref(listing);
}

// ---- Code of a JIT -----------------------------------------------------------------------------

static uint32_t add_code(struct world *w, process_id process, uint64_t addr, const char *name,
                         const char *bytes, size_t n)
{
    struct code_row row = {.process = process,
                           .addr = addr,
                           .size_bytes = n,
                           .loaded_ns = 10,
                           .name = add_string(w, name)};
    row.code = bytes == NULL
                   ? 0
                   : strings_add(&w->store->strings, (struct slice){(const uint8_t *)bytes, n});
    return store_add_code(w->store, &row);
}

static struct listing_wish wish_for_code(struct world *w, process_id process, uint32_t code)
{
    const struct code_row *row = store_code(w->store, code);
    struct image_row memory = {.kind = IMAGE_ROW_ANONYMOUS, .process = process, .since_ns = 1};
    struct listing_wish wish = {
        .image = store_add_image(w->store, &memory), .arch = ARCH_X86_64, .source = true};
    vec_push(&wish.ranges, (struct listing_range){.addr = row->addr,
                                                  .end = row->addr + row->size_bytes,
                                                  .code = code});
    return wish;
}

static void test_code_of_a_jit(void **state)
{
    struct world *w = *state;
    process_id process = store_add_process(w->store, 1, 0, 1, add_string(w, "jit"));
    // call 0x2005; je 0x1000; ret
    uint32_t caller = add_code(w, process, 0x1000, "caller", "\xe8\x00\x10\x00\x00\x74\xf9\xc3", 8);
    add_code(w, process, 0x2000, "callee", "\x90\x90\x90\x90\x90\xc3", 6);
    struct listing *listing = make(w, wish_for_code(w, process, caller));
    assert_int_equal(listing->origin, CODE_OF_JIT);
    assert_int_equal(listing->lines.n, 3);
    assert_true(mentions(listing, "<callee+0x5>"));
    assert_string_equal(listing->lines.at[0].target_name, "callee+0x5");
    assert_true(mentions(listing, "<+0x0>"));
    assert_null(listing->lines.at[1].target_name);
    check_partition(listing);
    listing_unref(listing);
}

static void test_code_without_bytes(void **state)
{
    struct world *w = *state;
    process_id process = store_add_process(w->store, 1, 0, 1, add_string(w, "jit"));
    uint32_t code = add_code(w, process, 0x1000, "named", NULL, 64);
    struct listing *listing = make(w, wish_for_code(w, process, code));
    assert_int_equal(listing->origin, CODE_MISSING);
    assert_int_equal(listing->parts.n, 1);
    assert_int_equal(listing->lines.n, 0);
    assert_non_null(strstr(listing->code_note.text, "JIT"));
    listing_unref(listing);
}

// ---- The lister --------------------------------------------------------------------------------

static void on_done(void *context)
{
    assert_int_equal(eventfd_write(*(int *)context, 1), 0);
}

static struct lister_job *job_for(struct world *w)
{
    struct lister_job *job = lister_job_new();
    job->run = w->run;
    job->wish = wish_for_function(w, fixture_outer);
    return job;
}

static void test_lister(void **state)
{
    struct world *w = *state;
    int done = eventfd(0, EFD_CLOEXEC);
    struct lister *lister = lister_new(on_done, &done);
    for (int i = 0; i < 3; i++) {
        lister_ask(lister, job_for(w));
    }
    uint64_t last = 0;
    for (int n = 0; n < 3;) {
        eventfd_t ignored;
        assert_int_equal(eventfd_read(done, &ignored), 0);
        for (struct lister_job *job; (job = lister_take(lister)) != NULL; n++) {
            assert_true(job->listing->lines.n > 0);
            assert_true(job->listing->serial > last);
            last = job->listing->serial;
            lister_job_free(job);
        }
    }
    assert_true(lister_stop(lister, (uint64_t)60 * NS_PER_S));
    assert_null(lister_take(lister));
    lister_free(lister);
    close(done);
}

static void test_lister_that_is_stopped(void **state)
{
    struct world *w = *state;
    int done = eventfd(0, EFD_CLOEXEC);
    struct lister *lister = lister_new(on_done, &done);
    enum { JOBS = 50 };
    for (int i = 0; i < JOBS; i++) {
        lister_ask(lister, job_for(w));
    }
    assert_true(lister_stop(lister, (uint64_t)60 * NS_PER_S));
    int n = 0;
    for (struct lister_job *job; (job = lister_take(lister)) != NULL; n++) {
        lister_job_free(job);
    }
    assert_int_equal(n, JOBS);
    lister_free(lister);
    close(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_function_of_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines_and_what_is_inlined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_sources, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sources_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_size_that_lies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outside_of_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_machine_that_nobody_knows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_code_of_a_jit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_code_without_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lister, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lister_that_is_stopped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
