#include "archive/numbers.h"

#include "archive/zstd_frame.h"

#include <errno.h>

// Level 1: above it only noise is searched for longer.
enum { LEVEL = 1, BLOCK_OVERHEAD_BYTES = 32 };

void packer_fini(struct packer *packer)
{
    vec_fini(&packer->body);
    vec_fini(&packer->ends);
}

static uint32_t bytes_needed(const uint64_t *numbers, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all |= numbers[i];
    }
    uint32_t bytes = 0;
    for (; all != 0; all >>= 8) {
        bytes++;
    }
    return bytes;
}

static void add_plane(struct packer *packer, const uint64_t *numbers, size_t n, uint32_t shift)
{
    vec_reserve(&packer->body, packer->body.n + n);
    uint8_t *plane = packer->body.at + packer->body.n;
    for (size_t i = 0; i < n; i++) {
        plane[i] = (uint8_t)(numbers[i] >> shift);
    }
    packer->body.n += n;
    vec_push(&packer->ends, packer->body.n);
}

void packer_add(struct packer *packer, const uint64_t *numbers, size_t n)
{
    uint32_t planes = bytes_needed(numbers, n);
    vec_push(&packer->body, (uint8_t)planes);
    for (uint32_t p = 0; p < planes; p++) {
        add_plane(packer, numbers, n, p * 8);
    }
}

// Too little to be a block of its own.
void packer_add_one(struct packer *packer, uint64_t number)
{
    uint32_t planes = bytes_needed(&number, 1);
    vec_push(&packer->body, (uint8_t)planes);
    for (uint32_t p = 0; p < planes; p++) {
        vec_push(&packer->body, (uint8_t)(number >> p * 8));
    }
}

// Everything up to `end`. The output has room for it.
static void compress(ZSTD_CCtx *zstd, ZSTD_outBuffer *out, ZSTD_inBuffer *in, size_t end,
                     ZSTD_EndDirective how)
{
    in->size = end;
    size_t left = ZSTD_compressStream2(zstd, out, in, how);
    ASSERT(left == 0); // neither an error nor out of room
}

void packer_finish(const struct packer *packer, struct text *to)
{
    ZSTD_CCtx *zstd = zstd_frame_new(LEVEL);
    ASSERT(!ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(zstd, packer->body.n)));
    size_t room = ZSTD_compressBound(packer->body.n) + packer->ends.n * BLOCK_OVERHEAD_BYTES;
    CLEANUP(freep) uint8_t *packed = alloc_resize(NULL, room, 1);
    ZSTD_outBuffer out = {.dst = packed, .size = room};
    ZSTD_inBuffer in = {.src = packer->body.at};
    for (size_t i = 0; i < packer->ends.n; i++) {
        compress(zstd, &out, &in, packer->ends.at[i], ZSTD_e_flush);
    }
    compress(zstd, &out, &in, packer->body.n, ZSTD_e_end);
    ZSTD_freeCCtx(zstd);
    text_add_bytes(to, packed, out.pos);
}

int unpacker_init(struct unpacker *unpacker, struct slice packed, size_t limit_bytes)
{
    *unpacker = (struct unpacker){0};
    uint64_t n = 0;
    int r = zstd_frame_size(packed, &n);
    if (r < 0 || n > limit_bytes) {
        return -EBADMSG;
    }
    unpacker->body = alloc_resize(NULL, (size_t)n, 1);
    r = zstd_frame_unpack(packed, unpacker->body, (size_t)n);
    if (r < 0) {
        return r;
    }
    unpacker->from = reader_of((struct slice){unpacker->body, (size_t)n});
    return 0;
}

void unpacker_fini(struct unpacker *unpacker)
{
    free(unpacker->body);
    *unpacker = (struct unpacker){0};
}

static void add_to(uint64_t *numbers, const uint8_t *plane, size_t n, uint32_t shift)
{
    for (size_t i = 0; i < n; i++) {
        numbers[i] |= (uint64_t)plane[i] << shift;
    }
}

void unpacker_take(struct unpacker *unpacker, uint64_t *ret_numbers, size_t n, uint32_t bytes_each)
{
    memset(ret_numbers, 0, n * sizeof *ret_numbers);
    uint32_t planes = read_u8(&unpacker->from);
    if (planes > bytes_each || planes * n > reader_left(&unpacker->from)) {
        unpacker->from.bad = true;
        return;
    }
    for (uint32_t p = 0; p < planes; p++) {
        add_to(ret_numbers, read_slice(&unpacker->from, n).data, n, p * 8);
    }
}

uint64_t unpacker_take_one(struct unpacker *unpacker, uint32_t bytes_each)
{
    uint64_t number;
    unpacker_take(unpacker, &number, 1, bytes_each);
    return number;
}

int unpacker_end(const struct unpacker *unpacker)
{
    return unpacker->from.bad || reader_left(&unpacker->from) > 0 ? -EBADMSG : 0;
}
