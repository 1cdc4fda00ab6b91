#include "server/web_client.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/server.h"

#include <errno.h>
#include <sys/socket.h>

enum { READ_BYTES = 16 << 10, LEAVING_MS = 2000 };

static void go_to(struct web_client *c, enum web_client_step step, uint64_t in_ms)
{
    c->step = step;
    c->deadline_ns = clock_now_ns() + in_ms * NS_PER_MS;
    web_on_deadline(c->web);
}

static void web_client_free(struct web_client *c)
{
    web_forget(c->web, c);
    web_answer_fini(&c->answer);
    text_fini(&c->in);
    free(c);
}

static void handle_closed(struct loop_fd *io)
{
    web_client_free(CONTAINER_OF(io, struct web_client, io));
}

// ---- Out --------------------------------------------------------------------------------------

// What is left to be sent: of the head, then of the body.
static struct slice unsent(const struct web_client *c)
{
    const struct text *head = &c->answer.head;
    if (c->sent < head->n) {
        return (struct slice){(const uint8_t *)head->at + c->sent, head->n - c->sent};
    }
    size_t at = c->sent - head->n;
    if (at == c->answer.body.n) {
        return (struct slice){0};
    }
    return (struct slice){c->answer.body.data + at, c->answer.body.n - at};
}

static bool handle_writable(struct loop_fd *io)
{
    struct web_client *c = CONTAINER_OF(io, struct web_client, io);
    if (c->step != WEB_ANSWERING) {
        return true;
    }
    for (struct slice left; (left = unsent(c)).n > 0;) {
        ssize_t n = send(io->fd, left.data, left.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            loop_want_write(io);
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        c->sent += n < 0 ? 0 : (size_t)n;
    }
    // Closed at once, bytes that it still sends would make the kernel take the answer back.
    shutdown(io->fd, SHUT_WR);
    go_to(c, WEB_LEAVING, LEAVING_MS);
    return true;
}

static void send_answer(struct web_client *c)
{
    text_fini(&c->in);
    go_to(c, WEB_ANSWERING, LIMIT_WEB_ANSWER_MS);
    loop_want_write(&c->io);
}

// ---- In ---------------------------------------------------------------------------------------

// The head is whole. Afterwards the client may be no more, as it is a connection.
static void handle_head(struct web_client *c)
{
    struct slice bytes = {(const uint8_t *)c->in.at, c->in.n};
    struct http_request request;
    size_t n = 0;
    if (http_request_parse(bytes, &request, &n) != HTTP_OK) {
        web_answer_refuse(400, "This is not an HTTP request.", &c->answer);
        send_answer(c);
        return;
    }
    web_answer_make(&c->web->address, &c->web->token, &request, &c->answer);
    struct slice early = {bytes.data + n, bytes.n - n};
    if (!c->answer.is_upgrade) {
        send_answer(c);
    } else if (connections_accept_web(&c->web->server->connections, &c->io, &c->answer.head,
                                      early)) {
        web_client_free(c);
    } else {
        web_answer_fini(&c->answer);
        web_answer_refuse(503, "stax-server has too many connections.", &c->answer);
        send_answer(c);
    }
}

// More of the head has come: is that all? Only then it is looked into.
static void handle_more(struct web_client *c, size_t n)
{
    size_t seen = c->in.n - n;
    size_t from = seen < 3 ? 0 : seen - 3; // the end may have come in two pieces
    if (memmem(c->in.at + from, c->in.n - from, "\r\n\r\n", 4) != NULL) {
        handle_head(c);
    } else if (c->in.n > LIMIT_WEB_HEAD_BYTES) {
        web_answer_refuse(431, "The head of the request is too large.", &c->answer);
        send_answer(c);
    }
}

static bool handle_readable(struct loop_fd *io)
{
    struct web_client *c = CONTAINER_OF(io, struct web_client, io);
    char buffer[READ_BYTES];
    ssize_t n = recv(io->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (n == 0 && c->step == WEB_ANSWERING) {
        loop_want_read(io, false); // it says no more, and may still listen
        return true;
    }
    if (n == 0) {
        return false;
    }
    if (c->step == WEB_READING) { // else it is thrown away
        text_add_bytes(&c->in, buffer, (size_t)n);
        handle_more(c, (size_t)n);
    }
    return true;
}

struct web_client *web_client_new(struct web *web, int fd)
{
    struct web_client *c = NEW(struct web_client);
    c->web = web;
    c->io = (struct loop_fd){.fd = fd,
                             .on_readable = handle_readable,
                             .on_writable = handle_writable,
                             .on_closed = handle_closed};
    if (loop_add(&web->server->loop, &c->io) < 0) {
        free(c);
        return NULL;
    }
    c->step = WEB_READING;
    c->deadline_ns = clock_now_ns() + (uint64_t)LIMIT_WEB_HEAD_MS * NS_PER_MS;
    return c;
}
