#include "image/debugdata.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <errno.h>
#include <lzma.h>

enum {
    CHUNK_BYTES = 1 << 16,
    DECODER_BYTES = 128 << 20, // memory; `xz -9` makes files that need 65 MB
};

static int refuse(lzma_ret r, struct err *reterr)
{
    switch ((int)r) {
    case LZMA_MEMLIMIT_ERROR:
    case LZMA_MEM_ERROR:
        return err_set(reterr, EFBIG, "needs more than %d bytes to be unpacked", DECODER_BYTES);
    case LZMA_FORMAT_ERROR:
        return err_set(reterr, EBADMSG, "is not packed by xz");
    case LZMA_OK:        // wants more than there is
    case LZMA_BUF_ERROR: // likewise
        return err_set(reterr, EBADMSG, "is cut short");
    default:
        return err_set(reterr, EBADMSG, "is damaged");
    }
}

static int unpack(lzma_stream *stream, uint8_t *chunk, struct text *ret, struct err *reterr)
{
    lzma_ret r = LZMA_OK;
    while (r == LZMA_OK) {
        stream->next_out = chunk;
        stream->avail_out = CHUNK_BYTES;
        r = lzma_code(stream, LZMA_FINISH);
        size_t n = CHUNK_BYTES - stream->avail_out;
        if (n > LIMIT_DEBUGDATA_BYTES - ret->n) {
            return err_set(reterr, EFBIG, "is larger than %d bytes", LIMIT_DEBUGDATA_BYTES);
        }
        text_add_bytes(ret, chunk, n);
    }
    return r == LZMA_STREAM_END ? 0 : refuse(r, reterr);
}

int debugdata_unpack(struct slice packed, struct text *ret, struct err *reterr)
{
    text_clear(ret);
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_ret r = lzma_stream_decoder(&stream, DECODER_BYTES, 0);
    if (r != LZMA_OK) {
        return refuse(r, reterr);
    }
    CLEANUP(freep) uint8_t *chunk = NEW_ARRAY(uint8_t, CHUNK_BYTES);
    stream.next_in = packed.data;
    stream.avail_in = packed.n;
    int result = unpack(&stream, chunk, ret, reterr);
    lzma_end(&stream);
    return result;
}
