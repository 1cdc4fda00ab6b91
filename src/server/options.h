#pragma once

// The command line of stax-server.

#include "base/err.h"
#include "server/web_address.h"

#include <stdbool.h>

enum print_protocol { PRINT_NOTHING, PRINT_OPENRPC, PRINT_MARKDOWN, PRINT_TYPESCRIPT };

enum { OPTIONS_CONNECTIONS_MAX = 8 };

struct options {
    const char *socket_path;                     // NULL: the default of rpc/client.h
    int ready_fd;                                // -1: none
    int connection_fds[OPTIONS_CONNECTIONS_MAX]; // clients that are there already; with any, the
    size_t n_connections;                        // server listens nowhere and leaves with the last
    const char *ws_bind; // where browsers come in; NULL: the default; "none"
    bool ws_allow_remote;
    bool quiet;
    const char *replay_path;
    const char *tap_path;
    const char *runs_folder; // NULL: the default of server/history.h
    enum print_protocol print_protocol;
    bool help;
    bool version;
};

extern const char options_help[];

// 0, or a negative errno with the reason.
int options_parse(int argc, char **argv, struct options *ret, struct err *reterr);

enum options_web { OPTIONS_NO_WEB = 0, OPTIONS_WEB = 1 };

// Where browsers are to come in: --ws-bind, else $STAX_SERVER_WS_BIND, else 127.0.0.1:8080. One of
// the above, or -EINVAL, also for an address that others can reach without --ws-allow-remote.
int options_web_address(const struct options *options, struct web_address *ret, struct err *reterr);
