#include "query/names.h"

#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { EPOCH = 100, ADDR = 0x1000, SIZE = 0x10 };

// Epochs of EPOCH ns each, one after another, of process 0; and one image of process 1.
struct world {
    struct store *store;
    struct library library;
    struct names names;
    image_id epochs[4];
    image_id other;
};

static image_id add_epoch(struct world *w, process_id process, uint64_t since, uint64_t until)
{
    return store_add_image(w->store, &(struct image_row){.kind = IMAGE_ROW_ANONYMOUS,
                                                         .process = process,
                                                         .since_ns = since,
                                                         .until_ns = until});
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1);
    fake_library_init(&w->library);
    for (uint64_t i = 0; i < ARRAY_LEN(w->epochs); i++) {
        w->epochs[i] = add_epoch(w, 0, i * EPOCH, (i + 1) * EPOCH);
    }
    w->other = add_epoch(w, 1, 0, UINT64_MAX);
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

static uint32_t load(struct world *w, process_id process, uint64_t addr, uint64_t size,
                     uint64_t time, const char *name)
{
    return store_add_code(
        w->store, &(struct code_row){.process = process,
                                     .addr = addr,
                                     .size_bytes = size,
                                     .loaded_ns = time,
                                     .name = strings_add(&w->store->strings, slice_of_text(name))});
}

static void end(struct world *w, uint32_t code, uint64_t time)
{
    atomic_store(&store_code_mut(w->store, code)->ended_ns, time);
}

static frame_id add_frame(struct world *w, image_id image, uint64_t addr)
{
    return stacks_frame(&w->store->stacks, &(struct frame_row){.off = addr, .image = image});
}

static bool refresh(struct world *w)
{
    return names_refresh(&w->names, atomic_load(&w->store->stacks.n_frames));
}

static const char *name_of(struct world *w, frame_id frame)
{
    return names_function(&w->names, names_of_frame(&w->names, frame))->name;
}

static void test_the_longest_of_an_epoch(void **state)
{
    struct world *w = *state;
    load(w, 0, ADDR, SIZE, 10, "a");
    load(w, 0, ADDR, SIZE, 130, "b"); // a has 30 of the second epoch, b 70
    load(w, 0, ADDR, SIZE, 260, "c"); // b has 60 of the third
    end(w, load(w, 0, ADDR, SIZE, 290, "d"), 310);
    frame_id frames[4];
    for (size_t i = 0; i < 4; i++) {
        frames[i] = add_frame(w, w->epochs[i], ADDR + 3);
    }
    refresh(w);
    assert_string_equal(name_of(w, frames[0]), "a"); // nothing was there before
    assert_string_equal(name_of(w, frames[1]), "b");
    assert_string_equal(name_of(w, frames[2]), "b");
    assert_string_equal(name_of(w, frames[3]), "d"); // for 10; then nothing
}

static void test_where_nothing_is(void **state)
{
    struct world *w = *state;
    end(w, load(w, 0, ADDR, SIZE, 10, "a"), 90);
    frame_id below = add_frame(w, w->epochs[0], ADDR - 1);
    frame_id last = add_frame(w, w->epochs[0], ADDR + SIZE - 1);
    frame_id beyond = add_frame(w, w->epochs[0], ADDR + SIZE);
    frame_id late = add_frame(w, w->epochs[1], ADDR);
    frame_id late_again = add_frame(w, w->epochs[2], ADDR);
    frame_id foreign = add_frame(w, w->other, ADDR);
    refresh(w);
    assert_string_equal(name_of(w, below), "[anon]+0xfff");
    assert_string_equal(name_of(w, last), "a");
    assert_string_equal(name_of(w, beyond), "[anon]+0x1010");
    assert_string_equal(name_of(w, late), "[anon]+0x1000");
    assert_string_equal(name_of(w, foreign), "[anon]+0x1000");
    // One nameless place is one function, whatever its epoch; but not in another process.
    assert_int_equal(names_of_frame(&w->names, late), names_of_frame(&w->names, late_again));
    assert_int_not_equal(names_of_frame(&w->names, late), names_of_frame(&w->names, foreign));
}

static void test_one_function_of_one_name(void **state)
{
    struct world *w = *state;
    load(w, 0, ADDR, SIZE, 10, "JS:~f a.js:1");
    load(w, 0, 0x5000, SIZE, 110, "JS:~f a.js:1");
    load(w, 1, 0x5000, SIZE, 110, "JS:~f a.js:1");
    frame_id old = add_frame(w, w->epochs[0], ADDR);
    frame_id fresh = add_frame(w, w->epochs[1], 0x5008);
    frame_id other = add_frame(w, w->other, 0x5008);
    refresh(w);
    assert_int_equal(names_of_frame(&w->names, old), names_of_frame(&w->names, fresh));
    assert_int_not_equal(names_of_frame(&w->names, old), names_of_frame(&w->names, other));
    const struct function *function = names_function(&w->names, names_of_frame(&w->names, old));
    assert_string_equal(function->name, "JS:~f a.js:1");
    assert_string_equal(function->binary, "[jit]");
    assert_int_equal(function->addr, 0x5000); // of the newest version
    assert_true(function->resolved);
}

