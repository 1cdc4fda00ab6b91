#include "server/handlers.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "rpc/document.h"
#include "rpc/json.h"
#include "server/code_question.h"
#include "server/exporter.h"
#include "server/fetches.h"
#include "server/run_facts.h"
#include "server/server.h"
#include "server/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static struct view_symbol read_symbol(const json_t *symbol)
{
    return view_symbol_new(json_string_value(json_object_get(symbol, "function_name")),
                           json_string_value(json_object_get(symbol, "binary")));
}

static void read_symbols(const json_t *symbols, view_symbols *ret)
{
    size_t i;
    const json_t *symbol;
    json_array_foreach(symbols, i, symbol)
    {
        vec_push(ret, read_symbol(symbol));
    }
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
    read_symbols(json_object_get(view, "exclude_symbols"), &ret->exclude);
    read_symbols(json_object_get(view, "only_symbols"), &ret->only);
    const json_t *focus = json_object_get(view, "focus_symbol");
    if (focus != NULL) {
        ret->focus = read_symbol(focus);
    }
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
    const struct kept_run *active = call->server->registry.active;
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_string_field(&j, "version", STAX_VERSION);
    json_u64_field(&j, "server_pid", (uint64_t)getpid());
    json_u64_field(&j, "server_started_at_unix_ns", call->server->started_unix_ns);
    json_key(&j, "active");
    json_array_begin(&j);
    if (active != NULL && active->phase == KEPT_GOING) {
        summary_put(&j, active);
    }
    json_array_end(&j);
    json_string_field(&j, "backend", capture_linux.name);
    put_capabilities(&j, &abilities);
    json_string_field(&j, "web_url", text_get(&call->server->web.url));
    json_string_field(&j, "web_note", text_get(&call->server->web.note));
    json_object_end(&j);
    call_answer(call, &result);
}

static void handle_list_runs(const struct call *call)
{
    struct registry *registry = &call->server->registry;
    registry_look(registry);
    const struct kept_run *current = registry_current(registry);
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_key(&j, "runs");
    json_array_begin(&j);
    for (size_t i = 0; i < registry->runs.n; i++) {
        if (registry->runs.at[i]->phase != KEPT_ARMING) {
            summary_put(&j, registry->runs.at[i]);
        }
    }
    json_array_end(&j);
    json_u64_field(&j, "current", current == NULL ? 0 : current->id);
    json_object_end(&j);
    call_answer(call, &result);
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

static void put_file_report(struct json *j, const struct kept_run *kept)
{
    struct spool_report spool;
    struct paging_counts paging = store_paging(kept->run->store);
    registry_spool_report(kept, &spool);
    json_key(j, "file");
    json_object_begin(j);
    json_string_field(j, "path", kept->path == NULL ? "" : kept->path);
    json_u64_field(j, "bytes", spool.file_bytes);
    json_u64_field(j, "rows", spool.rows);
    json_u64_field(j, "commits", spool.commits);
    json_u64_field(j, "cpu_ns", spool.cpu_ns);
    json_u64_field(j, "behind_ns", spool.behind_ns);
    json_bool_field(j, "writing", registry_is_spooling(kept));
    json_bool_field(j, "names_complete", spool.names_complete);
    json_u64_field(j, "resident_bytes", paging.resident_bytes);
    json_u64_field(j, "dropped_chunks", paging.dropped);
    json_u64_field(j, "read_back_chunks", paging.read_back);
    json_u64_field(j, "unreadable_chunks", paging.failed);
    json_string_field(j, "note", kept->note.text[0] != 0 ? kept->note.text : spool.note.text);
    json_object_end(j);
}

// The server's part is written here, the run's part by the query thread, which knows the names.
static void handle_diagnostics(const struct call *call)
{
    bool any = json_object_get(call->params, "run") != NULL ||
               registry_current(&call->server->registry) != NULL;
    struct run *run = any ? call_find_run(call, call->params) : NULL;
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
        call_answer(call, &question->result);
        question_free(question);
        return;
    }
    put_file_report(&j, registry_find(&call->server->registry, run->id));
    call_ask(call, question);
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
                 registry->active->id, registry->active->run->params.request.pid);
        call_refuse(call, RPC_ERROR_ALREADY_ACTIVE, text);
        return;
    }
    uint32_t pid = (uint32_t)param_u64(call->params, "pid", 0);
    if (pid == (uint32_t)getpid()) {
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, "stax-server cannot record itself");
        return;
    }
    const json_t *label = json_object_get(call->params, "label");
    const char *file = json_string_value(json_object_get(call->params, "file"));
    if (file != NULL && file[0] != '/') {
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, "a file is named by its absolute path");
        return;
    }
    struct registry_start start = {
        .params =
            {
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
            },
        .file = file,
        .connection = call->connection,
        .ticket = call->ticket,
    };
    struct err error = {0};
    int r = registry_start(registry, start, &error);
    if (r < 0) {
        call_refuse_errno(call, r, &error);
    }
}

