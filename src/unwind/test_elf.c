#include "unwind/test_elf.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <unistd.h>

static bool find_section(struct test_elf *elf, const char *wanted, struct slice *ret,
                         uint64_t *ret_addr)
{
    size_t names;
    if (elf_getshdrstrndx(elf->elf, &names) != 0) {
        return false;
    }
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf->elf, scn)) != NULL;) {
        GElf_Shdr header;
        const char *name = gelf_getshdr(scn, &header) == NULL
                               ? NULL
                               : elf_strptr(elf->elf, names, header.sh_name);
        if (name == NULL || strcmp(name, wanted) != 0 || header.sh_type == SHT_NOBITS) {
            continue;
        }
        Elf_Data *data = elf_getdata(scn, NULL);
        if (data == NULL) {
            return false;
        }
        *ret = (struct slice){.data = data->d_buf, .n = data->d_size};
        *ret_addr = header.sh_addr;
        return true;
    }
    return false;
}

static void read_segments(struct test_elf *elf)
{
    size_t n = 0;
    elf_getphdrnum(elf->elf, &n);
    for (int i = 0; i < (int)n; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(elf->elf, i, &header) != NULL && header.p_type == PT_LOAD &&
            (header.p_flags & PF_X) != 0) {
            vec_push(&elf->segments, (struct cfi_segment){.addr = header.p_vaddr,
                                                          .size_bytes = header.p_filesz,
                                                          .file_off = header.p_offset});
        }
    }
    elf->source.segments = elf->segments.at;
    elf->source.n_segments = (uint32_t)elf->segments.n;
}

const char *test_elf_open(struct test_elf *elf, const char *path, const char *section)
{
    *elf = (struct test_elf){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (elf->fd < 0) {
        return "is not here";
    }
    elf_version(EV_CURRENT);
    elf->elf = elf_begin(elf->fd, ELF_C_READ_MMAP, NULL);
    GElf_Ehdr header;
    if (elf->elf == NULL || gelf_getehdr(elf->elf, &header) == NULL) {
        return "is not an ELF file";
    }
    elf->source.arch = header.e_machine == EM_AARCH64 ? UNWIND_AARCH64 : UNWIND_X86_64;
    elf->source.n_sections = 1;
    elf->source.sections[0].is_debug_frame = strcmp(section, ".debug_frame") == 0;
    if (!find_section(elf, section, &elf->source.sections[0].bytes,
                      &elf->source.sections[0].addr)) {
        return "has no such section";
    }
    find_section(elf, ".eh_frame_hdr", &elf->search_table, &elf->source.data_addr);
    read_segments(elf);
    return NULL;
}

void test_elf_close(struct test_elf *elf)
{
    elf_end(elf->elf);
    if (elf->fd >= 0) {
        close(elf->fd);
    }
    vec_fini(&elf->segments);
}

const char *test_elf_library(const char *name)
{
    void *handle = dlopen(name, RTLD_LAZY); // never closed: its name is asked of it
    struct link_map *map;
    return handle != NULL && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : NULL;
}
