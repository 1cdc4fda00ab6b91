// Runs that are in files: found, loaded when somebody asks, put back on the shelf, saved again. The
// server with its loop, without its socket; clients at the other ends of socket pairs.

#include "server/server.h"

#include "archive/test_support.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "rpc/client.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENTS = 2, RUNS = 4 };

static struct {
    struct server *server;
    pthread_t thread;
    bool is_running;
    char *history; // where its runs are
    char *place;   // where other files are
    struct client clients[CLIENTS];
    _Atomic bool leave;
    _Atomic size_t most_in_memory; // ever seen
} f;

static void on_wake(void *context)
{
    struct server *server = context;
    if (atomic_exchange(&f.leave, false)) {
        server_leave(server);
    }
    server_on_wake(server);
    size_t n = 0;
    for (size_t i = 0; i < server->registry.runs.n; i++) {
        n += server->registry.runs.at[i]->run != NULL;
    }
    f.most_in_memory = MAX(f.most_in_memory, n);
}

static void *serve(void *context)
{
    loop_run(&((struct server *)context)->loop);
    return NULL;
}

static void start_server(void)
{
    assert_int_equal(pthread_create(&f.thread, NULL, serve, f.server), 0);
    f.is_running = true;
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.history = folder_make();
    f.place = folder_make();
    struct server *s = f.server = NEW(struct server);
    connections_init(&s->connections, s);
    waiters_init(&s->waiters, s);
    subscriptions_init(&s->subscriptions, s);
    int r = loop_init(&s->loop, on_wake, s);
    library_init(&s->library, NULL, NULL);
    filer_init(&s->loader, &s->loop);
    filer_init(&s->saver, &s->loop);
    registry_init(&s->registry, s, f.history);
    questions_init(&s->questions, s);
    inspector_init(&s->inspector, &s->loop, server_on_looked, s);
    for (size_t i = 0; r == 0 && i < CLIENTS; i++) {
        int pair[2];
        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
        f.clients[i] = CLIENT_INIT;
        f.clients[i].fd = pair[1];
        connections_accept(&s->connections, pair[0]);
    }
    return r;
}

static void stop_server(void)
{
    if (f.is_running) {
        f.leave = true;
        loop_wake(&f.server->loop);
        pthread_join(f.thread, NULL);
        f.is_running = false;
    }
}

static int tear_down(void **state)
{
    (void)state;
    struct server *s = f.server;
    stop_server();
    inspector_fini(&s->inspector);
    assert_true(questions_fini(&s->questions));
    filer_fini(&s->saver);
    filer_fini(&s->loader);
    registry_fini(&s->registry);
    library_fini(&s->library);
    loop_fini(&s->loop);
    subscriptions_fini(&s->subscriptions);
    waiters_fini(&s->waiters);
    parked_calls_fini(&s->parked);
    connections_fini(&s->connections);
    free(s);
    for (size_t i = 0; i < CLIENTS; i++) {
        client_fini(&f.clients[i]);
    }
    folder_remove(f.history);
    folder_remove(f.place);
    return 0;
}

// ---- Files -------------------------------------------------------------------------------------

static char *history_file(uint32_t id)
{
    struct text name = {0};
    text_addf(&name, "%s/%u.stax", f.history, id);
    return text_take(&name);
}

// A run by chance, which is another one for each seed.
static void write_run(const char *path, uint64_t seed)
{
    struct random_run random;
    struct library library;
    struct facts facts = {0};
    struct err err = {0};
    random_run_init(&random, seed);
    random_run_go_on(&random, 2000 + 100 * seed);
    random_run_end(&random);
    library_init(&library, NULL, NULL);
    facts_set_text(&facts, "label", "by chance");
    facts_set_text(&facts, "state", "stopped");
    facts_set_text(&facts, "stop_reason", "target_exited");
    facts_set_text(&facts, "architecture", "aarch64");
    facts_set_number(&facts, "samples", atomic_load(&random.store->samples.n));
    int r = spool_write_once(path, random.store, &library, NULL, &facts, NULL, &err);
    if (r < 0) {
        fail_msg("%s", err.text);
    }
    facts_fini(&facts);
    library_fini(&library);
    store_free(random.store);
}

