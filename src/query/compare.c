#include "query/compare.h"

#include "base/base.h"
#include "base/limits.h"
#include "query/student.h"

#include <float.h>
#include <math.h>

enum {
    SIDES = 2,
    MAX_DF = COMPARE_BLOCKS - 1,
    MIN_DF = 3,
    PRIOR_DF = 8,      // how much a key's run-to-run variation is taken to be that of the others
    FEW_UNITS = 20,    // below, the normal approximation gives way to an exact test
    SINGLE_STEPS = 64, // changed keys that are taken out of the reference one by one
};

static const double max_correlation = 0.9;

// What one side has of something: a key, or everything that has not changed.
struct part {
    double value;
    double squares;
    double blocks[COMPARE_BLOCKS]; // of all runs of the side
    double *of_run;                // value by run, of all runs; owned by the work
};

enum state { ACTIVE, CHANGED };

struct tested {
    size_t row;
    enum state state;
    struct part parts[SIDES];
    double run_spread; // variance of the log odds from run to run
    double p;          // when it was last looked at
    double p_adjusted;
};

// The log of the ratio of odds, and how well it is known.
struct estimate {
    bool known;
    double change; // log
    double variance;
    double df;
    bool exact; // few counts: these stand for as many independent draws
    double counts[SIDES];
    double exposure; // of B to A
};

struct work {
    const struct compare_params *params;
    struct compare *compare;
    struct part active[SIDES];
    VEC(struct tested) tested;
    VEC(double) of_run; // of all parts
    size_t n_runs;
    double quantiles[2][MAX_DF + 1]; // of the interval, and of what is significant; 0: not yet
};

static size_t side_of_run(const struct compare_params *params, size_t run)
{
    return run < params->n_runs[0] ? 0 : 1;
}

// ---- Rows --------------------------------------------------------------------------------------

static void sum_rows(struct compare *compare, const struct compare_params *params,
                     const struct compare_cells *cells)
{
    CLEANUP(freep) uint32_t *row_of = NEW_ARRAY(uint32_t, params->n_keys + 1);
    for (size_t i = 0; i < cells->at.n; i++) {
        const struct compare_cell *cell = &cells->at.at[i];
        size_t side = side_of_run(params, cell->run);
        if (row_of[cell->key] == 0) {
            vec_push(&compare->rows,
                     (struct compare_row){.key = cell->key, .verdict = COMPARE_TOO_FEW});
            row_of[cell->key] = (uint32_t)compare->rows.n;
        }
        struct compare_row *row = &compare->rows.at[row_of[cell->key] - 1];
        row->n[side] += cell->n;
        row->value[side] += cell->value;
        compare->n[side] += cell->n;
        compare->value[side] += cell->value;
    }
    for (size_t i = 0; i < compare->rows.n; i++) {
        struct compare_row *row = &compare->rows.at[i];
        for (size_t side = 0; side < SIDES; side++) {
            double all = compare->value[side];
            row->share[side] = all > 0 ? row->value[side] / all : 0;
        }
    }
}

static int by_share(const void *a, const void *b)
{
    const struct compare_row *x = a;
    const struct compare_row *y = b;
    double share_x = x->share[0] + x->share[1];
    double share_y = y->share[0] + y->share[1];
    if (share_x != share_y) {
        return share_x > share_y ? -1 : 1;
    }
    return x->key < y->key ? -1 : 1;
}

static bool has_changed(const struct compare_row *row)
{
    return row->verdict == COMPARE_SLOWER || row->verdict == COMPARE_FASTER;
}

static int by_weight(const void *a, const void *b)
{
    const struct compare_row *x = a;
    const struct compare_row *y = b;
    double moved_x = has_changed(x) ? fabs(x->share[1] - x->share[0]) : -1;
    double moved_y = has_changed(y) ? fabs(y->share[1] - y->share[0]) : -1;
    if (moved_x != moved_y) {
        return moved_x > moved_y ? -1 : 1;
    }
    return by_share(a, b);
}

// ---- What is tested ----------------------------------------------------------------------------

static void part_init(struct work *w, struct part *part, size_t index)
{
    *part = (struct part){.of_run = w->of_run.at + index * w->n_runs};
}

static void part_add(struct part *part, const struct compare_cell *cell)
{
    part->value += cell->value;
    part->squares += cell->squares;
    part->blocks[cell->block % COMPARE_BLOCKS] += cell->value;
    part->of_run[cell->run] += cell->value;
}

