// `save`: all of a run into a new file, under another name until it is whole.

#include "archive/spool.h"

#include "archive/names_file.h"
#include "archive/spool_writer.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_PATIENCE_S = 60, TEMP_NAMES = 100 };

// Whether `path` may be replaced: there is nothing, or a run that nobody owns.
static int check_target(const char *path, bool *ret_exists, struct err *reterr)
{
    struct stat st;
    *ret_exists = lstat(path, &st) == 0;
    if (!*ret_exists) {
        return errno == ENOENT
                   ? 0
                   : err_set(reterr, errno, "cannot write %s: %s", path, strerror(errno));
    }
    struct err why = {0};
    struct run_file file;
    int r = run_file_open(path, &file, &why);
    if (r < 0) {
        return err_set(reterr, EEXIST, "%s exists and is left alone: %s", path, why.text);
    }
    run_file_close(&file);
    if (run_file_is_owned(path)) {
        return err_set(reterr, EBUSY, "%s is being recorded: choose another name", path);
    }
    return 0;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? alloc_text("./", 2) : alloc_text(path, (size_t)(slash - path) + 1);
}

// In the same folder, so that it can take the place of `path` in one step.
static int create_temp(const char *folder, struct run_file *ret, struct err *reterr)
{
    int r = -EEXIST;
    for (unsigned i = 0; r == -EEXIST && i < TEMP_NAMES; i++) {
        CLEANUP(text_fini) struct text name = {0};
        text_addf(&name, "%s.stax-save-%d-%llu", folder, (int)getpid(),
                  (unsigned long long)(clock_now_ns() + i));
        r = run_file_create(text_get(&name), ret, reterr);
    }
    return r;
}

static void remove_temp(const char *temp)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        CLEANUP(text_fini) struct text name = {0};
        text_addf(&name, "%s%s", temp, suffixes[i]);
        unlink(text_get(&name));
    }
}

static int write_rows(struct run_file *file, struct store *store, const struct facts *facts,
                      const _Atomic bool *stop, struct err *reterr)
{
    struct spool_writer writer;
    int r = spool_writer_init(&writer, file, store, NULL, reterr);
    writer.is_whole = true;
    if (r == 0) {
        r = spool_writer_write(&writer, facts, stop, reterr);
    }
    spool_writer_fini(&writer);
    return r;
}

// What is to be written, and when to stop.
struct job {
    struct store *store;
    struct library *library;
    struct run_file *names_from; // NULL: from the library
    const struct facts *facts;
    const _Atomic bool *stop; // may be NULL
};

static int write_names(struct run_file *file, const struct job *job, struct err *reterr)
{
    struct names_file_counts counts;
    enum arch arch = arch_of_name(facts_text(job->facts, "architecture", ""));
    return job->names_from != NULL ? names_file_copy(job->names_from, file, job->stop, reterr)
                                   : names_file_write(file, job->store, job->library, arch,
                                                      (uint64_t)NAMES_PATIENCE_S * NS_PER_S,
                                                      job->stop, &counts, reterr);
}

static int write_all(struct run_file *file, const struct job *job, struct err *reterr)
{
    // Nobody sees it before it is whole and on the disk, so on the way it need not be.
    int r = run_file_settle(file, reterr);
    if (r == 0) {
        r = run_file_run(file, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", reterr);
    }
    if (r == 0) {
        r = write_rows(file, job->store, job->facts, job->stop, reterr);
    }
    if (r == 0) {
        r = write_names(file, job, reterr);
    }
    if (r == 0 && job->stop != NULL && atomic_load(job->stop)) {
        r = err_set(reterr, ECANCELED, "broken off");
    }
    if (r == 0 && fsync(file->lock_fd) < 0) {
        r = err_set(reterr, errno, "cannot write %s: %s", file->path, strerror(errno));
    }
    return r;
}

// What has come to be there since we looked is left alone, where the file system can do that.
static int move_into_place(const char *temp, const char *path, bool replace, struct err *reterr)
{
    int r = renameat2(AT_FDCWD, temp, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE);
    if (r < 0 && !replace && (errno == EINVAL || errno == ENOSYS)) {
        r = rename(temp, path);
    }
    return r < 0 ? err_set(reterr, errno, "%s", strerror(errno)) : 0;
}

static void sync_folder(const char *folder)
{
    CLEANUP(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
    }
}

// The name of the temporary file is nothing to people.
static void prefix(struct err *reterr, const char *path)
{
    if (reterr != NULL) {
        err_prefix(reterr, "cannot save %s", path);
    }
}

int spool_write_once(const char *path, struct store *store, struct library *library,
                     struct run_file *names_from, const struct facts *facts,
                     const _Atomic bool *stop, struct err *reterr)
{
    struct job job = {store, library, names_from, facts, stop};
    bool exists;
    int r = check_target(path, &exists, reterr);
    if (r < 0) {
        return r;
    }
    CLEANUP(freep) char *folder = folder_of(path);
    struct run_file file;
    r = create_temp(folder, &file, reterr);
    if (r < 0) {
        prefix(reterr, path);
        return r;
    }
    CLEANUP(freep) char *temp = alloc_text(file.path, strlen(file.path));
    r = write_all(&file, &job, reterr);
    run_file_close(&file);
    if (r == 0) {
        r = move_into_place(temp, path, exists, reterr);
    }
    if (r < 0) {
        remove_temp(temp);
        prefix(reterr, path);
    } else {
        sync_folder(folder);
    }
    return r;
}
