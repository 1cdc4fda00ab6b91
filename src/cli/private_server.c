#include "cli/private_server.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char PROGRAM[] = "stax-server";

enum { CLIENTS_MAX = 2, ARGUMENTS_MAX = 16, STATUS_NOT_STARTED = 127 };

// A file of that name beside `path`, which is a program.
static bool find_beside(const char *path, size_t n, struct text *ret)
{
    const char *slash = memrchr(path, '/', n);
    text_clear(ret);
    if (slash == NULL) {
        return false;
    }
    text_add_bytes(ret, path, (size_t)(slash - path) + 1);
    text_add(ret, PROGRAM);
    return access(text_get(ret), X_OK) == 0;
}

// The server that came with this command; else the one that PATH has.
static void find_program(struct text *ret)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    const char *called = program_invocation_name;
    if (find_beside(called, strlen(called), ret) || (n > 0 && find_beside(self, (size_t)n, ret))) {
        return;
    }
    text_clear(ret);
    text_add(ret, PROGRAM);
}

// In the child: only what is safe after a fork. It gets no signals from our terminal: what we do
// about them tells it.
_Noreturn static void be_the_server(char **arguments, const int *ends, size_t n, int failure_fd)
{
    setsid();
    for (size_t i = 0; i < n; i++) {
        fcntl(ends[i], F_SETFD, 0);
    }
    execvp(arguments[0], arguments);
    int number = errno;
    ssize_t written = write(failure_fd, &number, sizeof number);
    (void)written;
    _exit(STATUS_NOT_STARTED);
}

static int start(struct private_server *server, char **arguments, const int *ends, size_t n,
                 struct err *reterr)
{
    int failure[2];
    if (pipe2(failure, O_CLOEXEC) < 0) {
        return err_set(reterr, errno, "cannot make a pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        be_the_server(arguments, ends, n, failure[1]);
    }
    int number = errno;
    close(failure[1]);
    CLEANUP(closep) int failed = failure[0];
    if (pid < 0) {
        return err_set(reterr, number, "cannot start a process: %s", strerror(number));
    }
    server->pid = pid;
    ssize_t n_read;
    do {
        n_read = read(failed, &number, sizeof number);
    } while (n_read < 0 && errno == EINTR);
    if (n_read == (ssize_t)sizeof number) {
        private_server_wait(server);
        return err_set(reterr, number, "cannot start %s: %s; it belongs beside stax, or into PATH",
                       arguments[0], strerror(number));
    }
    return 0;
}

int private_server_start(struct private_server *ret, struct client *const clients[],
                         size_t n_clients, const char *runs_folder, struct err *reterr)
{
    ASSERT(n_clients <= CLIENTS_MAX);
    CLEANUP(text_fini) struct text program = {0};
    char numbers[CLIENTS_MAX][16];
    char *arguments[ARGUMENTS_MAX] = {0};
    int ends[CLIENTS_MAX];
    size_t n = 0;
    int r = 0;
    find_program(&program);
    arguments[n++] = (char *)(uintptr_t)text_get(&program);
    arguments[n++] = "--quiet";
    if (runs_folder != NULL) {
        arguments[n++] = "--runs-dir";
        arguments[n++] = (char *)(uintptr_t)runs_folder;
    }
    size_t made = 0;
    for (; made < n_clients; made++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
            r = err_set(reterr, errno, "cannot make a socket: %s", strerror(errno));
            break;
        }
        fcntl(pair[0], F_SETFL, O_NONBLOCK);
        clients[made]->fd = pair[0];
        ends[made] = pair[1];
        snprintf(numbers[made], sizeof numbers[made], "%d", pair[1]);
        arguments[n++] = "--connection-fd";
        arguments[n++] = numbers[made];
    }
    r = r < 0 ? r : start(ret, arguments, ends, made, reterr);
    for (size_t i = 0; i < made; i++) {
        close(ends[i]);
        if (r < 0) {
            closep(&clients[i]->fd);
        }
    }
    return r;
}

void private_server_wait(struct private_server *server)
{
    while (server->pid > 0 && waitpid(server->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    server->pid = 0;
}
