#include "image/image_load.h"

#include "base/clock.h"
#include "base/file.h"
#include "image/kallsyms.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <linux/magic.h>
#include <sys/auxv.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { SHOWN_PATH_BYTES = 120 };

static const char deleted_suffix[] = " (deleted)"; // d_path() in the kernel, seen in maps and MMAP2

// The path as a note can show it: escaped, and only its end when it is long.
static char *shown_path(const char *path)
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

static struct image_stamp stamp_of(const struct stat *st)
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
    return image_root_stat(root, path, &st) == 0 ? stamp_of(&st) : (struct image_stamp){0};
}

// ---- Is it the file that was mapped? -----------------------------------------------------------

static bool same_build_id(const struct build_id *a, const struct build_id *b)
{
    return a->n == b->n && memcmp(a->at, b->at, a->n) == 0;
}

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
static bool is_as_mapped(const struct image *image, int fd, const struct image_stamp *stamp)
{
    if (image->mapped_unix_ns != 0 && stamp->changed_unix_ns > image->mapped_unix_ns) {
        return false;
    }
    return image->inode == 0 || image->inode == stamp->inode || !has_reliable_inodes(fd);
}

static int refuse_changed(struct image_loaded *ret, const char *shown, const char *how)
{
    ret->was_changed = true;
    return err_set(&ret->note, ESTALE,
                   "%s has changed since it was mapped (%s); start the program again to get names",
                   shown, how);
}

static void note_what_is_missing(struct image_loaded *ret, const struct elf_facts *facts,
                                 const char *shown)
{
    size_t n = symtab_count(ret->symtab);
    if (n == 0) {
        err_set(&ret->note, 0, "%s has no symbols; a build that is not stripped has", shown);
    } else if (!facts->has_symtab) {
        err_set(&ret->note, 0,
                "%s is stripped: only its %zu dynamic symbols are known; a build that is not "
                "stripped has more",
                shown, n);
    }
}

// Reads the open file, which is used only if it is the one that was mapped.
static int load_fd(const struct image *image, int fd, const char *shown, struct image_loaded *ret)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int number = errno;
        return err_set(&ret->note, number, "cannot look at %s: %s", shown, strerror(number));
    }
    ret->stamp = stamp_of(&st);
    bool has_id = image->build_id.n > 0;
    if (!has_id && !is_as_mapped(image, fd, &ret->stamp)) {
        return refuse_changed(ret, shown, "other file or time of change");
    }
    struct elf_facts facts;
    struct symtab *symtab = NULL;
    struct err err = {0};
    int r = elf_symbols_read(fd, &symtab, &facts, &err);
    if (r < 0) {
        return err_set(&ret->note, -r, "%s %s", shown, err.text);
    }
    bool is_same = has_id ? same_build_id(&image->build_id, &facts.build_id)
                          : fstat(fd, &st) == 0 &&
                                stamp_of(&st).changed_unix_ns == ret->stamp.changed_unix_ns;
    if (!is_same) {
        symtab_free(symtab);
        return refuse_changed(ret, shown, has_id ? "other build-id" : "just now");
    }
    ret->symtab = symtab;
    note_what_is_missing(ret, &facts, shown);
    return 0;
}

// ---- The kinds ---------------------------------------------------------------------------------

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
static int load_deleted(const struct image *image, size_t n_path, struct image_loaded *ret)
{
    CLEANUP(freep) char *path = alloc_text(image->path, n_path);
    CLEANUP(freep) char *shown = shown_path(path);
    if (image->build_id.n > 0) {
        CLEANUP(closep) int fd = image_root_open_file(image->root, path, NULL);
        if (fd >= 0 && load_fd(image, fd, shown, ret) == 0) {
            return 0;
        }
        *ret = (struct image_loaded){0}; // whatever that was: ours is gone for good
    }
    return err_set(&ret->note, ENOENT,
                   "%s: the file was deleted; start the program again to get names from the one "
                   "that has taken its place",
                   shown);
}

static int load_file(const struct image *image, struct image_loaded *ret)
{
    CLEANUP(freep) char *shown = shown_path(image->path);
    if (image->path[0] != '/') {
        return err_set(&ret->note, ENOENT, "%s is not the path of a file", shown);
    }
    struct err err = {0};
    CLEANUP(closep) int fd = image_root_open_file(image->root, image->path, &err);
    if (fd >= 0) {
        return load_fd(image, fd, shown, ret);
    }
    size_t n_path = length_before_deleted(image->path);
    if (fd == -ENOENT && n_path > 0) {
        return load_deleted(image, n_path, ret);
    }
    switch (-fd) {
    case ENOENT:
        return err_set(&ret->note, ENOENT, "%s: the file was deleted or moved", shown);
    case EACCES:
    case EPERM:
        return err_set(&ret->note, -fd,
                       "cannot open %s: %s; run stax-server as a user who may read it", shown,
                       strerror(-fd));
    case ENOEXEC:
        return err_set(&ret->note, ENOEXEC, "%s is not a regular file", shown);
    default:
        return err_set(&ret->note, -fd, "cannot open %s: %s", shown, strerror(-fd));
    }
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

static int load_vdso(const struct image *image, struct image_loaded *ret)
{
    struct slice bytes = own_vdso();
    struct elf_facts facts;
    struct err err = {.text = "is not mapped here"};
    int r = bytes.n == 0 ? -ENOENT : elf_symbols_parse(bytes, &ret->symtab, &facts, &err);
    if (r < 0) {
        return err_set(&ret->note, -r, "the vdso %s", err.text);
    }
    if (image->build_id.n > 0 && !same_build_id(&image->build_id, &facts.build_id)) {
        symtab_free(TAKE(ret->symtab));
        return err_set(&ret->note, ESTALE, "the vdso is another one than ours (other build-id)");
    }
    return 0;
}

static int load_kernel(struct image_loaded *ret)
{
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

void image_load(const struct image *image, struct image_loaded *ret)
{
    *ret = (struct image_loaded){0};
    int r = 0;
    switch (image->kind) {
    case IMAGE_FILE:
        r = load_file(image, ret);
        break;
    case IMAGE_VDSO:
        r = load_vdso(image, ret);
        break;
    case IMAGE_KERNEL:
        r = load_kernel(ret);
        break;
    case IMAGE_ANONYMOUS: // READY from the start
        break;
    }
    ASSERT((r < 0) == (ret->symtab == NULL));
}
