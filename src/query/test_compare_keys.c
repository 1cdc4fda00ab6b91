// Two runs whose programs have the same functions elsewhere: which of them are the same.

#include "query/compare_keys.h"

#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { A, B, SIDES, SYMBOL_BYTES = 0x100 };

static const uint64_t ADDR_OF_OFF = 0x400000;

// One run: a program whose functions have these names, from some address on; a library without any;
// the kernel.
struct side {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct compare_side counted;
    image_id program;
    image_id stripped;
    image_id kernel;
    uint64_t first; // function, in units of SYMBOL_BYTES
};

static image_id add_image(struct side *s, const char *path, const char *build_id,
                          enum image_row_kind kind)
{
    struct image_row row = {
        .kind = kind,
        .path = strings_add(&s->store->strings, slice_of_text(path)),
        .library = fake_library_add(&s->library, IMAGE_FILE),
        .build_id = strings_add(&s->store->strings, slice_of_text(build_id)),
    };
    return store_add_image(s->store, &row);
}

static void publish(struct side *s, image_id image, const char *const *symbols)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(
        builder, &(struct symtab_segment){.size = 0x10000, .addr = ADDR_OF_OFF, true});
    for (size_t i = 0; symbols[i] != NULL; i++) {
        symtab_builder_add(builder, ADDR_OF_OFF + (s->first + i) * SYMBOL_BYTES, SYMBOL_BYTES,
                           slice_of_text(symbols[i]), slice_of_text(""), SYMBOL_GLOBAL);
    }
    fake_library_publish(&s->library, store_image(s->store, image)->library,
                         symtab_builder_finish(builder));
}

static void side_init(struct side *s, uint64_t first, const char *build_id,
                      const char *const *symbols)
{
    static const char *const kernel[] = {"entry_SYSCALL_64_after_hwframe",
                                         "asm_sysvec_apic_timer_interrupt", "spin", NULL};
    *s = (struct side){.store = store_new(1000, 0, 7), .first = first};
    fake_library_init(&s->library);
    s->program = add_image(s, "/somewhere/program", "x", IMAGE_ROW_FILE);
    s->stripped = add_image(s, "/lib/libz.so", build_id, IMAGE_ROW_FILE);
    s->kernel = add_image(s, "[kernel]", "k", IMAGE_ROW_KERNEL);
    publish(s, s->program, symbols);
    publish(s, s->kernel, kernel);
    names_init(&s->names, s->store, &s->library);
    calltree_init(&s->tree, &s->names);
    reasons_init(&s->reasons, &s->names);
}

static void side_fini(struct side *s)
{
    compare_side_fini(&s->counted);
    reasons_fini(&s->reasons);
    calltree_fini(&s->tree);
    names_fini(&s->names);
    fake_library_fini(&s->library);
    store_free(s->store);
}

static thread_id add_thread(struct side *s, const char *name)
{
    return store_add_thread(s->store, 9, 10, 0, 1000,
                            strings_add(&s->store->strings, slice_of_text(name)));
}

static stack_id push(struct side *s, stack_id caller, image_id image, uint64_t off)
{
    bool cut = false;
    struct frame_row frame = {.off = off, .image = image, .leaf = true};
    return stacks_push(&s->store->stacks, caller, stacks_frame(&s->store->stacks, &frame), &cut);
}

// A place in the n-th function of the program, or of the kernel.
static stack_id call(struct side *s, stack_id caller, image_id image, uint64_t n)
{
    return push(s, caller, image, (s->first + n) * SYMBOL_BYTES + 4 * s->first);
}

static void sample(struct side *s, thread_id thread, stack_id stack, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        uint64_t time_ns = 2000 + atomic_load(&s->store->samples.n);
        assert_true(store_add_sample(s->store, time_ns, thread, stack));
    }
}

struct counted {
    struct compare_keys keys;
    struct compare_cells cells;
    struct compare_source sources[SIDES]; // the keys look at them
};

static void count(struct counted *ret, struct side sides[SIDES], enum compare_by by)
{
    static const size_t n_runs[2] = {1, 1};
    *ret = (struct counted){0};
    for (int i = 0; i < SIDES; i++) {
        struct side *s = &sides[i];
        compare_side_init(&s->counted, s->store, by, MODE_ON_CPU);
        while (!compare_side_advance(&s->counted, 3)) {
        }
        calltree_refresh(&s->tree);
        ret->sources[i] = (struct compare_source){&s->counted, &s->tree, &s->reasons};
    }
    compare_keys_make(&ret->keys, ret->sources, n_runs, &ret->cells);
}

static void counted_fini(struct counted *counted)
{
    compare_keys_fini(&counted->keys);
    vec_fini(&counted->cells.at);
}

