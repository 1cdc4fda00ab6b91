#include "archive/zstd_frame.h"

#include <errno.h>

ZSTD_CCtx *zstd_frame_new(int level)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ASSERT(zstd != NULL);
    ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level)));
    ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)));
    return zstd;
}

int zstd_frame_size(struct slice packed, uint64_t *ret_bytes)
{
    if (packed.n == 0) {
        return -EBADMSG;
    }
    size_t frame_bytes = ZSTD_findFrameCompressedSize(packed.data, packed.n);
    if (ZSTD_isError(frame_bytes) || frame_bytes != packed.n) {
        return -EBADMSG;
    }
    unsigned long long bytes = ZSTD_getFrameContentSize(packed.data, packed.n);
    if (bytes == ZSTD_CONTENTSIZE_UNKNOWN || bytes == ZSTD_CONTENTSIZE_ERROR) {
        return -EBADMSG;
    }
    *ret_bytes = bytes;
    return 0;
}

int zstd_frame_unpack(struct slice packed, void *to, size_t bytes)
{
    return ZSTD_decompress(to, bytes, packed.data, packed.n) == bytes ? 0 : -EBADMSG;
}
