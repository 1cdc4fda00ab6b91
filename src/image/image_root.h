#pragma once

// The root directory of a process, open for as long as somebody needs it: the process may be gone
// by the time its files are read. All processes with the same root share one descriptor. Reference
// counted, thread-safe. NULL is fine for what has no files (the kernel); paths are then our own.

#include "base/err.h"

#include <stdbool.h>
#include <sys/stat.h>

struct image_root;

// What makes a root the same as another: the directory and the mount that it is seen through, so
// that two mount namespaces differ even where they begin at one directory.
struct image_root_key {
    uint64_t device;
    uint64_t inode;
    uint64_t mount;
};

// Falls back to our own root when the process is gone or someone else's; never NULL.
struct image_root *image_root_open(uint32_t pid);

// The same of a directory, for tests and tools. NULL when it can't be opened.
struct image_root *image_root_open_directory(const char *path);

struct image_root *image_root_ref(struct image_root *root); // returns it
void image_root_unref(struct image_root *root);

struct image_root_key image_root_key(const struct image_root *root);

// Opens a regular file for reading, as a process with this root would find it: absolute symlinks
// and `..` stay inside. Anything else is never opened, not even for a moment: opening a device can
// have effects, and so can what the kernel shows as files under /proc and /sys. A descriptor, or a
// negative errno.
int image_root_open_file(const struct image_root *root, const char *path, struct err *reterr);

// Looks at a file without opening it. 0 or a negative errno.
int image_root_stat(const struct image_root *root, const char *path, struct stat *ret);
