#include "capture/perf_data/perf_stream.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

enum {
    CHUNK_BYTES = 1 << 20,
    SPARES_MAX = 32,     // chunks
    WINDOW_LOG_MAX = 27, // memory that a frame may ask for: 128 MiB
};

void perf_stream_init(struct perf_stream *stream, int fd, const struct perf_data_header *header)
{
    *stream = (struct perf_stream){
        .fd = fd,
        .off = header->data.off,
        .end_off = header->data.off + header->data.size_bytes,
        .may_end = header->unfinished,
    };
}

// ---- Chunks
// --------------------------------------------------------------------------------------

static struct perf_chunk *chunk_new(struct perf_stream *stream, size_t room)
{
    struct perf_chunk *chunk = room == CHUNK_BYTES ? stream->spares : NULL;
    if (chunk != NULL) {
        stream->spares = chunk->next;
        stream->n_spares--;
    } else {
        chunk = alloc_resize(NULL, 1, sizeof *chunk + room);
    }
    stream->chunk_bytes += room;
    *chunk = (struct perf_chunk){.n_holders = 1, .room = room};
    return chunk;
}

static uint8_t *bytes_of(struct perf_chunk *chunk)
{
    return (uint8_t *)chunk->words;
}

void perf_stream_hold(struct perf_chunk *chunk)
{
    chunk->n_holders++;
}

void perf_stream_release(struct perf_stream *stream, struct perf_chunk *chunk)
{
    if (chunk == NULL || --chunk->n_holders > 0) {
        return;
    }
    stream->chunk_bytes -= chunk->room;
    if (stream->n_spares < SPARES_MAX && chunk->room == CHUNK_BYTES) {
        chunk->next = stream->spares;
        stream->spares = chunk;
        stream->n_spares++;
    } else {
        free(chunk);
    }
}

struct perf_chunk *perf_stream_copy(struct perf_stream *stream,
                                    const struct perf_stream_record *record)
{
    struct perf_chunk *chunk = chunk_new(stream, record->header.size);
    memcpy(bytes_of(chunk), record->at, record->header.size);
    chunk->n = record->header.size;
    return chunk;
}

void perf_stream_fini(struct perf_stream *stream)
{
    perf_stream_release(stream, TAKE(stream->outer.chunk));
    perf_stream_release(stream, TAKE(stream->inner.chunk));
    while (stream->spares != NULL) {
        struct perf_chunk *chunk = stream->spares;
        stream->spares = chunk->next;
        free(chunk);
    }
    stream->n_spares = 0;
    ZSTD_freeDCtx(TAKE(stream->zstd));
}

// A chunk with room, which begins with what is left of the last one.
static void next_chunk(struct perf_stream *stream, struct perf_source *source)
{
    struct perf_chunk *chunk = chunk_new(stream, CHUNK_BYTES);
    struct perf_chunk *old = source->chunk;
    chunk->n = old == NULL ? 0 : old->n - source->at;
    if (chunk->n > 0) {
        memcpy(bytes_of(chunk), bytes_of(old) + source->at, chunk->n);
    }
    source->chunk = chunk;
    source->at = 0;
    perf_stream_release(stream, old);
}

static size_t left(const struct perf_source *source)
{
    return source->chunk == NULL ? 0 : source->chunk->n - source->at;
}

// ---- The file
// ------------------------------------------------------------------------------------

