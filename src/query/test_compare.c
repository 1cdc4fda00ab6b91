// Simulated pairs of runs, whose truth is known: how often nothing is called a change
// (calibration), how often a change is found (power), and that the numbers told of it are right.
// The bounds fail by chance less than once in a million, and the generator starts from the same
// seed every time.

#include "query/compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX_KEYS = 200, A = 0, B = 1 };

// ---- A program --------------------------------------------------------------------------------

struct program {
    size_t n_keys;
    double cost[MAX_KEYS]; // of each key, relative to the others
    double run_sd;         // how much the logs of the costs differ from run to run
    double run_draws;      // or: as if a run had been as many draws
    double burst;          // mean samples of a stay in one of two moods; 0: none
    double mood;           // how much more the even keys cost in the second mood
    bool stages;           // the first half of the run has even keys only, the second odd ones
};

static uint64_t random_state;

static double random_unit(void)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(random_state >> 11) * 0x1p-53;
}

static double random_normal(void)
{
    return sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit());
}

// Cumulated costs in one mood and stage.
static void cumulate(const struct program *program, const double *cost, bool mood, int stage,
                     double *ret)
{
    double sum = 0;
    for (size_t key = 0; key < program->n_keys; key++) {
        bool even = key % 2 == 0;
        double much = cost[key] * (mood && even ? program->mood : 1);
        sum += program->stages && (stage == 0) != even ? 0 : much;
        ret[key] = sum;
    }
}