// Samples of a side under a name. -1: no key is called so; two of them are a failure.
static int samples_of(const struct counted *counted, const char *name, uint32_t run)
{
    uint32_t key = COMPARE_NO_KEY;
    int n = -1;
    for (size_t i = 0; i < counted->cells.at.n; i++) {
        const struct compare_cell *cell = &counted->cells.at.at[i];
        if (strcmp(counted->keys.at.at[cell->key].name, name) == 0) {
            assert_true(key == COMPARE_NO_KEY || key == cell->key);
            key = cell->key;
            n = MAX(n, 0) + (cell->run == run ? (int)cell->n : 0);
        }
    }
    return n;
}

static void assert_both(const struct counted *counted, const char *name, int a, int b)
{
    assert_int_equal(samples_of(counted, name, A), a);
    assert_int_equal(samples_of(counted, name, B), b);
}

// ---- Functions ---------------------------------------------------------------------------------

static void test_functions_are_matched_by_name(void **state)
{
    (void)state;
    static const char *const in_a[] = {"main", "copied.constprop.0", "split", "split.cold", NULL};
    static const char *const in_b[] = {"main", "copied", "split", "split.cold", NULL};
    struct side sides[SIDES];
    side_init(&sides[A], 2, "same", in_a);
    side_init(&sides[B], 40, "same", in_b);
    for (int i = 0; i < SIDES; i++) {
        struct side *s = &sides[i];
        thread_id thread = add_thread(s, "t");
        for (uint64_t n = 0; n < 4; n++) {
            sample(s, thread, call(s, STACK_ROOT, s->program, n), 10 + n + (size_t)i);
        }
        sample(s, thread, STACK_ROOT, 3);
    }
    struct counted counted;
    count(&counted, sides, COMPARE_BY_FUNCTION);
    assert_both(&counted, "main", 10, 11);
    assert_both(&counted, "copied", 11, 12); // its only name differs
    assert_both(&counted, "split", 12, 13);  // both names are in both
    assert_both(&counted, "split.cold", 13, 14);
    assert_both(&counted, "[no stack]", 3, 3);
    counted_fini(&counted);
    side_fini(&sides[A]);
    side_fini(&sides[B]);
}

static void check_unresolved(const char *build_a, const char *build_b, bool same)
{
    static const char *const symbols[] = {"main", NULL};
    struct side sides[SIDES];
    side_init(&sides[A], 2, build_a, symbols);
    side_init(&sides[B], 2, build_b, symbols);
    for (int i = 0; i < SIDES; i++) {
        thread_id thread = add_thread(&sides[i], "t");
        sample(&sides[i], thread, push(&sides[i], STACK_ROOT, sides[i].stripped, 0x10), 5);
        sample(&sides[i], thread,
               push(&sides[i], STACK_ROOT, sides[i].stripped, 0x20 + 8 * (uint64_t)i), 6);
    }
    struct counted counted;
    count(&counted, sides, COMPARE_BY_FUNCTION);
    if (same) {
        assert_both(&counted, "libz.so+0x10", 5, 5);
        assert_both(&counted, "libz.so+0x20", 6, 0);
        assert_both(&counted, "libz.so+0x28", 0, 6);
    } else {
        assert_both(&counted, "[unresolved in libz.so]", 11, 11);
        assert_int_equal(samples_of(&counted, "libz.so+0x10", A), -1);
    }
    counted_fini(&counted);
    side_fini(&sides[A]);
    side_fini(&sides[B]);
}

static void test_unresolved_places(void **state)
{
    (void)state;
    check_unresolved("one", "one", true);
    check_unresolved("one", "other", false);
    check_unresolved("", "", false);
}

// The same kernel function, for the program and in an interrupt.
static void test_interrupts_stand_apart(void **state)
{
    (void)state;
    static const char *const symbols[] = {"main", NULL};
    struct side sides[SIDES];
    for (int i = 0; i < SIDES; i++) {
        struct side *s = &sides[i];
        side_init(s, 2, "x", symbols);
        thread_id thread = add_thread(s, "t");
        stack_id user = call(s, STACK_ROOT, s->program, 0);
        sample(s, thread, call(s, call(s, user, s->kernel, 0), s->kernel, 2), 20);
        sample(s, thread, call(s, call(s, user, s->kernel, 1), s->kernel, 2), 30);
    }
    for (enum compare_by by = COMPARE_BY_FUNCTION; by <= COMPARE_BY_STACK; by++) {
        struct counted counted;
        count(&counted, sides, by);
        assert_both(&counted, "spin", 20, 20);
        assert_both(&counted, "[interrupts]", 30, 30);
        assert_true(counted.keys.interrupts != COMPARE_NO_KEY);
        counted_fini(&counted);
        compare_side_fini(&sides[A].counted);
        compare_side_fini(&sides[B].counted);
        sides[A].counted = sides[B].counted = (struct compare_side){0};
    }
    side_fini(&sides[A]);
    side_fini(&sides[B]);
}

