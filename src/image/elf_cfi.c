#include "image/elf_cfi.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "image/elf_file.h"

#include <errno.h>
#include <stdlib.h>

// Real files have one or two segments of code.
enum { SEGMENTS_MAX = 128 };

struct reading {
    const struct elf_file *file;
    struct cfi_source source;
    struct cfi_segment segments[SEGMENTS_MAX];
    Elf_Scn *eh_frame; // NULL: no such section
    Elf_Scn *debug_frame;
    GElf_Phdr eh_frame_hdr; // p_type PT_NULL: no such segment
};

// ---- What the file is --------------------------------------------------------------------------

static int read_machine(struct reading *reading, struct err *reterr)
{
    GElf_Ehdr ehdr;
    if (gelf_getehdr(reading->file->elf, &ehdr) == NULL) {
        return err_set(reterr, ENOEXEC, "is a malformed ELF file: %s", elf_errmsg(-1));
    }
    if (ehdr.e_ident[EI_CLASS] != ELFCLASS64 || ehdr.e_ident[EI_DATA] != ELFDATA2LSB ||
        (ehdr.e_machine != EM_X86_64 && ehdr.e_machine != EM_AARCH64)) {
        return err_set(reterr, ENOTSUP,
                       "is code of a machine (number %u, %s) that is not unwound: only x86-64 and "
                       "AArch64 are",
                       ehdr.e_machine,
                       ehdr.e_ident[EI_CLASS] == ELFCLASS32 ? "32 bits" : "64 bits");
    }
    reading->source.arch = ehdr.e_machine == EM_AARCH64 ? UNWIND_AARCH64 : UNWIND_X86_64;
    return 0;
}

static int read_segments(struct reading *reading, struct err *reterr)
{
    size_t n;
    if (elf_getphdrnum(reading->file->elf, &n) != 0) {
        return err_set(reterr, ENOEXEC, "has malformed segments: %s", elf_errmsg(-1));
    }
    struct cfi_source *source = &reading->source;
    source->segments = reading->segments;
    for (size_t i = 0; i < n && i < ELF_HEADERS_MAX; i++) {
        GElf_Phdr phdr;
        if (gelf_getphdr(reading->file->elf, (int)i, &phdr) == NULL) {
            return err_set(reterr, ENOEXEC, "has malformed segments: %s", elf_errmsg(-1));
        }
        bool is_code = phdr.p_type == PT_LOAD && (phdr.p_flags & PF_X) != 0 && phdr.p_filesz > 0;
        if (is_code && source->n_segments < SEGMENTS_MAX) {
            reading->segments[source->n_segments++] = (struct cfi_segment){
                .addr = phdr.p_vaddr, .size_bytes = phdr.p_filesz, .file_off = phdr.p_offset};
        }
        if (phdr.p_type == PT_GNU_EH_FRAME) {
            reading->eh_frame_hdr = phdr;
            source->data_addr = phdr.p_vaddr;
        }
    }
    return 0;
}

static int read_sections(struct reading *reading, struct err *reterr)
{
    Elf *elf = reading->file->elf;
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        return err_set(reterr, ENOEXEC, "has malformed sections: %s", elf_errmsg(-1));
    }
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        const char *name = gelf_getshdr(scn, &shdr) == NULL ? NULL
                                                            : elf_strptr(elf, names, shdr.sh_name);
        if (name == NULL || shdr.sh_type == SHT_NOBITS) { // a debug file has names without bytes
            continue;
        }
        if (strcmp(name, ".eh_frame") == 0) {
            reading->eh_frame = scn;
        } else if (strcmp(name, ".debug_frame") == 0) {
            reading->debug_frame = scn;
        } else if (strcmp(name, ".text") == 0) {
            reading->source.text_addr = shdr.sh_addr;
        }
    }
    return 0;
}

// ---- The bytes ---------------------------------------------------------------------------------

static int refuse_size(const char *name, struct err *reterr)
{
    return err_set(reterr, EFBIG, "has more than %d bytes of %s", LIMIT_CFI_BYTES, name);
}

