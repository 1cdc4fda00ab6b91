#include "query/inlined.h"

#include "base/clock.h"
#include "base/text.h"
#include "query/calltree.h"
#include "query/fake_library.h"
#include "query/keep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A program with the functions outer (0x00…0xff) and other (0x100…0x1ff), at the file's address
// 0x401000, and a library without DWARF. What is inlined where, the test answers.
struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct calltree physical;
    image_id program;
    image_id plain;
};

static const struct inline_function fast = {.name = "_Zfast()", .lang = SYMBOL_CPP, true};
static const struct inline_function fast_too = {.name = "fast()", .lang = SYMBOL_CPP, false};
static const struct inline_function copy = {.name = "outer", .lang = SYMBOL_C, false};

static struct inline_chain *chain_of(uint32_t n, const struct inline_function *a,
                                     const struct inline_function *b)
{
    struct inline_chain *chain = alloc_zeroed(1, sizeof *chain + 2 * sizeof a);
    chain->n = n;
    chain->at[0] = a;
    chain->at[1] = b;
    return chain;
}

static image_id add_image(struct world *w, const char *path)
{
    return store_add_image(
        w->store, &(struct image_row){.path = strings_add(&w->store->strings, slice_of_text(path)),
                                      .library = fake_library_add(&w->library, IMAGE_FILE)});
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1);
    fake_library_init(&w->library);
    w->program = add_image(w, "/bin/program");
    w->plain = add_image(w, "/lib/plain.so");
    fake_library_add_dwarf(&w->library, store_image(w->store, w->program)->library);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    calltree_init_physical(&w->physical, &w->names);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    calltree_fini(&w->physical);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
    return 0;
}

static void publish(struct world *w, image_id image, const char *second)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &(struct symtab_segment){.size = 0x1000, .addr = 0x401000});
    symtab_builder_add(builder, 0x401000, 0x100, slice_of_text("outer"), slice_of_text(""),
                       SYMBOL_GLOBAL);
    symtab_builder_add(builder, 0x401100, 0x100, slice_of_text(second), slice_of_text(""),
                       SYMBOL_GLOBAL);
    struct symtab *symtab = symtab_builder_finish(builder);
    fake_library_publish(&w->library, store_image(w->store, image)->library, symtab);
}

static stack_id push(struct world *w, stack_id caller, image_id image, uint64_t off)
{
    bool cut = false;
    struct frame_row row = {.off = off, .image = image};
    return stacks_push(&w->store->stacks, caller, stacks_frame(&w->store->stacks, &row), &cut);
}

static frame_id frame_of(struct world *w, stack_id stack)
{
    return stacks_get(&w->store->stacks, stack)->frame;
}

// Answers the oldest batch: `chain` at `addr`, nothing elsewhere.
static void answer(struct world *w, uint64_t addr, const struct inline_chain *chain)
{
    struct inline_batch *batch = fake_library_asked(&w->library);
    assert_non_null(batch);
    for (size_t i = 0; i < batch->at.n; i++) {
        batch->at.at[i].chain = batch->at.at[i].addr == addr ? chain : NULL;
    }
    inline_mailbox_put(batch);
}

// `main < f (inlined)`: the way from the root to the stack's node.
static void check_stack(const struct calltree *tree, stack_id stack, const char *expected)
{
    const struct function *functions[16];
    size_t n = 0;
    for (node_id at = tree->of_stack.at[stack]; at != 0; at = tree->nodes.at[at].caller) {
        functions[n++] = calltree_function(tree, at);
    }
    CLEANUP(text_fini) struct text text = {0};
    while (n-- > 0) {
        text_addf(&text, "%s%s%s", text.n > 0 ? " < " : "", functions[n]->name,
                  functions[n]->inlined ? " (inlined)" : "");
    }
    assert_string_equal(text_get(&text), expected);
}

static void test_a_frame_becomes_several_nodes(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *chain = chain_of(2, &copy, &fast);
    publish(w, w->program, "other");
    stack_id caller = push(w, STACK_ROOT, w->program, 0x110);
    stack_id leaf = push(w, caller, w->program, 0x20);
    calltree_refresh(&w->tree);
    check_stack(&w->tree, leaf, "other < outer"); // for now
    uint64_t version = w->names.version;
    answer(w, 0x401020, chain);
    assert_true(calltree_refresh(&w->tree));
    check_stack(&w->tree, leaf, "other < outer < outer (inlined) < fast() (inlined)");
    assert_int_equal(w->names.version, version); // ids mean what they meant
}

