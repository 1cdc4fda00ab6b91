// Random runs: stacks of few functions, so that direct and mutual recursion is everywhere, with
// inlined functions and stacks that lack their callers. Trees are compared with those that are made
// the naive way, stack by stack; functions with what `top` says.

#include "query/neighbors.h"

#include "base/text.h"
#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    N_SYMBOLS = 4,
    SYMBOL_BYTES = 0x100,
    PLACE_BYTES = 0x40,
    CODE_ADDR = 0x401000,
    N_THREADS = 4,
    MAX_DEPTH = 9,
    RUN_NS = 4000,
    WEIGHT_NS = 7,
};

static const uint64_t STARTED_NS = 1000000;

// ---- Runs --------------------------------------------------------------------------------------

struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree trees[2]; // the second one of physical stacks
    struct reasons reasons;
    image_id images[2]; // a program with DWARF, a library without
    image_id markers;   // of stacks that lack callers
    uint64_t random;
};

// What is inlined at a place: functions that occur on their own, too, and in each other.
static const struct inline_function tiny = {.name = "tiny", .lang = SYMBOL_C, false};
static const struct inline_function copy = {.name = "f1", .lang = SYMBOL_C, false};

static uint64_t dice(struct world *w, uint64_t sides)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (w->random >> 33) % sides;
}

static void publish(struct world *w, image_id image, char letter)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder,
                               &(struct symtab_segment){.size = 0x1000, .addr = CODE_ADDR, true});
    for (uint64_t i = 0; i < N_SYMBOLS; i++) {
        char name[8];
        snprintf(name, sizeof name, "%c%u", letter, (unsigned)i);
        symtab_builder_add(builder, CODE_ADDR + i * SYMBOL_BYTES, SYMBOL_BYTES, slice_of_text(name),
                           slice_of_text(""), SYMBOL_GLOBAL);
    }
    fake_library_publish(&w->library, store_image(w->store, image)->library,
                         symtab_builder_finish(builder));
}

static image_id add_image(struct world *w, const char *path)
{
    return store_add_image(
        w->store, &(struct image_row){.path = strings_add(&w->store->strings, slice_of_text(path)),
                                      .library = fake_library_add(&w->library, IMAGE_FILE)});
}

static void refresh(struct world *w)
{
    calltree_refresh(&w->trees[0]);
    calltree_refresh(&w->trees[1]);
}

static struct world *world_new(uint64_t seed, bool has_switches)
{
    struct world *w = NEW(struct world);
    w->random = seed;
    w->store = store_new(STARTED_NS, 0, WEIGHT_NS);
    w->store->has_switches = has_switches;
    fake_library_init(&w->library);
    w->images[0] = add_image(w, "/bin/program");
    w->images[1] = add_image(w, "/lib/plain.so");
    w->markers = store_add_image(
        w->store, &(struct image_row){.kind = IMAGE_ROW_TRUNCATED, .library = UINT32_MAX});
    fake_library_add_dwarf(&w->library, store_image(w->store, w->images[0])->library);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->trees[0], &w->names);
    calltree_init_physical(&w->trees[1], &w->names);
    reasons_init(&w->reasons, &w->names);
    publish(w, w->images[0], 'f');
    publish(w, w->images[1], 'g');
    for (uint32_t i = 0; i < N_THREADS; i++) {
        store_add_thread(w->store, 9, 100 + i % (N_THREADS - 1), 0, STARTED_NS + dice(w, 100), 0);
    }
    return w;
}

static void world_free(struct world *w)
{
    reasons_fini(&w->reasons);
    calltree_fini(&w->trees[1]);
    calltree_fini(&w->trees[0]);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
}

static stack_id push(struct world *w, stack_id stack, image_id image, uint64_t off)
{
    bool cut = false;
    struct frame_row frame = {.off = off, .image = image};
    return stacks_push(&w->store->stacks, stack, stacks_frame(&w->store->stacks, &frame), &cut);
}

