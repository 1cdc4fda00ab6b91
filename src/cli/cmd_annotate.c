#include "base/limits.h"
#include "base/log.h"
#include "cli/annotated_text.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/target.h"

#include <stdlib.h>
#include <unistd.h>

struct annotate_options {
    struct scope scope;
    const char *target; // no option: what stands beside them
    struct option_texts source_paths;
    bool source;
    bool no_source;
    bool att;
    bool all;
    bool off_cpu;
    bool json;
};

static const struct annotate_options defaults = {.scope = SCOPE_DEFAULTS};

static const struct option options[] = {
    {.name = "source",
     .doc = "with lines of the source, where they are known; the default",
     .at = offsetof(struct annotate_options, source)},
    {.name = "no-source",
     .doc = "instructions only",
     .at = offsetof(struct annotate_options, no_source)},
    {.name = "source-path",
     .value = "FROM=TO",
     .doc = "sources are in TO rather than in FROM; may be given often",
     .kind = OPTION_TEXTS,
     .at = offsetof(struct annotate_options, source_paths),
     .max = LIMIT_SOURCE_MAPS},
    {.name = "att",
     .doc = "x86 instructions as the GNU assembler has them",
     .at = offsetof(struct annotate_options, att)},
    {.name = "all",
     .doc = "also long stretches without samples",
     .at = offsetof(struct annotate_options, all)},
    OPTION_OFF_CPU(struct annotate_options),
    OPTION_JSON(struct annotate_options),
    OPTIONS_SCOPE(struct annotate_options),
    {.name = NULL},
};

// [{from, to}], or NULL when an error was printed.
static json_t *read_source_paths(const struct option_texts *paths)
{
    json_t *maps = json_array();
    for (size_t i = 0; i < paths->n; i++) {
        const char *equals = strchr(paths->at[i], '=');
        bool is_whole = equals != NULL && equals > paths->at[i] && equals[1] != 0;
        CLEANUP(freep) char *to = is_whole ? session_absolute_path(equals + 1) : NULL;
        if (!is_whole) {
            log_error("--source-path is FROM=TO, not '%.60s'; see: stax annotate --help",
                      paths->at[i]);
        } else if (to != NULL) {
            json_t *map = json_pack("{s:s% s:s}", "from", paths->at[i],
                                    (size_t)(equals - paths->at[i]), "to", to);
            if (map != NULL) {
                json_array_append_new(maps, map);
                continue;
            }
            session_print_not_text(paths->at[i]);
        }
        json_decref(maps);
        return NULL;
    }
    return maps;
}

static int print_annotated(const json_t *run, const json_t *answer, const void *values)
{
    const struct annotate_options *o = values;
    CLEANUP(text_fini) struct text text = {0};
    struct annotated_look look = {.all = o->all,
                                  .off_cpu = o->off_cpu,
                                  .colour = format_has_colour(STDOUT_FILENO),
                                  .width = format_terminal_width(STDOUT_FILENO)};
    target_print_choice(answer, o->target, "annotating", "the most samples");
    report_put_head(&text, run, answer);
    annotated_put(&text, answer, &look);
    report_print(&text);
    return 0;
}

static int annotate_run(const void *values, const struct operands *operands)
{
    struct annotate_options o = *(const struct annotate_options *)values;
    o.target = operands->at[0];
    if (o.source && o.no_source) {
        log_error("--source and --no-source exclude each other; see: stax annotate --help");
        return 1;
    }
    json_t *maps = read_source_paths(&o.source_paths);
    if (maps == NULL) {
        return 1;
    }
    json_t *params = json_pack("{s:s s:b s:I s:o}", "syntax", o.att ? "att" : "intel", "source",
                               !o.no_source, "limit", (json_int_t)LIMIT_ANNOTATED_LINES,
                               "source_paths", maps);
    if (!target_put_params(params, o.target)) {
        json_decref(params);
        return 1;
    }
    return session_ask(&(struct view_question){
        .method = "Profiler.annotated",
        .scope = &o.scope,
        .params = params,
        .json = o.json,
        .options = &o,
        .print = print_annotated,
    });
}

const struct cmd cmd_annotate = {
    .name = "annotate",
    .synopsis = "TARGET [--source|--no-source] [--source-path FROM=TO]... [--att]\n"
                "                     [--all] [--off-cpu] [--json] [SCOPE]",
    .summary = "the instructions of a function, with their samples and source lines",
    .details =
        "TARGET is an address, 0x... as answers say it, or a part of a name, whatever the case; of\n"
        "several functions the hottest one is shown, and the others are named on stderr.\n"
        "self: samples right at the instruction; a timer finds a thread an instruction or two\n"
        "behind the slow one. below: samples in what is called from there. Shares are of all\n"
        "samples of the function. --off-cpu shows waits in what is called from there.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .operand = "TARGET",
    .run = annotate_run,
};
