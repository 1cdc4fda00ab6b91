#include "export/proto.h"

#include <endian.h>

// How a value is written.
enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

// Seven bits at a time, the lowest first; the top bit says that more follow.
void proto_varint(struct text *to, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        uint8_t low = value & 0x7f;
        value >>= 7;
        bytes[n++] = (uint8_t)(low | (value != 0 ? 0x80 : 0));
    } while (value != 0);
    text_add_bytes(to, bytes, n);
}

static size_t varint_bytes(uint64_t value)
{
    size_t n = 1;
    for (; value > 0x7f; value >>= 7) {
        n++;
    }
    return n;
}

static void put_key(struct text *to, uint32_t field, enum wire wire)
{
    proto_varint(to, (uint64_t)field << 3 | wire);
}

void proto_u64(struct text *to, uint32_t field, uint64_t value)
{
    put_key(to, field, WIRE_VARINT);
    proto_varint(to, value);
}

void proto_fixed64(struct text *to, uint32_t field, uint64_t value)
{
    uint64_t little = htole64(value);
    put_key(to, field, WIRE_FIXED64);
    text_add_bytes(to, &little, sizeof little);
}

void proto_double(struct text *to, uint32_t field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    proto_fixed64(to, field, bits);
}

void proto_bytes(struct text *to, uint32_t field, const void *bytes, size_t n)
{
    put_key(to, field, WIRE_BYTES);
    proto_varint(to, n);
    text_add_bytes(to, bytes, n);
}

void proto_string(struct text *to, uint32_t field, const char *bytes, size_t n)
{
    CLEANUP(text_fini) struct text visible = {0};
    text_add_escaped(&visible, bytes, n);
    proto_bytes(to, field, text_get(&visible), visible.n);
}

void proto_message(struct text *to, uint32_t field, const struct text *message)
{
    proto_bytes(to, field, text_get(message), message->n);
}

void proto_packed(struct text *to, uint32_t field, const uint64_t *values, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += varint_bytes(values[i]);
    }
    put_key(to, field, WIRE_BYTES);
    proto_varint(to, bytes);
    for (size_t i = 0; i < n; i++) {
        proto_varint(to, values[i]);
    }
}
