#pragma once

// Which debuginfod server to ask next, and which to leave alone. Pure: told what happened and what
// time it is.
//
// A server that has not proven itself is asked one thing at a time: so one that hangs costs one
// time-out, however many files are missing.
//
//                 ┌──── answered (also: 404) ────┐
//      NEW ──ask──┤                              ▼
//                 │     ┌────────────────────── UP
//                 │     │ silent                 │ three useless answers in a row
//                 ▼     ▼                        ▼
//                 DOWN: rests 10 min             FAULTY: rests 1 h
//                   └─── then asked one thing ────┘
//
// A file that is missing here (404) is asked of the next server.

#include "base/limits.h"
#include "image/debuginfod_settings.h"
#include "image/http.h"

enum {
    DEBUGINFOD_DOWN_S = 600,
    DEBUGINFOD_FAULTY_S = 3600,
    DEBUGINFOD_FAULTS = 3, // useless answers in a row
};

enum debuginfod_state { DEBUGINFOD_NEW, DEBUGINFOD_UP, DEBUGINFOD_DOWN, DEBUGINFOD_FAULTY };

const char *debuginfod_state_name(enum debuginfod_state state); // "new", "up", "down", "faulty"

struct debuginfod_server {
    const struct debuginfod_url *url; // of the settings
    enum debuginfod_state state;
    uint64_t rests_until_ns; // CLOCK_MONOTONIC
    uint32_t n_active;
    uint32_t n_faults; // in a row
    uint64_t asked;
    uint64_t found;
    uint64_t missing;
    uint64_t failed;
    uint64_t bytes;
};

struct debuginfod_servers {
    struct debuginfod_server at[LIMIT_DEBUGINFOD_SERVERS];
    uint32_t n;
};

// `settings` outlives it.
void debuginfod_servers_init(struct debuginfod_servers *servers,
                             const struct debuginfod_settings *settings);

enum debuginfod_pick {
    PICK_SERVER, // *ret_server: may be asked now
    PICK_WAIT,   // one is being tried: ask again when that is over
    PICK_LATER,  // *ret_due_ns: all that are left rest until then
    PICK_NONE,   // all have answered
};

// Who to ask for a file that the servers in `answered` (bits) have answered for.
enum debuginfod_pick debuginfod_servers_pick(const struct debuginfod_servers *servers,
                                             uint32_t answered, uint64_t now_ns,
                                             uint32_t *ret_server, uint64_t *ret_due_ns);

// It is being asked.
void debuginfod_servers_begin(struct debuginfod_servers *servers, uint32_t server);

// It has answered, or not.
void debuginfod_servers_end(struct debuginfod_servers *servers, uint32_t server, enum http_end end,
                            uint64_t bytes, uint64_t now_ns);
