// Browsers: a message is one of a WebSocket. How they came in is web_client.c's.

#include "base/limits.h"
#include "server/server.h"
#include "server/transport.h"
#include "server/websocket.h"

struct web_connection {
    struct connection connection;
    struct websocket_reader reader;
};

static void send_close(struct connection *connection, uint16_t code)
{
    CLEANUP(text_fini) struct text frame = {0};
    websocket_put_close(&frame, code);
    connection_send_bytes(connection, &frame);
    connection_close(connection);
}

static void send_pong(struct connection *connection, const struct websocket_reader *reader)
{
    CLEANUP(text_fini) struct text frame = {0};
    websocket_put_frame(&frame, WEBSOCKET_OP_PONG, reader->control, reader->n_control);
    connection_send_bytes(connection, &frame);
}

static size_t take_frame(struct connection *connection, struct slice bytes,
                         struct slice *ret_message)
{
    struct web_connection *web = CONTAINER_OF(connection, struct web_connection, connection);
    size_t n;
    switch (websocket_read(&web->reader, bytes, &n)) {
    case WEBSOCKET_NOTHING:
        break;
    case WEBSOCKET_MESSAGE:
        *ret_message = (struct slice){(const uint8_t *)text_get(&web->reader.message),
                                      web->reader.message.n};
        break;
    case WEBSOCKET_PING:
        send_pong(connection, &web->reader);
        break;
    case WEBSOCKET_CLOSE:
        send_close(connection, web->reader.code);
        break;
    case WEBSOCKET_FAILED:
        if (web->reader.code == WEBSOCKET_CODE_TOO_LARGE) {
            connection_refuse_too_long(connection);
        }
        send_close(connection, web->reader.code);
        break;
    }
    return n;
}

static void put_frame(struct text *out, const struct text *line)
{
    size_t n = line->n > 0 && line->at[line->n - 1] == '\n' ? line->n - 1 : line->n;
    websocket_put_frame(out, WEBSOCKET_OP_TEXT, line->at, n);
}

static void free_web(struct connection *connection)
{
    struct web_connection *web = CONTAINER_OF(connection, struct web_connection, connection);
    websocket_reader_fini(&web->reader);
    free(web);
}

static const struct transport transport_web = {
    .take = take_frame,
    .put = put_frame,
    .free = free_web,
};

bool connections_accept_web(struct connections *connections, struct loop_fd *from, struct text *out,
                            struct slice early)
{
    if (connections_are_full(connections)) {
        return false;
    }
    struct web_connection *web = NEW(struct web_connection);
    web->reader.limit_bytes = LIMIT_REQUEST_BYTES;
    web->connection.out = *out;
    *out = (struct text){0};
    connections_add(connections, &web->connection, &transport_web);
    loop_hand_over(from, &web->connection.io);
    connection_receive(&web->connection, early);
    return true;
}