static void write_history(void)
{
    for (uint32_t id = 1; id <= RUNS; id++) {
        CLEANUP(freep) char *path = history_file(id);
        write_run(path, id);
    }
}

// ---- Calls -------------------------------------------------------------------------------------

static json_t *checked(const char *method, json_t *result)
{
    struct err why = {0};
    if (result != NULL && !rpc_check(rpc_method_find(method)->result, result, &why)) {
        fail_msg("%s: %s", method, why.text);
    }
    return result;
}

static PRINTF_LIKE(1, 0) json_t *parse(const char *format, va_list arguments)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

// The answer, checked against the schema; NULL and the error otherwise.
static json_t *try_call_json(const char *method, json_t *params, struct rpc_error *ret_error)
{
    json_t *result = NULL;
    int r = client_call(&f.clients[0], method, params, &result, ret_error);
    json_decref(params);
    if (r != CLIENT_OK && r != CLIENT_E_REFUSED) {
        fail_msg("%s: %s", method, ret_error->text.text);
    }
    return checked(method, result);
}

__attribute__((format(printf, 2, 3))) static json_t *call(const char *method, const char *format,
                                                          ...)
{
    struct rpc_error error = {0};
    va_list arguments;
    va_start(arguments, format);
    json_t *result = try_call_json(method, parse(format, arguments), &error);
    va_end(arguments);
    if (result == NULL) {
        fail_msg("%s: %s", method, error.text.text);
    }
    return result;
}

__attribute__((format(printf, 3, 4))) static void
assert_refused(enum rpc_error_kind wanted, const char *method, const char *format, ...)
{
    struct rpc_error error = {0};
    va_list arguments;
    va_start(arguments, format);
    json_t *result = try_call_json(method, parse(format, arguments), &error);
    va_end(arguments);
    assert_null(result);
    assert_string_equal(rpc_error_name(error.kind), rpc_error_name(wanted));
    assert_true(error.text.text[0] != 0);
}

static int64_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

// What `list` says of a run; NULL: it is not there. A new reference.
static json_t *listed(int64_t id)
{
    json_t *list = call("RunControl.list_runs", "{}");
    json_t *found = NULL;
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(list, "runs"), i, run)
    {
        found = number(run, "id") == id ? json_incref(run) : found;
    }
    json_decref(list);
    return found;
}

static size_t n_listed(void)
{
    json_t *list = call("RunControl.list_runs", "{}");
    size_t n = json_array_size(json_object_get(list, "runs"));
    json_decref(list);
    return n;
}

static bool has_note(const json_t *summary, const char *part)
{
    size_t i;
    const json_t *note;
    json_array_foreach(json_object_get(summary, "notes"), i, note)
    {
        if (strstr(json_string_value(note), part) != NULL) {
            return true;
        }
    }
    return false;
}

// Everything that is asked of a run, as one value.
static json_t *answers(uint32_t id)
{
    static const char *const questions[][2] = {
        {"Profiler.top", "\"limit\":1000"},
        {"Profiler.top", "\"limit\":1000,\"mode\":\"off_cpu\""},
        {"Profiler.flamegraph", "\"mode\":\"on_cpu\""},
        {"Profiler.threads", "\"limit\":1000"},
        {"Profiler.intervals", "\"limit\":100"},
        {"Profiler.timeline", "\"buckets\":20"},
    };
    json_t *all = json_array();
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        json_array_append_new(
            all, call(questions[i][0], "{%s,\"view\":{\"run\":%u}}", questions[i][1], id));
    }
    return all;
}

// ---- The list ----------------------------------------------------------------------------------

