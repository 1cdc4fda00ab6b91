#include "image/dwarf_file.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/vec.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

// ---- How much memory will it take? -------------------------------------------------------------

// Old files have `.zdebug_…` sections: "ZLIB", the size that they will have in eight bytes, most
// significant first, then the data.
enum { GNU_COMPRESSED_HEADER = 12 };

static bool begins_with(const char *name, const char *prefix)
{
    return name != NULL && strncmp(name, prefix, strlen(prefix)) == 0;
}

static uint64_t gnu_compressed_size(Elf_Scn *scn)
{
    Elf_Data *raw = elf_rawdata(scn, NULL);
    if (raw == NULL || raw->d_buf == NULL || raw->d_size < GNU_COMPRESSED_HEADER) {
        return 0;
    }
    const uint8_t *bytes = raw->d_buf;
    uint64_t size = 0;
    for (size_t i = 4; i < GNU_COMPRESSED_HEADER; i++) {
        size = size << 8 | bytes[i];
    }
    return memcmp(bytes, "ZLIB", 4) == 0 ? size : 0;
}

// What the section takes in memory, with what it is made from.
static uint64_t size_in_memory(Elf_Scn *scn, const GElf_Shdr *shdr, const char *name)
{
    uint64_t size = shdr->sh_type == SHT_NOBITS ? 0 : shdr->sh_size;
    uint64_t inflated = 0;
    GElf_Chdr chdr;
    if ((shdr->sh_flags & SHF_COMPRESSED) != 0 && gelf_getchdr(scn, &chdr) != NULL) {
        inflated = chdr.ch_size;
    } else if (begins_with(name, ".zdebug")) {
        inflated = gnu_compressed_size(scn);
    }
    return size > UINT64_MAX - inflated ? UINT64_MAX : size + inflated;
}

static int check_sections(struct dwarf_file *file, struct err *reterr)
{
    Elf *elf = file->elf.elf;
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        return err_set(reterr, ENOEXEC, "has malformed sections: %s", elf_errmsg(-1));
    }
    bool has_info = false;
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        if (gelf_getshdr(scn, &shdr) == NULL) {
            return err_set(reterr, ENOEXEC, "has malformed sections: %s", elf_errmsg(-1));
        }
        const char *name = elf_strptr(elf, names, shdr.sh_name);
        bool is_debug = begins_with(name, ".debug_") || begins_with(name, ".zdebug_");
        if (!is_debug && !begins_with(name, ".gnu_debugaltlink")) {
            continue;
        }
        uint64_t bytes = size_in_memory(scn, &shdr, name);
        if (bytes > LIMIT_DWARF_BYTES || file->bytes > LIMIT_DWARF_BYTES - bytes) {
            return err_set(reterr, EFBIG, "has more than %d bytes of DWARF", LIMIT_DWARF_BYTES);
        }
        file->bytes += bytes;
        has_info |= shdr.sh_type != SHT_NOBITS &&
                    (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0);
    }
    return has_info ? 0 : err_set(reterr, ENODATA, "has no DWARF (.debug_info)");
}

// ---- Opening -----------------------------------------------------------------------------------

struct slice dwarf_file_section(const struct dwarf_file *file, const char *wanted)
{
    Elf *elf = file->elf.elf;
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        return (struct slice){0};
    }
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        const char *name = gelf_getshdr(scn, &shdr) == NULL ? NULL
                                                            : elf_strptr(elf, names, shdr.sh_name);
        bool is_old = begins_with(name, ".z") && strcmp(name + 2, wanted + 1) == 0;
        if (name == NULL || (strcmp(name, wanted) != 0 && !is_old)) {
            continue;
        }
        Elf_Data *data = elf_rawdata(scn, NULL);
        if (data != NULL && data->d_buf != NULL) {
            return (struct slice){.data = data->d_buf, .n = data->d_size};
        }
    }
    return (struct slice){0};
}

