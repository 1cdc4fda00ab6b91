#pragma once

// A library without files and without a worker, for tests and benchmarks: it stands in for
// image/library.c and image/demangle.c when linking, so that a test says which table arrives when.
// Tables themselves are real ones (image/symtab.h).

#include "image/library.h"

void fake_library_init(struct library *library);
void fake_library_fini(struct library *library);

uint32_t fake_library_add(struct library *library, enum image_kind kind);

// From now on the image has DWARF. What is inlined at the addresses of a batch, the test says:
// fake_library_asked() gives the oldest one that was wanted (or NULL), and inline_mailbox_put()
// sends it back.
void fake_library_add_dwarf(struct library *library, uint32_t id);
struct inline_batch *fake_library_asked(struct library *library);

// The loading of an image ends: with a table, which the library then owns, or with a reason.
void fake_library_publish(struct library *library, uint32_t id, struct symtab *symtab);
void fake_library_fail(struct library *library, uint32_t id, const char *note);