static stack_id random_stack(struct world *w)
{
    stack_id stack = STACK_ROOT;
    if (dice(w, 4) == 0) {
        stack = push(w, stack, w->markers, dice(w, TRUNCATION_COUNT));
    }
    for (uint64_t n = dice(w, MAX_DEPTH + 1); n > 0; n--) {
        // Mostly the same few, so that stacks share their ways.
        uint64_t symbol = dice(w, dice(w, 2) == 0 ? 2 : N_SYMBOLS);
        uint64_t place = dice(w, SYMBOL_BYTES / PLACE_BYTES);
        stack = push(w, stack, w->images[dice(w, 3) == 0],
                     symbol * SYMBOL_BYTES + place * PLACE_BYTES);
    }
    return stack;
}

static void add_rows(struct world *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        store_add_sample(w->store, STARTED_NS + 100 + i * (RUN_NS - 100) / n,
                         (thread_id)dice(w, N_THREADS), random_stack(w));
    }
    for (size_t i = 0; i < n / 3; i++) {
        uint64_t end_ns = 300 + i * (RUN_NS - 300) / n; // rows are sorted by it
        uint64_t duration_ns = 1 + dice(w, 60);
        store_add_interval(w->store,
                           &(struct interval){
                               .start_ns = STARTED_NS + end_ns - duration_ns,
                               .duration_ns = duration_ns,
                               .reason = dice(w, 3) == 0 ? (uint8_t)REASON_BY_STACK
                                                         : (uint8_t)dice(w, EVENT_REASON_COUNT),
                               .thread = (thread_id)dice(w, N_THREADS),
                               .stack = random_stack(w),
                           });
    }
    atomic_store(&w->store->last_ns, STARTED_NS + RUN_NS);
    atomic_store(&w->store->ended_ns, STARTED_NS + RUN_NS);
}

// The second place of each function of the program has `tiny` inlined, the third one `f1` and, in
// it, `tiny`.
static void answer_inlined(struct world *w, struct inline_chain *const chains[2])
{
    refresh(w);
    struct inline_batch *batch = fake_library_asked(&w->library);
    assert_non_null(batch);
    for (size_t i = 0; i < batch->at.n; i++) {
        uint64_t place = batch->at.at[i].addr / PLACE_BYTES % 4;
        batch->at.at[i].chain = place == 1 ? chains[0] : place == 2 ? chains[1] : NULL;
    }
    inline_mailbox_put(batch);
    refresh(w);
}

static void make_chains(struct inline_chain *ret[2])
{
    for (uint32_t i = 0; i < 2; i++) {
        ret[i] = alloc_zeroed(1, sizeof *ret[i] + 2 * sizeof ret[i]->at[0]);
        ret[i]->n = i + 1;
    }
    ret[0]->at[0] = &tiny;
    ret[1]->at[0] = &copy;
    ret[1]->at[1] = &tiny;
}

// ---- The naive answer --------------------------------------------------------------------------

struct numbers {
    uint64_t samples;
    uint64_t waits;
    struct off_cpu off_cpu;
};

struct naive_node {
    size_t above;
    function_id function;
    uint32_t depth;
    struct numbers self;
    struct numbers total;
    bool shown;
};

struct naive_tree {
    VEC(struct naive_node) nodes;
};

struct naive {
    struct naive_tree callers;
    struct naive_tree callees;
    struct numbers own;
    struct numbers recursive;
    struct numbers *ways; // by function_id
};

struct path {
    VEC(function_id) at;
};

static void add_numbers(struct numbers *to, const struct numbers *more)
{
    to->samples += more->samples;
    to->waits += more->waits;
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        to->off_cpu.ns[i] += more->off_cpu.ns[i];
    }
}

