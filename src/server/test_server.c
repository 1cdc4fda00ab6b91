// The whole server but its socket: a run with a backend that does what the test says, and a client
// at the other end of a socket pair.

#include "server/server.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "rpc/client.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// ---- A backend by hand ------------------------------------------------------------------------

// One process with two threads, and one of another program that wakes.
enum { MAIN = 7, WORKER = 8, STRANGER = 99, STRANGER_PID = 98 };

static struct {
    bool off_cpu; // it sees switches
    bool wakeups; // and wakeups
    bool ticking; // each drain tells something that is no row: time goes on
    bool hides;   // whoever looks at it gets stuck, until the test ends
    bool silent;  // the program that was to be launched does not start
    bool locked;  // each thread waits for a mutex that the other one has
} script;

// Of the threads that look: how many are stuck, and whether they may go on.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool released;
static int n_stuck;

struct script_capture {
    struct capture base;
    bool told; // the beginning
};

static const struct capture_backend script_backend;

static int script_open(const struct capture_request *request, struct capture **ret,
                       struct err *reterr)
{
    (void)reterr;
    struct script_capture *capture = NEW(struct script_capture);
    capture->base.backend = &script_backend;
    capture->base.poll_fd = eventfd(0, EFD_CLOEXEC);
    capture->base.started_ns = clock_now_ns();
    capture->base.frequency_hz = request->frequency_hz;
    struct capture_ability_state *abilities = capture->base.abilities.at;
    abilities[CAPTURE_OFF_CPU].available = script.off_cpu;
    abilities[CAPTURE_WAKEUPS].available = script.wakeups;
    err_set(&abilities[CAPTURE_WAKEUPS].reason, EPERM, "tracefs is for root");
    *ret = &capture->base;
    return 0;
}

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void begin(uint64_t time_ns, event_sink_fn sink, void *context)
{
    static const char *const names[] = {"boss", "worker"};
    static const uint64_t kernel[] = {UINT64_C(0xffffffff81000000)};
    static const uint64_t user[] = {0x1000, 0x2000, 0x3000};
    struct event_stack stack = {.kernel = kernel, .n_kernel = 1, .user = user, .n_user = 3};
    for (uint32_t tid = MAIN; tid <= WORKER; tid++) {
        struct event event = {.pid = MAIN, .tid = tid, .time_ns = time_ns};
        event.kind = EVENT_THREAD_STARTED;
        event.thread_started.existed = true;
        event.thread_started.parent_tid = MAIN;
        sink(context, &event);
        event.kind = EVENT_THREAD_NAMED;
        event.thread_named.name = text_slice(names[tid - MAIN]);
        sink(context, &event);
        event = (struct event){.kind = EVENT_SAMPLE, .pid = MAIN, .tid = tid, .time_ns = time_ns};
        event.sample.stack = (struct event_stack){.user = user, .n_user = 3};
        sink(context, &event);
        event = (struct event){
            .kind = EVENT_SWITCH_OUT, .pid = MAIN, .tid = tid, .time_ns = time_ns + 1};
        event.switch_out.has_stack = true;
        event.switch_out.stack = stack;
        if (script.off_cpu) {
            sink(context, &event);
        }
    }
}

static void tell_name(uint64_t time_ns, event_sink_fn sink, void *context)
{
    struct event event = {
        .kind = EVENT_THREAD_NAMED, .pid = MAIN, .tid = WORKER, .time_ns = time_ns};
    event.thread_named.name = text_slice("worker");
    sink(context, &event);
}

// The worker's first wait ends, and the next one begins.
static void wake_worker(uint64_t time_ns, event_sink_fn sink, void *context)
{
    struct event event = {
        .kind = EVENT_WAKEUP, .pid = STRANGER_PID, .tid = STRANGER, .time_ns = time_ns};
    event.wakeup.wakee_pid = MAIN;
    event.wakeup.wakee_tid = WORKER;
    event.wakeup.waker_foreign = true;
    event.wakeup.foreign_name = text_slice("stranger");
    sink(context, &event);
    event = (struct event){
        .kind = EVENT_SWITCH_IN, .pid = MAIN, .tid = WORKER, .time_ns = time_ns + 1000};
    sink(context, &event);
    event.kind = EVENT_SWITCH_OUT;
    event.time_ns += 1000;
    sink(context, &event);
}