static void handle_import(const struct call *call)
{
    const char *path = param_path(call, "path");
    if (path == NULL) {
        return;
    }
    if (registry_count_imports(&call->server->registry) >= LIMIT_IMPORTS) {
        call_refuse(call, RPC_ERROR_ALREADY_ACTIVE,
                    "other files are being imported; try again later");
        return;
    }
    struct registry_start start = {
        .params =
            {
                .backend = &capture_perf_data,
                .request = {.unwind = true},
                .label = alloc_text(path, strlen(path)),
                .replay_path = alloc_text(path, strlen(path)),
            },
        .is_import = true,
        .connection = call->connection,
        .ticket = call->ticket,
    };
    struct err error = {0};
    int r = registry_start(&call->server->registry, start, &error);
    if (r < 0) {
        call_refuse_errno(call, r, &error);
    }
}

static void handle_wait_active(const struct call *call)
{
    const json_t *condition = json_object_get(call->params, "condition");
    const json_t *seconds = json_object_get(condition, "for_seconds");
    const json_t *symbol = json_object_get(condition, "until_symbol");
    const json_t *run = json_object_get(call->params, "run");
    const json_t *timeout = json_object_get(call->params, "timeout_ms");
    const struct kept_run *active = call->server->registry.active;
    uint64_t now_ns = clock_now_ns();
    if (call->server->waiters.all.n >= LIMIT_WAITERS) {
        call_refuse(call, RPC_ERROR_TOO_LARGE, "too many clients wait already");
        return;
    }
    struct waiter waiter = {
        .connection = call->connection,
        .ticket = call->ticket,
        .run = run != NULL      ? (uint32_t)json_integer_value(run)
               : active != NULL ? active->id
                                : 0,
        .start_by_ns = now_ns + param_u64(call->params, "start_ms", 0) * NS_PER_MS,
        .kind = WAIT_STOPPED,
        .deadline_ns = timeout == NULL ? 0
                                       : now_ns + (uint64_t)json_integer_value(timeout) * NS_PER_MS,
    };
    if (run != NULL && call_find_kept(call, call->params) == NULL) {
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
    const struct kept_run *active = call->server->registry.active;
    if (active == NULL) {
        call_refuse(call, RPC_ERROR_NO_ACTIVE_RUN,
                    "no active run; `stax list` shows the stopped ones");
        return;
    }
    run_request_stop(active->run);
    struct waiter waiter = {.connection = call->connection,
                            .ticket = call->ticket,
                            .run = active->id,
                            .kind = WAIT_STOP_SUMMARY};
    waiters_add(&call->server->waiters, waiter);
}

static void handle_export(const struct call *call)
{
    static const char *const modes[] = {"on_cpu", "off_cpu", NULL};
    const json_t *view = json_object_get(call->params, "view");
    bool run_is_named = json_object_get(call->params, "run") != NULL;
    struct run *run = call_find_run(call, run_is_named ? call->params : view);
    if (run == NULL) {
        return;
    }
    const char *path = param_path(call, "path");
    const char *format = json_string_value(json_object_get(call->params, "format"));
    if (path == NULL) {
        return;
    }
    struct question *question = question_new(QUESTION_EXPORT, run);
    read_view(call->params, &question->view);
    question->exporter = exporter_new(export_format_find(format),
                                      param_word(call->params, "mode", modes) == 1, path);
    call_ask(call, question);
}

// ---- Profiler ---------------------------------------------------------------------------------

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
    static const char *const modes[] = {
        [MODE_ON_CPU] = "on_cpu",
        [MODE_OFF_CPU] = "off_cpu",
        [MODE_WALL] = "wall",
        NULL,
    };
    const json_t *min_share = json_object_get(params, "min_share");
    int word = param_word(params, "mode", modes);
    enum answer_mode mode = word < 0 ? MODE_ON_CPU : (enum answer_mode)word;
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

static void read_tree(const json_t *params, struct question *question)
{
    const json_t *focus = json_object_get(params, "focus");
    question->tree.callers = json_is_true(json_object_get(params, "callers"));
    if (focus != NULL) {
        question->tree.focus = read_symbol(focus);
    }
    read_symbols(json_object_get(params, "zoom"), &question->tree.zoom);
    question->params.flame.max_nodes = (uint32_t)param_u64(params, "max_nodes",
                                                           RPC_DEFAULT_LIVE_NODES);
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
    {"Profiler.annotated", QUESTION_ANNOTATED, RPC_DEFAULT_ANNOTATED_LIMIT},
    {"Profiler.cfg", QUESTION_CFG, 0},
    {"Profiler.neighbors", QUESTION_NEIGHBORS, 0},
    {"Profiler.total_on_cpu_ns", QUESTION_TOTAL, 0},
    {"Live.tree", QUESTION_LIVE_TREE, 0},
    {"Live.top", QUESTION_LIVE_TOP, RPC_DEFAULT_TOP_LIMIT},
    {"Live.timeline", QUESTION_LIVE_TIMELINE, 0},
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
    if (question->kind == QUESTION_LIVE_TREE) {
        read_tree(params, question);
    }
    question->params.limit = limit;
    question->params.tid = (uint32_t)param_u64(params, "tid", 0);
    question->params.max_frames = (uint32_t)param_u64(params, "max_frames", RPC_DEFAULT_MAX_FRAMES);
    question->params.buckets = (uint32_t)param_u64(params, "buckets", RPC_DEFAULT_BUCKETS);
    question->params.threads = (uint32_t)param_u64(params, "threads", RPC_DEFAULT_TIMELINE_THREADS);
    return question;
}

static void handle_question(const struct call *call)
{
    struct run *run = call_find_run(call, json_object_get(call->params, "view"));
    if (run != NULL) {
        call_ask(call, read_question(run, call->method, call->params));
    }
}

// ---- Questions about a function ----------------------------------------------------------------

static bool is_about_function(const char *method)
{
    return strcmp(method, "Profiler.annotated") == 0 || strcmp(method, "Profiler.cfg") == 0 ||
           strcmp(method, "Profiler.neighbors") == 0;
}

// "0x…", as answers say it.
static bool parse_address(const char *text, uint64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 16);
    return strncmp(text, "0x", 2) == 0 && text[2] != 0 && text[2] != '+' && text[2] != '-' &&
           *end == 0 && errno == 0;
}

