#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/flame_tree.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <stdio.h>
#include <unistd.h>

struct flame_options {
    int64_t depth;
    int64_t tid;
    const char *run;
    double threshold_pct;
    const char *reason; // NULL: any
    bool off_cpu;
    bool no_inline;
    bool json;
};

enum { KERNEL_FRAMES = 24 }; // between a system call and where it waits; more are rare

static const struct flame_options defaults = {.depth = 12, .threshold_pct = 1.0};

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
    OPTION_OFF_CPU(struct flame_options),
    OPTION_REASON(struct flame_options),
    OPTION_NO_INLINE(struct flame_options),
    OPTION_TID(struct flame_options),
    OPTION_RUN(struct flame_options),
    OPTION_JSON(struct flame_options),
    {.name = NULL},
};

// How a node stands on the page.
struct place {
    uint32_t depth;  // of its line
    uint32_t caller; // the node of the line that it stands under
    bool hidden;     // its callees stand in its place
};

// Where a thread waits, the way through the kernel is noise: all but the function that waits.
static bool is_noise(const struct flame_tree *tree, const struct flame_tree_node *node)
{
    return flame_tree_string(tree, node->binary)[0] == '[' && node->self_off_cpu_ns == 0 &&
           node->cut_children == 0;
}

// By node; the caller frees it.
static struct place *find_places(const struct flame_tree *tree, bool off_cpu)
{
    struct place *places = NEW_ARRAY(struct place, tree->nodes.n);
    for (size_t i = 1; i < tree->nodes.n; i++) {
        const struct flame_tree_node *node = &tree->nodes.at[i];
        const struct place *above = &places[node->parent];
        places[i].hidden = off_cpu && is_noise(tree, node);
        places[i].caller = above->hidden ? above->caller : node->parent;
        places[i].depth = above->depth + !places[i].hidden;
    }
    return places;
}

// The binary is said where it changes: calls within one need no repetition.
static void put_name(const struct flame_tree *tree, const struct flame_tree_node *node,
                     const struct place *place, struct text *to)
{
    const char *name = flame_tree_string(tree, node->function);
    const char *binary = flame_tree_string(tree, node->binary);
    if (node->depth == 0) {
        text_add(to, "all");
        return;
    }
    text_add_escaped(to, name, strlen(name));
    text_add(to, node->inlined ? " (inlined)" : "");
    if (node->binary != tree->nodes.at[place->caller].binary && binary[0] != 0 &&
        strncmp(name, binary, strlen(binary)) != 0) {
        text_add(to, "  (");
        text_add_escaped(to, binary, strlen(binary));
        text_add(to, ")");
    }
}

// What the lines show: time on a CPU by samples, or time spent waiting.
static uint64_t weight_of(const struct flame_tree_node *node, bool off_cpu)
{
    return off_cpu ? node->waits.total_ns : node->samples;
}

static void put_node(const struct flame_tree *tree, const struct flame_tree_node *node,
                     const struct place *place, bool off_cpu, size_t width, struct text *to)
{
    double all = (double)weight_of(&tree->nodes.at[0], off_cpu);
    CLEANUP(text_fini) struct text share = {0};
    CLEANUP(text_fini) struct text ms = {0};
    CLEANUP(text_fini) struct text line = {0};
    format_percent(&share, (double)weight_of(node, off_cpu), all);
    format_ms(&ms, off_cpu ? node->waits.total_ns : node->on_cpu_ns);
    text_addf(&line, "%6s%% %12s  %*s", text_get(&share), text_get(&ms), (int)place->depth * 2, "");
    put_name(tree, node, place, &line);
    if (off_cpu && node->self_off_cpu_ns > 0 && node->depth > 0) {
        text_add(&line, " [");
        waits_put_reasons(&line, &node->waits);
        text_add(&line, "] ");
        format_things(&line, node->off_cpu_intervals, "wait", "waits");
    }
    if (node->cut_children > 0) {
        text_add(&line, "  + ");
        format_things(&line, node->cut_children, "callee", "callees");
        text_add(&line, " of ");
        format_percent(&line, (double)(off_cpu ? node->cut_off_cpu_ns : node->cut_samples), all);
        text_add(&line, "%");
    }
    format_cut(&line, width);
    text_addf(to, "%s\n", text_get(&line));
}

