#include "image/image_file.h"

#include "base/clock.h"
#include "base/file.h"
#include "image/elf_file.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <linux/magic.h>
#include <sys/auxv.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { SHOWN_PATH_BYTES = 120 };

static const char deleted_suffix[] = " (deleted)"; // d_path() in the kernel, seen in maps and MMAP2

char *image_shown_path(const char *path)
{
    struct text escaped = {0};
    text_add_escaped(&escaped, path, strlen(path));
    if (escaped.n <= SHOWN_PATH_BYTES) {
        return text_take(&escaped);
    }
    const char *tail = text_get(&escaped) + escaped.n - SHOWN_PATH_BYTES;
    const char *slash = strchr(tail, '/');
    while (slash == NULL && ((uint8_t)tail[0] & 0xc0) == 0x80) {
        tail++;
    }
    struct text result = {0};
    text_addf(&result, "...%s", slash != NULL ? slash : tail);
    text_fini(&escaped);
    return text_take(&result);
}

struct image_stamp image_stamp_of(const struct stat *st)
{
    return (struct image_stamp){
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .changed_unix_ns = (uint64_t)st->st_ctim.tv_sec * NS_PER_S + (uint64_t)st->st_ctim.tv_nsec,
    };
}

struct image_stamp image_stamp_now(const struct image_root *root, const char *path)
{
    struct stat st;
    return image_root_stat(root, path, &st) == 0 ? image_stamp_of(&st) : (struct image_stamp){0};
}

// ---- Is it the file that was mapped? -----------------------------------------------------------

// Overlays and network file systems may show a file under another inode number than the mapping
// has. On these, a number is a number.
static bool has_reliable_inodes(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0) {
        return false;
    }
    switch ((unsigned long)fs.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
        return true;
    default:
        return false;
    }
}

// Without a build-id there are two witnesses: the time of the last change, which a file put in the
// place of another by rename() has too, and the inode number. Device numbers are none: those of
// subvolumes and overlays differ between stat() and the mapping.
static bool is_as_mapped(const struct image *image, const struct image_file *file)
{
    if (image->mapped_unix_ns != 0 && file->stamp.changed_unix_ns > image->mapped_unix_ns) {
        return false;
    }
    return image->inode == 0 || image->inode == file->stamp.inode || !has_reliable_inodes(file->fd);
}

static int refuse(struct image_file *file, const char *how, struct err *reterr)
{
    file->was_changed = true;
    return err_set(reterr, ESTALE,
                   "%s has changed since it was mapped (%s); start the program again to get names",
                   file->shown, how);
}

int image_file_check(struct image_file *file, const struct image *image,
                     const struct build_id *found, struct err *reterr)
{
    bool is_same = image->build_id.n == 0 || build_id_equal(&image->build_id, found);
    if (image->kind == IMAGE_VDSO) {
        return is_same
                   ? 0
                   : err_set(reterr, ESTALE, "the vdso is another one than ours (other build-id)");
    }
    if (!is_same) {
        return refuse(file, "other build-id", reterr);
    }
    struct stat st;
    if (image->build_id.n == 0 &&
        (fstat(file->fd, &st) < 0 ||
         image_stamp_of(&st).changed_unix_ns != file->stamp.changed_unix_ns)) {
        return refuse(file, "just now", reterr);
    }
    return 0;
}

// ---- Opening -----------------------------------------------------------------------------------

// The length of the path without ` (deleted)`; 0 when it does not end so.
static size_t length_before_deleted(const char *path)
{
    size_t n = strlen(path);
    size_t n_suffix = sizeof deleted_suffix - 1;
    bool is_deleted = n > n_suffix && strcmp(path + n - n_suffix, deleted_suffix) == 0;
    return is_deleted ? n - n_suffix : 0;
}