static void test_found_in_the_directory(void **state)
{
    (void)state;
    write_history();
    start_server();
    assert_int_equal(n_listed(), RUNS);
    json_t *run = listed(2);
    assert_true(json_is_true(json_object_get(run, "in_history")));
    assert_true(number(run, "samples") > 0);
    json_t *threads = call("Profiler.total_on_cpu_ns", "{\"view\":{\"run\":2}}");
    assert_int_equal(number(json_object_get(threads, "health"), "samples"), number(run, "samples"));
    json_decref(threads);
    json_decref(run);
    // Without a number it is the newest; another one when it was selected.
    json_t *list = call("RunControl.list_runs", "{}");
    assert_int_equal(number(list, "current"), RUNS);
    json_decref(list);
    json_decref(call("RunControl.select_run", "{\"run\":1}"));
    list = call("RunControl.list_runs", "{}");
    assert_int_equal(number(list, "current"), 1);
    json_decref(list);
    json_decref(call("RunControl.select_run", "{}"));
    list = call("RunControl.list_runs", "{}");
    assert_int_equal(number(list, "current"), RUNS);
    json_decref(list);
    assert_refused(RPC_ERROR_UNKNOWN_RUN, "RunControl.select_run", "{\"run\":77}");
    assert_refused(RPC_ERROR_UNKNOWN_RUN, "Profiler.top", "{\"view\":{\"run\":77}}");
}

static void test_a_file_that_disappears(void **state)
{
    (void)state;
    write_history();
    start_server();
    assert_int_equal(n_listed(), RUNS);
    CLEANUP(freep) char *path = history_file(3);
    assert_int_equal(unlink(path), 0);
    assert_refused(RPC_ERROR_NOT_FOUND, "Profiler.top", "{\"view\":{\"run\":3}}");
    assert_int_equal(n_listed(), RUNS - 1);
    assert_refused(RPC_ERROR_UNKNOWN_RUN, "Profiler.top", "{\"view\":{\"run\":3}}");
    // One that is in memory stays what it is.
    json_t *before = answers(2);
    CLEANUP(freep) char *other = history_file(2);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(n_listed(), RUNS - 1);
    json_t *after = answers(2);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void test_a_damaged_file_is_listed(void **state)
{
    (void)state;
    write_history();
    CLEANUP(freep) char *path = history_file(2);
    file_put(path, "a day in the life", 17);
    start_server();
    json_t *run = listed(2);
    assert_non_null(run);
    assert_true(has_note(run, "not a run file"));
    json_decref(run);
    assert_refused(RPC_ERROR_INVALID_PARAMS, "Profiler.top", "{\"view\":{\"run\":2}}");
    json_decref(answers(1));
    // It was being copied when we looked.
    assert_int_equal(unlink(path), 0);
    write_run(path, 2);
    run = listed(2);
    assert_false(has_note(run, "not a run file"));
    assert_true(number(run, "samples") > 0);
    json_decref(run);
    json_decref(answers(2));
}

static void test_the_last_number_of_all(void **state)
{
    (void)state;
    write_history();
    CLEANUP(freep) char *last = history_file(HISTORY_ID_MAX);
    CLEANUP(freep) char *path = folder_path(f.place, "other.stax");
    write_run(last, 7);
    write_run(path, 8);
    start_server();
    assert_int_equal(n_listed(), RUNS + 1);
    json_t *opened = call("RunControl.open_saved", "{\"path\":\"%s\"}", path);
    assert_int_equal(number(opened, "id"), RUNS + 1);
    json_decref(opened);
    json_decref(answers(HISTORY_ID_MAX));
    json_decref(answers(RUNS + 1));
}

// ---- Loading -----------------------------------------------------------------------------------

static json_t *receive(struct client *client)
{
    for (;;) {
        struct pollfd fd = {.fd = client->fd, .events = POLLIN};
        struct rpc_error error = {0};
        json_t *result = NULL;
        assert_int_equal(poll(&fd, 1, 30000), 1);
        int r = client_receive(client, &result, &error);
        if (r != CLIENT_E_PENDING) {
            assert_int_equal(r, CLIENT_OK);
            return result;
        }
    }
}

// Whatever it is.
static json_t *next_line(const struct client *client)
{
    CLEANUP(text_fini) struct text line = {0};
    while (line.n == 0 || line.at[line.n - 1] != '\n') {
        char byte;
        struct pollfd fd = {.fd = client->fd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 30000), 1);
        assert_int_equal(read(client->fd, &byte, 1), 1);
        text_add_char(&line, byte);
    }
    json_t *message = json_loadb(text_get(&line), line.n, 0, NULL);
    assert_non_null(message);
    return message;
}

