#include "image/elf_stubs.h"

#include "base/limits.h"
#include "base/text.h"
#include "base/vec.h"
#include "image/elf_plt.h"

#include <inttypes.h>

// A relocation that fills a slot.
struct slot {
    uint64_t addr;
    uint64_t addend;
    size_t symbols; // number of the section that has its symbol
    uint64_t symbol;
    bool chooses; // `addend` is the function that chooses the callee
};

struct stubs {
    Elf *elf;
    uint16_t machine;
    struct symtab_builder *builder;
    uint64_t *names_left;
    VEC(Elf_Scn *) tables;
    VEC(struct slot) slots; // by address
};

static void stubs_fini(struct stubs *stubs)
{
    vec_fini(&stubs->tables);
    vec_fini(&stubs->slots);
}

// ---- Collecting --------------------------------------------------------------------------------

static bool is_plt(const char *name)
{
    static const char *const names[] = {".plt", ".plt.sec", ".plt.got", ".plt.bnd", ".iplt"};
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void collect_tables(struct stubs *stubs)
{
    size_t names = 0;
    if (elf_getshdrstrndx(stubs->elf, &names) != 0) {
        return;
    }
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(stubs->elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        if (gelf_getshdr(scn, &shdr) != NULL && shdr.sh_type == SHT_PROGBITS &&
            (shdr.sh_flags & SHF_EXECINSTR) != 0 &&
            is_plt(elf_strptr(stubs->elf, names, shdr.sh_name))) {
            vec_push(&stubs->tables, scn);
        }
    }
}

static bool fills_slot(const struct stubs *stubs, uint64_t type, bool *ret_chooses)
{
    bool is_x86 = stubs->machine == EM_X86_64;
    *ret_chooses = type == (is_x86 ? R_X86_64_IRELATIVE : R_AARCH64_IRELATIVE);
    return *ret_chooses || type == (is_x86 ? R_X86_64_JUMP_SLOT : R_AARCH64_JUMP_SLOT) ||
           type == (is_x86 ? R_X86_64_GLOB_DAT : R_AARCH64_GLOB_DAT);
}

static void collect_from(struct stubs *stubs, Elf_Scn *scn, const GElf_Shdr *shdr)
{
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t each = gelf_fsize(stubs->elf, ELF_T_RELA, 1, EV_CURRENT);
    size_t n = data == NULL || data->d_buf == NULL || each == 0 ? 0 : data->d_size / each;
    GElf_Rela rela;
    for (size_t i = 0; i < n && i < INT32_MAX && stubs->slots.n < LIMIT_SYMBOLS; i++) {
        bool chooses;
        if (gelf_getrela(data, (int)i, &rela) != NULL &&
            fills_slot(stubs, GELF_R_TYPE(rela.r_info), &chooses)) {
            vec_push(&stubs->slots, (struct slot){.addr = rela.r_offset,
                                                  .addend = (uint64_t)rela.r_addend,
                                                  .symbols = shdr->sh_link,
                                                  .symbol = GELF_R_SYM(rela.r_info),
                                                  .chooses = chooses});
        }
    }
}

static int compare_slots(const void *left, const void *right)
{
    const struct slot *a = left;
    const struct slot *b = right;
    return (a->addr > b->addr) - (a->addr < b->addr);
}

static void collect_slots(struct stubs *stubs)
{
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(stubs->elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        if (gelf_getshdr(scn, &shdr) != NULL && shdr.sh_type == SHT_RELA &&
            (shdr.sh_flags & SHF_ALLOC) != 0) {
            collect_from(stubs, scn, &shdr);
        }
    }
    if (stubs->slots.n > 0) {
        qsort(stubs->slots.at, stubs->slots.n, sizeof *stubs->slots.at, compare_slots);
    }
}

// ---- Naming ------------------------------------------------------------------------------------

// The name of the function that a slot is filled with; NULL when it can't be told.
static const char *name_of(const struct stubs *stubs, const struct slot *slot)
{
    Elf_Scn *scn = elf_getscn(stubs->elf, slot->symbols);
    GElf_Shdr shdr;
    GElf_Sym sym;
    if (scn == NULL || gelf_getshdr(scn, &shdr) == NULL || shdr.sh_type != SHT_DYNSYM ||
        slot->symbol > INT32_MAX) {
        return NULL;
    }
    Elf_Data *data = elf_getdata(scn, NULL);
    if (data == NULL || gelf_getsym(data, (int)slot->symbol, &sym) == NULL) {
        return NULL;
    }
    const char *name = elf_strptr(stubs->elf, shdr.sh_link, sym.st_name);
    return name == NULL || name[0] == 0 ? NULL : name;
}

static void add_stub(struct stubs *stubs, const struct elf_plt_stub *stub)
{
    struct slot key = {.addr = stub->slot_addr};
    const struct slot *slot = stubs->slots.n == 0 ? NULL
                                                  : bsearch(&key, stubs->slots.at, stubs->slots.n,
                                                            sizeof *stubs->slots.at, compare_slots);
    const char *name = slot == NULL ? NULL : name_of(stubs, slot);
    CLEANUP(text_fini) struct text text = {0};
    if (slot != NULL && slot->chooses) {
        text_addf(&text, "*ABS*+0x%" PRIx64, slot->addend);
    } else if (name != NULL) {
        text_add_bytes(&text, name, strnlen(name, LIMIT_SYMBOL_BYTES - sizeof "@plt"));
    } else {
        return;
    }
    text_add(&text, "@plt");
    if (text.n <= *stubs->names_left) {
        *stubs->names_left -= text.n;
        symtab_builder_add(stubs->builder, stub->addr, stub->size, slice_of_text(text_get(&text)),
                           (struct slice){0}, SYMBOL_LOCAL);
    }
}

static void add_table(struct stubs *stubs, Elf_Scn *scn)
{
    GElf_Shdr shdr;
    Elf_Data *data = elf_rawdata(scn, NULL);
    if (gelf_getshdr(scn, &shdr) == NULL || data == NULL || data->d_buf == NULL) {
        return;
    }
    struct elf_plt_section section = {
        .machine = stubs->machine,
        .bytes = {.data = data->d_buf, .n = data->d_size},
        .addr = shdr.sh_addr,
        .entry_bytes = shdr.sh_entsize,
    };
    struct elf_plt_stub stub;
    for (size_t at = 0; elf_plt_next(&section, &at, &stub);) {
        add_stub(stubs, &stub);
    }
}

// What calls others without stubs (-fno-plt, Rust) names their slots.
static void add_slots(struct stubs *stubs)
{
    for (size_t i = 0; i < stubs->slots.n; i++) {
        const struct slot *slot = &stubs->slots.at[i];
        const char *name = slot->chooses ? NULL : name_of(stubs, slot);
        size_t n = name == NULL ? 0 : strnlen(name, LIMIT_SYMBOL_BYTES);
        if (name == NULL || n > *stubs->names_left) {
            continue;
        }
        *stubs->names_left -= n;
        struct slice bytes = {.data = (const uint8_t *)name, .n = n};
        symtab_builder_add_slot(stubs->builder, slot->addr, bytes);
    }
}

void elf_stubs_add(const struct elf_file *file, struct symtab_builder *builder,
                   uint64_t *names_left)
{
    GElf_Ehdr header;
    if (gelf_getehdr(file->elf, &header) == NULL || gelf_getclass(file->elf) != ELFCLASS64 ||
        (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64)) {
        return;
    }
    CLEANUP(stubs_fini)
    struct stubs stubs = {.elf = file->elf,
                          .machine = header.e_machine,
                          .builder = builder,
                          .names_left = names_left};
    collect_tables(&stubs);
    collect_slots(&stubs);
    for (size_t i = 0; i < stubs.tables.n; i++) {
        add_table(&stubs, stubs.tables.at[i]);
    }
    add_slots(&stubs);
}
