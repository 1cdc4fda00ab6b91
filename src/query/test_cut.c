// Random runs: what is chosen of a tree, and where it is looked into, against the whole tree from
// which the naive way picks: judge each node by itself, sort all, take the first.
//
// Which of several that weigh the same are taken is not said here: only how much each of those that
// are shown counts, in order.

#include "query/random_stacks.h"
#include "query/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N_RUNS = 150, N_QUESTIONS = 20, NO_NODE = -1 };

struct ranks {
    VEC(uint64_t) at; // falling, once they are sorted
};

struct question {
    struct random_stacks *w;
    struct tree_root root; // no functions: everything
    bool callers;
    struct view_symbol zoom;
    struct flame_params params;
};

static uint64_t weight_of(const struct question *q, const struct flame_node *node)
{
    return answer_mode_sum(q->params.mode, node->on_cpu_ns, node->off_ns);
}

static uint64_t whole_of(const struct question *q, const struct flame *flame)
{
    if (q->root.functions != NULL || q->callers) {
        return weight_of(q, &flame->nodes.at[0]);
    }
    return answer_mode_sum(q->params.mode, flame->total_on_cpu_ns,
                           off_cpu_total(&flame->total_off_cpu));
}

static uint32_t depth_of(const struct flame *flame, size_t node)
{
    uint32_t depth = 0;
    for (; node != 0; node = flame->nodes.at[node].parent) {
        depth++;
    }
    return depth;
}

static bool is_below(const struct flame *flame, size_t node, int64_t above)
{
    while (node != 0 && (int64_t)node != above) {
        node = flame->nodes.at[node].parent;
    }
    return above != NO_NODE && (int64_t)node == above;
}

// ---- The naive way -----------------------------------------------------------------------------

// How much a node of the whole tree counts. False: it is not heavy enough, or too deep.
static bool judge(const struct question *q, const struct flame *whole, size_t node, int64_t zoomed,
                  uint64_t *ret_rank)
{
    uint64_t ns = weight_of(q, &whole->nodes.at[node]);
    double whole_ns = (double)whole_of(q, whole);
    bool deep = q->params.max_depth != 0 && depth_of(whole, node) > q->params.max_depth;
    if ((int64_t)node == zoomed) {
        *ret_rank = UINT64_MAX;
        return !deep;
    }
    if (!is_below(whole, node, zoomed)) {
        *ret_rank = ns;
        return !deep && (double)ns >= q->params.min_share * whole_ns;
    }
    double zoomed_ns = (double)weight_of(q, &whole->nodes.at[zoomed]);
    *ret_rank = weights_round((double)ns * (whole_ns / zoomed_ns));
    return !deep && (double)ns >= q->params.min_share * zoomed_ns;
}

static int compare_falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x > y ? -1 : x < y;
}

static void sort(struct ranks *ranks)
{
    if (ranks->at.n > 0) {
        qsort(ranks->at.at, ranks->at.n, sizeof(uint64_t), compare_falling);
    }
}

static void choose(struct ranks *ret, const struct question *q, const struct flame *whole,
                   int64_t zoomed)
{
    for (size_t i = 1; i < whole->nodes.n; i++) {
        uint64_t rank;
        if (judge(q, whole, i, zoomed, &rank)) {
            vec_push(&ret->at, rank);
        }
    }
    sort(ret);
    if (q->params.max_nodes != 0) {
        ret->at.n = MIN(ret->at.n, (size_t)q->params.max_nodes - 1);
    }
}

// The heaviest that the way leads to, or another one as heavy: the one after `*cursor`.
static bool next_zoomed(const struct question *q, const struct flame *whole, int64_t *cursor)
{
    uint64_t most_ns = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 1; i < whole->nodes.n && q->params.n_zoom > 0; i++) {
            const struct flame_node *node = &whole->nodes.at[i];
            uint64_t ns = weight_of(q, node);
            if (node->parent != 0 || !function_is(node->function, q->zoom.function_name, NULL)) {
                continue;
            }
            most_ns = MAX(most_ns, ns);
            if (pass == 1 && ns == most_ns && (int64_t)i > *cursor) {
                *cursor = (int64_t)i;
                return true;
            }
        }
    }
    return false;
}

// ---- Comparing ---------------------------------------------------------------------------------

// Where each node that is shown stands in the whole tree.
static size_t *find_shown(const struct flame *shown, const struct flame *whole)
{
    size_t *ret = NEW_ARRAY(size_t, shown->nodes.n);
    for (size_t i = 1; i < shown->nodes.n; i++) {
        const struct flame_node *node = &shown->nodes.at[i];
        assert_true(node->parent < i);
        for (size_t k = 1; k < whole->nodes.n && ret[i] == 0; k++) {
            const struct flame_node *other = &whole->nodes.at[k];
            if (other->parent == ret[node->parent] && other->function == node->function) {
                ret[i] = k;
            }
        }
        assert_true(ret[i] != 0);
        assert_int_equal(node->on_cpu_ns, whole->nodes.at[ret[i]].on_cpu_ns);
        assert_int_equal(node->off_ns, whole->nodes.at[ret[i]].off_ns);
        assert_int_equal(node->total_samples, whole->nodes.at[ret[i]].total_samples);
    }
    return ret;
}