static size_t draw(const double *cumulated, size_t n)
{
    double at = random_unit() * cumulated[n - 1];
    size_t low = 0;
    size_t high = n - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (at < cumulated[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void add_run(struct compare_cells *cells, const struct program *program, uint32_t run,
                    size_t n_samples)
{
    double cost[MAX_KEYS];
    double whole = 0;
    for (size_t key = 0; key < program->n_keys; key++) {
        whole += program->cost[key];
    }
    for (size_t key = 0; key < program->n_keys; key++) {
        double sd = program->run_sd;
        if (program->run_draws > 0) {
            sd = sqrt(whole / (program->run_draws * program->cost[key]));
        }
        cost[key] = program->cost[key] * exp(sd * random_normal());
    }
    double cumulated[2][2][MAX_KEYS];
    for (int mood = 0; mood < 2; mood++) {
        for (int stage = 0; stage < 2; stage++) {
            cumulate(program, cost, mood, stage, cumulated[mood][stage]);
        }
    }
    static double counts[COMPARE_BLOCKS][MAX_KEYS];
    memset(counts, 0, sizeof counts);
    bool mood = random_unit() < 0.5;
    for (size_t i = 0; i < n_samples; i++) {
        mood = program->burst > 0 && random_unit() < 1 / program->burst ? !mood : mood;
        size_t key = draw(cumulated[mood][i >= n_samples / 2], program->n_keys);
        counts[i * COMPARE_BLOCKS / n_samples][key]++;
    }
    for (uint32_t block = 0; block < COMPARE_BLOCKS; block++) {
        for (uint32_t key = 0; key < program->n_keys; key++) {
            double n = counts[block][key];
            if (n > 0) {
                vec_push(&cells->at, (struct compare_cell){.key = key,
                                                           .run = run,
                                                           .block = block,
                                                           .n = (uint64_t)n,
                                                           .value = n,
                                                           .squares = n});
            }
        }
    }
}

// Costs that fall off as those of real programs do.
static struct program long_tail(size_t n_keys)
{
    struct program program = {.n_keys = n_keys, .mood = 1};
    for (size_t i = 0; i < n_keys; i++) {
        program.cost[i] = 1 / (1 + (double)i);
    }
    return program;
}

struct pair {
    struct program program[2];
    size_t n_samples[2];
    size_t n_runs[2];
    double run_draws; // 0: runs do not differ
    double fail_above;
};

static void compare_pair(const struct pair *pair, struct compare *ret)
{
    struct compare_cells cells = {0};
    uint32_t run = 0;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < pair->n_runs[side]; i++) {
            add_run(&cells, &pair->program[side], run++, pair->n_samples[side]);
        }
    }
    struct compare_params params = {
        .n_keys = MAX_KEYS,
        .n_runs = {pair->n_runs[A], pair->n_runs[B]},
        .run_draws = pair->run_draws > 0 ? pair->run_draws : (double)INFINITY,
        .apart = COMPARE_NO_KEY,
        .fail_above = pair->fail_above,
    };
    compare_make(ret, &params, &cells);
    vec_fini(&cells.at);
}

static struct pair null_pair(struct program program, size_t n_samples, size_t n_runs)
{
    return (struct pair){
        .program = {program, program},
        .n_samples = {n_samples, n_samples},
        .n_runs = {n_runs, n_runs},
    };
}

static const struct compare_row *row_of(const struct compare *compare, uint32_t key)
{
    for (size_t i = 0; i < compare->rows.n; i++) {
        if (compare->rows.at[i].key == key) {
            return &compare->rows.at[i];
        }
    }
    return NULL;
}

// ---- Nothing has changed -----------------------------------------------------------------------

// How many of `n` pairs may be called different when each is with probability `p`.
static double most_of(double n, double p)
{
    return n * p + 4.9 * sqrt(n * p * (1 - p)) + 1;
}

static void check_null(const char *what, const struct pair *pair, size_t n_pairs)
{
    size_t n_called = 0;
    random_state = 4711;
    for (size_t i = 0; i < n_pairs; i++) {
        struct compare compare;
        compare_pair(pair, &compare);
        n_called += compare.outcome == COMPARE_REGRESSION || compare.outcome == COMPARE_IMPROVEMENT;
        compare_fini(&compare);
    }
    print_message("%s: %zu of %zu equal pairs called different\n", what, n_called, n_pairs);
    assert_true((double)n_called <= most_of((double)n_pairs, COMPARE_ALPHA));
}

static void test_null_of_independent_samples(void **state)
{
    (void)state;
    struct pair pair = null_pair(long_tail(100), 5000, 1);
    check_null("independent", &pair, 800);
    pair = null_pair(long_tail(10), 300, 1);
    check_null("few samples", &pair, 2000);
    pair = null_pair(long_tail(2), 5000, 1);
    check_null("two functions", &pair, 500);
    pair = null_pair(long_tail(100), 5000, 1);
    pair.n_samples[B] = 700;
    check_null("uneven lengths", &pair, 800);
}

static void test_null_of_bursts(void **state)
{
    (void)state;
    for (double burst = 3; burst < 1000; burst *= 5) {
        struct program program = long_tail(30);
        program.burst = burst;
        program.mood = 3;
        struct pair pair = null_pair(program, 6000, 1);
        char what[64];
        snprintf(what, sizeof what, "bursts of %.0f samples", burst);
        check_null(what, &pair, 400);
    }
}

static void test_null_of_stages(void **state)
{
    (void)state;
    struct program program = long_tail(30);
    program.stages = true;
    struct pair pair = null_pair(program, 6000, 1);
    check_null("stages", &pair, 400);
}

static void test_null_of_runs_that_differ(void **state)
{
    (void)state;
    struct program program = long_tail(30);
    program.run_draws = 10000;
    struct pair pair = null_pair(program, 20000, 1);
    pair.run_draws = program.run_draws;
    check_null("as much as is assumed", &pair, 200);
    program.run_draws = 0;
    program.run_sd = 0.1;
    pair = null_pair(program, 5000, 4);
    check_null("0.1, four runs each", &pair, 200);
    pair = null_pair(program, 5000, 2);
    check_null("0.1, two runs each", &pair, 200);
    pair.n_runs[A] = 5;
    pair.n_runs[B] = 1;
    check_null("0.1, five and one", &pair, 200);
}

// ---- Something has -----------------------------------------------------------------------------

static void test_a_change_is_found_with_the_stated_power(void **state)
{
    (void)state;
    enum { PAIRS = 400, KEY = 1, ASKED = 20 };
    struct pair pair = null_pair(long_tail(10), 20000, 1);
    random_state = 99;
    struct compare compare;
    double change = 0;
    for (int i = 0; i < ASKED; i++) {
        compare_pair(&pair, &compare);
        change += row_of(&compare, KEY)->min_detectable / ASKED;
        compare_fini(&compare);
    }
    assert_true(change > 0.1 && change < 0.15);
    pair.program[B].cost[KEY] *= 1 + change;
    size_t n_found = 0;
    size_t n_covered = 0;
    size_t n_others = 0;
    double sum = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        compare_pair(&pair, &compare);
        const struct compare_row *row = row_of(&compare, KEY);
        n_found += row->verdict == COMPARE_SLOWER;
        n_covered += row->change_low <= change && change <= row->change_high;
        sum += row->change;
        for (uint32_t key = 0; key < 10; key++) {
            enum compare_verdict verdict = row_of(&compare, key)->verdict;
            n_others += key != KEY && (verdict == COMPARE_SLOWER || verdict == COMPARE_FASTER);
        }
        compare_fini(&compare);
    }
    print_message("%+.1f %%: found in %zu of %d, interval right in %zu, others accused %zu times, "
                  "mean %+.2f %%\n",
                  100 * change, n_found, PAIRS, n_covered, n_others, 100 * sum / PAIRS);
    assert_true((double)n_found >= PAIRS - most_of(PAIRS, 1 - COMPARE_POWER));
    assert_true((double)n_covered >= PAIRS - most_of(PAIRS, 1 - COMPARE_CONFIDENCE));
    assert_true((double)n_others <= most_of(PAIRS, COMPARE_ALPHA));
    assert_true(fabs(sum / PAIRS - change) < 0.2 * change);
}