// From the outermost function on, by frames.
static void path_of_stack(struct path *ret, struct world *w, stack_id stack, bool physical)
{
    if (stack == STACK_ROOT) {
        return;
    }
    const struct stack_row *row = stacks_get(&w->store->stacks, stack);
    path_of_stack(ret, w, row->caller, physical);
    vec_push(&ret->at, names_of_frame(&w->names, row->frame));
    struct inlined_list inlined = names_inlined_at(&w->names, row->frame);
    for (uint32_t i = 0; i < inlined.n && !physical; i++) {
        vec_push(&ret->at, inlined.at[i]);
    }
}

// From `above` to its node for `function`, which is made if it is new.
static size_t naive_enter(struct naive_tree *tree, size_t above, function_id function,
                          const struct numbers *numbers)
{
    size_t to = 1;
    while (to < tree->nodes.n &&
           (tree->nodes.at[to].above != above || tree->nodes.at[to].function != function)) {
        to++;
    }
    if (to == tree->nodes.n) {
        vec_push(&tree->nodes, (struct naive_node){.above = above,
                                                   .function = function,
                                                   .depth = tree->nodes.at[above].depth + 1});
    }
    add_numbers(&tree->nodes.at[to].total, numbers);
    return to;
}

static void naive_add(struct naive *naive, const struct path *path, function_id function,
                      const struct numbers *numbers)
{
    size_t first = 0;
    while (first < path->at.n && path->at.at[first] != function) {
        first++;
    }
    if (first == path->at.n) {
        return;
    }
    size_t last = path->at.n - 1;
    while (path->at.at[last] != function) {
        last--;
    }
    size_t at = 0;
    add_numbers(&naive->callers.nodes.at[0].total, numbers);
    for (size_t i = first; i-- > 0;) {
        at = naive_enter(&naive->callers, at, path->at.at[i], numbers);
    }
    add_numbers(&naive->callers.nodes.at[at].self, numbers);
    at = 0;
    add_numbers(&naive->callees.nodes.at[0].total, numbers);
    for (size_t i = last + 1; i < path->at.n; i++) {
        at = naive_enter(&naive->callees, at, path->at.at[i], numbers);
    }
    add_numbers(&naive->callees.nodes.at[at].self, numbers);
    if (last == path->at.n - 1) {
        add_numbers(&naive->own, numbers);
    }
    if (first != last) {
        size_t before = last - 1;
        while (path->at.at[before] != function) {
            before--;
        }
        add_numbers(&naive->recursive, numbers);
        add_numbers(&naive->ways[path->at.at[before + 1]], numbers);
    }
}

static void naive_fini(struct naive *naive)
{
    free(naive->ways);
    vec_fini(&naive->callers.nodes);
    vec_fini(&naive->callees.nodes);
}

// ---- Comparing ---------------------------------------------------------------------------------

struct asker {
    struct world *w;
    const struct calltree *tree;
    struct fold fold;
    struct flame_params params;
};

static void make_naive(struct naive *ret, struct asker *a, function_id function)
{
    *ret = (struct naive){.ways = NEW_ARRAY(struct numbers, a->w->names.functions.n)};
    vec_push(&ret->callers.nodes, (struct naive_node){.function = function, .shown = true});
    vec_push(&ret->callees.nodes, (struct naive_node){.function = function, .shown = true});
    struct path path = {0};
    for (size_t place = 0; place < a->fold.running.at.n; place++) {
        struct numbers numbers = {.samples = a->fold.running.n.at[place]};
        vec_clear(&path.at);
        path_of_stack(&path, a->w, places_stack(&a->fold.running, place), a->tree->physical);
        naive_add(ret, &path, function, &numbers);
    }
    struct fold_walk walk = {0};
    while (fold_next_place(&a->fold, &walk)) {
        enum event_reason reason = walk.cell.reason == REASON_BY_STACK
                                       ? EVENT_REASON_OTHER
                                       : (enum event_reason)walk.cell.reason;
        struct numbers numbers = {.waits = walk.cell.n};
        numbers.off_cpu.ns[reason] = walk.cell.ns;
        if (!a->params.has_reason || a->params.reason == reason) {
            vec_clear(&path.at);
            path_of_stack(&path, a->w, walk.cell.stack, a->tree->physical);
            naive_add(ret, &path, function, &numbers);
        }
    }
    vec_fini(&path.at);
}

