#pragma once

// Lists of numbers as few bytes: what codec.h makes rows into.
//
// A list is cut into planes: the lowest byte of every number, then the second lowest of every
// number, and so on, as many as the largest one needs. Each plane becomes a block of its own of one
// zstd frame, and so gets a code of its own: the low planes of times are noise and stay as they
// are, the high ones pack to little, and neither spoils the other's statistics.
//
//     numbers      01 02 03 | 01 02 07 | 01 02 05          (the highest byte first)
//     in the body  3 │ 03 07 05 │ 02 02 02 │ 01 01 01
//                  └ planes, each the end of a block
//
// The frame has a checksum and says how long it is unpacked. Which lists there are, and how long
// each is, the reader knows: only the planes are counted.

#include "base/bytes.h"
#include "base/text.h"
#include "base/vec.h"

struct packer {
    VEC(uint8_t) body;
    VEC(size_t) ends; // of planes, in the body
};

// A zeroed one is empty and valid.
void packer_fini(struct packer *packer);

void packer_add(struct packer *packer, const uint64_t *numbers, size_t n);
void packer_add_one(struct packer *packer, uint64_t number);

// Appends the frame.
void packer_finish(const struct packer *packer, struct text *to);

struct unpacker {
    uint8_t *body;
    struct reader from;
};

// 0, or -EBADMSG: not one whole frame, or longer than `limit_bytes` when unpacked.
int unpacker_init(struct unpacker *unpacker, struct slice packed, size_t limit_bytes);
void unpacker_fini(struct unpacker *unpacker);

// The next list: `n` numbers of at most `bytes_each` (up to 8). When it is not there the unpacker
// is bad from then on, and all numbers are zero.
void unpacker_take(struct unpacker *unpacker, uint64_t *ret_numbers, size_t n, uint32_t bytes_each);
uint64_t unpacker_take_one(struct unpacker *unpacker, uint32_t bytes_each);

// 0 when everything was there and nothing is left; else -EBADMSG.
int unpacker_end(const struct unpacker *unpacker);

// Small differences of either sign become small numbers, and back: 0, -1, 1, -2, … Differences wrap
// around, so that any two numbers have one.
static inline uint64_t number_fold(uint64_t difference)
{
    return difference << 1 ^ (0 - (difference >> 63));
}

static inline uint64_t number_unfold(uint64_t folded)
{
    return folded >> 1 ^ (0 - (folded & 1));
}
