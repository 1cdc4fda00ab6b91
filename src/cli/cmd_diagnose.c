#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"

#include <unistd.h>

struct diagnose_options {
    const char *run;
    bool json;
};

static const struct diagnose_options defaults = {0};

static const struct option options[] = {
    OPTION_RUN(struct diagnose_options),
    OPTION_JSON(struct diagnose_options),
    {.name = NULL},
};

static const struct column image_columns[] = {
    {.title = "samples"},
    {.title = "no name"},
    {.title = "symbols"},
    {.title = "state", .left = true},
    {.title = "file", .left = true, .flexible = true},
    {.title = "note", .left = true},
};

static void put_server(struct text *to, const json_t *server)
{
    text_addf(to, "server\n  pid %llu, CPU time ", (unsigned long long)result_u64(server, "pid"));
    format_ms(to, result_u64(server, "cpu_ns"));
    text_add(to, " ms, memory ");
    format_bytes(to, result_u64(server, "rss_bytes"));
    text_add(to, "\n  ");
    format_things(to, result_u64(server, "connections"), "connection", "connections");
    text_add(to, ", ");
    format_things(to, result_u64(server, "subscriptions"), "subscription", "subscriptions");
    text_add(to, ", ");
    format_things(to, result_u64(server, "waiters"), "waiter", "waiters");
    text_add(to, ", ");
    format_things(to, result_u64(server, "query_queue"), "question", "questions");
    text_add(to, " in the queue\n");
}

// ", 3 found", or nothing for none.
static void put_some(struct text *to, uint64_t n, const char *what)
{
    if (n > 0) {
        CLEANUP(text_fini) struct text number = {0};
        format_count(&number, n);
        text_addf(to, ", %s %s", text_get(&number), what);
    }
}

static void put_untrusted(struct text *to, const char *text)
{
    text_add_escaped(to, text, strlen(text));
}

static void put_debuginfod_server(struct text *to, const json_t *server)
{
    text_add(to, "  ");
    put_untrusted(to, result_text(server, "url"));
    text_addf(to, ": %s", result_text(server, "state"));
    if (result_u64(server, "rests_ns") > 0) {
        text_add(to, ", left alone for ");
        format_duration(to, result_u64(server, "rests_ns"));
    }
    text_add(to, ", asked ");
    format_things(to, result_u64(server, "asked"), "time", "times");
    put_some(to, result_u64(server, "found"), "found");
    put_some(to, result_u64(server, "missing"), "missing");
    put_some(to, result_u64(server, "failed"), "failed");
    text_add(to, ", ");
    format_bytes(to, result_u64(server, "bytes"));
    text_add(to, "\n");
}

static void put_debuginfod_transfer(struct text *to, const json_t *transfer)
{
    text_addf(to, "  fetching %s from ", result_text(transfer, "build_id"));
    put_untrusted(to, result_text(transfer, "url"));
    text_add(to, ": ");
    format_bytes(to, result_u64(transfer, "bytes"));
    if (result_u64(transfer, "total_bytes") > 0) {
        text_add(to, " of ");
        format_bytes(to, result_u64(transfer, "total_bytes"));
    }
    text_add(to, " in ");
    format_duration(to, result_u64(transfer, "elapsed_ns"));
    text_add(to, "\n");
}

static void put_debuginfod_failure(struct text *to, const json_t *failure)
{
    const char *url = result_text(failure, "url");
    text_addf(to, "  failed: %s", result_text(failure, "build_id"));
    text_add(to, url[0] != 0 ? ": " : "");
    put_untrusted(to, url);
    text_add(to, url[0] != 0 ? " " : ": ");
    put_untrusted(to, result_text(failure, "reason"));
    text_add(to, "\n");
}

// Nothing when it is off and there is nothing to say.
static void put_debuginfod(struct text *to, const json_t *report)
{
    const char *note = result_text(report, "note");
    bool on = json_is_true(json_object_get(report, "on"));
    if (!on && note[0] == 0) {
        return;
    }
    text_add(to, "debug files from servers\n");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(report, "servers"), i, item)
    {
        put_debuginfod_server(to, item);
    }
    if (on) {
        text_add(to, "  ");
        format_things(to, result_u64(report, "fetched"), "file", "files");
        text_add(to, " fetched");
        put_some(to, result_u64(report, "cached"), "from the cache");
        put_some(to, result_u64(report, "missing"), "that no server has");
        put_some(to, result_u64(report, "deferred"), "to be asked for again later");
        text_add(to, "; cache: ");
        put_untrusted(to, result_text(report, "cache"));
        text_add(to, "\n");
    }
    json_array_foreach(json_object_get(report, "transfers"), i, item)
    {
        put_debuginfod_transfer(to, item);
    }
    json_array_foreach(json_object_get(report, "failures"), i, item)
    {
        put_debuginfod_failure(to, item);
    }
    if (note[0] != 0) {
        text_add(to, "  note: ");
        put_untrusted(to, note);
        text_add(to, "\n");
    }
}