static bool has_mode(const struct asker *a, const struct numbers *numbers)
{
    return (a->params.mode != MODE_OFF_CPU && numbers->samples > 0) ||
           (a->params.mode != MODE_ON_CPU && numbers->waits > 0);
}

// What of these orders and cuts.
static uint64_t in_mode(const struct asker *a, uint64_t on_cpu_ns, uint64_t off_ns)
{
    return a->params.mode == MODE_ON_CPU    ? on_cpu_ns
           : a->params.mode == MODE_OFF_CPU ? off_ns
                                            : on_cpu_ns + off_ns;
}

// The same, where on-CPU time is an estimate.
static uint64_t weight_in(const struct asker *a, const struct numbers *numbers)
{
    return in_mode(a, numbers->samples * WEIGHT_NS, off_cpu_total(&numbers->off_cpu));
}

static void assert_same_reasons(const struct off_cpu *a, const struct off_cpu *b)
{
    assert_memory_equal(a->ns, b->ns, sizeof a->ns);
}

static void check_node(const struct asker *a, const struct flame_node *node,
                       const struct naive_node *truth)
{
    assert_int_equal(node->total_samples, truth->total.samples);
    assert_int_equal(node->self_samples, truth->self.samples);
    assert_int_equal(node->waits, truth->total.waits);
    assert_int_equal(node->off_ns, off_cpu_total(&truth->total.off_cpu));
    assert_int_equal(node->self_off_ns, off_cpu_total(&truth->self.off_cpu));
    assert_same_reasons(&node->off_cpu, &truth->total.off_cpu);
    if (!a->w->store->has_switches) {
        assert_int_equal(node->on_cpu_ns, truth->total.samples * WEIGHT_NS);
    }
}

// Finds each node of the answer by its way, and compares it. `truth` says then what is shown.
static void check_shown(const struct asker *a, const struct flame *flame, struct naive_tree *tree)
{
    CLEANUP(freep) size_t *found = NEW_ARRAY(size_t, flame->nodes.n);
    for (size_t i = 0; i < flame->nodes.n; i++) {
        const struct flame_node *node = &flame->nodes.at[i];
        assert_true(i == 0 ? node->parent == 0 : node->parent < i);
        size_t at = 0;
        while (i > 0 && at < tree->nodes.n &&
               (at == 0 || tree->nodes.at[at].above != found[node->parent] ||
                names_function(&a->w->names, tree->nodes.at[at].function) != node->function)) {
            at++;
        }
        assert_true(at < tree->nodes.n);
        assert_ptr_equal(node->function, names_function(&a->w->names, tree->nodes.at[at].function));
        assert_true(i == 0 || !tree->nodes.at[at].shown); // each once
        tree->nodes.at[at].shown = true;
        found[i] = at;
        check_node(a, node, &tree->nodes.at[at]);
        if (i > 0) {
            assert_true(has_mode(a, &tree->nodes.at[at].total));
        }
    }
    for (size_t i = 0; i < flame->nodes.n; i++) { // and what is missing below each
        const struct flame_node *node = &flame->nodes.at[i];
        struct numbers cut = {0};
        uint32_t n_cut = 0;
        for (size_t at = 1; at < tree->nodes.n; at++) {
            if (tree->nodes.at[at].above == found[i] && !tree->nodes.at[at].shown) {
                add_numbers(&cut, &tree->nodes.at[at].total);
                n_cut += has_mode(a, &tree->nodes.at[at].total);
            }
        }
        assert_int_equal(node->cut_children, n_cut);
        assert_int_equal(node->cut_samples, cut.samples);
        assert_int_equal(node->cut_off_ns, off_cpu_total(&cut.off_cpu));
    }
}

