#include "query/calltree.h"

#include "base/limits.h"
#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// Every place is its own function, called after its offset, until the table arrives: then offsets
// 0x00…0x0f are one function, 0x10…0x1f the next.
struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    image_id image;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1);
    fake_library_init(&w->library);
    w->image = store_add_image(
        w->store,
        &(struct image_row){.path = strings_add(&w->store->strings, slice_of_text("/bin/a")),
                            .library = fake_library_add(&w->library, IMAGE_FILE)});
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
    return 0;
}

static void publish_table(struct world *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &(struct symtab_segment){.size = 0x1000});
    for (uint64_t i = 0; i < 0x100; i++) {
        symtab_builder_add(builder, i * 16, 16, slice_of_text("f"), slice_of_text(""),
                           SYMBOL_GLOBAL);
    }
    fake_library_publish(&w->library, 0, symtab_builder_finish(builder));
}

static stack_id push(struct world *w, stack_id caller, uint64_t off)
{
    bool cut = false;
    frame_id frame = stacks_frame(&w->store->stacks,
                                  &(struct frame_row){.off = off, .image = w->image});
    return stacks_push(&w->store->stacks, caller, frame, &cut);
}

// What `outermost` means, without any shortcut.
static void check_tree(const struct calltree *tree)
{
    for (node_id id = 1; id < tree->nodes.n; id++) {
        const struct calltree_node *node = &tree->nodes.at[id];
        assert_true(node->caller < id);
        assert_int_equal(node->depth, tree->nodes.at[node->caller].depth + 1);
        bool outermost = true;
        for (node_id at = node->caller; at != 0; at = tree->nodes.at[at].caller) {
            outermost = outermost && tree->nodes.at[at].function != node->function;
        }
        assert_int_equal(node->outermost, outermost);
    }
}

static void test_places_of_one_function_become_one_node(void **state)
{
    struct world *w = *state;
    stack_id main_a = push(w, STACK_ROOT, 0x10);
    stack_id main_b = push(w, STACK_ROOT, 0x18);
    stack_id leaf_a = push(w, main_a, 0x20);
    stack_id leaf_b = push(w, main_b, 0x21);
    assert_false(calltree_refresh(&w->tree));
    assert_int_equal(w->tree.nodes.n, 5); // no names yet: each place for itself
    publish_table(w);
    assert_true(calltree_refresh(&w->tree));
    assert_int_equal(w->tree.nodes.n, 3);
    assert_int_equal(w->tree.of_stack.at[main_a], w->tree.of_stack.at[main_b]);
    assert_int_equal(w->tree.of_stack.at[leaf_a], w->tree.of_stack.at[leaf_b]);
    assert_string_equal(calltree_function(&w->tree, 1)->name, "f");
    assert_null(calltree_function(&w->tree, 0));
    assert_false(calltree_refresh(&w->tree));
}

static void test_ids_stay_while_the_tree_grows(void **state)
{
    struct world *w = *state;
    publish_table(w);
    struct calltree at_once;
    calltree_init(&at_once, &w->names);
    uint64_t random = 5;
    VEC(stack_id) stacks = {0};
    vec_push(&stacks, STACK_ROOT);
    for (int i = 0; i < 3000; i++) {
        random = hash_u64(random + 1);
        // Mostly deeper and deeper, so that functions recur on the way.
        size_t back = MIN((size_t)(random >> 32) % 4, stacks.n - 1);
        stack_id stack = push(w, stacks.at[stacks.n - 1 - back], random % 0x400);
        vec_push(&stacks, stack);
        if (i % 100 == 0) {
            stacks.n = 1;
            assert_false(calltree_refresh(&w->tree));
            check_tree(&w->tree);
        }
    }
    calltree_refresh(&w->tree);
    calltree_refresh(&at_once);
    check_tree(&w->tree);
    assert_int_equal(w->tree.nodes.n, at_once.nodes.n);
    assert_memory_equal(w->tree.of_stack.at, at_once.of_stack.at,
                        w->tree.of_stack.n * sizeof(node_id));
    vec_fini(&stacks);
    calltree_fini(&at_once);
}

// As deep as it gets, and the function that is looked for stands at the very bottom.
static void test_deep_recursion(void **state)
{
    struct world *w = *state;
    publish_table(w);
    for (uint64_t tail = 0; tail < 16; tail++) {
        stack_id stack = push(w, STACK_ROOT, tail);
        for (uint64_t i = 1; i < LIMIT_STACK_DEPTH; i++) {
            stack = push(w, stack, 0x10 + (i + tail) % 0x300);
        }
        push(w, stack, 0x05); // the outermost function again
    }
    calltree_refresh(&w->tree);
    check_tree(&w->tree);
    assert_false(vec_last(&w->tree.nodes)->outermost);
    assert_int_equal(vec_last(&w->tree.nodes)->depth, LIMIT_STACK_DEPTH + 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_places_of_one_function_become_one_node),
        TEST(test_ids_stay_while_the_tree_grows),
        TEST(test_deep_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
