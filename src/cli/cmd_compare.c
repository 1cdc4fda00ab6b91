#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct compare_options {
    int64_t limit;
    const char *by;
    double fail_above; // per cent
    bool off_cpu;
    bool json;
};

static const struct compare_options defaults = {.limit = 20, .by = "function"};

static const char *const bys[] = {"function", "stack", "thread", NULL};

static const struct option options[] = {
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .doc = "how many lines; default 20",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct compare_options, limit),
     .min = 1,
     .max = LIMIT_COMPARE_ENTRIES},
    {.name = "by",
     .value = "WHAT",
     .doc = "function (the default), stack or thread",
     .kind = OPTION_CHOICE,
     .at = offsetof(struct compare_options, by),
     .choices = bys},
    OPTION_OFF_CPU(struct compare_options),
    {.name = "fail-above",
     .value = "PCT",
     .doc = "fail only for what is slower by more than this",
     .kind = OPTION_NUMBER,
     .at = offsetof(struct compare_options, fail_above),
     .min = 0,
     .max = 10000},
    OPTION_JSON(struct compare_options),
    {.name = NULL},
};

// ---- The headline ------------------------------------------------------------------------------

static const json_t *amount(const json_t *row, const char *side)
{
    return json_object_get(row, side);
}

static bool has(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

static bool has_verdict(const json_t *answer, const char *verdict)
{
    return strcmp(result_text(answer, "verdict"), verdict) == 0;
}

static void put_name(struct text *to, const json_t *row)
{
    const char *name = result_text(row, "name");
    text_add_escaped(to, name, strlen(name));
}

// "+5.1 % (+3.0 to +7.3)"; what has no end is left open.
static void put_change(struct text *to, const json_t *row)
{
    if (!has(row, "p")) {
        text_add(to, "-");
        return;
    }
    if (strcmp(result_text(row, "presence"), "both") != 0) {
        text_add(to, result_text(row, "presence"));
        return;
    }
    text_addf(to, "%+.1f %% (%+.1f to ", result_double(row, "change_pct"),
              result_double(row, "change_low_pct"));
    if (has(row, "change_high_pct")) {
        text_addf(to, "%+.1f)", result_double(row, "change_high_pct"));
    } else {
        text_add(to, "any)");
    }
}

static size_t count_verdicts(const json_t *answer, const char *verdict, const json_t **ret_first)
{
    size_t n = 0;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(answer, "rows"), i, row)
    {
        if (strcmp(result_text(row, "verdict"), verdict) == 0) {
            *ret_first = n++ == 0 ? row : *ret_first;
        }
    }
    return n;
}

// What has changed the most, of those with this verdict, and how many others there are.
static void put_most(struct text *to, const json_t *answer, const char *verdict)
{
    const json_t *row = NULL;
    size_t n = count_verdicts(answer, verdict, &row);
    if (row == NULL) {
        return; // beyond the limit
    }
    put_name(to, row);
    text_addf(to, " is %s: ", verdict);
    put_change(to, row);
    if (n > 1) {
        text_addf(to, ", and %zu more", n - 1);
    }
}

static void put_detectable(struct text *to, const json_t *answer)
{
    if (has(answer, "min_detectable_pct")) {
        text_addf(to, "in half of the base, a change of %.1f %% would be found with 90 %% power",
                  result_double(answer, "min_detectable_pct"));
    } else {
        text_add(to, "in most of the base, no change of any size would be found");
    }
}

static void put_headline(struct text *to, const json_t *answer)
{
    double fail_above = result_double(answer, "fail_above_pct");
    if (has_verdict(answer, "regression")) {
        text_add(to, "regression: ");
        put_most(to, answer, "slower");
        if (!result_bool(answer, "fails")) {
            text_addf(to, "; not significantly by more than %g %%", fail_above);
        }
    } else if (has_verdict(answer, "improvement")) {
        text_add(to, "improvement: ");
        put_most(to, answer, "faster");
        text_add(to, "; nothing is slower");
    } else if (has_verdict(answer, "too_few_samples")) {
        text_add(to, "too few samples to tell; ");
        put_detectable(to, answer);
    } else {
        text_add(to, "no significant change; ");
        put_detectable(to, answer);
    }
    text_add(to, "\n");
}

