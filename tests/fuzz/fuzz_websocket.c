// Any bytes as frames of a browser, all at once and piece by piece: the same events, and no message
// beyond the limit.

#include "server/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 5000, EVENTS = 100 };

struct seen {
    enum websocket_event events[EVENTS];
    size_t bytes[EVENTS];
    size_t n;
};

// Until nothing more can be read of what is there. False: the connection would end here.
static bool read_all(struct websocket_reader *reader, struct slice bytes, size_t *at,
                     struct seen *seen)
{
    while (*at < bytes.n) {
        size_t n;
        struct slice left = {bytes.data + *at, bytes.n - *at};
        enum websocket_event event = websocket_read(reader, left, &n);
        ASSERT(n <= left.n && reader->message.n <= LIMIT);
        *at += n;
        if (event != WEBSOCKET_NOTHING && seen->n < EVENTS) {
            seen->events[seen->n] = event;
            seen->bytes[seen->n++] = event == WEBSOCKET_MESSAGE ? reader->message.n
                                     : event == WEBSOCKET_PING  ? reader->n_control
                                                                : reader->code;
        }
        if (event == WEBSOCKET_FAILED || event == WEBSOCKET_CLOSE) {
            return false;
        }
        if (n == 0) {
            break;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {data, size};
    struct seen at_once = {0};
    struct seen in_pieces = {0};
    struct websocket_reader reader = {.limit_bytes = LIMIT};
    size_t at = 0;
    read_all(&reader, bytes, &at, &at_once);
    websocket_reader_fini(&reader);

    reader = (struct websocket_reader){.limit_bytes = LIMIT};
    at = 0;
    for (size_t end = 1; end <= size; end += 1 + end % 7) {
        if (!read_all(&reader, (struct slice){data, end}, &at, &in_pieces)) {
            break;
        }
    }
    websocket_reader_fini(&reader);
    for (size_t i = 0; i < in_pieces.n; i++) { // the last piece may not have been read
        ASSERT(i < at_once.n && in_pieces.events[i] == at_once.events[i] &&
               in_pieces.bytes[i] == at_once.bytes[i]);
    }
    return 0;
}