static int script_drain(struct capture *base, bool final, event_sink_fn sink, void *context)
{
    struct script_capture *capture = (struct script_capture *)base;
    (void) final;
    if (script.silent) {
        return CAPTURE_OK;
    }
    if (!capture->told) {
        capture->told = true;
        begin(base->started_ns, sink, context);
        if (script.off_cpu && script.wakeups) {
            wake_worker(base->started_ns + 1001, sink, context);
            tell_name(base->started_ns + 9001, sink, context);
        }
    } else if (script.ticking) {
        tell_name(clock_now_ns(), sink, context);
    }
    return CAPTURE_OK;
}

static void script_stop(struct capture *capture)
{
    (void)capture;
}

static void script_close(struct capture *capture)
{
    close(capture->poll_fd);
    free(capture);
}

static void script_look(struct capture_look *looks, size_t n)
{
    pthread_mutex_lock(&lock);
    n_stuck++;
    while (script.hides && !released) {
        pthread_cond_wait(&changed, &lock);
    }
    n_stuck--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < n; i++) {
        looks[i].waits = true;
        snprintf(looks[i].place, sizeof looks[i].place, "futex_wait_queue");
        err_set(&looks[i].not_details, EPERM, "its memory is not ours to read");
        if (script.locked) {
            looks[i].not_details.text[0] = 0;
            looks[i].object = CAPTURE_OBJECT_MUTEX;
            looks[i].object_addr = 0x5000 + looks[i].tid;
            looks[i].owner_tid = looks[i].tid == MAIN ? WORKER : MAIN;
        }
    }
}

static const struct capture_backend script_backend = {
    .name = "script",
    .open = script_open,
    .drain = script_drain,
    .stop = script_stop,
    .close = script_close,
    .look = script_look,
};

// ---- The server, on a thread of its own --------------------------------------------------------

static struct server *server;
static pthread_t server_thread;
static _Atomic bool leave;
static struct client client;

static void on_wake(void *context)
{
    if (leave) {
        leave = false;
        server_leave(context);
    }
    server_on_wake(context);
}

static void *serve(void *context)
{
    loop_run(&((struct server *)context)->loop);
    return NULL;
}

static void start_run(void)
{
    struct run_params params = {
        .backend = &script_backend,
        .request = {.pid = MAIN, .frequency_hz = 1000, .launched = script.silent},
        .label = alloc_text("script", 6),
    };
    struct err error;
    assert_int_equal(
        registry_start(&server->registry, (struct registry_start){.params = params}, &error), 0);
}

static int set_up(void **state)
{
    (void)state;
    int pair[2];
    pthread_mutex_lock(&lock);
    released = false;
    pthread_mutex_unlock(&lock);
    memset(&script, 0, sizeof script);
    script.off_cpu = script.wakeups = true;
    server = NEW(struct server);
    connections_init(&server->connections, server);
    waiters_init(&server->waiters, server);
    subscriptions_init(&server->subscriptions, server);
    int r = loop_init(&server->loop, on_wake, server);
    library_init(&server->library, NULL, NULL);
    filer_init(&server->loader, &server->loop);
    filer_init(&server->saver, &server->loop);
    registry_init(&server->registry, server, "");
    questions_init(&server->questions, server);
    inspector_init(&server->inspector, &server->loop, server_on_looked, server);
    if (r < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return -1;
    }
    connections_accept(&server->connections, pair[0]);
    client = CLIENT_INIT;
    client.fd = pair[1];
    return 0;
}

static void start_server(void)
{
    assert_int_equal(pthread_create(&server_thread, NULL, serve, server), 0);
}

