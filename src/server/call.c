#include "server/call.h"

#include "server/handlers.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>

void call_answer(const struct call *call, const struct text *result)
{
    connections_answer(&call->server->connections, call->connection, call->ticket, result);
}

void call_refuse(const struct call *call, enum rpc_error_kind kind, const char *text)
{
    connections_refuse(&call->server->connections, call->connection, call->ticket, kind, text);
}

void call_refuse_errno(const struct call *call, int number, const struct err *error)
{
    switch (-number) {
    case EACCES:
    case EPERM:
    case EROFS:
        call_refuse(call, RPC_ERROR_PERMISSION, error->text);
        break;
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
        call_refuse(call, RPC_ERROR_NOT_FOUND, error->text);
        break;
    default:
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, error->text);
    }
}

void call_ask(const struct call *call, struct question *question)
{
    question->connection = call->connection;
    question->ticket = call->ticket;
    questions_ask(&call->server->questions, question);
}

struct kept_run *call_find_kept(const struct call *call, const json_t *holder)
{
    const json_t *wanted = json_object_get(holder, "run");
    if (wanted == NULL) {
        struct kept_run *kept = registry_current(&call->server->registry);
        if (kept == NULL) {
            call_refuse(call, RPC_ERROR_NO_ACTIVE_RUN,
                        "no run yet; start one with: stax record -- COMMAND");
        }
        return kept;
    }
    json_int_t id = json_integer_value(wanted);
    struct kept_run *kept = NULL;
    if (id > 0 && id <= UINT32_MAX) {
        kept = registry_find(&call->server->registry, (uint32_t)id);
    }
    if (kept == NULL) {
        char text[64];
        snprintf(text, sizeof text, "there is no run %lld; `stax list` shows them", (long long)id);
        call_refuse(call, RPC_ERROR_UNKNOWN_RUN, text);
    }
    return kept;
}

// A run may have to leave again for that of another call. But not for ever.
enum { LOADS_OF_ONE_RUN = 3 };

static bool has_waited_enough(const struct parked_call *parked, uint32_t run)
{
    int n = 0;
    for (size_t i = 0; parked != NULL && i < parked->earlier.n; i++) {
        n += parked->earlier.at[i] == run;
    }
    return n >= LOADS_OF_ONE_RUN;
}

static void park(const struct call *call, uint32_t run)
{
    struct parked_call parked = {.connection = call->connection,
                                 .ticket = call->ticket,
                                 .method = call->method,
                                 .params = json_incref((json_t *)(uintptr_t)call->params),
                                 .run = run};
    if (call->parked != NULL) { // it goes on waiting
        __typeof__(parked.earlier) none = {0};
        parked.earlier = call->parked->earlier;
        call->parked->earlier = none;
    }
    vec_push(&parked.earlier, run);
    vec_push(&call->server->parked.all, parked);
}

static void parked_call_fini(struct parked_call *parked)
{
    json_decref(parked->params);
    vec_fini(&parked->earlier);
}

struct run *call_find_run(const struct call *call, const json_t *holder)
{
    struct kept_run *kept = call_find_kept(call, holder);
    if (kept == NULL) {
        return NULL;
    }
    if (kept->run == NULL && has_waited_enough(call->parked, kept->id)) {
        call_refuse(call, RPC_ERROR_TOO_LARGE,
                    "memory has no room for all these runs at once; ask about fewer of them");
        return NULL;
    }
    if (kept->run == NULL) {
        park(call, kept->id);
        registry_load(&call->server->registry, kept);
    }
    return kept->run;
}

void parked_calls_fini(struct parked_calls *parked)
{
    for (size_t i = 0; i < parked->all.n; i++) {
        parked_call_fini(&parked->all.at[i]);
    }
    vec_fini(&parked->all);
}

static void handle_again(struct server *server, struct parked_call *parked,
                         const struct filer_job *job)
{
    struct call call = {.server = server,
                        .connection = parked->connection,
                        .ticket = parked->ticket,
                        .method = parked->method,
                        .params = parked->params,
                        .parked = parked};
    if (connections_find(&server->connections, parked->connection) == NULL) {
        return; // it has gone
    }
    if (job->result < 0) {
        call_refuse_errno(&call, job->result, &job->error);
    } else {
        handle_call(&call);
    }
}

void parked_calls_on_loaded(struct server *server, struct filer_job *job)
{
    registry_on_loaded(&server->registry, job);
    struct parked_calls *parked = &server->parked;
    for (size_t left = parked->all.n, i = 0; left > 0; left--) {
        if (parked->all.at[i].run != job->run) {
            i++;
            continue;
        }
        struct parked_call mine = parked->all.at[i];
        vec_remove_at(&parked->all, i); // it may be parked again, for another run, at the end
        handle_again(server, &mine, job);
        parked_call_fini(&mine);
    }
}

uint64_t param_u64(const json_t *params, const char *name, uint64_t when_absent)
{
    const json_t *value = json_object_get(params, name);
    return value == NULL ? when_absent : (uint64_t)json_integer_value(value);
}

char *copy_text(const json_t *value)
{
    return alloc_text(json_string_value(value), json_string_length(value));
}

const char *param_path(const struct call *call, const char *name)
{
    const json_t *value = json_object_get(call->params, name);
    const char *path = json_string_value(value);
    if (path == NULL || path[0] != '/' || strlen(path) != json_string_length(value)) {
        call_refuse(call, RPC_ERROR_INVALID_PARAMS, "a file is named by its absolute path");
        return NULL;
    }
    return path;
}
