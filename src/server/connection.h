#pragma once

// One client: requests in, answers and notifications out, each a JSON text.
//
//     bytes ─► transport ─► request ─► handler ─┬─► answer now
//                                               └─► ticket ─ ─ ─ later ─ ─► answer
//
// What a message looks like between the bytes is the transport's business (transport.h): lines on
// the Unix socket, frames of a WebSocket. Nothing else differs: the methods, the limits, and that
// nobody is waited for.
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
struct transport;

struct ticket {
    uint64_t number;
    json_t *id; // NULL: a notification, nobody waits
};

// Embedded in what its transport knows of it.
struct connection {
    struct loop_fd io;
    const struct transport *transport;
    struct server *server;
    uint64_t serial;
    struct text in;
    struct text out;
    size_t out_sent;
    VEC(struct ticket) tickets; // unanswered
    uint64_t next_ticket;
    bool ended;   // the client sends no more
    bool closing; // nothing more is said; over when `out` is sent and the client has ended, too
    bool paused;
    struct loop_timer patience; // with the end of a client that is being closed
};

struct connections {
    struct server *server;
    VEC(struct connection *) all;
    uint64_t next_serial;
};

void connections_init(struct connections *connections, struct server *server);
void connections_fini(struct connections *connections); // all are closed by then

// A client of the Unix socket. Takes over the descriptor.
void connections_accept(struct connections *connections, int fd);

// A browser, whose request to talk over a WebSocket has been checked and answered, but for what is
// in `out` (taken over). Takes over the descriptor that `from` watches, and `early`, what the
// client has sent already. False: there is no room, and nothing was taken.
bool connections_accept_web(struct connections *connections, struct loop_fd *from, struct text *out,
                            struct slice early);

// NULL: it has gone.
struct connection *connections_find(const struct connections *connections, uint64_t serial);

// ---- Answering --------------------------------------------------------------------------------

// For an open ticket of a connection that may have gone meanwhile; a ticket is answered once.
void connections_answer(struct connections *connections, uint64_t serial, uint64_t ticket,
                        const struct text *result);
void connections_refuse(struct connections *connections, uint64_t serial, uint64_t ticket,
                        enum rpc_error_kind kind, const char *text);

// Sends a message: a line (a notification), with its end.
void connection_send(struct connection *connection, const struct text *line);

// Everything has been handed to the kernel.
bool connection_is_drained(const struct connection *connection);

// Everything has been read by the client.
bool connection_is_read(const struct connection *connection);