// As many as may be, and none that is missing is heavier. Where on-CPU time is not the number of
// samples times something, this is left to the other runs.
static void check_choice(const struct asker *a, const struct flame *flame,
                         const struct naive_tree *tree)
{
    if (a->w->store->has_switches && a->params.mode != MODE_OFF_CPU) {
        return;
    }
    double least = a->params.min_share * (double)weight_in(a, &tree->nodes.at[0].total);
    uint64_t lightest = UINT64_MAX;
    uint64_t heaviest_missing = 0;
    size_t n_possible = 1;
    for (size_t at = 1; at < tree->nodes.n; at++) {
        uint64_t weight = weight_in(a, &tree->nodes.at[at].total);
        bool possible = has_mode(a, &tree->nodes.at[at].total) && (double)weight >= least &&
                        (a->params.max_depth == 0 ||
                         tree->nodes.at[at].depth <= a->params.max_depth);
        n_possible += possible;
        assert_true(possible || !tree->nodes.at[at].shown);
        if (tree->nodes.at[at].shown) {
            lightest = MIN(lightest, weight);
        } else if (possible) {
            heaviest_missing = MAX(heaviest_missing, weight);
        }
    }
    size_t room = a->params.max_nodes == 0 ? SIZE_MAX : a->params.max_nodes;
    assert_int_equal(flame->nodes.n, MIN(room, n_possible));
    assert_true(lightest >= heaviest_missing);
}

static void check_order(const struct asker *a, const struct flame *flame)
{
    CLEANUP(freep) size_t *last = NEW_ARRAY(size_t, flame->nodes.n); // child so far
    for (size_t i = 1; i < flame->nodes.n; i++) {
        const struct flame_node *node = &flame->nodes.at[i];
        if (last[node->parent] != 0) {
            const struct flame_node *before = &flame->nodes.at[last[node->parent]];
            uint64_t ns = in_mode(a, node->on_cpu_ns, node->off_ns);
            uint64_t before_ns = in_mode(a, before->on_cpu_ns, before->off_ns);
            assert_true(before_ns > ns || (before_ns == ns &&
                                           function_compare(before->function, node->function) < 0));
        }
        last[node->parent] = i;
    }
}

static void check_function(const struct neighbors *neighbors, const struct naive *naive)
{
    assert_int_equal(neighbors->own_samples, naive->own.samples);
    assert_int_equal(neighbors->own_waits, naive->own.waits);
    assert_same_reasons(&neighbors->own_off_cpu, &naive->own.off_cpu);
    assert_int_equal(neighbors->recursive_samples, naive->recursive.samples);
    assert_int_equal(neighbors->recursive_off_ns, off_cpu_total(&naive->recursive.off_cpu));
    const struct flame_node *callees = &neighbors->callees.nodes.at[0];
    assert_int_equal(callees->self_samples, neighbors->own_samples);
    assert_int_equal(callees->self_off_ns, off_cpu_total(&neighbors->own_off_cpu));
}

static void check_ways(const struct asker *a, const struct neighbors *neighbors,
                       const struct naive *naive)
{
    size_t n = 0;
    for (function_id id = 0; id < a->w->names.functions.n; id++) {
        n += has_mode(a, &naive->ways[id]);
    }
    assert_int_equal(neighbors->ways.n, n);
    for (size_t i = 0; i < n; i++) {
        const struct neighbors_way *way = &neighbors->ways.at[i];
        const struct numbers *truth = &naive->ways[way->function - a->w->names.functions.at];
        assert_int_equal(way->samples, truth->samples);
        assert_int_equal(way->off_ns, off_cpu_total(&truth->off_cpu));
        const struct neighbors_way *before = i == 0 ? way : way - 1;
        assert_true(in_mode(a, before->on_cpu_ns, before->off_ns) >=
                    in_mode(a, way->on_cpu_ns, way->off_ns));
    }
}

