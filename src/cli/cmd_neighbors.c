#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/flame_text.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/target.h"
#include "cli/waits.h"

struct neighbors_options {
    int64_t depth;
    struct scope scope;
    double threshold_pct;
    struct mode_options mode_options;
    bool callers;
    bool callees;
    bool addresses;
    bool json;
    enum mode mode; // no options: of those above, and the operand
    const char *target;
};

static const struct neighbors_options defaults = {
    .depth = 6, .threshold_pct = 1.0, .scope = SCOPE_DEFAULTS};

static const struct option options[] = {
    {.name = "callers",
     .doc = "only who calls it",
     .at = offsetof(struct neighbors_options, callers)},
    {.name = "callees",
     .doc = "only what it calls",
     .at = offsetof(struct neighbors_options, callees)},
    {.letter = 'd',
     .name = "depth",
     .value = "N",
     .doc = "levels of calls, each way; default 6",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct neighbors_options, depth),
     .min = 1,
     .max = LIMIT_STACK_DEPTH},
    {.name = "threshold-pct",
     .value = "P",
     .doc = "leave out smaller shares of the function; default 1.0",
     .kind = OPTION_NUMBER,
     .at = offsetof(struct neighbors_options, threshold_pct),
     .min = 0,
     .max = 100},
    OPTIONS_MODE(struct neighbors_options),
    OPTION_ADDRESSES(struct neighbors_options),
    OPTION_JSON(struct neighbors_options),
    OPTIONS_SCOPE(struct neighbors_options),
    {.name = NULL},
};

// One of the two trees.
struct side {
    const char *key;   // of the answer
    const char *title; // what stands below a node, too
    const char *one;
    bool outwards;
    bool asked;
};

enum { SIDES = 2 };

struct sides {
    struct side at[SIDES];
};

static struct sides sides_of(const struct neighbors_options *o)
{
    bool both = o->callers == o->callees;
    return (struct sides){{
        {"callers_tree", "callers", "caller", true, both || o->callers},
        {"callees_tree", "callees", "callee", false, both || o->callees},
    }};
}

// False: it makes no sense, and an error was printed.
static bool read_side(struct flame_tree *tree, const json_t *answer, const struct side *side)
{
    struct err err = {0};
    const json_t *strings = json_object_get(answer, "strings");
    int r = flame_tree_read(tree, json_object_get(answer, side->key), strings, &err);
    if (r < 0) {
        log_error("%s: %s", side->key, err.text);
    }
    return r >= 0;
}

// ---- For people --------------------------------------------------------------------------------

enum { SHOWN_WAYS = 5 }; // of recursion

struct shown {
    const json_t *answer;
    const struct neighbors_options *o;
    uint64_t total; // of the function: samples, or nanoseconds
    uint64_t n_left_out;
};

// One kind of time.
struct amount {
    uint64_t on_cpu_ns;
    uint64_t samples;
    uint64_t off_ns;
    uint64_t waits;
};

static void put_amount(const struct shown *shown, struct text *to, const char *what,
                       const struct amount *amount)
{
    CLEANUP(text_fini) struct text ms = {0};
    CLEANUP(text_fini) struct text share = {0};
    enum mode mode = shown->o->mode;
    uint64_t off_ns = waits_read(json_object_get(shown->answer, "total_off_cpu")).total_ns;
    uint64_t whole_ns = mode_ns(mode, result_u64(shown->answer, "total_on_cpu_ns"), off_ns);
    uint64_t ns = mode_ns(mode, amount->on_cpu_ns, amount->off_ns);
    format_ms(&ms, ns);
    format_percent(&share, (double)ns, (double)whole_ns);
    text_addf(to, "  %-9s %12s ms  %5s%% of everything, ", what, text_get(&ms), text_get(&share));
    if (mode == MODE_WALL) {
        format_ms(to, amount->on_cpu_ns);
        text_add(to, " ms on CPU (");
    }
    if (mode != MODE_OFF_CPU) {
        format_things(to, amount->samples, "sample", "samples");
    }
    if (mode == MODE_WALL) {
        text_add(to, "), ");
        format_ms(to, amount->off_ns);
        text_add(to, " ms waiting (");
    }
    if (mode != MODE_ON_CPU) {
        format_things(to, amount->waits, "wait", "waits");
    }
    text_add(to, mode == MODE_WALL ? ")\n" : "\n");
}

