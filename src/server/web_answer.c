#include "server/web_answer.h"

#include "server/web_page.h"
#include "server/websocket.h"

void web_answer_fini(struct web_answer *answer)
{
    text_fini(&answer->head);
}

// ---- Heads ------------------------------------------------------------------------------------

static const char *reason_of(int status)
{
    switch (status) {
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Service Unavailable";
    }
}

// The rules for the page. `host` has been checked: some browsers do not count the WebSocket of the
// same address as 'self'.
static void put_policy(struct text *to, struct slice host)
{
    text_addf(to,
              "Content-Security-Policy: default-src 'none'; script-src 'self'%s; style-src "
              "'self'%s; img-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self'",
              web_page_script_hashes, web_page_style_hashes);
    if (host.n > 0) {
        text_add(to, " ws://");
        text_add_bytes(to, host.data, host.n);
    }
    text_add(to, "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n");
}

// Status line and what every answer has. `host`: empty when it is not one of ours.
static void begin(struct text *to, int status, struct slice host)
{
    text_addf(to, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    put_policy(to, host);
    text_add(to, "X-Content-Type-Options: nosniff\r\n"
                 "Referrer-Policy: no-referrer\r\n"
                 "Cross-Origin-Opener-Policy: same-origin\r\n"
                 "Cross-Origin-Resource-Policy: same-origin\r\n"
                 "Cache-Control: no-cache\r\n");
}

static void put_length(struct text *to, const char *type, size_t n)
{
    text_addf(to, "Connection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", type, n);
}

static void refuse(struct web_answer *ret, int status, const char *more_headers, const char *why)
{
    begin(&ret->head, status, (struct slice){0});
    text_add(&ret->head, more_headers);
    put_length(&ret->head, "text/plain; charset=utf-8", strlen(why) + 1);
    text_addf(&ret->head, "\r\n%s\n", why);
}

void web_answer_refuse(int status, const char *why, struct web_answer *ret)
{
    *ret = (struct web_answer){0};
    refuse(ret, status, "", why);
}

// ---- Pages ------------------------------------------------------------------------------------

static void answer_page(const struct http_request *request, struct web_answer *ret)
{
    bool only_head = slice_equal(request->method, slice_of_text("HEAD"));
    if (!only_head && !slice_equal(request->method, slice_of_text("GET"))) {
        refuse(ret, 405, "Allow: GET, HEAD\r\n", "stax-server knows GET and HEAD only.");
        return;
    }
    const struct web_page *page = web_page_find(request->path);
    if (page == NULL) {
        refuse(ret, 404, "", "There is nothing here. The page is at /");
        return;
    }
    bool packed = http_list_has(request->fields[HTTP_ACCEPT_ENCODING], "gzip");
    struct slice bytes = packed ? page->gzip : page->bytes;
    begin(&ret->head, 200, request->fields[HTTP_HOST]);
    text_add(&ret->head, "Vary: Accept-Encoding\r\n");
    text_add(&ret->head, packed ? "Content-Encoding: gzip\r\n" : "");
    put_length(&ret->head, page->type, bytes.n);
    text_add(&ret->head, "\r\n");
    ret->body = only_head ? (struct slice){0} : bytes;
}

// ---- WebSockets -------------------------------------------------------------------------------

static bool wants_websocket(const struct http_request *request)
{
    return http_list_has(request->fields[HTTP_UPGRADE], "websocket");
}

// The offered protocols are `stax` and `token.HEX`: a browser can send no other header of a page's
// choice with a WebSocket. One token, so that guesses have to be made one by one.
static bool offers_token(const struct web_token *token, struct slice offered)
{
    static const char prefix[] = "token.";
    size_t n = sizeof prefix - 1;
    struct slice item;
    struct slice parameters;
    struct slice found = {0};
    bool speaks_stax = false;
    int n_tokens = 0;
    while (http_list_take(&offered, &item, &parameters)) {
        speaks_stax = speaks_stax || slice_equal(item, slice_of_text("stax"));
        if (item.n >= n && memcmp(item.data, prefix, n) == 0) {
            found = (struct slice){item.data + n, item.n - n};
            n_tokens++;
        }
    }
    bool right = web_token_is(token, found);
    return right && speaks_stax && n_tokens == 1;
}

static void answer_upgrade(const struct web_token *token, const struct http_request *request,
                           struct web_answer *ret)
{
    const struct slice *fields = request->fields;
    char accept[WEBSOCKET_ACCEPT_BYTES + 1];
    if (http_has(request, HTTP_ORIGIN) &&
        !web_origin_is_of(fields[HTTP_ORIGIN], fields[HTTP_HOST])) {
        refuse(ret, 403, "", "Only the page of this server may connect.");
    } else if (!offers_token(token, fields[HTTP_WEBSOCKET_PROTOCOL])) {
        refuse(ret, 403, "",
               "The token is wrong or missing: `stax ui` prints the address with it.");
    } else if (!slice_equal(request->path, slice_of_text("/")) &&
               !slice_equal(request->path, slice_of_text("/rpc"))) {
        refuse(ret, 404, "", "The WebSocket is at /rpc");
    } else if (!slice_equal(fields[HTTP_WEBSOCKET_VERSION], slice_of_text("13"))) {
        refuse(ret, 426, "Sec-WebSocket-Version: 13\r\n", "The WebSocket has version 13.");
    } else if (!request->is_1_1 || !slice_equal(request->method, slice_of_text("GET")) ||
               !http_list_has(fields[HTTP_CONNECTION], "upgrade") ||
               http_has(request, HTTP_CONTENT_LENGTH) ||
               http_has(request, HTTP_TRANSFER_ENCODING) ||
               !websocket_accept(fields[HTTP_WEBSOCKET_KEY], accept)) {
        refuse(ret, 400, "", "This is not how a WebSocket begins.");
    } else {
        begin(&ret->head, 101, fields[HTTP_HOST]);
        text_addf(&ret->head,
                  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                  "Sec-WebSocket-Protocol: stax\r\n\r\n",
                  accept);
        ret->is_upgrade = true;
    }
}

void web_answer_make(const struct web_address *address, const struct web_token *token,
                     const struct http_request *request, struct web_answer *ret)
{
    *ret = (struct web_answer){0};
    if (!web_address_has_host(address, request->fields[HTTP_HOST])) {
        refuse(ret, 403, "",
               "stax-server does not answer to the name in this address. Behind a tunnel, use the "
               "same port on both sides: `ssh -L 8080:127.0.0.1:8080`.");
    } else if (wants_websocket(request)) {
        answer_upgrade(token, request, ret);
    } else {
        answer_page(request, ret);
    }
}