// Once file->elf is open.
static int begin(struct dwarf_file *file, struct err *reterr)
{
    int r = check_sections(file, reterr);
    if (r < 0) {
        return r;
    }
    file->dwarf = dwarf_begin_elf(file->elf.elf, DWARF_C_READ, NULL);
    if (file->dwarf == NULL) {
        return err_set(reterr, ENOEXEC, "has malformed DWARF: %s", dwarf_errmsg(-1));
    }
    file->info = dwarf_file_section(file, ".debug_info");
    file->types = dwarf_file_section(file, ".debug_types");
    const char *alt;
    const void *id;
    file->wants_alt = dwelf_dwarf_gnu_debugaltlink(file->dwarf, &alt, &id) > 0;
    return 0;
}

void dwarf_file_close(struct dwarf_file *file)
{
    if (file->dwarf != NULL) {
        dwarf_end(file->dwarf);
    }
    if (file->alt != NULL) {
        dwarf_file_close(file->alt);
        free(file->alt);
    }
    elf_file_close(&file->elf);
    if (file->fd >= 0) {
        closep(&file->fd);
    }
    *file = (struct dwarf_file){.fd = -1};
}

int dwarf_file_open_bytes(struct slice bytes, struct dwarf_file *ret, struct err *reterr)
{
    *ret = (struct dwarf_file){.fd = -1};
    int r = elf_file_open_bytes(bytes, &ret->elf, reterr);
    r = r < 0 ? r : begin(ret, reterr);
    if (r < 0) {
        dwarf_file_close(ret);
    }
    return r;
}

static int open_one(int fd, bool is_alt, struct dwarf_file *ret, struct err *reterr)
{
    *ret = (struct dwarf_file){.fd = fd};
    int r = is_alt ? elf_file_open_alternate(fd, &ret->elf, reterr)
                   : elf_file_open(fd, &ret->elf, reterr);
    r = r < 0 ? r : begin(ret, reterr);
    if (r < 0) {
        dwarf_file_close(ret);
    }
    return r;
}

// ---- The alternate file ------------------------------------------------------------------------

#define DEBUG_FOLDER "/usr/lib/debug/"

// Where a file of that build-id stands, and below /usr/lib/debug what the link says: an absolute
// path there, or one that is relative to a file there, which always comes down to `.dwz/…`.
static char *alt_path(const char *link, const struct build_id *id, bool by_id)
{
    struct text path = {0};
    if (by_id) {
        text_addf(&path, DEBUG_FOLDER ".build-id/%02x/", id->at[0]);
        for (size_t i = 1; i < id->n; i++) {
            text_addf(&path, "%02x", id->at[i]);
        }
        text_add(&path, ".debug");
        return text_take(&path);
    }
    const char *dwz = strstr(link, ".dwz/");
    if (begins_with(link, DEBUG_FOLDER)) {
        text_add(&path, link);
    } else if (dwz != NULL) {
        text_addf(&path, DEBUG_FOLDER "%s", dwz);
    }
    if (strstr(text_get(&path), "/../") != NULL) {
        text_clear(&path);
    }
    return text_take(&path);
}

static bool open_alt_at(struct dwarf_file *file, const struct image_root *root, const char *path,
                        const struct build_id *id)
{
    int fd = *path == 0 ? -1 : image_root_open_file(root, path, NULL);
    if (fd < 0) {
        return false;
    }
    struct dwarf_file *alt = NEW(struct dwarf_file);
    if (open_one(fd, true, alt, NULL) < 0) {
        free(alt);
        return false;
    }
    struct build_id found = elf_file_build_id(&alt->elf);
    if (!build_id_equal(&found, id) || alt->bytes > LIMIT_DWARF_BYTES - file->bytes) {
        dwarf_file_close(alt);
        free(alt);
        return false;
    }
    file->alt = alt;
    file->bytes += alt->bytes;
    dwarf_setalt(file->dwarf, alt->dwarf);
    return true;
}

