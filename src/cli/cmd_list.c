#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

#include <unistd.h>

struct list_options {
    bool json;
};

static const struct list_options defaults = {0};

static const struct option options[] = {
    OPTION_JSON(struct list_options),
    {.name = NULL},
};

static const struct column columns[] = {
    {.title = "id"}, // with a star before the one that questions are about
    {.title = "state", .left = true},
    {.title = "pid"},
    {.title = "samples"},
    {.title = "intervals"},
    {.title = "duration"},
    {.title = "label", .left = true, .flexible = true},
};

// What it is; and where, if somebody has put it there: such a file is not the server's to remove.
static void add_label(struct table *table, const json_t *run)
{
    CLEANUP(text_fini) struct text label = {0};
    const char *file = result_text(run, "file");
    text_add(&label, result_text(run, "label"));
    if (file[0] != 0 && !result_bool(run, "in_history")) {
        text_addf(&label, " (%s)", file);
    }
    table_add_name(table, text_get(&label));
}

static void add_run(struct table *table, const json_t *run, uint64_t current)
{
    struct text cell = {0};
    uint64_t id = result_u64(run, "id");
    text_addf(&cell, "%s%llu", id == current ? "*" : "", (unsigned long long)id);
    table_add(table, &cell);
    report_put_state(&cell, run);
    table_add(table, &cell);
    text_addf(&cell, "%llu", (unsigned long long)result_u64(run, "target_pid"));
    table_add(table, &cell);
    table_add_count(table, result_u64(run, "samples"));
    table_add_count(table, result_u64(run, "off_cpu_intervals"));
    format_duration(&cell, result_u64(run, "duration_ns"));
    table_add(table, &cell);
    add_label(table, run);
}

static void print_list(const json_t *list)
{
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(list, "runs"), i, run)
    {
        add_run(&table, run, result_u64(list, "current"));
    }
    if (i == 0) {
        text_add(&text, "no run yet; start one with: stax record -- COMMAND\n");
    } else {
        table_put(&table, &text, format_terminal_width(STDOUT_FILENO),
                  format_has_colour(STDOUT_FILENO));
    }
    report_print(&text);
}

static int list_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct list_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    if (!session_open(&client)) {
        return 1;
    }
    json_t *list = session_call(&client, "RunControl.list_runs", NULL);
    if (list != NULL && o->json) {
        session_print_json(list);
    } else if (list != NULL) {
        print_list(list);
    }
    json_decref(list);
    return list == NULL;
}

const struct cmd cmd_list = {
    .name = "list",
    .synopsis = "[--json]",
    .summary = "every run, oldest first",
    .details = "The one with a star is what questions without --run are about.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = list_run,
};
