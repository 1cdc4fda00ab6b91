#pragma once

// Addresses as .eh_frame writes them (LSB Core 10.5): a byte says of what width they are and what
// they are relative to.

#include "base/bytes.h"

enum {
    // The low four bits: width.
    POINTER_NATIVE = 0x00, // 8 bytes
    POINTER_ULEB = 0x01,
    POINTER_U16 = 0x02,
    POINTER_U32 = 0x03,
    POINTER_U64 = 0x04,
    POINTER_SLEB = 0x09,
    POINTER_S16 = 0x0a,
    POINTER_S32 = 0x0b,
    POINTER_S64 = 0x0c,
    POINTER_WIDTH = 0x0f,
    // The next three: relative to what.
    POINTER_ABSOLUTE = 0x00,
    POINTER_TO_ITSELF = 0x10,
    POINTER_TO_TEXT = 0x20,
    POINTER_TO_DATA = 0x30,
    POINTER_ALIGNED = 0x50, // absolute, at the next multiple of 8
    POINTER_RELATION = 0x70,
    // The last one: what is there is the address of the address.
    POINTER_INDIRECT = 0x80,
    POINTER_OMITTED = 0xff,
};

struct pointer_bases {
    uint64_t section_addr; // of the bytes of the reader
    uint64_t text_addr;
    uint64_t data_addr;
};

// Reads one. False when it is cut short or of a kind that can't be known from the bytes alone.
bool pointer_read(struct reader *from, uint8_t encoding, const struct pointer_bases *bases,
                  uint64_t *ret);

// Reads a number of the same width, relative to nothing: how many bytes something has.
bool pointer_read_size(struct reader *from, uint8_t encoding, uint64_t *ret);

// Moves on behind one, whatever it means. False when it is of no known width.
bool pointer_skip(struct reader *from, uint8_t encoding, const struct pointer_bases *bases);