static void release(void)
{
    pthread_mutex_lock(&lock);
    released = true;
    pthread_cond_broadcast(&changed);
    while (n_stuck > 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

// In the order of main.c. Threads that are stuck in a look go on only when all is gone.
static int tear_down(void **state)
{
    (void)state;
    leave = true;
    loop_wake(&server->loop);
    pthread_join(server_thread, NULL);
    inspector_fini(&server->inspector);
    assert_true(questions_fini(&server->questions));
    filer_fini(&server->saver);
    filer_fini(&server->loader);
    registry_fini(&server->registry);
    library_fini(&server->library);
    loop_fini(&server->loop);
    subscriptions_fini(&server->subscriptions);
    waiters_fini(&server->waiters);
    parked_calls_fini(&server->parked);
    connections_fini(&server->connections);
    free(server);
    client_fini(&client);
    release();
    return 0;
}

// ---- The client's side ------------------------------------------------------------------------

// The answer, checked against the schema; NULL and the kind of the error otherwise.
static json_t *try_call(const char *method, const char *params, enum rpc_error_kind *ret_kind)
{
    struct rpc_error error = {0};
    struct err why = {0};
    json_t *result = NULL;
    json_t *json = json_loads(params, 0, NULL);
    assert_non_null(json);
    int r = client_call(&client, method, json, &result, &error);
    json_decref(json);
    if (r < 0) {
        fail_msg("%s %s: %d", method, params, r);
    }
    if (r != CLIENT_OK) {
        assert_int_equal(r, CLIENT_E_REFUSED);
        *ret_kind = error.kind;
        return NULL;
    }
    if (!rpc_check(rpc_method_find(method)->result, result, &why)) {
        fail_msg("%s %s: %s", method, params, why.text);
    }
    return result;
}

static json_t *call(const char *method, const char *params)
{
    enum rpc_error_kind kind = RPC_ERROR_INTERNAL;
    json_t *result = try_call(method, params, &kind);
    if (result == NULL) {
        fail_msg("%s %s: %s", method, params, rpc_error_name(kind));
    }
    return result;
}

static void assert_refused(const char *method, const char *params, enum rpc_error_kind wanted)
{
    enum rpc_error_kind kind = RPC_ERROR_INTERNAL;
    json_t *result = try_call(method, params, &kind);
    assert_null(result);
    assert_string_equal(rpc_error_name(kind), rpc_error_name(wanted));
}

static int64_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static const char *word(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_string(value));
    return json_string_value(value);
}

static bool has_note(const json_t *answer, const char *part)
{
    size_t i;
    const json_t *note;
    json_array_foreach(json_object_get(answer, "notes"), i, note)
    {
        if (strstr(json_string_value(note), part) != NULL) {
            return true;
        }
    }
    return false;
}

// The beginning was recorded.
static void wait_for_start(void)
{
    json_t *result = call("RunControl.wait_active",
                          "{\"condition\":{\"for_samples\":2},\"start_ms\":20000}");
    assert_string_equal(word(result, "outcome"), "condition_met");
    json_decref(result);
}

static void start(void)
{
    start_run();
    start_server();
    wait_for_start();
}

// ---- Tests ------------------------------------------------------------------------------------

static const struct {
    const char *method;
    const char *params;
} questions[] = {
    {"RunControl.status", "{}"},
    {"RunControl.list_runs", "{}"},
    {"RunControl.diagnostics", "{}"},
    {"RunControl.wait_active", "{\"timeout_ms\":0}"},
    {"Profiler.top", "{}"},
    {"Profiler.top", "{\"mode\":\"off_cpu\",\"reason\":\"other\",\"sort\":\"total\",\"limit\":3}"},
    {"Profiler.flamegraph", "{}"},
    {"Profiler.flamegraph", "{\"mode\":\"off_cpu\",\"max_nodes\":2}"},
    {"Profiler.threads", "{\"limit\":1}"},
    {"Profiler.intervals", "{}"},
    {"Profiler.intervals", "{\"order\":\"newest\",\"reason\":\"lock\",\"min_ns\":5,\"limit\":1}"},
    {"Profiler.intervals", "{\"order\":\"oldest\",\"max_frames\":0}"},
    {"Profiler.wakers", "{\"tid\":8}"},
    {"Profiler.wakers", "{\"tid\":99,\"limit\":1}"},
    {"Profiler.wakers", "{\"tid\":8,\"view\":{\"tid\":8}}"},
    {"Profiler.timeline", "{}"},
    {"Profiler.timeline", "{\"buckets\":7,\"threads\":1,\"view\":{\"tid\":7}}"},
    {"Profiler.timeline", "{\"view\":{\"time_range\":{\"start_ns\":5,\"end_ns\":900}}}"},
    {"Profiler.now", "{}"},
    {"Profiler.now", "{\"tid\":8,\"limit\":1,\"max_frames\":1}"},
    {"Profiler.total_on_cpu_ns", "{}"},
    {"Profiler.annotated", "{\"name\":\"+0x\"}"},
    {"Profiler.annotated", "{\"name\":\"+0X\",\"syntax\":\"att\",\"source\":false,"
                           "\"source_paths\":[{\"from\":\"/a\",\"to\":\"/b\"}],"
                           "\"first_line\":1,\"limit\":1}"},
    {"Profiler.cfg", "{\"name\":\"+0x\",\"view\":{\"tid\":7}}"},
    {"Profiler.neighbors", "{\"name\":\"+0x\"}"},
    {"Profiler.neighbors", "{\"name\":\"+0x\",\"mode\":\"off_cpu\",\"max_depth\":1,"
                           "\"min_share\":0.5,\"max_nodes\":3}"},
    {"Profiler.compare", "{\"a\":[1],\"b\":[1]}"},
    {"Profiler.compare", "{\"a\":[1],\"b\":[1],\"by\":\"stack\",\"limit\":1}"},
    {"Profiler.compare", "{\"a\":[1],\"b\":[1],\"by\":\"thread\",\"mode\":\"off_cpu\","
                         "\"fail_above_pct\":5}"},
    {"Live.tree", "{}"},
    {"Live.tree",
     "{\"mode\":\"wall\",\"callers\":true,\"max_nodes\":3,\"min_share\":0.1,"
     "\"zoom\":[{\"function_name\":\"a\"},{\"function_name\":\"b\",\"binary\":\"c\"}]}"},
    {"Live.top", "{}"},
    {"Live.top", "{\"mode\":\"off_cpu\",\"sort\":\"total\",\"limit\":3}"},
    {"Live.timeline", "{}"},
    {"Live.timeline", "{\"buckets\":7,\"threads\":1,\"view\":{\"tid\":7}}"},
    {"Profiler.top", "{\"mode\":\"wall\",\"view\":{\"only_symbols\":[{\"function_name\":\"a\"}],"
                     "\"focus_symbol\":{\"function_name\":\"a\",\"binary\":\"b\"}}}"},
    {"Profiler.wakers", "{\"tid\":8,\"view\":{\"only_symbols\":[],\"exclude_symbols\":[]}}"},
    {"Profiler.set_paused", "{\"paused\":true}"},
    {"Profiler.set_paused", "{\"paused\":true}"},
    {"Profiler.is_paused", "{}"},
    {"Profiler.set_paused", "{\"paused\":false}"},
    {"Profiler.subscribe", "{\"method\":\"Profiler.top\"}"},
    {"Profiler.resubscribe", "{\"subscription\":1,\"params\":{\"limit\":2},\"interval_ms\":60000}"},
    {"Profiler.resubscribe", "{\"subscription\":1}"},
    {"Profiler.unsubscribe", "{\"subscription\":1}"},
    {"RunControl.select_run", "{}"},
    {"RunControl.select_run", "{\"run\":1}"},
    {"rpc.discover", "{}"},
    {"RunControl.stop_active", "{}"},
};

static void test_every_answer_is_as_the_schema_says(void **state)
{
    (void)state;
    start();
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        json_decref(call(questions[i].method, questions[i].params));
    }
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        // These need a real target, or a file, and have tests of their own.
        static const char *const elsewhere[] = {
            "RunControl.start_attach", "RunControl.export",     "RunControl.import",
            "RunControl.save_current", "RunControl.open_saved", "Profiler.ack",
        };
        bool asked = false;
        for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
            asked = asked || strcmp(method->name, elsewhere[i]) == 0;
        }
        for (size_t i = 0; i < ARRAY_LEN(questions) && !asked; i++) {
            asked = strcmp(questions[i].method, method->name) == 0;
        }
        if (!asked) {
            fail_msg("%s is not tested", method->name);
        }
    }
    assert_refused("Profiler.now", "{}", RPC_ERROR_NO_ACTIVE_RUN);
    assert_refused("Profiler.is_paused", "{}", RPC_ERROR_NO_ACTIVE_RUN);
    assert_refused("Profiler.set_paused", "{\"paused\":true}", RPC_ERROR_NO_ACTIVE_RUN);
    assert_refused("Profiler.set_paused", "{}", RPC_ERROR_INVALID_PARAMS);
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) { // and the same of a run that is over
        if (rpc_method_find(questions[i].method)->subscribable) {
            json_decref(call(questions[i].method, questions[i].params));
        }
    }
}