// Asked of both sides together: that says nothing about their difference, so leaving the others out
// is no choice in favour of one verdict. What is tiny goes by its own laws from run to run (a thunk
// of the kernel that is mispredicted in one run of twenty), and nobody would act on it.
static bool is_enough(const struct compare_row *row)
{
    return row->n[0] + row->n[1] >= COMPARE_MIN_UNITS &&
           row->share[0] + row->share[1] >= 2 * COMPARE_MIN_SHARE;
}

static void choose_tested(struct work *w, const struct compare_cells *cells)
{
    struct compare *compare = w->compare;
    qsort(compare->rows.at, compare->rows.n, sizeof *compare->rows.at, by_share);
    CLEANUP(freep) uint32_t *tested_of = NEW_ARRAY(uint32_t, w->params->n_keys + 1);
    for (size_t i = 0; i < compare->rows.n && w->tested.n < LIMIT_COMPARE_TESTED; i++) {
        struct compare_row *row = &compare->rows.at[i];
        if (row->key == w->params->apart) {
            row->verdict = COMPARE_APART;
        } else if (is_enough(row)) {
            row->tested = true;
            vec_push(&w->tested, (struct tested){.row = i});
            tested_of[row->key] = (uint32_t)w->tested.n;
        }
    }
    vec_grow_zeroed(&w->of_run, SIDES * (w->tested.n + 1) * w->n_runs);
    for (size_t side = 0; side < SIDES; side++) {
        part_init(w, &w->active[side], side);
        for (size_t i = 0; i < w->tested.n; i++) {
            part_init(w, &w->tested.at[i].parts[side], SIDES * (i + 1) + side);
        }
    }
    for (size_t i = 0; i < cells->at.n; i++) {
        const struct compare_cell *cell = &cells->at.at[i];
        size_t side = side_of_run(w->params, cell->run);
        if (cell->key == w->params->apart) {
            continue;
        }
        part_add(&w->active[side], cell);
        if (tested_of[cell->key] != 0) {
            part_add(&w->tested.at[tested_of[cell->key] - 1].parts[side], cell);
        }
    }
    compare->n_tested = w->tested.n;
}

// Takes a key out of the reference (-1), or puts it back (1).
static void move(struct work *w, struct tested *key, enum state to)
{
    double sign = to == ACTIVE ? 1 : -1;
    for (size_t side = 0; side < SIDES; side++) {
        struct part *active = &w->active[side];
        const struct part *part = &key->parts[side];
        active->value += sign * part->value;
        active->squares += sign * part->squares;
        for (size_t i = 0; i < COMPARE_BLOCKS; i++) {
            active->blocks[i] += sign * part->blocks[i];
        }
        for (size_t run = 0; run < w->n_runs; run++) {
            active->of_run[run] += sign * part->of_run[run];
        }
    }
    key->state = to;
}

// ---- Estimates ---------------------------------------------------------------------------------

// A key's own amount, and the reference that it is set against.
struct odds {
    double key;
    double key_unit; // how much one independent draw is: 1 for samples
    double rest;
    double rest_unit;
};

static double unit_of(double value, double squares, double otherwise)
{
    return value > 0 && squares > 0 ? squares / value : otherwise;
}

static struct odds odds_of(const struct work *w, const struct tested *key, size_t side)
{
    const struct part *part = &key->parts[side];
    const struct part *other = &key->parts[1 - side];
    const struct part *active = &w->active[side];
    bool within = key->state == ACTIVE;
    struct odds odds = {
        .key = part->value,
        .key_unit = unit_of(part->value, part->squares, unit_of(other->value, other->squares, 1)),
        .rest = active->value - (within ? part->value : 0),
    };
    odds.rest_unit = unit_of(odds.rest, active->squares - (within ? part->squares : 0), 1);
    return odds;
}

// With half a draw more on both, so that zero has a logarithm (Haldane, Anscombe).
static double log_odds(const struct odds *odds)
{
    return log((odds->key + odds->key_unit / 2) / (odds->rest + odds->rest_unit / 2));
}

// Of independent draws.
static double least_variance(const struct odds *odds)
{
    return 1 / (odds->key / odds->key_unit + 0.5) + 1 / (odds->rest / odds->rest_unit + 0.5);
}

