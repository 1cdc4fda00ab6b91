// Profiler.set_paused and Profiler.is_paused: of the active run.

#include "base/clock.h"
#include "rpc/json.h"
#include "server/handlers.h"
#include "server/server.h"

// NULL: refused.
static struct run *find_active(const struct call *call)
{
    const struct kept_run *active = call->server->registry.active;
    if (active == NULL || active->phase != KEPT_GOING) {
        call_refuse(
            call, RPC_ERROR_NO_ACTIVE_RUN,
            "no active run: only a recording can be paused; `stax list` shows what is over");
        return NULL;
    }
    return active->run;
}

static void answer(const struct call *call, const struct run *run)
{
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_bool_field(&j, "paused", pauses_are_on(&run->pauses));
    json_u64_field(&j, "paused_samples", pauses_dropped(&run->pauses));
    json_object_end(&j);
    call_answer(call, &result);
}

void handle_set_paused(const struct call *call)
{
    struct run *run = find_active(call);
    if (run == NULL) {
        return;
    }
    bool paused = json_is_true(json_object_get(call->params, "paused"));
    if (!pauses_set(&run->pauses, paused, clock_now_ns())) {
        call_refuse(call, RPC_ERROR_TOO_LARGE,
                    "this run has been paused too often; end it (stax stop) and start another one");
        return;
    }
    answer(call, run);
}

void handle_is_paused(const struct call *call)
{
    struct run *run = find_active(call);
    if (run != NULL) {
        answer(call, run);
    }
}
