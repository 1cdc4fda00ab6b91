#pragma once

// What debug information says of a listing's instructions: from which line of which file each was
// made, with its text, and which functions are inlined there. For listing_make.c.
//
// Inlined functions are looked up where a row of the line table begins, and hold up to the next
// row: a call that was inlined begins a row of its own, and these are the places that a run file
// knows, too (archive/names_file.h).

#include "code/listing_tools.h"

void listing_add_origins(struct listing *listing, struct listing_tools *tools,
                         const struct listing_run *run);
