#include "store/stacks.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct stacks *stacks_new(void)
{
    struct stacks *stacks = NEW(struct stacks);
    stacks_init(stacks);
    return stacks;
}

static void stacks_free(struct stacks *stacks)
{
    stacks_fini(stacks);
    free(stacks);
}

static void test_frames_are_kept_once(void **state)
{
    (void)state;
    struct stacks *stacks = stacks_new();
    const struct frame_row rows[] = {
        {.off = 0x1000, .image = 1, .leaf = false},     {.off = 0x1000, .image = 1, .leaf = true},
        {.off = 0x1000, .image = 2, .leaf = false},     {.off = 0x1001, .image = 1, .leaf = false},
        {.off = UINT64_MAX, .image = 1, .leaf = false},
    };
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(stacks_frame(stacks, &rows[i]), i + 1);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(stacks_frame(stacks, &rows[i]), i + 1);
        const struct frame_row *row = stacks_get_frame(stacks, i + 1);
        assert_true(row->off == rows[i].off && row->image == rows[i].image &&
                    row->leaf == rows[i].leaf);
    }
    assert_int_equal(stacks_get_frame(stacks, 0)->image, 0);
    assert_int_equal(stacks_get_frame(stacks, 0)->off, 0);
    stacks_free(stacks);
}

static void test_stacks_share_their_outer_frames(void **state)
{
    (void)state;
    struct stacks *stacks = stacks_new();
    bool cut = false;
    stack_id start = stacks_push(stacks, STACK_ROOT, 1, &cut);
    stack_id parse = stacks_push(stacks, start, 2, &cut);
    stack_id solve = stacks_push(stacks, start, 3, &cut);
    stack_id again = stacks_push(stacks, solve, 3, &cut); // recursion: another node
    assert_true(STACK_ROOT < start && start < parse && parse < solve && solve < again);
    assert_int_equal(stacks_push(stacks, start, 3, &cut), solve);
    assert_int_equal(stacks_get(stacks, again)->caller, solve);
    assert_int_equal(stacks_get(stacks, again)->frame, 3);
    assert_int_equal(atomic_load(&stacks->n_nodes), 5);
    assert_false(cut);
    stacks_free(stacks);
}

// Filling a run up for real takes gigabytes; the published length is what the limit looks at.
static void test_a_full_tree_shortens_stacks(void **state)
{
    (void)state;
    struct stacks *stacks = stacks_new();
    bool cut = false;
    stack_id known = stacks_push(stacks, STACK_ROOT, 1, &cut);
    atomic_store(&stacks->n_nodes, LIMIT_STACK_NODES);
    assert_int_equal(stacks_push(stacks, STACK_ROOT, 1, &cut), known);
    assert_false(cut);
    assert_int_equal(stacks_push(stacks, known, 2, &cut), known);
    assert_true(cut);

    frame_id frame = stacks_frame(stacks, &(struct frame_row){.off = 1, .image = 1});
    atomic_store(&stacks->n_frames, LIMIT_FRAMES);
    assert_int_equal(stacks_frame(stacks, &(struct frame_row){.off = 1, .image = 1}), frame);
    assert_int_equal(stacks_frame(stacks, &(struct frame_row){.off = 2, .image = 1}), 0);
    stacks_free(stacks);
}

static void test_memory_is_counted(void **state)
{
    (void)state;
    struct stacks *stacks = stacks_new();
    uint64_t before = stacks_bytes(stacks);
    bool cut = false;
    stack_id at = STACK_ROOT;
    for (uint32_t i = 0; i < 100000; i++) {
        frame_id frame = stacks_frame(stacks, &(struct frame_row){.off = i, .image = 1});
        at = stacks_push(stacks, i % 100 == 0 ? STACK_ROOT : at, frame, &cut);
    }
    uint64_t rows = 100000 * (sizeof(struct frame_row) + sizeof(struct stack_row));
    uint64_t maps = 2 * 100000 * sizeof(struct map_slot);
    uint64_t grown = stacks_bytes(stacks) - before;
    assert_in_range(grown, rows + maps, rows + 3 * maps);
    stacks_free(stacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_kept_once),
        cmocka_unit_test(test_stacks_share_their_outer_frames),
        cmocka_unit_test(test_a_full_tree_shortens_stacks),
        cmocka_unit_test(test_memory_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
