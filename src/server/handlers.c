#include "server/handlers.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "rpc/document.h"
#include "rpc/json.h"
#include "server/fetches.h"
#include "server/server.h"
#include "server/summary.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// One call on its way.
struct call {
    struct server *server;
    struct connection *connection;
    uint64_t ticket;
    const char *method;
    const json_t *params;
};

static void answer(const struct call *call, const struct text *result)
{
    connections_answer(&call->server->connections, call->connection->serial, call->ticket, result);
}

static void refuse(const struct call *call, enum rpc_error_kind kind, const char *text)
{
    connections_refuse(&call->server->connections, call->connection->serial, call->ticket, kind,
                       text);
}

static void ask(const struct call *call, struct question *question)
{
    question->connection = call->connection->serial;
    question->ticket = call->ticket;
    questions_ask(&call->server->questions, question);
}

// ---- Parameters -------------------------------------------------------------------------------

static uint64_t param_u64(const json_t *params, const char *name, uint64_t when_absent)
{
    const json_t *value = json_object_get(params, name);
    return value == NULL ? when_absent : (uint64_t)json_integer_value(value);
}

static char *copy_text(const json_t *value)
{
    return alloc_text(json_string_value(value), json_string_length(value));
}

static void read_view(const json_t *params, struct view *ret)
{
    const json_t *view = json_object_get(params, "view");
    const json_t *tid = json_object_get(view, "tid");
    ret->has_tid = tid != NULL;
    ret->tid = (uint32_t)json_integer_value(tid);
    const json_t *range = json_object_get(view, "time_range");
    ret->has_time_range = range != NULL;
    ret->start_ns = param_u64(range, "start_ns", 0);
    ret->end_ns = param_u64(range, "end_ns", 0);
    ret->physical = json_is_false(json_object_get(view, "inline"));
    size_t i;
    const json_t *symbol;
    json_array_foreach(json_object_get(view, "exclude_symbols"), i, symbol)
    {
        const json_t *binary = json_object_get(symbol, "binary");
        struct view_symbol excluded = {
            .function_name = copy_text(json_object_get(symbol, "function_name")),
            .binary = binary == NULL ? NULL : copy_text(binary),
        };
        vec_push(&ret->exclude, excluded);
    }
}

// A run, or NULL after refusing the call.
static struct run *find_run_by_id(const struct call *call, const json_t *wanted)
{
    json_int_t id = json_integer_value(wanted);
    struct run *run = NULL;
    if (id > 0 && id <= UINT32_MAX) {
        run = registry_find(&call->server->registry, (uint32_t)id);
    }
    if (run == NULL) {
        char text[64];
        snprintf(text, sizeof text, "there is no run %lld; `stax list` shows them", (long long)id);
        refuse(call, RPC_ERROR_UNKNOWN_RUN, text);
    }
    return run;
}

// The run that a question is about, or NULL after refusing it.
static struct run *find_run(const struct call *call, const json_t *holder)
{
    const json_t *wanted = json_object_get(holder, "run");
    if (wanted != NULL) {
        return find_run_by_id(call, wanted);
    }
    struct run *run = registry_current(&call->server->registry);
    if (run == NULL) {
        refuse(call, RPC_ERROR_NO_ACTIVE_RUN, "no run yet; start one with: stax record -- COMMAND");
    }
    return run;
}

// ---- RunControl -------------------------------------------------------------------------------

static void put_capabilities(struct json *j, const struct capture_abilities *abilities)
{
    json_key(j, "capabilities");
    json_object_begin(j);
    for (enum capture_ability ability = 0; ability < CAPTURE_ABILITY_COUNT; ability++) {
        json_key(j, capture_ability_name(ability));
        json_object_begin(j);
        json_bool_field(j, "available", abilities->at[ability].available);
        json_string_field(j, "reason", abilities->at[ability].reason.text);
        json_object_end(j);
    }
    json_object_end(j);
}

static void handle_status(const struct call *call)
{
    struct capture_abilities abilities = {0};
    capture_linux.probe(&abilities);
    const struct run *active = call->server->registry.active;
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_string_field(&j, "version", STAX_VERSION);
    json_u64_field(&j, "server_pid", (uint64_t)getpid());
    json_u64_field(&j, "server_started_at_unix_ns", call->server->started_unix_ns);
    json_key(&j, "active");
    json_array_begin(&j);
    if (active != NULL && run_state(active) == RUN_RECORDING) {
        summary_put(&j, active);
    }
    json_array_end(&j);
    json_string_field(&j, "backend", capture_linux.name);
    put_capabilities(&j, &abilities);
    json_object_end(&j);
    answer(call, &result);
}

