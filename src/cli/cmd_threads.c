#include "base/limits.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <unistd.h>

struct threads_options {
    int64_t limit;
    struct scope scope;
    bool json;
};

static const struct threads_options defaults = {.limit = 20, .scope = SCOPE_DEFAULTS};

static const struct option options[] = {
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .doc = "how many threads; default 20, 0 = all",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct threads_options, limit),
     .min = 0,
     .max = LIMIT_THREADS},
    OPTION_JSON(struct threads_options),
    OPTIONS_SCOPE(struct threads_options),
    {.name = NULL},
};

static const struct column columns[] = {
    {.title = "on-CPU ms"},
    {.title = "off-CPU ms"},
    {.title = "runnable ms"},
    {.title = "samples"},
    {.title = "blocked", .left = true},
    {.title = "wakeups"},
    {.title = "tid", .left = true},
    {.title = "name", .left = true, .flexible = true},
};

// What was not recorded is no zero.
struct seen {
    bool waits;
    bool wakeups;
};

static void add_thread(struct table *table, const json_t *thread, const struct seen *seen)
{
    CLEANUP(text_fini) struct text tid = {0};
    struct waits waits = waits_read(json_object_get(thread, "off_cpu"));
    table_add_ms(table, result_u64(thread, "on_cpu_ns"));
    if (seen->waits) {
        table_add_ms(table, waits.total_ns);
        table_add_ms(table, result_u64(thread, "runnable_ns"));
    } else {
        table_add_name(table, "-");
        table_add_name(table, "-");
    }
    table_add_count(table, result_u64(thread, "samples"));
    table_add_name(table, waits_shown(waits.largest));
    if (seen->wakeups) {
        table_add_count(table, result_u64(thread, "wakeups"));
    } else {
        table_add_name(table, "-");
    }
    text_addf(&tid, "%llu", (unsigned long long)result_u64(thread, "tid"));
    table_add(table, &tid);
    table_add_name(table, result_text(thread, "name"));
}

static bool any_wakeups(const json_t *threads)
{
    size_t i;
    json_t *thread;
    json_array_foreach(threads, i, thread)
    {
        if (result_u64(thread, "wakeups") > 0) {
            return true;
        }
    }
    return false;
}

static int print_threads(const json_t *run, const json_t *answer, const void *unused)
{
    (void)unused;
    const json_t *threads = json_object_get(answer, "threads");
    // Exact on-CPU times come from switch records, and so do waits: no ones without the others.
    struct seen seen = {
        .waits = !result_bool(json_object_get(answer, "health"), "estimated"),
        .wakeups = any_wakeups(threads),
    };
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    size_t i;
    json_t *thread;
    json_array_foreach(threads, i, thread)
    {
        add_thread(&table, thread, &seen);
    }
    report_put_head(&text, run, answer);
    if (seen.waits) {
        report_put_waits(&text, answer);
    }
    table_put(&table, &text, format_terminal_width(STDOUT_FILENO),
              format_has_colour(STDOUT_FILENO));
    uint64_t n = result_u64(answer, "n_threads");
    if (n > i) {
        format_things(&text, n - i, "more thread", "more threads");
        text_add(&text, " (-n 0 shows all)\n");
    }
    if (!seen.waits || !seen.wakeups) {
        text_addf(&text, "-: %s not recorded (stax status says why)\n",
                  seen.waits ? "wakeups were" : "waiting was");
    }
    report_print(&text);
    return 0;
}

static int threads_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct threads_options *o = values;
    return session_ask(&(struct view_question){
        .method = "Profiler.threads",
        .scope = &o->scope,
        .params = json_pack("{s:I}", "limit", (json_int_t)o->limit),
        .json = o->json,
        .print = print_threads,
    });
}

const struct cmd cmd_threads = {
    .name = "threads",
    .synopsis = "[-n N] [--json] [SCOPE]",
    .summary = "what each thread did",
    .details =
        "By on-CPU time. off-CPU: blocked. `blocked` says what for most of it. runnable: ready\n"
        "to run, but without a CPU. wakeups: how often something made the thread ready.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = threads_run,
};
