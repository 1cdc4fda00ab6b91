#include "server/websocket.h"

#include "server/loop.h" // for the SHA-1 and base64 of the library

enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, CONTROL = 0x08, MASKED = 0x80, LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127, MASK_BYTES = 4 };

struct frame {
    bool fin;
    uint8_t opcode;
    uint8_t mask[MASK_BYTES];
    uint64_t n; // bytes of what it carries
};

void websocket_reader_fini(struct websocket_reader *reader)
{
    text_fini(&reader->message);
}

// ---- Frames -----------------------------------------------------------------------------------

enum parsed { PARSED, PENDING, MALFORMED };

static uint64_t read_big(struct reader *r, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | read_u8(r);
    }
    return value;
}

// What can be told without the length: no extension, a known kind, control frames in one piece.
static bool is_allowed(uint8_t first, uint8_t second)
{
    uint8_t opcode = first & OPCODE;
    if ((first & RESERVED) != 0 || (second & MASKED) == 0) {
        return false; // a browser masks, always
    }
    if ((opcode & CONTROL) != 0) {
        return opcode <= WEBSOCKET_OP_PONG && (first & FIN) != 0 &&
               (second & LENGTH) <= WEBSOCKET_CONTROL_BYTES;
    }
    return opcode <= WEBSOCKET_OP_BINARY;
}

static enum parsed parse_frame(struct slice bytes, struct frame *ret, size_t *ret_n)
{
    struct reader r = reader_of(bytes);
    uint8_t first = read_u8(&r);
    uint8_t second = read_u8(&r);
    if (r.bad) {
        return PENDING;
    }
    if (!is_allowed(first, second)) {
        return MALFORMED;
    }
    *ret = (struct frame){
        .fin = (first & FIN) != 0, .opcode = first & OPCODE, .n = second & LENGTH};
    uint64_t least = 0; // a length has one form only: the shortest
    if (ret->n == LENGTH_16) {
        least = LENGTH_16;
        ret->n = read_big(&r, 2);
    } else if (ret->n == LENGTH_64) {
        least = 1 << 16;
        ret->n = read_big(&r, 8);
    }
    if (!r.bad && (ret->n < least || ret->n >> 63 != 0)) {
        return MALFORMED;
    }
    read_bytes(&r, ret->mask, MASK_BYTES);
    *ret_n = r.at;
    return r.bad ? PENDING : PARSED;
}

static void unmask(uint8_t *bytes, size_t n, const uint8_t mask[MASK_BYTES])
{
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= mask[i % MASK_BYTES];
    }
}

// ---- Events -----------------------------------------------------------------------------------

static enum websocket_event fail(struct websocket_reader *reader, enum websocket_code code)
{
    reader->code = (uint16_t)code;
    return WEBSOCKET_FAILED;
}

