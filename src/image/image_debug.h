#pragma once

// The names that are not in the image itself: in a debug file of this machine (debug_file.h), in
// one that has been fetched, or packed in .gnu_debugdata. Runs on the library's worker for symbols.

#include "image/image_file.h"
#include "image/image_load.h"

// Looks for what the image, as read so far into `ret` from `file`, is lacking. Sets `debug`, a
// better `symtab`, and the note.
void image_debug_find(const struct image *image, const struct image_file *file,
                      const struct elf_facts *facts, const char *debug_path,
                      struct image_loaded *ret);

// Reads a debug file that has arrived for a READY image. Never NULL; without a path when it was
// refused. *ret_symtab stays NULL unless there are more names.
struct image_debug *image_debug_add(const struct image *image, const char *path,
                                    struct symtab **ret_symtab);

void image_debug_free(struct image_debug *debug); // and all older ones; accepts NULL
