#pragma once

// The head of an HTTP/1.x request, as far as it matters to us. A pure parser.
//
//     GET /part/graph.js HTTP/1.1\r\n
//     Host: 127.0.0.1:8080\r\n
//     Accept-Encoding: gzip, br\r\n
//     \r\n
//
// It is strict, where the standard lets a server be generous (RFC 9112): lines end with CRLF, none
// is folded, no name has a space behind it, and what we look at stands there once. So nothing can
// mean one thing to us and another to somebody between the browser and us. Bodies are never read.

#include "base/bytes.h"

enum http_field {
    HTTP_HOST,
    HTTP_ORIGIN,
    HTTP_UPGRADE,
    HTTP_CONNECTION,
    HTTP_ACCEPT_ENCODING,
    HTTP_CONTENT_LENGTH,
    HTTP_TRANSFER_ENCODING,
    HTTP_WEBSOCKET_KEY,
    HTTP_WEBSOCKET_VERSION,
    HTTP_WEBSOCKET_PROTOCOL,
    HTTP_FIELDS
};

// All slices are parts of the bytes that it was parsed from. A field that is not there has no data.
struct http_request {
    struct slice method;
    struct slice path; // begins with a slash; as it was sent, without the query
    bool is_1_1;       // HTTP/1.1, not 1.0
    struct slice fields[HTTP_FIELDS];
};

enum http_outcome {
    HTTP_OK,
    HTTP_E_PENDING, // the head has not come to its end
    HTTP_E_BAD,
};

// `*ret_n`: the bytes of the head; what follows is not part of it.
enum http_outcome http_request_parse(struct slice bytes, struct http_request *ret, size_t *ret_n);

bool http_has(const struct http_request *request, enum http_field field);

// Whether a list like `gzip, deflate;q=0.5` names an item, whatever its case. One with `q=0` is not
// wanted, and so not named.
bool http_list_has(struct slice list, const char *item);

// The next item of a list without its blanks and parameters (`;…`), taken off its front. False:
// there is none left.
bool http_list_take(struct slice *list, struct slice *ret_item, struct slice *ret_parameters);

// Whether two texts are the same but for the case of ASCII letters.
bool http_same_word(struct slice a, const char *b);