// The variance of the log of the ratio from the scatter of the blocks: each block's part in both
// odds (their derivative), B against A.
static double block_variance(const struct work *w, const struct tested *key,
                             const struct odds odds[SIDES], double *ret_df)
{
    double pulls[COMPARE_BLOCKS] = {0};
    for (size_t side = 0; side < SIDES; side++) {
        double sign = side == 0 ? -1 : 1;
        if (odds[side].key <= 0) {
            continue; // how it varies is not known: least_variance() has a say
        }
        for (size_t i = 0; i < COMPARE_BLOCKS; i++) {
            double mine = key->parts[side].blocks[i];
            double rest = w->active[side].blocks[i] - (key->state == ACTIVE ? mine : 0);
            pulls[i] += sign * (mine / odds[side].key - rest / odds[side].rest);
        }
    }
    double squares = 0;
    double neighbours = 0;
    for (size_t i = 0; i < COMPARE_BLOCKS; i++) {
        squares += pulls[i] * pulls[i];
        neighbours += i > 0 ? pulls[i] * pulls[i - 1] : 0;
    }
    // The estimate is too low by about (1 + 4 r) / n (Kendall 1954).
    double correlation = squares > 0 ? neighbours / squares : 0;
    correlation += (1 + 4 * correlation) / COMPARE_BLOCKS;
    correlation = MAX(0.0, MIN(correlation, max_correlation));
    double longer = (1 + correlation) / (1 - correlation);
    // The correlation is an estimate, too: the larger it is, the less is known of the variance.
    double df = MAX_DF * (1 - correlation * correlation) / (1 + 8 * correlation);
    *ret_df = MAX((double)MIN_DF, floor(df));
    return squares * COMPARE_BLOCKS / MAX_DF * longer;
}

// Of one side's run: what its odds vary by as if it had been that many draws.
static double assumed_spread(const struct work *w, const struct odds *odds)
{
    double whole = odds->key + odds->rest;
    double few = odds->key_unit / 2; // keeps a key that is not there finite
    return whole / (w->params->run_draws * (odds->key + few)) +
           whole / (w->params->run_draws * odds->rest);
}

static double between_runs(const struct work *w, const struct tested *key,
                           const struct odds odds[SIDES], double *df)
{
    const size_t *n_runs = w->params->n_runs;
    if (!w->compare->estimated) {
        return assumed_spread(w, &odds[0]) + assumed_spread(w, &odds[1]);
    }
    *df = MIN(*df, (double)(PRIOR_DF + w->n_runs - SIDES));
    return key->run_spread * (1 / (double)n_runs[0] + 1 / (double)n_runs[1]);
}

static struct estimate estimate(const struct work *w, const struct tested *key)
{
    struct odds odds[SIDES] = {odds_of(w, key, 0), odds_of(w, key, 1)};
    struct estimate e = {0};
    if (odds[0].rest <= 0 || odds[1].rest <= 0) {
        return e; // nothing is left to compare it with
    }
    double least = least_variance(&odds[0]) + least_variance(&odds[1]);
    e.known = true;
    e.change = log_odds(&odds[1]) - log_odds(&odds[0]);
    e.variance = MAX(least, block_variance(w, key, odds, &e.df));
    e.variance += between_runs(w, key, odds, &e.df);
    double draws[SIDES] = {odds[0].key / odds[0].key_unit, odds[1].key / odds[1].key_unit};
    double alone = 1 / (draws[0] + 0.5) + 1 / (draws[1] + 0.5);
    double factor = MAX(1.0, e.variance / alone);
    e.counts[0] = draws[0] / factor;
    e.counts[1] = draws[1] / factor;
    // In units of the key's own draws, which on the side without any are those of the other.
    e.exposure = (odds[1].rest / odds[1].key_unit) / (odds[0].rest / odds[0].key_unit);
    e.exact = MIN(e.counts[0], e.counts[1]) < FEW_UNITS;
    return e;
}

// Of as many draws as both sides have together, each falls on B with a probability that the
// exposure tells: the conditional test of two rates. Nothing is approximated, so it errs on the
// safe side.
static double exact_p(const struct estimate *e)
{
    double a = e->counts[0];
    double b = e->counts[1];
    double x = e->exposure / (1 + e->exposure);
    double at_least = b > 0 ? student_beta(x, b, a + 1) : 1;
    double at_most = a > 0 ? 1 - student_beta(x, b + 1, a) : 1;
    return student_from_normal(MIN(1.0, 2 * MIN(at_least, at_most)), e->df);
}

