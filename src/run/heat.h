#pragma once

// Which images are worth names first: those that samples fall into. Counts the innermost frames of
// samples, and tells the library of them once per drain, not once per sample: the library's
// counters are everybody's.
//
// Looking up a frame costs as much as a quarter of all the rest that is done for a sample, so no
// more than HEAT_SAMPLES of one drain are looked at. That is all of them, but in a storm; and then
// as many are enough to tell what is hot.

#include "base/vec.h"
#include "image/library.h"
#include "store/store.h"

enum { HEAT_SAMPLES = 512 };

struct heat {
    uint32_t n;            // looked at since the last flush
    VEC(uint32_t) samples; // by image_id, since the last flush
    VEC(image_id) warm;    // those with samples
};

void heat_fini(struct heat *heat);

void heat_add(struct heat *heat, const struct store *store, stack_id stack);
void heat_flush(struct heat *heat, const struct store *store, struct library *library);
