#pragma once

// The way in for browsers: a TCP socket that serves the page, and from which WebSockets become
// connections like any other.
//
//     browser ──► web ──► web_client ──┬─► the page                      web_answer, web_page
//                                      └─► a connection, with the token  transport_web
//
// All of it is written here, on our own sockets, and not left to libwebsockets, which carries the
// loop: its version of Debian 12 looks into freed memory when a request asks for an upgrade that it
// does not know and somebody wants to decide on upgrades (CVE-2025-11677), takes CONNECT and HTTP/2
// before anybody could check a name or a token, and takes frames without a mask.
//
// A server lives on without: what is wrong with the address then stands in `note`.

#include "base/err.h"
#include "base/text.h"
#include "base/vec.h"
#include "server/loop.h"
#include "server/web_address.h"
#include "server/web_token.h"

struct server;
struct web_client;

struct web {
    struct server *server;
    struct loop_fd io;
    struct web_address address;
    struct web_token token;
    struct text url;                  // where the page is; empty: nowhere
    struct text note;                 // then: why
    VEC(struct web_client *) clients; // of HTTP, the oldest first
    struct loop_timer timer;          // when the first of them has taken too long
};

// Nothing is opened yet; `note` says why there is no browser interface.
void web_init(struct web *web, struct server *server, const char *note);

// Listens there and makes the token, `socket_path` being where commands connect to. 0, or a
// negative errno with a line that is the note, too: the server goes on.
int web_open(struct web *web, const struct web_address *address, const char *socket_path,
             struct err *reterr);

// The token is worth nothing any more.
void web_close(struct web *web);

// After loop_fini().
void web_fini(struct web *web);

// ---- For web_client.c -------------------------------------------------------------------------

// A client has a new deadline.
void web_on_deadline(struct web *web);

// A client is no more.
void web_forget(struct web *web, const struct web_client *client);