static void check_against_naive(struct asker *a, function_id function)
{
    struct naive naive;
    struct neighbors neighbors;
    make_naive(&naive, a, function);
    neighbors_make(&neighbors, a->tree, &a->fold, a->w->store, &a->w->reasons, function,
                   &a->params);
    check_function(&neighbors, &naive);
    check_ways(a, &neighbors, &naive);
    check_shown(a, &neighbors.callers, &naive.callers);
    check_shown(a, &neighbors.callees, &naive.callees);
    check_choice(a, &neighbors.callers, &naive.callers);
    check_choice(a, &neighbors.callees, &naive.callees);
    check_order(a, &neighbors.callers);
    check_order(a, &neighbors.callees);
    neighbors_fini(&neighbors);
    naive_fini(&naive);
}

static void assert_adds_up(const struct flame *flame)
{
    const struct flame_node *root = &flame->nodes.at[0];
    uint64_t samples = root->self_samples + root->cut_samples;
    uint64_t off_ns = root->self_off_ns + root->cut_off_ns;
    for (size_t i = 1; i < flame->nodes.n; i++) {
        if (flame->nodes.at[i].parent == 0) {
            samples += flame->nodes.at[i].total_samples;
            off_ns += flame->nodes.at[i].off_ns;
        }
    }
    assert_int_equal(samples, root->total_samples);
    assert_int_equal(off_ns, root->off_ns);
}

// Returns how many functions that were.
static size_t check_against_top(struct asker *a)
{
    struct top top;
    struct top_params params = {
        .mode = a->params.mode, .has_reason = a->params.has_reason, .reason = a->params.reason};
    top_make(&top, a->tree, &a->fold, a->w->store, &a->w->reasons, &params);
    for (size_t i = 0; i < top.entries.n; i++) {
        const struct top_entry *entry = &top.entries.at[i];
        function_id id = (function_id)(entry->function - a->w->names.functions.at);
        struct neighbors neighbors;
        neighbors_make(&neighbors, a->tree, &a->fold, a->w->store, &a->w->reasons, id, &a->params);
        const struct flame *trees[] = {&neighbors.callers, &neighbors.callees};
        for (size_t side = 0; side < ARRAY_LEN(trees); side++) {
            const struct flame_node *root = &trees[side]->nodes.at[0];
            assert_int_equal(root->total_samples, entry->total_samples);
            assert_int_equal(root->waits, entry->total_waits);
            assert_int_equal(root->on_cpu_ns, entry->total_on_cpu_ns);
            assert_same_reasons(&root->off_cpu, &entry->total_off_cpu);
            assert_adds_up(trees[side]);
        }
        assert_int_equal(neighbors.own_samples, entry->self_samples);
        assert_int_equal(neighbors.own_waits, entry->self_waits);
        assert_int_equal(neighbors.own_on_cpu_ns, entry->self_on_cpu_ns);
        assert_same_reasons(&neighbors.own_off_cpu, &entry->self_off_cpu);
        assert_int_equal(neighbors.total_on_cpu_ns, top.total_on_cpu_ns);
        assert_same_reasons(&neighbors.total_off_cpu, &top.total_off_cpu);
        neighbors_fini(&neighbors);
    }
    size_t n = top.entries.n;
    top_fini(&top);
    return n;
}

// ---- Asking ------------------------------------------------------------------------------------

static const struct view views[] = {
    {.has_tid = false},
    {.physical = true},
    {.has_tid = true, .tid = 100}, // two threads had it
    {.has_time_range = true, .start_ns = 900, .end_ns = 1800},
    {.has_tid = false},                                                 // gets a symbol to exclude
    {.has_time_range = true, .start_ns = RUN_NS, .end_ns = UINT64_MAX}, // nothing
    {.has_tid = false},                                                 // gets one to ask for
};

enum { EXCLUDING = 4, NOTHING = 5, ASKING = 6 };

