#include "query/find_function.h"

#include "base/text.h"
#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// A program whose code is at file offset 0x1000, at 0x401000 for its linker, and mapped from
// 0x555500001000 on; a kernel; and memory of a JIT, in two epochs.
struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct fold fold;
    image_id program;
    image_id kernel;
    image_id named;
    image_id epochs[2];
    thread_id thread;
};

enum { EPOCH_NS = 100 };

static const uint64_t BIAS = 0x555500000000; // address - file offset
static const uint64_t LINKED = 0x400000;     // the linker's address - file offset

static image_id add_image(struct world *w, enum image_row_kind kind, enum image_kind library_kind,
                          const char *path, uint64_t load_bias)
{
    struct image_row row = {.kind = kind,
                            .path = strings_add(&w->store->strings, slice_of_text(path)),
                            .library = fake_library_add(&w->library, library_kind),
                            .load_bias = load_bias};
    return store_add_image(w->store, &row);
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1);
    fake_library_init(&w->library);
    process_id process = store_add_process(w->store, 7, 1, 0, 0);
    w->thread = store_add_thread(w->store, 7, 7, process, 0, 0);
    w->program = add_image(w, IMAGE_ROW_FILE, IMAGE_FILE, "/opt/app/program", BIAS);
    fake_library_add_dwarf(&w->library, store_image(w->store, w->program)->library);
    w->kernel = add_image(w, IMAGE_ROW_KERNEL, IMAGE_KERNEL, "[kernel]", 0);
    struct image_row named = {.kind = IMAGE_ROW_NAMED, .library = UINT32_MAX};
    w->named = store_add_image(w->store, &named);
    for (uint64_t i = 0; i < 2; i++) {
        struct image_row epoch = {.kind = IMAGE_ROW_ANONYMOUS,
                                  .process = process,
                                  .since_ns = i * EPOCH_NS,
                                  .until_ns = (i + 1) * EPOCH_NS};
        w->epochs[i] = store_add_image(w->store, &epoch);
    }
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    struct view view = {0};
    fold_init(&w->fold, &view);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    fold_fini(&w->fold);
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
    return 0;
}

static void add_symbol(struct symtab_builder *builder, uint64_t addr, const char *name)
{
    assert_true(symtab_builder_add(builder, addr, 0x80, slice_of_text(name), slice_of_text(""),
                                   SYMBOL_GLOBAL));
}

// Functions of 0x80 bytes each, 0x80 bytes apart.
static void publish_program(struct world *w)
{
    static const char *const names[] = {"main",  "parse", "parse_line", "Reparse",
                                        "PARSE", "never", "_Zns::parse"};
    struct symtab_builder *builder = symtab_builder_new();
    struct symtab_segment code = {
        .file_off = 0x1000, .size = 0x1000, .addr = LINKED + 0x1000, .executable = true};
    symtab_builder_add_segment(builder, &code);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        add_symbol(builder, LINKED + 0x1000 + i * 0x100, names[i]);
    }
    fake_library_publish(&w->library, store_image(w->store, w->program)->library,
                         symtab_builder_finish(builder));
}

static void publish_kernel(struct world *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &(struct symtab_segment){.size = UINT64_MAX});
    add_symbol(builder, 0xffffffff81000000, "do_read");
    add_symbol(builder, 0xffffffff81000100, "do_write");
    fake_library_publish(&w->library, store_image(w->store, w->kernel)->library,
                         symtab_builder_finish(builder));
}

// Of the n-th of its functions: where it starts in the file, and in the process.
static uint64_t off_of(uint64_t n)
{
    return 0x1000 + n * 0x100;
}

static uint64_t addr_of(uint64_t n)
{
    return BIAS + off_of(n);
}

static stack_id push(struct world *w, stack_id caller, image_id image, uint64_t off)
{
    bool cut = false;
    struct frame_row row = {.off = off, .image = image};
    return stacks_push(&w->store->stacks, caller, stacks_frame(&w->store->stacks, &row), &cut);
}

