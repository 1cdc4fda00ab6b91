#pragma once

// What is inlined at the addresses of one image, as a run file knows it: the answers that the
// inliner gave once, kept by address. Immutable once it belongs to an image.

#include "image/inline_batch.h"

struct saved_inlines;

struct saved_inlines *saved_inlines_new(void);
void saved_inlines_free(struct saved_inlines *inlines); // accepts NULL

// A function, by the number under which chains name it: 0, 1, … The name is copied. False: too many
// (LIMIT_INLINE_SPANS).
bool saved_inlines_add_function(struct saved_inlines *inlines, const char *name,
                                bool is_linkage_name, enum symbol_lang lang);

// The functions inlined at `addr`, outermost first. False: more than LIMIT_INLINE_DEPTH, one of
// them unknown, or the address was there already.
bool saved_inlines_add_chain(struct saved_inlines *inlines, uint64_t addr,
                             const uint32_t *functions, uint32_t n);

// Done adding: sorts by address.
void saved_inlines_finish(struct saved_inlines *inlines);

const struct inline_chain *saved_inlines_find(const struct saved_inlines *inlines, uint64_t addr);
