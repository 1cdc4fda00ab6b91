#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void closep(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
        *fd = -1;
    }
}

int file_read(const char *path, size_t limit_bytes, struct text *text)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    char buffer[16384];
    for (size_t total = 0;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return 0;
        }
        total += (size_t)n;
        if (total > limit_bytes) {
            return -EFBIG;
        }
        text_add_bytes(text, buffer, (size_t)n);
    }
}

int file_read_integer(const char *path, long *ret)
{
    CLEANUP(text_fini) struct text text = {0};
    int r = file_read(path, 256, &text);
    if (r < 0) {
        return r;
    }
    char *end;
    errno = 0;
    long value = strtol(text_get(&text), &end, 10);
    if (errno != 0 || end == text_get(&text)) {
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

int fd_write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t written = write(fd, at, n);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return -errno;
        }
        at += written;
        n -= (size_t)written;
    }
    return 0;
}
