#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/flame_text.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

struct flame_options {
    int64_t depth;
    struct scope scope;
    double threshold_pct;
    struct mode_options mode_options;
    enum mode mode; // not an option: of those
    bool addresses;
    bool json;
};

static const struct flame_options defaults = {
    .depth = 12, .threshold_pct = 1.0, .scope = SCOPE_DEFAULTS};

static const struct option options[] = {
    {.letter = 'd',
     .name = "depth",
     .value = "DEPTH",
     .doc = "levels of calls; default 12",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct flame_options, depth),
     .min = 1,
     .max = LIMIT_STACK_DEPTH},
    {.name = "threshold-pct",
     .value = "P",
     .doc = "leave out smaller shares; default 1.0",
     .kind = OPTION_NUMBER,
     .at = offsetof(struct flame_options, threshold_pct),
     .min = 0,
     .max = 100},
    OPTIONS_MODE(struct flame_options),
    OPTION_ADDRESSES(struct flame_options),
    OPTION_JSON(struct flame_options),
    OPTIONS_SCOPE(struct flame_options),
    {.name = NULL},
};

static void put_flame(const json_t *answer, const struct flame_tree *tree,
                      const struct flame_options *o, struct text *to)
{
    const json_t *health = json_object_get(answer, "health");
    if (o->mode != MODE_ON_CPU) {
        report_put_waits(to, answer);
    }
    if (o->mode == MODE_OFF_CPU && result_bool(health, "estimated")) {
        return; // has been said
    }
    if (tree->nodes.n == 0 || flame_text_weight(&tree->nodes.at[0], o->mode) == 0) {
        text_addf(to, "no %s%s\n", mode_things(o->mode),
                  result_bool(health, "recording") ? " yet" : "");
        return;
    }
    struct flame_text how = {
        .root = "all",
        .below_one = "callee",
        .below_many = "callees",
        .mode = o->mode,
        .addresses = o->addresses,
        .max_depth = (uint32_t)o->depth,
    };
    uint64_t n_shown = tree->nodes.n - flame_text_put(&how, tree, to);
    uint64_t n_nodes = result_u64(answer, "n_nodes");
    if (n_nodes > n_shown) {
        text_add(to, "left out: ");
        format_things(to, n_nodes - n_shown, "node", "nodes");
        text_addf(to, " below %.15g%% or deeper than %lld (--threshold-pct, -d)\n",
                  o->threshold_pct, (long long)o->depth);
    }
}

// The tree that the answer's columns say, or an error, printed.
static bool read_tree(struct flame_tree *tree, const json_t *answer)
{
    struct err err = {0};
    bool sound = flame_tree_read(tree, answer, json_object_get(answer, "strings"), &err) >= 0;
    if (!sound) {
        log_error("%s", err.text);
    }
    return sound;
}

static int print_flame(const json_t *run, const json_t *answer, const void *values)
{
    CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
    CLEANUP(text_fini) struct text text = {0};
    if (!read_tree(&tree, answer)) {
        return 1;
    }
    report_put_head(&text, run, answer);
    put_flame(answer, &tree, values, &text);
    report_print(&text);
    return 0;
}

static int print_nested(const json_t *answer, const void *unused)
{
    (void)unused;
    CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
    CLEANUP(text_fini) struct text text = {0};
    if (!read_tree(&tree, answer)) {
        return 1;
    }
    struct json j;
    json_init(&j, &text);
    json_object_begin(&j);
    flame_tree_put_value(&j, answer, "total_on_cpu_ns");
    flame_tree_put_value(&j, answer, "total_off_cpu");
    flame_tree_put_value(&j, answer, "health");
    flame_tree_put_value(&j, answer, "n_nodes");
    flame_tree_put_nested(&j, &tree);
    json_object_end(&j);
    text_add(&text, "\n");
    report_print(&text);
    return 0;
}

static int flame_run(const void *values, const struct operands *operands)
{
    (void)operands;
    struct flame_options o = *(const struct flame_options *)values;
    if (!mode_read(&o.mode_options, &o.mode)) {
        return 1;
    }
    int64_t depth = o.json ? o.depth : flame_text_depth(o.depth, o.mode);
    return session_ask(&(struct view_question){
        .method = "Profiler.flamegraph",
        .scope = &o.scope,
        .params = json_pack("{s:I s:f s:s s:s*}", "max_depth", (json_int_t)depth, "min_share",
                            o.threshold_pct / 100, "mode", mode_word(o.mode), "reason",
                            waits_reason_of_word(o.mode_options.reason)),
        .json = o.json,
        .options = &o,
        .print = print_flame,
        .print_json = print_nested,
    });
}

const struct cmd cmd_flame = {
    .name = "flame",
    .synopsis = "[-d DEPTH] [--threshold-pct P] [--off-cpu|--wall] [--reason R] [--addresses]\n"
                "                  [--json] [SCOPE]",
    .summary = "the call tree, callers first, the heaviest on top",
    .details =
        "Each line: share of the whole, on-CPU time, function; callees stand below their\n"
        "caller, further in. `+ 3 callees of 0.4%` says what a line leaves out. `(inlined)`: the\n"
        "compiler has made it a part of the line above; --no-inline leaves it there. With\n"
        "--off-cpu: time spent waiting; the innermost function is the one that waits, with\n"
        "the reason in brackets, and of the kernel only that function is shown. --reason implies\n"
        "--off-cpu. --wall: both kinds of time together, and beside them each of its own.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = flame_run,
};