static void send_top(struct client *client, uint32_t run)
{
    struct rpc_error error = {0};
    json_t *params = json_pack("{s:{s:i}}", "view", "run", (int)run);
    assert_int_equal(client_send(client, "Profiler.top", params, &error), 0);
    json_decref(params);
}

static void test_two_ask_for_the_same_run(void **state)
{
    (void)state;
    write_history();
    send_top(&f.clients[0], 2); // both are there when the loop begins
    send_top(&f.clients[1], 2);
    start_server();
    json_t *first = checked("Profiler.top", receive(&f.clients[0]));
    json_t *second = checked("Profiler.top", receive(&f.clients[1]));
    assert_true(json_equal(first, second));
    json_decref(first);
    json_decref(second);
}

static void test_who_asked_has_gone(void **state)
{
    (void)state;
    write_history();
    send_top(&f.clients[1], 2);
    send_top(&f.clients[1], 3);
    client_fini(&f.clients[1]);
    f.clients[1] = CLIENT_INIT;
    start_server();
    json_decref(answers(3));
    json_decref(answers(2));
}

static void test_subscription_to_a_run_on_the_shelf(void **state)
{
    (void)state;
    write_history();
    start_server();
    json_t *answer = call("Profiler.subscribe", "{\"method\":\"Profiler.top\",\"params\":"
                                                "{\"view\":{\"run\":2}}}");
    assert_true(number(answer, "subscription") > 0);
    json_decref(answer);
    // It is over, so the one message is the last one.
    json_t *message = next_line(&f.clients[0]);
    const json_t *params = json_object_get(message, "params");
    assert_true(json_is_true(json_object_get(params, "ended")));
    json_t *top = call("Profiler.top", "{\"view\":{\"run\":2}}");
    assert_true(json_equal(json_object_get(params, "result"), top));
    json_decref(message);
    json_decref(top);
}

static void test_a_wait_for_a_run_on_the_shelf(void **state)
{
    (void)state;
    write_history();
    start_server();
    json_t *answer = call("RunControl.wait_active",
                          "{\"run\":2,\"condition\":{\"until_symbol\":\"main\"}}");
    assert_string_equal(json_string_value(json_object_get(answer, "outcome")), "stopped");
    json_decref(answer);
}

// ---- Memory ------------------------------------------------------------------------------------

static void check_that_all_come_back(void)
{
    json_t *before[RUNS];
    for (uint32_t i = 0; i < RUNS; i++) {
        before[i] = answers(i + 1);
    }
    for (uint32_t i = RUNS; i-- > 0;) {
        json_t *after = answers(i + 1);
        assert_true(json_equal(before[i], after));
        json_decref(after);
        json_decref(before[i]);
    }
}

static void test_as_many_runs_as_may_be(void **state)
{
    (void)state;
    write_history();
    f.server->registry.limit_runs = 2;
    start_server();
    check_that_all_come_back();
    assert_int_equal(f.most_in_memory, 2);
}

static void test_as_many_bytes_as_may_be(void **state)
{
    (void)state;
    write_history();
    f.server->registry.limit_bytes = 1;
    start_server();
    check_that_all_come_back();
    assert_int_equal(f.most_in_memory, 1);
}