static void read_source_maps(const json_t *params, struct source_maps *ret, struct err *reterr)
{
    size_t i;
    const json_t *map;
    json_array_foreach(json_object_get(params, "source_paths"), i, map)
    {
        const char *from = json_string_value(json_object_get(map, "from"));
        const char *to = json_string_value(json_object_get(map, "to"));
        if (source_map_check(from, to, reterr) < 0) {
            return;
        }
        source_maps_add(ret, from, to);
    }
}

// The parameters that these methods share. False: refused.
static bool read_code(const struct call *call, const json_t *params, struct question *question)
{
    static const char *const syntaxes[] = {"intel", "att", NULL};
    const json_t *address = json_object_get(params, "address");
    const json_t *name = json_object_get(params, "name");
    struct err error = {0};
    struct code_work *code = code_work_new();
    question->code = code;
    if ((address == NULL) == (name == NULL)) {
        err_set(&error, EINVAL, "exactly one of `address` and `name` says which function");
    } else if (address != NULL &&
               !parse_address(json_string_value(address), &code->params.target.address)) {
        err_set(&error, EINVAL, "`address` is a text like \"0x55d0c3e01139\"");
    } else if (name != NULL) {
        code->params.target.name = copy_text(name);
    }
    code->params.syntax = param_word(params, "syntax", syntaxes) == 1 ? DISASM_ATT : DISASM_INTEL;
    code->params.source = !json_is_false(json_object_get(params, "source"));
    code->params.first_line = (uint32_t)param_u64(params, "first_line", 0);
    code->params.limit = (uint32_t)param_u64(params, "limit", RPC_DEFAULT_ANNOTATED_LIMIT);
    read_source_maps(params, &code->params.maps, &error);
    if (error.text[0] != 0) {
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, error.text);
    }
    return error.text[0] == 0;
}

