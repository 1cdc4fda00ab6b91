#include "base/clock.h"
#include "base/limits.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <langinfo.h>
#include <locale.h>
#include <unistd.h>

struct timeline_options {
    int64_t buckets; // 0: as many as fit
    int64_t limit;
    struct scope scope;
    bool ascii;
    bool json;
};

static const struct timeline_options defaults = {.limit = 20, .scope = SCOPE_DEFAULTS};

enum { DEFAULT_BUCKETS = 60, NAME_COLUMNS = 15, BESIDE_COLUMNS = 40 };

static const struct option options[] = {
    {.letter = 'b',
     .name = "buckets",
     .value = "N",
     .doc = "how many slices of time at most; default: the width of the terminal",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct timeline_options, buckets),
     .min = 1,
     .max = LIMIT_TIMELINE_BUCKETS},
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .doc = "how many threads; default 20",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct timeline_options, limit),
     .min = 0,
     .max = LIMIT_TIMELINE_THREADS},
    {.name = "ascii",
     .doc = "digits instead of blocks",
     .at = offsetof(struct timeline_options, ascii)},
    OPTION_JSON(struct timeline_options),
    OPTIONS_SCOPE(struct timeline_options),
    {.name = NULL},
};

// One slice of time of one thread, or of all of them.
struct slice_of_time {
    double length_ns;
    double on_cpu_ns;
    double runnable_ns;
    double off_cpu_ns;
    size_t reason;
};

static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const digits[] = {"1", "2", "3", "4", "5", "6", "7", "8"};

// An eighth of the slice on a CPU, or more, is a block; else what it did for most of the time.
static void put_cell(struct text *to, const struct slice_of_time *slice, bool ascii)
{
    double load = slice->length_ns > 0 ? slice->on_cpu_ns / slice->length_ns : 0;
    if (load >= 1.0 / 8) {
        size_t level = MIN((size_t)(load * 8 + 0.5), ARRAY_LEN(blocks));
        text_add(to, ascii ? digits[level - 1] : blocks[level - 1]);
    } else if (slice->runnable_ns > slice->off_cpu_ns) {
        text_add_char(to, '~');
    } else if (slice->off_cpu_ns > 0 && slice->off_cpu_ns * 8 >= slice->length_ns) {
        text_add_char(to, waits_letter(slice->reason));
    } else {
        text_add_char(to, slice->on_cpu_ns > 0 ? '_' : ' ');
    }
}

static double number_at(const json_t *object, const char *key, size_t i)
{
    return (double)json_integer_value(json_array_get(json_object_get(object, key), i));
}

// The last bucket may be cut short by the end of the window.
static double length_of(const json_t *answer, size_t i)
{
    const json_t *bucket = json_array_get(json_object_get(answer, "buckets"), i);
    double end_ns = (double)result_u64(json_object_get(answer, "health"), "end_ns");
    double size_ns = (double)result_u64(answer, "bucket_size_ns");
    return MIN(size_ns, MAX(end_ns - (double)result_u64(bucket, "start_ns"), 0.0));
}

static void put_line(struct text *to, const char *title, const char *right)
{
    CLEANUP(text_fini) struct text left = {0};
    text_add_escaped(&left, title, strlen(title));
    format_cut(&left, NAME_COLUMNS);
    text_add(to, text_get(&left));
    text_addf(to, "%*s  %s",
              (int)(NAME_COLUMNS - MIN(format_width(text_get(&left)), (size_t)NAME_COLUMNS)), "",
              right);
}

static void put_all(struct text *to, const json_t *answer, bool ascii)
{
    double most_ns = 0;
    size_t i;
    json_t *bucket;
    json_array_foreach(json_object_get(answer, "buckets"), i, bucket)
    {
        most_ns = MAX(most_ns, (double)result_u64(bucket, "on_cpu_ns"));
    }
    put_line(to, "all", "         |");
    json_array_foreach(json_object_get(answer, "buckets"), i, bucket)
    {
        // Relative to the busiest slice: how many CPUs that was is said at the end of the line.
        struct slice_of_time slice = {.length_ns = most_ns,
                                      .on_cpu_ns = (double)result_u64(bucket, "on_cpu_ns"),
                                      .reason = WAITS_REASONS};
        put_cell(to, &slice, ascii);
    }
    double size_ns = (double)result_u64(answer, "bucket_size_ns");
    text_addf(to, "| up to %.1f CPUs\n", size_ns > 0 ? most_ns / size_ns : 0);
}