static void put_unwinding(struct text *to, const json_t *capture)
{
    uint64_t n = result_u64(capture, "unwound_stacks");
    if (n == 0) {
        return;
    }
    text_add(to, "  unwound ");
    format_things(to, n, "stack", "stacks");
    text_addf(to, ", %.1f %% of them whole, waited ",
              100 * (double)result_u64(capture, "whole_stacks") / (double)n);
    format_ms(to, result_u64(capture, "unwind_waited_ns"));
    text_add(to, " ms for unwinding information\n");
}

static void put_capture(struct text *to, const json_t *capture)
{
    const char *note = result_text(capture, "note");
    text_addf(to, "capture\n  %s, ", result_text(capture, "backend"));
    format_things(to, result_u64(capture, "rings"), "ring", "rings");
    text_add(to, " of ");
    format_bytes(to, result_u64(capture, "ring_bytes"));
    text_add(to, " together\n  emptied ");
    format_things(to, result_u64(capture, "drains"), "time", "times");
    text_add(to, ", CPU time ");
    format_ms(to, result_u64(capture, "cpu_ns"));
    text_add(to, " ms\n");
    put_unwinding(to, capture);
    if (note[0] != 0) {
        text_add(to, "  note: ");
        text_add_escaped(to, note, strlen(note));
        text_add(to, "\n");
    }
}

// A map of counts, one per line; zeros say that nothing happened, and are left out of `events`.
static void put_counts(struct text *to, const char *title, const json_t *counts, bool zeros)
{
    text_addf(to, "%s\n", title);
    const char *name;
    json_t *count;
    json_object_foreach((json_t *)(uintptr_t)counts, name, count)
    {
        if (json_integer_value(count) == 0 && !zeros) {
            continue;
        }
        CLEANUP(text_fini) struct text number = {0};
        format_count(&number, (uint64_t)json_integer_value(count));
        text_addf(to, "  %14s  ", text_get(&number));
        text_add_escaped(to, name, strlen(name));
        text_add(to, "\n");
    }
}

static void put_memory(struct text *to, const json_t *run)
{
    const json_t *memory = json_object_get(run, "memory");
    text_add(to, "memory\n  ");
    format_bytes(to, result_u64(memory, "total_bytes"));
    text_add(to, ": ");
    format_bytes(to, result_u64(memory, "rows_bytes"));
    text_add(to, " in rows, ");
    format_bytes(to, result_u64(memory, "stacks_bytes"));
    text_add(to, " in stacks (");
    format_things(to, result_u64(run, "stacks"), "stack", "stacks");
    text_add(to, ", ");
    format_things(to, result_u64(run, "frames"), "frame", "frames");
    text_add(to, ")\n");
}

static void put_images(struct text *to, const json_t *images)
{
    CLEANUP(table_fini) struct table table;
    table_init(&table, image_columns, ARRAY_LEN(image_columns));
    size_t i;
    json_t *image;
    json_array_foreach(images, i, image)
    {
        table_add_count(&table, result_u64(image, "leaf_samples"));
        table_add_count(&table, result_u64(image, "unresolved_samples"));
        table_add_count(&table, result_u64(image, "symbols"));
        table_add_name(&table, result_text(image, "state"));
        table_add_name(&table, result_text(image, "path"));
        const char *note = result_text(image, "note");
        table_add_name(&table, note[0] != 0 ? note : result_text(image, "inline_note"));
    }
    if (i > 0) {
        text_add(to, "names\n");
        table_put(&table, to, format_terminal_width(STDOUT_FILENO),
                  format_has_colour(STDOUT_FILENO));
    }
}

static const struct column jit_columns[] = {
    {.title = "functions"},
    {.title = "bytes"},
    {.title = "bad"},
    {.title = "skipped"},
    {.title = "pid"},
    {.title = "file", .left = true, .flexible = true},
    {.title = "note", .left = true},
};

// Files that are only looked for, and not there, say nothing.
static bool is_worth_telling(const json_t *source)
{
    return result_u64(source, "bytes") > 0 || result_text(source, "note")[0] != 0;
}