// A path in a new directory; the caller removes both.
static char *make_place(void)
{
    struct text path = {0};
    const char *temp = getenv("TMPDIR");
    text_addf(&path, "%s/stax-test-XXXXXX", temp == NULL ? "/tmp" : temp);
    assert_non_null(mkdtemp(path.at));
    text_add(&path, "/export");
    return text_take(&path);
}

static void remove_place(char *path)
{
    assert_int_equal(unlink(path), 0);
    *strrchr(path, '/') = 0;
    assert_int_equal(rmdir(path), 0); // nothing else is in it
}

static void export_in_every_format(const char *path)
{
    for (size_t i = 0; rpc_export_formats[i] != NULL; i++) {
        CLEANUP(text_fini) struct text params = {0};
        text_addf(&params, "{\"format\":\"%s\",\"path\":\"%s\",\"view\":{\"inline\":%s}}",
                  rpc_export_formats[i], path, i % 2 == 0 ? "true" : "false");
        json_t *answer = call("RunControl.export", text_get(&params));
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(number(answer, "bytes"), st.st_size);
        assert_int_equal(number(answer, "samples"), 2);
        assert_true(st.st_size > 0);
        assert_string_equal(word(answer, "path"), path);
        json_decref(answer);
    }
}

static void test_exports(void **state)
{
    (void)state;
    start();
    CLEANUP(freep) char *path = make_place();
    export_in_every_format(path);
    json_decref(call("RunControl.stop_active", "{}"));
    export_in_every_format(path);
    remove_place(path);
    assert_refused("RunControl.export", "{\"format\":\"folded\",\"path\":\"export\"}",
                   RPC_ERROR_INVALID_PARAMS);
    assert_refused("RunControl.export", "{\"format\":\"folded\",\"path\":\"/no/such/place\"}",
                   RPC_ERROR_NOT_FOUND);
    assert_refused("RunControl.export", "{\"format\":\"folded\",\"path\":\"/dev/null\"}",
                   RPC_ERROR_INVALID_PARAMS);
    assert_refused("RunControl.export",
                   "{\"format\":\"folded\",\"path\":\"/dev/null\",\"view\":{\"tid\":999999}}",
                   RPC_ERROR_NOT_FOUND);
    assert_refused("RunControl.export", "{\"format\":\"folded\",\"path\":\"/dev/null\",\"run\":77}",
                   RPC_ERROR_UNKNOWN_RUN);
}