static void put_thread(struct text *to, const json_t *answer, const json_t *thread, bool ascii)
{
    CLEANUP(text_fini) struct text tid = {0};
    double on_cpu_ns = 0;
    double off_cpu_ns = 0;
    text_addf(&tid, "%8llu |", (unsigned long long)result_u64(thread, "tid"));
    put_line(to, result_text(thread, "name"), text_get(&tid));
    for (size_t i = 0; i < json_array_size(json_object_get(thread, "on_cpu_ns")); i++) {
        struct slice_of_time slice = {
            .length_ns = length_of(answer, i),
            .on_cpu_ns = number_at(thread, "on_cpu_ns", i),
            .runnable_ns = number_at(thread, "runnable_ns", i),
            .off_cpu_ns = number_at(thread, "off_cpu_ns", i),
            .reason = (size_t)number_at(thread, "reason", i),
        };
        on_cpu_ns += slice.on_cpu_ns;
        off_cpu_ns += slice.off_cpu_ns;
        put_cell(to, &slice, ascii);
    }
    text_add(to, "| ");
    format_ms(to, (uint64_t)on_cpu_ns);
    text_add(to, " on, ");
    format_ms(to, (uint64_t)off_cpu_ns);
    text_add(to, " off\n");
}

static void put_scale(struct text *to, const json_t *answer)
{
    const json_t *health = json_object_get(answer, "health");
    size_t n = json_array_size(json_object_get(answer, "buckets"));
    CLEANUP(text_fini) struct text from = {0};
    CLEANUP(text_fini) struct text until = {0};
    text_addf(&from, "%.3f s", (double)result_u64(health, "start_ns") / NS_PER_S);
    text_addf(&until, "%.3f s", (double)result_u64(health, "end_ns") / NS_PER_S);
    size_t used = from.n + until.n;
    text_addf(to, "%*s%s%*s%s\n", NAME_COLUMNS + 12, "", text_get(&from),
              (int)(n > used ? n - used : 1), "", text_get(&until));
}

static void put_legend(struct text *to, const json_t *answer, bool ascii)
{
    text_addf(to,
              "one column is %.6g ms; %s: on a CPU, by eighths; _: less than that; ~: runnable; "
              "waiting for",
              (double)result_u64(answer, "bucket_size_ns") / NS_PER_MS, ascii ? "1-8" : "▁-█");
    for (size_t i = 0; i < WAITS_REASONS; i++) {
        text_addf(to, "%s %c %s", i == 0 ? "" : ",", waits_letter(i), waits_shown(i));
    }
    text_add(to, "\n");
}

static bool wants_ascii(const struct timeline_options *o)
{
    setlocale(LC_CTYPE, "");
    return o->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

static int print_timeline(const json_t *run, const json_t *answer, const void *values)
{
    const struct timeline_options *o = values;
    CLEANUP(text_fini) struct text text = {0};
    bool ascii = wants_ascii(o);
    report_put_head(&text, run, answer);
    report_put_waits(&text, answer);
    put_scale(&text, answer);
    put_all(&text, answer, ascii);
    size_t i;
    json_t *thread;
    json_array_foreach(json_object_get(answer, "threads"), i, thread)
    {
        put_thread(&text, answer, thread, ascii);
    }
    uint64_t n = result_u64(answer, "n_threads");
    if (n > i) {
        format_things(&text, n - i, "more thread", "more threads");
        text_add(&text, " (-n shows more)\n");
    }
    put_legend(&text, answer, ascii);
    report_print(&text);
    return 0;
}

static int timeline_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct timeline_options *o = values;
    size_t width = format_terminal_width(STDOUT_FILENO);
    int64_t fitting = width > BESIDE_COLUMNS + DEFAULT_BUCKETS
                          ? (int64_t)MIN(width - BESIDE_COLUMNS, (size_t)LIMIT_TIMELINE_BUCKETS)
                          : DEFAULT_BUCKETS;
    return session_ask(&(struct view_question){
        .method = "Profiler.timeline",
        .scope = &o->scope,
        .params = json_pack("{s:I s:I}", "buckets",
                            (json_int_t)(o->buckets > 0 ? o->buckets : fitting), "threads",
                            (json_int_t)o->limit),
        .json = o->json,
        .options = o,
        .print = print_timeline,
    });
}

const struct cmd cmd_timeline = {
    .name = "timeline",
    .synopsis = "[-b N] [-n N] [--ascii] [--json] [SCOPE]",
    .summary = "activity over time, one line per thread",
    .details = "By on-CPU time. The first line is all threads together.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = timeline_run,
};
