#pragma once

// The file that an image was mapped from: opens it as the process that mapped it would, and says
// whether what was read from it is what was mapped.
//
//     image_file_open()      the file at that path, or our own vdso
//     … read it, and the build-id with it …
//     image_file_check()     was it the right one, and still the same at the end?
//
// Used by both workers of the library: one for symbols, one for unwinding rules.

#include "image/library.h"

struct image_file {
    int fd;             // -1: `bytes`
    struct slice bytes; // of the vdso
    char *shown;        // its name, for notes
    struct image_stamp stamp;
    bool was_changed; // it turned out to be another one
};

// 0, or a negative errno with a line for people. Images of kind IMAGE_FILE and IMAGE_VDSO only.
// Fill in nothing before, and close it either way.
int image_file_open(const struct image *image, struct image_file *ret, struct err *reterr);
void image_file_close(struct image_file *file);

// 0, or -ESTALE with the reason: forget what you have read. `found` is the build-id that was in it.
int image_file_check(struct image_file *file, const struct image *image,
                     const struct build_id *found, struct err *reterr);

// What the file of this path looks like now; all zero when there is none.
struct image_stamp image_stamp_now(const struct image_root *root, const char *path);
struct image_stamp image_stamp_of(const struct stat *st);

// A path as a note can show it, on the heap: escaped, and only its end when it is long.
char *image_shown_path(const char *path);
