#pragma once

// Memory that is always there. Running out of it ends the program with a line that says where: the
// server has nothing better to do. In exchange every quantity that a client or a target controls
// has a bound in base/limits.h.

#include "base/base.h"

// `n` objects of `size` bytes, zeroed. Aborts on overflow or out of memory. Never NULL.
void *alloc_zeroed(size_t n, size_t size);

// Grows or shrinks `old` (may be NULL) to `n` objects of `size` bytes; new bytes are not zeroed.
void *alloc_resize(void *old, size_t n, size_t size);

// A copy of `n` bytes plus a terminating zero.
char *alloc_text(const char *text, size_t n);

#define NEW(type)          ((type *)alloc_zeroed(1, sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)alloc_zeroed((n), sizeof(type)))

// For CLEANUP(): free(*pointer). Takes the address of any pointer.
void freep(void *pointer);