// ---- Stacks and threads ------------------------------------------------------------------------

static void test_stacks_are_paths_of_names(void **state)
{
    (void)state;
    static const char *const symbols[] = {"main", "left", "right", "leaf", NULL};
    struct side sides[SIDES];
    for (int i = 0; i < SIDES; i++) {
        struct side *s = &sides[i];
        side_init(s, i == A ? 2 : 30, "x", symbols);
        thread_id thread = add_thread(s, "t");
        stack_id main = call(s, STACK_ROOT, s->program, 0);
        sample(s, thread, call(s, call(s, main, s->program, 1), s->program, 3), 4);
        sample(s, thread, call(s, call(s, main, s->program, 2), s->program, 3), 9);
    }
    struct counted counted;
    count(&counted, sides, COMPARE_BY_STACK);
    int n[SIDES][2] = {0};
    for (size_t i = 0; i < counted.cells.at.n; i++) {
        const struct compare_cell *cell = &counted.cells.at.at[i];
        const struct compare_key *leaf = &counted.keys.at.at[cell->key];
        const struct compare_key *middle = &counted.keys.at.at[leaf->caller];
        assert_string_equal(leaf->name, "leaf");
        assert_string_equal(counted.keys.at.at[middle->caller].name, "main");
        n[cell->run][strcmp(middle->name, "right") == 0] += (int)cell->n;
    }
    for (int i = 0; i < SIDES; i++) {
        assert_int_equal(n[i][0], 4);
        assert_int_equal(n[i][1], 9);
    }
    counted_fini(&counted);
    side_fini(&sides[A]);
    side_fini(&sides[B]);
}

static void test_threads_are_numbered_by_nobody(void **state)
{
    (void)state;
    static const char *const names[SIDES][4] = {{"python3", "worker-1", "worker-12", "io"},
                                                {"python3", "worker-7", "worker-8", "io"}};
    static const char *const symbols[] = {"main", NULL};
    struct side sides[SIDES];
    for (int i = 0; i < SIDES; i++) {
        side_init(&sides[i], 2, "x", symbols);
        for (size_t thread = 0; thread < 4; thread++) {
            sample(&sides[i], add_thread(&sides[i], names[i][thread]),
                   call(&sides[i], STACK_ROOT, sides[i].program, 0), thread + 1);
        }
    }
    struct counted counted;
    count(&counted, sides, COMPARE_BY_THREAD);
    assert_both(&counted, "python3", 1, 1);
    assert_both(&counted, "worker-#", 5, 5);
    assert_both(&counted, "io", 4, 4);
    counted_fini(&counted);
    side_fini(&sides[A]);
    side_fini(&sides[B]);
}

// ---- Waits -------------------------------------------------------------------------------------

// A wait of half the run is in half of the blocks, once; being ready to run is no wait.
static void test_waits_are_cut_into_blocks(void **state)
{
    (void)state;
    static const char *const symbols[] = {"main", NULL};
    struct side s;
    side_init(&s, 2, "x", symbols);
    thread_id thread = add_thread(&s, "t");
    stack_id stack = call(&s, STACK_ROOT, s.program, 0);
    struct interval wait = {
        .start_ns = 1000, .duration_ns = 3200, .thread = thread, .stack = stack};
    store_add_interval(s.store, &wait);
    wait.start_ns += wait.duration_ns;
    wait.flags = INTERVAL_RUNNABLE;
    store_add_interval(s.store, &wait);
    atomic_store(&s.store->ended_ns, 1000 + 6400);
    compare_side_init(&s.counted, s.store, COMPARE_BY_THREAD, MODE_OFF_CPU);
    assert_true(compare_side_advance(&s.counted, 100));
    double value = 0;
    double squares = 0;
    uint64_t n = 0;
    for (size_t i = 0; i < s.counted.cells.n; i++) {
        const struct compare_place_cell *cell = &s.counted.cells.at[i];
        assert_true(cell->block <= COMPARE_BLOCKS / 2);
        assert_true(cell->value <= 100.0001);
        value += cell->value;
        squares += cell->squares;
        n += cell->n;
    }
    assert_true(value > 3199.99 && value < 3200.01);
    assert_true(squares == 3200.0 * 3200.0);
    assert_int_equal(n, 1);
    side_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_are_matched_by_name),
        cmocka_unit_test(test_unresolved_places),
        cmocka_unit_test(test_interrupts_stand_apart),
        cmocka_unit_test(test_stacks_are_paths_of_names),
        cmocka_unit_test(test_threads_are_numbered_by_nobody),
        cmocka_unit_test(test_waits_are_cut_into_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
