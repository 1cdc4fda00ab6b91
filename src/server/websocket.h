#pragma once

// WebSocket frames (RFC 6455), the server's side. Pure: bytes in, events out.
//
//     bytes ──► frame ──┬─► part of a message ──► message is whole ─► WEBSOCKET_MESSAGE
//                       ├─► ping, close                             ─► WEBSOCKET_PING, _CLOSE
//                       └─► anything that may not be                ─► WEBSOCKET_FAILED, with a
//                       code
//
// Frames are taken when all of them is there, so that what is kept of a client is bounded by the
// largest message. No extensions are offered, so no reserved bit may be set.

#include "base/text.h"

enum websocket_opcode {
    WEBSOCKET_OP_CONTINUATION = 0,
    WEBSOCKET_OP_TEXT = 1,
    WEBSOCKET_OP_BINARY = 2,
    WEBSOCKET_OP_CLOSE = 8,
    WEBSOCKET_OP_PING = 9,
    WEBSOCKET_OP_PONG = 10,
};

// Why a connection ends (RFC 6455, section 7.4.1).
enum websocket_code {
    WEBSOCKET_CODE_NONE = 0, // the client gave none
    WEBSOCKET_CODE_NORMAL = 1000,
    WEBSOCKET_CODE_PROTOCOL = 1002,
    WEBSOCKET_CODE_NOT_TEXT = 1003,
    WEBSOCKET_CODE_NOT_UTF8 = 1007,
    WEBSOCKET_CODE_TOO_LARGE = 1009,
};

enum websocket_event {
    WEBSOCKET_NOTHING, // the next frame has not come to its end; or there was nothing in it for us
    WEBSOCKET_MESSAGE, // `message`
    WEBSOCKET_PING,    // `control`: to be sent back
    WEBSOCKET_CLOSE,   // `code`: to be sent back; nothing comes after it
    WEBSOCKET_FAILED,  // `code`: to be sent, and nothing that comes after it is to be looked at
};

enum { WEBSOCKET_CONTROL_BYTES = 125 }; // RFC 6455, section 5.5

struct websocket_reader {
    size_t limit_bytes;  // of one message
    struct text message; // so far; whole with WEBSOCKET_MESSAGE, until the next call
    bool has_begun;      // its first frame was there
    bool is_whole;
    uint8_t control[WEBSOCKET_CONTROL_BYTES];
    size_t n_control;
    uint16_t code;
};

void websocket_reader_fini(struct websocket_reader *reader);

// Takes one frame off the front of `bytes`: `*ret_n` bytes, 0 when it is not all there.
enum websocket_event websocket_read(struct websocket_reader *reader, struct slice bytes,
                                    size_t *ret_n);

// One frame of ours: never masked, never a part.
void websocket_put_frame(struct text *to, enum websocket_opcode opcode, const void *bytes,
                         size_t n);
void websocket_put_close(struct text *to, uint16_t code); // WEBSOCKET_CODE_NONE: without any

// What a client that knows this key must be answered with: `Sec-WebSocket-Accept`. False: the key
// is not the base64 form of 16 bytes.
enum { WEBSOCKET_ACCEPT_BYTES = 28 };
bool websocket_accept(struct slice key, char ret[WEBSOCKET_ACCEPT_BYTES + 1]);
