#include "cli/launch.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_NOT_STARTED = 127 };

static int check_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        return -errno;
    }
    return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

// The search of execvp(3): a name without a slash is looked for in each folder of PATH, an empty
// one being the current folder; a file that may not be executed counts if there is no other.
int launch_check(const char *command)
{
    const char *path = getenv("PATH");
    if (strchr(command, '/') != NULL || path == NULL) {
        return path == NULL ? 0 : check_file(command);
    }
    int result = -ENOENT;
    for (const char *at = path;; at++) {
        size_t n = strcspn(at, ":");
        CLEANUP(text_fini) struct text file = {0};
        text_add_bytes(&file, at, n);
        text_addf(&file, "%s%s", n > 0 ? "/" : "", command);
        int r = command[0] == 0 ? -ENOENT : check_file(text_get(&file));
        if (r == 0) {
            return 0;
        }
        result = r == -EACCES ? r : result;
        at += n;
        if (*at == 0) {
            return result;
        }
    }
}

// Runs in the child; only calls that are safe after a fork.
_Noreturn static void be_the_child(int release_fd, int failure_fd, char **argv)
{
    char byte;
    ssize_t n;
    do {
        n = read(release_fd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    if (n != 1) {
        _exit(STATUS_NOT_STARTED); // nobody is there any more
    }
    execvp(argv[0], argv);
    int number = errno;
    n = write(failure_fd, &number, sizeof number);
    _exit(STATUS_NOT_STARTED);
}

int launch_suspended(struct launch *ret, char **argv, struct err *reterr)
{
    int release[2];
    int failure[2];
    if (pipe2(release, O_CLOEXEC) < 0) {
        return err_set(reterr, errno, "cannot make a pipe: %s", strerror(errno));
    }
    CLEANUP(closep) int release_end = release[0];
    ret->release_fd = release[1];
    if (pipe2(failure, O_CLOEXEC) < 0) {
        return err_set(reterr, errno, "cannot make a pipe: %s", strerror(errno));
    }
    CLEANUP(closep) int failure_end = failure[1];
    ret->failure_fd = failure[0];
    pid_t pid = fork();
    if (pid < 0) {
        return err_set(reterr, errno, "cannot start a process: %s", strerror(errno));
    }
    if (pid == 0) {
        close(ret->release_fd); // or it would never see that we are gone
        be_the_child(release_end, failure_end, argv);
    }
    ret->pid = pid;
    ret->pidfd = pidfd_open(pid, 0);
    if (ret->pidfd < 0) {
        int number = errno;
        launch_kill(ret);
        return err_set(reterr, number, "cannot watch process %d: %s", pid, strerror(number));
    }
    return 0;
}

int launch_release(struct launch *launch)
{
    char byte = 1;
    int r = fd_write_all(launch->release_fd, &byte, 1);
    closep(&launch->release_fd);
    if (r < 0) {
        return r;
    }
    int number = 0;
    ssize_t n;
    do {
        n = read(launch->failure_fd, &number, sizeof number);
    } while (n < 0 && errno == EINTR);
    closep(&launch->failure_fd);
    return n == (ssize_t)sizeof number ? -number : 0;
}

void launch_kill(struct launch *launch)
{
    if (launch->pid > 0) {
        kill(launch->pid, SIGKILL);
        launch_reap(launch);
    }
}

int launch_reap(struct launch *launch)
{
    int status = 0;
    while (waitpid(launch->pid, &status, 0) < 0 && errno == EINTR) {
    }
    launch->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void launch_fini(struct launch *launch)
{
    closep(&launch->pidfd);
    closep(&launch->release_fd);
    closep(&launch->failure_fd);
}
