#pragma once

// The worker that looks up inlined functions: a thread of its own, since a debug file of a gigabyte
// must not hold up the names of others.
//
// An address is looked up once in the life of the library; so asking again, for another run, is
// quick. Files stay open while there are questions about them, within LIMIT_INLINE_OPEN_BYTES, the
// last used ones; all are closed after some seconds without any. What is known of addresses stays,
// up to LIMIT_INLINE_BYTES; beyond, nothing is inlined.
//
// When an image gets another debug file, it starts over with that.

#include "image/inline_batch.h"

struct inliner;

struct inliner *inliner_new(void);

// What it has not begun is dropped. Batches that are under way come back, or are freed.
void inliner_free(struct inliner *inliner); // accepts NULL

// Takes the batch over; it comes back through its mailbox. The image is READY. Any thread.
void inliner_ask(struct inliner *inliner, struct inline_batch *batch);

// Of memory, at this moment. Any thread.
uint64_t inliner_bytes(const struct inliner *inliner);
