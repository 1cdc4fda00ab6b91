#include "image/test_support.h"

#include "base/alloc.h"
#include "base/file.h"
#include "image/build_id.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPY_BYTES_MAX = 64 << 20 };

char *path_of_code(const void *code)
{
    Dl_info info;
    ASSERT(dladdr(code, &info) != 0);
    char *path = realpath(info.dli_fname, NULL);
    ASSERT(path != NULL);
    return path;
}

char *directory_new(void)
{
    const char *parent = getenv("TMPDIR");
    struct text path = {0};
    text_addf(&path, "%s/stax-image-XXXXXX", parent == NULL ? "/tmp" : parent);
    ASSERT(mkdtemp(path.at) != NULL && chmod(path.at, 0755) == 0);
    char *result = realpath(path.at, NULL);
    text_fini(&path);
    ASSERT(result != NULL);
    return result;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void directory_remove(const char *path)
{
    ASSERT(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

char *path_join(const char *directory, const char *name)
{
    struct text path = {0};
    text_addf(&path, "%s/%s", directory, name);
    return text_take(&path);
}

void directory_make_for(const char *path)
{
    for (const char *slash = path; (slash = strchr(slash + 1, '/')) != NULL;) {
        char *directory = alloc_text(path, (size_t)(slash - path));
        ASSERT(mkdir(directory, 0755) == 0 || errno == EEXIST);
        free(directory);
    }
}

void file_write(const char *path, const void *bytes, size_t n)
{
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ASSERT(fd >= 0 && fd_write_all(fd, bytes, n) == 0);
}

void file_copy(const char *from, const char *to)
{
    CLEANUP(text_fini) struct text bytes = {0};
    ASSERT(file_read(from, COPY_BYTES_MAX, &bytes) == 0);
    file_write(to, text_get(&bytes), bytes.n);
}

bool command_output(char *const argv[], struct text *text)
{
    CLEANUP(freep) char *directory = directory_new();
    CLEANUP(freep) char *path = path_join(directory, "output");
    posix_spawn_file_actions_t actions;
    ASSERT(posix_spawn_file_actions_init(&actions) == 0);
    ASSERT(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, path, O_WRONLY | O_CREAT,
                                            0600) == 0);
    pid_t pid;
    bool ok = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    ok = ok && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
         file_read(path, COPY_BYTES_MAX, text) == 0;
    directory_remove(directory);
    return ok;
}

static bool objcopy(const char *option, const char *from, const char *to)
{
    CLEANUP(text_fini) struct text output = {0};
    char *argv[] = {(char[]){"objcopy"}, (char *)(uintptr_t)option, (char *)(uintptr_t)from,
                    (char *)(uintptr_t)to, NULL};
    return command_output(argv, &output);
}

bool strip_all(const char *from, const char *to)
{
    return objcopy("--strip-all", from, to);
}

bool keep_debug(const char *from, const char *to)
{
    return objcopy("--only-keep-debug", from, to);
}

char *build_id_path(const char *directory, const struct build_id *id)
{
    struct text path = {0};
    text_addf(&path, "%s/.build-id/%02x/", directory, id->at[0]);
    for (size_t i = 1; i < id->n; i++) {
        text_addf(&path, "%02x", id->at[i]);
    }
    text_add(&path, ".debug");
    return text_take(&path);
}
