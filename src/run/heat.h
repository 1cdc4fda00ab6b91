#pragma once

// Which images are worth names first: those that samples fall into. Counts the innermost frame of
// each sample, and tells the library of it once per drain, not once per sample: the library's
// counters are everybody's.

#include "base/vec.h"
#include "image/library.h"
#include "store/store.h"

struct heat {
    VEC(uint32_t) samples; // by image_id, since the last flush
    VEC(image_id) warm;    // those with samples
};

void heat_fini(struct heat *heat);

void heat_add(struct heat *heat, const struct store *store, stack_id stack);
void heat_flush(struct heat *heat, const struct store *store, struct library *library);
