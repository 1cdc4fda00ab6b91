#pragma once

// What an HTTP request is answered with. Pure: a request and what the server knows go in, bytes
// come out.
//
//     Host is ours? ──no──► 403
//        │ yes
//     asks for a WebSocket? ──yes──► Origin is ours, token is right? ──no──► 403
//        │ no                                      │ yes
//     GET, HEAD? ──no──► 405                       └──► 101, and it is a connection
//        │ yes
//     a page of that path? ──no──► 404
//        └──► 200
//
// Every answer has the headers that keep other pages out, and every connection ends with it.

#include "base/text.h"
#include "server/http_request.h"
#include "server/web_address.h"
#include "server/web_token.h"

struct web_answer {
    struct text head;  // with a small body, if there is one
    struct slice body; // what follows; not owned
    bool is_upgrade;   // after the head the client talks over a WebSocket
};

void web_answer_fini(struct web_answer *answer);

void web_answer_make(const struct web_address *address, const struct web_token *token,
                     const struct http_request *request, struct web_answer *ret);

// To one that was no request, or came too late: `status` with a line that says why.
void web_answer_refuse(int status, const char *why, struct web_answer *ret);
