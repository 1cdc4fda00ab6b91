#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <stdlib.h>
#include <unistd.h>

struct wakers_options {
    int64_t limit;
    struct scope scope;
    bool json;
};

static const struct wakers_options defaults = {.limit = 20, .scope = SCOPE_DEFAULTS};

static const struct option options[] = {
    {.letter = 'n',
     .name = "limit",
     .value = "N",
     .doc = "how many wakers; default 20",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct wakers_options, limit),
     .min = 1,
     .max = LIMIT_INTERVAL_ENTRIES},
    OPTION_JSON(struct wakers_options),
    OPTIONS_SCOPE_OF_A_THREAD(struct wakers_options),
    {.name = NULL},
};

static const struct column columns[] = {
    {.title = "wakeups"},
    {.title = "ended ms"},
    {.title = "of waiting for", .left = true},
    {.title = "waker", .left = true},
    {.title = "in function", .left = true, .flexible = true},
    {.title = "binary", .left = true},
};

static void add_waker(struct table *table, const json_t *entry)
{
    CLEANUP(text_fini) struct text reasons = {0};
    CLEANUP(text_fini) struct text who = {0};
    CLEANUP(text_fini) struct text function = {0};
    struct waits waits = waits_read(json_object_get(entry, "off_cpu"));
    const char *name = result_text(entry, "waker_name");
    const char *function_name = result_text(entry, "waker_function_name");
    waits_put_reasons(&reasons, &waits);
    if (!result_bool(entry, "interrupt")) {
        text_addf(&who, "%llu ", (unsigned long long)result_u64(entry, "waker_tid"));
    }
    text_add_escaped(&who, name, strlen(name));
    text_add(&who, result_bool(entry, "foreign") ? " (another program)" : "");
    text_add(&function, result_u64(entry, "approximate_count") > 0 ? "~" : "");
    text_add_escaped(&function, function_name, strlen(function_name));
    table_add_count(table, result_u64(entry, "count"));
    table_add_ms(table, result_u64(entry, "ended_ns"));
    table_add(table, &reasons);
    table_add(table, &who);
    table_add(table, &function);
    table_add_name(table, result_text(entry, "waker_binary"));
}

static void put_entries(struct text *to, const json_t *answer)
{
    CLEANUP(table_fini) struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    bool approximate = false;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(answer, "entries"), i, entry)
    {
        add_waker(&table, entry);
        approximate = approximate || result_u64(entry, "approximate_count") > 0;
    }
    if (i > 0) {
        table_put(&table, to, format_terminal_width(STDOUT_FILENO),
                  format_has_colour(STDOUT_FILENO));
    }
    uint64_t n = result_u64(answer, "n_entries");
    if (n > i) {
        format_things(to, n - i, "more waker", "more wakers");
        text_add(to, " (-n shows more)\n");
    }
    text_add(to, approximate ? "~: some of these were counted to the function of another wakeup by "
                               "the same thread\n"
                             : "");
}

static int print_wakers(const json_t *run, const json_t *answer, const void *unused)
{
    (void)unused;
    CLEANUP(text_fini) struct text text = {0};
    const char *name = result_text(answer, "wakee_name");
    report_put_head(&text, run, answer);
    text_addf(&text, "thread %llu ", (unsigned long long)result_u64(answer, "wakee_tid"));
    text_add_escaped(&text, name, strlen(name));
    text_add(&text, ": ");
    format_things(&text, result_u64(answer, "total_wakeups"), "wakeup", "wakeups");
    text_add(&text, "\n");
    put_entries(&text, answer);
    if (!result_bool(answer, "available")) {
        const char *reason = result_text(answer, "reason");
        text_add(&text, "wakeups were not recorded: ");
        text_add_escaped(&text, reason, strlen(reason));
        text_add(&text, "\n");
    }
    report_print(&text);
    return 0;
}

// ---- Which thread ------------------------------------------------------------------------------

static bool is_number(const char *text)
{
    return text[0] != 0 && strspn(text, "0123456789") == strlen(text);
}

// How well a thread's name fits: 0 not at all, 1 the text is part of it, 2 it is the text.
static int fit(const char *name, const char *text)
{
    return strcasecmp(name, text) == 0 ? 2 : strcasestr(name, text) != NULL ? 1 : 0;
}

// The best thread with such a name; among equals the first, which ran most. 0: an error was
// printed.
static int64_t find_thread(const char *text, const char *run)
{
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    struct run_choice choice = {.text = run};
    if (!session_open_run(&client, &choice)) {
        return 0;
    }
    json_t *view = choice.id > 0 ? json_pack("{s:I}", "run", (json_int_t)choice.id) : json_object();
    json_t *answer = session_call(&client, "Profiler.threads", json_pack("{s:o}", "view", view));
    if (answer == NULL) {
        return 0;
    }
    int64_t tid = 0;
    int best = 0;
    size_t n = 0; // that fit as well as the best one
    size_t i;
    json_t *thread;
    json_array_foreach(json_object_get(answer, "threads"), i, thread)
    {
        int how = fit(result_text(thread, "name"), text);
        if (how > best) {
            best = how;
            n = 0;
            tid = (int64_t)result_u64(thread, "tid");
        }
        n += how > 0 && how == best;
    }
    json_decref(answer);
    if (tid == 0) {
        log_error("no thread is called '%.60s'; `stax threads -n 0` lists them", text);
    } else if (n > 1) {
        log_warning("%zu threads are called so: this is %lld, the busiest", n, (long long)tid);
    }
    return tid;
}

static int wakers_run(const void *values, const struct operands *operands)
{
    const struct wakers_options *o = values;
    const char *who = operands->at[0];
    bool number = is_number(who);
    int64_t tid = !number             ? find_thread(who, o->scope.run)
                  : strlen(who) <= 10 ? strtoll(who, NULL, 10)
                                      : 0;
    if (number && (tid == 0 || tid > INT32_MAX)) {
        log_error("there is no thread %.60s; `stax threads` lists them", who);
        return 1;
    }
    if (tid == 0) {
        return 1; // find_thread() has said why
    }
    return session_ask(&(struct view_question){
        .method = "Profiler.wakers",
        .scope = &o->scope,
        .params = json_pack("{s:I s:I}", "tid", (json_int_t)tid, "limit", (json_int_t)o->limit),
        .json = o->json,
        .print = print_wakers,
    });
}

const struct cmd cmd_wakers = {
    .name = "wakers",
    .synopsis = "TID|NAME [-n N] [--json] [SCOPE]",
    .operand = "thread: its TID, or part of its name",
    .summary = "who wakes a thread, and how much of its waiting that ended",
    .details =
        "One line per waking thread and function. [irq] is an interrupt: a timer, a device, the\n"
        "network.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = wakers_run,
};