// Whether what is shown is what counts most with this node zoomed into.
static bool fits(const struct question *q, const struct flame *shown, const struct flame *whole,
                 int64_t zoomed)
{
    struct ranks expected = {0};
    struct ranks ranks = {0};
    choose(&expected, q, whole, zoomed);
    CLEANUP(freep) size_t *places = find_shown(shown, whole);
    bool fit = true;
    for (size_t i = 1; i < shown->nodes.n; i++) {
        uint64_t rank;
        fit &= judge(q, whole, places[i], zoomed, &rank);
        vec_push(&ranks.at, rank);
    }
    sort(&ranks);
    fit &= ranks.at.n == expected.at.n;
    for (size_t i = 0; fit && i < ranks.at.n; i++) {
        fit = ranks.at.at[i] == expected.at.at[i];
    }
    vec_fini(&expected.at);
    vec_fini(&ranks.at);
    return fit;
}

static void make(struct flame *ret, const struct question *q, const struct flame_params *params)
{
    struct random_stacks *w = q->w;
    neighbors_tree_make(ret, &w->tree, &w->fold, w->store, &w->reasons, &q->root, q->callers,
                        params);
}

// Returns whether there was something to zoom into.
static bool check(const struct question *q)
{
    struct flame whole;
    struct flame shown;
    make(&whole, q, &(struct flame_params){.mode = q->params.mode});
    make(&shown, q, &q->params);
    int64_t zoomed = NO_NODE;
    bool can_zoom = next_zoomed(q, &whole, &zoomed);
    assert_int_equal(shown.zoom_depth, can_zoom);
    bool fit = fits(q, &shown, &whole, zoomed);
    while (!fit && next_zoomed(q, &whole, &zoomed)) {
        fit = fits(q, &shown, &whole, zoomed);
    }
    assert_true(fit);
    flame_fini(&whole);
    flame_fini(&shown);
    return can_zoom;
}

// ---- Random questions --------------------------------------------------------------------------

static struct view_symbol random_symbol(struct random_stacks *w)
{
    static const char *const names[] = {"f0", "f1", "f2", "g1", "g2"};
    return view_symbol_new(names[random_stacks_dice(w, ARRAY_LEN(names))], NULL);
}

// Seldom, 0: any.
static uint32_t random_limit(struct random_stacks *w, uint64_t most)
{
    return random_stacks_dice(w, 3) == 0 ? 0 : 1 + (uint32_t)random_stacks_dice(w, most);
}

static bool ask(struct random_stacks *w)
{
    struct question q = {.w = w, .callers = random_stacks_dice(w, 2) == 0};
    if (random_stacks_dice(w, 3) == 0) {
        struct view_symbol focus = random_symbol(w);
        if (!tree_root_find(&q.root, &w->tree, &focus)) {
            tree_root_fini(&q.root);
        }
        view_symbol_fini(&focus);
    }
    q.params.mode = (enum answer_mode)random_stacks_dice(w, 3);
    q.params.max_nodes = random_limit(w, random_stacks_dice(w, 2) == 0 ? 8 : 60);
    q.params.max_depth = random_limit(w, 8);
    q.params.min_share = random_stacks_dice(w, 2) == 0 ? (double)random_stacks_dice(w, 99) / 500
                                                       : 0;
    q.params.unsorted = random_stacks_dice(w, 2) == 0;
    q.zoom = random_symbol(w);
    q.params.zoom = &q.zoom;
    q.params.n_zoom = random_stacks_dice(w, 2);
    bool zoomed = check(&q);
    view_symbol_fini(&q.zoom);
    tree_root_fini(&q.root);
    return zoomed;
}

static void test_choice_is_the_naive_one(void **state)
{
    (void)state;
    size_t n_zoomed = 0;
    for (uint64_t seed = 0; seed < N_RUNS; seed++) {
        struct random_stacks *w = random_stacks_new(seed, seed % 2 != 0);
        random_stacks_go_on(w, (size_t)1 << random_stacks_dice(w, 8));
        for (size_t i = 0; i < RANDOM_STACKS_IMAGES; i++) {
            random_stacks_rename(w); // so that there are names
        }
        random_stacks_catch_up(w);
        for (size_t i = 0; i < N_QUESTIONS; i++) {
            n_zoomed += ask(w);
        }
        random_stacks_free(w);
    }
    assert_true(n_zoomed > N_RUNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice_is_the_naive_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
