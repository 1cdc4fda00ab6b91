#include "rpc/client.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// ---- The address -------------------------------------------------------------------------------

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == 0 ? NULL : value;
}

int rpc_socket_path(struct text *ret, struct err *reterr)
{
    const char *chosen = environment("STAX_SERVER_SOCKET");
    const char *runtime = environment("XDG_RUNTIME_DIR");
    text_clear(ret);
    if (chosen != NULL) {
        text_add(ret, chosen);
    } else if (runtime != NULL) {
        text_addf(ret, "%s/stax-server.sock", runtime);
    } else {
        text_addf(ret, "/tmp/stax-server-%u.sock", (unsigned)getuid());
    }
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (ret->n > room) {
        return err_set(reterr, ENAMETOOLONG,
                       "socket path of %zu bytes, at most %zu fit: %.100s…; set "
                       "STAX_SERVER_SOCKET to a shorter one",
                       ret->n, room, text_get(ret));
    }
    return 0;
}

// ---- Connecting --------------------------------------------------------------------------------

// In /tmp anybody can listen at the name that our server would have.
static bool is_in_public_folder(const char *path)
{
    CLEANUP(text_fini) struct text folder = {0};
    const char *slash = strrchr(path, '/');
    text_add(&folder, slash == NULL ? "." : "/");
    if (slash != NULL && slash != path) {
        text_clear(&folder);
        text_add_bytes(&folder, path, (size_t)(slash - path));
    }
    struct stat st;
    return stat(text_get(&folder), &st) < 0 || (st.st_mode & S_IWOTH) != 0;
}

static int check_peer(int fd, const char *path, struct err *reterr)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
        return err_set(reterr, errno, "cannot tell who listens on %s: %s", path, strerror(errno));
    }
    if (peer.uid == getuid() || peer.uid == 0 || !is_in_public_folder(path)) {
        return 0;
    }
    return err_set(reterr, EPERM,
                   "%s belongs to user %u, not to you; set STAX_SERVER_SOCKET for your own server",
                   path, (unsigned)peer.uid);
}

static bool nobody_there(int number)
{
    return number == ECONNREFUSED || number == ENOENT || number == EAGAIN || number == ENOTDIR;
}

int client_connect(struct client *client, struct err *reterr)
{
    int r = rpc_socket_path(&client->path, reterr);
    if (r < 0) {
        return r;
    }
    const char *path = text_get(&client->path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, client->path.n);
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set(reterr, errno, "cannot make a socket: %s", strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int number = errno;
        err_set(reterr, number, "%s", strerror(number));
        return nobody_there(number) ? CLIENT_E_UNREACHABLE : -number;
    }
    r = check_peer(fd, path, reterr);
    if (r < 0) {
        return r;
    }
    client->fd = take_fd(&fd);
    return 0;
}

void client_fini(struct client *client)
{
    closep(&client->fd);
    text_fini(&client->received);
    text_fini(&client->path);
}

// ---- Calling -----------------------------------------------------------------------------------

static int fail(struct rpc_error *ret, int number, const char *what)
{
    ret->kind = RPC_ERROR_INTERNAL;
    return err_set(&ret->text, number, "%s", what);
}

int client_send(struct client *client, const char *method, const json_t *params,
                struct rpc_error *ret_error)
{
    CLEANUP(text_fini) struct text line = {0};
    rpc_put_call(&line, ++client->last_id, method, params);
    size_t done = 0;
    while (done < line.n) {
        ssize_t n = send(client->fd, line.at + done, line.n - done, MSG_NOSIGNAL);
        if (n >= 0) {
            done += (size_t)n;
            continue;
        }
        struct pollfd ready = {.fd = client->fd, .events = POLLOUT};
        if (errno != EINTR && errno != EAGAIN) {
            return fail(ret_error, errno, "stax-server closed the connection");
        }
        if (errno == EAGAIN && poll(&ready, 1, client->timeout_ms) == 0) {
            return fail(ret_error, ETIMEDOUT, "stax-server does not read; is it stopped?");
        }
    }
    return 0;
}

