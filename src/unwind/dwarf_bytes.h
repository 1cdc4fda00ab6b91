#pragma once

// Numbers of variable length (DWARF 5 section 7.6). Bits beyond the 64th are dropped.

#include "base/bytes.h"

static inline uint64_t read_uleb(struct reader *r)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;;) {
        uint8_t byte = read_u8(r);
        if (shift < 64) {
            value |= (uint64_t)(byte & 0x7f) << shift;
            shift += 7;
        }
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
}

static inline int64_t read_sleb(struct reader *r)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;;) {
        uint8_t byte = read_u8(r);
        if (shift < 64) {
            value |= (uint64_t)(byte & 0x7f) << shift;
            shift += 7;
        }
        if ((byte & 0x80) == 0) {
            bool negative = (byte & 0x40) != 0 && shift < 64;
            return (int64_t)(negative ? value | UINT64_MAX << shift : value);
        }
    }
}
