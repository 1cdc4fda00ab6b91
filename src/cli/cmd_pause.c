// stax pause and stax resume: whether the active run takes in samples.

#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"

#include <stdio.h>

struct pause_options {
    bool json;
};

static const struct pause_options defaults = {0};

static const struct option options[] = {
    OPTION_JSON(struct pause_options),
    {.name = NULL},
};

static int set_paused(const void *values, bool paused)
{
    const struct pause_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    if (!session_open(&client)) {
        return 1;
    }
    json_t *answer = session_call(&client, "Profiler.set_paused",
                                  json_pack("{s:b}", "paused", (int)paused));
    if (answer == NULL) {
        return 1;
    }
    if (o->json) {
        session_print_json(answer);
    } else if (result_bool(answer, "paused")) {
        puts("paused: samples are not taken in; `stax resume` goes on");
    } else {
        puts("samples are taken in");
    }
    json_decref(answer);
    return 0;
}

static int pause_run(const void *values, const struct operands *operands)
{
    (void)operands;
    return set_paused(values, true);
}

static int resume_run(const void *values, const struct operands *operands)
{
    (void)operands;
    return set_paused(values, false);
}

const struct cmd cmd_pause = {
    .name = "pause",
    .synopsis = "[--json]",
    .summary = "take in no samples until `stax resume`; the run goes on",
    .details =
        "What is not worth looking at: a start, a break. Samples that come meanwhile are counted\n"
        "and not kept: `stax status` says so, and the summary of the run how many, and when. Times\n"
        "of threads and waits are exact all the same: functions share a thread's time by the\n"
        "samples that there are.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = pause_run,
};

const struct cmd cmd_resume = {
    .name = "resume",
    .synopsis = "[--json]",
    .summary = "take in samples again, after `stax pause`",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = resume_run,
};