static int read_error(const json_t *error, struct rpc_error *ret)
{
    const char *kind = json_string_value(json_object_get(json_object_get(error, "data"), "kind"));
    const char *message = json_string_value(json_object_get(error, "message"));
    ret->kind = kind == NULL ? RPC_ERROR_INTERNAL : rpc_error_find(kind);
    err_set(&ret->text, 0, "%s", message == NULL ? "the server gave no reason" : message);
    return CLIENT_E_REFUSED;
}

// One line of the server. Notifications, and answers to calls that nobody waits for any more, are
// passed over.
static int read_answer(const struct client *client, struct slice line, json_t **ret_result,
                       struct rpc_error *ret_error)
{
    json_t *message = rpc_json_parse(line, &ret_error->text);
    if (!json_is_object(message)) {
        json_decref(message);
        return fail(ret_error, EPROTO, "stax-server answered with something that is not JSON-RPC");
    }
    int r = CLIENT_E_PENDING;
    const json_t *id = json_object_get(message, "id");
    const json_t *error = json_object_get(message, "error");
    json_t *result = json_object_get(message, "result");
    bool ours = json_is_integer(id) && json_integer_value(id) == client->last_id;
    if (error != NULL && (ours || json_is_null(id))) {
        r = read_error(error, ret_error);
    } else if (ours && result != NULL) {
        *ret_result = json_incref(result);
        r = CLIENT_OK;
    } else if (ours) {
        r = fail(ret_error, EPROTO, "stax-server answered without a result");
    }
    json_decref(message);
    return r;
}

// Takes whole lines out of what was received, up to the one that answers.
static int take_lines(struct client *client, json_t **ret_result, struct rpc_error *ret_error)
{
    struct text *text = &client->received;
    for (;;) {
        char *end = text->n > client->scanned
                        ? memchr(text->at + client->scanned, '\n', text->n - client->scanned)
                        : NULL;
        if (end == NULL) {
            client->scanned = text->n;
            return CLIENT_E_PENDING;
        }
        struct slice line = {(const uint8_t *)text->at, (size_t)(end - text->at)};
        int r = read_answer(client, line, ret_result, ret_error);
        text->n -= line.n + 1;
        memmove(text->at, end + 1, text->n + 1);
        client->scanned = 0;
        if (r != CLIENT_E_PENDING) {
            return r;
        }
    }
}

int client_receive(struct client *client, json_t **ret_result, struct rpc_error *ret_error)
{
    for (;;) {
        char bytes[64 << 10];
        ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return CLIENT_E_PENDING;
        }
        if (n <= 0) {
            return fail(ret_error, n < 0 ? errno : ECONNRESET, "stax-server closed the connection");
        }
        text_add_bytes(&client->received, bytes, (size_t)n);
        int r = take_lines(client, ret_result, ret_error);
        if (r != CLIENT_E_PENDING) {
            return r;
        }
        if (client->received.n > (size_t)LIMIT_ANSWER_BYTES + sizeof bytes) {
            return fail(ret_error, EFBIG, "stax-server answered with more than is allowed");
        }
    }
}

int client_call(struct client *client, const char *method, const json_t *params,
                json_t **ret_result, struct rpc_error *ret_error)
{
    int r = client_send(client, method, params, ret_error);
    uint64_t until_ns = clock_now_ns() + (uint64_t)MAX(client->timeout_ms, 0) * NS_PER_MS;
    while (r == 0) {
        r = client_receive(client, ret_result, ret_error);
        if (r != CLIENT_E_PENDING) {
            break;
        }
        uint64_t now_ns = clock_now_ns();
        if (client->timeout_ms >= 0 && now_ns >= until_ns) {
            return fail(ret_error, ETIMEDOUT, "stax-server does not answer; is it stopped?");
        }
        struct pollfd ready = {.fd = client->fd, .events = POLLIN};
        poll(&ready, 1,
             client->timeout_ms < 0 ? -1 : (int)((until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS));
        r = 0;
    }
    return r;
}