// Whoever wrote the file says how much there will be, so that is looked at first.
static int decompress(Elf_Scn *scn, const char *name, struct err *reterr)
{
    GElf_Chdr chdr;
    if (gelf_getchdr(scn, &chdr) == NULL) {
        return err_set(reterr, ENOEXEC, "has a malformed %s: %s", name, elf_errmsg(-1));
    }
    if (chdr.ch_size > LIMIT_CFI_BYTES) {
        return refuse_size(name, reterr);
    }
    if (elf_compress(scn, 0, 0) < 0) {
        return err_set(reterr, ENOEXEC, "has a malformed %s: %s", name, elf_errmsg(-1));
    }
    return 0;
}

// Adds a section to the source. NULL is fine: there is none.
static int add_section(struct reading *reading, Elf_Scn *scn, const char *name, struct err *reterr)
{
    GElf_Shdr shdr;
    if (scn == NULL || gelf_getshdr(scn, &shdr) == NULL || shdr.sh_size == 0) {
        return 0;
    }
    if (shdr.sh_size > LIMIT_CFI_BYTES) {
        return refuse_size(name, reterr);
    }
    int r = (shdr.sh_flags & SHF_COMPRESSED) != 0 ? decompress(scn, name, reterr) : 0;
    if (r < 0) {
        return r;
    }
    const Elf_Data *data = elf_getdata(scn, NULL);
    if (data == NULL || data->d_buf == NULL) {
        return err_set(reterr, ENOEXEC, "has a malformed %s: %s", name, elf_errmsg(-1));
    }
    struct cfi_source *source = &reading->source;
    source->sections[source->n_sections++] = (struct cfi_section){
        .bytes = {.data = data->d_buf, .n = data->d_size},
        .addr = shdr.sh_addr,
        .is_debug_frame = scn == reading->debug_frame,
    };
    return 0;
}

// `n` bytes of the file; empty when they are not there.
static struct slice chunk(const struct reading *reading, uint64_t off, uint64_t n)
{
    uint64_t size = reading->file->size;
    if (off > size || n > size - off || n == 0 || n > LIMIT_CFI_BYTES) {
        return (struct slice){0};
    }
    const Elf_Data *data = elf_getdata_rawchunk(reading->file->elf, (int64_t)off, (size_t)n,
                                                ELF_T_BYTE);
    if (data == NULL || data->d_buf == NULL) {
        return (struct slice){0};
    }
    return (struct slice){.data = data->d_buf, .n = data->d_size};
}

// What is loaded from `addr` on, up to the end of its segment.
static struct slice loaded_from(const struct reading *reading, uint64_t addr)
{
    size_t n = 0;
    elf_getphdrnum(reading->file->elf, &n); // it did work before
    for (size_t i = 0; i < n && i < ELF_HEADERS_MAX; i++) {
        GElf_Phdr phdr;
        if (gelf_getphdr(reading->file->elf, (int)i, &phdr) == NULL || phdr.p_type != PT_LOAD ||
            addr - phdr.p_vaddr >= phdr.p_filesz || phdr.p_offset > reading->file->size) {
            continue;
        }
        uint64_t skipped = addr - phdr.p_vaddr;
        uint64_t there = reading->file->size - phdr.p_offset;
        uint64_t size = MIN(phdr.p_filesz, there);
        return skipped >= size ? (struct slice){0}
                               : chunk(reading, phdr.p_offset + skipped, size - skipped);
    }
    return (struct slice){0};
}

// ---- Without section headers -------------------------------------------------------------------

enum { HDR_VERSION = 1, HDR_BYTES = 12, PE_SIZE_MASK = 0x0f };
enum { PE_ABSPTR = 0x00, PE_UDATA4 = 0x03, PE_UDATA8 = 0x04, PE_SDATA4 = 0x0b, PE_SDATA8 = 0x0c };
enum { PE_ABSOLUTE = 0x00, PE_PCREL = 0x10, PE_DATAREL = 0x30 };

// The address of .eh_frame, by the start of .eh_frame_hdr: version, how the address is written, how
// two other things are, the address. False: written in a way that no linker uses here.
static bool parse_eh_frame_hdr(struct slice bytes, uint64_t hdr_addr, uint64_t *ret_addr)
{
    struct reader r = reader_of(bytes);
    uint8_t version = read_u8(&r);
    uint8_t encoding = read_u8(&r);
    read_u8(&r);
    read_u8(&r);
    uint64_t base = 0;
    switch (encoding & ~PE_SIZE_MASK) {
    case PE_ABSOLUTE:
        break;
    case PE_PCREL:
        base = hdr_addr + r.at;
        break;
    case PE_DATAREL:
        base = hdr_addr;
        break;
    default:
        return false;
    }
    switch (encoding & PE_SIZE_MASK) {
    case PE_UDATA4:
        *ret_addr = base + read_u32(&r);
        break;
    case PE_SDATA4:
        *ret_addr = base + (uint64_t)(int64_t)(int32_t)read_u32(&r);
        break;
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8:
        *ret_addr = base + read_u64(&r);
        break;
    default:
        return false;
    }
    return !r.bad && version == HDR_VERSION;
}

