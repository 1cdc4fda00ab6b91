#include "image/image_root.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    RACE_RETRIES = 16,
    CONFIGFS_MAGIC_ = 0x62656570, // the only one that linux/magic.h lacks
};

struct image_root {
    int fd; // -1: not even "/" could be opened, paths are taken as they are
    uint32_t n_refs;
    struct image_root_key key; // all zero: not known, never shared
    struct image_root *next;
};

// Guards the list and the reference counts. Roots are opened once per process, so a list will do.
static pthread_mutex_t roots_lock = PTHREAD_MUTEX_INITIALIZER;
static struct image_root *roots;

static struct image_root_key key_of(int fd)
{
    struct statx stx;
    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &stx) < 0 ||
        (stx.stx_mask & STATX_MNT_ID) == 0) {
        return (struct image_root_key){0};
    }
    return (struct image_root_key){
        .device = (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor,
        .inode = stx.stx_ino,
        .mount = stx.stx_mnt_id,
    };
}

static bool same_key(struct image_root_key a, struct image_root_key b)
{
    return a.inode != 0 && a.device == b.device && a.inode == b.inode && a.mount == b.mount;
}

// A root that is known by this key, referenced; or a new one, which consumes the descriptor.
static struct image_root *share(int *fd)
{
    struct image_root_key key = key_of(*fd);
    pthread_mutex_lock(&roots_lock);
    struct image_root *root = roots;
    while (root != NULL && !same_key(root->key, key)) {
        root = root->next;
    }
    if (root == NULL) {
        root = NEW(struct image_root);
        root->fd = take_fd(fd);
        root->key = key;
        root->next = roots;
        roots = root;
    }
    root->n_refs++;
    pthread_mutex_unlock(&roots_lock);
    return root;
}

struct image_root *image_root_open(uint32_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%u/root", pid);
    CLEANUP(closep) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return share(&fd);
}

struct image_root *image_root_open_directory(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : share(&fd);
}

struct image_root *image_root_ref(struct image_root *root)
{
    if (root != NULL) {
        pthread_mutex_lock(&roots_lock);
        root->n_refs++;
        pthread_mutex_unlock(&roots_lock);
    }
    return root;
}

void image_root_unref(struct image_root *root)
{
    if (root == NULL) {
        return;
    }
    pthread_mutex_lock(&roots_lock);
    bool is_last = --root->n_refs == 0;
    if (is_last) {
        struct image_root **at = &roots;
        while (*at != root) {
            at = &(*at)->next;
        }
        *at = root->next;
    }
    pthread_mutex_unlock(&roots_lock);
    if (is_last) {
        closep(&root->fd);
        free(root);
    }
}

struct image_root_key image_root_key(const struct image_root *root)
{
    return root == NULL ? (struct image_root_key){0} : root->key;
}

// A descriptor or a negative errno.
static int open_inside(const struct image_root *root, const char *path, int flags)
{
    if (root == NULL || root->fd < 0) {
        int fd = open(path, flags);
        return fd < 0 ? -errno : fd;
    }
    struct open_how how = {
        .flags = (unsigned)flags,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    for (int i = 0; i < RACE_RETRIES; i++) {
        fd = syscall(SYS_openat2, root->fd, path, &how, sizeof how);
        if (fd >= 0) {
            return (int)fd;
        }
        if (errno != EAGAIN) { // something was renamed while the kernel walked the path
            break;
        }
    }
    if (errno == ENOSYS || errno == EPERM) { // an old kernel, or a filter that does not know it
        // The kernel reports mapped files by paths without symlinks, so this goes the same way.
        fd = openat(root->fd, path + strspn(path, "/"), flags);
    }
    return fd < 0 ? -errno : (int)fd;
}

// File systems whose files are no files, but something that the kernel does when they are opened or
// read, whatever kind and size they say they have.
static bool is_made_up(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0) {
        return true;
    }
    switch ((unsigned long)fs.f_type) {
    case AAFS_MAGIC:
    case BINFMTFS_MAGIC:
    case BPF_FS_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CONFIGFS_MAGIC_:
    case DEBUGFS_MAGIC:
    case EFIVARFS_MAGIC:
    case NSFS_MAGIC:
    case PROC_SUPER_MAGIC:
    case PSTOREFS_MAGIC:
    case SECURITYFS_MAGIC:
    case SELINUX_MAGIC:
    case SMACK_MAGIC:
    case SYSFS_MAGIC:
    case TRACEFS_MAGIC:
        return true;
    default:
        return false;
    }
}

static int refuse_unless_regular(int fd, const char *path, struct err *reterr)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int number = errno;
        return err_set(reterr, number, "cannot look at %s: %s", path, strerror(number));
    }
    if (!S_ISREG(st.st_mode) || is_made_up(fd)) {
        return err_set(reterr, ENOEXEC, "%s is not a regular file", path);
    }
    return 0;
}

int image_root_open_file(const struct image_root *root, const char *path, struct err *reterr)
{
    CLEANUP(closep) int found = open_inside(root, path, O_PATH | O_CLOEXEC);
    if (found < 0) {
        return err_set(reterr, -found, "cannot open %s: %s", path, strerror(-found));
    }
    int r = refuse_unless_regular(found, path, reterr);
    if (r < 0) {
        return r;
    }
    // Not the path a second time: what stands there may be another thing by now.
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", found);
    int fd = open(self, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int number = errno;
        return err_set(reterr, number, "cannot open %s: %s", path, strerror(number));
    }
    return fd;
}

int image_root_stat(const struct image_root *root, const char *path, struct stat *ret)
{
    CLEANUP(closep) int fd = open_inside(root, path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return fd;
    }
    return fstat(fd, ret) < 0 ? -errno : 0;
}
