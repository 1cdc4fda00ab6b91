#include "image/kcore.h"

#include "base/limits.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// A core of a kernel that was never there.
#define TEXT_ADDR    UINT64_C(0xffffffff81000000)
#define MODULES_ADDR UINT64_C(0xffffffffc0000000)
enum { DATA_OFF = 0x1000, TEXT_BYTES = 64, MODULE_BYTES = 16 };

static Elf64_Phdr segment(uint64_t addr, uint64_t size, uint64_t off)
{
    return (Elf64_Phdr){
        .p_type = PT_LOAD, .p_vaddr = addr, .p_filesz = size, .p_memsz = size, .p_offset = off};
}

static Elf64_Ehdr header_of(size_t n)
{
    Elf64_Ehdr header = {.e_type = ET_CORE,
                         .e_phoff = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = (uint16_t)n};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    uint16_t one = 1;
    header.e_ident[EI_DATA] = *(const uint8_t *)&one == 1 ? ELFDATA2LSB : ELFDATA2MSB;
    return header;
}

struct core {
    char path[32];
    int fd;
};

static void put(const struct core *core, const void *bytes, size_t n, uint64_t off)
{
    assert_int_equal(pwrite(core->fd, bytes, n, (off_t)off), n);
}

static struct core core_new(const Elf64_Phdr *segments, size_t n)
{
    struct core core = {.path = "/tmp/stax-kcore-XXXXXX"};
    core.fd = mkostemp(core.path, O_CLOEXEC);
    assert_true(core.fd >= 0);
    Elf64_Ehdr header = header_of(n);
    put(&core, &header, sizeof header, 0);
    put(&core, segments, n * sizeof *segments, sizeof header);
    uint8_t text[TEXT_BYTES + MODULE_BYTES];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i + 1);
    }
    put(&core, text, sizeof text, DATA_OFF);
    return core;
}

static struct core core_of_a_kernel(void)
{
    const Elf64_Phdr segments[] = {
        {.p_type = PT_NOTE, .p_vaddr = TEXT_ADDR, .p_filesz = 64, .p_offset = 512},
        segment(UINT64_C(0xffffc90000000000), UINT64_C(0x1fffffffffff), INT64_C(1) << 46),
        segment(TEXT_ADDR, TEXT_BYTES, DATA_OFF),
        segment(MODULES_ADDR, MODULE_BYTES, DATA_OFF + TEXT_BYTES),
        segment(MODULES_ADDR + MODULE_BYTES, 4096, DATA_OFF + TEXT_BYTES + MODULE_BYTES),
    };
    return core_new(segments, ARRAY_LEN(segments));
}

static void core_remove(struct core *core)
{
    close(core->fd);
    assert_int_equal(unlink(core->path), 0);
}

