#include "base/limits.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <unistd.h>

struct now_options {
    int64_t limit;
    int64_t tid;
    bool json;
};

static const struct now_options defaults = {.limit = 20};

static const struct option options[] = {
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .doc = "how many waits; default 20",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct now_options, limit),
     .min = 1,
     .max = LIMIT_NOW_LOOKS},
    OPTION_TID(struct now_options),
    OPTION_JSON(struct now_options),
    {.name = NULL},
};

static void put_owner(struct text *to, const json_t *wait)
{
    const json_t *owner = json_object_get(wait, "owner");
    const char *object = result_text(wait, "object");
    const char *name = result_text(owner, "name");
    const char *function = result_text(owner, "function_name");
    if (object[0] != 0 && strcmp(object, "thread") != 0) {
        text_addf(to, "\n    for    the %s at %s", object, result_text(wait, "object_address"));
    }
    if (owner == NULL) {
        return;
    }
    if (strcmp(object, "thread") == 0) {
        text_add(to, "\n    for    the end of thread ");
    } else {
        text_add(to, ", which is held by ");
    }
    text_addf(to, "%llu ", (unsigned long long)result_u64(owner, "tid"));
    text_add_escaped(to, name, strlen(name));
    text_addf(to, " (%s", result_text(owner, "state"));
    if (function[0] != 0) {
        text_add(to, " in ");
        text_add_escaped(to, function, strlen(function));
    }
    text_add(to, ")");
}

static void put_wait(struct text *to, const json_t *wait)
{
    const char *name = result_text(wait, "thread_name");
    CLEANUP(text_fini) struct text stack = {0};
    CLEANUP(text_fini) struct text waker = {0};
    text_addf(to, "%llu ", (unsigned long long)result_u64(wait, "tid"));
    text_add_escaped(to, name, strlen(name));
    text_add(to, " waits for ");
    format_duration(to, result_u64(wait, "duration_ns"));
    text_addf(to, ": %s%s", waits_shown_name(result_text(wait, "reason")),
              result_bool(wait, "deadlock") ? ", DEADLOCK" : "");
    waits_put_stack(&stack, json_object_get(wait, "stack"), 0, result_bool(wait, "approximate"));
    if (stack.n > 0) {
        text_addf(to, "\n    in     %s", text_get(&stack));
    }
    put_owner(to, wait);
    waits_put_waker(&waker, wait);
    if (waker.n > 0) {
        text_addf(to, "\n    woken  last by %s", text_get(&waker));
    }
    text_add(to, "\n");
}

static void put_deadlocks(struct text *to, const json_t *deadlocks)
{
    size_t i;
    json_t *deadlock;
    json_array_foreach(deadlocks, i, deadlock)
    {
        const char *sentence = result_text(deadlock, "text");
        text_add(to, "DEADLOCK: ");
        text_add_escaped(to, sentence, strlen(sentence));
        text_add(to, "\n");
    }
}

static void put_notes(struct text *to, const json_t *answer)
{
    bool approximate = false;
    size_t i;
    json_t *element;
    json_array_foreach(json_object_get(answer, "waits"), i, element)
    {
        approximate = approximate || result_bool(element, "approximate");
    }
    text_add(to, approximate ? "~: the functions are those of the last known stack\n" : "");
    json_array_foreach(json_object_get(answer, "notes"), i, element)
    {
        text_add(to, "note: ");
        text_add_escaped(to, json_string_value(element), json_string_length(element));
        text_add(to, "\n");
    }
}

static int print_now(const json_t *run, const json_t *answer, const void *unused)
{
    (void)unused;
    CLEANUP(text_fini) struct text text = {0};
    report_put_head(&text, run, answer);
    uint64_t n_waiting = result_u64(answer, "n_waiting");
    format_things(&text, n_waiting, "thread waits, ", "threads wait, ");
    format_count(&text, result_u64(answer, "n_runnable"));
    text_add(&text, " ready without a CPU, ");
    format_count(&text, result_u64(answer, "n_running"));
    text_add(&text, " running\n");
    put_deadlocks(&text, json_object_get(answer, "deadlocks"));
    size_t i;
    json_t *wait;
    json_array_foreach(json_object_get(answer, "waits"), i, wait)
    {
        put_wait(&text, wait);
    }
    if (n_waiting > i) {
        format_things(&text, n_waiting - i, "more thread waits", "more threads wait");
        text_add(&text, " (-n shows more)\n");
    }
    put_notes(&text, answer);
    report_print(&text);
    return 0;
}

static int now_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct now_options *o = values;
    json_t *params = json_pack("{s:I}", "limit", (json_int_t)o->limit);
    if (o->tid > 0) {
        json_object_set_new(params, "tid", json_integer(o->tid));
    }
    return session_ask(&(struct view_question){
        .method = "Profiler.now",
        .params = params,
        .json = o->json,
        .print = print_now,
    });
}

const struct cmd cmd_now = {
    .name = "now",
    .synopsis = "[-n N] [--tid TID] [--json]",
    .summary = "the waits that are not over yet, and who stands in whose way",
    .details =
        "Of the active run: what each waiting thread waits for, since when, and, if it is a\n"
        "mutex, who has it. Threads that wait for each other are named as a deadlock.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = now_run,
};
