#include "server/registry.h"

#include "base/limits.h"
#include "base/log.h"
#include "rpc/json.h"
#include "server/server.h"
#include "server/summary.h"

#include <errno.h>

void registry_init(struct registry *registry, struct server *server)
{
    *registry = (struct registry){.server = server};
}

void registry_fini(struct registry *registry)
{
    for (size_t i = 0; i < registry->runs.n; i++) {
        run_free(registry->runs.at[i]);
    }
    vec_fini(&registry->runs);
    vec_fini(&registry->imports);
}

static void on_change(void *context)
{
    loop_wake(&((struct server *)context)->loop);
}

// The query thread may be looking at it: it gives it back to free when it is done.
static void forget(struct registry *registry, size_t index)
{
    struct run *run = registry->runs.at[index];
    vec_remove_at(&registry->runs, index);
    questions_forget(&registry->server->questions, run);
}

static uint64_t memory_bytes(const struct registry *registry)
{
    uint64_t total = 0;
    for (size_t i = 0; i < registry->runs.n; i++) {
        if (registry->runs.at[i]->store != NULL) {
            total += store_memory(registry->runs.at[i]->store).total_bytes;
        }
    }
    return total;
}

// The oldest run that is over; runs.n: there is none.
static size_t oldest_stopped(const struct registry *registry)
{
    size_t i = 0;
    while (i < registry->runs.n && run_is_active(registry->runs.at[i])) {
        i++;
    }
    return i;
}

static void make_room(struct registry *registry)
{
    size_t oldest;
    while ((oldest = oldest_stopped(registry)) < registry->runs.n &&
           (registry->runs.n >= LIMIT_RUNS || memory_bytes(registry) > LIMIT_HISTORY_BYTES)) {
        forget(registry, oldest);
    }
}

struct run *registry_start(struct registry *registry, struct run_params params, uint64_t connection,
                           uint64_t ticket)
{
    ASSERT(registry->active == NULL);
    make_room(registry);
    params.on_change = on_change;
    params.context = registry->server;
    const char *tap = registry->server->tap_path;
    params.tap_path = tap == NULL ? NULL : alloc_text(tap, strlen(tap));
    registry->start_connection = connection;
    registry->start_ticket = ticket;
    registry->active = run_new(++registry->next_id, params, &registry->server->library);
    vec_push(&registry->runs, registry->active);
    return registry->active;
}

// ---- Changes of the active run ----------------------------------------------------------------

// Which kind of refusal a capture's errno is.
static enum rpc_error_kind kind_of(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
        return RPC_ERROR_PERMISSION;
    case ESRCH:
        return RPC_ERROR_NOT_FOUND;
    case ENOENT:
        return RPC_ERROR_NOT_FOUND;
    case EINVAL:
        return RPC_ERROR_INVALID_PARAMS;
    default:
        return RPC_ERROR_CAPTURE_FAILED;
    }
}

// From the list; a number that nobody has seen is given again.
static void remove_run(struct registry *registry, const struct run *run)
{
    for (size_t i = 0; i < registry->runs.n; i++) {
        if (registry->runs.at[i] == run) {
            vec_remove_at(&registry->runs, i);
            break;
        }
    }
    if (run->id == registry->next_id && run_state(run) == RUN_FAILED) {
        registry->next_id--;
    }
}

static void fail(struct registry *registry)
{
    struct run *run = TAKE(registry->active);
    log_warning("run %u failed: %s", run->id, run->error.text);
    connections_refuse(&registry->server->connections, registry->start_connection,
                       registry->start_ticket, kind_of(run->error_number), run->error.text);
    registry->start_ticket = 0;
    remove_run(registry, run);
    run_free(run);
}

static void answer_starter(struct registry *registry)
{
    const struct run *run = registry->active;
    if (registry->start_ticket == 0) {
        return;
    }
    CLEANUP(text_fini) struct text result = {0};
    text_addf(&result, "{\"id\":%u}", run->id);
    connections_answer(&registry->server->connections, registry->start_connection,
                       registry->start_ticket, &result);
    registry->start_ticket = 0;
    log_info("stax-server", "run %u: recording pid %u (%s) at %u Hz", run->id,
             run->params.request.pid, run->params.label, run->params.request.frequency_hz);
}

