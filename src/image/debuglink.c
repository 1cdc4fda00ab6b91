#include "image/debuglink.h"

#include "base/alloc.h"

#include <errno.h>
#include <lzma.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 16 };

static uint32_t crc_at(const uint8_t *at, bool is_big_endian)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < sizeof crc; i++) {
        crc = crc << 8 | at[is_big_endian ? i : sizeof crc - 1 - i];
    }
    return crc;
}

static bool is_plain_name(struct slice name)
{
    return name.n > 0 && name.n < DEBUGLINK_NAME_BYTES && memchr(name.data, '/', name.n) == NULL &&
           !slice_equal(name, slice_of_text(".")) && !slice_equal(name, slice_of_text(".."));
}

bool debuglink_parse(struct slice section, bool is_big_endian, struct debuglink *ret)
{
    *ret = (struct debuglink){0};
    struct reader reader = reader_of(section);
    struct slice name = read_text(&reader);
    read_slice(&reader, -reader.at % sizeof ret->crc); // up to a multiple of four
    struct slice crc = read_slice(&reader, sizeof ret->crc);
    if (reader.bad || !is_plain_name(name)) {
        return false;
    }
    memcpy(ret->name, name.data, name.n);
    ret->crc = crc_at(crc.data, is_big_endian);
    return true;
}

int debuglink_crc(int fd, uint32_t *ret)
{
    CLEANUP(freep) uint8_t *chunk = NEW_ARRAY(uint8_t, CHUNK_BYTES);
    uint32_t crc = 0;
    ssize_t n;
    for (off_t at = 0; (n = pread(fd, chunk, CHUNK_BYTES, at)) != 0; at += n) {
        if (n < 0) {
            return -errno;
        }
        crc = lzma_crc32(chunk, (size_t)n, crc);
    }
    *ret = crc;
    return 0;
}