// The file is gone, but something with the same build-id may stand in its place: a package that
// was installed again. Only a build-id can tell.
static int open_replacement(const struct image *image, size_t n_path, struct image_file *ret,
                            struct err *reterr)
{
    CLEANUP(freep) char *path = alloc_text(image->path, n_path);
    free(ret->shown);
    ret->shown = image_shown_path(path);
    CLEANUP(closep)
    int fd = image->build_id.n == 0 ? -ENOENT : image_root_open_file(image->root, path, NULL);
    CLEANUP(elf_file_close) struct elf_file elf = {0};
    if (fd >= 0 && elf_file_open(fd, &elf, NULL) == 0) {
        struct build_id found = elf_file_build_id(&elf);
        if (build_id_equal(&image->build_id, &found)) {
            return take_fd(&fd);
        }
    }
    return err_set(reterr, ENOENT,
                   "%s: the file was deleted; start the program again to get names from the one "
                   "that has taken its place",
                   ret->shown);
}

static int explain(int number, const char *shown, struct err *reterr)
{
    switch (number) {
    case ENOENT:
        return err_set(reterr, number, "%s: the file was deleted or moved", shown);
    case EACCES:
    case EPERM:
        return err_set(reterr, number,
                       "cannot open %s: %s; run stax-server as a user who may read it", shown,
                       strerror(number));
    case ENOEXEC:
        return err_set(reterr, number, "%s is not a regular file", shown);
    default:
        return err_set(reterr, number, "cannot open %s: %s", shown, strerror(number));
    }
}

static int open_path(const struct image *image, struct image_file *ret, struct err *reterr)
{
    if (image->path[0] != '/') {
        return err_set(reterr, ENOENT, "%s is not the path of a file", ret->shown);
    }
    int fd = image_root_open_file(image->root, image->path, NULL);
    size_t n_path = length_before_deleted(image->path);
    if (fd == -ENOENT && n_path > 0) {
        return open_replacement(image, n_path, ret, reterr);
    }
    return fd < 0 ? explain(-fd, ret->shown, reterr) : fd;
}

static int open_file(const struct image *image, struct image_file *ret, struct err *reterr)
{
    ret->fd = open_path(image, ret, reterr);
    if (ret->fd < 0) {
        return ret->fd;
    }
    struct stat st;
    if (fstat(ret->fd, &st) < 0) {
        int number = errno;
        return err_set(reterr, number, "cannot look at %s: %s", ret->shown, strerror(number));
    }
    ret->stamp = image_stamp_of(&st);
    if (image->build_id.n == 0 && !is_as_mapped(image, ret)) {
        return refuse(ret, "other file or time of change", reterr);
    }
    return 0;
}

// Our own vdso is that of every process of the same width: the kernel has one. Its bytes are
// trusted, so the headers may say how long it is.
static struct slice own_vdso(void)
{
    const uint8_t *start = (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    if (start == NULL) {
        return (struct slice){0};
    }
    ElfW(Ehdr) header;
    memcpy(&header, start, sizeof header);
    size_t end = header.e_shoff + (size_t)header.e_shnum * header.e_shentsize;
    for (size_t i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        memcpy(&segment, start + header.e_phoff + i * header.e_phentsize, sizeof segment);
        end = MAX(end, (size_t)(segment.p_offset + segment.p_filesz));
    }
    return (struct slice){.data = start, .n = end};
}

int image_file_open(const struct image *image, struct image_file *ret, struct err *reterr)
{
    ASSERT(image->kind == IMAGE_FILE || image->kind == IMAGE_VDSO);
    *ret = (struct image_file){.fd = -1};
    if (image->kind == IMAGE_FILE) {
        ret->shown = image_shown_path(image->path);
        return open_file(image, ret, reterr);
    }
    ret->shown = alloc_text("the vdso", strlen("the vdso"));
    ret->bytes = own_vdso();
    return ret->bytes.n > 0 ? 0 : err_set(reterr, ENOENT, "the vdso is not mapped here");
}

void image_file_close(struct image_file *file)
{
    closep(&file->fd);
    free(TAKE(file->shown));
}