static bool is_utf8(const struct text *text)
{
    const uint8_t *bytes = (const uint8_t *)text->at;
    for (size_t at = 0, n; at < text->n; at += n) {
        n = utf8_length(bytes + at, text->n - at);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

// A code that may be sent in a frame: 1004 to 1006 and 1015 may not.
static bool is_code(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum websocket_event take_control(struct websocket_reader *reader, const struct frame *frame,
                                         const uint8_t *payload)
{
    reader->n_control = (size_t)frame->n;
    if (frame->n > 0) {
        memcpy(reader->control, payload, reader->n_control);
        unmask(reader->control, reader->n_control, frame->mask);
    }
    if (frame->opcode == WEBSOCKET_OP_PING) {
        return WEBSOCKET_PING;
    }
    if (frame->opcode == WEBSOCKET_OP_PONG) {
        return WEBSOCKET_NOTHING;
    }
    reader->code = WEBSOCKET_CODE_NONE;
    if (reader->n_control == 0) {
        return WEBSOCKET_CLOSE;
    }
    if (reader->n_control >= 2) {
        reader->code = (uint16_t)(reader->control[0] << 8 | reader->control[1]);
    }
    return is_code(reader->code) ? WEBSOCKET_CLOSE : fail(reader, WEBSOCKET_CODE_PROTOCOL);
}

static enum websocket_event take_part(struct websocket_reader *reader, const struct frame *frame,
                                      const uint8_t *payload)
{
    size_t before = reader->message.n;
    reader->has_begun = true;
    if (frame->n > 0) {
        text_add_bytes(&reader->message, payload, (size_t)frame->n);
        unmask((uint8_t *)reader->message.at + before, (size_t)frame->n, frame->mask);
    }
    if (!frame->fin) {
        return WEBSOCKET_NOTHING;
    }
    reader->is_whole = true;
    return is_utf8(&reader->message) ? WEBSOCKET_MESSAGE : fail(reader, WEBSOCKET_CODE_NOT_UTF8);
}

// What is wrong with a frame that was parsed; 0: nothing.
static enum websocket_code check(const struct websocket_reader *reader, const struct frame *frame)
{
    if ((frame->opcode & CONTROL) != 0) {
        return 0;
    }
    if (frame->opcode == WEBSOCKET_OP_BINARY) {
        return WEBSOCKET_CODE_NOT_TEXT;
    }
    if (reader->has_begun != (frame->opcode == WEBSOCKET_OP_CONTINUATION)) {
        return WEBSOCKET_CODE_PROTOCOL;
    }
    return frame->n > reader->limit_bytes - reader->message.n ? WEBSOCKET_CODE_TOO_LARGE : 0;
}

enum websocket_event websocket_read(struct websocket_reader *reader, struct slice bytes,
                                    size_t *ret_n)
{
    struct frame frame;
    size_t head = 0;
    *ret_n = 0;
    if (reader->is_whole) { // and has been seen
        text_clear(&reader->message);
        reader->is_whole = reader->has_begun = false;
    }
    switch (parse_frame(bytes, &frame, &head)) {
    case PENDING:
        return WEBSOCKET_NOTHING;
    case MALFORMED:
        return fail(reader, WEBSOCKET_CODE_PROTOCOL);
    case PARSED:
        break;
    }
    enum websocket_code wrong = check(reader, &frame);
    if (wrong != 0) {
        return fail(reader, wrong);
    }
    if (bytes.n - head < frame.n) {
        return WEBSOCKET_NOTHING;
    }
    *ret_n = head + (size_t)frame.n;
    return (frame.opcode & CONTROL) != 0 ? take_control(reader, &frame, bytes.data + head)
                                         : take_part(reader, &frame, bytes.data + head);
}

// ---- Ours -------------------------------------------------------------------------------------

void websocket_put_frame(struct text *to, enum websocket_opcode opcode, const void *bytes, size_t n)
{
    size_t n_length = n < LENGTH_16 ? 0 : n < 1 << 16 ? 2 : 8;
    text_add_char(to, (char)(FIN | opcode));
    text_add_char(to, (char)(n_length == 0 ? n : n_length == 2 ? LENGTH_16 : LENGTH_64));
    for (size_t i = n_length; i-- > 0;) {
        text_add_char(to, (char)((uint64_t)n >> (8 * i) & 0xff));
    }
    text_add_bytes(to, bytes, n);
}

void websocket_put_close(struct text *to, uint16_t code)
{
    uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    websocket_put_frame(to, WEBSOCKET_OP_CLOSE, bytes, code == WEBSOCKET_CODE_NONE ? 0 : 2);
}

// ---- The handshake ----------------------------------------------------------------------------

// 16 bytes are 22 digits of 6 bits and two that fill up.
static bool is_key(struct slice key)
{
    if (key.n != 24 || memcmp(key.data + 22, "==", 2) != 0) {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        uint8_t c = key.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/')) {
            return false;
        }
    }
    return true;
}

bool websocket_accept(struct slice key, char ret[WEBSOCKET_ACCEPT_BYTES + 1])
{
    static const char constant[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, section 1.3
    uint8_t joined[24 + sizeof constant - 1];
    uint8_t digest[20];
    if (!is_key(key)) {
        return false;
    }
    char encoded[WEBSOCKET_ACCEPT_BYTES + 8]; // the library wants more room than it needs
    memcpy(joined, key.data, 24);
    memcpy(joined + 24, constant, sizeof constant - 1);
    lws_SHA1(joined, sizeof joined, digest);
    int n = lws_b64_encode_string((const char *)digest, sizeof digest, encoded, sizeof encoded);
    ASSERT(n == WEBSOCKET_ACCEPT_BYTES);
    memcpy(ret, encoded, WEBSOCKET_ACCEPT_BYTES);
    ret[WEBSOCKET_ACCEPT_BYTES] = 0;
    return true;
}