// "recursion: 89.9% of it, by way of pong 80.1%, ping 9.8%": what the callees do not show.
static uint64_t recursive(const struct shown *shown, const json_t *holder, const char *samples,
                          const char *on_cpu, const char *off_cpu)
{
    uint64_t off_ns = result_u64(holder, off_cpu);
    switch (shown->o->mode) {
    case MODE_ON_CPU:
        return result_u64(holder, samples);
    case MODE_OFF_CPU:
        return off_ns;
    case MODE_WALL:
        return result_u64(holder, on_cpu) + off_ns;
    }
    return 0;
}

static void put_recursion(const struct shown *shown, struct text *to)
{
    const json_t *ways = json_object_get(shown->answer, "recursion");
    size_t n_shown = MIN(json_array_size(ways), (size_t)SHOWN_WAYS);
    if (n_shown == 0) {
        return;
    }
    uint64_t all = recursive(shown, shown->answer, "recursive_samples", "recursive_on_cpu_ns",
                             "recursive_off_cpu_ns");
    text_add(to, "  recursion: ");
    format_percent(to, (double)all, (double)shown->total);
    text_add(to, "% of it, by way of ");
    for (size_t i = 0; i < n_shown; i++) {
        const json_t *way = json_array_get(ways, i);
        const char *name = result_text(way, "function_name");
        uint64_t part = recursive(shown, way, "samples", "on_cpu_ns", "off_cpu_ns");
        text_add(to, i > 0 ? ", " : "");
        text_add_escaped(to, name, strlen(name));
        text_add_char(to, ' ');
        format_percent(to, (double)part, (double)shown->total);
        text_add_char(to, '%');
    }
    text_add(to, json_array_size(ways) > n_shown ? ", …\n" : "\n");
}

static void put_function(const struct shown *shown, struct text *to)
{
    const json_t *answer = shown->answer;
    const char *address = result_text(answer, "base_address");
    target_put_function(to, answer);
    text_addf(to, "  %s\n", result_bool(answer, "inlined") ? "" : address);
    struct amount total = {
        .on_cpu_ns = result_u64(answer, "function_on_cpu_ns"),
        .samples = result_u64(answer, "function_samples"),
        .off_ns = waits_read(json_object_get(answer, "function_off_cpu")).total_ns,
        .waits = result_u64(answer, "function_off_cpu_intervals"),
    };
    struct amount self = {
        .on_cpu_ns = result_u64(answer, "own_on_cpu_ns"),
        .samples = result_u64(answer, "own_samples"),
        .off_ns = waits_read(json_object_get(answer, "own_off_cpu")).total_ns,
        .waits = result_u64(answer, "own_off_cpu_intervals"),
    };
    put_amount(shown, to, "total", &total);
    put_amount(shown, to, "self", &self);
    put_recursion(shown, to);
}

static void put_side(struct shown *shown, const struct side *side, const struct flame_tree *tree,
                     struct text *to)
{
    struct flame_text how = {
        .below_one = side->one,
        .below_many = side->title,
        .mode = shown->o->mode,
        .outwards = side->outwards,
        .addresses = shown->o->addresses,
        .max_depth = (uint32_t)shown->o->depth,
    };
    text_addf(to, "\n%s\n", side->title);
    shown->n_left_out += flame_text_put(&how, tree, to);
    for (size_t i = 0; i < tree->nodes.n; i++) {
        shown->n_left_out += tree->nodes.at[i].cut_children;
    }
}

static void put_nothing(const struct shown *shown, struct text *to)
{
    const json_t *health = json_object_get(shown->answer, "health");
    if (shown->o->mode == MODE_OFF_CPU && result_bool(health, "estimated")) {
        return; // has been said
    }
    text_addf(to, "no %s in it%s\n", mode_things(shown->o->mode),
              result_bool(health, "recording") ? " yet" : "");
}

static void put_left_out(const struct shown *shown, struct text *to)
{
    if (shown->n_left_out > 0) {
        text_add(to, "\nleft out: ");
        format_things(to, shown->n_left_out, "node", "nodes");
        text_addf(to, ", and what is beyond, below %.15g%% or deeper than %lld", // both may be cut
                  shown->o->threshold_pct, (long long)shown->o->depth);
        text_add(to, " (--threshold-pct, -d)\n");
    }
}

static uint64_t total_of(const json_t *answer, enum mode mode)
{
    uint64_t off_ns = waits_read(json_object_get(answer, "function_off_cpu")).total_ns;
    return mode == MODE_ON_CPU ? result_u64(answer, "function_samples")
                               : mode_ns(mode, result_u64(answer, "function_on_cpu_ns"), off_ns);
}

