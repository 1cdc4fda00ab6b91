#pragma once

// One call on its way: what a handler works with.
//
//     request ──► handler ──┬──► call_answer(), call_refuse()      now
//                           ├──► call_ask()                        the query thread answers
//                           └──► parked: the run that it is about is on the shelf. It is loaded,
//                                and the handler is called once more, as if nothing had been.
//                                One that needs more runs at once than memory has room for
//                                would go round for ever: it is refused

#include "rpc/message.h"
#include "server/registry.h"

struct question;

struct call {
    struct server *server;
    uint64_t connection; // serial
    uint64_t ticket;
    const char *method;
    const json_t *params;
    struct parked_call *parked; // what it was, when it is handled once more; else NULL
};

// Calls that wait for a run to be loaded.
struct parked_call {
    uint64_t connection;
    uint64_t ticket;
    const char *method;
    json_t *params; // a reference; may be NULL
    uint32_t run;
    VEC(uint32_t) earlier; // runs that it has waited for before
};

struct parked_calls {
    VEC(struct parked_call) all;
};

void parked_calls_fini(struct parked_calls *parked);

// The filer is done with a run: those who wait for it are handled, or refused.
void parked_calls_on_loaded(struct server *server, struct filer_job *job);

void call_answer(const struct call *call, const struct text *result);
void call_refuse(const struct call *call, enum rpc_error_kind kind, const char *text);
void call_refuse_errno(const struct call *call, int number, const struct err *error);
void call_ask(const struct call *call, struct question *question); // takes over the question

// The run that `holder` names in its field `run`, or the current one. NULL: refused.
struct kept_run *call_find_kept(const struct call *call, const json_t *holder);

// The same in memory, to be asked. NULL: refused, or the call is parked; the handler returns.
struct run *call_find_run(const struct call *call, const json_t *holder);

// ---- Parameters -------------------------------------------------------------------------------

uint64_t param_u64(const json_t *params, const char *name, uint64_t when_absent);
char *copy_text(const json_t *value);

// A path that means the same to client and server; NULL after refusing the call.
const char *param_path(const struct call *call, const char *name);
