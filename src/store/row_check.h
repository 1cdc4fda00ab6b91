#pragma once

// Whether rows from outside can be rows of a store: see store_rows_are_sound().

#include "store/store.h"

// No time is later than this: 292 years, and what JSON can say.
#define ROW_TIME_MAX ((uint64_t)INT64_MAX)

// Sorted, none with a key below `lowest`, and whatever they name is published.
bool row_check(const struct store *store, const struct row_block *block, uint64_t lowest);

// A reason and flags of a stay, as in struct interval.
bool row_check_stay(uint8_t reason, uint8_t flags);
