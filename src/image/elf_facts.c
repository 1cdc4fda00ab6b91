#include "image/elf_facts.h"

#include "base/limits.h"
#include "image/elf_file.h"

static bool is_big_endian(const struct elf_file *file)
{
    const char *ident = elf_getident(file->elf, NULL);
    return ident != NULL && ident[EI_DATA] == ELFDATA2MSB;
}

static void take_link(const struct elf_file *file, Elf_Scn *scn, const GElf_Shdr *shdr,
                      struct debuglink *ret)
{
    if (shdr->sh_size > DEBUGLINK_NAME_BYTES + sizeof ret->crc) {
        return;
    }
    Elf_Data *data = elf_rawdata(scn, NULL);
    if (data != NULL && data->d_buf != NULL) {
        struct slice bytes = {.data = data->d_buf, .n = data->d_size};
        debuglink_parse(bytes, is_big_endian(file), ret);
    }
}

static void note_section(const struct elf_file *file, Elf_Scn *scn, size_t names,
                         struct elf_facts *facts)
{
    GElf_Shdr shdr;
    if (gelf_getshdr(scn, &shdr) == NULL) {
        return;
    }
    facts->has_symtab = facts->has_symtab || shdr.sh_type == SHT_SYMTAB;
    const char *name = elf_strptr(file->elf, names, shdr.sh_name);
    if (name == NULL || shdr.sh_type != SHT_PROGBITS || shdr.sh_size == 0) {
        return;
    }
    if (strcmp(name, ".debug_info") == 0) {
        facts->has_dwarf = true;
    } else if (strcmp(name, ".gnu_debuglink") == 0) {
        take_link(file, scn, &shdr, &facts->link);
    } else if (strcmp(name, ".gnu_debugdata") == 0 && shdr.sh_offset <= file->size &&
               shdr.sh_size <= file->size - shdr.sh_offset) {
        facts->debugdata_off = shdr.sh_offset;
        facts->debugdata_bytes = shdr.sh_size;
    }
}

void elf_facts_of(const struct elf_file *file, struct elf_facts *ret)
{
    *ret = (struct elf_facts){.build_id = elf_file_build_id(file)};
    size_t names = 0;
    if (elf_getshdrstrndx(file->elf, &names) != 0) {
        return;
    }
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(file->elf, scn)) != NULL;) {
        note_section(file, scn, names, ret);
    }
}

int elf_facts_read(int fd, struct elf_facts *ret, struct err *reterr)
{
    CLEANUP(elf_file_close) struct elf_file file = {0};
    int r = elf_file_open(fd, &file, reterr);
    if (r == 0) {
        elf_facts_of(&file, ret);
    }
    return r;
}