static void open_alt(struct dwarf_file *file, const struct image_root *root)
{
    const char *link;
    const void *bytes;
    ssize_t n = dwelf_dwarf_gnu_debugaltlink(file->dwarf, &link, &bytes);
    if (n < 2 || n > BUILD_ID_MAX) {
        return;
    }
    struct build_id id = {.n = (uint8_t)n};
    memcpy(id.at, bytes, (size_t)n);
    for (int by_id = 0; by_id < 2; by_id++) {
        CLEANUP(freep) char *path = alt_path(link, &id, by_id != 0);
        if (open_alt_at(file, root, path, &id)) {
            return;
        }
    }
}

int dwarf_file_open(int fd, const struct image_root *root, struct dwarf_file *ret,
                    struct err *reterr)
{
    int r = open_one(fd, false, ret, reterr);
    if (r == 0 && ret->wants_alt) {
        open_alt(ret, root);
    }
    return r;
}

// ---- Looking at it -----------------------------------------------------------------------------

// Whether libdw may resolve a value of this form without opening anything.
static bool is_safe(const struct dwarf_file *file, const Dwarf_Attribute *attr)
{
    switch (attr->form) {
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
    case DW_FORM_ref_sup4:
    case DW_FORM_ref_sup8:
    case DW_FORM_strp_sup:
        return file->alt != NULL && dwarf_cu_getdwarf(attr->cu) == file->dwarf;
    default:
        return true;
    }
}

// One step from `die` to the one that has the rest of what is known of it.
static bool step_to_origin(const struct dwarf_file *file, Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    Dwarf_Die to;
    if ((dwarf_attr(die, DW_AT_abstract_origin, &attr) == NULL &&
         dwarf_attr(die, DW_AT_specification, &attr) == NULL) ||
        !is_safe(file, &attr) || dwarf_formref_die(&attr, &to) == NULL) {
        return false;
    }
    *die = to;
    return true;
}

bool dwarf_file_attr(const struct dwarf_file *file, const Dwarf_Die *die, unsigned name,
                     Dwarf_Attribute *ret, Dwarf_Die *ret_die)
{
    Dwarf_Die at = *die;
    for (int hops = 0; hops < DWARF_HOPS_MAX; hops++) {
        if (dwarf_attr(&at, name, ret) != NULL) {
            *ret_die = at;
            return true;
        }
        if (!step_to_origin(file, &at)) {
            return false;
        }
    }
    return false;
}

Dwarf_Die dwarf_file_origin(const struct dwarf_file *file, const Dwarf_Die *die)
{
    Dwarf_Die at = *die;
    for (int hops = 0; hops < DWARF_HOPS_MAX && step_to_origin(file, &at); hops++) {
    }
    return at;
}

static bool ends_within(struct slice section, const uint8_t *text)
{
    return text >= section.data && text < section.data + section.n &&
           memchr(text, 0, section.n - (size_t)(text - section.data)) != NULL;
}

static bool text_is_whole(const struct dwarf_file *file, const uint8_t *text)
{
    return ends_within(file->info, text) || ends_within(file->types, text);
}

const char *dwarf_file_text(const struct dwarf_file *file, Dwarf_Attribute *attr)
{
    if (!is_safe(file, attr)) {
        return NULL;
    }
    // libdw has checked that the sections of texts end with the end of one; not these.
    if (attr->form == DW_FORM_string && !text_is_whole(file, attr->valp) &&
        (file->alt == NULL || !text_is_whole(file->alt, attr->valp))) {
        return NULL;
    }
    const char *text = dwarf_formstring(attr);
    return text != NULL && strnlen(text, LIMIT_SYMBOL_BYTES) < LIMIT_SYMBOL_BYTES ? text : NULL;
}

bool dwarf_file_number(const Dwarf_Die *die, unsigned name, uint64_t *ret)
{
    Dwarf_Attribute attr;
    Dwarf_Word value;
    if (dwarf_attr((Dwarf_Die *)(uintptr_t)die, name, &attr) == NULL ||
        dwarf_formudata(&attr, &value) != 0) {
        return false;
    }
    *ret = value;
    return true;
}