static void test_two_trees(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *chain = chain_of(1, &fast, NULL);
    publish(w, w->program, "other");
    stack_id leaf = push(w, STACK_ROOT, w->program, 0x20);
    calltree_refresh(&w->tree);
    calltree_refresh(&w->physical);
    answer(w, 0x401020, chain);
    assert_true(calltree_refresh(&w->tree));
    assert_false(calltree_refresh(&w->physical));
    check_stack(&w->tree, leaf, "outer < fast() (inlined)");
    check_stack(&w->physical, leaf, "outer");
    frame_id frame = frame_of(w, leaf);
    assert_int_equal(names_inlined_at(&w->names, frame).n, 1);
    const struct function *innermost = names_function(&w->names, names_innermost(&w->names, frame));
    assert_true(innermost->inlined && innermost->resolved);
    assert_int_equal(innermost->lang, SYMBOL_CPP);
    assert_string_equal(innermost->binary, "program");
}

// The linker's name and the source's are one function; that of the symbol table is another.
static void test_identity(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *one = chain_of(1, &fast, NULL);
    CLEANUP(freep) struct inline_chain *two = chain_of(1, &fast_too, NULL);
    CLEANUP(freep) struct inline_chain *three = chain_of(1, &copy, NULL);
    publish(w, w->program, "other");
    frame_id frames[3];
    const struct inline_chain *chains[] = {one, two, three};
    for (uint64_t i = 0; i < 3; i++) {
        frames[i] = frame_of(w, push(w, STACK_ROOT, w->program, i));
        calltree_refresh(&w->tree);
        answer(w, 0x401000 + i, chains[i]);
        calltree_refresh(&w->tree);
    }
    assert_int_equal(names_innermost(&w->names, frames[0]), names_innermost(&w->names, frames[1]));
    assert_true(names_innermost(&w->names, frames[2]) != names_of_frame(&w->names, frames[2]));
}

static void test_nothing_inlined_changes_nothing(void **state)
{
    struct world *w = *state;
    publish(w, w->program, "other");
    publish(w, w->plain, "other");
    push(w, STACK_ROOT, w->plain, 0x20);     // has no DWARF: is not asked for
    push(w, STACK_ROOT, w->program, 0x2000); // in no segment
    calltree_refresh(&w->tree);
    assert_null(fake_library_asked(&w->library));
    push(w, STACK_ROOT, w->program, 0x20);
    calltree_refresh(&w->tree);
    assert_int_equal(w->names.inlined.n_under_way, 1);
    answer(w, 0, NULL);
    assert_false(calltree_refresh(&w->tree));
    assert_int_equal(w->names.inlined.n_under_way, 0);
    assert_false(calltree_refresh(&w->tree));
    assert_null(fake_library_asked(&w->library)); // asked once
}

static void test_a_new_table_asks_again(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *chain = chain_of(1, &fast, NULL);
    stack_id leaf = push(w, STACK_ROOT, w->program, 0x120);
    calltree_refresh(&w->tree);
    assert_null(fake_library_asked(&w->library)); // its addresses are not known yet
    publish(w, w->program, "other");
    calltree_refresh(&w->tree);
    answer(w, 0x401120, chain);
    calltree_refresh(&w->tree);
    check_stack(&w->tree, leaf, "other < fast() (inlined)");
    struct symtab *old = atomic_load(
        &library_at(&w->library, store_image(w->store, w->program)->library)->symtab);
    publish(w, w->program, "better");
    assert_true(calltree_refresh(&w->tree));
    check_stack(&w->tree, leaf, "better");
    answer(w, 0x401120, chain);
    assert_true(calltree_refresh(&w->tree));
    check_stack(&w->tree, leaf, "better < fast() (inlined)");
    symtab_free(old);
}

