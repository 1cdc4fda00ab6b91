#pragma once

// Reads the symbols of one image: decides which file it is, whether that still is the file that
// was mapped, and says in one line what is missing. Runs on the library's worker.

#include "image/library.h"

struct image_loaded {
    struct symtab *symtab; // NULL: failed
    struct image_stamp stamp;
    bool was_changed;
    struct err note;
};

void image_load(const struct image *image, struct image_loaded *ret);

// What the file of this path looks like now; all zero when there is none.
struct image_stamp image_stamp_now(const struct image_root *root, const char *path);