static void add_samples(struct world *w, stack_id stack, int n)
{
    for (int i = 0; i < n; i++) {
        assert_true(store_add_sample(w->store, 1, w->thread, stack));
    }
}

static void wait_in(struct world *w, stack_id stack, uint64_t ns)
{
    store_add_interval(w->store, &(struct interval){.start_ns = 0,
                                                    .duration_ns = ns,
                                                    .reason = EVENT_REASON_LOCK,
                                                    .thread = w->thread,
                                                    .stack = stack});
}

static void refresh(struct world *w)
{
    calltree_refresh(&w->tree);
    while (!fold_advance(&w->fold, w->store, &w->names, UINT64_MAX)) {
    }
    fold_settle(&w->fold, w->store, &w->names);
    calltree_refresh(&w->tree);
}

// The names of those that fit (else, behind a '?', of the hottest), the first one first.
static void check_in_order(struct world *w, const struct function_target *target,
                           enum find_order order, const char *expected)
{
    refresh(w);
    struct found_functions found;
    find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons, target, order);
    CLEANUP(text_fini) struct text text = {0};
    for (size_t i = 0; i < found.fit.n; i++) {
        const struct function *function = names_function(&w->names, found.fit.at[i].id);
        text_addf(&text, "%s%s", i > 0 ? " " : "", function->name);
    }
    assert_int_equal(found.n_fit, found.fit.n);
    for (size_t i = 0; i < found.hottest.n; i++) {
        const struct function *function = names_function(&w->names, found.hottest.at[i].id);
        text_addf(&text, "%s%s", i > 0 ? " " : "? ", function->name);
    }
    if (found.symbol != NULL) {
        assert_int_equal(found.n_fit, 0);
        text_addf(&text, "%s in %u at 0x%lx", found.symbol->name, found.image,
                  (unsigned long)(found.symbol->addr + found.bias));
    }
    assert_string_equal(text_get(&text), expected);
    found_functions_fini(&found);
}

static void check_name(struct world *w, char *name, const char *expected)
{
    check_in_order(w, &(struct function_target){.name = name}, FIND_BY_SELF, expected);
}

static void check_address(struct world *w, uint64_t address, const char *expected)
{
    check_in_order(w, &(struct function_target){.address = address}, FIND_BY_SELF, expected);
}

// ---- Names -------------------------------------------------------------------------------------

static void test_a_whole_name_goes_before_a_part(void **state)
{
    struct world *w = *state;
    publish_program(w);
    stack_id of_main = push(w, STACK_ROOT, w->program, off_of(0) + 1);
    add_samples(w, push(w, of_main, w->program, off_of(1)), 1); // parse
    add_samples(w, push(w, of_main, w->program, off_of(2)), 5); // parse_line
    add_samples(w, push(w, of_main, w->program, off_of(3)), 9); // Reparse
    add_samples(w, push(w, of_main, w->program, off_of(4)), 7); // PARSE
    check_name(w, "parse", "parse PARSE Reparse parse_line");
    check_name(w, "PARSE", "PARSE parse Reparse parse_line");
    check_name(w, "Pars", "Reparse PARSE parse_line parse"); // by samples alone
    check_name(w, "line", "parse_line");
}

static void test_what_was_never_sampled_has_no_name_here(void **state)
{
    struct world *w = *state;
    publish_program(w);
    stack_id of_main = push(w, STACK_ROOT, w->program, off_of(0) + 1);
    add_samples(w, push(w, of_main, w->program, off_of(1)), 2);
    add_samples(w, push(w, of_main, w->program, off_of(2)), 3);
    check_name(w, "never", "? parse_line parse main");
    check_in_order(w, &(struct function_target){.name = "never"}, FIND_BY_TOTAL,
                   "? main parse_line parse");
}

static void test_names_that_are_gone_are_not_found(void **state)
{
    struct world *w = *state;
    add_samples(w, push(w, STACK_ROOT, w->program, off_of(1) + 5), 2);
    check_name(w, "program", "program+0x1105");
    publish_program(w);
    check_name(w, "program", "? parse");
    check_name(w, "parse", "parse");
}

