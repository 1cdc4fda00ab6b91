#include "cli/cmd.h"
#include "cli/report.h"
#include "cli/session.h"

struct stop_options {
    bool json;
};

static const struct stop_options defaults = {0};

static const struct option options[] = {
    OPTION_JSON(struct stop_options),
    {.name = NULL},
};

static int stop_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct stop_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    if (!session_open(&client)) {
        return 1;
    }
    json_t *result = session_call(&client, "RunControl.stop_active", NULL);
    if (result != NULL && o->json) {
        session_print_json(result);
    } else if (result != NULL) {
        CLEANUP(text_fini) struct text text = {0};
        report_put_summary(&text, json_object_get(result, "summary"));
        report_print(&text);
    }
    json_decref(result);
    return result == NULL;
}

const struct cmd cmd_stop = {
    .name = "stop",
    .synopsis = "[--json]",
    .summary = "end the active run; the program goes on",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = stop_run,
};
