#include "base/log.h"
#include "cli/annotated_text.h"
#include "cli/cfg_text.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/target.h"

#include <unistd.h>

struct cfg_options {
    struct scope scope;
    const char *target; // no option: what stands beside them
    bool dot;
    bool all;
    bool json;
};

static const struct cfg_options defaults = {.scope = SCOPE_DEFAULTS};

static const struct option options[] = {
    {.name = "dot", .doc = "print a graph for Graphviz", .at = offsetof(struct cfg_options, dot)},
    {.name = "all",
     .doc = "also long stretches without samples",
     .at = offsetof(struct cfg_options, all)},
    OPTION_JSON(struct cfg_options),
    OPTIONS_SCOPE(struct cfg_options),
    {.name = NULL},
};

static int print_cfg(const json_t *run, const json_t *answer, const void *values)
{
    const struct cfg_options *o = values;
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(cfg_graph_fini) struct cfg_graph graph;
    cfg_graph_init(&graph, answer);
    target_print_choice(answer, o->target, "drawing", "the most samples");
    if (o->dot) {
        cfg_dot_put(&text, &graph);
    } else {
        report_put_head(&text, run, answer);
        annotated_put_head(&text, answer);
        struct cfg_look look = {.width = format_terminal_width(STDOUT_FILENO),
                                .colour = format_has_colour(STDOUT_FILENO),
                                .all = o->all};
        cfg_text_put(&text, &graph, &look);
    }
    report_print(&text);
    return 0;
}

static int cfg_run(const void *values, const struct operands *operands)
{
    struct cfg_options o = *(const struct cfg_options *)values;
    o.target = operands->at[0];
    if (o.dot && o.json) {
        log_error("--dot and --json exclude each other; see: stax cfg --help");
        return 1;
    }
    json_t *params = json_object();
    if (!target_put_params(params, o.target)) {
        json_decref(params);
        return 1;
    }
    return session_ask(&(struct view_question){
        .method = "Profiler.cfg",
        .scope = &o.scope,
        .params = params,
        .json = o.json,
        .options = &o,
        .print = print_cfg,
    });
}

const struct cmd cmd_cfg = {
    .name = "cfg",
    .synopsis = "TARGET [--dot] [--all] [--json] [SCOPE]",
    .summary = "the basic blocks of a function, with their samples and ways",
    .details =
        "TARGET is an address, 0x... as answers say it, or a part of a name, whatever the case; of\n"
        "several functions the hottest one is shown, and the others are named on stderr.\n"
        "One line per block, by address: samples right in it, samples below in what it calls, and\n"
        "where it leads to. \"o\" marks the head of a loop, an arrow up a way back to one. Shares are\n"
        "of all samples of the function.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .operand = "TARGET",
    .run = cfg_run,
};
