#pragma once

// File descriptors and small files. Every descriptor here is born close-on-exec.

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

// For CLEANUP(): closes unless negative, keeps errno, leaves -1 behind.
void closep(int *fd);

// Moves a descriptor out of its variable, leaving -1.
static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

// Adds the whole of a file to `text`. Meant for /proc and settings; stops with -EFBIG beyond
// `limit_bytes`. Returns 0 or a negative errno.
int file_read(const char *path, size_t limit_bytes, struct text *text);

// The integer that a file starts with (as under /proc/sys), or a negative errno. *ret untouched on
// failure.
int file_read_integer(const char *path, long *ret);

// Writes all of it, across short writes and signals. 0 or a negative errno.
int fd_write_all(int fd, const void *bytes, size_t n);
