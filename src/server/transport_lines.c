// Clients of the Unix socket: a message is a line.

#include "base/limits.h"
#include "server/server.h"
#include "server/transport.h"

#include <sys/socket.h>
#include <unistd.h>

struct lines {
    struct connection connection;
    size_t scanned; // bytes of what has not been taken that hold no newline
};

static size_t take_line(struct connection *connection, struct slice bytes,
                        struct slice *ret_message)
{
    struct lines *lines = CONTAINER_OF(connection, struct lines, connection);
    const uint8_t *end = bytes.n == lines->scanned
                             ? NULL
                             : memchr(bytes.data + lines->scanned, '\n', bytes.n - lines->scanned);
    size_t n = end == NULL ? bytes.n : (size_t)(end - bytes.data);
    if (n > LIMIT_REQUEST_BYTES) { // without waiting for its end
        connection_refuse_too_long(connection);
        connection_close(connection);
        return 0;
    }
    lines->scanned = end == NULL ? bytes.n : 0;
    if (end == NULL) {
        return 0;
    }
    bool blank = n == 0 || (n == 1 && bytes.data[0] == '\r');
    if (!blank) {
        *ret_message = (struct slice){bytes.data, n};
    }
    return n + 1;
}

static void put_line(struct text *out, const struct text *line)
{
    text_add_bytes(out, line->at, line->n);
}

static void free_lines(struct connection *connection)
{
    free(CONTAINER_OF(connection, struct lines, connection));
}

static const struct transport transport_lines = {
    .take = take_line,
    .put = put_line,
    .free = free_lines,
    .answers_after_end = true,
};

void connections_accept(struct connections *connections, int fd)
{
    if (connections_are_full(connections)) {
        CLEANUP(text_fini) struct text line = {0};
        rpc_put_error(&line, NULL, RPC_ERROR_TOO_LARGE, "too many connections");
        send(fd, line.at, line.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
        return;
    }
    struct lines *lines = NEW(struct lines);
    lines->connection.io.fd = fd;
    connections_add(connections, &lines->connection, &transport_lines);
    if (loop_add(&connections->server->loop, &lines->connection.io) < 0) {
        connections->all.n--;
        free(lines);
    }
}
