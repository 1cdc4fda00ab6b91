#include "base/file.h"
#include "export/export.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

void export_out_init(struct export_out *out, int fd, bool gzip)
{
    *out = (struct export_out){.fd = fd};
    if (gzip) {
        enum { WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 }; // the largest window, a gzip header
        z_stream *stream = NEW(z_stream);
        out->gzip = stream;
        if (deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                         Z_DEFAULT_STRATEGY) != Z_OK) {
            free(TAKE(out->gzip));
            out->error = -ENOMEM;
        }
    }
}

void export_out_fini(struct export_out *out)
{
    if (out->gzip != NULL) {
        deflateEnd(out->gzip);
        free(TAKE(out->gzip));
    }
    text_fini(&out->pending);
}

struct text *export_out_text(struct export_out *out)
{
    return &out->pending;
}

static void write_out(struct export_out *out, const void *bytes, size_t n)
{
    if (out->error == 0 && n > 0) {
        out->error = fd_write_all(out->fd, bytes, n);
    }
}

// Packs `n` bytes, and writes what comes of it. `flush`: Z_NO_FLUSH, or Z_FINISH for the end.
static void pack(struct export_out *out, const char *bytes, size_t n, int flush)
{
    z_stream *stream = out->gzip;
    unsigned char packed[16 << 10];
    do {
        // zlib counts in 32 bits.
        uInt in = (uInt)MIN(n, (size_t)1 << 30);
        stream->next_in = (Bytef *)(uintptr_t)bytes;
        stream->avail_in = in;
        int now = in == n ? flush : Z_NO_FLUSH;
        do {
            stream->next_out = packed;
            stream->avail_out = sizeof packed;
            ASSERT(deflate(stream, now) != Z_STREAM_ERROR);
            write_out(out, packed, sizeof packed - stream->avail_out);
        } while (stream->avail_out == 0 && out->error == 0);
        bytes += in;
        n -= in;
    } while (n > 0 && out->error == 0);
}

static void flush(struct export_out *out)
{
    struct text *pending = &out->pending;
    out->written += pending->n;
    if (out->error == 0 && out->gzip != NULL) {
        pack(out, text_get(pending), pending->n, Z_NO_FLUSH);
    } else {
        write_out(out, text_get(pending), pending->n);
    }
    text_clear(pending);
}

void export_out_drain(struct export_out *out)
{
    if (out->pending.n >= EXPORT_OUT_BYTES) {
        flush(out);
    }
}

int export_out_finish(struct export_out *out)
{
    flush(out);
    if (out->error == 0 && out->gzip != NULL) {
        pack(out, "", 0, Z_FINISH);
    }
    return out->error;
}