static void test_answers_are_the_same_without_switches(void **state)
{
    (void)state;
    script.off_cpu = script.wakeups = false;
    start();
    json_t *now = call("Profiler.now", "{}");
    assert_int_equal(json_array_size(json_object_get(now, "waits")), 0);
    assert_true(has_note(now, "waits are not recorded"));
    assert_true(has_note(now, "who wakes threads is not recorded: tracefs is for root"));
    assert_true(json_is_true(json_object_get(json_object_get(now, "health"), "estimated")));
    json_decref(now);
    json_t *intervals = call("Profiler.intervals", "{}");
    assert_int_equal(number(intervals, "total_intervals"), 0);
    json_decref(intervals);
    json_t *wakers = call("Profiler.wakers", "{\"tid\":7}");
    assert_true(json_is_false(json_object_get(wakers, "available")));
    assert_string_equal(word(wakers, "reason"), "tracefs is for root");
    json_decref(wakers);
}

static void test_unknown_threads_are_refused(void **state)
{
    (void)state;
    start();
    assert_refused("Profiler.wakers", "{\"tid\":55}", RPC_ERROR_NOT_FOUND);
    assert_refused("Profiler.now", "{\"tid\":55}", RPC_ERROR_NOT_FOUND);
    assert_refused("Profiler.timeline", "{\"view\":{\"tid\":55}}", RPC_ERROR_NOT_FOUND);
    assert_refused("Profiler.intervals", "{\"view\":{\"tid\":99}}", RPC_ERROR_NOT_FOUND); // foreign
}

