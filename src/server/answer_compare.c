// A comparison as JSON. Samples and waits are counted over all runs of a side, times are the mean
// of its runs.

#include "base/clock.h"
#include "query/compare_keys.h"
#include "rpc/json.h"
#include "server/answer_parts.h"
#include "server/answers.h"
#include "server/comparison.h"

#include <math.h>

enum { PER_CENT = 100 };

struct side_total {
    double ns; // on a CPU, or waiting, of one run
    double duration_ns;
};

struct putting {
    struct json *j;
    const struct question *question;
    struct analysis *const *analyses;
    struct compare compare;
    struct compare_keys keys;
    struct side_total totals[2];
};

static size_t first_run(const struct question_runs *runs, size_t side)
{
    return side == 0 ? 0 : runs->n_of[0];
}

// ---- Sides -------------------------------------------------------------------------------------

static void put_run(struct putting *p, size_t i, struct side_total *sum)
{
    struct analysis *analysis = p->analyses[i];
    const struct store *store = analysis->run->store;
    struct total total = {0};
    total_make(&total, analysis->tree, &analysis->everything.fold, store, &analysis->reasons);
    uint64_t duration_ns = store_end_ns(store) - store->started_ns;
    bool on_cpu = p->question->runs.mode == MODE_ON_CPU;
    sum->ns += (double)(on_cpu ? total.total_on_cpu_ns : off_cpu_total(&total.total_off_cpu));
    sum->duration_ns += (double)duration_ns;
    json_object_begin(p->j);
    json_u64_field(p->j, "run", analysis->run->id);
    json_string_field(p->j, "label", analysis->run->params.label);
    json_u64_field(p->j, "duration_ns", duration_ns);
    json_u64_field(p->j, "on_cpu_ns", total.total_on_cpu_ns);
    json_u64_field(p->j, "blocked_ns", off_cpu_total(&total.total_off_cpu));
    put_health(p->j, &total.health);
    json_object_end(p->j);
}

static void put_side(struct putting *p, const char *key, size_t side)
{
    const struct question_runs *runs = &p->question->runs;
    struct side_total sum = {0};
    json_key(p->j, key);
    json_object_begin(p->j);
    json_key(p->j, "runs");
    json_array_begin(p->j);
    for (size_t i = 0; i < runs->n_of[side]; i++) {
        put_run(p, first_run(runs, side) + i, &sum);
    }
    json_array_end(p->j);
    double n = (double)runs->n_of[side];
    p->totals[side] = (struct side_total){sum.ns / n, sum.duration_ns / n};
    json_u64_field(p->j, "count", p->compare.n[side]);
    json_double_field(p->j, "ns", p->totals[side].ns);
    json_double_field(p->j, "duration_ns", p->totals[side].duration_ns);
    json_object_end(p->j);
}

// ---- Rows --------------------------------------------------------------------------------------

// A number that has no end is left out.
static void put_percent(struct json *j, const char *key, double ratio)
{
    if (isfinite(ratio)) {
        json_double_field(j, key, PER_CENT * ratio);
    }
}

static void put_amount(const struct putting *p, const char *key, const struct compare_row *row,
                       size_t side)
{
    const struct side_total *total = &p->totals[side];
    double ns = row->share[side] * total->ns;
    json_key(p->j, key);
    json_object_begin(p->j);
    json_u64_field(p->j, "count", row->n[side]);
    json_double_field(p->j, "share_pct", PER_CENT * row->share[side]);
    json_double_field(p->j, "ns", ns);
    json_double_field(p->j, "ns_per_s",
                      total->duration_ns > 0 ? ns / total->duration_ns * NS_PER_S : 0);
    json_object_end(p->j);
}

static void put_stack_names(const struct putting *p, uint32_t leaf)
{
    VEC(const char *) names = {0};
    for (uint32_t key = leaf; key != COMPARE_NO_KEY; key = p->keys.at.at[key].caller) {
        vec_push(&names, p->keys.at.at[key].name);
    }
    json_key(p->j, "stack");
    json_array_begin(p->j);
    while (names.n > 0 && !answer_is_full(p->j)) {
        json_cstr(p->j, vec_pop(&names));
    }
    json_array_end(p->j);
    vec_fini(&names);
}

