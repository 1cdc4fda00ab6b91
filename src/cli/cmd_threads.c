#include "base/limits.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

#include <unistd.h>

struct threads_options {
    int64_t limit;
    int64_t run;
    bool json;
};

static const struct threads_options defaults = {.limit = 20};

static const struct option options[] = {
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .doc = "how many threads; default 20, 0 = all",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct threads_options, limit),
     .min = 0,
     .max = LIMIT_THREADS},
    OPTION_RUN(struct threads_options),
    OPTION_JSON(struct threads_options),
    {.name = NULL},
};

static const struct column columns[] = {
    {.title = "on-CPU ms"}, {.title = "off-CPU ms"},
    {.title = "samples"},   {.title = "blocked", .left = true},
    {.title = "tid"},       {.title = "name", .left = true, .flexible = true},
};

// The ten reasons as they are shown, by the names of their fields.
static const struct {
    const char *field;
    const char *shown;
} reasons[] = {
    {"idle_ns", "idle"},       {"lock_ns", "lock"},   {"semaphore_ns", "sem"},
    {"ipc_ns", "ipc"},         {"io_read_ns", "ioR"}, {"io_write_ns", "ioW"},
    {"readiness_ns", "ready"}, {"sleep_ns", "sleep"}, {"connect_ns", "conn"},
    {"other_ns", "other"},
};

static void add_off_cpu(struct table *table, const json_t *off_cpu, struct text *ret_blocked)
{
    uint64_t total_ns = 0;
    uint64_t largest_ns = 0;
    const char *largest = "-";
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        uint64_t ns = result_u64(off_cpu, reasons[i].field);
        total_ns += ns;
        largest = ns > largest_ns ? reasons[i].shown : largest;
        largest_ns = MAX(ns, largest_ns);
    }
    table_add_ms(table, total_ns);
    text_add(ret_blocked, largest);
}

static void add_thread(struct table *table, const json_t *thread, bool has_off_cpu)
{
    CLEANUP(text_fini) struct text blocked = {0};
    CLEANUP(text_fini) struct text tid = {0};
    table_add_ms(table, result_u64(thread, "on_cpu_ns"));
    if (has_off_cpu) {
        add_off_cpu(table, json_object_get(thread, "off_cpu"), &blocked);
    } else {
        table_add_name(table, "-");
        text_add(&blocked, "-");
    }
    table_add_count(table, result_u64(thread, "samples"));
    table_add(table, &blocked);
    text_addf(&tid, "%llu", (unsigned long long)result_u64(thread, "tid"));
    table_add(table, &tid);
    table_add_name(table, result_text(thread, "name"));
}

static int print_threads(const json_t *run, const json_t *answer, const void *unused)
{
    (void)unused;
    // Exact on-CPU times come from switch records, and so do waits: no ones without the others.
    bool has_off_cpu = !result_bool(json_object_get(answer, "health"), "estimated");
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    size_t i;
    json_t *thread;
    json_array_foreach(json_object_get(answer, "threads"), i, thread)
    {
        add_thread(&table, thread, has_off_cpu);
    }
    report_put_head(&text, run, answer);
    table_put(&table, &text, format_terminal_width(STDOUT_FILENO),
              format_has_colour(STDOUT_FILENO));
    uint64_t n = result_u64(answer, "n_threads");
    if (n > i) {
        format_things(&text, n - i, "more thread", "more threads");
        text_add(&text, " (-n 0 shows all)\n");
    }
    if (!has_off_cpu) {
        text_add(&text, "-: waiting was not recorded (stax status says why)\n");
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
        .run = o->run,
        .params = json_pack("{s:I}", "limit", (json_int_t)o->limit),
        .json = o->json,
        .print = print_threads,
    });
}

const struct cmd cmd_threads = {
    .name = "threads",
    .synopsis = "[-n N] [--run ID] [--json]",
    .summary = "what each thread did",
    .details = "By on-CPU time. `blocked` is what a thread waited for longest.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = threads_run,
};
