#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

#include <stdlib.h>

struct save_options {
    const char *run;
    bool json;
};

static const struct save_options defaults = {0};

static const struct option options[] = {
    OPTION_RUN(struct save_options),
    OPTION_JSON(struct save_options),
    {.name = NULL},
};

static void print_saved(const json_t *saved)
{
    CLEANUP(text_fini) struct text text = {0};
    const char *path = result_text(saved, "path");
    text_addf(&text, "run %llu is saved in ", (unsigned long long)result_u64(saved, "run"));
    text_add_escaped(&text, path, strlen(path));
    text_add(&text, " (");
    format_bytes(&text, result_u64(saved, "bytes"));
    text_add(&text, ")\n");
    report_print(&text);
}

static int save_run(const void *values, const struct operands *operands)
{
    const struct save_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    CLEANUP(freep) char *path = session_absolute_path(operands->at[0]);
    struct run_choice run = {.text = o->run};
    client.timeout_ms = -1; // a long run with much to name takes its time
    if (path == NULL || !session_open_run(&client, &run)) {
        return 1;
    }
    json_t *params = json_pack("{s:s}", "path", path);
    if (params == NULL) {
        session_print_not_text(path);
        return 1;
    }
    if (run.id > 0) {
        json_object_set_new(params, "run", json_integer(run.id));
    }
    json_t *saved = session_call(&client, "RunControl.save_current", params);
    if (saved != NULL && o->json) {
        session_print_json(saved);
    } else if (saved != NULL) {
        print_saved(saved);
    }
    json_decref(saved);
    return saved == NULL;
}

const struct cmd cmd_save = {
    .name = "save",
    .synopsis = "[--run ID|PATH] [--json] PATH",
    .summary = "a run as one file, with all names; also while it is recorded",
    .details =
        "The file holds everything that stax knows of the run: it says the same on another\n"
        "machine, and after the program was built anew. Open it with stax open, or ask about\n"
        "it with --run PATH. Another run file at PATH is replaced, any other file is not.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .operand = "PATH",
    .run = save_run,
};