// ---- The sides ---------------------------------------------------------------------------------

static void put_side(struct text *to, const char *title, const json_t *side, bool off_cpu)
{
    text_addf(to, "%s  ", title);
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(side, "runs"), i, run)
    {
        text_addf(to, "%s%llu", i == 0 ? "run " : ",", (unsigned long long)result_u64(run, "run"));
    }
    CLEANUP(text_fini) struct text label = {0};
    const char *name = result_text(json_array_get(json_object_get(side, "runs"), 0), "label");
    text_add_escaped(&label, name, strlen(name));
    format_cut(&label, 60);
    text_addf(to, " · %s · ", text_get(&label));
    format_things(to, result_u64(side, "count"), off_cpu ? "wait" : "sample",
                  off_cpu ? "waits" : "samples");
    text_add(to, " · ");
    format_ms(to, (uint64_t)result_double(side, "ns"));
    text_addf(to, " ms %s in ", off_cpu ? "blocked" : "on CPU");
    format_duration(to, (uint64_t)result_double(side, "duration_ns"));
    text_add(to, i > 1 ? ", on average\n" : "\n");
}

// ---- The rows ----------------------------------------------------------------------------------

static const struct column columns[] = {
    {.title = "A %"},
    {.title = "B %"},
    {.title = "A ms"},
    {.title = "B ms"},
    {.title = "change", .left = true},
    {.title = "verdict", .left = true},
    {.title = "name", .left = true, .flexible = true},
    {.title = "binary", .left = true},
};

static void put_verdict(struct text *to, const json_t *row)
{
    if (!has_verdict(row, "same")) {
        report_put_key(to, result_text(row, "verdict"));
        return;
    }
    double low = fabs(result_double(row, "change_low_pct"));
    double high = fabs(result_double(row, "change_high_pct"));
    text_addf(to, "same within ±%.1f %%", low > high ? low : high);
}

// A stack from the outermost function on; of others the name.
static void put_place(struct text *to, const json_t *row)
{
    const json_t *stack = json_object_get(row, "stack");
    size_t i;
    json_t *function;
    json_array_foreach(stack, i, function)
    {
        const char *name = json_string_value(function);
        text_add(to, i > 0 ? ";" : "");
        text_add_escaped(to, name, strlen(name));
    }
    if (stack == NULL) {
        put_name(to, row);
    }
}

static void add_row(struct table *table, const json_t *row)
{
    struct text change = {0};
    struct text verdict = {0};
    struct text place = {0};
    put_change(&change, row);
    put_verdict(&verdict, row);
    put_place(&place, row);
    table_add_percent(table, result_double(amount(row, "a"), "share_pct"), 100);
    table_add_percent(table, result_double(amount(row, "b"), "share_pct"), 100);
    table_add_ms(table, (uint64_t)result_double(amount(row, "a"), "ns"));
    table_add_ms(table, (uint64_t)result_double(amount(row, "b"), "ns"));
    table_add(table, &change);
    table_add(table, &verdict);
    table_add(table, &place);
    table_add_name(table, result_text(row, "binary"));
}

static void put_rows(struct text *to, const json_t *answer)
{
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(answer, "rows"), i, row)
    {
        add_row(&table, row);
    }
    if (i > 0) {
        table_put(&table, to, format_terminal_width(STDOUT_FILENO),
                  format_has_colour(STDOUT_FILENO));
    }
    uint64_t n = result_u64(answer, "n_rows");
    if (n > i) {
        format_things(to, n - i, "more line", "more lines");
        text_add(to, " (-n shows more)\n");
    }
}

static void print_comparison(const json_t *answer, bool off_cpu)
{
    CLEANUP(text_fini) struct text text = {0};
    put_headline(&text, answer);
    put_side(&text, "A", json_object_get(answer, "a"), off_cpu);
    put_side(&text, "B", json_object_get(answer, "b"), off_cpu);
    put_rows(&text, answer);
    text_add(&text, "change: relative to what has not changed, with its 95 % interval; ");
    if (has(answer, "run_variation_pct")) {
        text_addf(&text, "these runs vary by %.1f %%\n",
                  result_double(answer, "run_variation_pct"));
    } else {
        text_add(&text, "how much runs vary shows in several: stax compare 1,2,3 4,5,6\n");
    }
    report_print(&text);
}

