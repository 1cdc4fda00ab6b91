#pragma once

// Lines of source files, for whoever shows code.
//
// They are looked for in this order; the first one that is there wins:
//
//     1. what a substitution (--source-path) says, among our own files
//     2. the path itself, inside the root directory of the process (a container's own files)
//     3. the path itself, among our own files
//     4. Rust's own library: the sources that are installed, if they are of that very commit
//        (rust_sources.h)
//     5. what debuginfod servers sent, if they were asked before: the cache on disk
//
// Only regular files are opened, and no others, not even for a moment, nor what the kernel shows as
// files under /proc and /sys (image_root_open_file()); symlinks of a container stay inside of it.
// At most LIMIT_SOURCE_FILE_BYTES of one are read. A file with zero bytes in it is no text. One
// that is there and can't be read, or is no text, is passed over: the next place may do better.
//
// What a file says today need not be what was compiled: one that was changed after the binary was
// built is shown all the same, with a note (source_file_note()), and so is one of 3 when the
// process has files of its own.
//
// A number of files is kept (LIMIT_SOURCE_FILES, LIMIT_SOURCE_BYTES), the last used ones, and read
// anew when they have changed. Belongs to one thread, which may have to wait for a disk.

#include "code/source_path.h"
#include "image/image_root.h"
#include "image/library.h"

struct source_texts;

struct source_texts *source_texts_new(void);
void source_texts_free(struct source_texts *texts); // accepts NULL

// What a file is looked for with. All borrowed for the call.
struct source_wish {
    const char *path;                // as the debug information has it, made absolute
    const struct source_maps *maps;  // may be NULL
    struct image_root *root;         // of the process; may be NULL
    const struct build_id *build_id; // of the binary that it was compiled into; empty: not known
    uint64_t built_unix_ns;          // when that binary was last changed; 0: not known
    const char *cache_path;          // debuginfod_cache_path(); may be NULL
};

struct source_file; // lives until the next call of source_texts_find()

// The file, or NULL with the reason in `*ret_why` ("" when there is nothing to say: no such file).
// *ret_fetch becomes true when a debuginfod server could be asked for it, by the normalized path
// (and is left alone otherwise).
struct source_file *source_texts_find(struct source_texts *texts, const struct source_wish *wish,
                                      bool *ret_fetch, struct err *ret_why);

// Line 1 is the first one. Without its end; at most LIMIT_SOURCE_LINE_BYTES, but no character is
// cut in two. Bytes are as they are in the file, UTF-8 or not, but never zero. False: there are not
// so many.
bool source_file_line(const struct source_file *file, uint32_t line, struct slice *ret);

// Where it was found (inside of the root directory of the process for place 2), and what is to be
// said about it ("" for nothing), to be put behind that.
const char *source_file_path(const struct source_file *file);
const char *source_file_note(const struct source_file *file);