// What needs more runs at once than there may be is refused, instead of going round for ever.
static void test_more_runs_at_once_than_may_be(void **state)
{
    (void)state;
    write_history();
    f.server->registry.limit_runs = 2;
    start_server();
    json_decref(call("Profiler.compare", "{\"a\":[1],\"b\":[2]}"));
    assert_refused(RPC_ERROR_TOO_LARGE, "Profiler.compare", "{\"a\":[1,2],\"b\":[3,4]}");
    json_decref(call("Profiler.compare", "{\"a\":[3],\"b\":[4]}"));
    assert_int_equal(f.most_in_memory, 2);
}

static void test_many_at_once(void **state)
{
    (void)state;
    write_history();
    f.server->registry.limit_runs = 1;
    for (uint32_t i = 0; i < 8; i++) {
        send_top(&f.clients[i % CLIENTS], 1 + i % RUNS);
    }
    start_server();
    // Each call gets an answer, or a refusal when its run had to leave before it was answered.
    size_t n_results = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        for (size_t n = 0; n < 8 / CLIENTS; n++) {
            json_t *message = next_line(&f.clients[i]);
            n_results += json_object_get(message, "result") != NULL;
            assert_true((json_object_get(message, "result") == NULL) ==
                        (json_object_get(message, "error") != NULL));
            json_decref(message);
        }
    }
    assert_true(n_results > 0);
    assert_int_equal(f.most_in_memory, 1);
}

// Who waits for an answer keeps the run where it is, as long as another one can go instead.
static void test_the_idle_ones_leave_first(void **state)
{
    (void)state;
    write_history();
    f.server->registry.limit_runs = 2;
    start_server();
    for (uint32_t round = 0; round < 12; round++) {
        send_top(&f.clients[0], 1);
        send_top(&f.clients[1], 2 + round % (RUNS - 1));
        for (size_t i = 0; i < CLIENTS; i++) {
            json_t *message = next_line(&f.clients[i]);
            assert_non_null(json_object_get(message, "result"));
            json_decref(message);
        }
    }
    assert_int_equal(f.most_in_memory, 2);
}

// ---- Files of somebody's own -------------------------------------------------------------------

static void test_opened_twice(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = folder_path(f.place, "a.stax");
    write_run(path, 1);
    start_server();
    json_t *first = call("RunControl.open_saved", "{\"path\":\"%s\",\"select\":false}", path);
    json_t *second = call("RunControl.open_saved", "{\"path\":\"%s\"}", path);
    assert_true(json_equal(first, second));
    assert_int_equal(n_listed(), 1);
    // Another run lies there now.
    write_run(path, 2);
    json_t *third = call("RunControl.open_saved", "{\"path\":\"%s\"}", path);
    assert_true(number(third, "id") != number(first, "id"));
    assert_int_equal(n_listed(), 1);
    assert_false(number(json_object_get(third, "summary"), "samples") ==
                 number(json_object_get(first, "summary"), "samples"));
    json_decref(first);
    json_decref(second);
    json_decref(third);
}

static void test_what_cannot_be_opened(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = folder_path(f.place, "text");
    CLEANUP(freep) char *fifo = folder_path(f.place, "fifo");
    file_put(path, "text", 4);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    start_server();
    assert_refused(RPC_ERROR_NOT_FOUND, "RunControl.open_saved", "{\"path\":\"%s\"}", path);
    assert_refused(RPC_ERROR_NOT_FOUND, "RunControl.open_saved", "{\"path\":\"%s\"}", fifo);
    assert_refused(RPC_ERROR_NOT_FOUND, "RunControl.open_saved", "{\"path\":\"/dev/zero\"}");
    assert_refused(RPC_ERROR_NOT_FOUND, "RunControl.open_saved", "{\"path\":\"/\"}");
    assert_refused(RPC_ERROR_NOT_FOUND, "RunControl.open_saved", "{\"path\":\"%s/no\"}", path);
    assert_refused(RPC_ERROR_INVALID_PARAMS, "RunControl.open_saved", "{\"path\":\"a.stax\"}");
    assert_refused(RPC_ERROR_INVALID_PARAMS, "RunControl.open_saved", "{\"path\":\"\"}");
    assert_int_equal(n_listed(), 0);
}

