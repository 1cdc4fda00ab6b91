#include "server/http_request.h"

#include <strings.h>

static const char *const field_names[HTTP_FIELDS] = {
    [HTTP_HOST] = "host",
    [HTTP_ORIGIN] = "origin",
    [HTTP_UPGRADE] = "upgrade",
    [HTTP_CONNECTION] = "connection",
    [HTTP_ACCEPT_ENCODING] = "accept-encoding",
    [HTTP_CONTENT_LENGTH] = "content-length",
    [HTTP_TRANSFER_ENCODING] = "transfer-encoding",
    [HTTP_WEBSOCKET_KEY] = "sec-websocket-key",
    [HTTP_WEBSOCKET_VERSION] = "sec-websocket-version",
    [HTTP_WEBSOCKET_PROTOCOL] = "sec-websocket-protocol",
};

// ---- Words ------------------------------------------------------------------------------------

bool http_has(const struct http_request *request, enum http_field field)
{
    return request->fields[field].data != NULL;
}

bool http_same_word(struct slice a, const char *b)
{
    return a.n == strlen(b) && strncasecmp((const char *)a.data, b, a.n) == 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice without_blanks(struct slice text)
{
    while (text.n > 0 && is_blank(text.data[0])) {
        text = (struct slice){text.data + 1, text.n - 1};
    }
    while (text.n > 0 && is_blank(text.data[text.n - 1])) {
        text.n--;
    }
    return text;
}

// Cuts at the first `c`, which goes. Without one, all of it is the first part.
static struct slice take_up_to(struct slice *text, uint8_t c)
{
    const uint8_t *end = text->n == 0 ? NULL : memchr(text->data, c, text->n);
    struct slice first = *text;
    if (end == NULL) {
        *text = (struct slice){0};
        return first;
    }
    first.n = (size_t)(end - text->data);
    *text = (struct slice){end + 1, text->n - first.n - 1};
    return first;
}

bool http_list_take(struct slice *list, struct slice *ret_item, struct slice *ret_parameters)
{
    while (list->n > 0) {
        struct slice item = take_up_to(list, ',');
        *ret_item = without_blanks(take_up_to(&item, ';'));
        *ret_parameters = without_blanks(item);
        if (ret_item->n > 0) {
            return true;
        }
    }
    return false;
}

// `q=0`, `q=0.0` and so on: anything but "not at all" is good enough.
static bool is_unwanted(struct slice parameters)
{
    if (parameters.n < 3 || strncasecmp((const char *)parameters.data, "q=0", 3) != 0) {
        return false;
    }
    for (size_t i = 3; i < parameters.n; i++) {
        if (parameters.data[i] != '.' && parameters.data[i] != '0') {
            return false;
        }
    }
    return true;
}

bool http_list_has(struct slice list, const char *item)
{
    struct slice found;
    struct slice parameters;
    while (http_list_take(&list, &found, &parameters)) {
        if (http_same_word(found, item)) {
            return !is_unwanted(parameters);
        }
    }
    return false;
}

// ---- The head ---------------------------------------------------------------------------------

// A byte of a method or of a field's name (RFC 9110, section 5.6.2).
static bool is_token_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (!is_token_byte(text.data[i])) {
            return false;
        }
    }
    return text.n > 0;
}

// No control bytes, and no blanks unless they are allowed.
static bool is_printable(struct slice text, bool blanks)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.data[i];
        if (c == 0x7f || (c < 0x20 && c != '\t') || (is_blank(c) && !blanks)) {
            return false;
        }
    }
    return true;
}

// `GET /path?query HTTP/1.1`
static bool parse_first_line(struct slice line, struct http_request *ret)
{
    ret->method = take_up_to(&line, ' ');
    struct slice target = take_up_to(&line, ' ');
    ret->is_1_1 = slice_equal(line, slice_of_text("HTTP/1.1"));
    if (!ret->is_1_1 && !slice_equal(line, slice_of_text("HTTP/1.0"))) {
        return false;
    }
    if (!is_token(ret->method) || !is_printable(target, false) || target.n == 0 ||
        target.data[0] != '/') {
        return false; // nobody takes us for a proxy
    }
    ret->path = take_up_to(&target, '?');
    return true;
}

static bool parse_field(struct slice line, struct http_request *ret)
{
    struct slice value = line;
    struct slice name = take_up_to(&value, ':');
    if (name.n == line.n || !is_token(name) || !is_printable(value, true)) {
        return false;
    }
    value = without_blanks(value);
    for (int i = 0; i < HTTP_FIELDS; i++) {
        if (!http_same_word(name, field_names[i])) {
            continue;
        }
        if (ret->fields[i].data != NULL) {
            return false; // twice: which one is meant?
        }
        ret->fields[i] = (struct slice){value.n > 0 ? value.data : line.data, value.n};
    }
    return true;
}

// The next line without its end. False: its end has not come, or is not CRLF (*ret_bad).
static bool take_line(struct slice *bytes, struct slice *ret, bool *ret_bad)
{
    const uint8_t *end = bytes->n == 0 ? NULL : memchr(bytes->data, '\n', bytes->n);
    if (end == NULL) {
        return false;
    }
    size_t n = (size_t)(end - bytes->data);
    if (n == 0 || bytes->data[n - 1] != '\r') {
        *ret_bad = true;
        return false;
    }
    *ret = (struct slice){bytes->data, n - 1};
    *bytes = (struct slice){bytes->data + n + 1, bytes->n - n - 1};
    return true;
}

enum http_outcome http_request_parse(struct slice bytes, struct http_request *ret, size_t *ret_n)
{
    struct slice left = bytes;
    struct slice line;
    bool bad = false;
    *ret = (struct http_request){0};
    if (!take_line(&left, &line, &bad)) {
        return bad ? HTTP_E_BAD : HTTP_E_PENDING;
    }
    if (!parse_first_line(line, ret)) {
        return HTTP_E_BAD;
    }
    while (take_line(&left, &line, &bad)) {
        if (line.n == 0) {
            *ret_n = bytes.n - left.n;
            return HTTP_OK;
        }
        if (!parse_field(line, ret)) {
            return HTTP_E_BAD;
        }
    }
    return bad ? HTTP_E_BAD : HTTP_E_PENDING;
}