static void retire(struct registry *registry)
{
    struct run *run = TAKE(registry->active);
    run_retire(run);
    if (run->params.request.launched && !atomic_load(&run->began)) {
        log_info("stax-server", "run %u: the program did not start; forgotten", run->id);
        waiters_check(&registry->server->waiters);
        remove_run(registry, run);
        questions_forget(&registry->server->questions, run);
        return;
    }
    CLEANUP(text_fini) struct text line = {0};
    summary_put_line(&line, run);
    log_info("stax-server", "%s", text_get(&line));
}

// ---- Imports ----------------------------------------------------------------------------------

void registry_import(struct registry *registry, struct run_params params, uint64_t connection,
                     uint64_t ticket)
{
    ASSERT(registry->imports.n < LIMIT_IMPORTS);
    make_room(registry);
    params.on_change = on_change;
    params.context = registry->server;
    struct run *run = run_new(++registry->next_id, params, &registry->server->library);
    vec_push(&registry->runs, run);
    vec_push(&registry->imports,
             (struct import_call){.run = run, .connection = connection, .ticket = ticket});
}

static void answer_import(struct registry *registry, const struct import_call *call)
{
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_u64_field(&j, "id", call->run->id);
    json_key(&j, "summary");
    summary_put(&j, call->run);
    json_object_end(&j);
    connections_answer(&registry->server->connections, call->connection, call->ticket, &result);
    log_info("stax-server", "run %u: imported from %s, %llu samples", call->run->id,
             call->run->params.replay_path,
             (unsigned long long)atomic_load(&call->run->store->samples.n));
}

static void fail_import(struct registry *registry, const struct import_call *call)
{
    connections_refuse(&registry->server->connections, call->connection, call->ticket,
                       kind_of(call->run->error_number), call->run->error.text);
    remove_run(registry, call->run);
    run_free(call->run); // nobody has asked about it: it never began
}

static void check_imports(struct registry *registry)
{
    for (size_t i = registry->imports.n; i-- > 0;) {
        struct import_call call = registry->imports.at[i];
        if (run_is_active(call.run)) {
            continue;
        }
        vec_remove_at(&registry->imports, i);
        if (run_state(call.run) == RUN_FAILED) {
            fail_import(registry, &call);
        } else {
            run_retire(call.run);
            answer_import(registry, &call);
        }
    }
}

static void check_active(struct registry *registry)
{
    if (registry->active == NULL) {
        return;
    }
    switch (run_state(registry->active)) {
    case RUN_ARMING:
        break;
    case RUN_FAILED:
        fail(registry);
        break;
    case RUN_RECORDING:
        answer_starter(registry);
        break;
    case RUN_STOPPED:
        answer_starter(registry);
        retire(registry);
        break;
    }
}

void registry_check(struct registry *registry)
{
    check_imports(registry);
    check_active(registry);
}

// Its store is there: it can be asked.
static bool has_begun(const struct run *run)
{
    enum run_state state = run_state(run);
    return state == RUN_RECORDING || state == RUN_STOPPED;
}

struct run *registry_find(const struct registry *registry, uint32_t id)
{
    for (size_t i = 0; i < registry->runs.n; i++) {
        if (registry->runs.at[i]->id == id && has_begun(registry->runs.at[i])) {
            return registry->runs.at[i];
        }
    }
    return NULL;
}

bool registry_is_arming(const struct registry *registry, uint32_t id)
{
    const struct run *active = registry->active;
    return active != NULL && active->id == id && run_state(active) == RUN_ARMING;
}

struct run *registry_current(const struct registry *registry)
{
    for (size_t i = registry->runs.n; i-- > 0;) {
        if (has_begun(registry->runs.at[i])) {
            return registry->runs.at[i];
        }
    }
    return NULL;
}
