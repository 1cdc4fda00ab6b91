#include "server/web.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "server/server.h"
#include "server/web_client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { BACKLOG = 128, AT_ONCE = 16, PROBES = 3 };

// ---- Clients ----------------------------------------------------------------------------------

static void close_late(struct loop_timer *timer)
{
    struct web *web = CONTAINER_OF(timer, struct web, timer);
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < web->clients.n; i++) {
        if (web->clients.at[i]->deadline_ns <= now_ns) {
            web->clients.at[i]->deadline_ns = UINT64_MAX;
            loop_close_later(&web->clients.at[i]->io);
        }
    }
    web_on_deadline(web);
}

void web_on_deadline(struct web *web)
{
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < web->clients.n; i++) {
        first_ns = MIN(first_ns, web->clients.at[i]->deadline_ns);
    }
    loop_timer_cancel(&web->timer);
    if (first_ns != UINT64_MAX) {
        uint64_t now_ns = clock_now_ns();
        web->timer.on_time = close_late;
        loop_timer_set(&web->server->loop, &web->timer, first_ns - MIN(first_ns, now_ns));
    }
}

void web_forget(struct web *web, const struct web_client *client)
{
    for (size_t i = 0; i < web->clients.n; i++) {
        if (web->clients.at[i] == client) {
            vec_remove_at(&web->clients, i);
            return;
        }
    }
}

// The kernel finds out when the other end is gone without a word: a machine that was switched off,
// a tunnel that was cut.
static void watch_over(int fd)
{
    int on = 1;
    int idle_s = LIMIT_WEB_IDLE_S / 2;
    int interval_s = LIMIT_WEB_IDLE_S / 2 / PROBES;
    int probes = PROBES;
    unsigned unread_ms = LIMIT_WEB_IDLE_S * 1000;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unread_ms, sizeof unread_ms);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// A browser's request is over in no time: when there is no room, who has been here longest is in
// the way on purpose.
static void make_room(struct web *web)
{
    if (web->clients.n >= LIMIT_WEB_CLIENTS) {
        struct web_client *oldest = web->clients.at[0];
        vec_remove_at(&web->clients, 0);
        loop_close_later(&oldest->io);
    }
}

static bool accept_all(struct loop_fd *io)
{
    struct web *web = CONTAINER_OF(io, struct web, io);
    for (int i = 0; i < AT_ONCE; i++) { // then others have their turn
        CLEANUP(closep) int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            break; // none left, or out of descriptors: the next event tries again
        }
        watch_over(fd);
        make_room(web);
        struct web_client *client = web_client_new(web, take_fd(&fd));
        if (client != NULL) {
            vec_push(&web->clients, client);
        }
    }
    web_on_deadline(web);
    return true;
}

// ---- Life -------------------------------------------------------------------------------------

static void forget_listener(struct loop_fd *io)
{
    (void)io;
}

static int open_socket(struct web_address *address, int *ret_fd, struct err *reterr)
{
    int family = address->socket.any.sa_family;
    int on = 1;
    CLEANUP(text_fini) struct text url = {0};
    web_address_put_url(address, &url);
    CLEANUP(closep) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set(reterr, errno, "cannot make a socket for browsers: %s", strerror(errno));
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); // what lingers of an earlier server
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (bind(fd, &address->socket.any, address->n) < 0 || listen(fd, BACKLOG) < 0) {
        return errno == EADDRINUSE
                   ? err_set(reterr, errno,
                             "no browser interface: something else listens on %s:%u; choose "
                             "another port with --ws-bind, as %s:0 for any free one",
                             address->host, address->port, address->host)
                   : err_set(reterr, errno, "no browser interface on %s: %s", text_get(&url),
                             strerror(errno));
    }
    struct web_address bound = *address;
    if (getsockname(fd, &bound.socket.any, &bound.n) < 0) {
        return err_set(reterr, errno, "no browser interface: %s", strerror(errno));
    }
    web_address_set_port(
        address, ntohs(family == AF_INET6 ? bound.socket.v6.sin6_port : bound.socket.v4.sin_port));
    *ret_fd = take_fd(&fd);
    return 0;
}

void web_init(struct web *web, struct server *server, const char *note)
{
    *web = (struct web){.server = server};
    text_add(&web->note, note);
}

static int start(struct web *web, const char *socket_path, struct err *reterr)
{
    CLEANUP(closep) int fd = -1;
    int r = open_socket(&web->address, &fd, reterr);
    if (r < 0 || (r = web_token_make(&web->token, socket_path, reterr)) < 0) {
        return r;
    }
    web->io = (struct loop_fd){
        .fd = take_fd(&fd), .on_readable = accept_all, .on_closed = forget_listener};
    r = loop_add(&web->server->loop, &web->io);
    return r < 0 ? err_set(reterr, -r, "no browser interface: the socket cannot be watched") : 0;
}

int web_open(struct web *web, const struct web_address *address, const char *socket_path,
             struct err *reterr)
{
    struct err error = {0};
    web->address = *address;
    int r = start(web, socket_path, &error);
    text_clear(&web->note);
    if (r < 0) {
        web_token_remove(&web->token);
        text_add(&web->note, error.text);
        return err_set(reterr, -r, "%s", error.text);
    }
    web_address_put_url(&web->address, &web->url);
    return 0;
}

void web_close(struct web *web)
{
    web_token_remove(&web->token);
}

void web_fini(struct web *web)
{
    ASSERT(web->clients.n == 0); // they were closed with the loop
    vec_fini(&web->clients);
    text_fini(&web->url);
    text_fini(&web->note);
}
