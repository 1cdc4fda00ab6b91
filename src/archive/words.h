#pragma once

// Words of run files: what stands in them instead of numbers.

#include "base/bytes.h"
#include "store/store.h"

// "file", "kernel", …
const char *image_kind_word(enum image_row_kind kind);

// False: no such word.
bool image_kind_of_word(struct slice word, enum image_row_kind *ret);

// The tables of rows by their numbers (enum row_table), then "frames" and "stacks".
const char *packed_table_name(size_t table);