// The entries up to the one of length 0 that ends them. Without that one there is no telling where
// they end: then all there is.
static struct slice up_to_terminator(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    while (!r.bad) {
        uint64_t length = read_u32(&r);
        if (length == UINT32_MAX) {
            length = read_u64(&r);
        }
        if (!r.bad && length == 0) {
            return (struct slice){.data = bytes.data, .n = r.at};
        }
        if (length > reader_left(&r)) {
            break;
        }
        read_slice(&r, (size_t)length);
    }
    return bytes;
}

static void add_loaded_eh_frame(struct reading *reading)
{
    const GElf_Phdr *hdr = &reading->eh_frame_hdr;
    uint64_t addr = 0;
    if (hdr->p_type != PT_GNU_EH_FRAME ||
        !parse_eh_frame_hdr(chunk(reading, hdr->p_offset, MIN(hdr->p_filesz, (uint64_t)HDR_BYTES)),
                            hdr->p_vaddr, &addr)) {
        return;
    }
    struct slice bytes = up_to_terminator(loaded_from(reading, addr));
    if (bytes.n > 0) {
        struct cfi_source *source = &reading->source;
        source->sections[source->n_sections++] = (struct cfi_section){.bytes = bytes, .addr = addr};
    }
}

// ---- All of it ---------------------------------------------------------------------------------

static int find_bytes(struct reading *reading, struct err *reterr)
{
    int r = add_section(reading, reading->eh_frame, ".eh_frame", reterr);
    if (r == 0 && reading->source.n_sections == 0) {
        add_loaded_eh_frame(reading);
    }
    struct err err = {0};
    int also = add_section(reading, reading->debug_frame, ".debug_frame", &err);
    if (reading->source.n_sections > 0) {
        return 0; // one that is broken does not make the other one worse
    }
    if (r == 0 && also < 0) {
        return err_set(reterr, -also, "%s", err.text);
    }
    return r < 0 ? r : err_set(reterr, ENODATA, "has no unwinding information (.eh_frame)");
}

static int read_all(const struct elf_file *file, struct cfi_table **ret,
                    struct elf_cfi_facts *ret_facts, struct err *reterr)
{
    struct reading reading = {.file = file};
    int r = read_machine(&reading, reterr);
    if (r == 0) {
        r = read_segments(&reading, reterr);
    }
    if (r == 0) {
        r = read_sections(&reading, reterr);
    }
    if (r == 0) {
        r = find_bytes(&reading, reterr);
    }
    if (r < 0) {
        return r;
    }
    ret_facts->build_id = elf_file_build_id(file);
    *ret = cfi_table_build(&reading.source, &ret_facts->cfi);
    return 0;
}

int elf_cfi_read(int fd, struct cfi_table **ret, struct elf_cfi_facts *ret_facts,
                 struct err *reterr)
{
    CLEANUP(elf_file_close) struct elf_file file = {0};
    int r = elf_file_open(fd, &file, reterr);
    return r < 0 ? r : read_all(&file, ret, ret_facts, reterr);
}

int elf_cfi_parse(struct slice bytes, struct cfi_table **ret, struct elf_cfi_facts *ret_facts,
                  struct err *reterr)
{
    // Decompressing writes into the headers, and these bytes are not ours.
    CLEANUP(freep) uint8_t *copy = alloc_resize(NULL, MAX(bytes.n, (size_t)1), 1);
    if (bytes.n > 0) {
        memcpy(copy, bytes.data, bytes.n);
    }
    CLEANUP(elf_file_close) struct elf_file file = {0};
    int r = elf_file_open_bytes((struct slice){.data = copy, .n = bytes.n}, &file, reterr);
    return r < 0 ? r : read_all(&file, ret, ret_facts, reterr);
}
