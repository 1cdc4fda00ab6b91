#include "image/debugdata.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <errno.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// Packs `n` bytes, a piece again and again, as `xz -0` does.
static void pack(const char *piece, size_t n_piece, size_t n, struct text *ret)
{
    static uint8_t chunk[1 << 16];
    lzma_stream stream = LZMA_STREAM_INIT;
    assert_int_equal(lzma_easy_encoder(&stream, 0, LZMA_CHECK_CRC32), LZMA_OK);
    lzma_ret r = LZMA_OK;
    while (r == LZMA_OK) {
        if (stream.avail_in == 0 && n > 0) {
            stream.next_in = (const uint8_t *)piece;
            stream.avail_in = MIN(n_piece, n);
            n -= stream.avail_in;
        }
        stream.next_out = chunk;
        stream.avail_out = sizeof chunk;
        r = lzma_code(&stream, n == 0 ? LZMA_FINISH : LZMA_RUN);
        text_add_bytes(ret, chunk, sizeof chunk - stream.avail_out);
    }
    assert_int_equal(r, LZMA_STREAM_END);
    lzma_end(&stream);
}

static struct slice slice_of(const struct text *text)
{
    return (struct slice){.data = (const uint8_t *)text->at, .n = text->n};
}

static void assert_refused(struct slice packed, int error, const char *reason)
{
    CLEANUP(text_fini) struct text unpacked = {0};
    struct err err = {0};
    assert_int_equal(debugdata_unpack(packed, &unpacked, &err), error);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
    }
    assert_true(unpacked.n <= LIMIT_DEBUGDATA_BYTES);
}

static void test_unpacks(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(text_fini) struct text packed = {0};
        CLEANUP(text_fini) struct text unpacked = {0};
        pack("abcdefg", 7, sizes[i], &packed);
        text_add_bytes(&packed, "\0\0\0", 3); // what stands behind it does not matter
        text_add(&unpacked, "from before");
        assert_int_equal(debugdata_unpack(slice_of(&packed), &unpacked, NULL), 0);
        assert_int_equal(unpacked.n, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(unpacked.at[k], "abcdefg"[k % 7]);
        }
    }
}

static void test_refuses_what_is_cut_or_damaged(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text packed = {0};
    pack("abcdefg", 7, 100000, &packed);
    for (size_t n = 0; n < packed.n; n++) {
        assert_refused((struct slice){.data = (uint8_t *)packed.at, .n = n}, -EBADMSG, "cut short");
    }
    packed.at[packed.n / 2] = (char)(packed.at[packed.n / 2] ^ 1);
    assert_refused(slice_of(&packed), -EBADMSG, "is damaged");
    packed.at[0] = 'x';
    assert_refused(slice_of(&packed), -EBADMSG, "is not packed by xz");
    assert_refused((struct slice){0}, -EBADMSG, "cut short");
}

static void test_a_bomb(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text packed = {0};
    CLEANUP(freep) char *zeros = NEW_ARRAY(char, 1 << 20);
    pack(zeros, 1 << 20, (size_t)LIMIT_DEBUGDATA_BYTES + 1, &packed);
    assert_true(packed.n < LIMIT_DEBUGDATA_BYTES / 1000);
    assert_refused(slice_of(&packed), -EFBIG, "is larger than");
}

// The header of the block says how large its dictionary is (.xz file format 1.2.0, 3.1 and 5.3.1):
// 40 stands for four gigabytes.
static void test_a_huge_dictionary(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text packed = {0};
    pack("a", 1, 1000, &packed);
    uint8_t *header = (uint8_t *)packed.at + LZMA_STREAM_HEADER_SIZE;
    size_t n_header = ((size_t)header[0] + 1) * 4;
    assert_int_equal(header[2], LZMA_FILTER_LZMA2);
    header[4] = 40;
    uint32_t crc = lzma_crc32(header, n_header - sizeof crc, 0);
    for (size_t i = 0; i < sizeof crc; i++) {
        header[n_header - sizeof crc + i] = (uint8_t)(crc >> (8 * i));
    }
    assert_refused(slice_of(&packed), -EFBIG, "to be unpacked");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unpacks),
        cmocka_unit_test(test_refuses_what_is_cut_or_damaged),
        cmocka_unit_test(test_a_bomb),
        cmocka_unit_test(test_a_huge_dictionary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
