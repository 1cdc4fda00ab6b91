#pragma once

// Which code lies where at one moment: ranges of addresses that never overlap. A new one ends those
// that it overlaps, all of them: a function that has lost a part of its bytes is none any more.
//
// Sorted, in chunks of bounded length: a JIT may make millions of functions, in any order, and the
// recording must not stall for it.

#include "base/vec.h"

#include <stdbool.h>

enum { CODE_RANGES_CHUNK = 256 };

struct code_span {
    uint64_t start;
    uint64_t end;  // one past the last byte
    uint64_t what; // the caller's
};

struct code_ranges_chunk; // never empty

// All zero: empty.
struct code_ranges {
    VEC(struct code_ranges_chunk *) chunks;
    size_t n;
};

void code_ranges_fini(struct code_ranges *ranges);

// `start` < `end`. True when it took the place of something.
bool code_ranges_put(struct code_ranges *ranges, uint64_t start, uint64_t end, uint64_t what);

// Removes all that overlaps [start, end). True when there was something.
bool code_ranges_remove(struct code_ranges *ranges, uint64_t start, uint64_t end);

// The first one that ends beyond `addr`: the one that holds it, if any does. NULL when there is
// none. Borrowed until the next change.
const struct code_span *code_ranges_find(const struct code_ranges *ranges, uint64_t addr);
