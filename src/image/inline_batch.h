#pragma once

// Questions about inlined functions on their way to the worker (image/inliner.h) and back: many
// addresses of one image at a time. A batch belongs to who holds it. Chains and functions belong to
// the image: they never change and live as long as the library.
//
//     asker ──library_want_inlines()──► [ worker ] ──inline_mailbox_put()──► asker's mailbox
//
// A mailbox outlives its owner until the last batch is back.

#include "base/err.h"
#include "base/queue.h"
#include "base/vec.h"
#include "image/symtab.h"

#include <stdatomic.h>

struct image;

struct inline_function {
    const char *name; // as in the file: mangled if `is_linkage_name` and the language does that
    enum symbol_lang lang; // that it is declared in; SYMBOL_UNKNOWN for other languages
    bool is_linkage_name;
};

// Where it is called.
struct inline_call {
    const char *file; // source_files.h; NULL: not known
    uint32_t line;    // 0: not known
    uint32_t unused;  // 0: calls are compared as bytes
};

// What is inlined at an address, outermost first.
struct inline_chain {
    uint32_t n;
    const struct inline_call *calls; // of each; may be NULL: not known
    const struct inline_function *at[];
};

struct inline_address {
    uint64_t addr;                    // the file's own, p_vaddr
    uint32_t mark;                    // the asker's own business
    const struct inline_chain *chain; // the answer; NULL: nothing
};

struct inline_batch {
    struct image *image;
    VEC(struct inline_address) at;
    struct err note; // the answer: why inlined functions are missing; "" when all is well
    struct inline_mailbox *mailbox;
};

struct inline_mailbox {
    struct queue answered;
    void (*on_answer)(void *context); // on the worker's thread, may be NULL
    void *context;
    pthread_mutex_t lock;    // held by on_answer(), so that it is over when the owner has left
    _Atomic bool closed;     // nobody waits for answers any more
    _Atomic uint32_t n_refs; // the owner, and one per batch under way
};

struct inline_mailbox *inline_mailbox_new(void (*on_answer)(void *context), void *context);

// The owner leaves: on_answer() is never called again.
void inline_mailbox_close(struct inline_mailbox *mailbox); // accepts NULL

// An answered batch, or NULL for now.
struct inline_batch *inline_mailbox_take(struct inline_mailbox *mailbox);

// An answered batch comes home; or it is freed, because nobody is there.
void inline_mailbox_put(struct inline_batch *batch);

struct inline_batch *inline_batch_new(struct image *image, struct inline_mailbox *mailbox);
void inline_batch_free(struct inline_batch *batch); // accepts NULL
