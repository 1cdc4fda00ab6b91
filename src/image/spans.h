#pragma once

// Address ranges that may overlap, made into ones that don't: at each address, the range that was
// added last counts. An inlined call is added after the function around it, so that the innermost
// one stands where both are.
//
//     added      1 [───────────────)         2    [────)          3  [──)
//     finished     [1 [3 )[2  )[1  )          one binary search finds the value
//
// First add, then finish once, then find.

#include "base/vec.h"

#include <stdbool.h>

struct span {
    uint64_t start;
    uint64_t end;
    uint32_t value;
    uint32_t order;
};

struct spans {
    VEC(struct span) added;
    VEC(uint64_t) starts;
    VEC(uint32_t) values; // from there on, up to the next; SPANS_NONE: nothing
};

enum { SPANS_NONE = UINT32_MAX };

void spans_fini(struct spans *spans); // a zeroed one is empty, and ready

// Empty and backward ranges are left out.
void spans_add(struct spans *spans, uint64_t start, uint64_t end, uint32_t value);

// O(n log n).
void spans_finish(struct spans *spans);

// The value at that address, or SPANS_NONE. O(log n).
uint32_t spans_find(const struct spans *spans, uint64_t addr);

// The same, and up to where it holds; UINT64_MAX: to the end.
uint32_t spans_find_until(const struct spans *spans, uint64_t addr, uint64_t *ret_until);

uint64_t spans_bytes(const struct spans *spans);