static const struct flame_params aspects[] = {
    {.mode = MODE_ON_CPU},
    {.mode = MODE_OFF_CPU},
    {.mode = MODE_OFF_CPU, .has_reason = true, .reason = EVENT_REASON_LOCK},
    {.mode = MODE_ON_CPU, .max_depth = 2},
    {.mode = MODE_ON_CPU, .min_share = 0.05},
    {.mode = MODE_OFF_CPU, .max_nodes = 7},
    {.mode = MODE_ON_CPU, .max_nodes = 12, .max_depth = 4, .min_share = 0.01},
    {.mode = MODE_ON_CPU, .max_nodes = 1},
    {.mode = MODE_WALL},
    {.mode = MODE_WALL, .max_nodes = 9, .min_share = 0.01},
};

static void ask(struct world *w, size_t number)
{
    struct view view = views[number];
    if (number == EXCLUDING) {
        vec_push(&view.exclude, view_symbol_new("g2", NULL));
    } else if (number == ASKING) {
        vec_push(&view.only, view_symbol_new("g2", NULL));
    }
    struct asker a = {.w = w, .tree = &w->trees[view.physical]};
    fold_init(&a.fold, &view);
    while (!fold_advance(&a.fold, w->store, &w->names, 100)) {
    }
    fold_settle(&a.fold, w->store, &w->names);
    for (size_t i = 0; i < ARRAY_LEN(aspects); i++) {
        a.params = aspects[i];
        for (function_id id = 0; id < w->names.functions.n; id++) {
            check_against_naive(&a, id);
        }
        size_t n = check_against_top(&a);
        size_t most_find = number == ASKING ? 1 : 5;
        assert_true(number == NOTHING ? n == 0 : n > most_find || a.params.has_reason);
    }
    fold_fini(&a.fold);
}

static void test_random_runs(void **state)
{
    (void)state;
    struct inline_chain *chains[2];
    make_chains(chains);
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct world *w = world_new(seed, seed % 2 != 0);
        add_rows(w, (size_t)30 << seed);
        answer_inlined(w, chains);
        for (size_t view = 0; view < ARRAY_LEN(views); view++) {
            ask(w, view);
        }
        world_free(w);
    }
    free(chains[0]);
    free(chains[1]);
}

// ---- By hand -----------------------------------------------------------------------------------

static stack_id stack_of(struct world *w, const char *functions)
{
    stack_id stack = STACK_ROOT;
    for (const char *at = functions; *at != 0; at++) {
        stack = push(w, stack, w->images[0], (uint64_t)(*at - '0') * SYMBOL_BYTES);
    }
    return stack;
}

// "f1 5(f0 3(f2 3))": names and samples, self behind a slash where there is some.
static void put_tree(struct text *to, const struct flame *flame, uint32_t index)
{
    const struct flame_node *node = &flame->nodes.at[index];
    text_addf(to, "%s %u", node->function->name, (unsigned)node->total_samples);
    if (node->self_samples > 0) {
        text_addf(to, "/%u", (unsigned)node->self_samples);
    }
    for (uint32_t i = index + 1; i < flame->nodes.n; i++) {
        if (flame->nodes.at[i].parent == index) {
            text_add_char(to, '(');
            put_tree(to, flame, i);
            text_add_char(to, ')');
        }
    }
}

static void assert_tree(const struct flame *flame, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    put_tree(&text, flame, 0);
    assert_string_equal(text_get(&text), expected);
}

static function_id function_named(const struct world *w, const char *name)
{
    function_id id = 0;
    while (strcmp(names_function(&w->names, id)->name, name) != 0) {
        id++;
    }
    return id;
}

static void catch_up(struct world *w, struct fold *fold)
{
    refresh(w);
    fold_init(fold, &(struct view){.has_tid = false});
    while (!fold_advance(fold, w->store, &w->names, 100)) {
    }
    fold_settle(fold, w->store, &w->names);
}

