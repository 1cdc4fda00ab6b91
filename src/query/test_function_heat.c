// Random runs, asked in random views, against numbers that are counted sample by sample; and
// against `top` of the same view.

#include "query/function_heat.h"

#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    N_SYMBOLS = 4,
    SYMBOL_BYTES = 0x100,
    N_THREADS = 5,
    MAX_SAMPLES = 500,
    MAX_DEPTH = 14,
    MAX_WAITS = 60,
    EPOCH_NS = 1000,
    CODE_ADDR = 0x7000000,
    CODE_BYTES = 0x40,
};

static const uint64_t STARTED_NS = 1000000;
static const uint64_t LINKED = 0x400000;    // the linker's address - file offset
static const uint64_t BIAS = 0x55550000000; // the process's address - file offset

struct true_sample {
    uint64_t time_ns; // of the store's clock
    thread_id thread;
    stack_id stack;
};

struct true_wait {
    uint64_t start_ns;
    uint64_t end_ns;
    thread_id thread;
    stack_id stack;
    bool runnable;
};

struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct calltree physical;
    struct reasons reasons;
    image_id program;
    image_id named;
    image_id epochs[2];
    struct true_sample samples[MAX_SAMPLES];
    size_t n_samples;
    struct true_wait waits[MAX_WAITS];
    size_t n_waits;
    uint64_t random;
};

static uint64_t dice(struct world *w, uint64_t sides)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (w->random >> 33) % sides;
}

// ---- A run -------------------------------------------------------------------------------------

static void publish(struct world *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    struct symtab_segment code = {.size = 0x10000, .addr = LINKED, .executable = true};
    symtab_builder_add_segment(builder, &code);
    for (uint64_t i = 0; i < N_SYMBOLS; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", (unsigned)i);
        symtab_builder_add(builder, LINKED + i * SYMBOL_BYTES, SYMBOL_BYTES, slice_of_text(name),
                           slice_of_text(""), SYMBOL_GLOBAL);
    }
    fake_library_publish(&w->library, store_image(w->store, w->program)->library,
                         symtab_builder_finish(builder));
}

static void load_code(struct world *w, uint64_t addr, uint64_t time_ns, const char *name)
{
    struct code_row row = {.addr = addr,
                           .size_bytes = CODE_BYTES,
                           .loaded_ns = STARTED_NS + time_ns,
                           .name = strings_add(&w->store->strings, slice_of_text(name))};
    store_add_code(w->store, &row);
}

// Two functions of a JIT, one of which is made anew elsewhere, where the other one was.
static void load_codes(struct world *w)
{
    load_code(w, CODE_ADDR, 1, "jit_a");
    load_code(w, CODE_ADDR + CODE_BYTES, 1, "jit_b");
    load_code(w, CODE_ADDR + CODE_BYTES, EPOCH_NS, "jit_a");
}

static void add_images(struct world *w)
{
    struct image_row program = {.path = strings_add(&w->store->strings, slice_of_text("/bin/p")),
                                .library = fake_library_add(&w->library, IMAGE_FILE),
                                .load_bias = BIAS};
    w->program = store_add_image(w->store, &program);
    struct image_row named = {.kind = IMAGE_ROW_NAMED, .library = UINT32_MAX};
    w->named = store_add_image(w->store, &named);
    for (uint64_t i = 0; i < 2; i++) {
        struct image_row epoch = {.kind = IMAGE_ROW_ANONYMOUS,
                                  .since_ns = STARTED_NS + i * EPOCH_NS,
                                  .until_ns = STARTED_NS + (i + 1) * EPOCH_NS};
        w->epochs[i] = store_add_image(w->store, &epoch);
    }
}

static struct world *world_new(uint64_t seed, bool has_switches)
{
    struct world *w = NEW(struct world);
    w->random = seed;
    w->store = store_new(STARTED_NS, 0, 7);
    w->store->has_switches = has_switches;
    fake_library_init(&w->library);
    store_add_process(w->store, 9, 1, STARTED_NS, 0);
    add_images(w);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        store_add_thread(w->store, 9, 100 + i, 0, STARTED_NS, 0);
    }
    load_codes(w);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    calltree_init_physical(&w->physical, &w->names);
    reasons_init(&w->reasons, &w->names);
    return w;
}

static void world_free(struct world *w)
{
    reasons_fini(&w->reasons);
    calltree_fini(&w->physical);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
}