static void print_choice(const json_t *answer, const struct neighbors_options *o)
{
    static const char *const most[] = {
        [MODE_ON_CPU] = "the most samples",
        [MODE_OFF_CPU] = "the most waiting",
        [MODE_WALL] = "the most time",
    };
    target_print_choice(answer, o->target, "neighbours of", most[o->mode]);
}

static int print_neighbors(const json_t *run, const json_t *answer, const void *values)
{
    const struct neighbors_options *o = values;
    CLEANUP(text_fini) struct text text = {0};
    struct sides sides = sides_of(o);
    struct shown shown = {.answer = answer, .o = o, .total = total_of(answer, o->mode)};
    report_put_head(&text, run, answer);
    if (o->mode != MODE_ON_CPU) {
        report_put_waits(&text, answer);
    }
    put_function(&shown, &text);
    for (size_t i = 0; i < SIDES && shown.total > 0; i++) {
        CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
        if (!sides.at[i].asked) {
            continue;
        }
        if (!read_side(&tree, answer, &sides.at[i])) {
            return 1;
        }
        put_side(&shown, &sides.at[i], &tree, &text);
    }
    if (shown.total == 0) {
        put_nothing(&shown, &text);
    }
    put_left_out(&shown, &text);
    print_choice(answer, o);
    report_print(&text);
    return 0;
}

// ---- JSON --------------------------------------------------------------------------------------

// The answer, with nested trees in the place of columns.
static int print_nested(const json_t *answer, const void *values)
{
    const struct neighbors_options *o = values;
    CLEANUP(text_fini) struct text text = {0};
    struct sides sides = sides_of(o);
    struct json j;
    json_init(&j, &text);
    json_object_begin(&j);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)answer, key, value)
    {
        bool columns = strcmp(key, "strings") == 0;
        for (size_t i = 0; i < SIDES; i++) {
            columns = columns || strcmp(key, sides.at[i].key) == 0;
        }
        if (!columns) {
            flame_tree_put_value(&j, answer, key);
        }
    }
    for (size_t i = 0; i < SIDES; i++) {
        CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
        if (!sides.at[i].asked) {
            continue;
        }
        if (!read_side(&tree, answer, &sides.at[i])) {
            return 1;
        }
        json_key(&j, sides.at[i].key);
        json_object_begin(&j);
        flame_tree_put_nested(&j, &tree);
        json_object_end(&j);
    }
    json_object_end(&j);
    text_add(&text, "\n");
    print_choice(answer, o);
    report_print(&text);
    return 0;
}

// ---- The command -------------------------------------------------------------------------------

static int neighbors_run(const void *values, const struct operands *operands)
{
    struct neighbors_options o = *(const struct neighbors_options *)values;
    if (!mode_read(&o.mode_options, &o.mode)) {
        return 1;
    }
    o.target = operands->at[0];
    int64_t depth = o.json ? o.depth : flame_text_depth(o.depth, o.mode);
    json_t *params = json_pack("{s:I s:f s:s s:s*}", "max_depth", (json_int_t)depth, "min_share",
                               o.threshold_pct / 100, "mode", mode_word(o.mode), "reason",
                               waits_reason_of_word(o.mode_options.reason));
    if (!target_put_params(params, o.target)) {
        json_decref(params);
        return 1;
    }
    return session_ask(&(struct view_question){
        .method = "Profiler.neighbors",
        .scope = &o.scope,
        .params = params,
        .json = o.json,
        .options = &o,
        .print = print_neighbors,
        .print_json = print_nested,
    });
}

const struct cmd cmd_neighbors = {
    .name = "neighbors",
    .synopsis = "TARGET [--callers|--callees] [-d N] [--threshold-pct P] [--off-cpu|--wall]\n"
                "                      [--reason R] [--addresses] [--json] [SCOPE]",
    .operand = "function: its address (0x…), or part of its name",
    .summary = "who calls a function, and what it calls",
    .details =
        "Two trees with the function on top: its callers, the nearest first, and its callees, each\n"
        "with its share of the function's total. Of recursion, callers are those of the outermost\n"
        "call, callees those of the innermost: the rest is the function itself. `stax top` shows\n"
        "addresses; of several functions that fit a name the hottest is taken. With --off-cpu:\n"
        "time spent waiting, so callers of a function that waits are those who lead there.\n"
        "--reason implies --off-cpu. --wall: both kinds of time together.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = neighbors_run,
};
