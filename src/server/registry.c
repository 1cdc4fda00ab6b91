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

static void make_room(struct registry *registry)
{
    while (registry->runs.n > 0 &&
           (registry->runs.n >= LIMIT_RUNS || memory_bytes(registry) > LIMIT_HISTORY_BYTES)) {
        forget(registry, 0);
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
    case EINVAL:
        return RPC_ERROR_INVALID_PARAMS;
    default:
        return RPC_ERROR_CAPTURE_FAILED;
    }
}

static void fail(struct registry *registry)
{
    struct run *run = TAKE(registry->active);
    log_warning("run %u failed: %s", run->id, run->error.text);
    connections_refuse(&registry->server->connections, registry->start_connection,
                       registry->start_ticket, kind_of(run->error_number), run->error.text);
    registry->start_ticket = 0;
    registry->runs.n--;
    registry->next_id--; // nobody has seen the number
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
        forget(registry, registry->runs.n - 1);
        return;
    }
    CLEANUP(text_fini) struct text line = {0};
    summary_put_line(&line, run);
    log_info("stax-server", "%s", text_get(&line));
}

void registry_check(struct registry *registry)
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
