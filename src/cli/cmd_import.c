#include "base/alloc.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/report.h"
#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct import_options {
    bool json;
};

static const struct import_options defaults = {0};

static const struct option options[] = {
    OPTION_JSON(struct import_options),
    {.name = NULL},
};

static int import_file(const void *values, const struct operands *operands)
{
    const struct import_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    CLEANUP(freep) char *path = session_absolute_path(operands->at[0]);
    client.timeout_ms = -1; // large files take their time
    if (path == NULL || !session_open(&client)) {
        return 1;
    }
    json_t *params = json_pack("{s:s}", "path", path);
    if (params == NULL) {
        session_print_not_text(path);
        return 1;
    }
    json_t *result = session_call(&client, "RunControl.import", params);
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

const struct cmd cmd_import = {
    .name = "import",
    .synopsis = "[--json] FILE",
    .summary = "make a run of a file that `perf record` wrote",
    .details = "The file may have samples of CPU time with call chains (-g) or copies of stacks\n"
               "(--call-graph dwarf), switches (--switch-events, -e sched:sched_switch) and\n"
               "wakeups (-e sched:sched_waking). Binaries are looked up on this machine; one\n"
               "that is not the recorded one gives no names.\n",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .operand = "file: one that `perf record` wrote",
    .run = import_file,
};
