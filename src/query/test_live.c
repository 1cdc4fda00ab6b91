// Questions to a run that is being recorded, with threads that are born meanwhile and a table that
// arrives. With -Db_sanitize=thread this proves that queries read nothing that is not published.

#include "query/answers.h"
#include "query/fake_library.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N_SAMPLES = 100000, N_THREADS = 50, N_ADDED_PER_THREAD = N_SAMPLES / N_THREADS };

struct world {
    struct store *store;
    struct library library;
    image_id image;
};

static void *write_run(void *context)
{
    struct world *w = context;
    struct stacks *stacks = &w->store->stacks;
    bool cut = false;
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        if (i % N_ADDED_PER_THREAD == 0) {
            store_add_thread(w->store, 1, (uint32_t)i, 0, i, 0);
        }
        stack_id stack = STACK_ROOT;
        for (uint64_t depth = 0; depth < 8; depth++) {
            struct frame_row frame = {.off = hash_pair(i % 5000, depth) % 64, .image = w->image};
            stack = stacks_push(stacks, stack, stacks_frame(stacks, &frame), &cut);
        }
        store_add_sample(w->store, i, (thread_id)(i / N_ADDED_PER_THREAD), stack);
        if (i % 10 == 0) {
            store_add_interval(w->store, &(struct interval){.start_ns = i, .thread = 0});
            store_add_wakeup(w->store, &(struct wakeup){.time_ns = i, .wakee = 0});
        }
    }
    atomic_store(&w->store->ended_ns, N_SAMPLES);
    return NULL;
}

static void ask(const struct calltree *tree, const struct fold *fold, const struct store *store)
{
    struct top top;
    top_make(&top, tree, fold, store, TOP_SELF, 0);
    uint64_t self = 0;
    for (size_t i = 0; i < top.entries.n; i++) {
        self += top.entries.at[i].self_samples;
        assert_true(top.entries.at[i].total_samples <= top.health.samples);
    }
    assert_int_equal(self, top.health.samples);
    top_fini(&top);

    struct flame flame;
    struct flame_params params = {.max_nodes = 100};
    flame_make(&flame, tree, fold, store, &params);
    assert_int_equal(flame.nodes.at[0].total_samples, flame.health.samples);
    flame_fini(&flame);

    struct threads_answer threads;
    threads_make(&threads, fold, tree, store, 0);
    uint64_t samples = 0;
    for (size_t i = 0; i < threads.entries.n; i++) {
        samples += threads.entries.at[i].samples;
    }
    assert_int_equal(samples, fold->n_samples);
    threads_fini(&threads);
}

static void publish_table(struct world *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder, &(struct symtab_segment){.size = 64});
    symtab_builder_add(builder, 0, 32, slice_of_text("low"), slice_of_text(""), SYMBOL_GLOBAL);
    symtab_builder_add(builder, 32, 32, slice_of_text("high"), slice_of_text(""), SYMBOL_GLOBAL);
    fake_library_publish(&w->library, 0, symtab_builder_finish(builder));
}

// Keeps asking until the run has ended; the table comes when half of it is there.
static void ask_until_the_end(struct world *w, struct calltree *tree, struct fold *fold)
{
    bool published = false;
    for (bool ended = false; !ended;) {
        ended = atomic_load(&w->store->ended_ns) != 0;
        if (!published && (fold->n_samples > N_SAMPLES / 2 || ended)) {
            publish_table(w);
            published = true;
        }
        calltree_refresh(tree);
        while (!fold_advance(fold, w->store, tree->names, 1000)) {
        }
        calltree_refresh(tree);
        ask(tree, fold, w->store);
    }
}

static void ask_in_a_view(struct view view)
{
    struct world w = {.store = store_new(0, 0, 1)};
    fake_library_init(&w.library);
    w.image = store_add_image(
        w.store,
        &(struct image_row){.path = strings_add(&w.store->strings, slice_of_text("/bin/a")),
                            .library = fake_library_add(&w.library, IMAGE_FILE)});
    struct names names;
    struct calltree tree;
    struct fold fold;
    names_init(&names, w.store, &w.library);
    calltree_init(&tree, &names);
    bool everything = view_is_everything(&view);
    fold_init(&fold, &view);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_run, &w), 0);
    ask_until_the_end(&w, &tree, &fold);
    pthread_join(writer, NULL);
    assert_true(everything ? fold.n_samples == N_SAMPLES : fold.n_samples < N_SAMPLES);
    assert_string_equal(calltree_function(&tree, 1)->binary, "a");
    assert_true(calltree_function(&tree, 1)->resolved);
    fold_fini(&fold);
    calltree_fini(&tree);
    names_fini(&names);
    fake_library_fini(&w.library);
    store_free(w.store);
}

static void test_everything(void **state)
{
    (void)state;
    ask_in_a_view((struct view){0});
}

static void test_without_a_function(void **state)
{
    (void)state;
    struct view view = {0};
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("a+0x7", 5)});
    vec_push(&view.exclude, (struct view_symbol){.function_name = alloc_text("low", 3)});
    ask_in_a_view(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_without_a_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
