#pragma once

// One browser that has come in over HTTP: one request, one answer, then it is gone, or a
// connection.
//
//     READING ──head is whole──► ANSWERING ──all sent──► LEAVING ──it has ended, too──► closed
//        └── or: it becomes a connection (transport_web.c)
//
// Each step has its time; whoever takes longer is closed. So clients that stall cost little and for
// a while only; how many there are is bounded by web.h.

#include "server/loop.h"
#include "server/web_answer.h"

struct web;

enum web_client_step { WEB_READING, WEB_ANSWERING, WEB_LEAVING };

struct web_client {
    struct loop_fd io;
    struct web *web;
    enum web_client_step step;
    uint64_t deadline_ns; // of this step
    struct text in;
    struct web_answer answer;
    size_t sent; // of the answer, head and body
};

// Takes over the descriptor. NULL: it could not be watched.
struct web_client *web_client_new(struct web *web, int fd);