// Returns how many nodes are deeper than `max_depth`.
static size_t put_tree(const struct flame_tree *tree, bool off_cpu, uint32_t max_depth,
                       struct text *to)
{
    CLEANUP(freep) struct place *places = find_places(tree, off_cpu);
    size_t n_deeper = 0;
    size_t width = format_terminal_width(STDOUT_FILENO);
    const char *bold = format_has_colour(STDOUT_FILENO) ? "\x1b[1m" : "";
    text_addf(to, "%s  share    %s  function%s\n", bold, off_cpu ? "blocked ms" : " on-CPU ms",
              bold[0] != 0 ? "\x1b[0m" : "");
    for (uint32_t i = 0; i != FLAME_NODE_NONE; i = flame_tree_next(tree, i)) {
        if (places[i].depth > max_depth) {
            n_deeper++;
        } else if (!places[i].hidden) {
            put_node(tree, &tree->nodes.at[i], &places[i], off_cpu, width, to);
        }
    }
    return n_deeper;
}

static void put_flame(const json_t *answer, const struct flame_tree *tree,
                      const struct flame_options *o, struct text *to)
{
    const json_t *health = json_object_get(answer, "health");
    if (o->off_cpu) {
        report_put_waits(to, answer);
    }
    if (o->off_cpu && result_bool(health, "estimated")) {
        return; // has been said
    }
    if (tree->nodes.n == 0 || weight_of(&tree->nodes.at[0], o->off_cpu) == 0) {
        text_addf(to, "no %s%s\n", o->off_cpu ? "waits" : "samples",
                  result_bool(health, "recording") ? " yet" : "");
        return;
    }
    uint64_t n_shown = tree->nodes.n - put_tree(tree, o->off_cpu, (uint32_t)o->depth, to);
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
    bool sound = flame_tree_read(tree, answer, &err) >= 0;
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
    flame_tree_put_json(&tree, answer, &text);
    text_add(&text, "\n");
    report_print(&text);
    return 0;
}

static int flame_run(const void *values, const struct operands *operands)
{
    (void)operands;
    struct flame_options o = *(const struct flame_options *)values;
    o.off_cpu = o.off_cpu || o.reason != NULL;
    // Lines that are not shown do not count.
    int64_t depth = o.off_cpu && !o.json ? MIN(o.depth + KERNEL_FRAMES, (int64_t)LIMIT_STACK_DEPTH)
                                         : o.depth;
    return session_ask(&(struct view_question){
        .method = "Profiler.flamegraph",
        .run = o.run,
        .tid = o.tid,
        .no_inline = o.no_inline,
        .params = json_pack("{s:I s:f s:s s:s*}", "max_depth", (json_int_t)depth, "min_share",
                            o.threshold_pct / 100, "mode", o.off_cpu ? "off_cpu" : "on_cpu",
                            "reason", waits_reason_of_word(o.reason)),
        .json = o.json,
        .options = &o,
        .print = print_flame,
        .print_json = print_nested,
    });
}

const struct cmd cmd_flame = {
    .name = "flame",
    .synopsis =
        "[-d DEPTH] [--threshold-pct P] [--off-cpu] [--reason R] [--no-inline] [--tid TID]\n"
        "                  [--run ID|PATH] [--json]",
    .summary = "the call tree, callers first, the heaviest on top",
    .details =
        "Each line: share of the whole, on-CPU time, function; callees stand below their\n"
        "caller, further in. `+ 3 callees of 0.4%` says what a line leaves out. `(inlined)`: the\n"
        "compiler has made it a part of the line above; --no-inline leaves it there. With\n"
        "--off-cpu: time spent waiting; the innermost function is the one that waits, with\n"
        "the reason in brackets, and of the kernel only that function is shown. --reason implies\n"
        "--off-cpu.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = flame_run,
};