static void test_the_order_is_of_what_is_asked(void **state)
{
    struct world *w = *state;
    publish_program(w);
    stack_id parse = push(w, STACK_ROOT, w->program, off_of(1));
    stack_id line = push(w, parse, w->program, off_of(2));
    add_samples(w, line, 3);
    stack_id reparse = push(w, STACK_ROOT, w->program, off_of(3));
    add_samples(w, reparse, 2);
    wait_in(w, reparse, 50);
    wait_in(w, parse, 60);
    struct function_target target = {.name = "ars"};
    check_in_order(w, &target, FIND_BY_SELF, "parse_line Reparse parse");
    check_in_order(w, &target, FIND_BY_TOTAL, "parse_line parse Reparse");
    check_in_order(w, &target, FIND_BY_TOTAL_WAITS, "parse Reparse parse_line");
}

static void test_numbers_are_those_of_the_view(void **state)
{
    struct world *w = *state;
    publish_program(w);
    stack_id parse = push(w, STACK_ROOT, w->program, off_of(1));
    stack_id again = push(w, parse, w->program, off_of(1) + 8); // recursion
    add_samples(w, again, 3);
    add_samples(w, push(w, again, w->program, off_of(2)), 2);
    wait_in(w, again, 40);
    refresh(w);
    struct found_functions found;
    find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons,
                   &(struct function_target){.name = "parse"}, FIND_BY_SELF);
    assert_int_equal(found.fit.at[0].self_samples, 3);
    assert_int_equal(found.fit.at[0].total_samples, 5);
    assert_int_equal(found.fit.at[0].total_off_ns, 40);
    found_functions_fini(&found);
    fold_fini(&w->fold);
    struct view view = {.has_tid = true, .tid = 8};
    fold_init(&w->fold, &view);
    refresh(w);
    find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons,
                   &(struct function_target){.name = "parse"}, FIND_BY_SELF);
    assert_int_equal(found.n_fit, 2); // they are known, if not to that thread
    assert_int_equal(found.fit.at[0].total_samples, 0);
    found_functions_fini(&found);
}

static void test_of_one_alone_nothing_is_counted(void **state)
{
    struct world *w = *state;
    publish_program(w);
    add_samples(w, push(w, STACK_ROOT, w->program, off_of(1)), 3);
    refresh(w);
    struct found_functions found;
    find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons,
                   &(struct function_target){.name = "parse"}, FIND_BY_SELF);
    assert_int_equal(found.n_fit, 1);
    assert_int_equal(found.fit.at[0].self_samples, 0);
    found_functions_fini(&found);
}

static void test_most_of_many_are_only_counted(void **state)
{
    struct world *w = *state;
    for (uint64_t i = 0; i < FOUND_FUNCTIONS_MAX + 40; i++) {
        add_samples(w, push(w, STACK_ROOT, w->program, 0x3000 + i), i == 90 ? 2 : 1);
    }
    refresh(w);
    struct found_functions found;
    find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons,
                   &(struct function_target){.name = "program+"}, FIND_BY_SELF);
    assert_int_equal(found.n_fit, FOUND_FUNCTIONS_MAX + 40);
    assert_int_equal(found.fit.n, FOUND_FUNCTIONS_MAX);
    const struct function *first = names_function(&w->names, found.fit.at[0].id);
    assert_string_equal(first->name, "program+0x305a");
    found_functions_fini(&found);
}

static void test_missing_callers_are_no_function(void **state)
{
    struct world *w = *state;
    struct image_row row = {.kind = IMAGE_ROW_TRUNCATED, .library = UINT32_MAX};
    image_id truncated = store_add_image(w->store, &row);
    publish_program(w);
    stack_id marker = push(w, STACK_ROOT, truncated, truncation_off(TRUNCATED_TOO_DEEP, 0));
    add_samples(w, push(w, marker, w->program, off_of(1)), 1);
    check_name(w, "truncated", "? parse");
}

