#pragma once

// The server: its parts in the order in which they are built. main.c is the composition root.
//
//     browsers ──► web ─────┐
//     commands ──► listener ┴─► connections ──► handlers ─┬─► registry      runs: start, stop, keep
//                                                         ├─► waiters       "tell me when …"
//                                                         ├─► questions     the query thread
//                                                         ├─► inspector     looks at who waits
//                                                         ├─► loader, saver run files, as a whole
//                                                         └─► subscriptions questions, again and
//                                                                           again
//
// Everything here belongs to the loop thread. News from other threads (a run has changed, a
// question is answered) arrive through loop_wake() and are looked for in server_on_wake().

#include "image/debuginfod.h"
#include "image/library.h"
#include "server/call.h"
#include "server/connection.h"
#include "server/filer.h"
#include "server/inspector.h"
#include "server/listener.h"
#include "server/loop.h"
#include "server/questions.h"
#include "server/registry.h"
#include "server/subscriptions.h"
#include "server/waiters.h"
#include "server/web.h"

struct server {
    uint64_t started_unix_ns;
    const char *tap_path;       // where recordings also write their events; NULL: nowhere
    bool is_private;            // for the clients that it was started with: leaves with the last
    bool leaving;               // what goes on is being stopped, and written; then the loop is
    struct loop_timer patience; // with that
    struct connections connections;
    struct waiters waiters;
    struct subscriptions subscriptions;
    struct loop loop;
    struct library library;
    struct debuginfod debuginfod; // gives it better names
    struct parked_calls parked;
    struct filer loader; // two of them: saving may wait for names, and who asks does not wait for
    struct filer saver;  // that
    struct registry registry;
    struct questions questions;
    struct inspector inspector;
    struct listener listener;
    struct web web;
};

// The loop's on_wake(): looks at the active run, delivers answers, tells those who wait.
void server_on_wake(void *server);

// The library's on_change(), on a thread of its own: there may be names to fetch.
void server_on_symbols(void *server);

// The inspector's on_looked(): asks the question again, with what was found.
void server_on_looked(void *server, struct question *question);

// A client has gone.
void server_on_closed(struct server *server);

// Ends what goes on, waits for its file to be complete, then ends the loop: SERVER_PATIENCE_MS, as
// who stops a service wants it to be gone; a private server takes as long as that takes.
enum { SERVER_PATIENCE_MS = 3000 };
void server_leave(struct server *server);