static void test_waits_say_who_ended_them(void **state)
{
    (void)state;
    start();
    json_t *answer = call("Profiler.intervals", "{\"view\":{\"tid\":8},\"order\":\"oldest\","
                                                "\"max_frames\":1}");
    assert_int_equal(number(answer, "total_intervals"), 2);
    const json_t *wait = json_array_get(json_object_get(answer, "entries"), 0);
    assert_string_equal(word(wait, "thread_name"), "worker");
    assert_int_equal(number(wait, "start_ns"), 1);
    assert_int_equal(number(wait, "duration_ns"), 1000);
    assert_int_equal(number(wait, "runnable_ns"), 1000);
    assert_int_equal(number(wait, "waker_tid"), STRANGER);
    assert_string_equal(word(wait, "waker_name"), "stranger");
    assert_null(json_object_get(wait, "waker_function_name"));
    assert_int_equal(json_array_size(json_object_get(wait, "stack")), 1);
    assert_int_equal(number(wait, "frames_cut"), 3);
    wait = json_array_get(json_object_get(answer, "entries"), 1);
    assert_true(json_is_true(json_object_get(wait, "open")));
    assert_null(json_object_get(wait, "waker_tid"));
    json_decref(answer);

    answer = call("Profiler.wakers", "{\"tid\":8}");
    assert_string_equal(word(answer, "wakee_name"), "worker");
    assert_int_equal(number(answer, "total_wakeups"), 1);
    const json_t *entry = json_array_get(json_object_get(answer, "entries"), 0);
    assert_int_equal(number(entry, "waker_tid"), STRANGER);
    assert_int_equal(number(entry, "waker_pid"), STRANGER_PID);
    assert_true(json_is_true(json_object_get(entry, "foreign")));
    assert_int_equal(number(entry, "ended_ns"), 1000);
    json_decref(answer);

    answer = call("RunControl.list_runs", "{}");
    const json_t *run = json_array_get(json_object_get(answer, "runs"), 0);
    assert_int_equal(number(run, "threads"), 2); // and no stranger
    assert_int_equal(number(run, "off_cpu_intervals"), 1);
    assert_true(json_is_false(json_object_get(run, "estimated")));
    json_decref(answer);
}

static void test_now_says_what_it_could_not_find_out(void **state)
{
    (void)state;
    start();
    json_t *now = call("Profiler.now", "{}");
    assert_int_equal(number(now, "n_waiting"), 2);
    const json_t *waits = json_object_get(now, "waits");
    assert_int_equal(json_array_size(waits), 2);
    assert_string_equal(word(json_array_get(waits, 0), "place"), "futex_wait_queue");
    assert_string_equal(word(json_array_get(waits, 0), "object"), "");
    assert_true(has_note(now, "its memory is not ours to read"));
    assert_int_equal(json_array_size(json_object_get(now, "notes")), 3); // that one once
    json_decref(now);
}

