#pragma once

// What each method of the protocol does. Parameters have been checked against rpc/schema.c.

#include "server/call.h"
#include "server/connection.h"

// Answers the ticket, now or later.
void handle_request(struct server *server, struct connection *connection, uint64_t ticket,
                    const struct rpc_request *request);

// The same for a call that has been here before, and was parked.
void handle_call(const struct call *call);

// handlers_files.c
void handle_save_current(const struct call *call);
void handle_open_saved(const struct call *call);
void handle_select_run(const struct call *call);

// handlers_pause.c
void handle_set_paused(const struct call *call);
void handle_is_paused(const struct call *call);

// The filer has saved a run, or not.
void handle_saved(struct server *server, struct filer_job *job);
