// stax open and stax select-run: what questions without --run are about.

#include "base/log.h"
#include "cli/cmd.h"
#include "cli/report.h"
#include "cli/session.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct open_options {
    bool json;
};

static const struct open_options defaults = {0};

static const struct option options[] = {
    OPTION_JSON(struct open_options),
    {.name = NULL},
};

static int print_chosen(const struct open_options *o, json_t *chosen)
{
    if (chosen == NULL) {
        return 1;
    }
    if (o->json) {
        session_print_json(chosen);
    } else {
        CLEANUP(text_fini) struct text text = {0};
        report_put_summary(&text, json_object_get(chosen, "summary"));
        text_add(&text, "next: stax top, stax flame, stax threads\n");
        report_print(&text);
    }
    json_decref(chosen);
    return 0;
}

static int open_run(const void *values, const struct operands *operands)
{
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    char path[PATH_MAX];
    if (realpath(operands->at[0], path) == NULL) {
        log_error("cannot open %s: %s", operands->at[0], strerror(errno));
        return 1;
    }
    json_t *params = json_pack("{s:s}", "path", path);
    if (params == NULL) {
        session_print_not_text(path);
        return 1;
    }
    client.timeout_ms = -1; // a large file takes its time
    if (!session_open(&client)) {
        json_decref(params);
        return 1;
    }
    return print_chosen(values, session_call(&client, "RunControl.open_saved", params));
}

const struct cmd cmd_open = {
    .name = "open",
    .synopsis = "[--json] PATH",
    .summary = "a run file becomes the run that questions are about",
    .details =
        "Until another recording starts, or another run is chosen. For a single look at a file\n"
        "every question takes --run PATH, also where no server runs.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .operand = "PATH",
    .run = open_run,
};

static int select_run(const void *values, const struct operands *operands)
{
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    struct run_choice run = {.text = operands->at[0]};
    if (!session_open(&client) || !session_choose_run(&client, &run)) {
        return 1;
    }
    json_t *params = json_pack("{s:I}", "run", (json_int_t)run.id);
    return print_chosen(values, session_call(&client, "RunControl.select_run", params));
}

const struct cmd cmd_select_run = {
    .name = "select-run",
    .synopsis = "[--json] ID",
    .summary = "an earlier run becomes the one that questions are about",
    .details = "Until another recording starts, or another run is chosen. stax list shows them.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .operand = "ID",
    .run = select_run,
};
