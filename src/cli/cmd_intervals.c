#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <unistd.h>

struct intervals_options {
    int64_t longest;
    double since_s; // -1: not given
    double min_ms;
    struct scope scope;
    const char *reason; // NULL: any
    bool json;
};

static const struct intervals_options defaults = {.since_s = -1, .scope = SCOPE_DEFAULTS};

enum { DEFAULT_LIMIT = 20, USER_FRAMES = 3 };

static const struct option options[] = {
    {.letter = 'n',
     .name = "longest",
     .value = "N",
     .doc = "the N longest waits; default 20",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct intervals_options, longest),
     .min = 1,
     .max = LIMIT_INTERVAL_ENTRIES},
    {.name = "since",
     .value = "SECONDS",
     .doc = "all from that second of the run on, oldest first",
     .kind = OPTION_NUMBER,
     .at = offsetof(struct intervals_options, since_s),
     .min = 0,
     .max = LIMIT_TIME_LIMIT_S},
    {.name = "min-ms",
     .value = "MS",
     .doc = "leave out shorter ones",
     .kind = OPTION_NUMBER,
     .at = offsetof(struct intervals_options, min_ms),
     .min = 0,
     .max = 1e12},
    OPTION_REASON(struct intervals_options),
    OPTION_JSON(struct intervals_options),
    OPTIONS_SCOPE(struct intervals_options),
    {.name = NULL},
};

static const struct column columns[] = {
    {.title = "start s"},
    {.title = "blocked ms"},
    {.title = "then runnable ms"},
    {.title = "for", .left = true},
    {.title = "tid", .left = true},
    {.title = "thread", .left = true},
    {.title = "waits in", .left = true, .flexible = true},
    {.title = "woken by", .left = true, .flexible = true},
};

static void add_wait(struct table *table, const json_t *wait)
{
    CLEANUP(text_fini) struct text start = {0};
    CLEANUP(text_fini) struct text blocked = {0};
    CLEANUP(text_fini) struct text tid = {0};
    CLEANUP(text_fini) struct text place = {0};
    CLEANUP(text_fini) struct text waker = {0};
    bool open = result_bool(wait, "open");
    text_addf(&start, "%.6f", (double)result_u64(wait, "start_ns") / NS_PER_S);
    format_ms(&blocked, result_u64(wait, "duration_ns"));
    text_add(&blocked, open ? "+" : "");
    text_addf(&tid, "%llu", (unsigned long long)result_u64(wait, "tid"));
    waits_put_stack(&place, json_object_get(wait, "stack"), USER_FRAMES,
                    result_bool(wait, "approximate"));
    waits_put_waker(&waker, wait);
    table_add(table, &start);
    table_add(table, &blocked);
    table_add_ms(table, result_u64(wait, "runnable_ns"));
    table_add_name(table, waits_shown_name(result_text(wait, "reason")));
    table_add(table, &tid);
    table_add_name(table, result_text(wait, "thread_name"));
    table_add(table, &place);
    table_add(table, &waker);
}

static void put_legend(struct text *to, const json_t *entries)
{
    bool approximate = false;
    bool open = false;
    size_t i;
    json_t *wait;
    json_array_foreach(entries, i, wait)
    {
        approximate = approximate || result_bool(wait, "approximate");
        open = open || result_bool(wait, "open");
    }
    text_add(to, open ? "+: not over yet\n" : "");
    text_add(to, approximate
                     ? "~: the stack is not that of the wait itself, but the last one known\n"
                     : "");
}

static void put_totals(struct text *to, const json_t *answer, size_t n_shown)
{
    uint64_t n = result_u64(answer, "total_intervals");
    struct waits waits = waits_read(json_object_get(answer, "by_reason"));
    CLEANUP(text_fini) struct text reasons = {0};
    waits_put_reasons(&reasons, &waits);
    text_add(to, "in all: ");
    format_things(to, n, "wait", "waits");
    text_add(to, ", ");
    format_ms(to, result_u64(answer, "total_duration_ns"));
    text_addf(to, " ms%s%s", reasons.n > 0 ? ", " : "", text_get(&reasons));
    if (n > n_shown) {
        text_add(to, "; ");
        format_count(to, n - n_shown);
        text_add(to, " not shown (-n shows more)");
    }
    text_add(to, "\n");
}

static int print_intervals(const json_t *run, const json_t *answer, const void *unused)
{
    (void)unused;
    const json_t *entries = json_object_get(answer, "entries");
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    size_t i;
    json_t *wait;
    json_array_foreach(entries, i, wait)
    {
        add_wait(&table, wait);
    }
    report_put_head(&text, run, answer);
    if (!report_put_unrecorded(&text, answer)) {
        if (i > 0) {
            table_put(&table, &text, format_terminal_width(STDOUT_FILENO),
                      format_has_colour(STDOUT_FILENO));
        }
        put_legend(&text, entries);
        put_totals(&text, answer, i);
    }
    report_print(&text);
    return 0;
}

static int intervals_run(const void *values, const struct operands *operands)
{
    (void)operands;
    struct intervals_options copy = *(const struct intervals_options *)values;
    const struct intervals_options *o = &copy;
    bool since = o->since_s >= 0;
    if (since && o->scope.from_s > 0) {
        log_error("--since and --from exclude each other; see: stax intervals --help");
        return 1;
    }
    if (since) {
        copy.scope.from_s = o->since_s;
    }
    if (since && o->longest > 0) {
        log_error("--longest and --since exclude each other; see: stax intervals --help");
        return 1;
    }
    int64_t limit = since ? LIMIT_INTERVAL_ENTRIES : o->longest > 0 ? o->longest : DEFAULT_LIMIT;
    return session_ask(&(struct view_question){
        .method = "Profiler.intervals",
        .scope = &o->scope,
        .params = json_pack("{s:I s:s s:I s:s*}", "limit", (json_int_t)limit, "order",
                            since ? "oldest" : "longest", "min_ns",
                            (json_int_t)(o->min_ms * NS_PER_MS), "reason",
                            waits_reason_of_word(o->reason)),
        .json = o->json,
        .print = print_intervals,
    });
}

const struct cmd cmd_intervals = {
    .name = "intervals",
    .synopsis = "[-n N | --since SECONDS] [--min-ms MS] [--reason R] [--json] [SCOPE]",
    .summary = "single waits: when, how long, where, who ended them",
    .details =
        "`waits in` is the function that waits, and the functions of the program around it,\n"
        "innermost first. Times count from the start of the run.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = intervals_run,
};
