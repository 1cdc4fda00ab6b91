#include "server/websocket.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LIMIT = 1000 };

// A frame of a client, masked with bytes that are not all the same.
static void put_masked(struct text *to, uint8_t first, const char *payload, size_t n)
{
    static const uint8_t mask[4] = {0x12, 0xa5, 0x00, 0xff};
    text_add_char(to, (char)first);
    if (n < 126) {
        text_add_char(to, (char)(0x80 | n));
    } else {
        text_add_char(to, (char)(0x80 | 126));
        text_add_char(to, (char)(n >> 8));
        text_add_char(to, (char)n);
    }
    text_add_bytes(to, mask, sizeof mask);
    for (size_t i = 0; i < n; i++) {
        text_add_char(to, (char)((uint8_t)payload[i] ^ mask[i % 4]));
    }
}

static enum websocket_event read_from(struct websocket_reader *reader, const struct text *bytes,
                                      size_t *at)
{
    size_t n;
    struct slice left = {(const uint8_t *)bytes->at + *at, bytes->n - *at};
    enum websocket_event event = websocket_read(reader, left, &n);
    *at += n;
    return event;
}

static void test_message_in_parts(void **state)
{
    (void)state;
    CLEANUP(websocket_reader_fini) struct websocket_reader reader = {.limit_bytes = LIMIT};
    CLEANUP(text_fini) struct text bytes = {0};
    size_t at = 0;
    put_masked(&bytes, 0x01, "{\"a\"", 4);
    put_masked(&bytes, 0x89, "ping", 4);
    put_masked(&bytes, 0x00, "", 0);
    put_masked(&bytes, 0x80, ":1}", 3);
    put_masked(&bytes, 0x81, "next", 4);
    assert_int_equal(read_from(&reader, &bytes, &at), WEBSOCKET_NOTHING);
    assert_int_equal(read_from(&reader, &bytes, &at), WEBSOCKET_PING);
    assert_int_equal(reader.n_control, 4);
    assert_memory_equal(reader.control, "ping", 4);
    assert_int_equal(read_from(&reader, &bytes, &at), WEBSOCKET_NOTHING);
    assert_int_equal(read_from(&reader, &bytes, &at), WEBSOCKET_MESSAGE);
    assert_string_equal(text_get(&reader.message), "{\"a\":1}");
    assert_int_equal(read_from(&reader, &bytes, &at), WEBSOCKET_MESSAGE);
    assert_string_equal(text_get(&reader.message), "next");
    assert_int_equal(at, bytes.n);
}

static void test_nothing_before_a_frame_is_whole(void **state)
{
    (void)state;
    char payload[300];
    CLEANUP(text_fini) struct text bytes = {0};
    memset(payload, 'x', sizeof payload);
    put_masked(&bytes, 0x81, payload, sizeof payload);
    for (size_t n = 0; n <= bytes.n; n++) {
        CLEANUP(websocket_reader_fini) struct websocket_reader reader = {.limit_bytes = LIMIT};
        CLEANUP(freep) char *part = alloc_text(bytes.at, n);
        size_t used;
        enum websocket_event event = websocket_read(
            &reader, (struct slice){(const uint8_t *)part, n}, &used);
        assert_int_equal(event, n == bytes.n ? WEBSOCKET_MESSAGE : WEBSOCKET_NOTHING);
        assert_int_equal(used, n == bytes.n ? n : 0);
    }
}

static void test_limit(void **state)
{
    (void)state;
    static char payload[LIMIT + 1];
    memset(payload, 'x', sizeof payload);
    for (size_t n = LIMIT; n <= LIMIT + 1; n++) {
        CLEANUP(websocket_reader_fini) struct websocket_reader whole = {.limit_bytes = LIMIT};
        CLEANUP(websocket_reader_fini) struct websocket_reader parts = {.limit_bytes = LIMIT};
        CLEANUP(text_fini) struct text bytes = {0};
        enum websocket_event wanted = n > LIMIT ? WEBSOCKET_FAILED : WEBSOCKET_MESSAGE;
        size_t at = 0;
        put_masked(&bytes, 0x81, payload, n);
        assert_int_equal(read_from(&whole, &bytes, &at), wanted);
        assert_int_equal(whole.code, n > LIMIT ? WEBSOCKET_CODE_TOO_LARGE : 0);
        text_clear(&bytes);
        at = 0;
        put_masked(&bytes, 0x01, payload, LIMIT - 10);
        put_masked(&bytes, 0x80, payload, n - (LIMIT - 10));
        assert_int_equal(read_from(&parts, &bytes, &at), WEBSOCKET_NOTHING);
        assert_int_equal(read_from(&parts, &bytes, &at), wanted);
    }
}

static void test_close_codes(void **state)
{
    (void)state;
    static const struct {
        uint16_t code;
        bool good;
    } cases[] = {{1000, true},  {1001, true}, {1003, true},  {1004, false}, {1005, false},
                 {1006, false}, {1007, true}, {1014, true},  {1015, false}, {2999, false},
                 {3000, true},  {4999, true}, {5000, false}, {999, false},  {0, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(websocket_reader_fini) struct websocket_reader reader = {.limit_bytes = LIMIT};
        CLEANUP(text_fini) struct text bytes = {0};
        char code[2] = {(char)(cases[i].code >> 8), (char)cases[i].code};
        size_t at = 0;
        put_masked(&bytes, 0x88, code, 2);
        assert_int_equal(read_from(&reader, &bytes, &at),
                         cases[i].good ? WEBSOCKET_CLOSE : WEBSOCKET_FAILED);
        assert_int_equal(reader.code, cases[i].good ? cases[i].code : WEBSOCKET_CODE_PROTOCOL);
    }
}

static void test_heads_of_ours(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *head;
        size_t n_head;
    } cases[] = {
        {0, "\x81\x00", 2},
        {125, "\x81\x7d", 2},
        {126, "\x81\x7e\x00\x7e", 4},
        {65535, "\x81\x7e\xff\xff", 4},
        {65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10},
    };
    static char payload[65536];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(text_fini) struct text bytes = {0};
        websocket_put_frame(&bytes, WEBSOCKET_OP_TEXT, payload, cases[i].n);
        assert_int_equal(bytes.n, cases[i].n_head + cases[i].n);
        assert_memory_equal(bytes.at, cases[i].head, cases[i].n_head);
    }
}

static void test_accept(void **state)
{
    (void)state;
    char accept[WEBSOCKET_ACCEPT_BYTES + 1];
    // The example of RFC 6455, section 1.3.
    assert_true(websocket_accept(slice_of_text("dGhlIHNhbXBsZSBub25jZQ=="), accept));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    static const char *const bad[] = {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
                                      "dGhlIHNhbXBsZSBub25jZQAA", "dGhlIHNhbXBsZSBub25j*Q=="};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(websocket_accept(slice_of_text(bad[i]), accept));
    }
    assert_false(websocket_accept((struct slice){0}, accept));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_in_parts),
        cmocka_unit_test(test_nothing_before_a_frame_is_whole),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_heads_of_ours),
        cmocka_unit_test(test_accept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
