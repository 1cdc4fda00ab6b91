#include "capture/perf/tracepoint.h"

enum { RAW_LIMIT_BYTES = 1 << 16 };

// The text up to the next `separator` or the end; the separator is consumed.
static struct slice take_until(struct reader *from, char separator)
{
    size_t left = reader_left(from);
    const uint8_t *at = from->bytes.data + from->at;
    const uint8_t *end = left == 0 ? NULL : memchr(at, separator, left);
    struct slice word = read_slice(from, end == NULL ? left : (size_t)(end - at));
    read_slice(from, end == NULL ? 0 : 1);
    return word;
}

// Whether the text begins with `prefix`, which is then taken off, after blanks.
static bool take_prefix(struct slice *text, const char *prefix)
{
    size_t n = strlen(prefix);
    while (text->n > 0 && (text->data[0] == ' ' || text->data[0] == '\t')) {
        *text = (struct slice){text->data + 1, text->n - 1};
    }
    if (text->n < n || memcmp(text->data, prefix, n) != 0) {
        return false;
    }
    *text = (struct slice){text->data + n, text->n - n};
    return true;
}

static bool parse_number(struct slice digits, uint32_t limit, uint32_t *ret)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || value >= limit) {
            return false;
        }
        value = value * 10 + (uint32_t)(digits.data[i] - '0');
    }
    *ret = value;
    return digits.n > 0 && value < limit;
}

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Of a declaration as in C, `unsigned char comm[16]` or `pid_t pid`, the name.
static struct slice declared_name(struct slice declaration)
{
    const uint8_t *bracket = declaration.n == 0 ? NULL
                                                : memchr(declaration.data, '[', declaration.n);
    size_t end = bracket == NULL ? declaration.n : (size_t)(bracket - declaration.data);
    size_t start = end;
    while (start > 0 && is_word(declaration.data[start - 1])) {
        start--;
    }
    return (struct slice){declaration.data + start, end - start};
}

// False for lines that describe no field, or not this one.
static bool parse_line(struct slice line, struct slice name, struct tracepoint_field *ret)
{
    struct reader from = reader_of(line);
    struct slice declaration = take_until(&from, ';');
    struct slice off = take_until(&from, ';');
    struct slice size = take_until(&from, ';');
    return take_prefix(&declaration, "field:") && slice_equal(declared_name(declaration), name) &&
           take_prefix(&off, "offset:") && parse_number(off, RAW_LIMIT_BYTES, &ret->off) &&
           take_prefix(&size, "size:") && parse_number(size, RAW_LIMIT_BYTES, &ret->size_bytes);
}

bool tracepoint_find_field(struct slice format, const char *name, struct tracepoint_field *ret)
{
    struct reader from = reader_of(format);
    while (reader_left(&from) > 0) {
        struct tracepoint_field field;
        if (parse_line(take_until(&from, '\n'), slice_of_text(name), &field)) {
            *ret = field;
            return true;
        }
    }
    return false;
}

static bool find_off(struct slice format, const char *name, uint32_t size_bytes, uint32_t *ret_off)
{
    struct tracepoint_field field;
    if (!tracepoint_find_field(format, name, &field) || field.size_bytes != size_bytes) {
        return false;
    }
    *ret_off = field.off;
    return true;
}

bool waking_format_parse(struct slice format, struct waking_format *ret)
{
    return find_off(format, "common_flags", 1, &ret->flags_off) &&
           find_off(format, "common_pid", 4, &ret->waker_tid_off) &&
           find_off(format, "pid", 4, &ret->wakee_tid_off);
}

static bool read_at(struct slice raw, uint32_t off, void *to, size_t n)
{
    if (off > raw.n || n > raw.n - off) {
        return false;
    }
    memcpy(to, raw.data + off, n);
    return true;
}

bool waking_parse(const struct waking_format *format, struct slice raw, struct waking *ret)
{
    return read_at(raw, format->flags_off, &ret->flags, sizeof ret->flags) &&
           read_at(raw, format->waker_tid_off, &ret->waker_tid, sizeof ret->waker_tid) &&
           read_at(raw, format->wakee_tid_off, &ret->wakee_tid, sizeof ret->wakee_tid);
}
