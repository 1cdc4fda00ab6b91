#pragma once

// The Unix socket that commands connect to.
//
// One server per socket: a lock beside it (`<socket>.lock`) is held for as long as the server
// lives, so a socket whose lock is free is a leftover and is replaced. The socket is the user's
// alone: mode 0600 from its first moment, and the peer's uid is checked on top.

#include "base/err.h"
#include "server/loop.h"

#include <sys/types.h>

struct listener {
    struct loop_fd io;
    char *path;
    int lock_fd;
    void (*on_accept)(void *user, int fd); // the descriptor is the receiver's; non-blocking
    void *user;
};

// -EADDRINUSE: a server lives there already. Other negative errnos as they are.
int listener_open(struct listener *listener, struct loop *loop, const char *path,
                  void (*on_accept)(void *user, int fd), void *user, struct err *reterr);

// Takes the socket's name away. After loop_fini().
void listener_close(struct listener *listener);
