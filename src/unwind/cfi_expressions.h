#pragma once

// The expressions of a table: each distinct one once, known by a number.

#include "base/bytes.h"
#include "base/map.h"
#include "base/vec.h"

struct cfi_expression {
    uint32_t off; // in `bytes`
    uint32_t n;
};

struct cfi_expressions {
    VEC(struct cfi_expression) list;
    VEC(uint8_t) bytes;
    struct map by_hash; // only while adding
};

void cfi_expressions_fini(struct cfi_expressions *expressions);

// Its number. False when there are too many.
bool cfi_expressions_add(struct cfi_expressions *expressions, struct slice code, int32_t *ret);

// The code of a number that was handed out; of another one: no code.
struct slice cfi_expressions_get(const struct cfi_expressions *expressions, int32_t number);
