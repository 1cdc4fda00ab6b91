#pragma once

// What a linker writes into a file to tell one build from every other (.note.gnu.build-id).

#include "base/base.h"

#include <stdbool.h>
#include <string.h>

enum { BUILD_ID_MAX = 20 };

struct build_id {
    uint8_t n; // 0: none
    uint8_t at[BUILD_ID_MAX];
};

static inline bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
    return a->n == b->n && memcmp(a->at, b->at, a->n) == 0;
}