// The biggest function is twice as fast: no other one is called slower.
static void test_an_improvement_accuses_nobody(void **state)
{
    (void)state;
    enum { PAIRS = 100 };
    struct pair pair = null_pair(long_tail(30), 20000, 1);
    pair.program[A].cost[0] *= 3; // 43 %
    pair.program[B].cost[0] *= 1.5;
    random_state = 7;
    size_t n_accused = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        struct compare compare;
        compare_pair(&pair, &compare);
        assert_int_equal(row_of(&compare, 0)->verdict, COMPARE_FASTER);
        n_accused += compare.outcome != COMPARE_IMPROVEMENT;
        compare_fini(&compare);
    }
    assert_true((double)n_accused <= most_of(PAIRS, COMPARE_ALPHA));
}

// One became slower, one faster; both are measured against those that stayed.
static void test_two_changes_are_told_apart(void **state)
{
    (void)state;
    struct pair pair = null_pair(long_tail(20), 100000, 1);
    pair.program[B].cost[0] *= 1.5;
    pair.program[B].cost[1] *= 0.5;
    random_state = 3;
    struct compare compare;
    compare_pair(&pair, &compare);
    assert_int_equal(compare.outcome, COMPARE_REGRESSION);
    assert_true(fabs(row_of(&compare, 0)->change - 0.5) < 0.1);
    assert_true(fabs(row_of(&compare, 1)->change + 0.5) < 0.1);
    for (uint32_t key = 2; key < 20; key++) {
        enum compare_verdict verdict = row_of(&compare, key)->verdict;
        assert_true(verdict == COMPARE_SAME || verdict == COMPARE_TOO_FEW);
    }
    compare_fini(&compare);
}

static void test_new_and_gone(void **state)
{
    (void)state;
    struct pair pair = null_pair(long_tail(10), 20000, 1);
    pair.program[A].cost[3] = 0;
    pair.program[B].cost[4] = 0;
    random_state = 5;
    struct compare compare;
    compare_pair(&pair, &compare);
    const struct compare_row *new = row_of(&compare, 3);
    const struct compare_row *gone = row_of(&compare, 4);
    assert_int_equal(new->verdict, COMPARE_SLOWER);
    assert_true(isinf(new->change) && isinf(new->change_high) && new->change_low > 10);
    assert_int_equal(gone->verdict, COMPARE_FASTER);
    assert_true(gone->change == -1 && gone->change_low == -1 && gone->change_high < -0.9);
    compare_fini(&compare);
}

static void test_fail_above(void **state)
{
    (void)state;
    struct pair pair = null_pair(long_tail(10), 100000, 1);
    pair.program[B].cost[0] *= 1.3;
    for (int i = 0; i < 2; i++) {
        pair.fail_above = i == 0 ? 0.1 : 0.29;
        random_state = 11;
        struct compare compare;
        compare_pair(&pair, &compare);
        assert_int_equal(row_of(&compare, 0)->verdict, COMPARE_SLOWER);
        assert_int_equal(compare.fails, i == 0);
        assert_int_equal(row_of(&compare, 0)->fails, i == 0);
        compare_fini(&compare);
    }
}

// ---- Hardly anything, or nothing ---------------------------------------------------------------

