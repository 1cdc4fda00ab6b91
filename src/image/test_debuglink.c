#include "image/debuglink.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

static bool parse(const char *bytes, size_t n, bool is_big_endian, struct debuglink *ret)
{
    return debuglink_parse((struct slice){.data = (const uint8_t *)bytes, .n = n}, is_big_endian,
                           ret);
}

static void test_parses(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *name;
    } rows[] = {
        {"abc\0\x78\x56\x34\x12", 8, "abc"},
        {"abcd\0\0\0\0\x78\x56\x34\x12", 12, "abcd"},
        {"abcde.debug\0\x78\x56\x34\x12", 16, "abcde.debug"},
        {"a\0xx\x78\x56\x34\x12 and more", 17, "a"},
        {"...\0\x78\x56\x34\x12", 8, "..."},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct debuglink link;
        assert_true(parse(rows[i].bytes, rows[i].n, false, &link));
        assert_string_equal(link.name, rows[i].name);
        assert_int_equal(link.crc, 0x12345678);
        assert_true(parse(rows[i].bytes, rows[i].n, true, &link));
        assert_int_equal(link.crc, 0x78563412);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {"", 0},
        {"abc", 3},
        {"abc\0\x78\x56\x34", 7},
        {"abcd\x78\x56\x34\x12", 8},       // no end
        {"\0\0\0\0\x78\x56\x34\x12", 8},   // no name
        {".\0\0\0\x78\x56\x34\x12", 8},    // not a file
        {"..\0\0\x78\x56\x34\x12", 8},     // leads out
        {"/ab\0\x78\x56\x34\x12", 8},      // likewise
        {"../../x\0\x78\x56\x34\x12", 12}, // likewise
        {"a/b\0\x78\x56\x34\x12", 8},      // not a name
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct debuglink link;
        assert_false(parse(rows[i].bytes, rows[i].n, false, &link));
        assert_string_equal(link.name, "");
    }
}

static void test_long_names(void **state)
{
    (void)state;
    for (size_t n = DEBUGLINK_NAME_BYTES - 2; n <= DEBUGLINK_NAME_BYTES; n++) {
        char bytes[DEBUGLINK_NAME_BYTES + 8] = {0};
        memset(bytes, 'n', n);
        struct debuglink link;
        assert_int_equal(parse(bytes, sizeof bytes, false, &link), n < DEBUGLINK_NAME_BYTES);
        assert_int_equal(strlen(link.name), n < DEBUGLINK_NAME_BYTES ? n : 0);
    }
}

// The check value of this CRC, as the catalogues list it; and across the size of a read.
static void test_crc(void **state)
{
    (void)state;
    CLEANUP(closep) int fd = memfd_create("crc", MFD_CLOEXEC);
    uint32_t crc = 1;
    assert_int_equal(debuglink_crc(fd, &crc), 0);
    assert_int_equal(crc, 0);
    assert_int_equal(fd_write_all(fd, "123456789", 9), 0);
    assert_int_equal(debuglink_crc(fd, &crc), 0);
    assert_int_equal(crc, 0xcbf43926);
    CLEANUP(freep) char *zeros = NEW_ARRAY(char, 100000);
    assert_int_equal(fd_write_all(fd, zeros, 100000), 0);
    uint32_t longer;
    assert_int_equal(debuglink_crc(fd, &longer), 0);
    assert_int_not_equal(longer, crc);
    assert_int_equal(debuglink_crc(-1, &crc), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_crc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
