#include "image/perf_map.h"

#include "base/limits.h"

enum { LINE_MAX_BYTES = LIMIT_SYMBOL_BYTES + 64 };

void perf_map_fini(struct perf_map *map)
{
    vec_fini(&map->pending);
}

bool perf_map_is_cut(const struct perf_map *map)
{
    return map->pending.n > 0 || map->too_long;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A number and the one space behind it. False when there is none, or it has more than 64 bits.
static bool read_hex(struct reader *from, uint64_t *ret)
{
    const uint8_t *at = from->bytes.data + from->at;
    const uint8_t *end = from->bytes.data + from->bytes.n;
    if (end - at >= 2 && at[0] == '0' && (at[1] | 0x20) == 'x') {
        at += 2;
    }
    const uint8_t *first = at;
    uint64_t value = 0;
    for (int digit; at < end && (digit = hex_digit(*at)) >= 0; at++) {
        if (value >> 60 != 0) {
            return false;
        }
        value = value << 4 | (uint64_t)digit;
    }
    if (at == first || at == end || *at != ' ') {
        return false;
    }
    from->at = (size_t)(at + 1 - from->bytes.data);
    *ret = value;
    return true;
}

static bool parse_line(struct slice line, struct perf_map_entry *ret)
{
    struct reader from = reader_of(line);
    if (!read_hex(&from, &ret->addr) || !read_hex(&from, &ret->size_bytes)) {
        return false;
    }
    ret->name = read_slice(&from, reader_left(&from));
    bool is_range = ret->size_bytes > 0 && ret->size_bytes <= UINT64_MAX - ret->addr;
    return is_range && ret->name.n > 0 && ret->name.n <= LIMIT_SYMBOL_BYTES;
}

static void take_line(struct perf_map *map, struct slice line, perf_map_sink_fn sink, void *context)
{
    struct perf_map_entry entry;
    if (parse_line(line, &entry)) {
        map->n_entries++;
        sink(context, &entry);
    } else {
        map->n_bad++;
    }
}

static void keep(struct perf_map *map, struct slice part)
{
    if (map->too_long || part.n > LINE_MAX_BYTES - map->pending.n) {
        map->too_long = true;
        vec_clear(&map->pending);
        return;
    }
    vec_reserve(&map->pending, map->pending.n + part.n);
    if (part.n > 0) {
        memcpy(map->pending.at + map->pending.n, part.data, part.n);
    }
    map->pending.n += part.n;
}

void perf_map_feed(struct perf_map *map, struct slice bytes, perf_map_sink_fn sink, void *context)
{
    for (size_t at = 0; at < bytes.n;) {
        const uint8_t *start = bytes.data + at;
        const uint8_t *newline = memchr(start, '\n', bytes.n - at);
        struct slice part = {start, newline == NULL ? bytes.n - at : (size_t)(newline - start)};
        at += part.n + 1;
        bool whole = !perf_map_is_cut(map); // the line begins in this part
        if (newline != NULL && whole) {
            take_line(map, part, sink, context);
            continue;
        }
        keep(map, part);
        if (newline == NULL) {
            return;
        }
        if (map->too_long) {
            map->n_bad++;
        } else {
            take_line(map, (struct slice){map->pending.at, map->pending.n}, sink, context);
        }
        vec_clear(&map->pending);
        map->too_long = false;
    }
}
