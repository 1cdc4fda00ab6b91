#pragma once

// A connection to stax-server from the outside: one call at a time over one Unix socket, answers
// of any size up to LIMIT_ANSWER_BYTES.
//
//     CLEANUP(client_fini) struct client client = CLIENT_INIT;
//     r = client_connect(&client, &err);
//     r = client_call(&client, "Profiler.top", params, &result, &error);
//
// client_send() and client_receive() are the two halves, for a caller that has other things to
// watch meanwhile: poll client.fd, then receive until the answer is whole.

#include "base/err.h"
#include "base/text.h"
#include "rpc/message.h"

struct client {
    int fd;
    int64_t last_id;
    struct text received; // bytes that are not a whole line yet
    size_t scanned;       // of them: known to hold no newline
    struct text path;     // of the socket, for messages
    int timeout_ms;       // how long client_call() waits for an answer; -1: for ever
};

enum { CLIENT_TIMEOUT_MS = 30000 };

#define CLIENT_INIT                                                                                \
    (struct client)                                                                                \
    {                                                                                              \
        .fd = -1, .timeout_ms = CLIENT_TIMEOUT_MS                                                  \
    }

enum client_outcome {
    CLIENT_OK = 0,
    CLIENT_E_REFUSED = 1,     // the server answered with an error: *ret_error
    CLIENT_E_UNREACHABLE = 2, // nobody listens there
    CLIENT_E_PENDING = 3,     // client_receive: the answer is not whole yet
};

// Where the server listens: $STAX_SERVER_SOCKET, else $XDG_RUNTIME_DIR/stax-server.sock, else
// /tmp/stax-server-UID.sock. The server asks this function too. -ENAMETOOLONG when a socket's
// address has no room for it.
int rpc_socket_path(struct text *ret, struct err *reterr);

// CLIENT_OK, CLIENT_E_UNREACHABLE with a reason in *reterr, or a negative errno. In a folder that
// everybody may write to, a server of somebody else (but root) is refused with -EPERM.
int client_connect(struct client *client, struct err *reterr);
void client_fini(struct client *client);

// One call and its answer. `params` is borrowed and may be NULL. CLIENT_OK with a new reference
// in *ret_result, CLIENT_E_REFUSED, or a negative errno (the connection is then of no further
// use); each of the latter two with *ret_error filled in.
int client_call(struct client *client, const char *method, const json_t *params,
                json_t **ret_result, struct rpc_error *ret_error);

// The call alone. 0 or a negative errno.
int client_send(struct client *client, const char *method, const json_t *params,
                struct rpc_error *ret_error);

// Reads what has arrived. As client_call(), or CLIENT_E_PENDING.
int client_receive(struct client *client, json_t **ret_result, struct rpc_error *ret_error);