static double p_of(const struct estimate *e)
{
    if (!e->known) {
        return 1;
    }
    if (e->exact) {
        return exact_p(e);
    }
    return student_two_sided(e->change / sqrt(e->variance), e->df);
}

struct range {
    double low; // logs
    double high;
};

static double log_of_odds(double probability)
{
    return probability <= 0 ? -INFINITY : log(probability) - log1p(-probability);
}

enum level { LEVEL_INTERVAL, LEVEL_SIGNIFICANT };

static double tail_of(const struct work *w, enum level level)
{
    double n = (double)MAX(w->tested.n, (size_t)1);
    return level == LEVEL_INTERVAL ? (1 - COMPARE_CONFIDENCE) / 2 : COMPARE_ALPHA / n / 2;
}

static double quantile_of(struct work *w, enum level level, double df)
{
    double *known = &w->quantiles[level][(size_t)df];
    if (*known == 0) {
        *known = student_quantile(tail_of(w, level), floor(df));
    }
    return *known;
}

static struct range range_of(struct work *w, const struct estimate *e, enum level level)
{
    if (!e->known) {
        return (struct range){-INFINITY, INFINITY};
    }
    if (!e->exact) {
        double reach = quantile_of(w, level, e->df) * sqrt(e->variance);
        return (struct range){e->change - reach, e->change + reach};
    }
    double a = e->counts[0];
    double b = e->counts[1];
    double tail = student_to_normal(2 * tail_of(w, level), e->df) / 2;
    double base = log(e->exposure);
    return (struct range){
        b > 0 ? log_of_odds(student_beta_quantile(tail, b, a + 1)) - base : -INFINITY,
        a > 0 ? log_of_odds(student_beta_quantile(1 - tail, b + 1, a)) - base : INFINITY,
    };
}

// ---- From run to run ---------------------------------------------------------------------------

struct spread {
    double found;    // beyond what the samples of each run make
    double expected; // that
};

// One key's log odds in each run, against those of the other runs of its side. False: it is missing
// from some run.
static bool spread_of(const struct work *w, const struct tested *key, struct spread *ret)
{
    double scatter = 0;
    double expected = 0;
    for (size_t side = 0, run = 0; side < SIDES; side++) {
        double sum = 0;
        double squares = 0;
        double n = (double)w->params->n_runs[side];
        for (size_t i = 0; i < w->params->n_runs[side]; i++, run++) {
            struct odds odds = odds_of(w, key, side);
            odds.key = key->parts[side].of_run[run];
            odds.rest = w->active[side].of_run[run] - odds.key;
            if (odds.key <= 0 || odds.rest <= 0) {
                return false;
            }
            double log = log_odds(&odds);
            sum += log;
            squares += log * log;
            expected += least_variance(&odds) * (1 - 1 / n);
        }
        scatter += MAX(0.0, squares - sum * sum / n);
    }
    double df = (double)(w->n_runs - SIDES);
    *ret = (struct spread){(scatter - expected) / df, expected / df};
    return true;
}

// What a few runs say about one key is not much; so it is drawn towards what they say about all.
static void find_run_spread(struct work *w)
{
    struct compare *compare = w->compare;
    compare->estimated = w->n_runs > SIDES;
    double sum = 0;
    double weights = 0;
    struct spread spread;
    for (size_t i = 0; compare->estimated && i < w->tested.n; i++) {
        if (spread_of(w, &w->tested.at[i], &spread)) {
            double weight = 1 / (spread.expected * spread.expected);
            sum += weight * spread.found;
            weights += weight;
        }
    }
    double common = weights > 0 ? MAX(0.0, sum / weights) : 0;
    compare->run_variation = sqrt(common);
    double df = (double)(w->n_runs - SIDES);
    for (size_t i = 0; compare->estimated && i < w->tested.n; i++) {
        struct tested *key = &w->tested.at[i];
        key->run_spread = common;
        if (spread_of(w, key, &spread)) {
            double drawn = (PRIOR_DF * common + df * spread.found) / (PRIOR_DF + df);
            key->run_spread = MAX(0.0, drawn);
        }
    }
}

