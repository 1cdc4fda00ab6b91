#pragma once

// Where browsers connect to, and by which names they may call it. Pure functions.
//
// A page of a stranger can make the user's browser talk to 127.0.0.1, in two ways that the server
// can tell: its requests say whose page it is (`Origin`), and, when the stranger's own name has
// been made to mean 127.0.0.1, they still say that name (`Host`). So both are compared, byte by
// byte, with the few names that we have.

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

#include <netinet/in.h>

struct web_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    socklen_t n;                     // bytes of it
    uint16_t port;                   // 0: any free one, until it is known
    bool is_loopback;                // nobody else can reach it
    bool is_wildcard;                // every address of the machine
    char host[INET6_ADDRSTRLEN + 2]; // as it stands in a URL: an IPv6 address in brackets
};

// `HOST:PORT`; HOST is a numeric address (IPv6 in brackets) or `localhost`, as a name that has to
// be asked for could mean anything. 0, or -EINVAL with the reason, which begins with the text
// itself.
int web_address_parse(const char *text, struct web_address *ret, struct err *reterr);

void web_address_set_port(struct web_address *address, uint16_t port);

// `http://HOST:PORT/`, as a browser on this machine would say it.
void web_address_put_url(const struct web_address *address, struct text *to);

// Whether a request's `Host` is a name of ours: the address and port that we listen on; on a
// loopback address also the other names of loopback; on a wildcard any numeric address. Never a
// name that somebody else could have made up.
bool web_address_has_host(const struct web_address *address, struct slice host);

// Whether `Origin` is that of a page that came from `host`, whose name has been checked.
bool web_origin_is_of(struct slice origin, struct slice host);