// Reads on, up to a full chunk. 0 or a negative errno.
static int fill(struct perf_stream *stream)
{
    next_chunk(stream, &stream->outer);
    struct perf_chunk *chunk = stream->outer.chunk;
    while (chunk->n < chunk->room && stream->off < stream->end_off && !stream->file_ended) {
        size_t wanted = (size_t)MIN((uint64_t)(chunk->room - chunk->n),
                                    stream->end_off - stream->off);
        ssize_t n = pread(stream->fd, bytes_of(chunk) + chunk->n, wanted, (off_t)stream->off);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        stream->file_ended = n == 0;
        chunk->n += n > 0 ? (size_t)n : 0;
        stream->off += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

static bool can_fill(const struct perf_stream *stream)
{
    return stream->off < stream->end_off && !stream->file_ended;
}

int perf_stream_take(struct perf_stream *stream, uint64_t n, struct text *ret)
{
    while (n > 0) {
        size_t some = (size_t)MIN((uint64_t)left(&stream->outer), n);
        if (some == 0) {
            int r = can_fill(stream) ? fill(stream) : PERF_STREAM_CUT;
            if (r != 0) {
                return r;
            }
            continue;
        }
        if (ret->n < LIMIT_PERF_SECTION_BYTES) {
            text_add_bytes(ret, bytes_of(stream->outer.chunk) + stream->outer.at, some);
        }
        stream->outer.at += some;
        n -= some;
    }
    return 0;
}

// ---- Records
// -------------------------------------------------------------------------------------

// The next record of a source, if all of it is there; PERF_STREAM_END: it is not.
static enum perf_stream_outcome take(struct perf_source *source, struct perf_stream_record *ret)
{
    if (left(source) < sizeof ret->header) {
        return PERF_STREAM_END;
    }
    const uint8_t *at = bytes_of(source->chunk) + source->at;
    memcpy(&ret->header, at, sizeof ret->header);
    if (ret->header.size < sizeof ret->header) {
        return PERF_STREAM_BAD;
    }
    if (ret->header.size > left(source)) {
        return PERF_STREAM_END;
    }
    ret->at = at;
    ret->chunk = source->chunk;
    source->at += ret->header.size;
    return PERF_STREAM_OK;
}

static int take_outer(struct perf_stream *stream, struct perf_stream_record *ret)
{
    for (;;) {
        enum perf_stream_outcome outcome = take(&stream->outer, ret);
        if (outcome != PERF_STREAM_END) {
            return (int)outcome;
        }
        if (!can_fill(stream)) {
            bool early = stream->file_ended && !stream->may_end;
            bool cut = early || left(&stream->outer) > 0 || left(&stream->inner) > 0;
            return cut ? PERF_STREAM_CUT : PERF_STREAM_END;
        }
        int r = fill(stream);
        if (r < 0) {
            return r;
        }
    }
}

// ---- Packed ones
// ---------------------------------------------------------------------------------

// False: makes no sense, or is too much.
static bool unpack_more(struct perf_stream *stream)
{
    if (stream->zstd == NULL) {
        stream->zstd = ZSTD_createDCtx();
        ASSERT(stream->zstd != NULL);
        ZSTD_DCtx_setParameter(stream->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    }
    next_chunk(stream, &stream->inner);
    struct perf_chunk *chunk = stream->inner.chunk;
    ZSTD_inBuffer in = {.src = stream->packed.data, .size = stream->packed.n};
    ZSTD_outBuffer out = {.dst = bytes_of(chunk), .size = chunk->room, .pos = chunk->n};
    size_t r = ZSTD_decompressStream(stream->zstd, &out, &in);
    bool stuck = in.pos == 0 && out.pos == chunk->n && stream->packed.n > 0;
    if (ZSTD_isError(r) || stuck) {
        return false;
    }
    stream->n_unpacked_bytes += out.pos - chunk->n;
    stream->more_unpacked = out.pos == out.size;
    chunk->n = out.pos;
    stream->packed = (struct slice){stream->packed.data + in.pos, stream->packed.n - in.pos};
    return stream->n_unpacked_bytes >> 20 < LIMIT_PERF_UNPACKED_MIB;
}

// What is packed in the record. Other ones come only after all of it.
static bool begin_unpacking(struct perf_stream *stream, const struct perf_stream_record *record)
{
    struct reader body = reader_of((struct slice){record->at + sizeof record->header,
                                                  record->header.size - sizeof record->header});
    size_t n = reader_left(&body);
    if (record->header.type == PERF_USER_COMPRESSED2) {
        uint64_t told = read_u64(&body);
        if (body.bad || told > reader_left(&body)) {
            return false;
        }
        n = (size_t)told;
    }
    stream->packed = read_slice(&body, n);
    return true;
}

int perf_stream_next(struct perf_stream *stream, struct perf_stream_record *ret)
{
    for (;;) {
        enum perf_stream_outcome outcome = take(&stream->inner, ret);
        if (outcome != PERF_STREAM_END) {
            return (int)outcome;
        }
        if (stream->packed.n > 0 || stream->more_unpacked) {
            if (!unpack_more(stream)) {
                return PERF_STREAM_BAD;
            }
            continue;
        }
        int r = take_outer(stream, ret);
        bool packed = r == PERF_STREAM_OK && (ret->header.type == PERF_USER_COMPRESSED ||
                                              ret->header.type == PERF_USER_COMPRESSED2);
        if (!packed) {
            return r;
        }
        if (!begin_unpacking(stream, ret)) {
            return PERF_STREAM_BAD;
        }
    }
}
