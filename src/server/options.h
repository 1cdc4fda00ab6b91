#pragma once

// The command line of stax-server.

#include "base/err.h"

#include <stdbool.h>

enum print_protocol { PRINT_NOTHING, PRINT_OPENRPC, PRINT_MARKDOWN, PRINT_TYPESCRIPT };

enum { OPTIONS_CONNECTIONS_MAX = 8 };

struct options {
    const char *socket_path;                     // NULL: the default of rpc/client.h
    int ready_fd;                                // -1: none
    int connection_fds[OPTIONS_CONNECTIONS_MAX]; // clients that are there already; with any, the
    size_t n_connections;                        // server listens nowhere and leaves with the last
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
