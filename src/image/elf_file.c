#include "image/elf_file.h"

#include "base/limits.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

// Two things are checked before libelf sees the file: how many headers it will make room for, since
// it allocates for all of them at once, and that the file is an ELF file and not an archive of
// many.
enum { NOTES_BYTES_MAX = 1 << 20 }; // of one group of notes

struct source {
    int fd; // -1: `bytes`
    struct slice bytes;
    uint64_t size;
    bool may_be_object;
};

static bool source_read(const struct source *source, uint64_t off, void *to, size_t n)
{
    if (off > source->size || n > source->size - off) {
        return false;
    }
    if (source->fd >= 0) {
        return pread(source->fd, to, n, (off_t)off) == (ssize_t)n;
    }
    memcpy(to, source->bytes.data + off, n);
    return true;
}

// ---- The headers, before libelf sees them ------------------------------------------------------

struct header {
    bool is_64;
    bool is_big_endian;
    uint8_t raw[sizeof(Elf64_Ehdr)];
};

static uint64_t integer_at(const struct header *header, const uint8_t *at, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | at[header->is_big_endian ? i : n - 1 - i];
    }
    return value;
}

// A member of a structure that comes in two widths.
#define MEMBER(header, bytes, structure, member)                                                   \
    ((header)->is_64 ? integer_at((header), (bytes) + offsetof(Elf64_##structure, member),         \
                                  sizeof(((Elf64_##structure *)NULL)->member))                     \
                     : integer_at((header), (bytes) + offsetof(Elf32_##structure, member),         \
                                  sizeof(((Elf32_##structure *)NULL)->member)))

static bool header_read(const struct source *source, struct header *ret)
{
    *ret = (struct header){0};
    if (!source_read(source, 0, ret->raw, sizeof(Elf32_Ehdr)) ||
        memcmp(ret->raw, ELFMAG, SELFMAG) != 0) {
        return false;
    }
    uint8_t class = ret->raw[EI_CLASS];
    uint8_t data = ret->raw[EI_DATA];
    ret->is_64 = class == ELFCLASS64;
    ret->is_big_endian = data == ELFDATA2MSB;
    return (class == ELFCLASS32 || class == ELFCLASS64) &&
           (data == ELFDATA2LSB || data == ELFDATA2MSB) &&
           (!ret->is_64 || source_read(source, 0, ret->raw, sizeof(Elf64_Ehdr)));
}

// More than 65279 sections are counted in section 0 instead, and libelf believes that number. Of a
// file that ends before its section headers libelf makes one without sections, which would look
// like a stripped one.
static int check_counts(const struct source *source, const struct header *header,
                        struct err *reterr)
{
    uint64_t section_off = MEMBER(header, header->raw, Ehdr, e_shoff);
    if (section_off == 0) {
        return 0; // no sections, and no more segments than fit into the header
    }
    uint8_t section[sizeof(Elf64_Shdr)] = {0};
    size_t each = header->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    bool is_cut = !source_read(source, section_off, section, each);
    uint64_t n_sections = MEMBER(header, header->raw, Ehdr, e_shnum);
    if (n_sections == 0) {
        n_sections = MEMBER(header, section, Shdr, sh_size);
    }
    uint64_t n_segments = MEMBER(header, header->raw, Ehdr, e_phnum);
    if (n_segments == PN_XNUM) {
        n_segments = MEMBER(header, section, Shdr, sh_info);
    }
    if (n_sections > ELF_HEADERS_MAX || n_segments > ELF_HEADERS_MAX) {
        return err_set(reterr, ENOEXEC, "has more than %d sections or segments", ELF_HEADERS_MAX);
    }
    if (is_cut || n_sections * each > source->size - section_off) {
        return err_set(reterr, ENOEXEC, "is cut short: its section headers are missing");
    }
    return 0;
}

static int check_before_libelf(const struct source *source, struct err *reterr)
{
    if (source->size > LIMIT_SYMBOL_FILE_BYTES) {
        return err_set(reterr, EFBIG, "is larger than %d bytes", LIMIT_SYMBOL_FILE_BYTES);
    }
    struct header header;
    if (!header_read(source, &header)) {
        return err_set(reterr, ENOEXEC, "is not an ELF file");
    }
    uint64_t type = MEMBER(&header, header.raw, Ehdr, e_type);
    if (type == ET_REL && !source->may_be_object) {
        return err_set(reterr, ENOEXEC, "is an object file that was never linked");
    }
    if (type != ET_EXEC && type != ET_DYN && type != ET_REL) {
        return err_set(reterr, ENOEXEC, "is neither a program nor a shared library");
    }
    return check_counts(source, &header, reterr);
}

// ---- Through libelf ----------------------------------------------------------------------------

static void set_libelf_version(void)
{
    elf_version(EV_CURRENT);
}

static void prepare_libelf(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_libelf_version);
}

// Takes over `elf`, which may be NULL.
static int finish_open(Elf *elf, uint64_t size, struct elf_file *ret, struct err *reterr)
{
    if (elf == NULL || elf_kind(elf) != ELF_K_ELF) {
        err_set(reterr, ENOEXEC, "is a malformed ELF file: %s", elf_errmsg(-1));
        elf_end(elf);
        return -ENOEXEC;
    }
    *ret = (struct elf_file){.elf = elf, .size = size};
    return 0;
}

static int open_fd(int fd, bool may_be_object, struct elf_file *ret, struct err *reterr)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int number = errno;
        return err_set(reterr, number, "cannot be looked at: %s", strerror(number));
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(reterr, ENOEXEC, "is not a regular file");
    }
    struct source source = {.fd = fd, .size = (uint64_t)st.st_size, .may_be_object = may_be_object};
    int r = check_before_libelf(&source, reterr);
    if (r < 0) {
        return r;
    }
    prepare_libelf();
    return finish_open(elf_begin(fd, ELF_C_READ, NULL), source.size, ret, reterr);
}

int elf_file_open(int fd, struct elf_file *ret, struct err *reterr)
{
    return open_fd(fd, false, ret, reterr);
}

int elf_file_open_alternate(int fd, struct elf_file *ret, struct err *reterr)
{
    return open_fd(fd, true, ret, reterr);
}

int elf_file_open_bytes(struct slice bytes, struct elf_file *ret, struct err *reterr)
{
    struct source source = {.fd = -1, .bytes = bytes, .size = bytes.n};
    int r = check_before_libelf(&source, reterr);
    if (r < 0) {
        return r;
    }
    prepare_libelf();
    char *image = (char *)(uintptr_t)bytes.data; // libelf has no const
    return finish_open(elf_memory(image, bytes.n), bytes.n, ret, reterr);
}

void elf_file_close(struct elf_file *file)
{
    elf_end(file->elf);
    *file = (struct elf_file){0};
}

// ---- The build-id ------------------------------------------------------------------------------

static bool find_in_notes(struct build_id *build_id, Elf_Data *notes)
{
    if (notes == NULL || notes->d_buf == NULL) {
        return false;
    }
    GElf_Nhdr note;
    size_t name_off;
    size_t desc_off;
    for (size_t at = 0, next; (next = gelf_getnote(notes, at, &note, &name_off, &desc_off)) > 0;
         at = next) {
        const uint8_t *bytes = notes->d_buf;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(bytes + name_off, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 && note.n_descsz > 0 &&
            note.n_descsz <= BUILD_ID_MAX) {
            build_id->n = (uint8_t)note.n_descsz;
            memcpy(build_id->at, bytes + desc_off, note.n_descsz);
            return true;
        }
    }
    return false;
}

static bool find_in_segments(Elf *elf, struct build_id *ret)
{
    size_t n = 0;
    if (elf_getphdrnum(elf, &n) != 0) {
        return false;
    }
    for (size_t i = 0; i < n && i < ELF_HEADERS_MAX; i++) {
        GElf_Phdr phdr;
        if (gelf_getphdr(elf, (int)i, &phdr) == NULL || phdr.p_type != PT_NOTE ||
            phdr.p_filesz == 0 || phdr.p_filesz > NOTES_BYTES_MAX || phdr.p_offset > INT64_MAX) {
            continue;
        }
        Elf_Type type = phdr.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR;
        if (find_in_notes(ret,
                          elf_getdata_rawchunk(elf, (int64_t)phdr.p_offset, phdr.p_filesz, type))) {
            return true;
        }
    }
    return false;
}

static bool find_in_sections(Elf *elf, struct build_id *ret)
{
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        if (gelf_getshdr(scn, &shdr) != NULL && shdr.sh_type == SHT_NOTE &&
            shdr.sh_size <= NOTES_BYTES_MAX && find_in_notes(ret, elf_getdata(scn, NULL))) {
            return true;
        }
    }
    return false;
}

struct build_id elf_file_build_id(const struct elf_file *file)
{
    struct build_id build_id = {0};
    if (!find_in_segments(file->elf, &build_id)) {
        find_in_sections(file->elf, &build_id);
    }
    return build_id;
}
