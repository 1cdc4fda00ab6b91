#pragma once

// One source file in memory, cut into lines. For source_text.c, which finds and keeps them; what
// others see of it is in source_text.h.

#include "base/vec.h"
#include "code/source_text.h"

struct source_file {
    struct image_root *root; // referenced: inside of which `path` was found
    char *path;
    struct image_stamp stamp;
    uint64_t changed_unix_ns; // when it was last written to
    char *text;               // not terminated
    size_t n;                 // without zero bytes
    VEC(uint32_t) starts;     // of lines, in `text`
    bool is_cut;              // there is more of it than LIMIT_SOURCE_FILE_BYTES
    char *note;
    uint64_t used; // when, as source_text.c counts
};

// Reads one. 0, or a negative errno and why not: -ENOEXEC it is no regular file, -EILSEQ it has
// zero bytes and so is no text, -ENODATA it is empty.
int source_file_read(struct image_root *root, const char *path, struct source_file **ret,
                     struct err *reterr);
void source_file_free(struct source_file *file); // accepts NULL

uint64_t source_file_bytes(const struct source_file *file); // of memory