// ---- Addresses ---------------------------------------------------------------------------------

static void test_any_address_of_a_function(void **state)
{
    struct world *w = *state;
    publish_program(w);
    add_samples(w, push(w, STACK_ROOT, w->program, off_of(1) + 0x10), 1);
    check_address(w, addr_of(1), "parse");
    check_address(w, addr_of(1) + 0x7f, "parse");
    check_address(w, addr_of(1) + 0x80, "? parse");  // between two
    check_address(w, LINKED + off_of(1), "? parse"); // the linker's, not the process's
    check_address(w, 0, "? parse");
    check_address(w, UINT64_MAX, "? parse");
}

static void test_an_address_that_was_never_sampled(void **state)
{
    struct world *w = *state;
    publish_program(w);
    add_samples(w, push(w, STACK_ROOT, w->program, off_of(1)), 1);
    char expected[64];
    snprintf(expected, sizeof expected, "never in %u at 0x%lx", w->program,
             (unsigned long)addr_of(5));
    check_address(w, addr_of(5), expected);
    check_address(w, addr_of(5) + 0x7f, expected);
}

static void test_a_place_without_a_name(void **state)
{
    struct world *w = *state;
    add_samples(w, push(w, STACK_ROOT, w->program, 0x1234), 1);
    check_address(w, BIAS + 0x1234, "program+0x1234");
    check_address(w, BIAS + 0x1235, "? program+0x1234");
}

// Addresses are those of the first mapping of each image; two programs may have had the same ones.
static void test_of_two_at_one_address_the_hotter_one(void **state)
{
    struct world *w = *state;
    publish_program(w);
    image_id other = add_image(w, IMAGE_ROW_FILE, IMAGE_FILE, "/opt/other", BIAS);
    add_samples(w, push(w, STACK_ROOT, w->program, off_of(1)), 1);
    add_samples(w, push(w, STACK_ROOT, other, off_of(1)), 2);
    check_address(w, addr_of(1), "other+0x1100 parse");
    check_address(w, addr_of(1) + 1, "parse");
}

static void test_addresses_of_the_kernel(void **state)
{
    struct world *w = *state;
    string_id write = strings_add(&w->store->strings, slice_of_text("do_write"));
    string_id only = strings_add(&w->store->strings, slice_of_text("only_a_name"));
    add_samples(w, push(w, STACK_ROOT, w->named, write), 1);
    add_samples(w, push(w, STACK_ROOT, w->named, only), 1);
    publish_kernel(w);
    stack_id by_address = push(w, STACK_ROOT, w->kernel, 0xffffffff81000110);
    add_samples(w, by_address, 1);
    check_address(w, 0xffffffff81000120, "do_write");
    check_name(w, "only", "only_a_name");
    char expected[64];
    snprintf(expected, sizeof expected, "do_read in %u at 0xffffffff81000000", w->kernel);
    check_address(w, 0xffffffff81000001, expected);
}

static void load(struct world *w, uint64_t addr, uint64_t time_ns, const char *name)
{
    struct code_row row = {.addr = addr,
                           .size_bytes = 0x40,
                           .loaded_ns = time_ns,
                           .name = strings_add(&w->store->strings, slice_of_text(name))};
    store_add_code(w->store, &row);
}

static void test_a_function_of_a_jit_at_all_of_its_addresses(void **state)
{
    struct world *w = *state;
    load(w, 0x1000, 10, "hot");
    load(w, 0x2000, 110, "hot"); // made anew
    load(w, 0x1000, 110, "next");
    load(w, 0x3000, 110, "never");
    add_samples(w, push(w, STACK_ROOT, w->epochs[0], 0x1004), 1);
    add_samples(w, push(w, STACK_ROOT, w->epochs[1], 0x2004), 2);
    check_address(w, 0x2000, "hot");
    check_address(w, 0x103f, "hot");
    check_address(w, 0x1040, "? hot");
    check_address(w, 0x3000, "? hot");
    add_samples(w, push(w, STACK_ROOT, w->epochs[1], 0x1008), 1);
    check_address(w, 0x103f, "hot next");
    add_samples(w, push(w, STACK_ROOT, w->epochs[1], 0x1009), 9);
    check_address(w, 0x103f, "next hot");
    check_address(w, 0x1000, "next hot"); // where its newest version starts
}

