#include "image/kcore.h"

#include "base/file.h"
#include "base/limits.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct kcore {
    int fd;
    struct kcore_segments segments;
};

// ---- The format --------------------------------------------------------------------------------

_Static_assert(sizeof(Elf64_Ehdr) == KCORE_HEADER_BYTES, "elf(5)");
_Static_assert(sizeof(Elf64_Phdr) == KCORE_SEGMENT_BYTES, "elf(5)");

static bool is_core(const Elf64_Ehdr *header)
{
    uint8_t order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == order &&
           header->e_type == ET_CORE && header->e_phentsize == KCORE_SEGMENT_BYTES;
}

int kcore_parse_header(struct slice header, struct kcore_table *ret, struct err *reterr)
{
    *ret = (struct kcore_table){0};
    Elf64_Ehdr elf;
    struct reader r = reader_of(header);
    read_bytes(&r, &elf, sizeof elf);
    if (r.bad) {
        return err_set(reterr, ENOEXEC, "is empty (a container may hide it)");
    }
    if (!is_core(&elf) || elf.e_phoff > INT64_MAX) {
        return err_set(reterr, ENOEXEC, "is no core file of a 64-bit kernel");
    }
    *ret = (struct kcore_table){.file_off = elf.e_phoff,
                                .n = MIN((uint32_t)elf.e_phnum, (uint32_t)LIMIT_KCORE_SEGMENTS)};
    return 0;
}

void kcore_parse_segments(struct slice table, struct kcore_segments *ret)
{
    struct reader r = reader_of(table);
    while (reader_left(&r) >= KCORE_SEGMENT_BYTES && ret->list.n < LIMIT_KCORE_SEGMENTS) {
        Elf64_Phdr elf;
        read_bytes(&r, &elf, sizeof elf);
        if (elf.p_type == PT_LOAD && elf.p_filesz > 0 && elf.p_filesz <= UINT64_MAX - elf.p_vaddr &&
            elf.p_offset <= INT64_MAX && elf.p_filesz <= INT64_MAX - elf.p_offset) {
            vec_push(&ret->list, (struct kcore_segment){.addr = elf.p_vaddr,
                                                        .size_bytes = elf.p_filesz,
                                                        .file_off = elf.p_offset});
        }
    }
}

void kcore_segments_fini(struct kcore_segments *segments)
{
    vec_fini(&segments->list);
}

bool kcore_find(const struct kcore_segments *segments, uint64_t addr, uint64_t end,
                uint64_t *ret_off)
{
    for (size_t i = 0; addr < end && i < segments->list.n; i++) {
        const struct kcore_segment *segment = &segments->list.at[i];
        if (addr >= segment->addr && end - segment->addr <= segment->size_bytes) {
            *ret_off = segment->file_off + (addr - segment->addr);
            return true;
        }
    }
    return false;
}

// ---- Reading it --------------------------------------------------------------------------------

// As many of these bytes as there are; or a negative errno.
static ssize_t read_at(int fd, uint64_t off, uint8_t *to, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pread(fd, to + done, n - done, (off_t)(off + done));
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return -errno;
        }
        if (r == 0) {
            break;
        }
        done += (size_t)r;
    }
    return (ssize_t)done;
}

static int explain_open(const char *path, int number, struct err *reterr)
{
    switch (number) {
    case ENOENT:
        return err_set(reterr, number,
                       "%s is not there (this kernel was built without it): the kernel's code "
                       "can't be read",
                       path);
    case EACCES:
        return err_set(reterr, number, "%s may be read by root only: run stax-server as root",
                       path);
    case EPERM:
        return err_set(reterr, number,
                       "%s may be read by root only, and by nobody while the kernel is locked down",
                       path);
    default:
        return err_set(reterr, number, "cannot open %s: %s", path, strerror(number));
    }
}

static int read_headers(struct kcore *kcore, struct err *reterr)
{
    uint8_t header[KCORE_HEADER_BYTES];
    struct kcore_table table;
    ssize_t n = read_at(kcore->fd, 0, header, sizeof header);
    if (n < 0) {
        return err_set(reterr, (int)-n, "cannot be read: %s", strerror((int)-n));
    }
    int r = kcore_parse_header((struct slice){.data = header, .n = (size_t)n}, &table, reterr);
    if (r < 0) {
        return r;
    }
    size_t bytes = (size_t)table.n * KCORE_SEGMENT_BYTES;
    CLEANUP(freep) uint8_t *at = NEW_ARRAY(uint8_t, bytes + 1);
    n = read_at(kcore->fd, table.file_off, at, bytes);
    if (n < 0) {
        return err_set(reterr, (int)-n, "cannot be read: %s", strerror((int)-n));
    }
    kcore_parse_segments((struct slice){.data = at, .n = (size_t)n}, &kcore->segments);
    return kcore->segments.list.n > 0 ? 0 : err_set(reterr, ENOEXEC, "shows no memory");
}

int kcore_open(const char *path, struct kcore **ret, struct err *reterr)
{
    *ret = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return explain_open(path, errno, reterr);
    }
    struct kcore *kcore = NEW(struct kcore);
    kcore->fd = fd;
    struct err err = {0};
    int r = read_headers(kcore, &err);
    if (r < 0) {
        err_set(reterr, -r, "%s %s", path, err.text);
        kcore_close(kcore);
        return r;
    }
    *ret = kcore;
    return 0;
}

void kcore_close(struct kcore *kcore)
{
    if (kcore != NULL) {
        closep(&kcore->fd);
        kcore_segments_fini(&kcore->segments);
        free(kcore);
    }
}

// The kernel shows addresses at which nothing is mapped (a module was unloaded) as zeros.
static bool is_hole(const uint8_t *bytes, size_t n)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

int kcore_read(const struct kcore *kcore, uint64_t addr, uint64_t end, struct text *to)
{
    uint64_t off;
    if (!kcore_find(&kcore->segments, addr, end, &off)) {
        return -ENODATA;
    }
    size_t n = (size_t)(end - addr);
    if (end - addr > LIMIT_SAVED_FUNCTION_BYTES) {
        return -EFBIG;
    }
    CLEANUP(freep) uint8_t *bytes = NEW_ARRAY(uint8_t, n);
    ssize_t got = read_at(kcore->fd, off, bytes, n);
    if (got < 0 || (size_t)got < n || is_hole(bytes, n)) {
        return got < 0 ? (int)got : -ENODATA;
    }
    text_add_bytes(to, bytes, n);
    return 0;
}