static void assert_ways(const struct neighbors *neighbors, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    for (size_t i = 0; i < neighbors->ways.n; i++) {
        const struct neighbors_way *way = &neighbors->ways.at[i];
        text_addf(&text, "%s %u ", way->function->name, (unsigned)way->samples);
    }
    assert_string_equal(text_get(&text), expected);
}

static void test_known_trees(void **state)
{
    (void)state;
    static const struct {
        const char *stacks[4]; // symbols of the program; the function is f1
        const char *callers;
        const char *callees;
        const char *ways;
    } rows[] = {
        {{"01", "012", "0312"}, "f1 3(f0 2/2)(f3 1(f0 1/1))", "f1 3/1(f2 2/2)", ""},
        {{"1"}, "f1 1/1", "f1 1/1", ""},
        {{"0111", "01", "0112"}, "f1 3(f0 3/3)", "f1 3/2(f2 1/1)", "f1 2 "},
        {{"01212", "0121", "012"}, "f1 3(f0 3/3)", "f1 3/1(f2 2/2)", "f2 2 "},
        {{"0131", "0121", "0131213", "01211"}, "f1 4(f0 4/4)", "f1 4/3(f3 1/1)", "f2 2 f1 1 f3 1 "},
        {{"0121", "2123", "3"}, "f1 2(f0 1/1)(f2 1/1)", "f1 2/1(f2 1(f3 1/1))", "f2 1 "},
    };
    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        struct world *w = world_new(1, false);
        for (size_t i = 0; i < ARRAY_LEN(rows[row].stacks) && rows[row].stacks[i] != NULL; i++) {
            store_add_sample(w->store, STARTED_NS + i, 0, stack_of(w, rows[row].stacks[i]));
        }
        struct fold fold;
        struct neighbors neighbors;
        catch_up(w, &fold);
        neighbors_make(&neighbors, &w->trees[0], &fold, w->store, &w->reasons,
                       function_named(w, "f1"), &(struct flame_params){.mode = MODE_ON_CPU});
        assert_tree(&neighbors.callers, rows[row].callers);
        assert_tree(&neighbors.callees, rows[row].callees);
        assert_ways(&neighbors, rows[row].ways);
        neighbors_fini(&neighbors);
        fold_fini(&fold);
        world_free(w);
    }
}

// A callers' tree that is much larger than the calltree: each place on the way of one deep stack
// calls the function.
static void test_callers_at_every_depth(void **state)
{
    (void)state;
    enum { DEPTH = 500 };
    struct world *w = world_new(1, false);
    stack_id stack = STACK_ROOT;
    for (uint64_t i = 0; i < DEPTH; i++) {
        stack = push(w, stack, w->images[0], 0x1000 + i); // each a function of its own
        store_add_sample(w->store, STARTED_NS + i, 0, push(w, stack, w->images[0], 0));
    }
    struct fold fold;
    struct neighbors neighbors;
    catch_up(w, &fold);
    function_id f0 = function_named(w, "f0");
    neighbors_make(&neighbors, &w->trees[0], &fold, w->store, &w->reasons, f0,
                   &(struct flame_params){.mode = MODE_ON_CPU, .max_nodes = 101});
    const struct flame_node *root = &neighbors.callers.nodes.at[0];
    assert_int_equal(neighbors.callers.nodes.n, 101);
    assert_int_equal(root->total_samples, DEPTH);
    assert_int_equal(root->cut_children, DEPTH - 100);
    assert_int_equal(root->cut_samples, DEPTH - 100);
    neighbors_fini(&neighbors);
    neighbors_make(&neighbors, &w->trees[0], &fold, w->store, &w->reasons, f0,
                   &(struct flame_params){.mode = MODE_ON_CPU});
    assert_int_equal(neighbors.callers.nodes.n, 1 + DEPTH * (DEPTH + 1) / 2);
    neighbors_fini(&neighbors);
    fold_fini(&fold);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs),
        cmocka_unit_test(test_known_trees),
        cmocka_unit_test(test_callers_at_every_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
