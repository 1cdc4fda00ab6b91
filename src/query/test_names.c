#include "query/names.h"

#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A run with one image of each kind. The program's code lies at file offset 0x1000 and address
// 0x401000, first mapped at 0x555500001000.
struct world {
    struct store *store;
    struct library library;
    struct names names;
    image_id program;
    image_id libz;
    image_id kernel;
    image_id vdso;
    image_id anonymous;
};

static const uint64_t PROGRAM_BIAS = 0x555500000000;

static image_id add_image(struct world *w, enum image_row_kind kind, enum image_kind library_kind,
                          const char *path, uint64_t load_bias)
{
    return store_add_image(w->store,
                           &(struct image_row){
                               .kind = kind,
                               .path = strings_add(&w->store->strings, slice_of_text(path)),
                               .library = fake_library_add(&w->library, library_kind),
                               .load_bias = load_bias,
                           });
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1);
    fake_library_init(&w->library);
    w->program = add_image(w, IMAGE_ROW_FILE, IMAGE_FILE, "/opt/app/program", PROGRAM_BIAS);
    w->libz = add_image(w, IMAGE_ROW_FILE, IMAGE_FILE, "/usr/lib/libz.so.1", 0x7f0000000000);
    w->kernel = add_image(w, IMAGE_ROW_KERNEL, IMAGE_KERNEL, "[kernel]", 0);
    w->vdso = add_image(w, IMAGE_ROW_VDSO, IMAGE_VDSO, "[vdso]", 0x7ffd00000000);
    w->anonymous = add_image(w, IMAGE_ROW_ANONYMOUS, IMAGE_ANONYMOUS, "[anon]", 0);
    names_init(&w->names, w->store, &w->library);
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

static void add_symbol(struct symtab_builder *builder, uint64_t addr, uint64_t size,
                       const char *name, const char *module)
{
    assert_true(symtab_builder_add(builder, addr, size, slice_of_text(name), slice_of_text(module),
                                   SYMBOL_GLOBAL));
}

static struct symtab *program_table(void)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(
        builder,
        &(struct symtab_segment){.file_off = 0x1000, .size = 0x1000, .addr = 0x401000, true});
    add_symbol(builder, 0x401100, 0x100, "main", "");
    add_symbol(builder, 0x401200, 0x100, "_Zsolve(int)", "");
    return symtab_builder_finish(builder);
}

static struct symtab *kernel_table(void)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &(struct symtab_segment){.size = UINT64_MAX});
    add_symbol(builder, 0xffffffff81000000, 0x1000, "schedule", "");
    add_symbol(builder, 0xffffffffc0001000, 0x1000, "nft_do_chain", "nf_tables");
    add_symbol(builder, 0xffffffffc0002000, 0x1000, "nft_flush", "nf_tables");
    return symtab_builder_finish(builder);
}

static frame_id add_frame(struct world *w, image_id image, uint64_t off)
{
    return stacks_frame(&w->store->stacks, &(struct frame_row){.off = off, .image = image});
}

static bool refresh(struct world *w)
{
    return names_refresh(&w->names, atomic_load(&w->store->stacks.n_frames));
}

static const struct function *function_of(struct world *w, frame_id frame)
{
    return names_function(&w->names, names_of_frame(&w->names, frame));
}

static void check(struct world *w, frame_id frame, const char *name, const char *binary,
                  uint64_t addr)
{
    const struct function *function = function_of(w, frame);
    assert_string_equal(function->name, name);
    assert_string_equal(function->binary, binary);
    assert_int_equal(function->addr, addr);
}

static void test_places_of_one_function_are_one(void **state)
{
    struct world *w = *state;
    fake_library_publish(&w->library, store_image(w->store, w->program)->library, program_table());
    frame_id start = add_frame(w, w->program, 0x1100);
    frame_id last = add_frame(w, w->program, 0x11ff);
    frame_id solve = add_frame(w, w->program, 0x1250);
    assert_false(refresh(w));
    check(w, start, "main", "program", PROGRAM_BIAS + 0x1100);
    check(w, last, "main", "program", PROGRAM_BIAS + 0x1100);
    check(w, solve, "solve(int)", "program", PROGRAM_BIAS + 0x1200);
    assert_int_equal(names_of_frame(&w->names, start), names_of_frame(&w->names, last));
    assert_int_equal(function_of(w, solve)->lang, SYMBOL_CPP);
    assert_true(function_of(w, start)->resolved);
    assert_string_equal(function_of(w, start)->binary_path, "/opt/app/program");
    assert_int_equal(w->names.images.at[w->program].n_frames, 3);
    assert_int_equal(w->names.images.at[w->program].n_unresolved, 0);
}