// ---- Inlined functions -------------------------------------------------------------------------

static const struct inline_function fast = {.name = "fast", .lang = SYMBOL_C, false};

// It is inlined at these offsets of the program.
static void inline_fast(struct world *w, struct inline_chain *chain, uint64_t a, uint64_t b)
{
    refresh(w);
    for (struct inline_batch *batch; (batch = fake_library_asked(&w->library)) != NULL;) {
        for (size_t i = 0; i < batch->at.n; i++) {
            uint64_t off = batch->at.at[i].addr - LINKED;
            batch->at.at[i].chain = off == a || off == b ? chain : NULL;
        }
        inline_mailbox_put(batch);
    }
    refresh(w);
}

static void test_where_an_inlined_function_is(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *chain = alloc_zeroed(1, sizeof *chain + sizeof &fast);
    chain->n = 1;
    chain->at[0] = &fast;
    publish_program(w);
    add_samples(w, push(w, STACK_ROOT, w->program, off_of(1) + 4), 2);
    stack_id called = push(w, STACK_ROOT, w->program, off_of(2) + 4);
    add_samples(w, called, 1);
    add_samples(w, push(w, called, w->program, off_of(3)), 9); // which is no self sample
    inline_fast(w, chain, off_of(1) + 4, off_of(2) + 4);
    check_name(w, "fast", "fast");
    struct found_functions found;
    find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons,
                   &(struct function_target){.name = "fast"}, FIND_BY_SELF);
    function_id inlined = found.fit.at[0].id;
    assert_int_equal(found.fit.at[0].self_samples, 3);
    assert_true(names_function(&w->names, inlined)->inlined);
    uint64_t samples = 0;
    function_id host = find_host_of_inlined(&w->tree, &w->fold, inlined, &samples);
    assert_string_equal(names_function(&w->names, host)->name, "parse");
    assert_int_equal(samples, 2);
    found_functions_fini(&found);
}

static void test_an_inlined_function_without_samples_is_nowhere(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *chain = alloc_zeroed(1, sizeof *chain + sizeof &fast);
    chain->n = 1;
    chain->at[0] = &fast;
    publish_program(w);
    push(w, STACK_ROOT, w->program, off_of(1) + 4);
    inline_fast(w, chain, off_of(1) + 4, 0);
    struct found_functions found;
    find_functions(&found, &w->tree, &w->fold, w->store, &w->reasons,
                   &(struct function_target){.name = "fast"}, FIND_BY_SELF);
    assert_int_equal(found.n_fit, 1);
    uint64_t samples = 1;
    assert_int_equal(find_host_of_inlined(&w->tree, &w->fold, found.fit.at[0].id, &samples),
                     FUNCTION_NONE);
    assert_int_equal(samples, 0);
    found_functions_fini(&found);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_a_whole_name_goes_before_a_part),
        test(test_what_was_never_sampled_has_no_name_here),
        test(test_names_that_are_gone_are_not_found),
        test(test_the_order_is_of_what_is_asked),
        test(test_numbers_are_those_of_the_view),
        test(test_of_one_alone_nothing_is_counted),
        test(test_most_of_many_are_only_counted),
        test(test_missing_callers_are_no_function),
        test(test_any_address_of_a_function),
        test(test_an_address_that_was_never_sampled),
        test(test_a_place_without_a_name),
        test(test_of_two_at_one_address_the_hotter_one),
        test(test_addresses_of_the_kernel),
        test(test_a_function_of_a_jit_at_all_of_its_addresses),
        test(test_where_an_inlined_function_is),
        test(test_an_inlined_function_without_samples_is_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