static void put_jit(struct text *to, const json_t *sources, const char *note)
{
    CLEANUP(table_fini) struct table table;
    table_init(&table, jit_columns, ARRAY_LEN(jit_columns));
    bool any = false;
    size_t i;
    json_t *source;
    json_array_foreach(sources, i, source)
    {
        if (!is_worth_telling(source)) {
            continue;
        }
        any = true;
        table_add_count(&table, result_u64(source, "codes"));
        table_add_count(&table, result_u64(source, "bytes"));
        table_add_count(&table, result_u64(source, "bad"));
        table_add_count(&table, result_u64(source, "skipped"));
        table_add_count(&table, result_u64(source, "pid"));
        table_add_name(&table, result_text(source, "path"));
        table_add_name(&table, result_text(source, "note"));
    }
    if (any) {
        text_add(to, "code made by JITs\n");
        table_put(&table, to, format_terminal_width(STDOUT_FILENO),
                  format_has_colour(STDOUT_FILENO));
    }
    if (note[0] != 0) {
        text_add(to, "  note: ");
        text_add_escaped(to, note, strlen(note));
        text_add(to, "\n");
    }
}

// Stacks that lack callers: where they end, and in which threads.
static void put_truncations(struct text *to, const json_t *places, const json_t *threads)
{
    size_t i;
    json_t *entry;
    json_array_foreach(places, i, entry)
    {
        const char *path = result_text(entry, "path");
        text_add(to, i == 0 ? "stacks that lack callers\n  " : "  ");
        format_things(to, result_u64(entry, "samples"), "sample", "samples");
        text_add(to, ", ");
        format_things(to, result_u64(entry, "intervals"), "wait", "waits");
        text_add(to, ": ");
        report_put_key(to, result_text(entry, "reason"));
        text_add(to, path[0] != 0 ? " in " : "");
        text_add_escaped(to, path, strlen(path));
        text_add(to, "\n");
    }
    json_array_foreach(threads, i, entry)
    {
        const char *name = result_text(entry, "name");
        text_addf(to, "  thread %llu ", (unsigned long long)result_u64(entry, "tid"));
        text_add_escaped(to, name, strlen(name));
        text_add(to, ": ");
        format_count(to, result_u64(entry, "truncated_samples"));
        text_add(to, " of ");
        format_things(to, result_u64(entry, "samples"), "sample", "samples");
        text_add(to, "\n");
    }
}

// The part of "other" that the table of reasons could not explain.
static void put_unexplained(struct text *to, const json_t *waits)
{
    size_t i;
    json_t *wait;
    json_array_foreach(waits, i, wait)
    {
        const char *name = result_text(wait, "function_name");
        text_add(to, i == 0 ? "waits for \"other\" reasons, more than 5 % of all\n" : "");
        CLEANUP(text_fini) struct text ms = {0};
        format_ms(&ms, result_u64(wait, "off_cpu_ns"));
        text_addf(to, "  %14s  ms in ", text_get(&ms));
        text_add_escaped(to, name, strlen(name));
        text_add(to, ", ");
        format_things(to, result_u64(wait, "intervals"), "wait", "waits");
        text_add(to, "\n");
    }
}

static void print_diagnosis(const json_t *answer)
{
    CLEANUP(text_fini) struct text text = {0};
    const json_t *run = json_object_get(answer, "run");
    put_server(&text, json_object_get(answer, "server"));
    put_debuginfod(&text, json_object_get(answer, "debuginfod"));
    if (run == NULL) {
        text_add(&text, "no run yet; start one with: stax record -- COMMAND\n");
    } else {
        text_addf(&text, "\nrun %llu\n\n", (unsigned long long)result_u64(run, "id"));
        put_capture(&text, json_object_get(run, "capture"));
        put_counts(&text, "records by kind", json_object_get(run, "events"), false);
        put_counts(&text, "lost, cut, out of order", json_object_get(run, "accounts"), true);
        put_memory(&text, run);
        put_truncations(&text, json_object_get(run, "truncations"),
                        json_object_get(run, "truncated_threads"));
        put_unexplained(&text, json_object_get(run, "unexplained_waits"));
        put_images(&text, json_object_get(run, "images"));
        put_jit(&text, json_object_get(run, "jit"), result_text(run, "jit_note"));
    }
    report_print(&text);
}

static int diagnose_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct diagnose_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    struct run_choice run = {.text = o->run};
    if (!session_open_run(&client, &run)) {
        return 1;
    }
    json_t *params = json_object();
    if (run.id > 0) {
        json_object_set_new(params, "run", json_integer(run.id));
    }
    json_t *answer = session_call(&client, "RunControl.diagnostics", params);
    if (answer != NULL && o->json) {
        session_print_json(answer);
    } else if (answer != NULL) {
        print_diagnosis(answer);
    }
    json_decref(answer);
    return answer == NULL;
}

const struct cmd cmd_diagnose = {
    .name = "diagnose",
    .synopsis = "[--run ID|PATH] [--json]",
    .summary = "the profiler's own accounting: what was lost, what has no name, what it costs",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = diagnose_run,
};