static void handle_list_runs(const struct call *call)
{
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_key(&j, "runs");
    json_array_begin(&j);
    for (size_t i = 0; i < call->server->registry.runs.n; i++) {
        const struct run *run = call->server->registry.runs.at[i];
        if (run_state(run) == RUN_RECORDING || run_state(run) == RUN_STOPPED) {
            summary_put(&j, run);
        }
    }
    json_array_end(&j);
    json_object_end(&j);
    answer(call, &result);
}

static uint64_t resident_bytes(void)
{
    CLEANUP(text_fini) struct text statm = {0};
    unsigned long size = 0;
    unsigned long resident = 0;
    if (file_read("/proc/self/statm", 4096, &statm) < 0 ||
        sscanf(text_get(&statm), "%lu %lu", &size, &resident) != 2) {
        return 0;
    }
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_server_report(struct json *j, struct server *server)
{
    json_key(j, "server");
    json_object_begin(j);
    json_u64_field(j, "pid", (uint64_t)getpid());
    json_u64_field(j, "cpu_ns", clock_process_cpu_ns());
    json_u64_field(j, "rss_bytes", resident_bytes());
    json_u64_field(j, "connections", server->connections.all.n);
    json_u64_field(j, "subscriptions", server->subscriptions.all.n);
    json_u64_field(j, "waiters", server->waiters.all.n);
    json_u64_field(j, "query_queue", atomic_load(&server->questions.n_open));
    json_object_end(j);
}

// The server's part is written here, the run's part by the query thread, which knows the names.
static void handle_diagnostics(const struct call *call)
{
    bool any = json_object_get(call->params, "run") != NULL ||
               registry_current(&call->server->registry) != NULL;
    struct run *run = any ? find_run(call, call->params) : NULL;
    if (any && run == NULL) {
        return;
    }
    struct question *question = question_new(QUESTION_REPORT, run);
    struct json j;
    json_init(&j, &question->result);
    json_object_begin(&j);
    put_server_report(&j, call->server);
    fetches_put(&j, &call->server->debuginfod);
    if (run == NULL) {
        json_object_end(&j);
        answer(call, &question->result);
        question_free(question);
        return;
    }
    ask(call, question);
}

// What a process calls itself, for a label.
static char *name_of_process(uint32_t pid)
{
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text name = {0};
    text_addf(&path, "/proc/%u/comm", pid);
    if (file_read(text_get(&path), 256, &name) < 0) {
        text_addf(&name, "pid %u", pid);
    }
    return alloc_text(text_get(&name), strcspn(text_get(&name), "\n"));
}

static bool wants_unwinding(const json_t *params)
{
    const json_t *wanted = json_object_get(params, "dwarf_unwind");
    const char *setting = getenv("STAX_DWARF_UNWIND");
    return wanted != NULL ? json_is_true(wanted) : setting == NULL || strcmp(setting, "0") != 0;
}

static void handle_start_attach(const struct call *call)
{
    struct registry *registry = &call->server->registry;
    if (registry->active != NULL) {
        char text[160];
        snprintf(text, sizeof text,
                 "another run is already active (run %u, pid %u); end it with `stax stop`",
                 registry->active->id, registry->active->params.request.pid);
        refuse(call, RPC_ERROR_ALREADY_ACTIVE, text);
        return;
    }
    uint32_t pid = (uint32_t)param_u64(call->params, "pid", 0);
    if (pid == (uint32_t)getpid()) {
        refuse(call, RPC_ERROR_INVALID_PARAMS, "stax-server cannot record itself");
        return;
    }
    const json_t *label = json_object_get(call->params, "label");
    struct run_params params = {
        .backend = &capture_linux,
        .request =
            {
                .pid = pid,
                .frequency_hz = (uint32_t)param_u64(call->params, "frequency_hz",
                                                    RPC_DEFAULT_FREQUENCY_HZ),
                .launched = json_is_true(json_object_get(call->params, "launched")),
                .follow = json_is_true(json_object_get(call->params, "follow")),
                .unwind = wants_unwinding(call->params),
            },
        .label = label == NULL ? name_of_process(pid) : copy_text(label),
        .time_limit_ns = param_u64(call->params, "time_limit_secs", 0) * NS_PER_S,
    };
    registry_start(registry, params, call->connection->serial, call->ticket);
}

static void handle_wait_active(const struct call *call)
{
    const json_t *condition = json_object_get(call->params, "condition");
    const json_t *seconds = json_object_get(condition, "for_seconds");
    const json_t *symbol = json_object_get(condition, "until_symbol");
    const json_t *run = json_object_get(call->params, "run");
    const json_t *timeout = json_object_get(call->params, "timeout_ms");
    const struct run *active = call->server->registry.active;
    uint64_t now_ns = clock_now_ns();
    if (call->server->waiters.all.n >= LIMIT_WAITERS) {
        refuse(call, RPC_ERROR_TOO_LARGE, "too many clients wait already");
        return;
    }
    struct waiter waiter = {
        .connection = call->connection->serial,
        .ticket = call->ticket,
        .run = run != NULL      ? (uint32_t)json_integer_value(run)
               : active != NULL ? active->id
                                : 0,
        .start_by_ns = now_ns + param_u64(call->params, "start_ms", 0) * NS_PER_MS,
        .kind = WAIT_STOPPED,
        .deadline_ns = timeout == NULL ? 0
                                       : now_ns + (uint64_t)json_integer_value(timeout) * NS_PER_MS,
    };
    if (run != NULL && registry_find(&call->server->registry, waiter.run) == NULL) {
        find_run(call, call->params); // refuses
        return;
    }
    if (json_object_get(condition, "for_samples") != NULL) {
        waiter.kind = WAIT_SAMPLES;
        waiter.samples = param_u64(condition, "for_samples", 0);
    } else if (seconds != NULL) {
        waiter.kind = WAIT_SECONDS;
        waiter.until_ns = now_ns + (uint64_t)(json_number_value(seconds) * NS_PER_S);
    } else if (symbol != NULL) {
        waiter.kind = WAIT_SYMBOL;
        waiter.symbol = copy_text(symbol);
    }
    waiters_add(&call->server->waiters, waiter);
}

static void handle_stop_active(const struct call *call)
{
    struct run *active = call->server->registry.active;
    if (active == NULL) {
        refuse(call, RPC_ERROR_NO_ACTIVE_RUN, "no active run; `stax list` shows the stopped ones");
        return;
    }
    run_request_stop(active);
    struct waiter waiter = {.connection = call->connection->serial,
                            .ticket = call->ticket,
                            .run = active->id,
                            .kind = WAIT_STOP_SUMMARY};
    waiters_add(&call->server->waiters, waiter);
}

// ---- Profiler ---------------------------------------------------------------------------------

// Which one of a parameter's words it is, -1 when absent. The schema has checked that it is one.
static int param_word(const json_t *params, const char *name, const char *const *words)
{
    const char *word = json_string_value(json_object_get(params, name));
    for (int i = 0; word != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    ASSERT(word == NULL);
    return -1;
}

static bool param_reason(const json_t *params, enum event_reason *ret)
{
    const char *word = json_string_value(json_object_get(params, "reason"));
    for (enum event_reason reason = 0; word != NULL && reason < EVENT_REASON_COUNT; reason++) {
        if (strcmp(event_reason_name(reason), word) == 0) {
            *ret = reason;
            return true;
        }
    }
    ASSERT(word == NULL);
    return false;
}

static void read_weights(const json_t *params, struct question_params *ret, uint32_t limit)
{
    static const char *const sorts[] = {"self", "total", NULL};
    static const char *const modes[] = {"on_cpu", "off_cpu", NULL};
    const json_t *min_share = json_object_get(params, "min_share");
    enum answer_mode mode = param_word(params, "mode", modes) == 1 ? MODE_OFF_CPU : MODE_ON_CPU;
    ret->top = (struct top_params){
        .sort = param_word(params, "sort", sorts) == 1 ? TOP_TOTAL : TOP_SELF,
        .mode = mode,
        .limit = limit,
    };
    ret->top.has_reason = param_reason(params, &ret->top.reason);
    ret->flame = (struct flame_params){
        .max_depth = (uint32_t)param_u64(params, "max_depth", 0),
        .min_share = min_share == NULL ? 0 : json_number_value(min_share),
        .max_nodes = (uint32_t)param_u64(params, "max_nodes", LIMIT_FLAME_NODES),
        .mode = mode,
        .has_reason = ret->top.has_reason,
        .reason = ret->top.reason,
    };
}

static void read_interval_filter(const json_t *params, struct interval_filter *ret, uint32_t limit)
{
    static const char *const orders[] = {
        [INTERVALS_LONGEST] = "longest",
        [INTERVALS_NEWEST] = "newest",
        [INTERVALS_OLDEST] = "oldest",
        NULL,
    };
    int order = param_word(params, "order", orders);
    *ret = (struct interval_filter){
        .min_ns = param_u64(params, "min_ns", 0),
        .order = order < 0 ? INTERVALS_LONGEST : (enum interval_order)order,
        .limit = limit,
    };
    ret->has_reason = param_reason(params, &ret->reason);
}

// What the methods of Profiler ask, and how many entries when that is not said (0: all).
static const struct {
    const char *method;
    enum question_kind kind;
    uint32_t limit;
} question_kinds[] = {
    {"Profiler.top", QUESTION_TOP, RPC_DEFAULT_TOP_LIMIT},
    {"Profiler.flamegraph", QUESTION_FLAME, 0},
    {"Profiler.threads", QUESTION_THREADS, 0},
    {"Profiler.intervals", QUESTION_INTERVALS, RPC_DEFAULT_INTERVALS_LIMIT},
    {"Profiler.wakers", QUESTION_WAKERS, RPC_DEFAULT_WAKERS_LIMIT},
    {"Profiler.timeline", QUESTION_TIMELINE, 0},
    {"Profiler.now", QUESTION_NOW, RPC_DEFAULT_NOW_LIMIT},
    {"Profiler.total_on_cpu_ns", QUESTION_TOTAL, 0},
};

// The question that a method of Profiler asks about a run.
static struct question *read_question(struct run *run, const char *method, const json_t *params)
{
    size_t i = 0;
    while (strcmp(question_kinds[i].method, method) != 0) {
        i++;
        ASSERT(i < ARRAY_LEN(question_kinds));
    }
    struct question *question = question_new(question_kinds[i].kind, run);
    uint32_t limit = (uint32_t)param_u64(params, "limit", question_kinds[i].limit);
    read_view(params, &question->view);
    read_weights(params, &question->params, limit);
    read_interval_filter(params, &question->params.intervals, limit);
    question->params.limit = limit;
    question->params.tid = (uint32_t)param_u64(params, "tid", 0);
    question->params.max_frames = (uint32_t)param_u64(params, "max_frames", RPC_DEFAULT_MAX_FRAMES);
    question->params.buckets = (uint32_t)param_u64(params, "buckets", RPC_DEFAULT_BUCKETS);
    question->params.threads = (uint32_t)param_u64(params, "threads", RPC_DEFAULT_TIMELINE_THREADS);
    return question;
}

static void handle_question(const struct call *call)
{
    struct run *run = find_run(call, json_object_get(call->params, "view"));
    if (run != NULL) {
        ask(call, read_question(run, call->method, call->params));
    }
}

// Of the active run only: what is over waits for nothing.
static void handle_now(const struct call *call)
{
    struct run *active = call->server->registry.active;
    if (active == NULL || run_state(active) != RUN_RECORDING) {
        refuse(call, RPC_ERROR_NO_ACTIVE_RUN,
               "no active run: only a running program waits; for a run that is over ask for its "
               "intervals");
        return;
    }
    struct question *question = read_question(active, call->method, call->params);
    question->view.has_tid = question->params.tid != 0;
    question->view.tid = question->params.tid;
    ask(call, question);
}

// ---- Profiler.compare -------------------------------------------------------------------------

// The runs of one side. False: refused.
static bool read_runs(const struct call *call, const char *side, struct question_runs *ret)
{
    size_t first = ret->all.n;
    size_t i;
    const json_t *id;
    json_array_foreach(json_object_get(call->params, side), i, id)
    {
        struct run *run = find_run_by_id(call, id);
        if (run == NULL) {
            return false;
        }
        for (size_t other = first; other < ret->all.n; other++) {
            if (ret->all.at[other] == run) {
                refuse(call, RPC_ERROR_INVALID_PARAMS, "the same run twice on one side");
                return false;
            }
        }
        vec_push(&ret->all, run);
    }
    ret->n_of[first == 0 ? 0 : 1] = i;
    if (i == 0) {
        refuse(call, RPC_ERROR_INVALID_PARAMS, "a comparison needs a run on each side");
    }
    return i > 0;
}

static void handle_compare(const struct call *call)
{
    static const char *const bys[] = {
        [COMPARE_BY_FUNCTION] = "function",
        [COMPARE_BY_STACK] = "stack",
        [COMPARE_BY_THREAD] = "thread",
        NULL,
    };
    static const char *const modes[] = {"on_cpu", "off_cpu", NULL};
    struct question_runs runs = {0};
    if (!read_runs(call, "a", &runs) || !read_runs(call, "b", &runs)) {
        vec_fini(&runs.all);
        return;
    }
    int by = param_word(call->params, "by", bys);
    runs.by = by < 0 ? COMPARE_BY_FUNCTION : (enum compare_by)by;
    runs.mode = param_word(call->params, "mode", modes) == 1 ? MODE_OFF_CPU : MODE_ON_CPU;
    runs.fail_above = json_number_value(json_object_get(call->params, "fail_above_pct")) / 100;
    struct question *question = question_new(QUESTION_COMPARE, runs.all.at[0]);
    question->runs = runs;
    question->params.limit = (uint32_t)param_u64(call->params, "limit", RPC_DEFAULT_COMPARE_LIMIT);
    ask(call, question);
}

// ---- Subscriptions ----------------------------------------------------------------------------

static void handle_subscribe(const struct call *call)
{
    struct subscriptions *subscriptions = &call->server->subscriptions;
    if (subscriptions_of(subscriptions, call->connection->serial) >=
        LIMIT_SUBSCRIPTIONS_PER_CONNECTION) {
        refuse(call, RPC_ERROR_TOO_LARGE, "too many subscriptions on this connection");
        return;
    }
    const char *method = json_string_value(json_object_get(call->params, "method"));
    const json_t *params = json_object_get(call->params, "params");
    struct err error = {0};
    if (!rpc_check(rpc_method_find(method)->params, params, &error)) {
        refuse(call, RPC_ERROR_INVALID_PARAMS, error.text);
        return;
    }
    struct run *run = find_run(call, json_object_get(params, "view"));
    if (run == NULL) {
        return;
    }
    struct question *model = read_question(run, method, params);
    uint64_t interval_ms = param_u64(call->params, "interval_ms", RPC_DEFAULT_INTERVAL_MS);
    uint32_t id = subscriptions_add(subscriptions, call->connection->serial, model,
                                    interval_ms * NS_PER_MS);
    CLEANUP(text_fini) struct text result = {0};
    text_addf(&result, "{\"subscription\":%u}", id);
    answer(call, &result);
}

static void handle_unsubscribe(const struct call *call)
{
    uint32_t id = (uint32_t)param_u64(call->params, "subscription", 0);
    if (!subscriptions_remove(&call->server->subscriptions, call->connection->serial, id)) {
        refuse(call, RPC_ERROR_NOT_FOUND, "this connection has no such subscription");
        return;
    }
    CLEANUP(text_fini) struct text result = {0};
    text_add(&result, "{}");
    answer(call, &result);
}

static void handle_discover(const struct call *call)
{
    CLEANUP(text_fini) struct text result = {0};
    document_put_openrpc(&result);
    answer(call, &result);
}

// ---- Dispatch ---------------------------------------------------------------------------------

void handle_request(struct server *server, struct connection *connection, uint64_t ticket,
                    const struct rpc_request *request)
{
    static const struct {
        const char *method;
        void (*handle)(const struct call *call);
    } handlers[] = {
        {"RunControl.status", handle_status},
        {"RunControl.list_runs", handle_list_runs},
        {"RunControl.diagnostics", handle_diagnostics},
        {"RunControl.start_attach", handle_start_attach},
        {"RunControl.wait_active", handle_wait_active},
        {"RunControl.stop_active", handle_stop_active},
        {"Profiler.top", handle_question},
        {"Profiler.flamegraph", handle_question},
        {"Profiler.threads", handle_question},
        {"Profiler.intervals", handle_question},
        {"Profiler.wakers", handle_question},
        {"Profiler.timeline", handle_question},
        {"Profiler.now", handle_now},
        {"Profiler.total_on_cpu_ns", handle_question},
        {"Profiler.compare", handle_compare},
        {"Profiler.subscribe", handle_subscribe},
        {"Profiler.unsubscribe", handle_unsubscribe},
        {"rpc.discover", handle_discover},
    };
    struct call call = {server, connection, ticket, request->method->name, request->params};
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (strcmp(handlers[i].method, request->method->name) == 0) {
            handlers[i].handle(&call);
            return;
        }
    }
    ASSERT(false); // a test calls every method of the schema
}