static void test_what_has_no_name_says_where_it_is(void **state)
{
    struct world *w = *state;
    fake_library_publish(&w->library, store_image(w->store, w->program)->library, program_table());
    frame_id gap = add_frame(w, w->program, 0x1310);     // in a segment: by the ELF address
    frame_id outside = add_frame(w, w->program, 0x9000); // in none: by the offset
    frame_id no_table = add_frame(w, w->libz, 0x4fe0);
    frame_id kernel = add_frame(w, w->kernel, 0xffffffff81000010);
    frame_id vdso = add_frame(w, w->vdso, 0xa00);
    frame_id anonymous = add_frame(w, w->anonymous, 0x7f1234);
    frame_id unmapped = add_frame(w, 0, 0xdead);
    refresh(w);
    check(w, gap, "program+0x401310", "program", PROGRAM_BIAS + 0x1310);
    check(w, outside, "program+0x9000", "program", PROGRAM_BIAS + 0x9000);
    check(w, no_table, "libz.so.1+0x4fe0", "libz.so.1", 0x7f0000004fe0);
    check(w, kernel, "[kernel]+0xffffffff81000010", "[kernel]", 0xffffffff81000010);
    check(w, vdso, "[vdso]+0xa00", "[vdso]", 0x7ffd00000a00);
    check(w, anonymous, "[anon]+0x7f1234", "[anon]", 0x7f1234);
    check(w, unmapped, "[unknown]+0xdead", "[unknown]", 0xdead);
    for (frame_id frame = gap; frame <= unmapped; frame++) {
        assert_false(function_of(w, frame)->resolved);
        assert_int_equal(function_of(w, frame)->lang, SYMBOL_UNKNOWN);
    }
    assert_int_equal(w->names.images.at[w->program].n_unresolved, 2);
}

static frame_id add_named(struct world *w, image_id image, const char *name)
{
    return add_frame(w, image, strings_add(&w->store->strings, slice_of_text(name)));
}

// What is known by name alone is the same function as what the kernel's table has at an address,
// whichever of the two is met first.
static void test_named_kernel_functions(void **state)
{
    struct world *w = *state;
    image_id named = store_add_image(
        w->store,
        &(struct image_row){.kind = IMAGE_ROW_NAMED,
                            .path = strings_add(&w->store->strings, slice_of_text("[kernel]")),
                            .library = UINT32_MAX});
    frame_id by_name = add_named(w, named, "schedule");
    frame_id unknown = add_named(w, named, "futex_do_wait");
    frame_id by_address = add_frame(w, w->kernel, 0xffffffff81000010);
    refresh(w);
    check(w, by_name, "schedule", "[kernel]", 0);
    check(w, unknown, "futex_do_wait", "[kernel]", 0);
    assert_true(function_of(w, by_name)->is_kernel && function_of(w, by_name)->resolved);
    assert_ptr_not_equal(function_of(w, by_name), function_of(w, by_address));
    fake_library_publish(&w->library, store_image(w->store, w->kernel)->library, kernel_table());
    refresh(w);
    assert_ptr_equal(function_of(w, by_name), function_of(w, by_address));
    check(w, by_name, "schedule", "[kernel]", 0xffffffff81000000);
    check(w, unknown, "futex_do_wait", "[kernel]", 0);
    frame_id later = add_named(w, named, "another");
    frame_id again = add_frame(w, w->kernel, 0xffffffff81000011);
    refresh(w);
    check(w, later, "another", "[kernel]", 0);
    assert_ptr_equal(function_of(w, by_name), function_of(w, again));
}

static void test_kernel_modules_are_binaries(void **state)
{
    struct world *w = *state;
    fake_library_publish(&w->library, store_image(w->store, w->kernel)->library, kernel_table());
    frame_id schedule = add_frame(w, w->kernel, 0xffffffff81000010);
    frame_id chain = add_frame(w, w->kernel, 0xffffffffc0001010);
    frame_id flush = add_frame(w, w->kernel, 0xffffffffc0002010);
    refresh(w);
    check(w, schedule, "schedule", "[kernel]", 0xffffffff81000000);
    check(w, chain, "nft_do_chain", "[nf_tables]", 0xffffffffc0001000);
    check(w, flush, "nft_flush", "[nf_tables]", 0xffffffffc0002000);
    assert_true(function_of(w, chain)->is_kernel);
    assert_int_equal(w->names.modules.n, 1);
}

