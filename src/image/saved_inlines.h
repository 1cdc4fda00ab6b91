#pragma once

// What is inlined at the addresses of one image, as a run file knows it: the answers that the
// inliner gave once, kept where they change. Immutable once it belongs to an image.

#include "base/bytes.h"
#include "image/inline_batch.h"

struct saved_inlines;

struct saved_inlines *saved_inlines_new(void);
void saved_inlines_free(struct saved_inlines *inlines); // accepts NULL

// A function, by the number under which chains name it: 0, 1, … The name is copied, up to a zero
// byte. False: too many (LIMIT_INLINE_SPANS), or the name is empty or longer than
// LIMIT_SYMBOL_BYTES; then nothing has that number.
bool saved_inlines_add_function(struct saved_inlines *inlines, struct slice name,
                                bool is_linkage_name, enum symbol_lang lang);

// A source file, by the number under which calls name it, likewise.
bool saved_inlines_add_file(struct saved_inlines *inlines, struct slice path);

enum { SAVED_INLINES_NO_FILE = UINT32_MAX };

// One level of a chain.
struct saved_inline {
    uint32_t function;
    uint32_t call_file; // SAVED_INLINES_NO_FILE: not known
    uint32_t call_line; // 0: not known
};

// The functions inlined from `addr` on, up to where the next chain begins, outermost first; 0 of
// them: none is. False: more than LIMIT_INLINE_DEPTH; one of them, or a file, unknown; an address
// that does not lie behind the one before; or too much memory (LIMIT_INLINE_BYTES).
bool saved_inlines_add_chain(struct saved_inlines *inlines, uint64_t addr,
                             const struct saved_inline *levels, uint32_t n);

// Done adding.
void saved_inlines_finish(struct saved_inlines *inlines);

// NULL: nothing is inlined there, as far as known. Any thread.
const struct inline_chain *saved_inlines_find(const struct saved_inlines *inlines, uint64_t addr);