// ---- Testing -----------------------------------------------------------------------------------

static double time_change(const struct compare_params *params, const struct tested *key)
{
    double a = key->parts[0].value / (double)params->n_runs[0];
    double b = key->parts[1].value / (double)params->n_runs[1];
    return a > 0 && b > 0 ? fabs(log(b / a)) : INFINITY;
}

// Of two keys that are all there is, one has gained what the other has lost: then that one has
// changed whose own amount did.
static bool goes_before(const struct compare_params *params, const struct tested *a,
                        const struct tested *b)
{
    if (fabs(a->p - b->p) > 1e-6 * MIN(a->p, b->p)) {
        return a->p < b->p;
    }
    return time_change(params, a) > time_change(params, b);
}

static struct tested *most_significant(struct work *w)
{
    struct tested *best = NULL;
    for (size_t i = 0; i < w->tested.n; i++) {
        struct tested *key = &w->tested.at[i];
        if (key->state == ACTIVE) {
            struct estimate e = estimate(w, key);
            key->p = p_of(&e);
            best = best == NULL || goes_before(w->params, key, best) ? key : best;
        }
    }
    return best;
}

static int by_p(const void *a, const void *b)
{
    const struct tested *x = *(const struct tested *const *)a;
    const struct tested *y = *(const struct tested *const *)b;
    if (x->p != y->p) {
        return x->p < y->p ? -1 : 1;
    }
    return x->row < y->row ? -1 : 1;
}

// Holm's step-down procedure for those that are left, all against one reference.
static void adjust_rest(struct work *w, double least)
{
    VEC(struct tested *) left = {0};
    for (size_t i = 0; i < w->tested.n; i++) {
        if (w->tested.at[i].state == ACTIVE) {
            vec_push(&left, &w->tested.at[i]);
        }
    }
    if (left.n > 0) {
        qsort(left.at, left.n, sizeof *left.at, by_p);
    }
    for (size_t i = 0; i < left.n; i++) {
        least = MAX(least, MIN(1.0, left.at[i]->p * (double)(left.n - i)));
        left.at[i]->p_adjusted = least;
    }
    for (size_t i = 0; i < left.n; i++) {
        if (left.at[i]->p_adjusted <= COMPARE_ALPHA) {
            move(w, left.at[i], CHANGED); // there were too many for steps of their own
        }
    }
    vec_fini(&left);
}

static void step_down(struct work *w)
{
    double adjusted = 0;
    for (size_t step = 0; step < w->tested.n; step++) {
        struct tested *best = most_significant(w);
        double p = best->p * (double)(w->tested.n - step);
        if (p > COMPARE_ALPHA || step >= SINGLE_STEPS) {
            break;
        }
        adjusted = MAX(adjusted, p);
        best->p_adjusted = adjusted;
        move(w, best, CHANGED);
    }
    adjust_rest(w, adjusted);
}

// What was taken out early was tested against a reference that others had yet to leave. Those that
// do not stand out from the final one are put back.
static void step_back(struct work *w)
{
    for (size_t i = 0; i < w->tested.n; i++) {
        struct tested *key = &w->tested.at[i];
        if (key->state == CHANGED) {
            struct estimate e = estimate(w, key);
            key->p = p_of(&e);
            double adjusted = MIN(1.0, key->p * (double)w->tested.n);
            key->p_adjusted = MAX(key->p_adjusted, adjusted);
        }
    }
    for (size_t i = 0; i < w->tested.n; i++) {
        struct tested *key = &w->tested.at[i];
        if (key->state == CHANGED && key->p_adjusted > COMPARE_ALPHA) {
            move(w, key, ACTIVE);
        }
    }
}

// ---- Telling -----------------------------------------------------------------------------------

static double telling(const struct compare_params *params)
{
    return params->fail_above > 0 ? params->fail_above : COMPARE_TELLING;
}

