#pragma once

// What each method of the protocol does. Parameters have been checked against rpc/schema.c.

#include "server/connection.h"

struct server;

// Answers the ticket, now or later.
void handle_request(struct server *server, struct connection *connection, uint64_t ticket,
                    const struct rpc_request *request);