static void test_saved_from_the_shelf(void **state)
{
    (void)state;
    write_history();
    CLEANUP(freep) char *path = folder_path(f.place, "saved.stax");
    f.server->registry.limit_runs = 1;
    start_server();
    json_t *saved = call("RunControl.save_current", "{\"run\":2,\"path\":\"%s\"}", path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(number(saved, "bytes"), st.st_size);
    json_decref(saved);
    json_t *opened = call("RunControl.open_saved", "{\"path\":\"%s\"}", path);
    json_t *before = answers(2);
    json_t *after = answers((uint32_t)number(opened, "id"));
    assert_true(json_equal(before, after));
    json_decref(opened);
    json_decref(before);
    json_decref(after);
    // Where there is something else, it stays.
    CLEANUP(freep) char *text = folder_path(f.place, "text");
    file_put(text, "text", 4);
    assert_refused(RPC_ERROR_INVALID_PARAMS, "RunControl.save_current", "{\"path\":\"%s\"}", text);
    assert_refused(RPC_ERROR_INVALID_PARAMS, "RunControl.save_current", "{\"path\":\"text\"}");
    assert_refused(RPC_ERROR_NOT_FOUND, "RunControl.save_current", "{\"path\":\"%s/a/b\"}",
                   f.place);
    assert_int_equal(stat(text, &st), 0);
    assert_int_equal(st.st_size, 4);
}

// For who looks at its code: whose instructions these are, and which file has them.
static void test_what_a_loaded_run_knows_of_its_code(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = folder_path(f.place, "a.stax");
    write_run(path, 1);
    start_server();
    json_t *opened = call("RunControl.open_saved", "{\"path\":\"%s\"}", path);
    uint32_t id = (uint32_t)number(opened, "id");
    json_decref(answers(id));
    json_decref(opened);
    stop_server();
    const struct kept_run *kept = registry_find(&f.server->registry, id);
    assert_non_null(kept);
    assert_non_null(kept->run);
    assert_int_equal(kept->run->arch, ARCH_AARCH64);
    assert_string_equal(run_names_path(kept->run), path);
}

static void test_opened_files_have_a_bound(void **state)
{
    (void)state;
    CLEANUP(freep) char *path = folder_path(f.place, "a.stax");
    write_run(path, 1);
    start_server();
    json_t *first = call("RunControl.open_saved", "{\"path\":\"%s\"}", path);
    for (int i = 0; i < LIMIT_OPENED + 3; i++) {
        CLEANUP(text_fini) struct text name = {0};
        text_addf(&name, "%s/%d", f.place, i);
        assert_int_equal(link(path, text_get(&name)), 0);
        json_decref(
            call("RunControl.open_saved", "{\"path\":\"%s\",\"select\":false}", text_get(&name)));
    }
    assert_int_equal(n_listed(), LIMIT_OPENED);
    assert_true(f.most_in_memory <= LIMIT_RUNS);
    json_t *list = call("RunControl.list_runs", "{}"); // and the selected one is still there
    assert_int_equal(number(list, "current"), number(first, "id"));
    json_decref(list);
    json_decref(first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_found_in_the_directory),
        TEST(test_a_file_that_disappears),
        TEST(test_a_damaged_file_is_listed),
        TEST(test_the_last_number_of_all),
        TEST(test_two_ask_for_the_same_run),
        TEST(test_who_asked_has_gone),
        TEST(test_subscription_to_a_run_on_the_shelf),
        TEST(test_a_wait_for_a_run_on_the_shelf),
        TEST(test_as_many_runs_as_may_be),
        TEST(test_as_many_bytes_as_may_be),
        TEST(test_more_runs_at_once_than_may_be),
        TEST(test_many_at_once),
        TEST(test_the_idle_ones_leave_first),
        TEST(test_opened_twice),
        TEST(test_what_cannot_be_opened),
        TEST(test_saved_from_the_shelf),
        TEST(test_what_a_loaded_run_knows_of_its_code),
        TEST(test_opened_files_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
