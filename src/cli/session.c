#include "cli/session.h"

#include "base/log.h"
#include "cli/format.h"
#include "cli/private_server.h"
#include "cli/unmatched.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool session_open(struct client *client)
{
    struct err err = {0};
    if (session_connect(client, false, &err) < 0) {
        log_error("%s", err.text);
        return false;
    }
    return true;
}

// ---- Which run ---------------------------------------------------------------------------------

char *session_absolute_path(const char *path)
{
    struct text whole = {0};
    char folder[PATH_MAX];
    if (path[0] != '/') {
        if (getcwd(folder, sizeof folder) == NULL) {
            log_error("cannot tell in which folder this is: %s", strerror(errno));
            return NULL;
        }
        text_addf(&whole, "%s/", folder);
    }
    text_add(&whole, path);
    return text_take(&whole);
}

bool session_is_run_number(const char *text)
{
    return text[0] != 0 && strspn(text, "0123456789") == strlen(text);
}

static int open_file(struct client *client, const char *name, int64_t *ret_run, struct err *reterr)
{
    char path[PATH_MAX];
    struct rpc_error error = {0};
    json_t *opened = NULL;
    if (realpath(name, path) == NULL) {
        return err_set(reterr, errno,
                       "cannot open %s: %s; a run is named by its number (stax list) or its file",
                       name, strerror(errno));
    }
    json_t *params = json_pack("{s:s s:b}", "path", path, "select", 0);
    if (params == NULL) {
        return err_set(reterr, EINVAL, "%s: the name is not valid UTF-8; choose another one", name);
    }
    client->timeout_ms = -1; // a large file takes its time
    int r = client_call(client, "RunControl.open_saved", params, &opened, &error);
    json_decref(params);
    *ret_run = (int64_t)result_u64(opened, "id");
    json_decref(opened);
    return r == CLIENT_OK ? 0 : err_set(reterr, EINVAL, "%s", error.text.text);
}

int session_run_argument(struct client *client, const char *text, int64_t *ret_run,
                         struct err *reterr)
{
    if (text[0] == 0) {
        return err_set(reterr, EINVAL, "no run ''; list them with: stax list");
    }
    if (!session_is_run_number(text)) {
        return open_file(client, text, ret_run, reterr);
    }
    *ret_run = strlen(text) <= 10 ? strtoll(text, NULL, 10) : 0;
    if (*ret_run < 1 || *ret_run > INT32_MAX) {
        return err_set(reterr, EINVAL, "no run '%.60s'; list them with: stax list", text);
    }
    return 0;
}

bool session_choose_run(struct client *client, struct run_choice *run)
{
    struct err err = {0};
    int r = run->text == NULL ? 0 : session_run_argument(client, run->text, &run->id, &err);
    if (r < 0) {
        log_error("%s", err.text);
    }
    return r == 0;
}

static int say_unreachable(const struct client *client, int r, struct err *reterr)
{
    if (r == CLIENT_E_UNREACHABLE) {
        struct err why = *reterr;
        return err_set(reterr, ECONNREFUSED,
                       "stax-server unreachable at %s: %s; start it with: stax-server &",
                       text_get(&client->path), why.text);
    }
    return r;
}

int session_connect(struct client *client, bool has_file, struct err *reterr)
{
    int r = client_connect(client, reterr);
    if (r == CLIENT_E_UNREACHABLE && has_file) {
        struct private_server server; // leaves by itself when this command has ended
        return private_server_start(&server, &client, 1, "", reterr);
    }
    return say_unreachable(client, r, reterr);
}

bool session_open_run(struct client *client, struct run_choice *run)
{
    struct err err = {0};
    bool has_file = run->text != NULL && !session_is_run_number(run->text);
    if (session_connect(client, has_file, &err) < 0) {
        log_error("%s", err.text);
        return false;
    }
    return session_choose_run(client, run);
}

// ---- Calls -------------------------------------------------------------------------------------