static void test_now_shows_a_deadlock(void **state)
{
    (void)state;
    script.locked = true;
    start();
    json_t *now = call("Profiler.now", "{}");
    const json_t *deadlocks = json_object_get(now, "deadlocks");
    assert_int_equal(json_array_size(deadlocks), 1);
    const char *text = word(json_array_get(deadlocks, 0), "text");
    const char *boss = "thread 7 (boss) waits for a mutex that thread 8 (worker) has";
    const char *worker = "thread 8 (worker) waits for a mutex that thread 7 (boss) has";
    char one[200];
    char other[200];
    snprintf(one, sizeof one, "%s; %s", boss, worker);
    snprintf(other, sizeof other, "%s; %s", worker, boss);
    if (strcmp(text, one) != 0 && strcmp(text, other) != 0) {
        fail_msg("%s", text);
    }
    const json_t *wait = json_array_get(json_object_get(now, "waits"), 0);
    assert_string_equal(word(wait, "object"), "mutex");
    assert_string_equal(word(wait, "object_address"),
                        number(wait, "tid") == MAIN ? "0x5007" : "0x5008");
    assert_string_equal(word(json_object_get(wait, "owner"), "state"), "waiting");
    json_decref(now);
}

// The answer comes in time with what the recording knows; other questions are not held up at all,
// and the server goes away while the look is still under way (tear_down).
static void test_now_of_a_process_that_hides(void **state)
{
    (void)state;
    script.hides = true;
    start();
    json_t *now = call("Profiler.now", "{}");
    assert_int_equal(json_array_size(json_object_get(now, "waits")), 2);
    assert_true(has_note(now, "process 7 did not let itself be looked at in time"));
    json_decref(now);
    for (int i = 0; i < INSPECTOR_THREADS; i++) {
        now = call("Profiler.now", "{}");
        assert_int_equal(number(now, "n_waiting"), 2);
        json_decref(now);
    }
    now = call("Profiler.now", "{}");
    assert_true(has_note(now, "earlier looks are not over yet"));
    json_decref(now);
}

// ---- Subscriptions ----------------------------------------------------------------------------

static void send_call(const char *method, const char *params)
{
    struct text line = {0};
    json_t *json = json_loads(params, 0, NULL);
    assert_non_null(json);
    rpc_put_call(&line, 1, method, json);
    assert_int_equal(write(client.fd, line.at, line.n), line.n);
    json_decref(json);
    text_fini(&line);
}

// The next message of the subscription; answers to calls are skipped.
static json_t *next_message(void)
{
    for (;;) {
        struct text line = {0};
        for (char c = 0; c != '\n'; text_add_char(&line, c)) {
            struct pollfd fd = {.fd = client.fd, .events = POLLIN};
            assert_int_equal(poll(&fd, 1, 20000), 1);
            assert_int_equal(read(client.fd, &c, 1), 1);
        }
        json_t *message = json_loads(text_get(&line), 0, NULL);
        text_fini(&line);
        json_t *params = json_object_get(message, "params");
        if (params != NULL) {
            json_incref(params);
            json_decref(message);
            return params;
        }
        assert_non_null(json_object_get(message, "result"));
        json_decref(message);
    }
}

// All waiting in an answer.
static int64_t waited_ns(const json_t *message, const char *field)
{
    json_t *total = json_object_get(json_object_get(message, "result"), field);
    int64_t sum_ns = 0;
    const char *key;
    json_t *value;
    assert_true(json_is_object(total));
    json_object_foreach(total, key, value)
    {
        sum_ns += json_integer_value(value);
    }
    return sum_ns;
}

// Two threads wait, and not a row is added.
static void check_that_open_waits_grow(const char *method, const char *params, const char *field)
{
    script.ticking = true;
    start();
    char subscribe[200];
    snprintf(subscribe, sizeof subscribe, "{\"method\":\"%s\",\"params\":%s,\"interval_ms\":50}",
             method, params);
    send_call("Profiler.subscribe", subscribe);
    int64_t before_ns = 0;
    for (int64_t seq = 1; seq <= 3; seq++) {
        json_t *message = next_message();
        assert_int_equal(number(message, "seq"), seq);
        assert_true(json_is_false(json_object_get(message, "ended")));
        int64_t ns = waited_ns(message, field);
        assert_true(ns > before_ns);
        before_ns = ns;
        json_decref(message);
    }
    send_call("RunControl.stop_active", "{}");
    for (bool ended = false; !ended;) {
        json_t *message = next_message();
        ended = json_is_true(json_object_get(message, "ended"));
        assert_true(waited_ns(message, field) >= before_ns);
        json_decref(message);
    }
    struct pollfd fd = {.fd = client.fd, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 150), 0); // and that was the last one
}

