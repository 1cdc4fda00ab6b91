#include "server/listener.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static int lock_path(const char *path, int *ret_fd, struct err *reterr)
{
    CLEANUP(text_fini) struct text lock = {0};
    text_addf(&lock, "%s.lock", path);
    CLEANUP(closep)
    int fd = open(text_get(&lock), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd < 0) {
        return err_set(reterr, errno, "cannot create %s: %s", text_get(&lock), strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return err_set(reterr, EADDRINUSE,
                       "a stax-server is already running on %s; stop it first, or use --socket",
                       path);
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

// What stands in the way of a new socket: nothing, or a socket that nobody listens on any more.
static int clear_path(const char *path, struct err *reterr)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        return errno == ENOENT ? 0 : err_set(reterr, errno, "%s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid()) {
        return err_set(reterr, EEXIST,
                       "%s exists and is not a socket of ours; remove it, or use --socket", path);
    }
    return unlink(path) == 0
               ? 0
               : err_set(reterr, errno, "cannot remove %s: %s", path, strerror(errno));
}

static int bind_private(int fd, const char *path, struct err *reterr)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return err_set(reterr, ENAMETOOLONG,
                       "the socket's path is too long (%zu bytes at most): %s",
                       sizeof address.sun_path - 1, path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    mode_t before = umask(0177);
    int r = bind(fd, (const struct sockaddr *)&address, sizeof address);
    int number = errno;
    umask(before);
    if (r < 0 || listen(fd, BACKLOG) < 0) {
        number = r < 0 ? number : errno;
        return err_set(reterr, number, "cannot listen on %s: %s", path, strerror(number));
    }
    return 0;
}

static bool peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
        return false;
    }
    return peer.uid == geteuid() || peer.uid == 0;
}

static bool accept_all(struct loop_fd *io)
{
    struct listener *listener = CONTAINER_OF(io, struct listener, io);
    for (;;) {
        CLEANUP(closep) int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return true; // none left, or out of descriptors: the next event tries again
        }
        if (peer_is_ours(fd)) {
            listener->on_accept(listener->user, take_fd(&fd));
        }
    }
}

static void forget(struct loop_fd *io)
{
    (void)io;
}

int listener_open(struct listener *listener, struct loop *loop, const char *path,
                  void (*on_accept)(void *user, int fd), void *user, struct err *reterr)
{
    *listener = (struct listener){.lock_fd = -1, .on_accept = on_accept, .user = user};
    CLEANUP(closep) int lock_fd = -1;
    int r = lock_path(path, &lock_fd, reterr);
    if (r < 0 || (r = clear_path(path, reterr)) < 0) {
        return r;
    }
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set(reterr, errno, "cannot make a socket: %s", strerror(errno));
    }
    r = bind_private(fd, path, reterr);
    if (r < 0) {
        return r;
    }
    listener->path = alloc_text(path, strlen(path));
    listener->lock_fd = take_fd(&lock_fd);
    listener->io = (struct loop_fd){
        .fd = take_fd(&fd), .on_readable = accept_all, .on_closed = forget};
    r = loop_add(loop, &listener->io);
    return r == 0 ? 0 : err_set(reterr, -r, "cannot watch %s", path);
}

void listener_close(struct listener *listener)
{
    if (listener->path != NULL) {
        unlink(listener->path);
    }
    freep(&listener->path);
    listener->path = NULL;
    closep(&listener->lock_fd);
}
