#include "base/limits.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

#include <unistd.h>

struct top_options {
    int64_t limit;
    int64_t tid;
    int64_t run;
    const char *sort;
    bool json;
};

static const struct top_options defaults = {.limit = 20, .sort = "self"};

static const char *const sorts[] = {"self", "total", NULL};

static const struct option options[] = {
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .doc = "how many functions; default 20",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct top_options, limit),
     .min = 1,
     .max = LIMIT_TOP_ENTRIES},
    {.name = "sort",
     .value = "BY",
     .doc = "self (innermost, the default) or total",
     .kind = OPTION_CHOICE,
     .at = offsetof(struct top_options, sort),
     .choices = sorts},
    OPTION_TID(struct top_options),
    OPTION_RUN(struct top_options),
    OPTION_JSON(struct top_options),
    {.name = NULL},
};

static const struct column columns[] = {
    {.title = "self ms"},
    {.title = "self %"},
    {.title = "total ms"},
    {.title = "total %"},
    {.title = "samples"},
    {.title = "function", .left = true, .flexible = true},
    {.title = "binary", .left = true},
};

static void add_entry(struct table *table, const json_t *entry, uint64_t total_ns,
                      const char *samples)
{
    uint64_t self_ns = result_u64(entry, "self_on_cpu_ns");
    uint64_t all_ns = result_u64(entry, "total_on_cpu_ns");
    table_add_ms(table, self_ns);
    table_add_percent(table, (double)self_ns, (double)total_ns);
    table_add_ms(table, all_ns);
    table_add_percent(table, (double)all_ns, (double)total_ns);
    table_add_count(table, result_u64(entry, samples));
    table_add_name(table, result_text(entry, "function_name"));
    table_add_name(table, result_text(entry, "binary"));
}

static int print_top(const json_t *run, const json_t *top, const void *options_of_top)
{
    const struct top_options *o = options_of_top;
    const json_t *entries = json_object_get(top, "entries");
    const char *samples = strcmp(o->sort, "total") == 0 ? "total_samples" : "self_samples";
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        add_entry(&table, entry, result_u64(top, "total_on_cpu_ns"), samples);
    }
    report_put_head(&text, run, top);
    if (i == 0) {
        text_add(&text, result_bool(json_object_get(top, "health"), "recording")
                            ? "no samples yet\n"
                            : "no samples\n");
    } else {
        table_put(&table, &text, format_terminal_width(STDOUT_FILENO),
                  format_has_colour(STDOUT_FILENO));
    }
    uint64_t n = result_u64(top, "n_functions");
    if (n > i) {
        format_things(&text, n - i, "more function", "more functions");
        text_add(&text, " (-n shows more)\n");
    }
    report_print(&text);
    return 0;
}

static int top_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct top_options *o = values;
    return session_ask(&(struct view_question){
        .method = "Profiler.top",
        .run = o->run,
        .tid = o->tid,
        .params = json_pack("{s:I s:s}", "limit", (json_int_t)o->limit, "sort", o->sort),
        .json = o->json,
        .options = o,
        .print = print_top,
    });
}

const struct cmd cmd_top = {
    .name = "top",
    .synopsis = "[-n N] [--sort self|total] [--tid TID] [--run ID] [--json]",
    .summary = "the hottest functions",
    .details = "self: samples with the function innermost. total: samples with it anywhere on the\n"
               "stack; recursion counts once. Works while the run is recording, and after.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = top_run,
};