// What to do about an error, where the server's own text does not say so already.
static const char *next_step(enum rpc_error_kind kind)
{
    switch (kind) {
    case RPC_ERROR_NO_ACTIVE_RUN:
        return "start one with: stax record -- COMMAND";
    case RPC_ERROR_ALREADY_ACTIVE:
        return "wait for it (stax wait) or end it (stax stop)";
    case RPC_ERROR_UNKNOWN_RUN:
        return "list them with: stax list";
    case RPC_ERROR_UNKNOWN_METHOD:
        return "stax and stax-server are of different versions: restart stax-server";
    case RPC_ERROR_PARSE:
    case RPC_ERROR_INVALID_REQUEST:
    case RPC_ERROR_INVALID_PARAMS:
    case RPC_ERROR_INTERNAL:
    case RPC_ERROR_NOT_FOUND:
    case RPC_ERROR_PERMISSION:
    case RPC_ERROR_CAPTURE_FAILED:
    case RPC_ERROR_TIMED_OUT:
    case RPC_ERROR_TOO_LARGE:
    case RPC_ERROR_KIND_COUNT:
        break;
    }
    return NULL;
}

void session_print_error(const struct rpc_error *error)
{
    const char *step = next_step(error->kind);
    if (step == NULL || strchr(error->text.text, ';') != NULL) {
        log_error("%s", error->text.text);
    } else {
        log_error("%s; %s", error->text.text, step);
    }
}

json_t *session_call(struct client *client, const char *method, json_t *params)
{
    json_t *result = NULL;
    struct rpc_error error = {0};
    int r = client_call(client, method, params, &result, &error);
    json_decref(params);
    if (r != CLIENT_OK) {
        session_print_error(&error);
        return NULL;
    }
    return result;
}

void session_print_not_text(const char *path)
{
    log_error("%s: the name is not valid UTF-8; choose another one", path);
}

void session_print_json(const json_t *result)
{
    // Valid UTF-8 may still hold what drives a terminal.
    size_t flags = format_is_terminal(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;
    // And 17 digits are what a number needs to be read as the same one again.
    char *text = json_dumps(result, JSON_COMPACT | JSON_REAL_PRECISION(17) | flags);
    ASSERT(text != NULL);
    puts(text);
    free(text);
}

json_t *session_find_run(struct client *client, int64_t id)
{
    json_t *list = session_call(client, "RunControl.list_runs", NULL);
    if (list == NULL) {
        return NULL;
    }
    json_t *found = NULL;
    size_t i;
    json_t *run;
    int64_t wanted = id != 0 ? id : (int64_t)result_u64(list, "current");
    json_array_foreach(json_object_get(list, "runs"), i, run)
    {
        if ((int64_t)result_u64(run, "id") == wanted) {
            found = run;
        }
    }
    json_incref(found);
    json_decref(list);
    if (found == NULL && id == 0) {
        log_error("no run yet; start one with: stax record -- COMMAND");
    } else if (found == NULL) {
        log_error("no run %lld; list them with: stax list", (long long)id);
    }
    return found;
}

json_t *session_view(struct client *client, const struct scope *scope, int64_t run)
{
    struct err err = {0};
    json_t *view = json_object();
    if (run > 0) {
        json_object_set_new(view, "run", json_integer(run));
    }
    if (scope_put_view(view, scope, &err) < 0) {
        log_error("%s", err.text);
        json_decref(view);
        return NULL;
    }
    unmatched_print(client, view);
    return view;
}

static bool set_view(struct client *client, const struct view_question *q, int64_t run,
                     json_t *params)
{
    json_t *view = q->scope == NULL ? NULL : session_view(client, q->scope, run);
    if (view != NULL) {
        json_object_set_new(params, "view", view);
    }
    return q->scope == NULL || view != NULL;
}

static int print_answer(const struct view_question *q, const json_t *run, const json_t *answer)
{
    if (!q->json) {
        return q->print(run, answer, q->options);
    }
    if (q->print_json != NULL) {
        return q->print_json(answer, q->options);
    }
    session_print_json(answer);
    return 0;
}

int session_ask(const struct view_question *q)
{
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    json_t *params = q->params;
    json_t *run = NULL;
    json_t *answer = NULL;
    struct run_choice choice = {.text = q->scope == NULL ? NULL : q->scope->run};
    int status = 1;
    if (session_open_run(&client, &choice) &&
        (q->json || (run = session_find_run(&client, choice.id)) != NULL) &&
        set_view(&client, q, choice.id, params)) {
        answer = session_call(&client, q->method, TAKE(params));
    }
    if (answer != NULL) {
        status = print_answer(q, run, answer);
    }
    json_decref(params);
    json_decref(run);
    json_decref(answer);
    return status;
}

// ---- Reading results ---------------------------------------------------------------------------

uint64_t result_u64(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

double result_double(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

const char *result_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

bool result_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
