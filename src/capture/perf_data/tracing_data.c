#include "capture/perf_data/tracing_data.h"

static const uint8_t magic[] = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g'};

static struct slice read_sized(struct reader *from)
{
    uint64_t n = read_u64(from);
    if (n > reader_left(from)) {
        from->bad = true;
        return (struct slice){0};
    }
    return read_slice(from, (size_t)n);
}

static bool skip_start(struct reader *from)
{
    struct slice found = read_slice(from, sizeof magic);
    if (found.n != sizeof magic || memcmp(found.data, magic, sizeof magic) != 0) {
        return false;
    }
    read_text(from); // version
    bool big_endian = read_u8(from) != 0;
    read_slice(from, 1 + sizeof(uint32_t)); // sizes of long and of a page
    for (int i = 0; i < 2; i++) {
        read_text(from); // header_page, header_event
        read_sized(from);
    }
    uint32_t n = read_u32(from);
    for (uint32_t i = 0; i < n && !from->bad; i++) {
        read_sized(from);
    }
    return !big_endian && !from->bad;
}

// What stands behind `key` on a line that begins with it; empty when there is none.
static struct slice line_value(struct slice text, const char *key)
{
    size_t n = strlen(key);
    size_t at = 0;
    while (at < text.n) {
        const uint8_t *line = text.data + at;
        const uint8_t *end = memchr(line, '\n', text.n - at);
        size_t length = end == NULL ? text.n - at : (size_t)(end - line);
        if (length > n && memcmp(line, key, n) == 0) {
            return (struct slice){line + n, length - n};
        }
        at += length + 1;
    }
    return (struct slice){0};
}

static bool is_number(struct slice digits, uint64_t number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || value > UINT32_MAX) {
            return false;
        }
        value = value * 10 + (uint64_t)(digits.data[i] - '0');
    }
    return digits.n > 0 && value == number;
}

bool tracing_data_find(struct slice bytes, uint64_t id, struct tracing_point *ret)
{
    struct reader from = reader_of(bytes);
    if (!skip_start(&from)) {
        return false;
    }
    uint32_t n_systems = read_u32(&from);
    for (uint32_t i = 0; i < n_systems && !from.bad; i++) {
        struct slice system = read_text(&from);
        uint32_t n_points = read_u32(&from);
        for (uint32_t k = 0; k < n_points && !from.bad; k++) {
            struct slice format = read_sized(&from);
            if (is_number(line_value(format, "ID: "), id)) {
                *ret = (struct tracing_point){
                    .system = system, .name = line_value(format, "name: "), .format = format};
                return true;
            }
        }
    }
    return false;
}
