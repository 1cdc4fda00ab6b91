#include "server/connection.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/handlers.h"
#include "server/server.h"
#include "server/transport.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { READ_BYTES = 64 << 10, READ_ROUNDS = 4, UNSENT_BYTES = 1 << 20, TURN_BYTES = 4 << 20 };

// ---- Out --------------------------------------------------------------------------------------

bool connection_is_drained(const struct connection *c)
{
    return c->out_sent == c->out.n;
}

bool connection_is_read(const struct connection *c)
{
    int unread = 0;
    return connection_is_drained(c) && (ioctl(c->io.fd, SIOCOUTQ, &unread) < 0 || unread == 0);
}

void connection_send(struct connection *c, const struct text *line)
{
    if (!c->closing) {
        c->transport->put(&c->out, line);
        loop_want_write(&c->io);
    }
}

void connection_send_bytes(struct connection *c, const struct text *bytes)
{
    if (!c->closing) {
        text_add_bytes(&c->out, bytes->at, bytes->n);
        loop_want_write(&c->io);
    }
}

static void give_up(struct loop_timer *timer)
{
    loop_close_later(&CONTAINER_OF(timer, struct connection, patience)->io);
}

void connection_close(struct connection *c)
{
    c->closing = true;
    c->patience.on_time = give_up;
    loop_timer_set(&c->server->loop, &c->patience, (uint64_t)LIMIT_FAREWELL_MS * NS_PER_MS);
    loop_want_write(&c->io);
}

// The last bytes could get lost if the descriptor were closed while the client still sends. So it
// is told that nothing more comes, and what it sends is thrown away until it has ended, too.
static bool is_done(const struct connection *c)
{
    if (!connection_is_drained(c)) {
        return false;
    }
    if (c->closing && !c->ended) {
        shutdown(c->io.fd, SHUT_WR);
        return false;
    }
    return c->closing || (c->ended && c->tickets.n == 0);
}

// Reading pauses while the client owes us too much reading, or has enough questions open.
static bool is_busy(const struct connection *c)
{
    if (c->closing) {
        return false;
    }
    return c->tickets.n >= LIMIT_REQUESTS_PER_CONNECTION || c->out.n - c->out_sent > UNSENT_BYTES;
}

// As much as the client takes, or as is fair to others.
static bool send_some(struct connection *c)
{
    for (size_t start = c->out_sent; !connection_is_drained(c);) {
        if (c->out_sent - start >= TURN_BYTES) {
            loop_want_write(&c->io);
            return true;
        }
        ssize_t n = send(c->io.fd, c->out.at + c->out_sent,
                         MIN(c->out.n - c->out_sent, (size_t)TURN_BYTES),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            loop_want_write(&c->io);
            return true;
        }
        if (n < 0) {
            return false;
        }
        c->out_sent += (size_t)n;
    }
    text_clear(&c->out);
    c->out_sent = 0;
    if (c->out.room > UNSENT_BYTES) {
        text_fini(&c->out); // a large answer should not stay with an idle client
    }
    return true;
}

// ---- In ---------------------------------------------------------------------------------------

static void refuse_now(struct connection *c, const json_t *id, enum rpc_error_kind kind,
                       const char *text)
{
    CLEANUP(text_fini) struct text line = {0};
    rpc_put_error(&line, id, kind, text);
    connection_send(c, &line);
}

static void handle_message(struct connection *c, struct slice message)
{
    struct rpc_request request = {0};
    struct rpc_error error = {0};
    if (!rpc_request_parse(message, &request, &error)) {
        // A notification gets no answer, not even this one; what cannot be read at all does.
        bool unreadable = error.kind == RPC_ERROR_PARSE || error.kind == RPC_ERROR_INVALID_REQUEST;
        if (request.id != NULL || unreadable) {
            refuse_now(c, request.id, error.kind, error.text.text);
        }
        rpc_request_fini(&request);
        return;
    }
    struct ticket ticket = {.number = ++c->next_ticket, .id = TAKE(request.id)};
    vec_push(&c->tickets, ticket);
    handle_request(c->server, c, ticket.number, &request);
    rpc_request_fini(&request);
}

void connection_refuse_too_long(struct connection *c)
{
    CLEANUP(text_fini) struct text text = {0};
    text_addf(&text, "a request has more than %d bytes", LIMIT_REQUEST_BYTES);
    refuse_now(c, NULL, RPC_ERROR_TOO_LARGE, text_get(&text));
}

// Handles the whole messages that have arrived, as far as the client may go.
static void handle_messages(struct connection *c)
{
    size_t start = 0;
    while (!c->closing && !is_busy(c) && start < c->in.n) {
        struct slice left = {(const uint8_t *)c->in.at + start, c->in.n - start};
        struct slice message = {0};
        size_t n = c->transport->take(c, left, &message);
        if (n == 0) {
            break;
        }
        start += n;
        if (message.data != NULL) {
            handle_message(c, message);
        }
    }
    if (c->closing) {
        text_fini(&c->in);
    } else if (start > 0) {
        memmove(c->in.at, c->in.at + start, c->in.n - start);
        c->in.n -= start;
    }
}

