#include "base/limits.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/mode.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <unistd.h>

struct top_options {
    int64_t limit;
    struct scope scope;
    const char *sort;
    struct mode_options mode_options;
    bool json;
    enum mode mode; // no options: of these above, and where there is room
    bool addresses;
};

// A narrower terminal has no room for addresses: names would be cut to nothing.
enum { ADDRESSES_WIDTH = 100 };

static const struct top_options defaults = {.limit = 20, .sort = "self", .scope = SCOPE_DEFAULTS};

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
    OPTIONS_MODE(struct top_options),
    OPTION_JSON(struct top_options),
    OPTIONS_SCOPE(struct top_options),
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
    {.title = "address", .left = true},
};

static const struct column off_cpu_columns[] = {
    {.title = "self ms"},
    {.title = "self %"},
    {.title = "total ms"},
    {.title = "total %"},
    {.title = "waits"},
    {.title = "for", .left = true},
    {.title = "function", .left = true, .flexible = true},
    {.title = "binary", .left = true},
    {.title = "address", .left = true},
};

static const struct column wall_columns[] = {
    {.title = "self ms"},
    {.title = "self %"},
    {.title = "total ms"},
    {.title = "total %"},
    {.title = "on-CPU ms"},
    {.title = "waiting ms"},
    {.title = "for", .left = true},
    {.title = "function", .left = true, .flexible = true},
    {.title = "binary", .left = true},
    {.title = "address", .left = true},
};

static void add_function(struct table *table, const json_t *entry)
{
    const char *name = result_text(entry, "function_name");
    struct text cell = {0};
    text_add_escaped(&cell, name, strlen(name));
    text_add(&cell, result_bool(entry, "inlined") ? " (inlined)" : "");
    table_add(table, &cell);
}

static void add_off_cpu_entry(struct table *table, const json_t *entry, uint64_t total_ns,
                              bool by_self)
{
    CLEANUP(text_fini) struct text reasons = {0};
    struct waits self = waits_read(json_object_get(entry, "self_off_cpu"));
    struct waits total = waits_read(json_object_get(entry, "total_off_cpu"));
    table_add_ms(table, self.total_ns);
    table_add_percent(table, (double)self.total_ns, (double)total_ns);
    table_add_ms(table, total.total_ns);
    table_add_percent(table, (double)total.total_ns, (double)total_ns);
    table_add_count(
        table, result_u64(entry, by_self ? "self_off_cpu_intervals" : "total_off_cpu_intervals"));
    waits_put_reasons(&reasons, by_self ? &self : &total);
    table_add(table, &reasons);
    add_function(table, entry);
    table_add_name(table, result_text(entry, "binary"));
}

// self and total are both kinds of time together; of the one that sorts, both kinds.
static void add_wall_entry(struct table *table, const json_t *entry, uint64_t total_ns,
                           bool by_self)
{
    CLEANUP(text_fini) struct text reasons = {0};
    uint64_t self_ns = result_u64(entry, "self_on_cpu_ns");
    uint64_t all_ns = result_u64(entry, "total_on_cpu_ns");
    struct waits self = waits_read(json_object_get(entry, "self_off_cpu"));
    struct waits total = waits_read(json_object_get(entry, "total_off_cpu"));
    table_add_ms(table, self_ns + self.total_ns);
    table_add_percent(table, (double)(self_ns + self.total_ns), (double)total_ns);
    table_add_ms(table, all_ns + total.total_ns);
    table_add_percent(table, (double)(all_ns + total.total_ns), (double)total_ns);
    table_add_ms(table, by_self ? self_ns : all_ns);
    table_add_ms(table, by_self ? self.total_ns : total.total_ns);
    waits_put_reasons(&reasons, by_self ? &self : &total);
    table_add(table, &reasons);
    add_function(table, entry);
    table_add_name(table, result_text(entry, "binary"));
}

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
    add_function(table, entry);
    table_add_name(table, result_text(entry, "binary"));
}

// A TARGET of other commands. An inlined function is everywhere: it is found by its name.
static void add_address(struct table *table, const json_t *entry)
{
    const char *address = result_text(entry, "address");
    table_add_name(table, strcmp(address, "0x0") == 0 ? "" : address);
}

