#include "image/test_http_server.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DRIP_MS = 10 };

struct peer {
    struct test_http_server *server;
    int fd;
    char path[256];
};

// ---- Answers -----------------------------------------------------------------------------------

static bool send_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool send_text(int fd, const char *text)
{
    return send_all(fd, text, strlen(text));
}

static void send_bytes(int fd, struct slice bytes, size_t announced)
{
    CLEANUP(text_fini) struct text head = {0};
    text_add(&head, "HTTP/1.1 200 OK\r\nConnection: close\r\n");
    if (announced > 0) {
        text_addf(&head, "Content-Length: %zu\r\n", announced);
    }
    text_add(&head, "\r\n");
    if (send_text(fd, text_get(&head))) {
        send_all(fd, bytes.data, bytes.n);
    }
}

// True after that time, false when the server ends or the peer goes away.
static bool waited(const struct peer *peer, int ms)
{
    struct pollfd fds[] = {{.fd = peer->server->quit, .events = POLLIN},
                           {.fd = peer->fd, .events = POLLRDHUP}};
    return poll(fds, 2, ms) == 0;
}

static void send_for_ever(const struct peer *peer, int pause_ms)
{
    const struct test_http_server *server = peer->server;
    send_text(peer->fd, "HTTP/1.1 200 OK\r\n\r\n");
    send_all(peer->fd, server->bytes.data, MIN(server->bytes.n, (size_t)64));
    while (waited(peer, pause_ms)) {
        size_t n = pause_ms > 0 ? 1 : server->bytes.n;
        if (!send_all(peer->fd, server->bytes.data, n)) {
            return;
        }
    }
}

static void redirect(int fd, const char *to)
{
    CLEANUP(text_fini) struct text head = {0};
    text_addf(&head,
              "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n"
              "Connection: close\r\n\r\n",
              to);
    send_text(fd, text_get(&head));
}

static enum test_http_way way_for(const struct peer *peer)
{
    bool exists = strstr(peer->path, peer->server->only) != NULL;
    return exists ? (enum test_http_way)atomic_load(&peer->server->way) : SERVE_MISSING;
}

static void answer(const struct peer *peer)
{
    struct slice bytes = peer->server->bytes;
    struct slice half = {.data = bytes.data, .n = bytes.n / 2};
    switch (way_for(peer)) {
    case SERVE_FILE:
        send_bytes(peer->fd, bytes, bytes.n);
        break;
    case SERVE_CLOSED:
        send_bytes(peer->fd, bytes, 0);
        break;
    case SERVE_TRUNCATED:
        send_bytes(peer->fd, half, bytes.n);
        break;
    case SERVE_HALF:
        send_bytes(peer->fd, half, 0);
        break;
    case SERVE_MISSING:
        send_text(peer->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n");
        break;
    case SERVE_BUSY:
        send_text(peer->fd, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        break;
    case SERVE_BROKEN:
        send_text(peer->fd, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
        break;
    case SERVE_PAGE:
        send_bytes(peer->fd, slice_of_text("<html>please log in</html>"), 0);
        break;
    case SERVE_NOISE:
        send_text(peer->fd, "\x7f"
                            "ELF is what I say\n\n");
        break;
    case SERVE_NOTHING:
        waited(peer, -1);
        break;
    case SERVE_ENDLESS:
        send_for_ever(peer, 0);
        break;
    case SERVE_DRIP:
        send_for_ever(peer, DRIP_MS);
        break;
    case SERVE_LOOP:
        redirect(peer->fd, "/again");
        break;
    case SERVE_AWAY:
        redirect(peer->fd, "file:///proc/self/exe");
        break;
    }
}

// ---- Connections -------------------------------------------------------------------------------

// Up to the empty line. False: the peer went away.
static bool read_request(struct peer *peer)
{
    char request[4096];
    size_t n = 0;
    while (n < sizeof request - 1) {
        struct pollfd fds[] = {{.fd = peer->server->quit, .events = POLLIN},
                               {.fd = peer->fd, .events = POLLIN}};
        poll(fds, 2, -1);
        ssize_t got = fds[0].revents != 0 ? 0
                                          : recv(peer->fd, request + n, sizeof request - 1 - n, 0);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        request[n] = 0;
        if (strstr(request, "\r\n\r\n") != NULL) {
            break;
        }
    }
    sscanf(request, "GET %255s", peer->path);
    if (atomic_fetch_add(&peer->server->n_asked, 1) == 0) {
        memcpy(peer->server->first_path, peer->path, sizeof peer->path);
    }
    return true;
}

static void *serve_peer(void *context)
{
    struct peer *peer = context;
    struct test_http_server *server = peer->server;
    if (read_request(peer)) {
        answer(peer);
    }
    shutdown(peer->fd, SHUT_RDWR);
    close(peer->fd);
    free(peer);
    pthread_mutex_lock(&server->lock);
    server->n_open--;
    pthread_cond_signal(&server->closed);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void *serve(void *context)
{
    struct test_http_server *server = context;
    for (;;) {
        struct pollfd fds[] = {{.fd = server->quit, .events = POLLIN},
                               {.fd = server->listener, .events = POLLIN}};
        poll(fds, 2, -1);
        if (fds[0].revents != 0) {
            return NULL;
        }
        struct peer *peer = NEW(struct peer);
        *peer = (struct peer){.server = server,
                              .fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)};
        pthread_mutex_lock(&server->lock);
        server->n_open++;
        pthread_mutex_unlock(&server->lock);
        pthread_t thread;
        ASSERT(pthread_create(&thread, NULL, serve_peer, peer) == 0);
        pthread_detach(thread);
    }
}

// ---- Its life ----------------------------------------------------------------------------------

static int listen_somewhere(char url[static 64])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&address, n) == 0 && listen(fd, 64) == 0);
    ASSERT(getsockname(fd, (struct sockaddr *)&address, &n) == 0);
    snprintf(url, 64, "http://127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

void test_http_server_start(struct test_http_server *server, enum test_http_way way,
                            struct slice bytes)
{
    *server = (struct test_http_server){.bytes = bytes, .quit = eventfd(0, EFD_CLOEXEC)};
    atomic_store(&server->way, way);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->closed, NULL);
    server->listener = listen_somewhere(server->url);
    ASSERT(pthread_create(&server->thread, NULL, serve, server) == 0);
}

void test_http_server_stop(struct test_http_server *server)
{
    uint64_t one = 1;
    ASSERT(write(server->quit, &one, sizeof one) == (ssize_t)sizeof one);
    ASSERT(pthread_join(server->thread, NULL) == 0);
    close(server->listener);
    pthread_mutex_lock(&server->lock);
    while (server->n_open > 0) { // they have been told
        pthread_cond_wait(&server->closed, &server->lock);
    }
    pthread_mutex_unlock(&server->lock);
    pthread_cond_destroy(&server->closed);
    pthread_mutex_destroy(&server->lock);
    close(server->quit);
}

void test_http_closed_url(char to[static 64])
{
    close(listen_somewhere(to));
}
