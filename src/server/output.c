#include "server/output.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "server/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *name_aside(const char *path)
{
    struct text name = {0};
    text_addf(&name, "%s.replaced", path);
    return text_take(&name);
}

// Without replacing anything, where the file system can do that. 0 or a negative errno.
static int move_to(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -errno;
    }
    if (access(to, F_OK) == 0) {
        return -EEXIST;
    }
    return rename(from, to) < 0 ? -errno : 0;
}

// As one single file: what lies beside it has gone into it. It is ours meanwhile.
static int put_aside(const char *path, const char *aside, struct err *reterr)
{
    struct run_file file;
    int r = run_file_adopt(path, &file, reterr);
    if (r == -EBUSY) {
        return err_set(reterr, EBUSY, "%s is being recorded into; choose another name", path);
    }
    if (r == -EBADMSG || r == -EPROTO) {
        return err_set(reterr, EEXIST, "%s exists and is not a run file; choose another name",
                       path);
    }
    if (r < 0) {
        return r;
    }
    r = run_file_settle(&file, reterr);
    int moved = r < 0 ? r : move_to(path, aside);
    run_file_close(&file);
    if (moved == -EEXIST) {
        return err_set(reterr, EEXIST,
                       "%s is what a recording was to replace that never ended; move it away",
                       aside);
    }
    return moved < 0 && r == 0
               ? err_set(reterr, -moved, "cannot replace %s: %s", path, strerror(-moved))
               : moved;
}

int output_create(const char *path, struct run_file *ret, char **ret_replaced, struct err *reterr)
{
    *ret_replaced = NULL;
    int r = run_file_create(path, ret, reterr);
    if (r != -EEXIST) {
        return r;
    }
    CLEANUP(freep) char *aside = name_aside(path);
    r = put_aside(path, aside, reterr);
    if (r < 0) {
        return r;
    }
    r = run_file_create(path, ret, reterr);
    if (r < 0) {
        move_to(aside, path);
        return r;
    }
    *ret_replaced = TAKE(aside);
    return 0;
}

void output_keep(char *replaced)
{
    if (replaced != NULL) {
        unlink(replaced);
        free(replaced);
    }
}

void output_take_back(const char *path, char *replaced)
{
    history_remove(path);
    if (replaced != NULL) {
        move_to(replaced, path);
        free(replaced);
    }
}