static void test_names_come_late_and_version_rises(void **state)
{
    struct world *w = *state;
    frame_id frame = add_frame(w, w->epochs[1], ADDR);
    frame_id same = add_frame(w, w->epochs[2], ADDR);
    assert_false(refresh(w));
    assert_string_equal(name_of(w, frame), "[anon]+0x1000");
    uint64_t version = w->names.version;
    load(w, 0, 0x9000, SIZE, 10, "elsewhere");
    load(w, 1, ADDR, SIZE, 10, "of another process");
    load(w, 0, ADDR, SIZE, 350, "of another time");
    assert_false(refresh(w));
    assert_int_equal(w->names.version, version);
    load(w, 0, ADDR, SIZE, 210, "b");
    assert_true(refresh(w));
    assert_string_equal(name_of(w, frame), "[anon]+0x1000");
    assert_string_equal(name_of(w, same), "b");
    load(w, 0, ADDR, SIZE, 20, "a"); // told later, of an earlier time
    assert_true(refresh(w));
    assert_string_equal(name_of(w, frame), "a");
    assert_string_equal(name_of(w, same), "b");
    assert_int_equal(w->names.version, version + 2);
}

static void test_functions_that_overlap(void **state)
{
    struct world *w = *state;
    load(w, 0, 0x1000, 0x1000, 10, "large");
    load(w, 0, 0x1100, 0x10, 11, "small");
    load(w, 0, 0x1200, 0x10, 12, "next");
    frame_id in_small = add_frame(w, w->epochs[1], 0x1108);
    frame_id after = add_frame(w, w->epochs[1], 0x1150);
    refresh(w);
    assert_string_equal(name_of(w, in_small), "small");
    assert_string_equal(name_of(w, after), "large"); // beneath two that start later
}

static void test_an_epoch_of_no_length(void **state)
{
    struct world *w = *state;
    load(w, 0, ADDR, SIZE, 10, "a");
    frame_id frame = add_frame(w, add_epoch(w, 0, 50, 50), ADDR);
    frame_id backwards = add_frame(w, add_epoch(w, 0, 60, 40), ADDR);
    refresh(w);
    assert_string_equal(name_of(w, frame), "a");
    assert_string_equal(name_of(w, backwards), "a");
}

// More of them at one address than are looked at: no answer is worse than a slow one.
static void test_a_heap_of_functions(void **state)
{
    struct world *w = *state;
    load(w, 0, 0, UINT64_MAX, 1, "all");
    for (uint64_t i = 0; i < 3 * JIT_NAMES_STEPS; i++) {
        load(w, 0, ADDR, SIZE, 2 + i, "one");
    }
    frame_id at = add_frame(w, w->epochs[0], ADDR);
    frame_id beyond = add_frame(w, w->epochs[0], ADDR + SIZE);
    refresh(w);
    const char *name = name_of(w, at);
    assert_true(strcmp(name, "one") == 0 || strcmp(name, "[anon]+0x1000") == 0);
    assert_string_equal(name_of(w, beyond), "[anon]+0x1010");
}

static void test_code_without_a_name(void **state)
{
    struct world *w = *state;
    load(w, 0, ADDR, SIZE, 10, "");
    frame_id frame = add_frame(w, w->epochs[1], ADDR);
    refresh(w);
    assert_string_equal(name_of(w, frame), "[anon]+0x1000");
}

// Against looking at each code and each nanosecond.
static const char *name_by_hand(const struct world *w, uint64_t addr, uint64_t since,
                                uint64_t until)
{
    const char *best = NULL;
    uint64_t counts[64] = {0};
    uint32_t n = atomic_load(&w->store->codes.n);
    for (uint64_t t = since; t < until; t++) {
        uint32_t there = CODE_NONE;
        for (uint32_t i = 0; i < n; i++) {
            const struct code_row *code = store_code(w->store, i);
            bool covers = addr >= code->addr && addr - code->addr < code->size_bytes;
            bool newer = there == CODE_NONE ||
                         code->loaded_ns >= store_code(w->store, there)->loaded_ns;
            there = covers && code->loaded_ns <= t && newer ? i : there;
        }
        if (there != CODE_NONE) {
            counts[there]++;
        }
    }
    uint64_t most = 0;
    uint64_t most_from = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct code_row *code = store_code(w->store, i);
        if (counts[i] > most || (counts[i] == most && most > 0 && code->loaded_ns < most_from)) {
            most = counts[i];
            most_from = code->loaded_ns;
            best = (const char *)strings_get(&w->store->strings, code->name).data;
        }
    }
    return best;
}

static void test_as_by_hand(void **state)
{
    struct world *w = *state;
    unsigned seed = 7;
    for (int i = 0; i < 60; i++) {
        seed = seed * 1103515245 + 12345;
        char name[8];
        snprintf(name, sizeof name, "f%d", i);
        load(w, 0, 0x1000 + (seed >> 8) % 40, 1 + (seed >> 16) % 20, (seed >> 20) % 400, name);
        if (i % 7 == 0) {
            refresh(w); // in several steps
        }
    }
    for (uint64_t addr = 0x1000; addr < 0x103c; addr++) {
        for (uint64_t i = 0; i < 4; i++) {
            frame_id frame = add_frame(w, w->epochs[i], addr);
            refresh(w);
            const char *expected = name_by_hand(w, addr, i * EPOCH, (i + 1) * EPOCH);
            const struct function *found = names_function(&w->names,
                                                          names_of_frame(&w->names, frame));
            assert_int_equal(found->resolved, expected != NULL);
            if (expected != NULL) {
                assert_string_equal(found->name, expected);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_longest_of_an_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_where_nothing_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_function_of_one_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_come_late_and_version_rises, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_functions_that_overlap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_epoch_of_no_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_heap_of_functions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_code_without_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_as_by_hand, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