static struct frame_row random_frame(struct world *w, bool leaf)
{
    struct frame_row frame = {.image = w->program, .leaf = leaf};
    switch (dice(w, 8)) {
    case 0:
        frame.image = w->named;
        frame.off = strings_add(&w->store->strings,
                                slice_of_text(dice(w, 2) == 0 ? "schedule" : "read"));
        break;
    case 1:
        frame.image = w->epochs[dice(w, 2)];
        frame.off = CODE_ADDR + dice(w, 4) * (CODE_BYTES / 2);
        break;
    default: // few places, so that they are met again and again
        frame.off = dice(w, N_SYMBOLS) * SYMBOL_BYTES + dice(w, 3) * 4;
        break;
    }
    return frame;
}

static stack_id random_stack(struct world *w)
{
    stack_id stack = STACK_ROOT;
    uint64_t depth = dice(w, MAX_DEPTH + 1);
    for (uint64_t i = 0; i < depth; i++) {
        bool cut = false;
        struct frame_row frame = random_frame(w, i + 1 == depth);
        stack = stacks_push(&w->store->stacks, stack, stacks_frame(&w->store->stacks, &frame),
                            &cut);
    }
    return stack;
}

static void add_wait(struct world *w, uint64_t end_ns)
{
    uint64_t most_ns = MIN(end_ns - STARTED_NS, (uint64_t)40);
    struct true_wait wait = {.start_ns = end_ns - dice(w, most_ns + 1),
                             .end_ns = end_ns,
                             .thread = (thread_id)dice(w, N_THREADS),
                             .stack = random_stack(w),
                             .runnable = dice(w, 4) == 0};
    store_add_interval(w->store, &(struct interval){
                                     .start_ns = wait.start_ns,
                                     .duration_ns = wait.end_ns - wait.start_ns,
                                     .reason = EVENT_REASON_LOCK,
                                     .flags = wait.runnable ? INTERVAL_RUNNABLE : 0,
                                     .thread = wait.thread,
                                     .stack = wait.stack,
                                 });
    w->waits[w->n_waits++] = wait;
}

static void happen(struct world *w, size_t n)
{
    uint64_t time_ns = w->n_samples == 0 ? STARTED_NS : w->samples[w->n_samples - 1].time_ns;
    for (size_t i = 0; i < n; i++) {
        struct true_sample sample = {.time_ns = time_ns += dice(w, 9),
                                     .thread = (thread_id)dice(w, N_THREADS),
                                     .stack = random_stack(w)};
        store_add_sample(w->store, sample.time_ns, sample.thread, sample.stack);
        w->samples[w->n_samples++] = sample;
        if (w->n_waits < MAX_WAITS && dice(w, 8) == 0) {
            add_wait(w, time_ns);
        }
    }
}

// ---- Counted by hand ---------------------------------------------------------------------------

static bool is_of_thread(const struct view *view, thread_id thread)
{
    return !view->has_tid || view->tid == 100 + thread;
}

