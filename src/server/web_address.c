#include "server/web_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

enum { HTTP_PORT = 80 };

// ---- Parsing ----------------------------------------------------------------------------------

// Decimal digits only, at most 65535; -1 otherwise.
static int parse_port(struct slice text)
{
    int port = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i == 5) {
            return -1;
        }
        port = port * 10 + (text.data[i] - '0');
    }
    return text.n > 0 && port <= UINT16_MAX ? port : -1;
}

// Cuts `HOST:PORT` at its last colon. An IPv6 address must stand in brackets, which go.
static bool split(struct slice text, struct slice *ret_host, bool *ret_v6, struct slice *ret_port)
{
    size_t at = text.n;
    while (at > 0 && text.data[at - 1] != ':') {
        at--;
    }
    if (at == 0) {
        return false;
    }
    struct slice host = {text.data, at - 1};
    *ret_port = (struct slice){text.data + at, text.n - at};
    *ret_v6 = host.n >= 2 && host.data[0] == '[' && host.data[host.n - 1] == ']';
    if (*ret_v6) {
        host = (struct slice){host.data + 1, host.n - 2};
    }
    *ret_host = host;
    return host.n > 0;
}

// `ret` has room for a struct in6_addr.
static bool parse_numeric(struct slice host, bool v6, void *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (host.n >= sizeof text || memchr(host.data, 0, host.n) != NULL) {
        return false;
    }
    memcpy(text, host.data, host.n);
    text[host.n] = 0;
    return inet_pton(v6 ? AF_INET6 : AF_INET, text, ret) == 1;
}

static void set_v4(struct web_address *address, struct in_addr at)
{
    uint32_t number = ntohl(at.s_addr);
    address->socket.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = at};
    address->n = sizeof address->socket.v4;
    address->is_loopback = number >> 24 == 127;
    address->is_wildcard = number == 0;
    inet_ntop(AF_INET, &at, address->host, sizeof address->host);
}

static void set_v6(struct web_address *address, const struct in6_addr *at)
{
    char text[INET6_ADDRSTRLEN];
    address->socket.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *at};
    address->n = sizeof address->socket.v6;
    address->is_loopback = IN6_IS_ADDR_LOOPBACK(at);
    address->is_wildcard = IN6_IS_ADDR_UNSPECIFIED(at);
    inet_ntop(AF_INET6, at, text, sizeof text);
    snprintf(address->host, sizeof address->host, "[%s]", text);
}

int web_address_parse(const char *text, struct web_address *ret, struct err *reterr)
{
    struct slice host;
    struct slice port;
    bool v6;
    *ret = (struct web_address){0};
    if (!split(slice_of_text(text), &host, &v6, &port) || parse_port(port) < 0) {
        return err_set(reterr, EINVAL, "'%.100s' is not of the form HOST:PORT, as 127.0.0.1:8080",
                       text);
    }
    struct in6_addr numeric;
    if (!v6 && slice_equal(host, slice_of_text("localhost"))) {
        set_v4(ret, (struct in_addr){htonl(INADDR_LOOPBACK)});
    } else if (!parse_numeric(host, v6, &numeric)) {
        return err_set(reterr, EINVAL,
                       "'%.100s' does not begin with a numeric address, as 127.0.0.1 or [::1]",
                       text);
    } else if (v6) {
        set_v6(ret, &numeric);
    } else {
        struct in_addr v4;
        memcpy(&v4, &numeric, sizeof v4);
        set_v4(ret, v4);
    }
    web_address_set_port(ret, (uint16_t)parse_port(port));
    return 0;
}

void web_address_set_port(struct web_address *address, uint16_t port)
{
    address->port = port;
    if (address->socket.any.sa_family == AF_INET6) {
        address->socket.v6.sin6_port = htons(port);
    } else {
        address->socket.v4.sin_port = htons(port);
    }
}

// ---- Names ------------------------------------------------------------------------------------

void web_address_put_url(const struct web_address *address, struct text *to)
{
    const char *local = address->socket.any.sa_family == AF_INET6 ? "[::1]" : "127.0.0.1";
    text_addf(to, "http://%s", address->is_wildcard ? local : address->host);
    if (address->port != HTTP_PORT) {
        text_addf(to, ":%u", address->port);
    }
    text_add(to, "/");
}

static bool is_name_of_loopback(struct slice host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_equal(host, slice_of_text(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_numeric(struct slice host)
{
    struct in6_addr ignored;
    if (host.n > 2 && host.data[0] == '[' && host.data[host.n - 1] == ']') {
        return parse_numeric((struct slice){host.data + 1, host.n - 2}, true, &ignored);
    }
    return host.n > 0 && parse_numeric(host, false, &ignored);
}

// Takes `:PORT` off its end. A browser leaves out the port 80.
static bool take_port(struct slice *host, uint16_t port)
{
    char end[8];
    size_t n = (size_t)snprintf(end, sizeof end, ":%u", port);
    if (host->n > n && memcmp(host->data + host->n - n, end, n) == 0) {
        host->n -= n;
        return true;
    }
    return port == HTTP_PORT;
}

bool web_address_has_host(const struct web_address *address, struct slice host)
{
    if (!take_port(&host, address->port)) {
        return false;
    }
    bool local = address->is_loopback || address->is_wildcard;
    return slice_equal(host, slice_of_text(address->host)) ||
           (local && is_name_of_loopback(host)) || (address->is_wildcard && is_numeric(host));
}

bool web_origin_is_of(struct slice origin, struct slice host)
{
    static const char scheme[] = "http://";
    size_t n = sizeof scheme - 1;
    return origin.n > n && memcmp(origin.data, scheme, n) == 0 &&
           slice_equal((struct slice){origin.data + n, origin.n - n}, host);
}
