// stax ui: the address of the browser interface, with the token that lets its reader in.

#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ui_options {
    bool print;
};

static const struct ui_options defaults = {0};

static const struct option options[] = {
    {.name = "print", .doc = "print the address only", .at = offsetof(struct ui_options, print)},
    {.name = NULL},
};

enum { TOKEN_DIGITS = 64 };

// The server's secret lies beside its socket. It becomes part of an address, so it is looked at
// first.
static int read_token(const char *socket_path, char ret[TOKEN_DIGITS + 1], struct err *reterr)
{
    CLEANUP(text_fini) struct text path = {0};
    struct stat st;
    text_addf(&path, "%s.token", socket_path);
    CLEANUP(closep)
    int fd = open(text_get(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return err_set(reterr, errno,
                       "cannot read the server's token %s: %s; it is for the user who started the "
                       "server",
                       text_get(&path), strerror(errno));
    }
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, ret, TOKEN_DIGITS) : -1;
    ret[MAX(n, 0)] = 0;
    if (n != TOKEN_DIGITS || strspn(ret, "0123456789abcdef") != TOKEN_DIGITS) {
        return err_set(reterr, EBADMSG, "%s holds no token; start stax-server again",
                       text_get(&path));
    }
    return 0;
}

static int make_address(struct client *client, const json_t *status, struct text *ret,
                        struct err *reterr)
{
    const char *url = result_text(status, "web_url");
    const char *note = result_text(status, "web_note");
    char token[TOKEN_DIGITS + 1];
    if (url[0] == 0) {
        return err_set(reterr, ENOENT, "the server has no browser interface: %s",
                       note[0] != 0 ? note : "it is older than this command");
    }
    if (strncmp(url, "http://", 7) != 0) {
        return err_set(reterr, EPROTO, "the server names an address that is none of HTTP");
    }
    int r = read_token(text_get(&client->path), token, reterr);
    if (r == 0) {
        text_add_escaped(ret, url, strlen(url));
        text_addf(ret, "#token=%s", token);
    }
    return r;
}

static bool has_desktop(void)
{
    const char *x11 = getenv("DISPLAY");
    const char *wayland = getenv("WAYLAND_DISPLAY");
    return (x11 != NULL && x11[0] != 0) || (wayland != NULL && wayland[0] != 0);
}

// Starts the desktop's browser and goes on; what it has to say is nothing for this terminal.
static void open_browser(const char *address)
{
    extern char **environ;
    char *arguments[] = {"xdg-open", (char *)(uintptr_t)address, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    pid_t pid;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID);
    int number = posix_spawnp(&pid, arguments[0], &files, &how, arguments, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    if (number != 0) {
        log_warning("cannot start xdg-open: %s; open the address yourself", strerror(number));
    }
}

static int ui_run(const void *values, const struct operands *operands)
{
    (void)operands;
    const struct ui_options *o = values;
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    CLEANUP(text_fini) struct text address = {0};
    struct err err = {0};
    if (!session_open(&client)) {
        return 1;
    }
    json_t *status = session_call(&client, "RunControl.status", NULL);
    if (status == NULL) {
        return 1;
    }
    int r = make_address(&client, status, &address, &err);
    json_decref(status);
    if (r < 0) {
        log_error("%s", err.text);
        return 1;
    }
    puts(text_get(&address));
    fflush(stdout);
    if (!o->print && has_desktop()) {
        open_browser(text_get(&address));
    }
    return 0;
}

const struct cmd cmd_ui = {
    .name = "ui",
    .synopsis = "[--print]",
    .summary = "open the live run in a browser",
    .details =
        "Prints the address of the page that the server serves, and opens it where there is a\n"
        "desktop. Whoever has the address with its token can do with the server what you can:\n"
        "do not pass it on. A program that is started with it shows it to other users of this\n"
        "machine (ps); with --print nothing is started.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .run = ui_run,
};
