#include "capture/linux/tracefs.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FORMAT_LIMIT_BYTES = 1 << 14 };

static const char waking[] = "events/sched/sched_waking";

// Where it would be mounted, if somebody did.
static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

static int mount_detached(void)
{
    CLEANUP(closep) int context = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
    if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        return -errno;
    }
    int root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
    return root < 0 ? -errno : root;
}

// The folder of the tracepoint, or a negative errno.
static int open_folder(void)
{
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        CLEANUP(closep) int root = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = root < 0 ? -1 : openat(root, waking, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            return fd;
        }
        r = errno == EACCES || r == 0 ? -errno : r; // "not permitted" says more than "not there"
    }
    CLEANUP(closep) int root = mount_detached();
    if (root < 0) {
        return r == -EACCES ? r : root;
    }
    int fd = openat(root, waking, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int read_in(int folder, const char *name, struct text *text)
{
    struct text path = {0};
    text_addf(&path, "/proc/self/fd/%d/%s", folder, name);
    int r = file_read(text_get(&path), FORMAT_LIMIT_BYTES, text);
    text_fini(&path);
    return r;
}

static int read_waking(int folder, struct tracefs_waking *ret)
{
    CLEANUP(text_fini) struct text id = {0};
    CLEANUP(text_fini) struct text format = {0};
    int r = read_in(folder, "id", &id);
    r = r < 0 ? r : read_in(folder, "format", &format);
    if (r < 0) {
        return r;
    }
    ret->id = strtoull(text_get(&id), NULL, 10);
    struct slice text = {(const uint8_t *)text_get(&format), format.n};
    return ret->id != 0 && waking_format_parse(text, &ret->format) ? 0 : -EINVAL;
}

int tracefs_find_waking(struct tracefs_waking *ret, struct err *reterr)
{
    CLEANUP(closep) int folder = open_folder();
    int r = folder < 0 ? folder : read_waking(folder, ret);
    if (r == -EACCES || r == -EPERM) {
        return err_set(reterr, -r,
                       "tracefs is for root only, and names the tracepoint sched:sched_waking: "
                       "wakeups need root or the staxd broker");
    }
    if (r == -ENODEV || r == -ENOENT) {
        return err_set(reterr, -r, "the kernel has no tracepoint sched:sched_waking");
    }
    if (r == -EINVAL) {
        return err_set(reterr, -r,
                       "the tracepoint sched:sched_waking of this kernel is of an unknown form");
    }
    return r < 0 ? err_set(reterr, -r,
                           "no tracefs, which names the tracepoint "
                           "sched:sched_waking: %s",
                           strerror(-r))
                 : 0;
}
