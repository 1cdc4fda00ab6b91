#pragma once

// Memory that is always there. Running out of it ends the program with a line that says where: the
// server has nothing better to do. In exchange every quantity that a client or a target controls
// has a bound in base/limits.h.

#include "base/base.h"

// `n` objects of `size` bytes, zeroed. Aborts on overflow or out of memory. Never NULL.
void *alloc_zeroed(size_t n, size_t size);

// Grows or shrinks `old` (may be NULL) to `n` objects of `size` bytes; new bytes are not zeroed.
void *alloc_resize(void *old, size_t n, size_t size);

// Zeroed memory straight from the system, for what is large: only what is touched takes any, and
// free_pages() (of the same number of bytes) gives it back at once, whatever else lies on the heap.
void *alloc_pages(size_t bytes);
void free_pages(void *pages, size_t bytes);

// For a table that is looked up all over, with large pages where the system has them: to find a
// small one takes longer than to read what is in it. Not zeroed; free() frees it.
void *alloc_table(size_t bytes);

// A copy of `n` bytes plus a terminating zero.
char *alloc_text(const char *text, size_t n);

#define NEW(type)          ((type *)alloc_zeroed(1, sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)alloc_zeroed((n), sizeof(type)))

// For CLEANUP(): free(*pointer). Takes the address of any pointer.
void freep(void *pointer);