// Time on a CPU did not grow: once the names are there, nothing is sent.
static void test_what_does_not_change_is_not_sent(void **state)
{
    (void)state;
    script.ticking = true;
    start();
    send_call("Profiler.subscribe", "{\"method\":\"Profiler.top\",\"interval_ms\":50}");
    struct pollfd fd = {.fd = client.fd, .events = POLLIN};
    int n_messages = 0;
    do {
        json_decref(next_message());
        n_messages++;
        assert_true(n_messages < 10);
    } while (poll(&fd, 1, 400) > 0);
}

static void test_open_waits_grow_in_threads(void **state)
{
    (void)state;
    check_that_open_waits_grow("Profiler.threads", "{\"view\":{\"tid\":8}}", "total_off_cpu");
}

static void test_open_waits_grow_in_top(void **state)
{
    (void)state;
    check_that_open_waits_grow("Profiler.top", "{\"mode\":\"off_cpu\",\"view\":{\"tid\":8}}",
                               "total_off_cpu");
}

static void test_open_waits_grow_in_timelines(void **state)
{
    (void)state;
    check_that_open_waits_grow("Profiler.timeline", "{\"view\":{\"tid\":8}}", "total_off_cpu");
}

static void test_open_waits_grow_in_intervals(void **state)
{
    (void)state;
    check_that_open_waits_grow("Profiler.intervals", "{\"view\":{\"tid\":8}}", "by_reason");
}

// A run that ends without having begun is forgotten. But not while it is being saved.
static void test_undone_while_it_is_saved(void **state)
{
    (void)state;
    script.silent = true;
    start_run();
    start_server();
    size_t n = 0;
    while (n == 0) { // until it is armed
        json_t *list = call("RunControl.list_runs", "{}");
        n = json_array_size(json_object_get(list, "runs"));
        json_decref(list);
    }
    CLEANUP(freep) char *path = make_place();
    CLEANUP(text_fini) struct text params = {0};
    text_addf(&params, "{\"path\":\"%s\"}", path);
    send_call("RunControl.save_current", text_get(&params));
    send_call("RunControl.stop_active", "{}");
    bool saved = false;
    while (!saved) { // the answers come in any order
        struct text line = {0};
        for (char c = 0; c != '\n'; text_add_char(&line, c)) {
            struct pollfd fd = {.fd = client.fd, .events = POLLIN};
            assert_int_equal(poll(&fd, 1, 20000), 1);
            assert_int_equal(read(client.fd, &c, 1), 1);
        }
        saved = strstr(text_get(&line), path) != NULL;
        text_fini(&line);
    }
    json_t *list = NULL;
    do {
        json_decref(list);
        list = call("RunControl.list_runs", "{}");
    } while (json_array_size(json_object_get(list, "runs")) > 0);
    json_decref(list);
    remove_place(path);
}

int main(void)
{
#define SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVER(test_every_answer_is_as_the_schema_says),
        SERVER(test_exports),
        SERVER(test_undone_while_it_is_saved),
        SERVER(test_answers_are_the_same_without_switches),
        SERVER(test_unknown_threads_are_refused),
        SERVER(test_waits_say_who_ended_them),
        SERVER(test_now_says_what_it_could_not_find_out),
        SERVER(test_now_shows_a_deadlock),
        SERVER(test_now_of_a_process_that_hides),
        SERVER(test_what_does_not_change_is_not_sent),
        SERVER(test_open_waits_grow_in_threads),
        SERVER(test_open_waits_grow_in_top),
        SERVER(test_open_waits_grow_in_timelines),
        SERVER(test_open_waits_grow_in_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
