#pragma once

// The server's event loop: descriptors, timers, and a way to wake it from other threads.
//
// Timers are a descriptor, too (timerfd(2)): the library's own end a wait a millisecond early and
// then look at the clock, over and over, until it is time.
//
// One thread runs it and owns everything that hangs on it; handlers never block. It stands on
// libwebsockets, so that browsers' connections can be served by the same loop; nothing of that
// shows here, except that a descriptor which is added belongs to the loop until it is closed.

#include "base/vec.h"

#include <libwebsockets.h>
#include <stdbool.h>

struct loop;

// Embedded in its owner. Handlers return false to have the descriptor closed; on_closed() comes
// then, once, after which the owner may be freed.
struct loop_fd {
    int fd;
    struct lws *wsi;
    struct loop *loop;
    bool in_writable; // its on_writable() is running
    bool (*on_readable)(struct loop_fd *fd);
    bool (*on_writable)(struct loop_fd *fd); // only after loop_want_write()
    void (*on_closed)(struct loop_fd *fd);
};

// Embedded in its owner, zeroed before its first use. Fires once.
struct loop_timer {
    struct loop *loop; // NULL: it is not set
    uint64_t due_ns;
    void (*on_time)(struct loop_timer *timer);
};

struct loop {
    struct lws_context *context;
    struct lws_vhost *vhost;
    void (*on_wake)(void *user); // on the loop thread, after loop_wake(); at times without cause
    void *user;
    bool stopping;
    VEC(struct loop_fd *) again;     // want to write, since their handler has run: see loop.c
    VEC(struct loop_timer *) timers; // that are set: a handful
    struct loop_fd alarm;            // readable when the first of them is due
};

// 0 or a negative errno.
int loop_init(struct loop *loop, void (*on_wake)(void *user), void *user);

// Closes all descriptors (their on_closed() is called).
void loop_fini(struct loop *loop);

// Until loop_stop().
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

// Any thread; several calls may become one on_wake().
void loop_wake(struct loop *loop);

// Takes over fd->fd, in success and failure. Readable at once. 0 or a negative errno.
int loop_add(struct loop *loop, struct loop_fd *fd);
void loop_want_write(struct loop_fd *fd);
void loop_want_read(struct loop_fd *fd, bool want);

// The descriptor of `from` is that of `to` from now on, whose handlers are set already; `from` may
// be freed. Called by from->on_readable(), which then returns true.
void loop_hand_over(struct loop_fd *from, struct loop_fd *to);

void loop_close_later(struct loop_fd *fd); // not from its own handlers: those return false

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t in_ns);
void loop_timer_cancel(struct loop_timer *timer);