// While more is awaited, what has come is taken in after a pause only.
static void test_answers_are_taken_in_together(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *chain = chain_of(1, &fast, NULL);
    publish(w, w->program, "other");
    stack_id first = push(w, STACK_ROOT, w->program, 0x20);
    calltree_refresh(&w->tree);
    stack_id second = push(w, STACK_ROOT, w->program, 0x21);
    calltree_refresh(&w->tree);
    assert_int_equal(w->names.inlined.n_under_way, 2);
    answer(w, 0x401020, chain);
    struct inlined *inlined = &w->names.inlined;
    assert_true(calltree_refresh(&w->tree)); // the first ones: the last pause is long ago
    assert_int_equal(inlined->n_under_way, 1);
    check_stack(&w->tree, first, "outer < fast() (inlined)");
    check_stack(&w->tree, second, "outer");
    stack_id third = push(w, STACK_ROOT, w->program, 0x22);
    calltree_refresh(&w->tree);
    answer(w, 0x401021, chain);
    inlined->taken_in_ns = clock_now_ns() + 3600 * (uint64_t)NS_PER_S; // no pause is over
    assert_false(calltree_refresh(&w->tree));
    assert_int_equal(inlined->waiting.n, 1);
    answer(w, 0x401022, chain);
    assert_true(calltree_refresh(&w->tree)); // all that is awaited
    check_stack(&w->tree, second, "outer < fast() (inlined)");
    check_stack(&w->tree, third, "outer < fast() (inlined)");
    assert_int_equal(inlined->n_under_way, 0);
}

static void exclude(struct view *view, const char *name)
{
    struct view_symbol symbol = {.function_name = alloc_text(name, strlen(name))};
    vec_push(&view->exclude, symbol);
}

static void test_views_exclude_inlined_functions(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) struct inline_chain *chain = chain_of(1, &fast, NULL);
    publish(w, w->program, "other");
    stack_id with = push(w, STACK_ROOT, w->program, 0x20);
    stack_id without = push(w, STACK_ROOT, w->program, 0x21);
    stack_id above = push(w, with, w->program, 0x120);
    calltree_refresh(&w->tree);
    struct view view = {0};
    struct view physical = {.physical = true};
    exclude(&view, "fast()");
    exclude(&physical, "fast()");
    assert_false(view_equal(&view, &physical));
    struct keep keep = {0};
    struct keep keep_physical = {0};
    keep_refresh(&keep, &view, w->store, &w->names);
    keep_refresh(&keep_physical, &physical, w->store, &w->names);
    assert_true(keep.stacks.at[with]);
    answer(w, 0x401020, chain);
    calltree_refresh(&w->tree);
    assert_true(keep_refresh(&keep, &view, w->store, &w->names));
    assert_false(keep_refresh(&keep_physical, &physical, w->store, &w->names));
    assert_false(keep.stacks.at[with]);
    assert_false(keep.stacks.at[above]);
    assert_true(keep.stacks.at[without]);
    assert_true(keep_physical.stacks.at[with]);
    keep_fini(&keep);
    keep_fini(&keep_physical);
    view_fini(&view);
    view_fini(&physical);
}

static void test_the_note_of_an_image(void **state)
{
    struct world *w = *state;
    publish(w, w->program, "other");
    push(w, STACK_ROOT, w->program, 0x20);
    calltree_refresh(&w->tree);
    struct inline_batch *batch = fake_library_asked(&w->library);
    err_set(&batch->note, 0, "has split DWARF");
    inline_mailbox_put(batch);
    calltree_refresh(&w->tree);
    assert_string_equal(w->names.images.at[w->program].inline_note, "has split DWARF");
}

// The names go, and the answer comes: to nobody.
static void test_an_answer_for_nobody(void **state)
{
    struct world *w = *state;
    publish(w, w->program, "other");
    push(w, STACK_ROOT, w->program, 0x20);
    push(w, STACK_ROOT, w->program, 0x21);
    struct names names;
    names_init(&names, w->store, &w->library);
    names_refresh(&names, atomic_load(&w->store->stacks.n_frames));
    names_fini(&names);
    answer(w, 0, NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_frame_becomes_several_nodes),
        TEST(test_two_trees),
        TEST(test_identity),
        TEST(test_nothing_inlined_changes_nothing),
        TEST(test_a_new_table_asks_again),
        TEST(test_answers_are_taken_in_together),
        TEST(test_views_exclude_inlined_functions),
        TEST(test_the_note_of_an_image),
        TEST(test_an_answer_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
