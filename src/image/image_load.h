#pragma once

// Reads one image: its symbols, or how to unwind its code; and says in one line what is missing.
// Runs on the library's workers.

#include "image/library.h"

struct image_loaded {
    struct symtab *symtab; // NULL: failed
    struct image_stamp stamp;
    bool was_changed;
    struct build_id build_id;
    bool has_dwarf;
    bool names_missing; // dynamic symbols only, and a build-id to ask others by
    struct image_debug *debug;
    struct err note;
};

// `debug_path` is $STAX_DEBUG_PATH, or NULL.
void image_load(const struct image *image, const char *debug_path, struct image_loaded *ret);

// Only what is a file, or the vdso. NULL, and why not.
struct cfi_table *image_load_cfi(const struct image *image, struct cfi_facts *ret_facts,
                                 struct err *reterr);
