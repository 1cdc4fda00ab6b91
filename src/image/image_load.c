#include "image/image_load.h"

#include "base/file.h"
#include "image/elf_cfi.h"
#include "image/image_debug.h"
#include "image/image_file.h"
#include "image/kallsyms.h"

#include <errno.h>

static int load_file(const struct image *image, const char *debug_path, struct image_loaded *ret,
                     struct image_file *file)
{
    int r = image_file_open(image, file, &ret->note);
    if (r < 0) {
        return r;
    }
    struct elf_facts facts;
    struct symtab *symtab = NULL;
    struct err err = {0};
    r = file->fd >= 0 ? elf_symbols_read(file->fd, &symtab, &facts, &err)
                      : elf_symbols_parse(file->bytes, &symtab, &facts, &err);
    if (r < 0) {
        return err_set(&ret->note, -r, "%s %s", file->shown, err.text);
    }
    r = image_file_check(file, image, &facts.build_id, &ret->note);
    if (r < 0) {
        symtab_free(symtab);
        return r;
    }
    ret->symtab = symtab;
    ret->build_id = facts.build_id;
    ret->has_dwarf = facts.has_dwarf;
    if (image->kind == IMAGE_FILE) {
        image_debug_find(image, file, &facts, debug_path, ret);
    }
    return 0;
}

static int load_elf(const struct image *image, const char *debug_path, struct image_loaded *ret)
{
    CLEANUP(image_file_close) struct image_file file = {.fd = -1};
    int r = load_file(image, debug_path, ret, &file);
    ret->stamp = file.stamp;
    ret->was_changed = file.was_changed;
    return r;
}

static int load_kernel(const struct image *image, struct image_loaded *ret)
{
    if (strcmp(image->path, IMAGE_OWN_KERNEL) != 0) {
        CLEANUP(freep) char *shown = image_shown_path(image->path);
        return err_set(&ret->note, ESTALE,
                       "%s is not the kernel that runs here: look at the run where it does", shown);
    }
    int r = kallsyms_read(&ret->symtab, &ret->note);
    if (r != KALLSYMS_E_HIDDEN) {
        return r;
    }
    long restriction = 0;
    file_read_integer("/proc/sys/kernel/kptr_restrict", &restriction);
    return err_set(
        &ret->note, EPERM,
        "no kernel names: /proc/kallsyms hides its addresses (kptr_restrict is %ld); run "
        "stax-server as root, or set kernel.kptr_restrict to 0 and "
        "kernel.perf_event_paranoid to 1",
        restriction);
}

void image_load(const struct image *image, const char *debug_path, struct image_loaded *ret)
{
    *ret = (struct image_loaded){0};
    int r = 0;
    switch (image->kind) {
    case IMAGE_FILE:
    case IMAGE_VDSO:
        r = load_elf(image, debug_path, ret);
        break;
    case IMAGE_KERNEL:
        r = load_kernel(image, ret);
        break;
    case IMAGE_ANONYMOUS: // READY from the start
        break;
    }
    ASSERT((r < 0) == (ret->symtab == NULL));
}

// ---- Unwinding rules ---------------------------------------------------------------------------

struct cfi_table *image_load_cfi(const struct image *image, struct cfi_facts *ret_facts,
                                 struct err *reterr)
{
    CLEANUP(image_file_close) struct image_file file = {.fd = -1};
    if (image_file_open(image, &file, reterr) < 0) {
        return NULL;
    }
    struct elf_cfi_facts facts = {0};
    struct cfi_table *table = NULL;
    struct err err = {0};
    int r = file.fd >= 0 ? elf_cfi_read(file.fd, &table, &facts, &err)
                         : elf_cfi_parse(file.bytes, &table, &facts, &err);
    if (r < 0) {
        err_set(reterr, -r, "%s %s", file.shown, err.text);
        return NULL;
    }
    if (image_file_check(&file, image, &facts.build_id, reterr) < 0) {
        cfi_table_free(table);
        return NULL;
    }
    *ret_facts = facts.cfi;
    return table;
}
