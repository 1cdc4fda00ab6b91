#pragma once

// One client: lines of JSON in, lines of JSON out.
//
//     bytes ─► one line ─► request ─► handler ─┬─► answer now
//                                              └─► ticket ─ ─ ─ later ─ ─► answer
//
// A client can ask several things at once and gets the answers as they are ready, each with the
// id of its question. What it has not read yet waits here, bounded: reading from a client that
// has too many open questions, or that does not read its answers, pauses. Subscriptions
// only send when everything before has left (subscriptions.h).
//
// Owned by the loop thread. Others know a connection by its serial number, which is never used
// again.

#include "base/text.h"
#include "base/vec.h"
#include "rpc/message.h"
#include "server/loop.h"

struct server;

struct ticket {
    uint64_t number;
    json_t *id; // NULL: a notification, nobody waits
};

struct connection {
    struct loop_fd io;
    struct server *server;
    uint64_t serial;
    struct text in;
    size_t in_scanned; // bytes of `in` that hold no newline
    struct text out;
    size_t out_sent;
    VEC(struct ticket) tickets; // unanswered
    uint64_t next_ticket;
    bool ended;   // the client sends no more
    bool closing; // close once `out` is sent
    bool paused;
};

struct connections {
    struct server *server;
    VEC(struct connection *) all;
    uint64_t next_serial;
};

void connections_init(struct connections *connections, struct server *server);
void connections_fini(struct connections *connections); // all are closed by then

// Takes over the descriptor.
void connections_accept(struct connections *connections, int fd);

// NULL: it has gone.
struct connection *connections_find(const struct connections *connections, uint64_t serial);

// ---- Answering --------------------------------------------------------------------------------

// For an open ticket of a connection that may have gone meanwhile; a ticket is answered once.
void connections_answer(struct connections *connections, uint64_t serial, uint64_t ticket,
                        const struct text *result);
void connections_refuse(struct connections *connections, uint64_t serial, uint64_t ticket,
                        enum rpc_error_kind kind, const char *text);

// Sends a whole line (a notification).
void connection_send(struct connection *connection, const struct text *line);

// Everything has been handed to the kernel.
bool connection_is_drained(const struct connection *connection);

// Everything has been read by the client.
bool connection_is_read(const struct connection *connection);