static void handle_function_question(const struct call *call)
{
    struct run *run = call_find_run(call, json_object_get(call->params, "view"));
    if (run == NULL) {
        return;
    }
    struct question *question = read_question(run, call->method, call->params);
    if (read_code(call, call->params, question)) {
        call_ask(call, question);
    } else {
        question_free(question);
    }
}

// Of the active run only: what is over waits for nothing.
static void handle_now(const struct call *call)
{
    const struct kept_run *active = call->server->registry.active;
    if (active == NULL || active->phase != KEPT_GOING) {
        call_refuse(
            call, RPC_ERROR_NO_ACTIVE_RUN,
            "no active run: only a running program waits; for a run that is over ask for its "
            "intervals");
        return;
    }
    struct question *question = read_question(active->run, call->method, call->params);
    question->view.has_tid = question->params.tid != 0;
    question->view.tid = question->params.tid;
    call_ask(call, question);
}

// ---- Profiler.compare -------------------------------------------------------------------------

// The runs of one side. False: refused, or parked until a run is loaded.
static bool read_runs(const struct call *call, const char *side, struct question_runs *ret)
{
    size_t first = ret->all.n;
    size_t i;
    const json_t *id;
    json_array_foreach(json_object_get(call->params, side), i, id)
    {
        json_t *holder = json_pack("{s:O}", "run", (json_t *)(uintptr_t)id);
        struct run *run = call_find_run(call, holder);
        json_decref(holder);
        if (run == NULL) {
            return false;
        }
        for (size_t other = first; other < ret->all.n; other++) {
            if (ret->all.at[other] == run) {
                call_refuse(call, RPC_ERROR_INVALID_PARAMS, "the same run twice on one side");
                return false;
            }
        }
        vec_push(&ret->all, run);
    }
    ret->n_of[first == 0 ? 0 : 1] = i;
    if (i == 0) {
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, "a comparison needs a run on each side");
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
    call_ask(call, question);
}

// ---- Subscriptions ----------------------------------------------------------------------------

// What a subscription is to ask. NULL: refused, or the call is parked.
static struct question *read_model(const struct call *call, const char *method,
                                   const json_t *params)
{
    struct err error = {0};
    if (!rpc_check(rpc_method_find(method)->params, params, &error)) {
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, error.text);
        return NULL;
    }
    struct run *run = call_find_run(call, json_object_get(params, "view"));
    if (run == NULL) {
        return NULL;
    }
    struct question *model = read_question(run, method, params);
    if (is_about_function(method) && !read_code(call, params, model)) {
        question_free(model);
        return NULL;
    }
    return model;
}

static void handle_subscribe(const struct call *call)
{
    struct subscriptions *subscriptions = &call->server->subscriptions;
    if (subscriptions_of(subscriptions, call->connection) >= LIMIT_SUBSCRIPTIONS_PER_CONNECTION) {
        call_refuse(call, RPC_ERROR_TOO_LARGE, "too many subscriptions on this connection");
        return;
    }
    const char *method = json_string_value(json_object_get(call->params, "method"));
    struct question *model = read_model(call, method, json_object_get(call->params, "params"));
    if (model == NULL) {
        return;
    }
    uint64_t interval_ms = param_u64(call->params, "interval_ms", RPC_DEFAULT_INTERVAL_MS);
    struct subscription subscription = {
        .connection = call->connection,
        .method = rpc_method_find(method)->name,
        .model = model,
        .interval_ns = interval_ms * NS_PER_MS,
        .waits_for_acks = json_is_true(json_object_get(call->params, "ack")),
    };
    uint32_t id = subscriptions_add(subscriptions, subscription);
    CLEANUP(text_fini) struct text result = {0};
    text_addf(&result, "{\"subscription\":%u}", id);
    call_answer(call, &result);
}

// The one that the call names. NULL: refused.
static struct subscription *find_subscription(const struct call *call)
{
    uint32_t id = (uint32_t)param_u64(call->params, "subscription", 0);
    struct subscription *subscription = subscriptions_find(&call->server->subscriptions,
                                                           call->connection, id);
    if (subscription == NULL) {
        call_refuse(call, RPC_ERROR_NOT_FOUND, "this connection has no such subscription");
    }
    return subscription;
}

