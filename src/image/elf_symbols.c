#include "image/elf_symbols.h"

#include "base/limits.h"
#include "base/vec.h"

#include <errno.h>
#include <gelf.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

// libelf reads what it is asked for with pread() and checks it against the size of the file. Two
// things are checked here before it sees the file: how many headers it will make room for, since
// it allocates for all of them at once, and that the file is an ELF file and not an archive of
// many.
enum {
    HEADERS_MAX = 1 << 16,     // sections, and segments
    NOTES_BYTES_MAX = 1 << 20, // of one group of notes
    EXTRA_NAME_BYTES = 1 << 20,
};

struct source {
    int fd; // -1: `bytes`
    struct slice bytes;
    uint64_t size;
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
    if (n_sections > HEADERS_MAX || n_segments > HEADERS_MAX) {
        return err_set(reterr, ENOEXEC, "has more than %d sections or segments", HEADERS_MAX);
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
    if (type == ET_REL) {
        return err_set(reterr, ENOEXEC, "is an object file that was never linked");
    }
    if (type != ET_EXEC && type != ET_DYN) {
        return err_set(reterr, ENOEXEC, "is neither a program nor a shared library");
    }
    return check_counts(source, &header, reterr);
}

// ---- Through libelf ----------------------------------------------------------------------------

struct section {
    uint64_t addr;
    uint64_t size; // 0 unless executable
};

struct parse {
    Elf *elf;
    struct symtab_builder *builder;
    struct elf_facts facts;
    uint64_t names_left; // bytes of names that the rest may have: names can share bytes of the
                         // file, so that a small file could ask for a terabyte
    VEC(struct section) sections;
    Elf_Scn *symtab;
    Elf_Scn *dynsym;
};

static void parse_fini(struct parse *parse)
{
    vec_fini(&parse->sections);
    symtab_builder_free(parse->builder);
    elf_end(parse->elf);
}

static bool take_build_id(struct build_id *build_id, Elf_Data *notes)
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

static int read_segments(struct parse *parse, struct err *reterr)
{
    size_t n;
    if (elf_getphdrnum(parse->elf, &n) != 0) {
        return err_set(reterr, ENOEXEC, "has malformed segments: %s", elf_errmsg(-1));
    }
    for (size_t i = 0; i < n && i < HEADERS_MAX; i++) {
        GElf_Phdr phdr;
        if (gelf_getphdr(parse->elf, (int)i, &phdr) == NULL) {
            return err_set(reterr, ENOEXEC, "has malformed segments: %s", elf_errmsg(-1));
        }
        if (phdr.p_type == PT_LOAD) {
            struct symtab_segment seg = {.file_off = phdr.p_offset,
                                         .size = phdr.p_filesz,
                                         .addr = phdr.p_vaddr,
                                         .executable = (phdr.p_flags & PF_X) != 0};
            symtab_builder_add_segment(parse->builder, &seg);
        }
        if (phdr.p_type == PT_NOTE && parse->facts.build_id.n == 0 && phdr.p_filesz > 0 &&
            phdr.p_filesz <= NOTES_BYTES_MAX && phdr.p_offset <= INT64_MAX) {
            take_build_id(&parse->facts.build_id,
                          elf_getdata_rawchunk(parse->elf, (int64_t)phdr.p_offset, phdr.p_filesz,
                                               phdr.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR));
        }
    }
    return 0;
}

static void note_section(struct parse *parse, Elf_Scn *scn, const GElf_Shdr *shdr)
{
    bool is_code = (shdr->sh_flags & SHF_EXECINSTR) != 0 && shdr->sh_type != SHT_NULL;
    vec_push(&parse->sections,
             (struct section){.addr = shdr->sh_addr, .size = is_code ? shdr->sh_size : 0});
    if (is_code && shdr->sh_size <= UINT64_MAX - shdr->sh_addr) {
        symtab_builder_add_wall(parse->builder, shdr->sh_addr);
        symtab_builder_add_wall(parse->builder, shdr->sh_addr + shdr->sh_size);
    }
    if (shdr->sh_type == SHT_SYMTAB && parse->symtab == NULL) {
        parse->symtab = scn;
    }
    if (shdr->sh_type == SHT_DYNSYM && parse->dynsym == NULL) {
        parse->dynsym = scn;
    }
    if (shdr->sh_type == SHT_NOTE && parse->facts.build_id.n == 0 &&
        shdr->sh_size <= NOTES_BYTES_MAX) {
        take_build_id(&parse->facts.build_id, elf_getdata(scn, NULL));
    }
}

static int read_sections(struct parse *parse, struct err *reterr)
{
    size_t n;
    if (elf_getshdrnum(parse->elf, &n) != 0) {
        return err_set(reterr, ENOEXEC, "has malformed sections: %s", elf_errmsg(-1));
    }
    for (size_t i = 0; i < n && i < HEADERS_MAX; i++) {
        GElf_Shdr shdr;
        Elf_Scn *scn = elf_getscn(parse->elf, i);
        if (scn == NULL || gelf_getshdr(scn, &shdr) == NULL) {
            return err_set(reterr, ENOEXEC, "has malformed sections: %s", elf_errmsg(-1));
        }
        note_section(parse, scn, &shdr);
    }
    return 0;
}

static bool is_function(const struct parse *parse, const GElf_Sym *sym)
{
    if (sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_ABS) {
        return false;
    }
    unsigned type = GELF_ST_TYPE(sym->st_info);
    if (type == STT_FUNC || type == STT_GNU_IFUNC) {
        return true;
    }
    if (type != STT_NOTYPE || sym->st_shndx >= parse->sections.n) {
        return false;
    }
    // Hand-written assembly has no types. `_etext` and the like stand just behind their section.
    const struct section *section = &parse->sections.at[sym->st_shndx];
    return sym->st_value - section->addr < section->size;
}

static enum symbol_binding binding_of(const GElf_Sym *sym)
{
    switch (GELF_ST_BIND(sym->st_info)) {
    case STB_LOCAL:
        return SYMBOL_LOCAL;
    case STB_WEAK:
        return SYMBOL_WEAK;
    default: // STB_GLOBAL, STB_GNU_UNIQUE
        return SYMBOL_GLOBAL;
    }
}

// The name that starts at `off` of a string table; empty when there is none.
static struct slice name_at(struct slice strings, uint64_t off)
{
    if (off >= strings.n) {
        return (struct slice){0};
    }
    const uint8_t *from = strings.data + off;
    size_t most = MIN(strings.n - (size_t)off, (size_t)LIMIT_SYMBOL_BYTES);
    const uint8_t *end = memchr(from, 0, most);
    return (struct slice){.data = from, .n = end == NULL ? most : (size_t)(end - from)};
}

static bool is_local_label(const GElf_Sym *sym, struct slice name)
{
    return GELF_ST_TYPE(sym->st_info) == STT_NOTYPE && name.n >= 2 &&
           memcmp(name.data, ".L", 2) == 0;
}

// The strings of the table that section `scn` refers to.
static struct slice strings_of(const struct parse *parse, Elf_Scn *scn)
{
    GElf_Shdr shdr;
    GElf_Shdr strings;
    if (gelf_getshdr(scn, &shdr) == NULL) {
        return (struct slice){0};
    }
    Elf_Scn *to = elf_getscn(parse->elf, shdr.sh_link);
    if (to == NULL || gelf_getshdr(to, &strings) == NULL || strings.sh_type != SHT_STRTAB ||
        (strings.sh_flags & SHF_COMPRESSED) != 0) {
        return (struct slice){0};
    }
    Elf_Data *data = elf_getdata(to, NULL);
    if (data == NULL || data->d_buf == NULL) {
        return (struct slice){0};
    }
    return (struct slice){.data = data->d_buf, .n = data->d_size};
}

static int read_symbols(struct parse *parse, Elf_Scn *scn, struct err *reterr)
{
    if (scn == NULL) {
        return 0;
    }
    struct slice strings = strings_of(parse, scn);
    Elf_Data *data = elf_getdata(scn, NULL);
    if (data == NULL || (data->d_size > 0 && strings.n == 0)) {
        return err_set(reterr, ENOEXEC, "has a malformed symbol table");
    }
    size_t each = gelf_fsize(parse->elf, ELF_T_SYM, 1, EV_CURRENT);
    size_t n = data->d_buf == NULL || each == 0 ? 0 : data->d_size / each;
    for (size_t i = 0; i < n && i < INT32_MAX; i++) {
        GElf_Sym sym;
        if (gelf_getsym(data, (int)i, &sym) == NULL) {
            return err_set(reterr, ENOEXEC, "has a malformed symbol table: %s", elf_errmsg(-1));
        }
        if (!is_function(parse, &sym)) {
            continue;
        }
        struct slice name = name_at(strings, sym.st_name);
        if (name.n > parse->names_left) {
            return 0; // the file is not honest: what there is so far will do
        }
        parse->names_left -= name.n;
        if (!is_local_label(&sym, name)) {
            symtab_builder_add(parse->builder, sym.st_value, sym.st_size, name, (struct slice){0},
                               binding_of(&sym));
        }
    }
    return 0;
}

static void set_libelf_version(void)
{
    elf_version(EV_CURRENT);
}

// Consumes `elf`, which may be NULL.
static int read_all(Elf *elf, uint64_t size, struct symtab **ret, struct elf_facts *ret_facts,
                    struct err *reterr)
{
    CLEANUP(parse_fini)
    struct parse parse = {
        .elf = elf, .builder = symtab_builder_new(), .names_left = size + EXTRA_NAME_BYTES};
    if (elf == NULL || elf_kind(elf) != ELF_K_ELF) {
        return err_set(reterr, ENOEXEC, "is a malformed ELF file: %s", elf_errmsg(-1));
    }
    int r = read_segments(&parse, reterr);
    if (r == 0) {
        r = read_sections(&parse, reterr);
    }
    if (r == 0) {
        r = read_symbols(&parse, parse.symtab, reterr);
    }
    if (r == 0) {
        r = read_symbols(&parse, parse.dynsym, reterr);
    }
    if (r < 0) {
        return r;
    }
    parse.facts.has_symtab = parse.symtab != NULL;
    *ret_facts = parse.facts;
    *ret = symtab_builder_finish(TAKE(parse.builder));
    return 0;
}

static pthread_once_t libelf_once = PTHREAD_ONCE_INIT;

int elf_symbols_read(int fd, struct symtab **ret, struct elf_facts *ret_facts, struct err *reterr)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int number = errno;
        return err_set(reterr, number, "cannot be looked at: %s", strerror(number));
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(reterr, ENOEXEC, "is not a regular file");
    }
    struct source source = {.fd = fd, .size = (uint64_t)st.st_size};
    int r = check_before_libelf(&source, reterr);
    if (r < 0) {
        return r;
    }
    pthread_once(&libelf_once, set_libelf_version);
    return read_all(elf_begin(fd, ELF_C_READ, NULL), source.size, ret, ret_facts, reterr);
}

int elf_symbols_parse(struct slice bytes, struct symtab **ret, struct elf_facts *ret_facts,
                      struct err *reterr)
{
    struct source source = {.fd = -1, .bytes = bytes, .size = bytes.n};
    int r = check_before_libelf(&source, reterr);
    if (r < 0) {
        return r;
    }
    pthread_once(&libelf_once, set_libelf_version);
    // libelf has no const, but only elf_update() writes to the image.
    char *image = (char *)(uintptr_t)bytes.data;
    return read_all(elf_memory(image, bytes.n), source.size, ret, ret_facts, reterr);
}