static const char *presence_of(const struct compare_row *row)
{
    return row->n[0] == 0 ? "new" : row->n[1] == 0 ? "gone" : "both";
}

static void put_row(const struct putting *p, const struct compare_row *row)
{
    const struct compare_key *key = &p->keys.at.at[row->key];
    json_object_begin(p->j);
    json_string_field(p->j, "name", key->name);
    json_string_field(p->j, "binary", key->binary);
    if (p->question->runs.by == COMPARE_BY_STACK) {
        put_stack_names(p, row->key);
    }
    json_string_field(p->j, "verdict", compare_verdict_name(row->verdict));
    json_string_field(p->j, "presence", presence_of(row));
    json_bool_field(p->j, "fails", row->fails);
    put_amount(p, "a", row, 0);
    put_amount(p, "b", row, 1);
    if (row->tested) {
        put_percent(p->j, "change_pct", row->change);
        put_percent(p->j, "change_low_pct", row->change_low);
        put_percent(p->j, "change_high_pct", row->change_high);
        json_double_field(p->j, "p", row->p);
        json_double_field(p->j, "p_adjusted", row->p_adjusted);
        put_percent(p->j, "min_detectable_pct", row->min_detectable);
    }
    json_object_end(p->j);
}

// ---- Whole -------------------------------------------------------------------------------------

static void put_comparison(struct putting *p)
{
    static const char *const bys[] = {"function", "stack", "thread"};
    const struct question_runs *runs = &p->question->runs;
    const struct compare *compare = &p->compare;
    struct json *j = p->j;
    json_object_begin(j);
    json_string_field(j, "verdict", compare_outcome_name(compare->outcome));
    json_bool_field(j, "fails", compare->fails);
    json_string_field(j, "by", bys[runs->by]);
    json_string_field(j, "mode", runs->mode == MODE_ON_CPU ? "on_cpu" : "off_cpu");
    put_percent(j, "fail_above_pct", runs->fail_above);
    put_percent(j, "min_detectable_pct", compare->min_detectable);
    if (compare->estimated) {
        put_percent(j, "run_variation_pct", compare->run_variation);
    }
    put_side(p, "a", 0);
    put_side(p, "b", 1);
    json_u64_field(j, "n_tested", compare->n_tested);
    json_u64_field(j, "n_rows", compare->rows.n);
    json_key(j, "rows");
    json_array_begin(j);
    size_t limit = p->question->params.limit;
    for (size_t i = 0; i < MIN(limit, compare->rows.n) && !answer_is_full(j); i++) {
        put_row(p, &compare->rows.at[i]);
    }
    json_array_end(j);
    json_object_end(j);
}

void answer_compare(struct text *to, struct analysis *const *analyses,
                    const struct question *question)
{
    const struct question_runs *runs = &question->runs;
    VEC(struct compare_source) sources = {0};
    for (size_t i = 0; i < runs->all.n; i++) {
        struct compare_source source = {.counted = &question->comparison->sides[i],
                                        .tree = analyses[i]->tree,
                                        .reasons = &analyses[i]->reasons};
        vec_push(&sources, source);
    }
    struct json j;
    json_init(&j, to);
    struct putting p = {.j = &j, .question = question, .analyses = analyses};
    struct compare_cells cells = {0};
    compare_keys_make(&p.keys, sources.at, runs->n_of, &cells);
    struct compare_params params = {
        .n_keys = p.keys.at.n,
        .n_runs = {runs->n_of[0], runs->n_of[1]},
        .run_draws = COMPARE_RUN_DRAWS,
        .apart = p.keys.interrupts,
        .fail_above = runs->fail_above,
    };
    compare_make(&p.compare, &params, &cells);
    put_comparison(&p);
    compare_fini(&p.compare);
    compare_keys_fini(&p.keys);
    vec_fini(&cells.at);
    vec_fini(&sources);
}