static void answer_nothing(const struct call *call)
{
    CLEANUP(text_fini) struct text result = {0};
    text_add(&result, "{}");
    call_answer(call, &result);
}

static void handle_unsubscribe(const struct call *call)
{
    struct subscription *subscription = find_subscription(call);
    if (subscription != NULL) {
        subscriptions_remove(&call->server->subscriptions, subscription);
        answer_nothing(call);
    }
}

static void handle_resubscribe(const struct call *call)
{
    struct subscription *subscription = find_subscription(call);
    if (subscription == NULL) {
        return;
    }
    const json_t *params = json_object_get(call->params, "params");
    struct question *model = params == NULL ? question_copy(subscription->model)
                                            : read_model(call, subscription->method, params);
    if (model == NULL) {
        return;
    }
    subscription = find_subscription(call); // finding the run may have moved it
    if (subscription == NULL) {
        question_free(model);
        return;
    }
    uint64_t interval_ns = param_u64(call->params, "interval_ms", 0) * NS_PER_MS;
    subscriptions_renew(&call->server->subscriptions, subscription, model,
                        interval_ns == 0 ? subscription->interval_ns : interval_ns);
    CLEANUP(text_fini) struct text result = {0};
    text_addf(&result, "{\"epoch\":%" PRIu64 "}", subscription->epoch);
    call_answer(call, &result);
}

static void handle_ack(const struct call *call)
{
    struct subscription *subscription = find_subscription(call);
    if (subscription == NULL) {
        return;
    }
    uint64_t seq = param_u64(call->params, "seq", 0);
    if (seq > subscription->seq) {
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, "`seq` is of a message that was not sent yet");
        return;
    }
    subscriptions_ack(&call->server->subscriptions, subscription, seq);
    answer_nothing(call);
}

static void handle_discover(const struct call *call)
{
    CLEANUP(text_fini) struct text result = {0};
    document_put_openrpc(&result);
    call_answer(call, &result);
}

// ---- Dispatch ---------------------------------------------------------------------------------

void handle_call(const struct call *call)
{
    static const struct {
        const char *method;
        void (*handle)(const struct call *call);
    } handlers[] = {
        {"RunControl.status", handle_status},
        {"RunControl.list_runs", handle_list_runs},
        {"RunControl.diagnostics", handle_diagnostics},
        {"RunControl.start_attach", handle_start_attach},
        {"RunControl.import", handle_import},
        {"RunControl.wait_active", handle_wait_active},
        {"RunControl.stop_active", handle_stop_active},
        {"RunControl.save_current", handle_save_current},
        {"RunControl.open_saved", handle_open_saved},
        {"RunControl.select_run", handle_select_run},
        {"RunControl.export", handle_export},
        {"Profiler.top", handle_question},
        {"Profiler.flamegraph", handle_question},
        {"Profiler.threads", handle_question},
        {"Profiler.intervals", handle_question},
        {"Profiler.wakers", handle_question},
        {"Profiler.timeline", handle_question},
        {"Profiler.now", handle_now},
        {"Profiler.annotated", handle_function_question},
        {"Profiler.cfg", handle_function_question},
        {"Profiler.neighbors", handle_function_question},
        {"Profiler.total_on_cpu_ns", handle_question},
        {"Profiler.compare", handle_compare},
        {"Live.tree", handle_question},
        {"Live.top", handle_question},
        {"Live.timeline", handle_question},
        {"Profiler.set_paused", handle_set_paused},
        {"Profiler.is_paused", handle_is_paused},
        {"Profiler.subscribe", handle_subscribe},
        {"Profiler.resubscribe", handle_resubscribe},
        {"Profiler.ack", handle_ack},
        {"Profiler.unsubscribe", handle_unsubscribe},
        {"rpc.discover", handle_discover},
    };
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (strcmp(handlers[i].method, call->method) == 0) {
            handlers[i].handle(call);
            return;
        }
    }
    ASSERT(false); // a test calls every method of the schema
}

void handle_request(struct server *server, struct connection *connection, uint64_t ticket,
                    const struct rpc_request *request)
{
    struct call call = {
        .server = server,
        .connection = connection->serial,
        .ticket = ticket,
        .method = request->method->name,
        .params = request->params,
    };
    handle_call(&call);
}
