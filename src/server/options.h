#pragma once

// The command line of stax-server.

#include "base/err.h"

#include <stdbool.h>

enum print_protocol { PRINT_NOTHING, PRINT_OPENRPC, PRINT_MARKDOWN, PRINT_TYPESCRIPT };

struct options {
    const char *socket_path; // NULL: the default of rpc/client.h
    int ready_fd;            // -1: none
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
