#include "image/code_bytes.h"

#include "base/limits.h"
#include "image/elf_facts.h"
#include "image/image_file.h"
#include "image/kcore.h"

#include <errno.h>
#include <unistd.h>

struct code_bytes {
    struct image_file file;
    const struct symtab *symtab; // knows where addresses lie in the file
    struct kcore *kcore;         // of the kernel; NULL: `file` is meant
};

// ---- Is it the right file? ---------------------------------------------------------------------

static int check(const struct image *image, struct image_file *file, struct err *reterr)
{
    if (!image_stamp_equal(&file->stamp, &image->stamp)) { // that its symbols were read from
        return err_set(reterr, ESTALE, "%s is another file by now", file->shown);
    }
    struct elf_facts facts;
    struct err err = {0};
    int r = elf_facts_read(file->fd, &facts, &err);
    if (r < 0) {
        return err_set(reterr, -r, "%s %s", file->shown, err.text);
    }
    return image_file_check(file, image, &facts.build_id, reterr);
}

static int open_checked(const struct image *image, struct image_file *ret, struct err *reterr)
{
    if (image->kind != IMAGE_FILE && image->kind != IMAGE_VDSO) {
        return err_set(reterr, ENODATA, "%s has no file with its code", image->path);
    }
    if (image->kind == IMAGE_FILE && !image->keeps_root) {
        return err_set(reterr, ESTALE, "%s can't be reached any more", image->path);
    }
    int r = image_file_open(image, ret, reterr);
    return r < 0 || ret->fd < 0 ? r : check(image, ret, reterr);
}

static int open_kernel(const struct image *image, const char *kcore_path, struct kcore **ret,
                       struct err *reterr)
{
    if (image->is_saved || strcmp(image->path, IMAGE_OWN_KERNEL) != 0) {
        return err_set(reterr, ESTALE,
                       "kernel code of another machine, or of an earlier boot, is not known");
    }
    return kcore_open(kcore_path, ret, reterr);
}

int code_bytes_open_with(const struct image *image, const char *kcore_path, struct code_bytes **ret,
                         struct err *reterr)
{
    *ret = NULL;
    const struct symtab *symtab = image_symtab(image);
    ASSERT(symtab != NULL || image->kind == IMAGE_ANONYMOUS);
    struct code_bytes *code = NEW(struct code_bytes);
    code->symtab = symtab;
    code->file.fd = -1;
    int r = image->kind == IMAGE_KERNEL ? open_kernel(image, kcore_path, &code->kcore, reterr)
                                        : open_checked(image, &code->file, reterr);
    if (r < 0) {
        code_bytes_close(code);
        return r;
    }
    *ret = code;
    return 0;
}

int code_bytes_open(const struct image *image, struct code_bytes **ret, struct err *reterr)
{
    return code_bytes_open_with(image, KCORE_PATH, ret, reterr);
}

void code_bytes_close(struct code_bytes *code)
{
    if (code != NULL) {
        image_file_close(&code->file);
        kcore_close(code->kcore);
        free(code);
    }
}

// ---- Reading -----------------------------------------------------------------------------------

static int read_file(const struct code_bytes *code, uint64_t off, size_t n, struct text *to)
{
    CLEANUP(freep) uint8_t *bytes = NEW_ARRAY(uint8_t, n);
    for (size_t done = 0; done < n;) {
        ssize_t r = pread(code->file.fd, bytes + done, n - done, (off_t)(off + done));
        if (r <= 0) {
            return r == 0 ? -ENODATA : -errno;
        }
        done += (size_t)r;
    }
    struct stat st;
    struct image_stamp now = fstat(code->file.fd, &st) == 0 ? image_stamp_of(&st)
                                                            : (struct image_stamp){0};
    if (!image_stamp_equal(&now, &code->file.stamp)) {
        return -ESTALE;
    }
    text_add_bytes(to, bytes, n);
    return 0;
}

int code_bytes_read(struct code_bytes *code, uint64_t addr, uint64_t end, struct text *to)
{
    if (code->kcore != NULL) {
        return kcore_read(code->kcore, addr, end, to);
    }
    uint64_t n = end - addr;
    uint64_t off;
    uint64_t last;
    if (addr >= end || !symtab_off_of_addr(code->symtab, addr, &off) ||
        !symtab_off_of_addr(code->symtab, end - 1, &last) || last - off != n - 1) {
        return -ENODATA;
    }
    if (n > LIMIT_SAVED_FUNCTION_BYTES) {
        return -EFBIG;
    }
    if (off > INT64_MAX - n) {
        return -ENODATA;
    }
    if (code->file.fd >= 0) {
        return read_file(code, off, (size_t)n, to);
    }
    struct slice bytes = code->file.bytes;
    if (off > bytes.n || n > bytes.n - off) {
        return -ENODATA;
    }
    text_add_bytes(to, bytes.data + off, (size_t)n);
    return 0;
}
