#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

#include <stdio.h>

// `stax record … & stax wait …`: the recording may be a moment away.
enum { START_MS = 2000 };

struct wait_options {
    int64_t samples;
    double seconds;
    const char *symbol;
    int64_t timeout_ms;
    const char *run;
    bool json;
};

static const struct wait_options defaults = {.seconds = -1, .timeout_ms = -1};

static const struct option options[] = {
    {.name = "for-samples",
     .value = "N",
     .doc = "until the run has so many samples",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct wait_options, samples),
     .min = 1,
     .max = 1e15},
    {.name = "for-seconds",
     .value = "N",
     .doc = "so long from now",
     .kind = OPTION_NUMBER,
     .at = offsetof(struct wait_options, seconds),
     .min = 0,
     .max = LIMIT_TIME_LIMIT_S},
    {.name = "until-symbol",
     .value = "TEXT",
     .doc = "until a sample lies in a function with TEXT in its name",
     .kind = OPTION_TEXT,
     .at = offsetof(struct wait_options, symbol)},
    {.name = "timeout-ms",
     .value = "MS",
     .doc = "give up after so long",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct wait_options, timeout_ms),
     .min = 0,
     .max = INT32_MAX},
    OPTION_RUN(struct wait_options),
    OPTION_JSON(struct wait_options),
    {.name = NULL},
};

// The one condition that was given; NULL without one. False when there are several.
static bool make_condition(const struct wait_options *o, json_t **ret)
{
    const char *given[3];
    size_t n = 0;
    *ret = NULL;
    if (o->samples > 0) {
        given[n++] = "--for-samples";
    }
    if (o->seconds >= 0) {
        given[n++] = "--for-seconds";
    }
    if (o->symbol != NULL) {
        given[n++] = "--until-symbol";
    }
    if (n > 1) {
        log_error("%s and %s exclude each other; choose one", given[0], given[1]);
        return false;
    }
    if (o->samples > 0) {
        *ret = json_pack("{s:I}", "for_samples", (json_int_t)o->samples);
    } else if (o->seconds >= 0) {
        *ret = json_pack("{s:f}", "for_seconds", o->seconds);
    } else if (o->symbol != NULL) {
        *ret = json_pack("{s:s}", "until_symbol", o->symbol);
        if (*ret == NULL) {
            log_error("--until-symbol must be UTF-8; see: stax wait --help");
            return false;
        }
    }
    return true;
}

// The exit status, and the one line that says why.
static int print_outcome(const json_t *result, bool quiet)
{
    const char *outcome = result_text(result, "outcome");
    const json_t *run = json_object_get(result, "summary");
    CLEANUP(text_fini) struct text text = {0};
    int status = 0;
    if (strcmp(outcome, "condition_met") == 0) {
        text_add(&text, "condition met: ");
        format_things(&text, result_u64(run, "samples"), "sample", "samples");
        text_add(&text, "\n");
    } else if (strcmp(outcome, "stopped") == 0) {
        text_add(&text, "run ");
        report_put_state(&text, run);
        text_add(&text, "\n");
    } else if (strcmp(outcome, "timed_out") == 0) {
        text_add(&text, "timed out\n");
        status = 1;
    } else {
        log_error("no active run; start one with: stax record -- COMMAND");
        status = 1;
    }
    if (!quiet) {
        report_print(&text);
    }
    return status;
}

static int wait_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct wait_options *o = values;
    json_t *condition;
    if (!make_condition(o, &condition)) {
        return 1;
    }
    json_t *params = json_object();
    if (condition != NULL) {
        json_object_set_new(params, "condition", condition);
    }
    if (o->timeout_ms >= 0) {
        json_object_set_new(params, "timeout_ms", json_integer(o->timeout_ms));
    }
    json_object_set_new(params, "start_ms", json_integer(START_MS));
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    struct run_choice run = {.text = o->run};
    client.timeout_ms = -1;
    if (!session_open_run(&client, &run)) {
        json_decref(params);
        return 1;
    }
    if (run.id > 0) {
        json_object_set_new(params, "run", json_integer(run.id));
    }
    json_t *result = session_call(&client, "RunControl.wait_active", params);
    if (result != NULL && o->json) {
        session_print_json(result);
    }
    int status = result == NULL ? 1 : print_outcome(result, o->json);
    json_decref(result);
    return status;
}

const struct cmd cmd_wait = {
    .name = "wait",
    .synopsis = "[--for-samples N | --for-seconds N | --until-symbol TEXT] [--timeout-ms MS] "
                "[--run ID|PATH] [--json]",
    .summary = "until the active run has something to show, or ends",
    .details =
        "Without a condition: until the run ends. Exit status 0: the condition is met or the\n"
        "run has ended; 1: timed out, no active run, or an error.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = wait_run,
};