static void tell_row(struct work *w, struct tested *key)
{
    struct compare_row *row = &w->compare->rows.at[key->row];
    struct estimate e = estimate(w, key);
    struct range interval = range_of(w, &e, LEVEL_INTERVAL);
    struct range certain = range_of(w, &e, LEVEL_SIGNIFICANT);
    double a = row->value[0];
    double b = row->value[1];
    row->p = key->state == CHANGED ? key->p : p_of(&e);
    row->p_adjusted = key->p_adjusted;
    row->change = a <= 0 ? INFINITY : b <= 0 ? -1 : expm1(e.change);
    row->change_low = expm1(interval.low);
    row->change_high = expm1(interval.high);
    row->min_detectable = INFINITY;
    if (e.known) {
        double reach = quantile_of(w, LEVEL_SIGNIFICANT, e.df) +
                       student_quantile(1 - COMPARE_POWER, e.df);
        row->min_detectable = expm1(reach * sqrt(e.variance));
    }
    if (key->state == CHANGED) {
        row->verdict = row->change > 0 ? COMPARE_SLOWER : COMPARE_FASTER;
        double limit = w->params->fail_above;
        row->fails = row->verdict == COMPARE_SLOWER && (limit <= 0 || certain.low > log1p(limit));
        w->compare->fails = w->compare->fails || row->fails;
    } else {
        row->verdict = row->min_detectable <= telling(w->params) ? COMPARE_SAME : COMPARE_TOO_FEW;
    }
}

static int by_detectable(const void *a, const void *b)
{
    const struct compare_row *x = a;
    const struct compare_row *y = b;
    double x_at = x->tested ? x->min_detectable : INFINITY;
    double y_at = y->tested ? y->min_detectable : INFINITY;
    return x_at < y_at ? -1 : x_at > y_at;
}

static double overall_detectable(struct compare *compare)
{
    double seen = 0;
    if (compare->rows.n > 0) {
        qsort(compare->rows.at, compare->rows.n, sizeof *compare->rows.at, by_detectable);
    }
    for (size_t i = 0; i < compare->rows.n && compare->rows.at[i].tested; i++) {
        seen += compare->rows.at[i].share[0];
        if (seen >= 0.5) {
            return compare->rows.at[i].min_detectable;
        }
    }
    return INFINITY;
}

static enum compare_outcome outcome_of(const struct compare *compare, double telling)
{
    bool faster = false;
    for (size_t i = 0; i < compare->rows.n; i++) {
        if (compare->rows.at[i].verdict == COMPARE_SLOWER) {
            return COMPARE_REGRESSION;
        }
        faster = faster || compare->rows.at[i].verdict == COMPARE_FASTER;
    }
    if (faster) {
        return COMPARE_IMPROVEMENT;
    }
    return compare->min_detectable <= telling ? COMPARE_NO_CHANGE : COMPARE_UNTOLD;
}

void compare_make(struct compare *ret, const struct compare_params *params,
                  const struct compare_cells *cells)
{
    ASSERT(params->n_runs[0] > 0 && params->n_runs[1] > 0);
    *ret = (struct compare){0};
    struct work *w = NEW(struct work);
    w->params = params;
    w->compare = ret;
    w->n_runs = params->n_runs[0] + params->n_runs[1];
    sum_rows(ret, params, cells);
    if (ret->rows.n > 0) {
        choose_tested(w, cells);
        find_run_spread(w);
        step_down(w);
        step_back(w);
    }
    for (size_t i = 0; i < w->tested.n; i++) {
        tell_row(w, &w->tested.at[i]);
    }
    ret->min_detectable = overall_detectable(ret);
    ret->outcome = outcome_of(ret, telling(params));
    if (ret->rows.n > 0) {
        qsort(ret->rows.at, ret->rows.n, sizeof *ret->rows.at, by_weight);
    }
    vec_fini(&w->tested);
    vec_fini(&w->of_run);
    free(w);
}

void compare_fini(struct compare *compare)
{
    vec_fini(&compare->rows);
}

const char *compare_verdict_name(enum compare_verdict verdict)
{
    static const char *const names[] = {
        [COMPARE_SLOWER] = "slower",      [COMPARE_FASTER] = "faster",
        [COMPARE_SAME] = "same",          [COMPARE_TOO_FEW] = "too_few_samples",
        [COMPARE_APART] = "not_compared",
    };
    return names[verdict];
}

const char *compare_outcome_name(enum compare_outcome outcome)
{
    static const char *const names[] = {
        [COMPARE_REGRESSION] = "regression",
        [COMPARE_IMPROVEMENT] = "improvement",
        [COMPARE_NO_CHANGE] = "no_significant_change",
        [COMPARE_UNTOLD] = "too_few_samples",
    };
    return names[outcome];
}
