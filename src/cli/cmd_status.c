#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

struct status_options {
    bool json;
};

static const struct status_options defaults = {0};

static const struct option options[] = {
    OPTION_JSON(struct status_options),
    {.name = NULL},
};

// In the order of the protocol, as people call them.
static const struct {
    const char *field;
    const char *shown;
} abilities[] = {
    {"kernel_stacks", "kernel stacks"},
    {"kernel_symbols", "kernel symbols"},
    {"off_cpu", "off-CPU time"},
    {"off_cpu_stacks", "off-CPU stacks"},
    {"stack_copies", "stacks to unwind"},
    {"wait_details", "what threads wait for"},
    {"wakeups", "wakeups"},
    {"pmu", "hardware counters"},
    {"build_ids", "build-ids from the kernel"},
    {"lost_samples", "exact count of lost samples"},
};

static void put_abilities(struct text *to, const json_t *capabilities)
{
    CLEANUP(text_fini) struct text seen = {0};
    CLEANUP(text_fini) struct text unseen = {0};
    for (size_t i = 0; i < ARRAY_LEN(abilities); i++) {
        const json_t *ability = json_object_get(capabilities, abilities[i].field);
        const char *reason = result_text(ability, "reason");
        if (result_bool(ability, "available")) {
            text_addf(&seen, "%s%s", seen.n > 0 ? ", " : "", abilities[i].shown);
            continue;
        }
        text_addf(&unseen, "%-9s %s", unseen.n == 0 ? "not" : "", abilities[i].shown);
        text_add(&unseen, reason[0] != 0 ? ": " : "");
        text_add_escaped(&unseen, reason, strlen(reason));
        text_add(&unseen, "\n");
    }
    text_addf(to, "sees      user stacks%s%s\n%s", seen.n > 0 ? ", " : "", text_get(&seen),
              text_get(&unseen));
}

static void put_active(struct text *to, const json_t *run)
{
    text_add(to, "active    ");
    if (run == NULL) {
        text_add(to, "no run; start one with: stax record -- COMMAND\n");
        return;
    }
    const char *label = result_text(run, "label");
    text_addf(to, "run %llu: pid %llu, recording for ", (unsigned long long)result_u64(run, "id"),
              (unsigned long long)result_u64(run, "target_pid"));
    format_duration(to, result_u64(run, "duration_ns"));
    text_add(to, ", ");
    format_things(to, result_u64(run, "samples"), "sample", "samples");
    text_add(to, ", ");
    format_things(to, result_u64(run, "threads"), "thread", "threads");
    text_add(to, ", ");
    report_put_lost(to, run);
    text_add(to, result_bool(run, "paused") ? ", paused (stax resume)" : "");
    text_add(to, ": ");
    text_add_escaped(to, label, strlen(label));
    text_add(to, "\n");
}

// Where browsers come in, or why they do not. A server that is older than this command says
// neither.
static void put_browser(struct text *to, const json_t *status)
{
    const char *url = result_text(status, "web_url");
    const char *note = result_text(status, "web_note");
    if (url[0] == 0 && note[0] == 0) {
        return;
    }
    text_add(to, "browser   ");
    text_add_escaped(to, url[0] != 0 ? url : note, strlen(url[0] != 0 ? url : note));
    text_add(to, url[0] != 0 ? " (stax ui opens it)\n" : "\n");
}

static void print_status(const struct client *client, const json_t *status)
{
    CLEANUP(text_fini) struct text text = {0};
    uint64_t now_ns = clock_unix_ns();
    uint64_t started_ns = result_u64(status, "server_started_at_unix_ns");
    text_addf(&text, "server    stax-server %s, pid %llu, up ", result_text(status, "version"),
              (unsigned long long)result_u64(status, "server_pid"));
    format_duration(&text, now_ns > started_ns ? now_ns - started_ns : 0);
    text_add(&text, "\nsocket    ");
    text_add_escaped(&text, text_get(&client->path), client->path.n);
    text_add(&text, "\n");
    put_browser(&text, status);
    text_addf(&text, "backend   %s\n", result_text(status, "backend"));
    put_active(&text, json_array_get(json_object_get(status, "active"), 0));
    put_abilities(&text, json_object_get(status, "capabilities"));
    report_print(&text);
}

static int status_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct status_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    if (!session_open(&client)) {
        return 1;
    }
    json_t *status = session_call(&client, "RunControl.status", NULL);
    if (status != NULL && o->json) {
        session_print_json(status);
    } else if (status != NULL) {
        print_status(&client, status);
    }
    json_decref(status);
    return status == NULL;
}

const struct cmd cmd_status = {
    .name = "status",
    .synopsis = "[--json]",
    .summary = "the server, the active run, and what can be seen here",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = status_run,
};
