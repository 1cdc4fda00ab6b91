#pragma once

// A web server for tests, on a port of the loopback that the kernel chooses: it answers every
// request in one way, honest or not.

#include "base/bytes.h"

#include <pthread.h>
#include <stdatomic.h>

enum test_http_way {
    SERVE_FILE,      // the bytes, with their length
    SERVE_CLOSED,    // the bytes, without a length
    SERVE_TRUNCATED, // half of the bytes, with the length of all
    SERVE_HALF,      // half of the bytes, without a length
    SERVE_MISSING,   // 404
    SERVE_BUSY,      // 503
    SERVE_BROKEN,    // 500
    SERVE_PAGE,      // 200, and a page for people
    SERVE_NOISE,     // no HTTP at all
    SERVE_NOTHING,   // takes the request and never answers
    SERVE_ENDLESS,   // the bytes, again and again
    SERVE_DRIP,      // a few bytes, then one at a time
    SERVE_LOOP,      // a redirect to where it points
    SERVE_AWAY,      // a redirect to a file of this machine
};

struct test_http_server {
    int listener;
    int quit; // an eventfd that becomes readable
    char url[64];
    _Atomic int way; // enum test_http_way
    struct slice bytes;
    char only[64]; // "" or a part of the paths that exist: 404 for the others. Set before asking
    _Atomic uint32_t n_asked;
    pthread_mutex_t lock;
    pthread_cond_t closed;
    uint32_t n_open;      // connections, under the lock
    char first_path[256]; // of the first request; read it after test_http_server_stop()
    pthread_t thread;
};

void test_http_server_start(struct test_http_server *server, enum test_http_way way,
                            struct slice bytes);
void test_http_server_stop(struct test_http_server *server);

// A URL of the loopback where nobody listens.
void test_http_closed_url(char to[static 64]);