static struct kcore *open_core(const struct core *core)
{
    struct kcore *kcore;
    struct err err = {0};
    if (kcore_open(core->path, &kcore, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return kcore;
}

static void check(const struct kcore *kcore, uint64_t addr, uint64_t n, uint8_t first)
{
    CLEANUP(text_fini) struct text bytes = {0};
    text_add(&bytes, "x");
    assert_int_equal(kcore_read(kcore, addr, addr + n, &bytes), 0);
    assert_int_equal(bytes.n, 1 + n);
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal((uint8_t)bytes.at[1 + i], first + i);
    }
}

static void check_none(const struct kcore *kcore, uint64_t addr, uint64_t end, int error)
{
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(kcore_read(kcore, addr, end, &bytes), error);
    assert_int_equal(bytes.n, 0);
}

static void test_code_of_the_kernel_and_of_modules(void **state)
{
    (void)state;
    struct core core = core_of_a_kernel();
    struct kcore *kcore = open_core(&core);
    check(kcore, TEXT_ADDR, TEXT_BYTES, 1);
    check(kcore, TEXT_ADDR + 5, 1, 6);
    check(kcore, MODULES_ADDR, MODULE_BYTES, TEXT_BYTES + 1);
    check_none(kcore, TEXT_ADDR, TEXT_ADDR, -ENODATA);
    check_none(kcore, TEXT_ADDR, TEXT_ADDR - 1, -ENODATA);
    check_none(kcore, TEXT_ADDR, TEXT_ADDR + TEXT_BYTES + 1, -ENODATA);
    check_none(kcore, TEXT_ADDR - 1, TEXT_ADDR + 1, -ENODATA);
    check_none(kcore, 0, 16, -ENODATA);
    check_none(kcore, TEXT_ADDR, UINT64_MAX, -ENODATA);
    kcore_close(kcore);
    core_remove(&core);
}

// The file ends in the middle of a segment, or before it; and what reads as zeros is not there.
static void test_short_reads(void **state)
{
    (void)state;
    struct core core = core_of_a_kernel();
    struct kcore *kcore = open_core(&core);
    uint64_t addr = MODULES_ADDR + MODULE_BYTES;
    check_none(kcore, addr, addr + 16, -ENODATA);
    check_none(kcore, UINT64_C(0xffffc90000000000), UINT64_C(0xffffc90000000010), -ENODATA);
    check_none(kcore, UINT64_C(0xffffc90000000000),
               UINT64_C(0xffffc90000000001) + LIMIT_SAVED_FUNCTION_BYTES, -EFBIG);
    const uint8_t bytes[32] = {[20] = 1};
    put(&core, bytes, sizeof bytes, DATA_OFF + TEXT_BYTES + MODULE_BYTES);
    check_none(kcore, addr, addr + 1, -ENODATA);
    check_none(kcore, addr, addr + 20, -ENODATA);
    check_none(kcore, addr, addr + 33, -ENODATA);
    CLEANUP(text_fini) struct text read = {0};
    assert_int_equal(kcore_read(kcore, addr, addr + 21, &read), 0);
    assert_memory_equal(read.at, bytes, 21);
    kcore_close(kcore);
    core_remove(&core);
}

// Reading fails: of a directory, and of memory of ours that is not mapped (EIO).
static void test_reading_fails(void **state)
{
    (void)state;
    struct kcore *kcore;
    struct err err = {0};
    assert_int_equal(kcore_open("/tmp", &kcore, &err), -EISDIR);
    assert_string_equal(err.text, "/tmp cannot be read: Is a directory");
    assert_null(kcore);
    assert_int_equal(kcore_open("/proc/self/mem", &kcore, &err), -EIO);
    assert_null(kcore);
}

static void test_what_is_no_core(void **state)
{
    (void)state;
    struct kcore *kcore;
    struct err err = {0};
    assert_int_equal(kcore_open("/not/there", &kcore, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/not/there is not there"));
    assert_int_equal(kcore_open("/dev/null", &kcore, &err), -ENOEXEC); // as containers do it
    assert_string_equal(err.text, "/dev/null is empty (a container may hide it)");
    assert_int_equal(kcore_open("/proc/self/exe", &kcore, &err), -ENOEXEC);
    assert_string_equal(err.text, "/proc/self/exe is no core file of a 64-bit kernel");
    struct core core = core_new(NULL, 0);
    assert_int_equal(kcore_open(core.path, &kcore, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "shows no memory"));
    core_remove(&core);
}

static void test_not_permitted(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    struct core core = core_of_a_kernel();
    assert_int_equal(fchmod(core.fd, 0400), 0);
    assert_int_equal(seteuid(65534), 0);
    struct kcore *kcore;
    struct err err = {0};
    int r = kcore_open(core.path, &kcore, &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, -EACCES);
    assert_non_null(strstr(err.text, "may be read by root only"));
    core_remove(&core);
}

// ---- The format --------------------------------------------------------------------------------

static int parse(const Elf64_Ehdr *header, size_t n)
{
    struct kcore_table table;
    return kcore_parse_header((struct slice){.data = (const uint8_t *)header, .n = n}, &table,
                              NULL);
}

static void test_headers_that_make_no_sense(void **state)
{
    (void)state;
    Elf64_Ehdr good = header_of(3);
    assert_int_equal(parse(&good, sizeof good), 0);
    assert_int_equal(parse(&good, sizeof good - 1), -ENOEXEC);
    Elf64_Ehdr bad = good;
    bad.e_ident[EI_CLASS] = ELFCLASS32;
    assert_int_equal(parse(&bad, sizeof bad), -ENOEXEC);
    bad = good;
    bad.e_ident[EI_DATA] ^= 3;
    assert_int_equal(parse(&bad, sizeof bad), -ENOEXEC);
    bad = good;
    bad.e_type = ET_DYN;
    assert_int_equal(parse(&bad, sizeof bad), -ENOEXEC);
    bad = good;
    bad.e_phentsize = 0;
    assert_int_equal(parse(&bad, sizeof bad), -ENOEXEC);
    bad = good;
    bad.e_phoff = UINT64_MAX;
    assert_int_equal(parse(&bad, sizeof bad), -ENOEXEC);
}

static void test_too_many_segments(void **state)
{
    (void)state;
    Elf64_Ehdr header = header_of(UINT16_MAX);
    struct kcore_table table;
    struct slice bytes = {.data = (const uint8_t *)&header, .n = sizeof header};
    assert_int_equal(kcore_parse_header(bytes, &table, NULL), 0);
    assert_int_equal(table.n, LIMIT_KCORE_SEGMENTS);
    size_t n = LIMIT_KCORE_SEGMENTS + 10;
    CLEANUP(freep) Elf64_Phdr *segments = NEW_ARRAY(Elf64_Phdr, n);
    for (size_t i = 0; i < n; i++) {
        segments[i] = segment(i * 16, 16, i * 16);
    }
    struct kcore_segments parsed = {0};
    kcore_parse_segments(
        (struct slice){.data = (const uint8_t *)segments, .n = n * sizeof *segments}, &parsed);
    assert_int_equal(parsed.list.n, LIMIT_KCORE_SEGMENTS);
    kcore_segments_fini(&parsed);
}

static void test_segments_that_cannot_be(void **state)
{
    (void)state;
    const Elf64_Phdr segments[] = {
        segment(UINT64_MAX - 8, 16, 0),    // wraps
        segment(4096, 0, 0),               // is empty
        segment(4096, 16, INT64_MAX - 15), // ends behind the last byte of any file
        segment(4096, 16, UINT64_MAX),     // begins there
        segment(8192, 16, 32),             // cut, below
    };
    struct kcore_segments parsed = {0};
    struct slice bytes = {.data = (const uint8_t *)segments, .n = sizeof segments - 1};
    kcore_parse_segments(bytes, &parsed);
    assert_int_equal(parsed.list.n, 0);
    bytes.n++;
    kcore_parse_segments(bytes, &parsed);
    assert_int_equal(parsed.list.n, 1);
    uint64_t off;
    assert_true(kcore_find(&parsed, 8192 + 4, 8192 + 16, &off));
    assert_int_equal(off, 36);
    kcore_segments_fini(&parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_of_the_kernel_and_of_modules),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_reading_fails),
        cmocka_unit_test(test_what_is_no_core),
        cmocka_unit_test(test_not_permitted),
        cmocka_unit_test(test_headers_that_make_no_sense),
        cmocka_unit_test(test_too_many_segments),
        cmocka_unit_test(test_segments_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
