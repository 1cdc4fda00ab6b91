#pragma once

// The switch tables of a listing's instructions. For listing_make.c.

#include "code/listing.h"

// Those of the first part: others are versions of it that a JIT has made, and have no file to look
// into. Tables stand in the binary, or were saved with the function's code.
void listing_add_tables(struct listing *listing, const struct listing_run *run);