// After anything that may have changed the balance. False: the connection is finished.
static bool settle(struct connection *c)
{
    handle_messages(c);
    bool pause = is_busy(c) || c->ended;
    if (pause != c->paused) {
        c->paused = pause;
        loop_want_read(&c->io, !pause);
    }
    return !is_done(c);
}

static bool handle_readable(struct loop_fd *io)
{
    struct connection *c = CONTAINER_OF(io, struct connection, io);
    char buffer[READ_BYTES];
    for (int i = 0; i < READ_ROUNDS && !is_busy(c); i++) {
        ssize_t n = recv(io->fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? settle(c) : false;
        }
        if (n == 0 && !c->transport->answers_after_end) {
            return false;
        }
        if (n == 0) {
            c->ended = true;
            break;
        }
        if (!c->closing) {
            text_add_bytes(&c->in, buffer, (size_t)n);
            handle_messages(c);
        }
    }
    return settle(c);
}

static bool handle_writable(struct loop_fd *io)
{
    struct connection *c = CONTAINER_OF(io, struct connection, io);
    if (!send_some(c)) {
        return false;
    }
    return settle(c);
}

static void handle_closed(struct loop_fd *io)
{
    struct connection *c = CONTAINER_OF(io, struct connection, io);
    struct connections *all = &c->server->connections;
    for (size_t i = 0; i < all->all.n; i++) {
        if (all->all.at[i] == c) {
            vec_remove_at(&all->all, i);
            break;
        }
    }
    subscriptions_drop(&c->server->subscriptions, c->serial);
    waiters_drop(&c->server->waiters, c->serial);
    for (size_t i = 0; i < c->tickets.n; i++) {
        json_decref(c->tickets.at[i].id);
    }
    vec_fini(&c->tickets);
    text_fini(&c->in);
    text_fini(&c->out);
    loop_timer_cancel(&c->patience);
    struct server *server = c->server;
    c->transport->free(c);
    server_on_closed(server);
}

// ---- All --------------------------------------------------------------------------------------

void connections_init(struct connections *connections, struct server *server)
{
    *connections = (struct connections){.server = server};
}

void connections_fini(struct connections *connections)
{
    ASSERT(connections->all.n == 0);
    vec_fini(&connections->all);
}

bool connections_are_full(const struct connections *connections)
{
    return connections->all.n >= LIMIT_CONNECTIONS;
}

void connections_add(struct connections *connections, struct connection *c,
                     const struct transport *transport)
{
    c->transport = transport;
    c->server = connections->server;
    c->serial = ++connections->next_serial;
    c->io.on_readable = handle_readable;
    c->io.on_writable = handle_writable;
    c->io.on_closed = handle_closed;
    vec_push(&connections->all, c);
}

void connection_receive(struct connection *c, struct slice bytes)
{
    text_add_bytes(&c->in, bytes.data, bytes.n);
    loop_want_write(&c->io); // settles, which handles them
}

struct connection *connections_find(const struct connections *connections, uint64_t serial)
{
    for (size_t i = 0; i < connections->all.n; i++) {
        if (connections->all.at[i]->serial == serial) {
            return connections->all.at[i];
        }
    }
    return NULL;
}

// Closes the ticket. False: nobody waits for its answer.
static bool take_ticket(struct connections *connections, uint64_t serial, uint64_t number,
                        struct connection **ret, json_t **ret_id)
{
    struct connection *c = connections_find(connections, serial);
    for (size_t i = 0; c != NULL && i < c->tickets.n; i++) {
        if (c->tickets.at[i].number == number) {
            *ret = c;
            *ret_id = c->tickets.at[i].id;
            vec_remove_at(&c->tickets, i);
            loop_want_write(&c->io); // settles, even when nothing is to be sent
            return *ret_id != NULL;
        }
    }
    return false;
}

void connections_answer(struct connections *connections, uint64_t serial, uint64_t ticket,
                        const struct text *result)
{
    struct connection *c;
    json_t *id;
    if (!take_ticket(connections, serial, ticket, &c, &id)) {
        return;
    }
    CLEANUP(text_fini) struct text line = {0};
    if (result->n > LIMIT_ANSWER_BYTES) {
        rpc_put_error(&line, id, RPC_ERROR_TOO_LARGE, "the answer is too large; ask for less");
    } else {
        rpc_put_result_begin(&line, id);
        text_add_bytes(&line, result->at, result->n);
        rpc_put_result_end(&line);
    }
    connection_send(c, &line);
    json_decref(id);
}

void connections_refuse(struct connections *connections, uint64_t serial, uint64_t ticket,
                        enum rpc_error_kind kind, const char *text)
{
    struct connection *c;
    json_t *id;
    if (take_ticket(connections, serial, ticket, &c, &id)) {
        refuse_now(c, id, kind, text);
        json_decref(id);
    }
}
