#pragma once

// Bytes from outside, read in one place that checks bounds.
//
// A `struct slice` borrows bytes. A `struct reader` walks a slice from its start; reading past the
// end sets `bad`, yields zeros and stays bad, so that a parser may read a whole record and ask once
// at its end. Integers are little-endian or the host's as the name says; nothing needs alignment.

#include "base/base.h"

#include <stdbool.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t n;
};

struct reader {
    struct slice bytes;
    size_t at;
    bool bad;
};

static inline struct reader reader_of(struct slice bytes)
{
    return (struct reader){.bytes = bytes};
}

static inline size_t reader_left(const struct reader *r)
{
    return r->bad ? 0 : r->bytes.n - r->at;
}

// The next `n` bytes, borrowed; an empty slice when there are fewer.
static inline struct slice read_slice(struct reader *r, size_t n)
{
    if (n > reader_left(r)) {
        r->bad = true;
        return (struct slice){0};
    }
    if (n == 0) { // perhaps of nothing at all, where even 0 may not be added to NULL
        return (struct slice){.data = r->bytes.data == NULL ? NULL : r->bytes.data + r->at};
    }
    struct slice result = {.data = r->bytes.data + r->at, .n = n};
    r->at += n;
    return result;
}

// Copies `n` bytes to `to`, which is zeroed when there are fewer.
static inline void read_bytes(struct reader *r, void *to, size_t n)
{
    struct slice from = read_slice(r, n);
    if (from.n == n && n > 0) {
        memcpy(to, from.data, n);
    } else {
        memset(to, 0, n);
    }
}

static inline uint8_t read_u8(struct reader *r)
{
    uint8_t value;
    read_bytes(r, &value, sizeof value);
    return value;
}

// The host's byte order: what the kernel writes, and our own files say which one they have.
static inline uint16_t read_u16(struct reader *r)
{
    uint16_t value;
    read_bytes(r, &value, sizeof value);
    return value;
}

static inline uint32_t read_u32(struct reader *r)
{
    uint32_t value;
    read_bytes(r, &value, sizeof value);
    return value;
}

static inline uint64_t read_u64(struct reader *r)
{
    uint64_t value;
    read_bytes(r, &value, sizeof value);
    return value;
}

// The text up to the next zero byte, which is consumed and not part of the result; bad without one.
static inline struct slice read_text(struct reader *r)
{
    const uint8_t *from = reader_left(r) == 0 ? NULL : r->bytes.data + r->at;
    const uint8_t *end = from == NULL ? NULL : memchr(from, 0, reader_left(r));
    if (end == NULL) {
        r->bad = true;
        return (struct slice){0};
    }
    r->at += (size_t)(end - from) + 1;
    return (struct slice){.data = from, .n = (size_t)(end - from)};
}

static inline struct slice slice_of_text(const char *text)
{
    return (struct slice){.data = (const uint8_t *)text, .n = strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.data, b.data, a.n) == 0);
}