static bool has_function(const struct world *w, stack_id stack, const char *name)
{
    for (; stack != STACK_ROOT; stack = stacks_get(&w->store->stacks, stack)->caller) {
        function_id id = names_of_frame(&w->names, stacks_get(&w->store->stacks, stack)->frame);
        if (strcmp(names_function(&w->names, id)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_any(const struct world *w, stack_id stack, const view_symbols *symbols)
{
    bool has = false;
    for (size_t i = 0; i < symbols->n; i++) {
        has = has || has_function(w, stack, symbols->at[i].function_name);
    }
    return has;
}

static bool is_kept(const struct world *w, const struct view *view, stack_id stack)
{
    return !has_any(w, stack, &view->exclude) &&
           (view->only.n == 0 || has_any(w, stack, &view->only)) &&
           (view->focus.function_name == NULL || has_function(w, stack, view->focus.function_name));
}

static bool sample_counts(const struct world *w, const struct view *view,
                          const struct true_sample *sample)
{
    uint64_t time_ns = sample->time_ns - STARTED_NS;
    return is_of_thread(view, sample->thread) &&
           (!view->has_time_range || (time_ns >= view->start_ns && time_ns < view->end_ns)) &&
           is_kept(w, view, sample->stack);
}

static uint64_t waited_ns(const struct world *w, const struct view *view,
                          const struct true_wait *wait)
{
    if (wait->runnable || !is_of_thread(view, wait->thread) || !is_kept(w, view, wait->stack)) {
        return 0;
    }
    struct view_window window = view_window(view, w->store);
    uint64_t start_ns = MAX(wait->start_ns, window.start_ns);
    uint64_t end_ns = MIN(wait->end_ns, window.end_ns);
    return end_ns > start_ns ? end_ns - start_ns : 0;
}

// What a test asks for: the place of a frame, if it is one of the function.
static bool is_at(const struct world *w, frame_id frame, function_id function,
                  const struct heat_place *place)
{
    if (names_of_frame(&w->names, frame) != function) {
        return false;
    }
    const struct frame_row *row = stacks_get_frame(&w->store->stacks, frame);
    if (row->image == w->program) {
        return place->code == CODE_NONE && place->addr == row->off + BIAS;
    }
    if (row->image == w->named) {
        return place->code == CODE_NONE && place->addr == 0;
    }
    if (place->code == CODE_NONE) {
        return false;
    }
    const struct code_row *code = store_code(w->store, place->code);
    bool second = row->image == w->epochs[1];
    return place->addr == row->off && row->off >= code->addr &&
           row->off < code->addr + code->size_bytes &&
           (code->loaded_ns == STARTED_NS + EPOCH_NS) == (second && code->addr != CODE_ADDR);
}

// Whether it is on the stack, and innermost. NULL: any place of the function.
static bool is_on(const struct world *w, stack_id stack, function_id function,
                  const struct heat_place *place, bool *ret_leaf)
{
    bool found = false;
    *ret_leaf = false;
    for (stack_id at = stack; at != STACK_ROOT; at = stacks_get(&w->store->stacks, at)->caller) {
        frame_id frame = stacks_get(&w->store->stacks, at)->frame;
        bool here = place == NULL ? names_of_frame(&w->names, frame) == function
                                  : is_at(w, frame, function, place);
        found = found || here;
        *ret_leaf = *ret_leaf || (here && at == stack);
    }
    return found;
}

// Into self_samples, total_samples, total_off_ns.
static struct heat_place count(struct world *w, const struct view *view, function_id function,
                               const struct heat_place *place)
{
    struct heat_place sum = {0};
    bool leaf;
    for (size_t i = 0; i < w->n_samples; i++) {
        const struct true_sample *sample = &w->samples[i];
        if (sample_counts(w, view, sample)) {
            sum.total_samples += is_on(w, sample->stack, function, place, &leaf);
            sum.self_samples += leaf;
        }
    }
    for (size_t i = 0; i < w->n_waits; i++) {
        const struct true_wait *wait = &w->waits[i];
        stack_id stack = reasons_waiting_stack(&w->reasons, wait->stack);
        if (is_on(w, stack, function, place, &leaf)) {
            sum.total_off_ns += waited_ns(w, view, wait);
        }
    }
    return sum;
}

// ---- Comparing ---------------------------------------------------------------------------------

static void check_counts(struct world *w, const struct view *view, function_id function,
                         const struct function_heat *heat)
{
    struct heat_place all = count(w, view, function, NULL);
    assert_int_equal(heat->self_samples, all.self_samples);
    assert_int_equal(heat->total_samples, all.total_samples);
    assert_int_equal(heat->total_off_ns, all.total_off_ns);
    for (size_t i = 0; i < heat->places.n; i++) {
        const struct heat_place *place = &heat->places.at[i];
        struct heat_place expected = count(w, view, function, place);
        assert_int_equal(place->self_samples, expected.self_samples);
        assert_int_equal(place->total_samples, expected.total_samples);
        assert_int_equal(place->total_off_ns, expected.total_off_ns);
        assert_true(place->total_samples > 0 || place->total_off_ns > 0);
    }
}

static void check_sums(const struct function_heat *heat)
{
    uint64_t self_samples = 0;
    uint64_t self_ns = 0;
    for (size_t i = 0; i < heat->places.n; i++) {
        const struct heat_place *place = &heat->places.at[i];
        self_samples += place->self_samples;
        self_ns += place->self_on_cpu_ns;
        assert_true(place->total_samples <= heat->total_samples);
        assert_true(place->total_on_cpu_ns <= heat->total_on_cpu_ns);
        assert_true(place->total_off_ns <= heat->total_off_ns);
        assert_true(place->self_on_cpu_ns <= place->total_on_cpu_ns);
        if (i > 0) {
            const struct heat_place *before = &heat->places.at[i - 1];
            assert_true(before->code < place->code ||
                        (before->code == place->code && before->addr < place->addr));
        }
    }
    assert_int_equal(self_samples, heat->self_samples);
    assert_int_equal(self_ns, heat->self_on_cpu_ns);
}

// Times to the nanosecond, but for what stacks are rounded off in `top`: less than one for each.
static void assert_about(uint64_t a, uint64_t b, uint64_t n_stacks)
{
    assert_true(a <= b + n_stacks && b <= a + n_stacks);
}

static void check_with_top(const struct top *top, const struct function *function,
                           const struct function_heat *heat, uint64_t n_stacks)
{
    for (size_t i = 0; i < top->entries.n; i++) {
        const struct top_entry *entry = &top->entries.at[i];
        if (entry->function == function) {
            assert_int_equal(heat->self_samples, entry->self_samples);
            assert_int_equal(heat->total_samples, entry->total_samples);
            assert_about(heat->self_on_cpu_ns, entry->self_on_cpu_ns, n_stacks);
            assert_about(heat->total_on_cpu_ns, entry->total_on_cpu_ns, n_stacks);
            assert_int_equal(heat->total_off_ns, off_cpu_total(&entry->total_off_cpu));
            return;
        }
    }
    assert_int_equal(heat->total_samples, 0);
}

// Two places in one are those that one or the other is on.
static void check_groups(struct world *w, const struct view *view, function_id function,
                         const struct function_heat *heat)
{
    enum { GROUPS = 2 };
    CLEANUP(freep) uint32_t *group_of = NEW_ARRAY(uint32_t, heat->places.n + 1);
    for (size_t i = 0; i < heat->places.n; i++) {
        group_of[i] = (uint32_t)dice(w, GROUPS);
    }
    struct heat_place groups[GROUPS];
    function_heat_group(heat, group_of, groups, GROUPS);
    for (uint32_t group = 0; group < GROUPS; group++) {
        struct heat_place expected = {0};
        for (size_t i = 0; i < w->n_samples; i++) {
            bool on = false;
            for (size_t p = 0; p < heat->places.n && sample_counts(w, view, &w->samples[i]); p++) {
                bool leaf;
                on |= group_of[p] == group &&
                      is_on(w, w->samples[i].stack, function, &heat->places.at[p], &leaf);
                expected.self_samples += group_of[p] == group && leaf &&
                                         is_on(w, w->samples[i].stack, function,
                                               &heat->places.at[p], &leaf);
            }
            expected.total_samples += on;
        }
        assert_int_equal(groups[group].total_samples, expected.total_samples);
        assert_true(groups[group].total_on_cpu_ns >= groups[group].self_on_cpu_ns);
    }
    assert_int_equal(groups[0].self_samples + groups[1].self_samples, heat->self_samples);
    assert_int_equal(groups[0].self_on_cpu_ns + groups[1].self_on_cpu_ns, heat->self_on_cpu_ns);
}

static void catch_up(struct world *w, struct fold *fold)
{
    calltree_refresh(&w->tree);
    calltree_refresh(&w->physical);
    while (!fold_advance(fold, w->store, &w->names, 100)) {
    }
    fold_settle(fold, w->store, &w->names);
    calltree_refresh(&w->tree);
    calltree_refresh(&w->physical);
}

static void check(struct world *w, const struct view *view, struct fold *fold)
{
    catch_up(w, fold);
    struct top top;
    top_make(&top, &w->physical, fold, w->store, &w->reasons, &(struct top_params){0});
    for (function_id id = 0; id < w->names.functions.n; id++) {
        const struct calltree *tree = dice(w, 2) == 0 ? &w->tree : &w->physical;
        struct function_heat heat;
        function_heat_make(&heat, tree, fold, w->store, &w->reasons, id);
        check_sums(&heat);
        check_counts(w, view, id, &heat);
        check_with_top(&top, names_function(&w->names, id), &heat, fold->running.at.n);
        check_groups(w, view, id, &heat);
        function_heat_fini(&heat);
    }
    top_fini(&top);
}

static struct view random_view(struct world *w)
{
    struct view view = {0};
    view.has_tid = dice(w, 3) == 0;
    view.tid = (uint32_t)(100 + dice(w, N_THREADS));
    view.has_time_range = dice(w, 2) == 0;
    view.start_ns = dice(w, 800);
    view.end_ns = view.start_ns + dice(w, 1500);
    struct view_symbol symbol = view_symbol_new(dice(w, 2) == 0 ? "f1" : "read", NULL);
    switch (dice(w, 6)) {
    case 0:
        vec_push(&view.exclude, symbol);
        break;
    case 1:
        vec_push(&view.only, symbol);
        break;
    case 2:
        view.focus = symbol;
        break;
    default:
        free(symbol.function_name);
    }
    return view;
}

static void test_any_view_of_any_run(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct world *w = world_new(seed * 31 + 5, seed % 2 == 0);
        struct view view = random_view(w);
        struct view to_fold;
        view_copy(&to_fold, &view);
        struct fold fold;
        fold_init(&fold, &to_fold);
        happen(w, 1 + dice(w, 100));
        check(w, &view, &fold);
        publish(w);
        happen(w, 1 + dice(w, MAX_SAMPLES - 150));
        check(w, &view, &fold);
        fold_fini(&fold);
        view_fini(&view);
        world_free(w);
    }
}

// ---- Some by name ------------------------------------------------------------------------------

static stack_id push(struct world *w, stack_id caller, uint64_t off)
{
    bool cut = false;
    struct frame_row row = {.off = off, .image = w->program};
    return stacks_push(&w->store->stacks, caller, stacks_frame(&w->store->stacks, &row), &cut);
}

static void make_heat(struct world *w, const char *name, struct function_heat *ret)
{
    struct view view = {0};
    struct fold fold;
    fold_init(&fold, &view);
    catch_up(w, &fold);
    for (function_id id = 0; id < w->names.functions.n; id++) {
        if (strcmp(names_function(&w->names, id)->name, name) == 0) {
            function_heat_make(ret, &w->tree, &fold, w->store, &w->reasons, id);
        }
    }
    fold_fini(&fold);
}

// f0+8 calls f0, which is at f0+8 again and calls f1; and once it is f0+4 that calls.
static void test_recursion_counts_once(void **state)
{
    (void)state;
    struct world *w = world_new(1, false);
    publish(w);
    stack_id outer = push(w, STACK_ROOT, 8);
    stack_id inner = push(w, outer, 8);
    store_add_sample(w->store, STARTED_NS, 0, push(w, inner, SYMBOL_BYTES));
    store_add_sample(w->store, STARTED_NS, 0, push(w, push(w, outer, 4), SYMBOL_BYTES));
    store_add_sample(w->store, STARTED_NS, 0, inner);
    struct function_heat heat;
    make_heat(w, "f0", &heat);
    assert_int_equal(heat.bias, BIAS - LINKED);
    assert_int_equal(heat.total_samples, 3);
    assert_int_equal(heat.self_samples, 1);
    assert_int_equal(heat.places.n, 2);
    assert_int_equal(heat.places.at[0].addr, BIAS + 4);
    assert_int_equal(heat.places.at[0].total_samples, 1);
    assert_int_equal(heat.places.at[1].addr, BIAS + 8);
    assert_int_equal(heat.places.at[1].total_samples, 3);
    assert_int_equal(heat.places.at[1].self_samples, 1);
    // Both in one instruction.
    struct heat_place line = {.addr = BIAS + 4};
    function_heat_group(&heat, (const uint32_t[]){0, 0}, &line, 1);
    assert_int_equal(line.total_samples, 3);
    assert_int_equal(line.self_samples, 1);
    assert_int_equal(line.addr, BIAS + 4);
    function_heat_fini(&heat);
    world_free(w);
}

static void test_versions_of_a_jit_are_told_apart(void **state)
{
    (void)state;
    struct world *w = world_new(1, false);
    bool cut = false;
    for (size_t i = 0; i < 2; i++) {
        struct frame_row row = {.off = CODE_ADDR + CODE_BYTES * i + 4, .image = w->epochs[i]};
        frame_id frame = stacks_frame(&w->store->stacks, &row);
        stack_id stack = stacks_push(&w->store->stacks, STACK_ROOT, frame, &cut);
        store_add_sample(w->store, STARTED_NS, 0, stack);
    }
    struct function_heat heat;
    make_heat(w, "jit_a", &heat);
    assert_int_equal(heat.bias, 0);
    assert_int_equal(heat.places.n, 2);
    assert_int_equal(heat.places.at[0].code, 0);
    assert_int_equal(heat.places.at[0].addr, CODE_ADDR + 4);
    assert_int_equal(heat.places.at[1].code, 2);
    assert_int_equal(heat.places.at[1].addr, CODE_ADDR + CODE_BYTES + 4);
    function_heat_fini(&heat);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_view_of_any_run),
        cmocka_unit_test(test_recursion_counts_once),
        cmocka_unit_test(test_versions_of_a_jit_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