static void test_a_late_table_gives_new_names(void **state)
{
    struct world *w = *state;
    frame_id main_frame = add_frame(w, w->program, 0x1100);
    frame_id gap = add_frame(w, w->program, 0x1310);
    frame_id other = add_frame(w, w->libz, 0x10);
    assert_false(refresh(w));
    check(w, main_frame, "program+0x1100", "program", PROGRAM_BIAS + 0x1100);
    check(w, gap, "program+0x1310", "program", PROGRAM_BIAS + 0x1310);
    function_id other_before = names_of_frame(&w->names, other);
    uint64_t version = w->names.version;

    fake_library_fail(&w->library, store_image(w->store, w->libz)->library, "gone");
    assert_false(refresh(w)); // nothing to rename
    fake_library_publish(&w->library, store_image(w->store, w->program)->library, program_table());
    frame_id solve = add_frame(w, w->program, 0x1200);
    assert_true(refresh(w));
    assert_true(w->names.version > version);
    check(w, main_frame, "main", "program", PROGRAM_BIAS + 0x1100);
    check(w, gap, "program+0x401310", "program", PROGRAM_BIAS + 0x1310);
    check(w, solve, "solve(int)", "program", PROGRAM_BIAS + 0x1200);
    assert_int_equal(names_of_frame(&w->names, other), other_before);
    assert_int_equal(w->names.images.at[w->program].n_frames, 3);
    assert_int_equal(w->names.images.at[w->program].n_unresolved, 1);
    assert_false(refresh(w));
}

// The offset of one place may be the address of another: two places under one name, not one.
static void test_an_offset_is_not_an_address(void **state)
{
    struct world *w = *state;
    frame_id first = add_frame(w, w->program, 0x401310); // outside of all segments: by the offset
    refresh(w);
    check(w, first, "program+0x401310", "program", PROGRAM_BIAS + 0x401310);
    fake_library_publish(&w->library, store_image(w->store, w->program)->library, program_table());
    frame_id second = add_frame(w, w->program, 0x1310);
    refresh(w);
    check(w, first, "program+0x401310", "program", PROGRAM_BIAS + 0x401310);
    check(w, second, "program+0x401310", "program", PROGRAM_BIAS + 0x1310);
    assert_true(names_of_frame(&w->names, first) != names_of_frame(&w->names, second));
}

static void test_asks_once_for_images_that_are_met(void **state)
{
    struct world *w = *state;
    add_frame(w, w->program, 1);
    add_frame(w, 0, 1);
    add_frame(w, w->anonymous, 1);
    refresh(w);
    static const struct {
        enum image_kind kind;
        int state;
    } expected[] = {{IMAGE_FILE, IMAGE_QUEUED},
                    {IMAGE_FILE, IMAGE_NEW},
                    {IMAGE_KERNEL, IMAGE_NEW},
                    {IMAGE_VDSO, IMAGE_NEW},
                    {IMAGE_ANONYMOUS, IMAGE_NEW}};
    for (uint32_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(library_at(&w->library, i)->kind, expected[i].kind);
        assert_int_equal(atomic_load(&library_at(&w->library, i)->state), expected[i].state);
    }
}

static void test_the_program_of_any_process_is_main(void **state)
{
    struct world *w = *state;
    process_id process = store_add_process(w->store, 1, 0, 0, 0);
    frame_id in_program = add_frame(w, w->program, 0x1100);
    frame_id in_libz = add_frame(w, w->libz, 0x1100);
    refresh(w);
    assert_false(function_of(w, in_program)->is_main);
    atomic_store(&store_process_mut(w->store, process)->main_image, w->program);
    refresh(w);
    assert_true(function_of(w, in_program)->is_main);
    assert_false(function_of(w, in_libz)->is_main);
    atomic_store(&store_process_mut(w->store, process)->main_image, w->libz); // an exec
    frame_id later = add_frame(w, w->program, 0x1200);
    refresh(w);
    assert_true(function_of(w, in_libz)->is_main);
    assert_true(function_of(w, later)->is_main);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_places_of_one_function_are_one),
        TEST(test_what_has_no_name_says_where_it_is),
        TEST(test_named_kernel_functions),
        TEST(test_kernel_modules_are_binaries),
        TEST(test_a_late_table_gives_new_names),
        TEST(test_an_offset_is_not_an_address),
        TEST(test_asks_once_for_images_that_are_met),
        TEST(test_the_program_of_any_process_is_main),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
