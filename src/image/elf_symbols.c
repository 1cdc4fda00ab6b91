#include "image/elf_symbols.h"

#include "base/limits.h"
#include "base/vec.h"
#include "image/elf_file.h"
#include "image/elf_stubs.h"

#include <errno.h>

enum { EXTRA_NAME_BYTES = 1 << 20 };

struct range {
    uint64_t addr;
    uint64_t size;
};

static bool range_holds(const struct range *range, uint64_t addr)
{
    return addr - range->addr < range->size;
}

// One file. The addresses of a debug file are those of the image, but what the image consists of is
// told by the image alone: the debug file's segments and sections have no contents.
struct parse {
    Elf *elf;
    const struct parse *image;      // of which this is a debug file; NULL: it is the image itself
    struct symtab_builder *builder; // borrowed
    uint64_t names_left; // bytes of names that the rest may have: names can share bytes of the
                         // file, so that a small file could ask for a terabyte
    VEC(struct range) sections; // by index; empty unless executable
    VEC(struct range) code;     // executable segments of an image
    Elf_Scn *symtab;
    Elf_Scn *dynsym;
};

static void parse_fini(struct parse *parse)
{
    vec_fini(&parse->sections);
    vec_fini(&parse->code);
}

static struct parse parse_of(const struct elf_file *file, const struct parse *image,
                             struct symtab_builder *builder)
{
    return (struct parse){.elf = file->elf,
                          .image = image,
                          .builder = builder,
                          .names_left = file->size + EXTRA_NAME_BYTES};
}

static int read_segments(struct parse *parse, struct err *reterr)
{
    size_t n;
    if (elf_getphdrnum(parse->elf, &n) != 0) {
        return err_set(reterr, ENOEXEC, "has malformed segments: %s", elf_errmsg(-1));
    }
    for (size_t i = 0; i < n && i < ELF_HEADERS_MAX; i++) {
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
            if (seg.executable) {
                vec_push(&parse->code, (struct range){.addr = seg.addr, .size = seg.size});
            }
        }
    }
    return 0;
}

static void note_section(struct parse *parse, Elf_Scn *scn, const GElf_Shdr *shdr)
{
    bool is_code = (shdr->sh_flags & SHF_EXECINSTR) != 0 && shdr->sh_type != SHT_NULL;
    vec_push(&parse->sections,
             (struct range){.addr = shdr->sh_addr, .size = is_code ? shdr->sh_size : 0});
    if (is_code && parse->image == NULL && shdr->sh_size <= UINT64_MAX - shdr->sh_addr) {
        symtab_builder_add_wall(parse->builder, shdr->sh_addr);
        symtab_builder_add_wall(parse->builder, shdr->sh_addr + shdr->sh_size);
    }
    if (shdr->sh_type == SHT_SYMTAB && parse->symtab == NULL) {
        parse->symtab = scn;
    }
    if (shdr->sh_type == SHT_DYNSYM && parse->dynsym == NULL) {
        parse->dynsym = scn;
    }
}

static int read_sections(struct parse *parse, struct err *reterr)
{
    size_t n;
    if (elf_getshdrnum(parse->elf, &n) != 0) {
        return err_set(reterr, ENOEXEC, "has malformed sections: %s", elf_errmsg(-1));
    }
    for (size_t i = 0; i < n && i < ELF_HEADERS_MAX; i++) {
        GElf_Shdr shdr;
        Elf_Scn *scn = elf_getscn(parse->elf, i);
        if (scn == NULL || gelf_getshdr(scn, &shdr) == NULL) {
            return err_set(reterr, ENOEXEC, "has malformed sections: %s", elf_errmsg(-1));
        }
        note_section(parse, scn, &shdr);
    }
    return 0;
}

// Whether an untyped symbol is code: hand-written assembly has no types. `_etext` and the like
// stand just behind their section.
static bool is_in_code(const struct parse *parse, const GElf_Sym *sym)
{
    if (sym->st_shndx >= parse->sections.n ||
        !range_holds(&parse->sections.at[sym->st_shndx], sym->st_value)) {
        return false;
    }
    bool is_there = parse->image == NULL;
    for (size_t i = 0; !is_there && i < parse->image->code.n; i++) {
        is_there = range_holds(&parse->image->code.at[i], sym->st_value);
    }
    return is_there;
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
    return type == STT_NOTYPE && is_in_code(parse, sym);
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

// ---- A table of several files -------------------------------------------------------------------

static int read_image(struct parse *parse, const struct elf_file *file, struct err *reterr)
{
    int r = read_segments(parse, reterr);
    if (r == 0) {
        r = read_sections(parse, reterr);
    }
    if (r == 0) {
        r = read_symbols(parse, parse->symtab, reterr);
    }
    if (r == 0) {
        r = read_symbols(parse, parse->dynsym, reterr);
    }
    if (r == 0) {
        elf_stubs_add(file, parse->builder, &parse->names_left);
    }
    return r;
}

static int read_more(const struct parse *image, const struct elf_source *source, struct err *reterr)
{
    CLEANUP(elf_file_close) struct elf_file file = {0};
    int r = source->fd >= 0 ? elf_file_open(source->fd, &file, reterr)
                            : elf_file_open_bytes(source->bytes, &file, reterr);
    if (r < 0) {
        return r;
    }
    CLEANUP(parse_fini) struct parse parse = parse_of(&file, image, image->builder);
    r = read_sections(&parse, reterr);
    return r < 0 ? r : read_symbols(&parse, parse.symtab, reterr);
}

static void builder_freep(struct symtab_builder **builder)
{
    symtab_builder_free(*builder);
}

static int read_all(const struct elf_file *file, const struct elf_source *more, size_t n_more,
                    struct symtab **ret, struct err *reterr)
{
    CLEANUP(builder_freep) struct symtab_builder *builder = symtab_builder_new();
    CLEANUP(parse_fini) struct parse image = parse_of(file, NULL, builder);
    int r = read_image(&image, file, reterr);
    for (size_t i = 0; r == 0 && i < n_more; i++) {
        r = read_more(&image, &more[i], reterr);
    }
    if (r == 0) {
        *ret = symtab_builder_finish(TAKE(builder));
    }
    return r;
}

int elf_symbols_read(int fd, struct symtab **ret, struct elf_facts *ret_facts, struct err *reterr)
{
    CLEANUP(elf_file_close) struct elf_file file = {0};
    int r = elf_file_open(fd, &file, reterr);
    if (r == 0) {
        r = read_all(&file, NULL, 0, ret, reterr);
    }
    if (r == 0) {
        elf_facts_of(&file, ret_facts);
    }
    return r;
}

int elf_symbols_merge(int fd, const struct elf_source *more, size_t n_more, struct symtab **ret,
                      struct err *reterr)
{
    CLEANUP(elf_file_close) struct elf_file file = {0};
    int r = elf_file_open(fd, &file, reterr);
    return r < 0 ? r : read_all(&file, more, n_more, ret, reterr);
}

int elf_symbols_parse(struct slice bytes, struct symtab **ret, struct elf_facts *ret_facts,
                      struct err *reterr)
{
    CLEANUP(elf_file_close) struct elf_file file = {0};
    int r = elf_file_open_bytes(bytes, &file, reterr);
    if (r == 0) {
        r = read_all(&file, NULL, 0, ret, reterr);
    }
    if (r == 0) {
        elf_facts_of(&file, ret_facts);
    }
    return r;
}