static void test_too_few(void **state)
{
    (void)state;
    struct pair pair = null_pair(long_tail(10), 500, 1);
    random_state = 13;
    struct compare compare;
    compare_pair(&pair, &compare);
    assert_int_equal(compare.outcome, COMPARE_UNTOLD);
    assert_int_equal(row_of(&compare, 0)->verdict, COMPARE_TOO_FEW);
    compare_fini(&compare);
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    struct compare_cells cells = {0};
    struct compare_params params = {
        .n_keys = 0, .n_runs = {1, 1}, .run_draws = INFINITY, .apart = COMPARE_NO_KEY};
    struct compare compare;
    compare_make(&compare, &params, &cells);
    assert_int_equal(compare.outcome, COMPARE_UNTOLD);
    assert_int_equal(compare.rows.n, 0);
    compare_fini(&compare);
    // One side, one key: there is nothing to compare it with.
    vec_push(&cells.at, (struct compare_cell){.n = 1000, .value = 1000, .squares = 1000});
    params.n_keys = 1;
    compare_make(&compare, &params, &cells);
    assert_int_equal(compare.outcome, COMPARE_UNTOLD);
    assert_true(isinf(compare.rows.at[0].min_detectable));
    compare_fini(&compare);
    vec_fini(&cells.at);
}

// What stands apart is shown, and that it is a hundred times as much changes nothing else.
static void test_apart(void **state)
{
    (void)state;
    struct compare_cells cells = {0};
    for (uint32_t i = 0; i < 2 * COMPARE_BLOCKS; i++) {
        for (uint32_t key = 0; key < 3; key++) {
            uint32_t run = i / COMPARE_BLOCKS;
            uint64_t n = key == 2 ? 1 + 99 * run : 1000;
            vec_push(&cells.at, (struct compare_cell){.key = key,
                                                      .run = run,
                                                      .block = i % COMPARE_BLOCKS,
                                                      .n = n,
                                                      .value = (double)n,
                                                      .squares = (double)n});
        }
    }
    struct compare_params params = {
        .n_keys = 3, .n_runs = {1, 1}, .run_draws = INFINITY, .apart = 2};
    struct compare compare;
    compare_make(&compare, &params, &cells);
    assert_int_equal(compare.outcome, COMPARE_NO_CHANGE);
    assert_int_equal(compare.n_tested, 2);
    assert_int_equal(row_of(&compare, 2)->verdict, COMPARE_APART);
    assert_int_equal(row_of(&compare, 2)->n[B], 100 * COMPARE_BLOCKS);
    compare_fini(&compare);
    vec_fini(&cells.at);
}

// Few long waits, many short ones: one that is much longer is no evidence.
static void test_heavy_tails_are_not_told(void **state)
{
    (void)state;
    struct compare_cells cells = {0};
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t block = 0; block < COMPARE_BLOCKS; block++) {
            struct compare_cell waits = {
                .key = 0, .run = side, .block = block, .n = 10, .value = 10e6, .squares = 10e12};
            vec_push(&cells.at, waits);
        }
        double ns = side == 0 ? 100e6 : 500e6;
        struct compare_cell rare = {
            .key = 1, .run = side, .block = 5, .n = 1, .value = ns, .squares = ns * ns};
        struct compare_cell often = {
            .key = 1, .run = side, .block = 9, .n = 30, .value = 30e3, .squares = 30e6};
        vec_push(&cells.at, rare);
        vec_push(&cells.at, often);
    }
    struct compare_params params = {
        .n_keys = 2, .n_runs = {1, 1}, .run_draws = INFINITY, .apart = COMPARE_NO_KEY};
    struct compare compare;
    compare_make(&compare, &params, &cells);
    assert_int_equal(compare.outcome, COMPARE_UNTOLD);
    assert_int_equal(row_of(&compare, 1)->verdict, COMPARE_TOO_FEW);
    compare_fini(&compare);
    vec_fini(&cells.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_of_independent_samples),
        cmocka_unit_test(test_null_of_bursts),
        cmocka_unit_test(test_null_of_stages),
        cmocka_unit_test(test_null_of_runs_that_differ),
        cmocka_unit_test(test_a_change_is_found_with_the_stated_power),
        cmocka_unit_test(test_an_improvement_accuses_nobody),
        cmocka_unit_test(test_two_changes_are_told_apart),
        cmocka_unit_test(test_new_and_gone),
        cmocka_unit_test(test_fail_above),
        cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_nothing_at_all),
        cmocka_unit_test(test_apart),
        cmocka_unit_test(test_heavy_tails_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