// ---- Asking ------------------------------------------------------------------------------------

static bool is_file(const char *text)
{
    return access(text, F_OK) == 0;
}

// Whether a side names files: "a.stax,b.stax", and not only numbers.
static bool has_file(const char *operand)
{
    return strspn(operand, "0123456789,") != strlen(operand);
}

// "1,2,3", "old.stax,2": the runs of one side; NULL with an error. The name of a file may have a
// comma in it.
static json_t *read_side(struct client *client, const char *operand, struct err *reterr)
{
    CLEANUP(freep) char *copy = alloc_text(operand, strlen(operand));
    json_t *runs = json_array();
    char *rest = copy;
    const char *separators = is_file(operand) ? "" : ",";
    for (char *one; (one = strsep(&rest, separators)) != NULL;) {
        int64_t run;
        if (session_run_argument(client, one, &run, reterr) < 0) {
            json_decref(runs);
            return NULL;
        }
        json_array_append_new(runs, json_integer(run));
    }
    return runs;
}

// The answer, or NULL with `*reterr`.
static json_t *ask(struct client *client, const struct compare_options *o,
                   const struct operands *operands, struct rpc_error *reterr)
{
    reterr->kind = RPC_ERROR_INVALID_PARAMS;
    json_t *a = read_side(client, operands->at[0], &reterr->text);
    json_t *b = a == NULL ? NULL : read_side(client, operands->at[1], &reterr->text);
    if (b == NULL) {
        json_decref(a);
        return NULL;
    }
    json_t *params = json_pack("{s:o s:o s:s s:s s:I s:f}", "a", a, "b", b, "by", o->by, "mode",
                               o->off_cpu ? "off_cpu" : "on_cpu", "limit", (json_int_t)o->limit,
                               "fail_above_pct", o->fail_above);
    json_t *answer = NULL;
    int r = client_call(client, "Profiler.compare", params, &answer, reterr);
    json_decref(params);
    return r == CLIENT_OK ? answer : NULL;
}

// On stdout, where a program looks for the verdict, as well.
static void print_json_error(const char *kind, const char *message)
{
    json_t *error = json_pack("{s:{s:s s:s}}", "error", "kind", kind, "message", message);
    session_print_json(error);
    json_decref(error);
}

static int compare_run(const void *values, const struct operands *operands)
{
    const struct compare_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    bool files = has_file(operands->at[0]) || has_file(operands->at[1]);
    struct rpc_error error = {0};
    if (session_connect(&client, files, &error.text) < 0) {
        log_error("%s", error.text.text);
        if (o->json) {
            print_json_error("unreachable", error.text.text);
        }
        return 1;
    }
    json_t *answer = ask(&client, o, operands, &error);
    if (answer == NULL) {
        session_print_error(&error);
        if (o->json) {
            print_json_error(rpc_error_name(error.kind), error.text.text);
        }
        return 1;
    }
    int status = result_bool(answer, "fails") ? 1 : 0;
    if (o->json) {
        session_print_json(answer);
    } else {
        print_comparison(answer, o->off_cpu);
    }
    json_decref(answer);
    return status;
}

const struct cmd cmd_compare = {
    .name = "compare",
    .synopsis = "A B [--by function|stack|thread] [--off-cpu] [--fail-above PCT] [-n N]\n"
                "                    [--json]",
    .operand = "run for each side: A, the base, and B",
    .n_operands = 2,
    .summary = "what became slower or faster from one run to another",
    .details =
        "A and B are runs or run files, or lists of them of the same program: 1,2,3. What is compared is each\n"
        "function's share of the samples, so the speed of the machine drops out; functions are\n"
        "matched by name and binary. A change is relative to what has not changed: +5 % is 5 %\n"
        "slower. Of comparisons of equal programs at most one in twenty shows any change.\n"
        "Exit status: 0 nothing is significantly slower (or there are too few samples to tell,\n"
        "which the first line says), 1 something is, or an error.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = compare_run,
};