static size_t add_entries(struct table *table, const json_t *top, const struct top_options *o)
{
    bool by_self = strcmp(o->sort, "self") == 0;
    uint64_t waited_ns = waits_read(json_object_get(top, "total_off_cpu")).total_ns;
    uint64_t ran_ns = result_u64(top, "total_on_cpu_ns");
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(top, "entries"), i, entry)
    {
        if (o->mode == MODE_OFF_CPU) {
            add_off_cpu_entry(table, entry, waited_ns, by_self);
        } else if (o->mode == MODE_WALL) {
            add_wall_entry(table, entry, ran_ns + waited_ns, by_self);
        } else {
            add_entry(table, entry, ran_ns, by_self ? "self_samples" : "total_samples");
        }
        if (o->addresses) {
            add_address(table, entry);
        }
    }
    return i;
}

static void put_nothing(struct text *to, const json_t *top, enum mode mode)
{
    const json_t *health = json_object_get(top, "health");
    if (mode == MODE_OFF_CPU && result_bool(health, "estimated")) {
        return; // has been said
    }
    text_addf(to, "no %s%s\n", mode_things(mode), result_bool(health, "recording") ? " yet" : "");
}

// The last column are addresses.
static void begin_table(struct table *table, const struct top_options *o)
{
    static const struct {
        const struct column *columns;
        size_t n;
    } kinds[] = {
        [MODE_ON_CPU] = {columns, ARRAY_LEN(columns)},
        [MODE_OFF_CPU] = {off_cpu_columns, ARRAY_LEN(off_cpu_columns)},
        [MODE_WALL] = {wall_columns, ARRAY_LEN(wall_columns)},
    };
    table_init(table, kinds[o->mode].columns, kinds[o->mode].n - !o->addresses);
}

static int print_top(const json_t *run, const json_t *top, const void *options_of_top)
{
    const struct top_options *o = options_of_top;
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(table_fini) struct table table;
    begin_table(&table, o);
    size_t n_shown = add_entries(&table, top, o);
    report_put_head(&text, run, top);
    if (o->mode != MODE_ON_CPU) {
        report_put_waits(&text, top);
    }
    if (n_shown == 0) {
        put_nothing(&text, top, o->mode);
    } else {
        table_put(&table, &text, format_terminal_width(STDOUT_FILENO),
                  format_has_colour(STDOUT_FILENO));
    }
    uint64_t n = result_u64(top, "n_functions");
    if (n > n_shown) {
        format_things(&text, n - n_shown, "more function", "more functions");
        text_add(&text, " (-n shows more)\n");
    }
    report_print(&text);
    return 0;
}

static int top_run(const void *values, const struct operands *operands)
{
    (void)operands;
    struct top_options o = *(const struct top_options *)values;
    size_t width = format_terminal_width(STDOUT_FILENO);
    o.addresses = width == 0 || width >= ADDRESSES_WIDTH;
    if (!mode_read(&o.mode_options, &o.mode)) {
        return 1;
    }
    return session_ask(&(struct view_question){
        .method = "Profiler.top",
        .scope = &o.scope,
        .params = json_pack("{s:I s:s s:s s:s*}", "limit", (json_int_t)o.limit, "sort", o.sort,
                            "mode", mode_word(o.mode), "reason",
                            waits_reason_of_word(o.mode_options.reason)),
        .json = o.json,
        .options = &o,
        .print = print_top,
    });
}

const struct cmd cmd_top = {
    .name = "top",
    .synopsis = "[-n N] [--sort self|total] [--off-cpu|--wall] [--reason R] [--json] [SCOPE]",
    .summary = "the hottest functions, or those that wait",
    .details =
        "self: the function is innermost. total: it is anywhere on the stack; recursion counts\n"
        "once. With --off-cpu the innermost function is the one that waits, most often one of\n"
        "the kernel; --sort total shows who called it. --reason implies --off-cpu. --wall: both\n"
        "kinds of time together, and beside them each of its own. `(inlined)` is\n"
        "what the compiler made a part of other functions; --no-inline counts it as these. The\n"
        "address is a TARGET of other commands; a terminal of less than 100 columns has no room\n"
        "for it. Works while the run is recording, and after.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = top_run,
};
