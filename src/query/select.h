#pragma once

// The first few of many, in order, without sorting the rest.

#include "base/base.h"

typedef int (*select_compare_fn)(const void *a, const void *b, void *context);

enum { SELECT_MAX_BYTES = 256 }; // of one element

// Moves the `first` smallest of `n` elements to the front, sorted; the order of the others is not
// defined. No two elements may compare as equal: an answer has to come out the same every time.
void select_first(void *elements, size_t n, size_t element_bytes, size_t first,
                  select_compare_fn compare, void *context);
