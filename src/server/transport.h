#pragma once

// How messages lie in a stream of bytes: what differs between the clients of the Unix socket and
// browsers. And what the two files that know it need of a connection.

#include "server/connection.h"

struct transport {
    // Takes what comes next off the front of `bytes`, as much of it as is there: how many bytes; 0:
    // it is not whole yet, or the connection is being closed. When it is a message, `*ret_message`
    // is its text, until the next call.
    size_t (*take)(struct connection *connection, struct slice bytes, struct slice *ret_message);

    // Adds a message, given as a line with its end.
    void (*put)(struct text *out, const struct text *line);

    // Frees it and what it is embedded in; what is common has been finished.
    void (*free)(struct connection *connection);

    bool answers_after_end; // a client that says no more may still listen
};

bool connections_are_full(const struct connections *connections);

// A new connection, zeroed, that is to be watched by the loop next.
void connections_add(struct connections *connections, struct connection *connection,
                     const struct transport *transport);

// Bytes that arrived before it was one.
void connection_receive(struct connection *connection, struct slice bytes);

// Sends bytes that are no message.
void connection_send_bytes(struct connection *connection, const struct text *bytes);

// Says that a message is larger than LIMIT_REQUEST_BYTES.
void connection_refuse_too_long(struct connection *connection);

// After what has been sent nothing more is, and what comes is not looked at.
void connection_close(struct connection *connection);
